//! Listening and serving.

use crate::{
    Deps, Limits, Metrics, ServeConfig, ServeError,
    core::Core,
    gate::{GateLayer, Shared},
    incoming::Incoming,
    services,
    tls::Certificates,
};
use std::{future::Future, net::SocketAddr, pin::pin, sync::Arc};
use tokio::{net::TcpListener, sync::watch};
use tonic::service::Routes;
use tonic_health::{ServingStatus, server::HealthReporter};

/// Bytes that a stream, and a connection, may send ahead of what was read.
const STREAM_WINDOW: u32 = 512 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Resets that a client may cause before its connection is closed (rapid reset).
const RESETS: usize = 64;

/// A bound listener, not serving yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
    certificates: Certificates,
    metrics: Arc<Metrics>,
}

impl Server {
    /// Takes the port.
    ///
    /// # Errors
    /// [`ServeError::AddressInUse`], [`ServeError::Bind`], or [`ServeError::Tls`] for certificates that cannot be used.
    pub async fn bind(config: ServeConfig) -> Result<Self, ServeError> {
        let ServeConfig { address: asked, tls, limits } = config;
        let certificates = Certificates::new(tls.as_ref())?;
        let failed = |reason: std::io::Error| match reason.kind() {
            std::io::ErrorKind::AddrInUse => ServeError::AddressInUse(asked),
            _ => ServeError::Bind { address: asked, reason },
        };
        let listener = TcpListener::bind(asked).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, limits, certificates, metrics: Arc::default() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it counts.
    pub fn metrics(&self) -> Arc<Metrics> {
        self.metrics.clone()
    }

    /// The certificates in force, to be replaced while it serves.
    pub fn certificates(&self) -> Certificates {
        self.certificates.clone()
    }

    /// Serves until `shutdown` completes and requests have ended, or the time to drain is over. All of its work runs inside this future, save
    /// connections, for which the transport starts tasks of its own.
    ///
    /// # Errors
    /// [`ServeError::Transport`].
    pub async fn serve(self, deps: Deps, shutdown: impl Future<Output = ()> + Send) -> Result<(), ServeError> {
        let Self { listener, address, limits, certificates, metrics } = self;
        tracing::info!(%address, "gRPC listens");
        let (closing, closed) = watch::channel(false);
        let (health, health_service) = tonic_health::server::health_reporter();
        let core = Core::new(deps, limits.clone(), metrics.clone(), closed);
        let routes = services::routes(&core, &limits).add_service(health_service).add_service(reflection()?);
        let incoming = Incoming::new(listener, &limits, certificates, metrics.clone());

        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let transport = transport(&limits, Shared::new(&limits, metrics), routes, incoming, async {
            let _ = stopped.await;
        });
        let beside = async { tokio::join!(core.follow(), report(&core, &health)) };
        let (mut transport, mut beside, mut shutdown) = (pin!(transport), pin!(beside), pin!(shutdown));
        tokio::select! {
            ended = &mut transport => return ended,
            _ = &mut beside => {}
            () = &mut shutdown => {}
        }
        // Streams end themselves with a reason; what is left after the time to drain goes down with the process.
        closing.send_replace(true);
        health.set_service_status("", ServingStatus::NotServing).await;
        let _ = stop.send(());
        tokio::select! {
            ended = &mut transport => ended,
            () = tokio::time::sleep(limits.drain) => Ok(()),
        }
    }
}

async fn transport(
    limits: &Limits,
    shared: Arc<Shared>,
    routes: Routes,
    incoming: Incoming,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    tonic::transport::Server::builder()
        .accept_http1(true)
        .concurrency_limit_per_connection(limits.requests_each)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(limits.streams)
        .max_connection_age(limits.connection_age)
        .http2_keepalive_interval(Some(limits.keepalive))
        .http2_keepalive_timeout(Some(limits.keepalive_timeout))
        .http2_max_pending_accept_reset_streams(Some(RESETS))
        .http2_max_local_error_reset_streams(Some(RESETS))
        .http2_max_header_list_size(limits.header_bytes)
        .layer(tonic_web::GrpcWebLayer::new())
        .layer(GateLayer(shared))
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stop)
        .await
        .map_err(|error| ServeError::Transport(error.to_string()))
}

/// Tells the health service whether the node is ready, until the daemon is gone.
async fn report(core: &Core, health: &HealthReporter) {
    let mut ready = core.deps.ready.clone();
    loop {
        let status = if *ready.borrow_and_update() { ServingStatus::Serving } else { ServingStatus::NotServing };
        health.set_service_status("", status).await;
        for service in services::NAMES {
            health.set_service_status(service, status).await;
        }
        if ready.changed().await.is_err() {
            // Nobody says any more whether the node is ready.
            health.set_service_status("", ServingStatus::NotServing).await;
            return std::future::pending().await;
        }
    }
}

fn reflection() -> Result<
    tonic_reflection::server::v1::ServerReflectionServer<impl tonic_reflection::server::v1::ServerReflection>,
    ServeError,
> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(octroi_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(|error| ServeError::Transport(error.to_string()))
}
