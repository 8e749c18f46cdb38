//! Bodies of requests: read up to a limit. What is beyond it is read on and thrown away, so that a client that sends all of
//! its request before it reads finds an answer, and not a connection that was closed under it.

use std::time::Duration;

use axum::body::{BodyDataStream, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tracing::debug;

use crate::answer::{Answer, Problem};
use crate::{BODY_BYTES_MAX, Limits};

/// A body on its way in.
pub(crate) struct Incoming {
    stream: BodyDataStream,
    /// Bytes that are still to come, at least.
    announced: u64,
    /// Whether the client sends nothing before it is asked to, which the first look at the stream does.
    waits: bool,
    ended: bool,
}

/// Takes a request apart.
pub(crate) fn taken(request: Request) -> (Parts, Incoming) {
    let (parts, body) = request.into_parts();
    let announced = body.size_hint().lower();
    let ended = body.is_end_stream();
    let waits = parts.headers.get(header::EXPECT).is_some();
    (parts, Incoming { stream: body.into_data_stream(), announced, waits, ended })
}

/// Takes a request apart of which only the head counts.
pub(crate) fn head(request: Request, limits: &Limits) -> Parts {
    let (parts, incoming) = taken(request);
    incoming.discard(limits);
    parts
}

impl Incoming {
    /// All of it, unless it is too large.
    pub async fn read(&mut self) -> Answer<Bytes> {
        if self.announced > BODY_BYTES_MAX as u64 {
            return Err(too_large());
        }
        self.waits = false;
        let mut held = Vec::new();
        while let Some(chunk) = self.stream.next().await {
            let broken =
                |error: axum::Error| Problem::bad(format!("the body broke off: {error}"), "send the request again");
            let chunk = chunk.map_err(broken)?;
            if held.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(too_large());
            }
            held.extend_from_slice(&chunk);
        }
        self.ended = true;
        Ok(held.into())
    }

    /// Reads on beside the answer and throws away what comes. Beyond the limits the connection is closed.
    pub fn discard(mut self, limits: &Limits) {
        if self.ended || self.waits {
            return;
        }
        let (mut left, patience) = (limits.discarded_bytes_max, Duration::from_millis(limits.discard_ms_max));
        tokio::spawn(async move {
            let all = async {
                while let Some(Ok(chunk)) = self.stream.next().await {
                    match left.checked_sub(chunk.len()) {
                        Some(rest) => left = rest,
                        None => return debug!("a refused body does not end"),
                    }
                }
            };
            if timeout(patience, all).await.is_err() {
                debug!("a refused body takes too long");
            }
        });
    }
}

fn too_large() -> Problem {
    let error = format!("the body is larger than {BODY_BYTES_MAX} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, error, "send it in several requests")
}
