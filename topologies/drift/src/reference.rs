//! References: what a model's training data looked like, by model.

use flow::fence::ModelRef;
use model::{Profile, Vocabulary};
use std::sync::Arc;

/// Where reference profiles come from. What it gives has passed the load gate.
pub trait Profiles: Send + Sync {
    /// The profile of a model that a fence or a prediction names; the error says what an operator needs to know.
    fn profile(&self, model: &ModelRef) -> Result<Arc<Profile>, String>;

    /// The words of its inputs that are categories: their bins are of slots.
    fn vocabularies(&self, model: &ModelRef) -> Result<Vec<Arc<Vocabulary>>, String>;
}
