//! Requests to a registry and what comes back, in words that name the URL and never a password.

use std::time::Duration;

use ::schemas::registry::Unavailable;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::Agent;
use ureq::http::Response;

use super::Error;

/// How long a connection may take.
const CONNECT_TIMEOUT_MS: u64 = 3_000;
/// How long one request may take from start to end.
const REQUEST_TIMEOUT_MS: u64 = 10_000;
/// The largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 8 << 20;
/// Characters of an unexpected answer that go into a message.
const EXCERPT_CHARS_MAX: usize = 200;
/// The media type of the interface.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

#[derive(Debug)]
pub(super) struct Http {
    agent: Agent,
    /// Base URL without credentials and without a slash at the end.
    base: String,
    authorization: Option<String>,
}

/// An answer of any status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    url: String,
    body: String,
}

#[derive(Deserialize)]
struct Failure {
    error_code: u32,
    #[serde(default)]
    message: String,
}

impl Http {
    pub(super) fn new(url: &str, fallback_auth: Option<&str>) -> Result<Self, Error> {
        let (base, user_info) = split(url)?;
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_millis(CONNECT_TIMEOUT_MS)))
            .timeout_global(Some(Duration::from_millis(REQUEST_TIMEOUT_MS)))
            .build()
            .new_agent();
        let authorization =
            user_info.as_deref().or(fallback_auth).map(|auth| format!("Basic {}", STANDARD.encode(auth.as_bytes())));
        Ok(Self { agent, base, authorization })
    }

    pub(super) fn get(&self, path: &str) -> Result<Answer, Unavailable> {
        let url = format!("{}{path}", self.base);
        let mut request = self.agent.get(&url).header("Accept", MEDIA_TYPE);
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        self.answer(url, request.call())
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Answer, Unavailable> {
        let url = format!("{}{path}", self.base);
        let request = self.agent.post(&url);
        self.send(url, request, body)
    }

    pub(super) fn put(&self, path: &str, body: &Value) -> Result<Answer, Unavailable> {
        let url = format!("{}{path}", self.base);
        let request = self.agent.put(&url);
        self.send(url, request, body)
    }

    fn send(
        &self,
        url: String,
        request: ureq::RequestBuilder<ureq::typestate::WithBody>,
        body: &Value,
    ) -> Result<Answer, Unavailable> {
        let mut request = request.header("Accept", MEDIA_TYPE).header("Content-Type", MEDIA_TYPE);
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        self.answer(url, request.send(body.to_string()))
    }

    fn answer(&self, url: String, got: Result<Response<ureq::Body>, ureq::Error>) -> Result<Answer, Unavailable> {
        let unreachable = |e: ureq::Error| Unavailable {
            message: format!("{url} did not answer ({e}); check that the registry runs and that the url is right"),
        };
        let mut response = got.map_err(unreachable)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().map_err(unreachable)?;
        Ok(Answer { status, url, body })
    }

    /// The content of an answer that must be a success.
    pub(super) fn expect<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, Unavailable> {
        match answer.status {
            200..=299 => serde_json::from_str(&answer.body).map_err(|e| self.surprise(answer, &e.to_string())),
            401 | 403 => Err(self.surprise(answer, "the registry wants other credentials")),
            404 => Err(self.surprise(answer, "this does not look like a schema registry, check the path of the url")),
            _ => Err(self.surprise(answer, "the registry has a problem of its own")),
        }
    }

    /// What to say of an answer that fits no expectation.
    pub(super) fn surprise(&self, answer: &Answer, detail: &str) -> Unavailable {
        let excerpt: String = answer.body.chars().take(EXCERPT_CHARS_MAX).collect();
        Unavailable { message: format!("{} answered {}: {detail}: {excerpt}", answer.url, answer.status) }
    }
}

impl Answer {
    /// Whether the registry itself, not something in front of it, gave this status with one of these error codes.
    pub(super) fn is_code(&self, status: u16, codes: &[u32]) -> bool {
        self.status == status && self.failure().is_some_and(|failure| codes.contains(&failure.error_code))
    }

    /// The registry's own words, or whatever came.
    pub(super) fn message(&self) -> String {
        match self.failure() {
            Some(failure) => failure.message,
            None => self.body.chars().take(EXCERPT_CHARS_MAX).collect(),
        }
    }

    fn failure(&self) -> Option<Failure> {
        serde_json::from_str(&self.body).ok()
    }
}

/// A URL without its user and password, and those.
fn split(url: &str) -> Result<(String, Option<String>), Error> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (user_info, host) = match authority.rsplit_once('@') {
        Some((user_info, host)) => (Some(user_info), host),
        None => (None, authority),
    };
    let base = format!("{scheme}://{host}{}", path.trim_end_matches('/'));
    let refuse = |detail: &str| Err(Error { url: base.clone(), detail: detail.to_owned() });
    if scheme != "http" && scheme != "https" {
        return refuse("it must start with http:// or https://");
    }
    if host.is_empty() || base.parse::<ureq::http::Uri>().is_err() {
        return refuse("it names no host");
    }
    let user_info = match user_info.map(decode) {
        Some(None) => return refuse("its user and password are not percent-encoded"),
        Some(decoded) => decoded,
        None => None,
    };
    Ok((base, user_info))
}

fn decode(text: &str) -> Option<String> {
    crate::store::unescape(text)
}
