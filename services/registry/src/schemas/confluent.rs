//! A client for schema registries that speak the Confluent HTTP interface (Confluent, Apicurio, Karapace, Redpanda).
//!
//! Only one answer means that a schema is unknown: status 404 with the registry's own error code. Everything else, a
//! 404 of a proxy in front of it included, is "unavailable": the caller waits, and no record is rejected for it.

mod http;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::schemas::registry::{RegisterError, SchemaRegistry, Unavailable};
use serde::Deserialize;
use serde_json::json;

use super::Compatibility;
use crate::store::escape;
use http::Http;

/// Environment variable with `user:password`, used when the URL names neither.
pub const AUTH_VARIABLE: &str = "SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO";
/// How long "no such schema" is believed before the registry is asked again.
pub const NEGATIVE_TTL_MS: u64 = 1_000;
/// Unknown ids remembered, at most. They come from untrusted records.
const NEGATIVE_MAX: usize = 4_096;

/// Registry error code: no such subject.
const NO_SUBJECT: u32 = 40_401;
/// Registry error code: no such version.
const NO_VERSION: u32 = 40_402;
/// Registry error code: no such schema.
const NO_SCHEMA: u32 = 40_403;
/// Registry error code: the subject has no rule of its own.
const NO_RULE: u32 = 40_408;

/// A registry address that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{url}` is not a schema registry url: {detail}; write it like http://user:password@host:8081")]
pub struct Error {
    /// The address without credentials.
    pub url: String,
    /// What is wrong with it.
    pub detail: String,
}

/// A schema registry behind HTTP. What was found once is kept for good: ids never change their schema.
#[derive(Debug)]
pub struct ConfluentRegistry {
    http: Http,
    known: Mutex<HashMap<u32, Arc<str>>>,
    unknown: Mutex<HashMap<u32, Instant>>,
}

#[derive(Deserialize)]
struct SchemaBody {
    schema: String,
    id: Option<u32>,
}

#[derive(Deserialize)]
struct IdBody {
    id: u32,
}

#[derive(Deserialize)]
struct RuleBody {
    #[serde(rename = "compatibilityLevel")]
    level: String,
}

#[derive(Deserialize)]
struct CompatibleBody {
    is_compatible: bool,
    #[serde(default)]
    messages: Vec<String>,
}

impl ConfluentRegistry {
    /// A client for the registry at this base URL. Nothing is asked yet. Credentials come from the URL or from
    /// [`AUTH_VARIABLE`].
    pub fn new(url: &str) -> Result<Self, Error> {
        let http = Http::new(url, std::env::var(AUTH_VARIABLE).ok().as_deref())?;
        Ok(Self { http, known: Mutex::default(), unknown: Mutex::default() })
    }

    /// Asks whether a schema may follow the newest one of its subject. `None` if it may, else the first difference. A
    /// subject that does not exist yet takes anything.
    pub fn incompatibility(&self, subject: &str, schema: &str) -> Result<Option<String>, Unavailable> {
        let path = format!("/compatibility/subjects/{}/versions/latest?verbose=true", escape(subject));
        let answer = self.http.post(&path, &json!({ "schema": schema }))?;
        if answer.is_code(404, &[NO_SUBJECT, NO_VERSION]) {
            return Ok(None);
        }
        let body: CompatibleBody = self.http.expect(&answer)?;
        Ok((!body.is_compatible).then(|| match body.messages.first() {
            Some(message) => message.clone(),
            None => "the registry names no difference".to_owned(),
        }))
    }

    fn is_known_unknown(&self, id: u32) -> bool {
        let unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        let ttl = Duration::from_millis(NEGATIVE_TTL_MS);
        unknown.get(&id).is_some_and(|asked| asked.elapsed() < ttl)
    }

    fn remember(&self, id: u32, found: Option<&Arc<str>>) {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(schema) = found else {
            if unknown.len() >= NEGATIVE_MAX {
                unknown.clear();
            }
            unknown.insert(id, Instant::now());
            return;
        };
        unknown.remove(&id);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(id, schema.clone());
    }

    fn recall(&self, id: u32) -> Option<Arc<str>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }
}

impl SchemaRegistry for ConfluentRegistry {
    fn by_id(&self, id: u32) -> Result<Option<Arc<str>>, Unavailable> {
        if let Some(known) = self.recall(id) {
            return Ok(Some(known));
        }
        if self.is_known_unknown(id) {
            return Ok(None);
        }
        let answer = self.http.get(&format!("/schemas/ids/{id}"))?;
        let found = match answer.is_code(404, &[NO_SCHEMA]) {
            true => None,
            false => Some(Arc::from(self.http.expect::<SchemaBody>(&answer)?.schema)),
        };
        self.remember(id, found.as_ref());
        Ok(found)
    }

    fn latest(&self, subject: &str) -> Result<Option<(u32, Arc<str>)>, Unavailable> {
        let answer = self.http.get(&format!("/subjects/{}/versions/latest", escape(subject)))?;
        if answer.is_code(404, &[NO_SUBJECT, NO_VERSION]) {
            return Ok(None);
        }
        let body: SchemaBody = self.http.expect(&answer)?;
        let id = body.id.ok_or_else(|| self.http.surprise(&answer, "it names no id"))?;
        let schema: Arc<str> = body.schema.into();
        self.remember(id, Some(&schema));
        Ok(Some((id, schema)))
    }

    fn register(&self, subject: &str, schema: &str) -> Result<u32, RegisterError> {
        let path = format!("/subjects/{}/versions", escape(subject));
        let answer = self.http.post(&path, &json!({ "schema": schema }))?;
        let subject = subject.to_owned();
        match answer.status {
            409 => Err(RegisterError::Incompatible { subject, detail: answer.message() }),
            422 => Err(RegisterError::Invalid { subject, detail: answer.message() }),
            _ => Ok(self.http.expect::<IdBody>(&answer)?.id),
        }
    }

    fn history(&self, subject: &str) -> Result<Vec<Arc<str>>, Unavailable> {
        let path = format!("/subjects/{}/versions", escape(subject));
        let answer = self.http.get(&path)?;
        if answer.is_code(404, &[NO_SUBJECT, NO_VERSION]) {
            return Ok(Vec::new());
        }
        let versions: Vec<u32> = self.http.expect(&answer)?;
        let text = |version: u32| -> Result<Arc<str>, Unavailable> {
            let answer = self.http.get(&format!("{path}/{version}"))?;
            Ok(self.http.expect::<SchemaBody>(&answer)?.schema.into())
        };
        versions.into_iter().map(text).collect()
    }

    fn rule(&self, subject: &str) -> Result<Option<Compatibility>, Unavailable> {
        let answer = self.http.get(&format!("/config/{}?defaultToGlobal=true", escape(subject)))?;
        if answer.is_code(404, &[NO_SUBJECT, NO_VERSION, NO_RULE]) {
            return Ok(None);
        }
        Ok(Compatibility::named(&self.http.expect::<RuleBody>(&answer)?.level))
    }

    fn set_rule(&self, subject: &str, rule: Compatibility) -> Result<(), Unavailable> {
        let path = format!("/config/{}", escape(subject));
        let answer = self.http.put(&path, &json!({ "compatibility": rule.name() }))?;
        self.http.expect::<serde_json::Value>(&answer).map(|_| ())
    }
}
