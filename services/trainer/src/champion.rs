//! The model in force: which it is, whether a candidate beats it, and how another takes its place.

use crate::announce::{Change, tell};
use crate::candidate::{Candidate, evaluate};
use crate::{Dataset, Error, Surroundings};
use flow::fence::ModelRef;
use model::{Artefact, Model};
use registry::models::{Models, Published, Version};
use scorer::{History, Promotion};

/// What decides between candidate and champion.
const MEASURE: &str = "average_precision";

/// The outcome of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether the candidate is to take over.
    pub better: bool,
    /// Why, for a person.
    pub detail: String,
}

/// The champion of the control state in force.
pub fn champion(surroundings: &Surroundings) -> Result<Option<ModelRef>, Error> {
    let in_force = History::of(&surroundings.context, &surroundings.decisions)?.in_force()?;
    Ok(in_force.and_then(|current| current.state.champion))
}

/// Opens a published model through the load gate.
pub fn open(models: &Models, name: &str, version: Version) -> Result<(Published, Model), Error> {
    let opened = models.open(name, version)?;
    let model = Artefact::open_as(&opened.files, &opened.published.digest)?;
    Ok((opened.published, model))
}

/// Whether a candidate beats the champion on a holdout. Where both are equal the champion stays; where there is none,
/// or one that cannot score this feature set any more, the candidate wins.
pub fn compare(
    surroundings: &Surroundings,
    candidate: &Candidate,
    champion: Option<&ModelRef>,
    holdout: &Dataset,
) -> Result<Judgement, Error> {
    let wins = |detail: &str| Judgement { better: true, detail: detail.to_owned() };
    let Some(champion) = champion else { return Ok(wins("there is no champion")) };
    let (_, current) = open(&surroundings.models(), &champion.name, Version::Number(champion.version))?;
    let (theirs, ours) = (current.manifest(), candidate.model.manifest());
    if theirs.feature_set != ours.feature_set || theirs.inputs != ours.inputs {
        return Ok(wins("the champion was trained on another feature set"));
    }
    if let Err(error) = holdout.rows.validate() {
        return Ok(Judgement { better: false, detail: format!("the holdout cannot decide: {error}") });
    }
    let measured = |model: &Model| Ok::<_, Error>(evaluate(model, holdout)?.get(MEASURE).map_or(f64::NAN, |m| m.value));
    let (new, old) = (measured(&candidate.model)?, measured(&current)?);
    let detail = format!("{MEASURE} {new:.6} on the holdout, the champion has {old:.6}");
    Ok(Judgement { better: new > old, detail })
}

/// Makes a published version the champion. It must pass the load gate and want the pipeline's features.
/// The change is announced; calling it again announces it again.
pub fn promote_version(
    surroundings: &Surroundings,
    name: &str,
    version: Version,
    threshold: Option<f64>,
) -> Result<Promotion, Error> {
    let (published, model) = open(&surroundings.models(), name, version)?;
    let wanted = &surroundings.context.pipeline.features.digest;
    if model.manifest().feature_set != *wanted {
        return Err(Error::FeatureSet {
            model: format!("{name}@{}", published.version),
            found: model.manifest().feature_set.clone(),
            wanted: wanted.clone(),
        });
    }
    let before = champion(surroundings)?;
    let Published { name, version, digest } = published.clone();
    let reference = ModelRef { name, version, digest };
    let promotion = scorer::promote(&surroundings.context, &surroundings.decisions, reference, threshold)?;
    let change = Change {
        published: &published,
        manifest: model.manifest(),
        before: before.as_ref(),
        control_number: Some(promotion.number),
        request: None,
    };
    tell(surroundings, &change)?;
    Ok(promotion)
}
