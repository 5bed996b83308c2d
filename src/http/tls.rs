//! TLS on the public listener: which certificate is presented, and a handshake that does not wait for ever.
//!
//! The certificate is that of the federation in effect at each handshake, so that a reload changes it for whoever
//! connects from then on, and a bad one never gets here.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::broker::Broker;
use crate::federation::Tls;

/// From the accepted connection to the end of its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What connections are secured with; nothing where the file has no `server.tls`. Whether there is TLS is decided at
/// start, since a client cannot be told that it should have come otherwise.
///
/// # Errors
/// When the cryptography library offers no version of TLS.
pub fn acceptor(broker: &Arc<Broker>) -> io::Result<Option<TlsAcceptor>> {
    let Some(tls) = broker.snapshot().federation.server.tls.as_ref().map(Tls::pair) else {
        return Ok(None);
    };
    let presented = Presented { broker: Arc::clone(broker), first: tls };
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(presented));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

/// Secures one connection.
///
/// # Errors
/// When the handshake fails, or takes too long.
pub async fn secured(acceptor: &TlsAcceptor, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    timeout(HANDSHAKE, acceptor.accept(stream))
        .await
        .unwrap_or_else(|_elapsed| Err(io::Error::new(io::ErrorKind::TimedOut, "the handshake takes too long")))
}

/// The certificate of the federation in effect, else the one of the start.
struct Presented {
    broker: Arc<Broker>,
    first: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Presented {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let snapshot = self.broker.snapshot();
        let now = snapshot.federation.server.tls.as_ref().map(Tls::pair);
        Some(now.unwrap_or_else(|| Arc::clone(&self.first)))
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Presented")
    }
}
