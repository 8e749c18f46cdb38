//! The log of another process, through its gateway: enough of it to publish and to look. The embedded log belongs to one
//! process at a time, so `publish`, `tap`, `topics` and `model promote` come here while `up` runs.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use registry::models::Version;
use runtime::log::{
    Commit, Committed, Error as LogError, Input, Log, Poll, Publish, Result as LogResult, Session, SessionOptions,
    TopicPartition, TopicSpec,
};
use scorer::Readiness;
use serde_json::{Value, json};
use trainer::Terms;
use ureq::config::ConfigBuilder;
use ureq::http::header::AUTHORIZATION;
use ureq::http::{HeaderValue, Request};
use ureq::middleware::MiddlewareNext;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::typestate::AgentScope;
use ureq::{Agent, SendBody};

use crate::error::Error;

/// File in the data directory with the address of the gateway of whoever has the log.
const ADDRESS_FILE: &str = "gateway";
/// Variable with the token for a gateway's public address.
const TOKEN_VARIABLE: &str = "TIDEMILL_TOKEN";
/// Variable with the file of certificates that are trusted there, in PEM; without it those of public authorities are.
const CA_VARIABLE: &str = "TIDEMILL_GATEWAY_CA";
/// How long a connection may take.
const CONNECT_TIMEOUT_MS: u64 = 2_000;
/// Bytes of records that are gathered into one request; the gateway takes some more.
const REQUEST_BYTES_MAX: usize = 512 * 1024;

/// Start and end of each partition.
type Offsets = Vec<(i64, i64)>;

/// A gateway.
#[derive(Debug, Clone)]
pub struct Remote {
    base: String,
    agent: Agent,
}

/// Tells others where the gateway of this data directory is, as long as it is held.
pub struct Announced(PathBuf);

impl Announced {
    /// Writes the address down.
    pub fn at(data: &Path, address: &str) -> std::io::Result<Self> {
        let file = data.join(ADDRESS_FILE);
        std::fs::write(&file, format!("{address}\n"))?;
        Ok(Self(file))
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        // Somebody who finds a stale address learns that nobody answers there.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// An answer that is an error, or none.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Refused {
    message: String,
    /// Whether the caller is to blame.
    ours: bool,
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        if refused.ours { Error::Input(refused.message) } else { Error::Outside(refused.message) }
    }
}

impl Remote {
    /// The gateway at this address of the same machine.
    pub fn at(address: &str) -> Self {
        Self { base: base(address), agent: settings().build().into() }
    }

