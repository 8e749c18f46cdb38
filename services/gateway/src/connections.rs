//! Connections as the server takes them: so many at once, over TLS where a certificate is there, and none that is silent
//! for long.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use crate::Limits;

/// Pause after an error of the listener, such as too many open files.
const PAUSE_MS: u64 = 100;

/// Connections that are ready to be served.
pub(crate) struct Connections {
    ready: Receiver<(Connection, SocketAddr)>,
    address: SocketAddr,
}

impl Connections {
    /// Accepts connections on a task of its own, until the receiver is dropped.
    pub fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, limits: Limits) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, ready) = channel(1);
        tokio::spawn(accept(listener, tls, limits, sender));
        Ok(Self { ready, address })
    }
}

impl axum::serve::Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // The accepting task never ends before this does.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    ready: Sender<(Connection, SocketAddr)>,
) {
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let [handshake, silence] = [limits.handshake_ms_max, limits.silence_ms_max].map(Duration::from_millis);
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ready.closed() => return,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                debug!(%error, "no connection");
                sleep(Duration::from_millis(PAUSE_MS)).await;
                continue;
            }
        };
        // Small answers must not wait for more.
        let _ = stream.set_nodelay(true);
        let (tls, ready) = (tls.clone(), ready.clone());
        // A slow handshake must not hold up others.
        tokio::spawn(async move {
            match shaken(stream, tls, handshake).await {
                // Nobody serves any more.
                Ok(stream) => drop(ready.send((Connection::new(stream, silence, place), address)).await),
                Err(error) => debug!(%error, %address, "no handshake"),
            }
        });
    }
}

async fn shaken(stream: TcpStream, tls: Option<TlsAcceptor>, longest: Duration) -> io::Result<Box<dyn Stream>> {
    match tls {
        None => Ok(Box::new(stream)),
        Some(tls) => Ok(Box::new(timeout(longest, tls.accept(stream)).await??)),
    }
}

/// Bytes in both directions.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection that keeps its place, and ends with an error when it is silent for too long.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    /// The longest silence, and its end unless something is heard.
    silence_max: Duration,
    silence: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn new(stream: Box<dyn Stream>, silence_max: Duration, place: OwnedSemaphorePermit) -> Self {
        Self { stream, silence_max, silence: Box::pin(sleep(silence_max)), _place: place }
    }

    fn heard(&mut self) {
        let end = Instant::now() + self.silence_max;
        self.silence.as_mut().reset(end);
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(done) => {
                self.heard();
                Poll::Ready(done)
            }
            Poll::Pending => {
                ready!(self.silence.as_mut().poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf));
        self.heard();
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
