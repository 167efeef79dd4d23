//! TLS to mail servers: whom we trust, and how a connection is encrypted.

use std::{fs, io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio_rustls::TlsConnector;

use super::dialogue::{Dialogue, Stream};

/// Who vouches for mail servers.
#[derive(Clone)]
pub(crate) struct Trust {
    config: Arc<ClientConfig>,
}

impl Trust {
    /// The certification authorities in the PEM file `ca_file`, or else the public ones.
    pub(crate) fn new(ca_file: Option<&Path>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        match ca_file {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(path) => {
                let pem =
                    fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                for certificate in CertificateDer::pem_slice_iter(&pem) {
                    let certificate = certificate.map_err(|error| error.to_string())?;
                    roots.add(certificate).map_err(|error| error.to_string())?;
                }
                if roots.is_empty() {
                    return Err(format!("{} holds no certificate in PEM", path.display()));
                }
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring offers TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            config: Arc::new(config),
        })
    }

    /// Encrypts a connection to `host`, once its certificate is seen to be good.
    pub(super) async fn encrypt(&self, stream: Box<dyn Stream>, host: &str) -> io::Result<Dialogue> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let connector = TlsConnector::from(self.config.clone());
        let encrypted = connector.connect(name, stream).await?;
        Ok(Dialogue::new(Box::new(encrypted)))
    }
}