    /// The gateway that a user names, with the token and the trusted certificates that the environment has for it.
    pub fn named(address: &str) -> Result<Self, Error> {
        let mut settings = settings();
        if let Ok(token) = std::env::var(TOKEN_VARIABLE) {
            let value = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| Error::Input(format!("{TOKEN_VARIABLE} holds no token: it has odd characters")))?;
            settings = settings.middleware(move |mut request: Request<SendBody<'_>>, next: MiddlewareNext<'_>| {
                request.headers_mut().insert(AUTHORIZATION, value.clone());
                next.handle(request)
            });
        }
        if let Some(file) = std::env::var_os(CA_VARIABLE) {
            let wrong = |detail: &dyn std::fmt::Display| {
                let file = Path::new(&file).display();
                Error::Input(format!("{CA_VARIABLE}: {file} holds no certificates in PEM: {detail}"))
            };
            let text = std::fs::read(&file).map_err(|error| wrong(&error))?;
            let certificates: Vec<Certificate<'static>> = parse_pem(&text)
                .filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
                    Ok(_) => None,
                    Err(error) => Some(Err(error)),
                })
                .collect::<Result<_, _>>()
                .map_err(|error| wrong(&error))?;
            if certificates.is_empty() {
                return Err(wrong(&"there is none in it"));
            }
            let roots = RootCerts::Specific(std::sync::Arc::new(certificates));
            settings = settings.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        Ok(Self { base: base(address), agent: settings.build().into() })
    }

    /// The gateway of whoever has the log in this data directory, if it answers.
    pub fn of(data: &Path) -> Option<Self> {
        let address = std::fs::read_to_string(data.join(ADDRESS_FILE)).ok()?;
        let remote = Self::at(address.trim());
        remote.get("/livez").is_ok().then_some(remote)
    }

    /// Its address.
    pub fn address(&self) -> &str {
        &self.base
    }

    /// Whether it is ready, and what is missing if not.
    pub fn health(&self) -> Result<Value, Error> {
        let mut response =
            self.agent.get(format!("{}/readyz", self.base)).call().map_err(|error| self.silent(&error))?;
        let text = response.body_mut().read_to_string().map_err(|error| self.silent(&error))?;
        Ok(parsed(&text)?)
    }

    /// Makes a model the champion.
    pub fn promote(&self, model: &str, version: Version, terms: Terms) -> Result<Value, Error> {
        let version = match version {
            Version::Latest => json!("latest"),
            Version::Number(number) => json!(number),
        };
        let unasked = terms.readiness == Readiness::Skipped;
        let wanted = json!({
            "model": model,
            "version": version,
            "threshold": terms.threshold,
            "without_readiness": unasked,
        });
        Ok(parsed(&self.post("/v1/control/promote", "application/json", &wanted.to_string())?)?)
    }

    /// Hands each line of a topic to `take` until that says false, or the tap ends.
    pub fn tap(
        &self,
        topic: &str,
        query: &[(String, String)],
        mut take: impl FnMut(&str) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let mut request = self.agent.get(format!("{}/v1/topics/{topic}/tap", self.base));
        for (name, value) in query {
            request = request.query(name, value);
        }
        let mut response = request.call().map_err(|error| self.silent(&error))?;
        if response.status().as_u16() >= 300 {
            return Err(self.text(&mut response).err().map_or_else(|| Error::Outside("no answer".into()), Into::into));
        }
        let mut kind = String::new();
        for line in BufReader::new(response.into_body().into_reader()).lines() {
            let line = line.map_err(|error| Error::Outside(format!("{} went away: {error}", self.base)))?;
            match line.split_once(": ").or_else(|| line.split_once(':')) {
                Some(("event", name)) => name.clone_into(&mut kind),
                Some(("data", _)) if kind == "end" => return Ok(()),
                Some(("data", text)) if kind == "error" => {
                    return Err(Error::Outside(format!("{}: {text}", self.base)));
                }
                Some(("data", text)) if !take(text)? => return Ok(()),
                _ => {}
            }
        }
        Ok(())
    }

    fn get(&self, path: &str) -> Result<String, Refused> {
        let mut response =
            self.agent.get(format!("{}{path}", self.base)).call().map_err(|error| self.silent(&error))?;
        self.text(&mut response)
    }

    fn post(&self, path: &str, kind: &str, body: &str) -> Result<String, Refused> {
        let request = self.agent.post(format!("{}{path}", self.base)).header("content-type", kind);
        let mut response = request.send(body).map_err(|error| self.silent(&error))?;
        self.text(&mut response)
    }

    fn silent(&self, error: &ureq::Error) -> Refused {
        Refused { message: format!("the gateway at {} does not answer: {error}", self.base), ours: false }
    }

    fn text(&self, response: &mut ureq::http::Response<ureq::Body>) -> Result<String, Refused> {
        let status = response.status().as_u16();
        let text = response.body_mut().read_to_string().map_err(|error| self.silent(&error))?;
        if status < 300 {
            return Ok(text);
        }
        let told = serde_json::from_str::<Value>(&text).unwrap_or_default();
        let part = |name: &str| told.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let message = match (part("error"), part("help")) {
            (error, _) if error.is_empty() => format!("the gateway at {} answered {status}", self.base),
            (error, help) if help.is_empty() => error,
            (error, help) => format!("{error}; {help}"),
        };
        Err(Refused { message, ours: (400..500).contains(&status) })
    }

    /// All topics.
    fn listed(&self) -> LogResult<Vec<(String, Offsets)>> {
        let text = self.get("/v1/topics").map_err(|refused| unavailable("asking for topics", &refused))?;
        let listed = parsed(&text).map_err(|refused| unavailable("asking for topics", &refused))?;
        let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_i64).unwrap_or_default();
        let topic = |topic: &Value| {
            let partitions = topic.get("partitions")?.as_array()?;
            let offsets = partitions.iter().map(|one| (number(one, "start"), number(one, "end"))).collect();
            Some((topic.get("topic")?.as_str()?.to_owned(), offsets))
        };
        Ok(listed.as_array().into_iter().flatten().filter_map(topic).collect())
    }
}

fn base(address: &str) -> String {
    let address = address.trim_end_matches('/');
    if address.contains("://") { address.to_owned() } else { format!("http://{address}") }
}

fn settings() -> ConfigBuilder<AgentScope> {
    Agent::config_builder().timeout_connect(Some(Duration::from_millis(CONNECT_TIMEOUT_MS))).http_status_as_error(false)
}

fn parsed(text: &str) -> Result<Value, Refused> {
    serde_json::from_str(text)
        .map_err(|error| Refused { message: format!("the gateway's answer is not JSON: {error}"), ours: false })
}

fn unavailable(doing: &str, refused: &Refused) -> LogError {
    let (doing, detail) = (doing.to_owned(), refused.message.clone());
    if refused.ours { LogError::Refused { doing, detail } } else { LogError::Unavailable { doing, detail } }
}

fn not_here(doing: &str) -> LogError {
    let detail = "another process has the log, and its gateway does not do this".to_owned();
    LogError::Refused { doing: doing.to_owned(), detail }
}

