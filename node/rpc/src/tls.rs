//! TLS: certificates from PEM, replaced without a restart; each new connection takes those that hold then.

use crate::{ClientCertificates, ServeError, Tls};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
};

/// The certificates in force. Clones are the same handle.
#[derive(Clone)]
pub struct Certificates(Arc<RwLock<Option<TlsAcceptor>>>);

impl Certificates {
    pub(crate) fn new(tls: Option<&Tls>) -> Result<Self, ServeError> {
        let acceptor = tls.map(acceptor).transpose()?;
        Ok(Self(Arc::new(RwLock::new(acceptor))))
    }

    /// Puts others in their place; connections that stand keep theirs. A server that began in clear stays so.
    ///
    /// # Errors
    /// [`ServeError::Tls`]; those in force stay.
    pub fn replace(&self, tls: &Tls) -> Result<(), ServeError> {
        let fresh = acceptor(tls)?;
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match held.as_mut() {
            Some(acceptor) => *acceptor = fresh,
            None => return Err(ServeError::Tls("the server was started without".into())),
        }
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn acceptor(tls: &Tls) -> Result<TlsAcceptor, ServeError> {
    let Tls { certificates, key, clients } = tls;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| ServeError::Tls(error.to_string()))?;
    let verifier = |roots: &[u8]| {
        let mut store = RootCertStore::empty();
        for root in certificates_of(roots, "roots of clients")? {
            store.add(root).map_err(|error| ServeError::Tls(format!("roots of clients: {error}")))?;
        }
        Ok::<_, ServeError>(WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider.clone()))
    };
    let built = |error: tokio_rustls::rustls::server::VerifierBuilderError| ServeError::Tls(error.to_string());
    let builder = match clients {
        ClientCertificates::NotAsked => builder.with_no_client_auth(),
        ClientCertificates::Optional(roots) => {
            builder.with_client_cert_verifier(verifier(roots)?.allow_unauthenticated().build().map_err(built)?)
        }
        ClientCertificates::Required(roots) => {
            builder.with_client_cert_verifier(verifier(roots)?.build().map_err(built)?)
        }
    };
    let chain = certificates_of(certificates, "certificates")?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| ServeError::Tls(format!("private key: {error}")))?;
    let mut config = builder.with_single_cert(chain, key).map_err(|error| ServeError::Tls(error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates_of(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, ServeError> {
    let found = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| ServeError::Tls(format!("{what}: {error}")))?;
    if found.is_empty() {
        return Err(ServeError::Tls(format!("{what}: no certificate in the file")));
    }
    Ok(found)
}
