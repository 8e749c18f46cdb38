//! Schema registries that answer from memory: a simulation asks thousands of times.

use registry::schemas::{Compatibility, FileRegistry};
use registry::store::Store;
use schemas::registry::{RegisterError, SchemaRegistry, Unavailable};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

type Known<K, V> = Mutex<BTreeMap<K, V>>;

/// The registry of files with its answers kept; nothing is ever registered twice with different results.
pub struct Remembering {
    registry: FileRegistry,
    by_id: Known<u32, Arc<str>>,
    latest: Known<String, (u32, Arc<str>)>,
    registered: Known<(String, String), u32>,
}

impl Default for Remembering {
    fn default() -> Self {
        let registry = FileRegistry::new(Store::memory());
        let (by_id, latest, registered) = Default::default();
        Remembering { registry, by_id, latest, registered }
    }
}

impl SchemaRegistry for Remembering {
    fn by_id(&self, id: u32) -> Result<Option<Arc<str>>, Unavailable> {
        if let Some(known) = self.by_id.lock().unwrap().get(&id) {
            return Ok(Some(known.clone()));
        }
        let found = self.registry.by_id(id)?;
        self.by_id.lock().unwrap().extend(found.clone().map(|text| (id, text)));
        Ok(found)
    }

    fn latest(&self, subject: &str) -> Result<Option<(u32, Arc<str>)>, Unavailable> {
        if let Some(known) = self.latest.lock().unwrap().get(subject) {
            return Ok(Some(known.clone()));
        }
        let found = self.registry.latest(subject)?;
        self.latest.lock().unwrap().extend(found.clone().map(|found| (subject.to_owned(), found)));
        Ok(found)
    }

    fn register(&self, subject: &str, schema: &str) -> Result<u32, RegisterError> {
        let key = (subject.to_owned(), schema.to_owned());
        if let Some(known) = self.registered.lock().unwrap().get(&key) {
            return Ok(*known);
        }
        let id = self.registry.register(subject, schema)?;
        self.registered.lock().unwrap().insert(key, id);
        Ok(id)
    }

    fn history(&self, subject: &str) -> Result<Vec<Arc<str>>, Unavailable> {
        self.registry.history(subject)
    }

    fn rule(&self, subject: &str) -> Result<Option<Compatibility>, Unavailable> {
        self.registry.rule(subject)
    }

    fn set_rule(&self, subject: &str, rule: Compatibility) -> Result<(), Unavailable> {
        self.registry.set_rule(subject, rule)
    }
}

/// A registry that learns of one schema in the middle of a history.
pub struct Learning {
    registry: Arc<dyn SchemaRegistry>,
    id: u32,
    learned: AtomicBool,
}

impl Learning {
    pub fn new(registry: Arc<dyn SchemaRegistry>, id: u32, learned: bool) -> Self {
        Learning { registry, id, learned: AtomicBool::new(learned) }
    }

    /// Now it knows.
    pub fn learn(&self) {
        self.learned.store(true, Ordering::Relaxed);
    }
}

impl SchemaRegistry for Learning {
    fn by_id(&self, id: u32) -> Result<Option<Arc<str>>, Unavailable> {
        if id == self.id && !self.learned.load(Ordering::Relaxed) { Ok(None) } else { self.registry.by_id(id) }
    }

    fn latest(&self, subject: &str) -> Result<Option<(u32, Arc<str>)>, Unavailable> {
        self.registry.latest(subject)
    }

    fn register(&self, subject: &str, schema: &str) -> Result<u32, RegisterError> {
        self.registry.register(subject, schema)
    }

    fn history(&self, subject: &str) -> Result<Vec<Arc<str>>, Unavailable> {
        self.registry.history(subject)
    }

    fn rule(&self, subject: &str) -> Result<Option<Compatibility>, Unavailable> {
        self.registry.rule(subject)
    }

    fn set_rule(&self, subject: &str, rule: Compatibility) -> Result<(), Unavailable> {
        self.registry.set_rule(subject, rule)
    }
}