impl Log for Remote {
    fn create_topics(&self, specs: &[TopicSpec]) -> LogResult<()> {
        let existing = self.topics()?;
        match specs.iter().find(|spec| !existing.contains(&spec.name)) {
            None => Ok(()),
            Some(missing) => Err(LogError::MissingTopic { topic: missing.name.clone() }),
        }
    }

    fn add_partitions(&self, topic: &str, _: i32) -> LogResult<()> {
        Err(not_here(&format!("adding partitions to {topic}")))
    }

    fn partitions(&self, topic: &str) -> LogResult<Option<i32>> {
        let found = self.listed()?.into_iter().find(|(name, _)| name == topic);
        Ok(found.map(|(_, partitions)| partitions.len() as i32))
    }

    fn topics(&self) -> LogResult<Vec<String>> {
        Ok(self.listed()?.into_iter().map(|(name, _)| name).collect())
    }

    fn watermarks(&self, tp: &TopicPartition) -> LogResult<(i64, i64)> {
        let found = self.listed()?.into_iter().find(|(name, _)| **name == *tp.topic);
        let missing = || LogError::MissingTopic { topic: tp.topic.to_string() };
        let (_, offsets) = found.ok_or_else(missing)?;
        let offset = usize::try_from(tp.partition).ok().and_then(|at| offsets.get(at).copied());
        offset.ok_or_else(|| LogError::MissingPartition { tp: tp.clone(), partitions: offsets.len() as i32 })
    }

    fn offset_at(&self, _: &TopicPartition, _: i64) -> LogResult<Option<i64>> {
        Err(not_here("looking for an offset by time"))
    }

    fn committed(&self, _: &str, _: &[TopicPartition]) -> LogResult<Vec<Option<Committed>>> {
        Err(not_here("asking for commits"))
    }

    fn members(&self, _: &str) -> LogResult<Vec<String>> {
        Err(not_here("asking for a group's members"))
    }

    fn set_committed(&self, _: &str, _: &[Commit]) -> LogResult<()> {
        Err(not_here("setting commits"))
    }

    fn session(&self, options: SessionOptions) -> LogResult<Box<dyn Session>> {
        match options.input {
            Input::None => Ok(Box::new(Publishing { remote: self.clone(), bodies: Vec::new() })),
            _ => Err(not_here("reading records")),
        }
    }
}

/// A session that only publishes: records are gathered by topic and sent as one request.
struct Publishing {
    remote: Remote,
    bodies: Vec<(std::sync::Arc<str>, String)>,
}

impl Publishing {
    fn send(&mut self) -> LogResult<()> {
        for (topic, body) in &mut self.bodies {
            if body.is_empty() {
                continue;
            }
            let sent = self.remote.post(&format!("/v1/publish/{topic}"), "application/x-ndjson", body);
            sent.map_err(|refused| unavailable(&format!("publishing to {topic}"), &refused))?;
            body.clear();
        }
        Ok(())
    }
}

/// A record as the gateway takes it.
fn line(record: &Publish, body: &mut String) {
    let text = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map(|bytes| STANDARD.encode(bytes));
    let headers: Vec<_> = record.headers.iter().map(|header| (header.name.as_ref(), text(&header.value))).collect();
    let line = json!({
        "key": text(&record.key),
        "value": text(&record.value),
        "headers": headers,
        "partition": record.partition,
    });
    // Writing to a string cannot fail.
    let _ = writeln!(body, "{line}");
}

impl Session for Publishing {
    fn poll(&mut self, _: Duration) -> LogResult<Poll> {
        Err(not_here("reading records"))
    }

    fn publish(&mut self, record: Publish) -> LogResult<()> {
        let at = self.bodies.iter().position(|(topic, _)| *topic == record.topic);
        let at = at.unwrap_or_else(|| {
            self.bodies.push((record.topic.clone(), String::new()));
            self.bodies.len() - 1
        });
        line(&record, &mut self.bodies[at].1);
        if self.bodies[at].1.len() >= REQUEST_BYTES_MAX { self.send() } else { Ok(()) }
    }

    fn flush(&mut self) -> LogResult<()> {
        self.send()
    }

    fn commit(&mut self, _: &[Commit]) -> LogResult<()> {
        Err(not_here("committing"))
    }

    fn seek(&mut self, _: &TopicPartition, _: i64) -> LogResult<()> {
        Err(not_here("seeking"))
    }

    fn pause(&mut self, _: &[TopicPartition]) -> LogResult<()> {
        Err(not_here("pausing"))
    }

    fn resume(&mut self, _: &[TopicPartition]) -> LogResult<()> {
        Err(not_here("resuming"))
    }

    fn watermarks(&mut self, tp: &TopicPartition) -> LogResult<(i64, i64)> {
        Log::watermarks(&self.remote, tp)
    }

    fn close(mut self: Box<Self>) -> LogResult<()> {
        self.send()
    }
}
