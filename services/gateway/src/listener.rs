//! The addresses that a gateway listens on: one that only this machine reaches, and perhaps one that others do.

use std::fmt;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::Error;
use crate::tokens::Tokens;

/// Addresses that are held, for one gateway after the other: who connects in between waits and is not refused.
#[derive(Debug, Clone)]
pub struct Listener {
    pub(crate) local: Arc<TcpListener>,
    pub(crate) public: Option<Public>,
}

/// An address that others reach.
#[derive(Clone)]
pub(crate) struct Public {
    pub listener: Arc<TcpListener>,
    pub tokens: Arc<Tokens>,
    pub tls: Option<TlsAcceptor>,
}

/// A certificate chain and its key, in PEM files.
#[derive(Debug, Clone, Copy)]
pub struct Certificate<'a> {
    /// The chain, the server's own first.
    pub chain: &'a Path,
    /// The key of the first.
    pub key: &'a Path,
}

impl fmt::Debug for Public {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Public").field("listener", &self.listener).field("tls", &self.tls.is_some()).finish()
    }
}

impl Listener {
    /// Listens on a loopback address; port 0 takes any free one.
    pub fn bind(listen: &str) -> Result<Self, Error> {
        Ok(Self { local: held(loopback(listen)?)?, public: None })
    }

    /// Listens on any address, too, for holders of tokens; without a certificate in plain HTTP, which is only safe
    /// behind a proxy that does TLS.
    pub fn public(self, listen: &str, tokens: Tokens, certificate: Option<Certificate<'_>>) -> Result<Self, Error> {
        let tls = certificate.map(acceptor).transpose()?;
        let address = addresses(listen)?[0];
        Ok(Self { public: Some(Public { listener: held(address)?, tokens: Arc::new(tokens), tls }), ..self })
    }

    /// Where others reach it, if they do.
    pub fn public_address(&self) -> Option<SocketAddr> {
        self.public.as_ref()?.listener.local_addr().ok()
    }
}

fn held(address: SocketAddr) -> Result<Arc<TcpListener>, Error> {
    let listener = TcpListener::bind(address).map_err(|source| Error::Listen { address, source })?;
    listener.set_nonblocking(true)?;
    Ok(Arc::new(listener))
}

/// At least one address.
fn addresses(listen: &str) -> Result<Vec<SocketAddr>, Error> {
    let found: Vec<SocketAddr> = listen.to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    if found.is_empty() { Err(Error::Address { listen: listen.to_owned() }) } else { Ok(found) }
}

/// The address, if nobody outside can reach it.
pub(crate) fn loopback(listen: &str) -> Result<SocketAddr, Error> {
    let found = addresses(listen)?;
    match found.iter().find(|address| !address.ip().is_loopback()) {
        Some(address) => Err(Error::NotLoopback { address: *address }),
        None => Ok(found[0]),
    }
}

/// What answers TLS handshakes with a certificate.
fn acceptor(certificate: Certificate<'_>) -> Result<TlsAcceptor, Error> {
    let wrong = |path: &Path, detail: String| Error::Certificate { path: path.display().to_string(), detail };
    let chain = CertificateDer::pem_file_iter(certificate.chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(certificate.chain, error.to_string()))?;
    let key =
        PrivateKeyDer::from_pem_file(certificate.key).map_err(|error| wrong(certificate.key, error.to_string()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| wrong(certificate.chain, error.to_string()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
