//! A schema registry as it will be: for looking at what tasks would do after a change.

use super::Changes;
use schemas::compatibility::Compatibility;
use schemas::registry::{RegisterError, SchemaRegistry, Unavailable, value_subject};
use std::collections::HashMap;
use std::sync::Arc;

/// Id of schemas that have none yet.
const NO_ID: u32 = 0;

/// A registry with the schemas that are to be registered in it.
pub struct Foreseen {
    registry: Arc<dyn SchemaRegistry>,
    new: HashMap<String, Arc<str>>,
}

impl Foreseen {
    /// The registry after these changes.
    pub fn new(registry: Arc<dyn SchemaRegistry>, changes: &Changes) -> Self {
        let new = changes.new_schemas().map(|schema| (value_subject(&schema.topic), schema.text.as_str().into()));
        Self { registry, new: new.collect() }
    }

    fn unwritable() -> Unavailable {
        Unavailable { message: "this registry only foresees changes and makes none".to_owned() }
    }
}

impl SchemaRegistry for Foreseen {
    fn by_id(&self, id: u32) -> Result<Option<Arc<str>>, Unavailable> {
        self.registry.by_id(id)
    }

    fn latest(&self, subject: &str) -> Result<Option<(u32, Arc<str>)>, Unavailable> {
        match self.new.get(subject) {
            Some(text) => Ok(Some((NO_ID, text.clone()))),
            None => self.registry.latest(subject),
        }
    }

    fn register(&self, _: &str, _: &str) -> Result<u32, RegisterError> {
        Err(Self::unwritable().into())
    }

    fn history(&self, subject: &str) -> Result<Vec<Arc<str>>, Unavailable> {
        let mut texts = self.registry.history(subject)?;
        texts.extend(self.new.get(subject).cloned());
        Ok(texts)
    }

    fn rule(&self, subject: &str) -> Result<Option<Compatibility>, Unavailable> {
        self.registry.rule(subject)
    }

    fn set_rule(&self, _: &str, _: Compatibility) -> Result<(), Unavailable> {
        Err(Self::unwritable())
    }
}
