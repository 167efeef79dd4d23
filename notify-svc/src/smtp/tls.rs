//! TLS to mail servers: whom we trust, and the stream.

use std::{
    fs, io,
    net::SocketAddr,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use lettre::transport::smtp::client::{AsyncTokioStream, Certificate, CertificateStore, TlsParameters};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Who vouches for mail servers.
#[derive(Clone)]
pub(crate) struct Trust {
    config: Arc<ClientConfig>,
    /// None: the public ones.
    own: Option<Vec<Certificate>>,
}

impl Trust {
    /// The certification authorities in the PEM file `ca_file`, or else the public ones.
    pub(crate) fn new(ca_file: Option<&Path>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let own = match ca_file {
            None => {
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
                None
            }
            Some(path) => {
                let pem =
                    fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                let mut own = Vec::new();
                for certificate in CertificateDer::pem_slice_iter(&pem) {
                    let certificate = certificate.map_err(|error| error.to_string())?;
                    own.push(Certificate::from_der(certificate.to_vec()).map_err(|error| error.to_string())?);
                    roots.add(certificate).map_err(|error| error.to_string())?;
                }
                if own.is_empty() {
                    return Err(format!("{} holds no certificate in PEM", path.display()));
                }
                Some(own)
            }
        };
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring offers TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            config: Arc::new(config),
            own,
        })
    }

    /// For an upgrade by STARTTLS, which lettre does.
    pub(super) fn parameters(&self, host: &str) -> Result<TlsParameters, lettre::transport::smtp::Error> {
        let mut builder = TlsParameters::builder(host.to_owned());
        if let Some(own) = &self.own {
            builder = builder.certificate_store(CertificateStore::None);
            for certificate in own {
                builder = builder.add_root_certificate(certificate.clone());
            }
        }
        builder.build()
    }

    /// TLS from the first byte.
    pub(super) async fn encrypt(&self, stream: TcpStream, host: &str) -> io::Result<Encrypted> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let connector = TlsConnector::from(self.config.clone());
        connector.connect(name, stream).await.map(Encrypted)
    }
}

/// A stream of ours: lettre's own has no TCP_NODELAY.
#[derive(Debug)]
pub(super) struct Encrypted(TlsStream<TcpStream>);

impl AsyncTokioStream for Encrypted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().0.peer_addr()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
