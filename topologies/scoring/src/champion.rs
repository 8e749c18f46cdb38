//! The model in force, ready to score.

use crate::inputs::Inputs;
use crate::settings::Settings;
use flow::fence::{Control, ModelRef};
use model::{Head, Model};
use std::sync::Arc;

/// Where models come from. What it gives has passed the load gate.
pub trait Models: Send + Sync {
    /// The model that a fence names; the error says what an operator needs to know.
    fn open(&self, model: &ModelRef) -> Result<Arc<Model>, String>;
}

/// About how many bytes a prediction takes beside the texts that its model gives: numbers, route, no challengers.
const PREDICTION_BYTES: usize = 64;

/// Whether tasks with these settings could honour the control state, and if not, why. It does what a task does at the
/// fence, so that the answer may be given before the fence is written.
pub fn check(control: &Control, models: &dyn Models, settings: &Settings) -> Result<(), String> {
    Champion::take(control, None, models, settings).map(|_| ())
}

/// A model between two fences.
#[derive(Debug, Clone)]
pub(crate) struct Champion {
    pub(crate) reference: ModelRef,
    /// Name and version as predictions spell them.
    pub(crate) name: String,
    pub(crate) model: Arc<Model>,
    pub(crate) inputs: Inputs,
    /// From which score on an event is decided positive; none where nothing is decided.
    pub(crate) threshold: Option<f64>,
    /// About how many bytes a prediction of it takes in a record.
    pub(crate) bytes: usize,
}

impl Champion {
    /// Opens the champion of a control state, if it names one. The model of the state before is kept when only the
    /// threshold changed.
    pub(crate) fn take(
        control: &Control,
        before: Option<&Arc<Champion>>,
        models: &dyn Models,
        settings: &Settings,
    ) -> Result<Option<Arc<Self>>, String> {
        let Some(reference) = &control.champion else { return Ok(None) };
        let (model, inputs) = match before.filter(|before| before.reference == *reference) {
            Some(before) => (before.model.clone(), before.inputs.clone()),
            None => open(reference, models, settings)?,
        };
        let own = model.manifest().threshold.as_ref().map(|threshold| f64::from(threshold.value));
        let threshold = control.threshold.or(own);
        let name = format!("{}@{}", reference.name, reference.version);
        let manifest = model.manifest();
        let texts = name.len() + reference.digest.len() + manifest.feature_set.len() + manifest.network.numerics.len();
        let class = model.classes().iter().map(String::len).max().unwrap_or_default();
        let bytes = PREDICTION_BYTES + texts + class;
        Ok(Some(Arc::new(Champion { reference: reference.clone(), name, model, inputs, threshold, bytes })))
    }
}

/// Opens a model and checks that it is the one named and fits the features of this log.
fn open(reference: &ModelRef, models: &dyn Models, settings: &Settings) -> Result<(Arc<Model>, Inputs), String> {
    let ModelRef { name, version, digest } = reference;
    let model = models.open(reference).map_err(|reason| format!("model {name}@{version}: {reason}"))?;
    if model.digest() != digest {
        return Err(format!("model {name}@{version} has digest {}, the fence names {digest}", model.digest()));
    }
    check_classes(&model, &settings.classes).map_err(|why| format!("model {name}@{version} {why}"))?;
    let manifest = model.manifest();
    if manifest.feature_set != settings.feature_set {
        return Err(format!(
            "model {name}@{version} was trained on feature set {}, this log has {}",
            manifest.feature_set, settings.feature_set
        ));
    }
    let inputs = Inputs::of(&model, &settings.event, &settings.features);
    let inputs = inputs.map_err(|error| format!("model {name}@{version}: {error}"))?;
    Ok((model, inputs))
}

/// Whether a model tells the classes of a pipeline apart, in their order; if not, why.
pub fn check_classes(model: &Model, wanted: &[String]) -> Result<(), String> {
    let (found, is_of_classes) = (model.classes(), model.network().head() == Head::Classes);
    // Two classes are one probability, of the second.
    let is_wanted = wanted.len() > 2;
    if (is_of_classes || !found.is_empty()) && found != wanted {
        let listed = |classes: &[String]| match classes {
            [] => "none".to_owned(),
            classes => classes.join(", "),
        };
        let (found, wanted) = (listed(found), listed(wanted));
        return Err(format!("tells the classes {found} apart, and the pipeline's are {wanted}; train it again"));
    }
    match (is_wanted, is_of_classes) {
        (true, false) => Err(format!("names no class, and the pipeline's are {}; train it again", wanted.join(", "))),
        (false, true) => Err("has an output for each of two classes; train it with `objective: binary`".to_owned()),
        _ => Ok(()),
    }
}
