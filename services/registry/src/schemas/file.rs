//! A schema registry in the object store: no server, safe between processes.
//!
//! | key | content |
//! | --- | --- |
//! | `schemas/ids/<id>` | the schema's text |
//! | `schemas/digests/<sha256 of the canonical text>` | its id |
//! | `schemas/subjects/<subject>/<version>` | the id of the subject's version |
//! | `schemas/rules/<subject>` | what its versions owe to each other, where that was set |
//!
//! Each but the last is created once. Two processes that register one schema at once may both create an id; the digest entry
//! decides which of them counts, and the other stays readable, so a record that names it is still good.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ::schemas::registry::{RegisterError, SchemaRegistry, Unavailable};
use apache_avro::Schema;
use serde_json::Value;

use super::Compatibility;
use crate::canonical::{json_text, sha256_hex};
use crate::store::{self, Store, escape};

/// A schema registry kept in a [`Store`].
#[derive(Debug)]
pub struct FileRegistry {
    store: Store,
    rule: Compatibility,
    /// Ids never change their schema, so what was read once is kept.
    known: Mutex<HashMap<u32, Arc<str>>>,
}

impl FileRegistry {
    /// The registry in this store, with the rule for public topics.
    pub fn new(store: Store) -> Self {
        Self::with_rule(store, Compatibility::FullTransitive)
    }

    /// The registry in this store, with another rule for subjects that have none of their own.
    pub fn with_rule(store: Store, rule: Compatibility) -> Self {
        Self { store, rule, known: Mutex::default() }
    }

    /// All subjects, in order of their escaped names.
    pub fn subjects(&self) -> Result<Vec<String>, Unavailable> {
        let names = self.store.children("schemas/subjects").map_err(unavailable)?;
        Ok(names.iter().filter_map(|name| store::unescape(name)).collect())
    }

    /// The ids of a subject's versions, oldest first.
    pub fn versions(&self, subject: &str) -> Result<Vec<u32>, Unavailable> {
        let prefix = subject_prefix(subject);
        let names = self.store.children(&prefix).map_err(unavailable)?;
        names.iter().map(|name| self.read_id(&format!("{prefix}/{name}"))).collect()
    }

    fn read_id(&self, key: &str) -> Result<u32, Unavailable> {
        let bytes = self.store.get(key).map_err(unavailable)?;
        parse_id(&bytes).ok_or_else(|| Unavailable {
            message: format!("`{key}` in {} is not a schema id; restore it", self.store.place()),
        })
    }

    /// The id of a schema, if it has one.
    fn find_id(&self, canonical: &str) -> Result<Option<u32>, Unavailable> {
        let bytes = self.store.find(&digest_key(canonical)).map_err(unavailable)?;
        Ok(bytes.and_then(|bytes| parse_id(&bytes)))
    }

    /// Gives a schema an id, unless somebody else just did.
    fn make_id(&self, canonical: &str, text: &str) -> Result<u32, Unavailable> {
        let digest_key = digest_key(canonical);
        let id = self.create_id(text)?;
        match self.store.put_create(&digest_key, id.to_string().as_bytes()) {
            Ok(()) => Ok(id),
            Err(store::Error::AlreadyExists { .. }) => self.read_id(&digest_key),
            Err(e) => Err(unavailable(e)),
        }
    }

    /// Takes the next free id.
    fn create_id(&self, text: &str) -> Result<u32, Unavailable> {
        let taken = self.store.children("schemas/ids").map_err(unavailable)?;
        let mut id = taken.last().and_then(|name| name.parse::<u32>().ok()).unwrap_or(0) + 1;
        loop {
            match self.store.put_create(&id_key(id), text.as_bytes()) {
                Ok(()) => return Ok(id),
                Err(store::Error::AlreadyExists { .. }) => id += 1,
                Err(e) => return Err(unavailable(e)),
            }
        }
    }

    /// Makes an id the newest version of a subject, unless it is one of its versions.
    fn add_version(&self, subject: &str, id: u32, schema: &str) -> Result<(), RegisterError> {
        loop {
            let versions = self.versions(subject)?;
            if versions.contains(&id) {
                return Ok(());
            }
            self.check(subject, schema)?;
            let key = format!("{}/{:010}", subject_prefix(subject), versions.len() + 1);
            match self.store.put_create(&key, id.to_string().as_bytes()) {
                Ok(()) => return Ok(()),
                // Somebody was faster; theirs may be the same schema, or one that this must agree with.
                Err(store::Error::AlreadyExists { .. }) => {}
                Err(e) => return Err(unavailable(e).into()),
            }
        }
    }

