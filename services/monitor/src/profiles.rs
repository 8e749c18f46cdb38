//! References for drift: the profiles that models carry, through the load gate that also guards scoring.

use drift::Profiles;
use flow::fence::ModelRef;
use model::{Profile, Vocabulary};
use scoring::Models;
use std::sync::Arc;

/// Profiles of the models that scorers open.
pub struct ModelProfiles(Arc<dyn Models>);

impl ModelProfiles {
    /// The profiles of these models.
    pub fn new(models: Arc<dyn Models>) -> Self {
        ModelProfiles(models)
    }
}

impl Profiles for ModelProfiles {
    fn profile(&self, model: &ModelRef) -> Result<Arc<Profile>, String> {
        Ok(Arc::new(self.0.open(model)?.profile().clone()))
    }

    fn vocabularies(&self, model: &ModelRef) -> Result<Vec<Arc<Vocabulary>>, String> {
        Ok(self.0.open(model)?.vocabularies().to_vec())
    }
}
