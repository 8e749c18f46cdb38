//! One signed request and its answer, tried again where that changes nothing.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use ureq::Agent;
use ureq::http::Request;

use super::place::Place;
use super::sign::{Unsigned, authorization, encode, hex, timestamp};
use super::xml;

/// How long a connection may take.
const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// How long one request may take from start to end, with its body.
const REQUEST_TIMEOUT_MS: u64 = 120_000;
/// How long the server may take to answer once it has the request.
const ANSWER_TIMEOUT_MS: u64 = 30_000;
/// The largest object that is read.
const OBJECT_BYTES_MAX: u64 = 5 << 30;
/// How often a request is tried.
const ATTEMPTS_MAX: u32 = 4;
/// First pause between two attempts; it doubles each time.
const PAUSE_MS: u64 = 200;

/// A request.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) method: &'static str,
    pub(super) key: &'a str,
    /// Sorted by name.
    pub(super) query: &'a [(&'a str, &'a str)],
    /// One header of its own, if any.
    pub(super) header: Option<(&'static str, &'a str)>,
    pub(super) body: &'a [u8],
    /// Whether the same request may be made twice.
    pub(super) repeats: bool,
}

/// An answer of any status.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) bytes: u64,
    pub(super) body: Bytes,
}

impl Answer {
    /// The server's own code for what is wrong.
    pub(super) fn code(&self) -> Option<&str> {
        xml::first(std::str::from_utf8(&self.body).ok()?, "Code")
    }

    /// What is wrong, in the server's words.
    pub(super) fn failure(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let words: Vec<&str> = ["Code", "Message"].iter().filter_map(|name| xml::first(&text, name)).collect();
        format!("status {}{}{}", self.status, if words.is_empty() { "" } else { ": " }, words.join(", "))
    }

    /// Whether the server did nothing, and may do it later.
    fn is_refused_for_now(&self) -> bool {
        matches!(self.status, 429 | 503) || (self.status == 409 && self.code() == Some("ConditionalRequestConflict"))
    }

    /// Whether the server is in trouble, and may have done it.
    fn is_unclear(&self) -> bool {
        matches!(self.status, 500 | 502 | 504)
    }
}

/// Connections to the server.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
}

impl Client {
    pub(super) fn new() -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .accept_encoding("identity")
            .timeout_connect(Some(Duration::from_millis(CONNECT_TIMEOUT_MS)))
            .timeout_recv_response(Some(Duration::from_millis(ANSWER_TIMEOUT_MS)))
            .timeout_global(Some(Duration::from_millis(REQUEST_TIMEOUT_MS)))
            .build()
            .new_agent();
        Self { agent }
    }

    /// The server's answer; the error says why there is none.
    pub(super) fn ask(&self, place: &Place, asked: Asked<'_>) -> Result<Answer, String> {
        let mut pause_ms = PAUSE_MS;
        for _ in 1..ATTEMPTS_MAX {
            match self.ask_once(place, asked) {
                Ok(answer) if answer.is_refused_for_now() || (asked.repeats && answer.is_unclear()) => {}
                Err(_) if asked.repeats => {}
                settled => return settled,
            }
            std::thread::sleep(Duration::from_millis(pause_ms));
            pause_ms *= 2;
        }
        self.ask_once(place, asked)
    }

    fn ask_once(&self, place: &Place, asked: Asked<'_>) -> Result<Answer, String> {
        let Asked { method, key, query, header, body, .. } = asked;
        let path = format!("/{}/{}", place.bucket, place.full(key));
        let path = encode(if key.is_empty() { path.split_at(place.bucket.len() + 1).0 } else { &path }, true);
        let query: Vec<String> =
            query.iter().map(|(name, value)| format!("{}={}", encode(name, false), encode(value, false))).collect();
        let query = query.join("&");
        let (payload, now) = (hex(&Sha256::digest(body)), timestamp(SystemTime::now()));
        let mut headers: Vec<(&str, &str)> =
            vec![("host", &place.host), ("x-amz-content-sha256", &payload), ("x-amz-date", &now)];
        headers.extend(header);
        headers.extend(place.credentials.token.as_deref().map(|token| ("x-amz-security-token", token)));
        headers.sort_unstable();
        let request = Unsigned { method, path: &path, query: &query, headers: &headers, payload: &payload };
        let authorization = authorization(&place.credentials, &place.region, &now, &request);
        let mark = if query.is_empty() { "" } else { "?" };
        let mut request = Request::builder().method(method).uri(format!("{}{path}{mark}{query}", place.endpoint));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.header("authorization", authorization);
        let said = |error: &dyn std::fmt::Display| error.to_string();
        let answered = if method == "PUT" {
            self.agent.run(request.body(body).map_err(|error| said(&error))?)
        } else {
            self.agent.run(request.body(()).map_err(|error| said(&error))?)
        };
        let mut response = answered.map_err(|error| said(&error))?;
        let length = response.headers().get("content-length").and_then(|value| value.to_str().ok());
        let bytes = length.and_then(|value| value.parse().ok()).unwrap_or_default();
        let status = response.status().as_u16();
        let read = response.body_mut().with_config().limit(OBJECT_BYTES_MAX).read_to_vec();
        Ok(Answer { status, bytes, body: read.map_err(|error| said(&error))?.into() })
    }
}
