//! From arguments to rows of features with labels: where they lie, which are taken, and waiting until they are there.

use std::thread;
use std::time::{Duration, Instant};

use arrow::datatypes::TimestampMicrosecondType;
use arrow::temporal_conversions::as_datetime;
use flow::config::Model;
use offline::dataset::Error as DatasetError;
use serde_json::{Value, json};
use trainer::{Behind, Choice, Chosen, Dataset, Inputs, Progress};

use crate::cli::rows::{RowsArgs, WindowArgs};
use crate::environment::{Environment, Workshop};
use crate::error::Error;
use crate::output::note;

/// Pause between two looks at how far the services are.
const LOOK_MS: u64 = 200;
/// How long a service that was just started may take to join its group.
const JOIN_WAIT: Duration = Duration::from_secs(5);

/// Where the rows lie: in the named file or in the archive.
fn inputs(workshop: &Workshop, model: &Model, args: &WindowArgs) -> Inputs {
    let Workshop { pipeline, plan, store } = workshop;
    let delay_us = args.label_delay.map(|delay| i64::try_from(delay.as_micros()).unwrap_or(i64::MAX));
    match &args.file {
        Some(file) => Inputs::file(pipeline, model, file, delay_us),
        None => Inputs::archived(pipeline, plan, model, store),
    }
}

/// The window that the arguments name.
pub fn window(args: &WindowArgs) -> Choice {
    let events_us = args.from.zip(args.to).map(|(from, to)| from..to);
    Choice::Window { events_us, cutoff_us: args.cutoff }
}

/// The rows that the arguments name.
pub fn choice(args: &RowsArgs) -> Choice {
    args.dataset.clone().map_or_else(|| window(&args.window), Choice::Dataset)
}

/// Waits until the services have brought what was published into the archive, if that is where rows come from. Whoever
/// does not get on is waited for only so long, and then named; at once where none of them runs.
pub fn settle(environment: Option<&Environment>, args: &WindowArgs) -> Result<(), Error> {
    let (Some(environment), None) = (environment, &args.file) else { return Ok(()) };
    let context = &environment.context;
    // A gateway does not tell what groups have committed.
    let mut progress = match &environment.remote {
        None => Progress::from_sources(context, &environment.store),
        Some(_) => Progress::from_logs(context, &environment.store),
    };
    let (mut last, mut since): (Option<Behind>, _) = (None, Instant::now());
    let mut manned = Instant::now();
    while let Some(behind) = progress.look()? {
        if is_manned(environment, &behind.group)? {
            manned = Instant::now();
        } else if environment.brokers.is_none() || manned.elapsed() >= JOIN_WAIT {
            let Behind { who, records, .. } = &behind;
            note(&format!(
                "going on with what is archived: {who} is {records} records behind, and no service runs that takes them; `tidemill up --drain` brings them in"
            ));
            return Ok(());
        }
        if last.as_ref().is_none_or(|last| last.who != behind.who) && !args.wait.is_zero() {
            note(&format!("waiting for {} to take {} records", behind.who, behind.records));
        }
        if last.as_ref() != Some(&behind) {
            since = Instant::now();
        }
        if since.elapsed() >= args.wait {
            let Behind { who, records, .. } = &behind;
            note(&format!("going on with what is archived: {who} is {records} records behind; does it run?"));
            return Ok(());
        }
        last = Some(behind);
        thread::sleep(Duration::from_millis(LOOK_MS));
    }
    Ok(())
}

/// Whether somebody may be taking what a group is behind. Of an embedded log that is ours nobody else reads.
fn is_manned(environment: &Environment, group: &str) -> Result<bool, Error> {
    match (&environment.remote, &environment.brokers) {
        (Some(_), _) => Ok(true),
        (None, None) => Ok(false),
        (None, Some(_)) => Ok(!environment.context.log.members(group)?.is_empty()),
    }
}

/// Finds or builds the rows that were chosen.
pub fn choose(workshop: &Workshop, model: &Model, args: &WindowArgs, choice: &Choice) -> Result<Chosen, Error> {
    let chosen = trainer::choose(&workshop.pipeline, model, &workshop.store, inputs(workshop, model, args), choice);
    chosen.map_err(|error| match error {
        trainer::Error::Dataset(DatasetError::File(error @ offline::table::Error::NoColumn { .. })) => {
            Error::Input(format!("{error}; `tidemill features compute` makes such a file of events"))
        }
        error => error.into(),
    })
}

/// A dataset in a few lines for people.
pub fn text(title: &str, dataset: &Dataset) -> String {
    let manifest = &dataset.manifest;
    let recipe = &manifest.recipe;
    let mut text = format!(
        "{title:<10} {}\n  rows     {}, {}\n  events   {} to {}, labels known by {}\n",
        dataset.digest,
        manifest.rows,
        labels(dataset),
        time(recipe.events_us.start),
        time(recipe.events_us.end),
        time(recipe.cutoff_us),
    );
    if manifest.unlabelled > 0 {
        text.push_str(&format!("  left out {} without a label by then\n", manifest.unlabelled));
    }
    if manifest.unknown_classes > 0 {
        text.push_str(&format!("  left out {} with a label that is no class\n", manifest.unknown_classes));
    }
    if manifest.repeated > 0 {
        text.push_str(&format!("  left out {} repeated\n", manifest.repeated));
    }
    text
}

/// What the labels are: how many of each class or positive, or where they lie when they are more than two numbers.
fn labels(dataset: &Dataset) -> String {
    let (classes, rows) = (&dataset.manifest.recipe.labels.classes, &dataset.manifest.class_rows);
    if !classes.is_empty() {
        let counted = classes.iter().zip(rows).map(|(class, rows)| format!("{rows} {class}"));
        return format!("of them {}", counted.collect::<Vec<_>>().join(", "));
    }
    let label = &dataset.rows.label;
    if label.iter().all(|label| *label == 0.0 || *label == 1.0) {
        let positives = dataset.manifest.positives;
        let share = 100.0 * positives as f64 / dataset.manifest.rows.max(1) as f64;
        return format!("{positives} of them positive ({share:.2} %)");
    }
    let (least, most) = label.iter().fold((f32::MAX, f32::MIN), |(a, b), label| (a.min(*label), b.max(*label)));
    let mean = label.iter().map(|label| f64::from(*label)).sum::<f64>() / label.len() as f64;
    format!("labels from {least} to {most}, {mean:.2} on average")
}

/// A dataset for programs.
pub fn value(dataset: &Dataset) -> Value {
    let manifest = &dataset.manifest;
    let recipe = &manifest.recipe;
    json!({
        "digest": dataset.digest,
        "rows": manifest.rows,
        "positives": manifest.positives,
        "classes": recipe.labels.classes,
        "class_rows": manifest.class_rows,
        "from": time(recipe.events_us.start),
        "to": time(recipe.events_us.end),
        "cutoff": time(recipe.cutoff_us),
        "first": manifest.first_us.map(time),
        "last": manifest.last_us.map(time),
        "unlabelled": manifest.unlabelled,
        "unknown_classes": manifest.unknown_classes,
        "repeated": manifest.repeated,
        "feature_set": recipe.feature_set,
        "columns": manifest.columns,
    })
}

/// A time as people and programs write it.
pub fn time(us: i64) -> String {
    match as_datetime::<TimestampMicrosecondType>(us) {
        Some(time) => format!("{}Z", time.format("%Y-%m-%dT%H:%M:%S%.f")),
        None => format!("{us} µs"),
    }
}
