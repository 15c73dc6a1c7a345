//! The gate in front of all services: the caller's rate, the number of requests, the time of a request, and what is counted of it.

use crate::{Limits, Metrics, Reason, incoming::Caller, rate::Buckets, status};
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};

/// Methods whose client sends, or whose answer waits, as long as it likes; they bound themselves.
const STREAMS: &[&str] = &["/octroi.v1.TransactionService/StreamTransactions"];
/// Methods that wait for a commit when they are asked to.
const WAITING: &[&str] =
    &["/octroi.v1.TransactionService/SubmitTransaction", "/octroi.v1.TransactionService/SubmitTransactions"];

/// Methods whose request may carry megabytes.
const UPLOADS: &[&str] =
    &["/octroi.v1.TransactionService/SubmitTransactions", "/octroi.v1.TransactionService/StreamTransactions"];
/// Methods whose request is one transaction.
const SINGLES: &[&str] = &[
    "/octroi.v1.TransactionService/SubmitTransaction",
    "/octroi.v1.TransactionService/SimulateTransaction",
    "/octroi.v1.TransactionService/GetTransaction",
    "/octroi.v1.TransactionService/WatchTransaction",
];
/// Bytes of the request of one transaction: body, signatures and framing.
const SINGLE: usize = octroi_ledger::transaction::MAX_TRANSACTION_BYTES + 8 * 1024;

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) rate: Buckets,
    pub(crate) requests: Arc<Semaphore>,
    pub(crate) uploads: Arc<Semaphore>,
    pub(crate) request: Duration,
    pub(crate) wait: Duration,
    pub(crate) metrics: Arc<Metrics>,
}

impl Shared {
    pub(crate) fn new(limits: &Limits, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            rate: Buckets::new(limits.request_rate, limits.callers),
            requests: Arc::new(Semaphore::new(limits.requests)),
            uploads: Arc::new(Semaphore::new(limits.uploads)),
            request: limits.request,
            wait: limits.wait,
            metrics,
        })
    }

    /// `None`: as long as it likes.
    fn time_of(&self, path: &str) -> Option<Duration> {
        if STREAMS.contains(&path) {
            None
        } else if WAITING.contains(&path) {
            Some(self.request + self.wait)
        } else {
            Some(self.request)
        }
    }
}

/// Puts the gate in front of a service.
#[derive(Clone)]
pub(crate) struct GateLayer(pub(crate) Arc<Shared>);

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate { inner, shared: self.0.clone() }
    }
}

/// A service behind the gate.
#[derive(Clone)]
pub(crate) struct Gate<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let began = Instant::now();
        let shared = self.shared.clone();
        let waiting = self.inner.clone();
        // The service that was polled ready is the one to call.
        let mut inner = std::mem::replace(&mut self.inner, waiting);
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            let response = match enter(&shared, &request, began) {
                Err(status) => status.into_http(),
                Ok(_permits) => {
                    let request = if SINGLES.contains(&path.as_str()) { request.map(single) } else { request };
                    let answer = inner.call(request);
                    match shared.time_of(&path) {
                        None => answer.await?,
                        Some(most) => match tokio::time::timeout(most, answer).await {
                            Ok(response) => response?,
                            Err(_) => timed_out(most).into_http(),
                        },
                    }
                }
            };
            let code = response.headers().get("grpc-status").and_then(|code| code.to_str().ok());
            let code = code.and_then(|code| code.parse().ok()).map_or(Code::Ok, Code::from_i32);
            shared.metrics.request(path.trim_start_matches('/'), code, began.elapsed());
            Ok(response)
        })
    }
}

/// A place among the requests, and one among the uploads for those that are.
type Permits = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

fn enter(shared: &Shared, request: &Request<Body>, now: Instant) -> Result<Permits, Status> {
    // Without a connection's word on who calls there is nobody to count for.
    if let Some(caller) = request.extensions().get::<Caller>() {
        shared.rate.take(*caller, 1, now).map_err(status::rate_limited)?;
    }
    let place = shared.requests.clone().try_acquire_owned().map_err(|_| status::overloaded("requests"))?;
    let upload = UPLOADS.contains(&request.uri().path()).then(|| shared.uploads.clone().try_acquire_owned());
    Ok((place, upload.transpose().map_err(|_| status::overloaded("uploads"))?))
}

/// Bounds the bytes of a body: the bound of its service is that of the greatest method.
fn single(body: Body) -> Body {
    Body::new(Limited::new(body, SINGLE).map_err(|error| {
        match error.downcast::<LengthLimitError>() {
            Ok(_) => status::Answer::new(Reason::TransactionTooLarge, format!("a request of more than {SINGLE} bytes"))
                .value("limit", SINGLE)
                .status(),
            Err(error) => Status::from_error(error),
        }
    }))
}

fn timed_out(most: Duration) -> Status {
    status::Answer::new(Reason::RequestTimeout, format!("no answer within {} ms", most.as_millis()))
        .value("milliseconds", most.as_millis())
        .status()
}
