//! How the sink encrypts, and with what.

use std::{path::Path, sync::Arc};

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// How connections are encrypted.
#[derive(Clone)]
pub enum Encryption {
    /// Not at all; STARTTLS is not offered.
    None,
    /// STARTTLS is offered.
    Starttls(Certificate),
    /// From the first byte.
    Implicit(Certificate),
}

/// A certificate that vouches for itself.
#[derive(Clone)]
pub struct Certificate {
    pem: String,
    pub(super) acceptor: TlsAcceptor,
}

impl Certificate {
    /// One for a host name or an IP address.
    pub fn of(host: &str) -> Self {
        let CertifiedKey { cert, signing_key }: CertifiedKey<KeyPair> =
            generate_simple_self_signed(vec![host.to_owned()]).expect("a name or an address");
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring offers TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())
            .expect("the key is that of the certificate");
        Self {
            pem: cert.pem(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
        }
    }

    /// Writes it where `--smtp-ca-file` can read it.
    pub fn write(&self, path: &Path) {
        std::fs::write(path, &self.pem).expect("there is room for a file");
    }
}
