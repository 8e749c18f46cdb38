//! The address that a gateway listens on.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;

use crate::Error;

/// An address that is held, for one gateway after the other: who connects in between waits and is not refused.
#[derive(Debug, Clone)]
pub struct Listener(Arc<TcpListener>);

impl Listener {
    /// Listens; on a loopback address, port 0 takes any free one.
    pub fn bind(listen: &str) -> Result<Self, Error> {
        let address = loopback(listen)?;
        let listener = TcpListener::bind(address).map_err(|source| Error::Listen { address, source })?;
        listener.set_nonblocking(true)?;
        Ok(Self(Arc::new(listener)))
    }

    /// The same socket for one gateway.
    pub(crate) fn socket(&self) -> io::Result<TcpListener> {
        self.0.try_clone()
    }
}

/// The address, if nobody outside can reach it.
pub(crate) fn loopback(listen: &str) -> Result<SocketAddr, Error> {
    let unreadable = || Error::Address { listen: listen.to_owned() };
    let found: Vec<SocketAddr> = listen.to_socket_addrs().map_err(|_| unreadable())?.collect();
    if let Some(address) = found.iter().find(|address| !address.ip().is_loopback()) {
        return Err(Error::NotLoopback { address: *address });
    }
    found.first().copied().ok_or_else(unreadable)
}
