//! Models out of the registry, through the load gate.

use flow::fence::ModelRef;
use model::{Artefact, Model};
use registry::models::{Models as Registry, Version};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Opens models once and keeps them; a fence may name one on every partition.
pub struct RegistryModels {
    registry: Registry,
    open: Mutex<HashMap<String, Arc<Model>>>,
}

impl RegistryModels {
    /// Models of this registry.
    pub fn new(registry: Registry) -> Self {
        RegistryModels { registry, open: Mutex::new(HashMap::new()) }
    }
}

impl scoring::Models for RegistryModels {
    fn open(&self, model: &ModelRef) -> Result<Arc<Model>, String> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = open.get(&model.digest) {
            return Ok(found.clone());
        }
        let opened =
            self.registry.open(&model.name, Version::Number(model.version)).map_err(|error| error.to_string())?;
        let checked = Artefact::open_as(&opened.files, &model.digest).map_err(|error| error.to_string())?;
        let checked = Arc::new(checked);
        open.insert(model.digest.clone(), checked.clone());
        Ok(checked)
    }
}
