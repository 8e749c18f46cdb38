//! The model in force: which it is, whether a candidate beats it, and how another takes its place.

use crate::announce::{Change, tell};
use crate::candidate::{Candidate, evaluate, loss};
use crate::{Dataset, Error, Surroundings, declared};
use flow::fence::ModelRef;
use model::{Artefact, Model};
use registry::decisions::Decisions;
use registry::models::{Models, Published, Version};
use runtime::context::Context;
use scorer::{History, Promotion, Readiness};
use training::Loss;

/// What decides between candidate and champion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measure {
    name: &'static str,
    /// Whether less of it is better.
    is_error: bool,
}

impl Measure {
    /// What the candidate's loss asks for.
    pub fn of(loss: Loss) -> Self {
        let (name, is_error) = match loss {
            Loss::Logistic => ("average_precision", false),
            Loss::Softmax => ("log_loss", true),
            Loss::Squared => ("rmse", true),
            Loss::Absolute | Loss::Huber(_) => ("mae", true),
            Loss::Quantile(_) => ("pinball", true),
        };
        Measure { name, is_error }
    }

    /// Whether a candidate's value is better than the champion's; never where one is no number.
    pub fn is_better(self, new: f64, old: f64) -> bool {
        if self.is_error { new < old } else { new > old }
    }
}

/// The outcome of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether the candidate is to take over.
    pub better: bool,
    /// Why, for a person.
    pub detail: String,
}

/// The champion of the control state in force.
pub fn champion(context: &Context, decisions: &Decisions) -> Result<Option<ModelRef>, Error> {
    let in_force = History::of(context, decisions)?.in_force()?;
    Ok(in_force.and_then(|current| current.state.champion))
}

/// Opens a published model through the load gate.
pub fn open(models: &Models, name: &str, version: Version) -> Result<(Published, Model), Error> {
    let opened = models.open(name, version)?;
    let Published { version, digest, .. } = &opened.published;
    let model = Artefact::open_as(&opened.files, digest)
        .map_err(|source| Error::Gate { model: format!("{name}@{version}"), source })?;
    Ok((opened.published, model))
}

/// Whether a candidate beats the champion on a holdout. Where both are equal the champion stays; where there is none,
/// or one that cannot score this feature set any more or was trained for something else, the candidate wins.
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
    let categories = |manifest: &model::Manifest| -> Vec<String> {
        manifest.network.categories.iter().map(|one| one.input.clone()).collect()
    };
    let same_inputs = theirs.inputs == ours.inputs && categories(theirs) == categories(ours);
    if theirs.feature_set != ours.feature_set || !same_inputs {
        return Ok(wins("the champion was trained on another feature set"));
    }
    let (wanted, now) = (loss(&candidate.model), loss(&current));
    if wanted != now {
        return Ok(wins("the champion was trained by another loss"));
    }
    let classes = candidate.model.classes();
    if current.classes() != classes {
        return Ok(wins("the champion was trained on other classes"));
    }
    if let Err(error) = holdout.rows.validate(wanted.task(classes.len())) {
        return Ok(Judgement { better: false, detail: format!("the holdout cannot decide: {error}") });
    }
    let measure = Measure::of(wanted);
    let name = measure.name;
    let measured =
        |model: &Model| Ok::<_, Error>(evaluate(model, holdout)?.metrics.get(name).map_or(f64::NAN, |m| m.value));
    let (new, old) = (measured(&candidate.model)?, measured(&current)?);
    let detail = format!("{name} {new:.6} on the holdout, the champion has {old:.6}");
    Ok(Judgement { better: measure.is_better(new, old), detail })
}

/// How a version is promoted.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Terms {
    /// Scores at or above this are decided positive; none leaves the threshold that came with the model.
    pub threshold: Option<f64>,
    /// Whether scorers are asked first.
    pub readiness: Readiness,
}

/// Makes a published version the champion. It must be of a model that the pipeline declares, pass the load gate and want
/// the pipeline's features: what the scorers could not load must not get into a fence, all partitions would stop there.
/// The change is announced; calling it again announces it again.
pub fn promote_version(
    context: &Context,
    models: &Models,
    decisions: &Decisions,
    (name, version): (&str, Version),
    terms: Terms,
) -> Result<Promotion, Error> {
    declared(&context.pipeline, name)?;
    let (published, model) = open(models, name, version)?;
    check_classes(&model, context.pipeline.classes())?;
    check_feature_set(&model, &context.pipeline.features.digest)?;
    check_threshold(&model, &published, terms.threshold)?;
    let before = champion(context, decisions)?;
    let Published { name, version, digest } = published.clone();
    let reference = ModelRef { name, version, digest };
    let promotion = scorer::promote_with(context, decisions, reference, terms.threshold, terms.readiness)?;
    let change = Change {
        published: &published,
        manifest: model.manifest(),
        before: before.as_ref(),
        control_number: Some(promotion.number),
        request: None,
    };
    tell(context, models, &change)?;
    Ok(promotion)
}

/// Refuses a threshold that would decide nothing: a model of a number decides only where its pipeline declares an `alert`.
fn check_threshold(model: &Model, published: &Published, threshold: Option<f64>) -> Result<(), Error> {
    let Some(threshold) = threshold else { return Ok(()) };
    let problem = if model.network().outputs() > 1 {
        "it names a class and decides nothing; leave the threshold out"
    } else if model.manifest().threshold.is_none() {
        "it decides nothing; declare an `alert` in the pipeline and train it again, or leave the threshold out"
    } else if !threshold.is_finite() {
        "no score can be compared with it; name a number"
    } else {
        return Ok(());
    };
    let model = format!("{}@{}", published.name, published.version);
    Err(Error::Threshold { model, threshold, problem })
}

/// Refuses a model that tells other classes apart than labels have, or the same in another order.
pub fn check_classes(model: &Model, wanted: &[String]) -> Result<(), Error> {
    let name = &model.manifest().name;
    scoring::check_classes(model, wanted).map_err(|problem| Error::Classes { model: name.clone(), problem })
}

/// Refuses a model that was trained on other features than those at hand.
pub fn check_feature_set(model: &Model, wanted: &str) -> Result<(), Error> {
    let manifest = model.manifest();
    match manifest.feature_set == wanted {
        true => Ok(()),
        false => Err(Error::FeatureSet {
            model: manifest.name.clone(),
            found: manifest.feature_set.clone(),
            wanted: wanted.to_owned(),
        }),
    }
}
