//! The certificate of the public listener, with the key that belongs to it.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// A chain of certificates, the server's own first, and its private key. Cheap to clone.
#[derive(Clone)]
pub struct Tls(Arc<CertifiedKey>);

/// Which of the two files is wrong, and how, as a clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    Cert(String),
    Key(String),
}

impl Tls {
    /// Reads both as PEM and holds them against each other.
    ///
    /// # Errors
    /// Which is wrong. What stands in the key's file is never repeated.
    pub fn from_pem(cert: &[u8], key: &[u8]) -> Result<Self, Unfit> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(cert).collect();
        let chain = chain.map_err(|error| Unfit::Cert(format!("which is not PEM: {error}")))?;
        if chain.is_empty() {
            return Err(Unfit::Cert("which has no certificate in it".into()));
        }
        // The error could quote the file.
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_secret| Unfit::Key("which has no private key in PEM in it".into()))?;
        match CertifiedKey::from_der(chain, key, &default_provider()) {
            Ok(pair) => Ok(Self(Arc::new(pair))),
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(Unfit::Key("which is the key of another certificate".into()))
            }
            Err(error) => Err(Unfit::Cert(format!("which cannot be used with the key: {error}"))),
        }
    }

    /// For handshakes.
    #[must_use]
    pub fn pair(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0)
    }
}

/// Equal certificates have the same public key, so that the private key is the same too.
impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.0.cert == other.0.cert
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Tls({} certificates)", self.0.cert.len())
    }
}
