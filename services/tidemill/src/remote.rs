//! The log of another process, through its gateway: enough of it to publish and to look. The embedded log belongs to one
//! process at a time, so `publish`, `tap`, `topics` and `model promote` come here while `up` runs.

mod access;
mod log;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use registry::models::Version;
use scorer::Readiness;
use serde_json::{Value, json};
use trainer::Terms;
use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

use crate::error::Error;

/// File in the data directory with the address of the gateway of whoever has the log.
const ADDRESS_FILE: &str = "gateway";
/// How long a connection may take.
const CONNECT_TIMEOUT_MS: u64 = 2_000;
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

    /// What its services count, in Prometheus's text format.
    pub fn metrics(&self) -> Result<String, Error> {
        Ok(self.get("/metrics")?)
    }

    /// The control state in force.
    pub fn control(&self) -> Result<Value, Error> {
        Ok(parsed(&self.get("/v1/control")?)?)
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
