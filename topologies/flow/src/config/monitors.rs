//! The `monitors` and `retraining` sections: what is watched, and what follows.

use super::keys;
use super::node::{Entry, Value};
use super::problem::{CONTRADICTION, MISSING_KEY, NO_MATCH, Problems, UNKNOWN_REFERENCE, suggest};
use super::section::Section;
use super::types::{LabelSource, Model, Monitor, Psi, Retraining, Trigger};
use super::values::{choice, text};

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
    let what = format!("monitor `{}`", entry.key);
    let section = Section::new(what, entry.key_span, &entry.node, &keys::MONITOR, problems)?;
    let name = section.required_text(&keys::MONITORED, problems);
    if !name.text.is_empty() && !models.names.contains(&name.text.as_str()) {
        let help = suggest(&name.text, models.names.iter().copied());
        problems.add_help(UNKNOWN_REFERENCE, name.span, format!("there is no model `{}`", name.text), help);
    }
    let model = models.read.iter().find(|model| model.name == name.text);
    let window_us = section.duration(&keys::MONITOR_WINDOW, problems);
    let psi = psi(&section, model, models.complete, problems);
    let min_events = section.integer(&keys::MIN_EVENTS, problems);
    Some(Monitor { name: entry.key.clone(), model: name.text, window_us, psi, min_events })
}

fn psi(monitor: &Section<'_>, model: Option<&Model>, complete: bool, problems: &mut Problems) -> Psi {
    let declared = monitor.entry(&keys::PSI_SECTION);
    let declared = declared.and_then(|entry| Section::new("`psi`", entry.key_span, &entry.node, &keys::PSI, problems));
    let section = declared.unwrap_or_else(|| Section::empty(monitor.at, &keys::PSI));
    let warn = section.number(&keys::WARN, problems);
    let alarm = section.number(&keys::ALARM, problems);
    if warn > alarm {
        let message = format!("`warn` {warn} is above `alarm` {alarm}");
        let place = if section.get(&keys::WARN).is_some() { &keys::WARN } else { &keys::ALARM };
        problems.add(CONTRADICTION, section.place(place), message);
    }
    let features = watched(&section, model, complete, problems);
    Psi { features, warn, alarm }
}

/// The inputs that are watched, in the model's order.
fn watched(section: &Section<'_>, model: Option<&Model>, complete: bool, problems: &mut Problems) -> Vec<String> {
    let all = model.map(|model| model.inputs.clone()).unwrap_or_default();
    let Some(node) = section.get(&keys::WATCHED) else { return all };
    if let Value::Text(word) = &node.value
        && word == "all"
    {
        return all;
    }
    let mut wanted = Vec::new();
    for item in section.list(&keys::WATCHED, problems).unwrap_or_default() {
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
    let section = Section::new("`retraining`", entry.key_span, &entry.node, &keys::RETRAINING, problems)?;
    let mut on: Vec<Trigger> = Vec::new();
    if section.require(&keys::ON, problems).is_some() {
        for item in section.list(&keys::ON, problems).unwrap_or_default() {
            let trigger = text(item, keys::ON.name, problems);
            let trigger = trigger.and_then(|text| choice(&text, keys::ON.name, problems));
            on.extend(trigger.filter(|trigger| !on.contains(trigger)));
        }
    }
    if on.contains(&Trigger::Drift) && monitors == 0 {
        let message = "retraining on drift needs a monitor that finds it".to_owned();
        problems.add_help(MISSING_KEY, section.place(&keys::ON), message, "declare one under `monitors`".to_owned());
    }
    let retraining = Retraining {
        on,
        train_window_us: section.duration(&keys::TRAIN_WINDOW, problems),
        label_delay_us: section.duration(&keys::LABEL_DELAY, problems),
        holdout_us: section.duration(&keys::HOLDOUT, problems),
        promote: section.choice(&keys::PROMOTE, problems),
    };
    if labels.is_some_and(|labels| labels.horizon_us < retraining.label_delay_us) {
        let message = "`label_delay` is longer than the `horizon` of the labels".to_owned();
        problems.add(CONTRADICTION, section.place(&keys::LABEL_DELAY), message);
    }
    Some(retraining)
}
