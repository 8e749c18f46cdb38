//! `tidemill train`: a model out of a dataset, by the pipeline's configuration.

use registry::models::{Published, Version};
use serde_json::{Value, json};
use trainer::{Candidate, Dataset, Terms};

use crate::cli::Global;
use crate::cli::models::Train;
use crate::commands::dataset::reach;
use crate::commands::model::{self, Promoted};
use crate::commands::run::check_applied;
use crate::environment::{Environment, Workshop};
use crate::error::Error;
use crate::output::{Output, note};
use crate::{measures, rows};

/// What came out.
struct Trained {
    candidate: Candidate,
    published: Published,
    rows: Dataset,
    holdout: Dataset,
    /// That it was made the champion.
    promoted: Option<Promoted>,
}

pub fn run(global: &Global, output: Output, options: &Train) -> Result<(), Error> {
    let workshop = Workshop::open(global)?;
    let mut model = workshop.model(options.model.as_deref())?.clone();
    model.training.seed = options.seed.unwrap_or(model.training.seed);
    let environment = log(global, options.promote)?;
    rows::settle(environment.as_ref(), &options.rows.window)?;
    let Workshop { pipeline, store, .. } = &workshop;
    let chosen = rows::choose(&workshop, &model, &options.rows.window, &rows::choice(&options.rows))?;
    chosen.save(store)?;
    let holdout = chosen.holdout(pipeline)?;
    // A model that a person trains is meant to replace none in particular, and depends on nothing but its rows.
    let candidate = trainer::train(pipeline, &model, &chosen.rows, Some(&holdout), None)
        .map_err(|error| unusable(error, &chosen.rows, &holdout))?;
    let published = trainer::publish(&workshop.models(), &candidate)?;
    let promoted = match (options.promote, &environment) {
        (true, Some(environment)) => {
            let terms = Terms { threshold: None, readiness: options.readiness.of() };
            Some(model::promote(environment, &published.name, Version::Number(published.version), terms)?)
        }
        _ => {
            announce(environment.as_ref(), &workshop, &candidate, &published);
            None
        }
    };
    let trained = Trained { candidate, published, rows: chosen.rows, holdout, promoted };
    output.show(|| text(&trained), || value(&trained))
}

/// Why there is no model. Where the rows are the reason it says which they were, and how to have others.
fn unusable(error: trainer::Error, trained_on: &Dataset, holdout: &Dataset) -> Error {
    if !error.is_of_rows() {
        return error.into();
    }
    let (rows, kept) = (rows::text("these rows", trained_on), &holdout.manifest);
    let [from, to] = [kept.recipe.events_us.start, kept.recipe.events_us.end].map(rows::time);
    Error::Input(format!(
        "{error}\n{rows}  kept     {} rows of {from} to {to}, to measure the model on\n\
         name other events with --from and --to, shorten `holdout` of `retraining`, or publish more",
        kept.rows
    ))
}

/// The log: needed to promote, else used if it answers.
fn log(global: &Global, promote: bool) -> Result<Option<Environment>, Error> {
    if !promote {
        return reach(global);
    }
    let environment = Environment::existing(global)?;
    check_applied(&environment)?;
    environment.signals.leave_at_once()?;
    Ok(Some(environment))
}

/// Tells the topic of models. The model is in the registry whether or not anybody hears of it.
fn announce(environment: Option<&Environment>, workshop: &Workshop, candidate: &Candidate, published: &Published) {
    let Some(environment) = environment else { return };
    if let Err(error) = trainer::announce(&environment.context, &workshop.models(), candidate, published) {
        note(&format!("published, but not announced: {error}"));
    }
}

fn text(trained: &Trained) -> String {
    let manifest = trained.candidate.model.manifest();
    let Published { name, version, digest } = &trained.published;
    let mut text = format!("model {name}@{version}, seed {}, digest {digest}\n", manifest.seed);
    text.push_str(&rows::text("trained on", &trained.rows));
    text.push_str(&rows::text("holdout", &trained.holdout));
    match trained.candidate.metrics.is_empty() {
        true => text.push_str(
            "no measures: the holdout needs events of at least two classes, or two where labels are numbers\n",
        ),
        false => text.push_str(&measures::text(&trained.candidate.metrics)),
    }
    text.push_str(&measures::confusion_text(trained.candidate.confusion.as_ref()));
    if let Some(threshold) = &manifest.threshold {
        text.push_str(&format!("threshold {}{}\n", threshold.value, model::rule(threshold.rule)));
    }
    if let Some(promoted) = &trained.promoted {
        text.push_str(&promoted.text());
    }
    text
}

fn value(trained: &Trained) -> Value {
    let manifest = trained.candidate.model.manifest();
    let Published { name, version, digest } = &trained.published;
    json!({
        "name": name,
        "version": version,
        "digest": digest,
        "seed": manifest.seed,
        "dataset": rows::value(&trained.rows),
        "holdout": rows::value(&trained.holdout),
        "metrics": measures::value(&trained.candidate.metrics),
        "confusion": measures::confusion_value(trained.candidate.confusion.as_ref()),
        "threshold": manifest.threshold.as_ref().map(|threshold| threshold.value),
        "promoted": trained.promoted.is_some(),
        "control": trained.promoted.as_ref().map(Promoted::number),
    })
}
