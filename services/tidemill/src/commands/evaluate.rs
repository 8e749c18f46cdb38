//! `tidemill evaluate`: how good a published model is on labelled rows.

use serde_json::json;
use trainer::{Choice, Dataset, Evaluation};

use crate::cli::Global;
use crate::cli::models::Evaluate;
use crate::commands::dataset::reach;
use crate::environment::Workshop;
use crate::error::Error;
use crate::output::{Output, note};
use crate::{measures, rows};

pub fn run(global: &Global, output: Output, options: &Evaluate) -> Result<(), Error> {
    let workshop = Workshop::open(global)?;
    let Workshop { pipeline, store, .. } = &workshop;
    let declared = workshop.model(Some(&options.model.name))?;
    let (published, model) = trainer::open(&workshop.models(), &declared.name, options.model.version)?;
    let environment = reach(global)?;
    rows::settle(environment.as_ref(), &options.rows.window)?;
    let choice = rows::choice(&options.rows);
    let mut chosen = rows::choose(&workshop, declared, &options.rows.window, &choice)?;
    // Of the newest labelled windows the first is to train on, and the one behind it to measure.
    if matches!(choice, Choice::Window { events_us: None, .. }) {
        chosen = chosen.into_holdout(pipeline)?;
    }
    chosen.save(store)?;
    let Evaluation { metrics, confusion } = trainer::evaluate(&model, &chosen.rows)?;
    if let Some(overlap) = overlap(&model, &chosen.rows) {
        note(&overlap);
    }
    let heading = || format!("model {}@{}, digest {}\n", published.name, published.version, published.digest);
    let confused = confusion.as_ref();
    let measured = || measures::text(&metrics) + &measures::confusion_text(confused);
    let text = || heading() + &rows::text("dataset", &chosen.rows) + &measured();
    let value = || {
        json!({
            "name": published.name,
            "version": published.version,
            "digest": published.digest,
            "dataset": rows::value(&chosen.rows),
            "metrics": measures::value(&metrics),
            "confusion": measures::confusion_value(confused),
        })
    };
    output.show(text, value)
}

/// What to say where a model is measured on times that it was trained on.
fn overlap(model: &model::Model, rows: &Dataset) -> Option<String> {
    let (seen, now) = (&model.manifest().dataset, &rows.manifest);
    let (first_us, last_us) = (now.first_us?, now.last_us?);
    (first_us <= seen.last_us && seen.first_us <= last_us).then(|| {
        let (from, to) = (rows::time(seen.first_us), rows::time(seen.last_us));
        format!("the model was trained on events from {from} to {to}, and some of these rows are from then")
    })
}
