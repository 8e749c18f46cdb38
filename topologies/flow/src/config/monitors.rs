//! The `monitors` and `retraining` sections: what is watched, and what follows.

use super::node::{Entry, Value};
use super::problem::{CONTRADICTION, MISSING_KEY, NO_MATCH, Problems, UNKNOWN_REFERENCE, suggest};
use super::section::{Section, choice, text};
use super::types::{LabelSource, Model, Monitor, Promote, Psi, Retraining, Trigger};

const DAY_US: i64 = 86_400_000_000;
const MIN_EVENTS_DEFAULT: u64 = 1_000;

/// The usual reading of the index: below 0.1 stable, above 0.25 shifted.
const PSI_WARN_DEFAULT: f64 = 0.1;
const PSI_ALARM_DEFAULT: f64 = 0.25;

/// Reads the `monitors` section.
pub(super) fn read(entries: &[&Entry], models: Models<'_>, problems: &mut Problems) -> Vec<Monitor> {
    entries.iter().filter_map(|entry| monitor(entry, models, problems)).collect()
}

/// What monitors are checked against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Models<'a> {
    pub read: &'a [Model],
    /// All declared names, those of models that could not be read included.
    pub names: &'a [&'a str],
    /// Whether models and features were read without a problem; if not, some inputs may be missing.
    pub complete: bool,
}

fn monitor(entry: &Entry, models: Models<'_>, problems: &mut Problems) -> Option<Monitor> {
    let mut section = Section::new(format!("monitor `{}`", entry.key), entry.key_span, &entry.node, problems)?;
    let name = section.required_text("model", problems);
    if !name.text.is_empty() && !models.names.contains(&name.text.as_str()) {
        let help = suggest(&name.text, models.names.iter().copied());
        problems.add_help(UNKNOWN_REFERENCE, name.span, format!("there is no model `{}`", name.text), help);
    }
    let model = models.read.iter().find(|model| model.name == name.text);
    let window_us = section.span_of_time("window", DAY_US, problems);
    let psi = psi(&mut section, model, models.complete, problems);
    let min_events = section.integer("min_events", MIN_EVENTS_DEFAULT, 1, u64::MAX, problems);
    section.finish(problems);
    Some(Monitor { name: entry.key.clone(), model: name.text, window_us, psi, min_events })
}

fn psi(monitor: &mut Section<'_>, model: Option<&Model>, complete: bool, problems: &mut Problems) -> Psi {
    let declared = monitor.entry("psi");
    let declared = declared.and_then(|entry| Section::new("`psi`", entry.key_span, &entry.node, problems));
    let mut section = declared.unwrap_or_else(|| Section::empty(monitor.at));
    let positive = |value: f64| value > 0.0;
    let warn = section.number("warn", "above 0", positive, problems).unwrap_or(PSI_WARN_DEFAULT);
    let alarm = section.number("alarm", "above 0", positive, problems).unwrap_or(PSI_ALARM_DEFAULT);
    if warn > alarm {
        let message = format!("`warn` {warn} is above `alarm` {alarm}");
        let place = if section.get("warn").is_some() { "warn" } else { "alarm" };
        problems.add(CONTRADICTION, section.place(place), message);
    }
    let features = watched(&mut section, model, complete, problems);
    section.finish(problems);
    Psi { features, warn, alarm }
}

/// The inputs that are watched, in the model's order.
fn watched(section: &mut Section<'_>, model: Option<&Model>, complete: bool, problems: &mut Problems) -> Vec<String> {
    let all = model.map(|model| model.inputs.clone()).unwrap_or_default();
    let Some(node) = section.get("features") else { return all };
    if let Value::Text(word) = &node.value
        && word == "all"
    {
        return all;
    }
    let mut wanted = Vec::new();
    for item in section.list("features", problems).unwrap_or_default() {
        let Some(name) = text(item, "features", problems) else { continue };
        if complete && model.is_some() && !all.contains(&name.text) {
            let message = format!("`{}` is no input of the model", name.text);
            let help = suggest(&name.text, all.iter().map(String::as_str));
            problems.add_help(NO_MATCH, name.span, message, help);
        }
        wanted.push(name.text);
    }
    all.into_iter().filter(|name| wanted.contains(name)).collect()
}

/// Reads the `retraining` section.
pub(super) fn retraining(
    entry: &Entry,
    monitors: usize,
    labels: Option<&LabelSource>,
    problems: &mut Problems,
) -> Option<Retraining> {
    let mut section = Section::new("`retraining`", entry.key_span, &entry.node, problems)?;
    let mut on: Vec<Trigger> = Vec::new();
    if section.require("on", problems).is_some() {
        for item in section.list("on", problems).unwrap_or_default() {
            let trigger = text(item, "on", problems);
            let trigger = trigger.and_then(|text| choice(&text, "on", &[("drift", Trigger::Drift)], problems));
            on.extend(trigger.filter(|trigger| !on.contains(trigger)));
        }
    }
    if on.contains(&Trigger::Drift) && monitors == 0 {
        let message = "retraining on drift needs a monitor that finds it".to_owned();
        problems.add_help(MISSING_KEY, section.place("on"), message, "declare one under `monitors`".to_owned());
    }
    let retraining = Retraining {
        on,
        train_window_us: section.span_of_time("train_window", 7 * DAY_US, problems),
        label_delay_us: section.duration("label_delay", 7 * DAY_US, problems),
        holdout_us: section.span_of_time("holdout", DAY_US, problems),
        promote: section.choice(
            "promote",
            Promote::IfBetter,
            &[("if_better", Promote::IfBetter), ("manual", Promote::Manual)],
            problems,
        ),
    };
    if labels.is_some_and(|labels| labels.horizon_us < retraining.label_delay_us) {
        let message = "`label_delay` is longer than the `horizon` of the labels".to_owned();
        problems.add(CONTRADICTION, section.place("label_delay"), message);
    }
    section.finish(problems);
    Some(retraining)
}