    /// An error where the subject's rule keeps the schema out.
    fn check(&self, subject: &str, schema: &str) -> Result<(), RegisterError> {
        let subject = subject.to_owned();
        match self.refusal(&subject, schema, None)? {
            None => Ok(()),
            Some(refusal) => Err(RegisterError::Incompatible { subject, detail: refusal.to_string() }),
        }
    }

    fn rule_of(&self, subject: &str) -> Result<Compatibility, Unavailable> {
        let key = rule_key(subject);
        let Some(bytes) = self.store.find(&key).map_err(unavailable)? else { return Ok(self.rule) };
        std::str::from_utf8(&bytes).ok().and_then(Compatibility::named).ok_or_else(|| Unavailable {
            message: format!("`{key}` in {} is no compatibility mode; restore it", self.store.place()),
        })
    }
}

impl SchemaRegistry for FileRegistry {
    fn by_id(&self, id: u32) -> Result<Option<Arc<str>>, Unavailable> {
        let recall = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = recall().get(&id) {
            return Ok(Some(known.clone()));
        }
        let Some(bytes) = self.store.find(&id_key(id)).map_err(unavailable)? else {
            return Ok(None);
        };
        let text: Arc<str> = String::from_utf8_lossy(&bytes).into();
        recall().insert(id, text.clone());
        Ok(Some(text))
    }

    fn latest(&self, subject: &str) -> Result<Option<(u32, Arc<str>)>, Unavailable> {
        let Some(id) = self.versions(subject)?.last().copied() else {
            return Ok(None);
        };
        let text = self.by_id(id)?.ok_or_else(|| Unavailable {
            message: format!("`{}` is missing in {}; restore it", id_key(id), self.store.place()),
        })?;
        Ok(Some((id, text)))
    }

    fn register(&self, subject: &str, schema: &str) -> Result<u32, RegisterError> {
        let canonical = canonical(subject, schema)?;
        let (versions, found) = (self.versions(subject)?, self.find_id(&canonical)?);
        if let Some(id) = found.filter(|id| versions.contains(id)) {
            return Ok(id);
        }
        // Checked before an id is made, so that a refused schema leaves nothing behind.
        self.check(subject, schema)?;
        let id = match found {
            Some(id) => id,
            None => self.make_id(&canonical, schema)?,
        };
        self.add_version(subject, id, schema)?;
        Ok(id)
    }

    fn history(&self, subject: &str) -> Result<Vec<Arc<str>>, Unavailable> {
        let texts = self.versions(subject)?.into_iter().map(|id| self.by_id(id));
        // One whose text is missing has nothing to compare with.
        texts.filter_map(Result::transpose).collect()
    }

    fn rule(&self, subject: &str) -> Result<Option<Compatibility>, Unavailable> {
        self.rule_of(subject).map(Some)
    }

    fn set_rule(&self, subject: &str, rule: Compatibility) -> Result<(), Unavailable> {
        self.store.put(&rule_key(subject), rule.name().as_bytes()).map_err(unavailable)
    }
}

/// The canonical text of a schema, which keeps documentation and defaults; an error where it is none.
fn canonical(subject: &str, schema: &str) -> Result<String, RegisterError> {
    let invalid = |detail: String| RegisterError::Invalid { subject: subject.to_owned(), detail };
    let value: Value = serde_json::from_str(schema).map_err(|e| invalid(e.to_string()))?;
    Schema::parse_str(schema).map_err(|e| invalid(e.to_string()))?;
    Ok(json_text(&value))
}

fn parse_id(bytes: &[u8]) -> Option<u32> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// Zero-padded, so that names sort like numbers.
fn id_key(id: u32) -> String {
    format!("schemas/ids/{id:010}")
}

fn digest_key(canonical: &str) -> String {
    format!("schemas/digests/{}", sha256_hex(canonical.as_bytes()))
}

fn rule_key(subject: &str) -> String {
    format!("schemas/rules/{}", escape(subject))
}

fn subject_prefix(subject: &str) -> String {
    format!("schemas/subjects/{}", escape(subject))
}

fn unavailable(e: store::Error) -> Unavailable {
    Unavailable { message: e.to_string() }
}
