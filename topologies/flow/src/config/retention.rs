//! Reads `retention`, and compares it with how far back the pipeline itself looks.

use super::keys::{self, FOREVER, Key};
use super::node::{Entry, Node, Value};
use super::problem::{BAD_DURATION, MISSING_KEY, OUT_OF_RANGE, Problems, Span, WRONG_TYPE};
use super::section::Section;
use super::values::duration;
use super::{Ordering, Pipeline, Retention, Retentions, format_duration, parse_duration};

const DAY_US: i64 = 86_400 * 1_000_000;
/// How long services may rest, or take to start again, before a log is gone that they go on from.
const LOGS_TIME_MIN_US: i64 = DAY_US;
/// What to write.
const HELP: &str = "write a time (`30d`), limits (`{ time: 30d, bytes: 10GiB }`), or `forever`";

/// What is declared.
pub(super) fn read(entry: &Entry, problems: &mut Problems) -> Retentions {
    let section = Section::new("`retention`", entry.key_span, &entry.node, &keys::RETENTION, problems);
    let Some(section) = section else { return Retentions::default() };
    let mut kept = |key: &Key| section.entry(key).and_then(|entry| group(entry, problems));
    Retentions {
        sources: kept(&keys::KEPT_SOURCES),
        logs: kept(&keys::KEPT_LOGS),
        results: kept(&keys::KEPT_RESULTS),
        rejected: kept(&keys::KEPT_REJECTED),
    }
}

fn group(entry: &Entry, problems: &mut Problems) -> Option<Retention> {
    let Entry { key, key_span, node } = entry;
    match &node.value {
        Value::Text(text) if text.trim() == FOREVER => Some(Retention::default()),
        Value::Text(text) if parse_duration(text.trim()).is_none() => {
            let message = format!("`{key}` must be a duration, not `{}`", text.trim());
            problems.add_help(BAD_DURATION, node.span, message, HELP.to_owned());
            None
        }
        Value::Text(_) | Value::Integer(_) => span(node, key, problems),
        Value::Map(_) => limits(key, *key_span, node, problems),
        other => {
            let message = format!("`{key}` must be a time or limits, not {}", other.kind());
            problems.add_help(WRONG_TYPE, node.span, message, HELP.to_owned());
            None
        }
    }
}

/// A length of time that is no limits.
fn span(node: &Node, key: &str, problems: &mut Problems) -> Option<Retention> {
    let time_us = duration(node, key, problems)?;
    if time_us == 0 {
        problems.add(OUT_OF_RANGE, node.span, format!("`{key}` must be longer than nothing"));
    }
    Some(Retention { time_us: Some(time_us), bytes: None })
}

fn limits(key: &str, at: Span, node: &Node, problems: &mut Problems) -> Option<Retention> {
    let section = Section::new(format!("`{key}`"), at, node, &keys::KEPT_LIMITS, problems)?;
    let time = section.get(&keys::KEPT_TIME).and_then(|node| span(node, keys::KEPT_TIME.name, problems));
    let bytes = section.given_bytes(&keys::KEPT_BYTES, problems);
    if section.get(&keys::KEPT_TIME).is_none() && section.get(&keys::KEPT_BYTES).is_none() {
        problems.add_help(MISSING_KEY, at, format!("`{key}` needs `time` or `bytes`"), HELP.to_owned());
        return None;
    }
    Some(Retention { time_us: time.and_then(|time| time.time_us), bytes })
}

/// Notes times that are shorter than what the pipeline itself reads again; what could not be read counts as nothing. What a
/// limit on bytes comes to nobody knows beforehand.
pub(super) fn check_lengths(pipeline: &Pipeline, root: &Node, problems: &mut Problems) {
    let Retentions { sources, logs, .. } = pipeline.retention;
    let time_us = |kept: Option<Retention>| kept.and_then(|kept| kept.time_us);
    if let Some(time_us) = time_us(sources)
        && let Some((least_us, why)) = rebuilt_from(pipeline, root, problems).into_iter().max_by_key(|(us, _)| *us)
        && time_us < least_us
    {
        let message = format!(
            "`sources` keeps {}, and {why} looks back {}: `apply --rebuild` would compute something else",
            format_duration(time_us),
            length(least_us)
        );
        let help = format!("write at least `sources: {}`", in_days(least_us));
        problems.add_help(OUT_OF_RANGE, place(root, keys::KEPT_SOURCES.name), message, help);
    }
    let (held_us, held) = match pipeline.ordering {
        Ordering::EventTime if problems.spare(root, &[keys::LATENESS.name]) => {
            (pipeline.lateness_us, ", and events are held for `lateness`")
        }
        _ => (0, ""),
    };
    let least_us = LOGS_TIME_MIN_US.saturating_add(held_us);
    if let Some(time_us) = time_us(logs).filter(|time_us| *time_us < least_us) {
        let message = format!(
            "`logs` keeps {}, and services that rested for a day go on from their logs{held}",
            format_duration(time_us)
        );
        let help = format!("write at least `logs: {}`", in_days(least_us));
        problems.add_help(OUT_OF_RANGE, place(root, keys::KEPT_LOGS.name), message, help);
    }
}

/// How far back what is computed from the sources looks, each with its name.
fn rebuilt_from(pipeline: &Pipeline, root: &Node, problems: &Problems) -> Vec<(i64, String)> {
    let (sources, features) = (keys::SOURCES.name, keys::FEATURES_SECTION.name);
    let mut found: Vec<(i64, String)> = Vec::new();
    let late_us = if problems.spare(root, &[keys::LATENESS.name]) { pipeline.lateness_us } else { 0 };
    for entity in &pipeline.features.entities {
        let path = |key: &'static str| [features, keys::ENTITIES.name, &*entity.name, key];
        let longest_us = entity.windows.iter().map(|window| window.length_us).max().unwrap_or(0);
        let delay_us = if problems.spare(root, &path(keys::DELAY.name)) { entity.delay_us } else { 0 };
        let back_us = longest_us.saturating_add(delay_us).saturating_add(late_us);
        found.push((back_us, format!("entity `{}` (longest window, `delay` and `lateness`)", entity.name)));
    }
    if let Some(labels) = &pipeline.labels
        && problems.spare(root, &[sources, &labels.name, keys::HORIZON.name])
    {
        found.push((labels.horizon_us, "`horizon` of the labels".to_owned()));
    }
    let events = &pipeline.events;
    if !events.name.is_empty() && problems.spare(root, &[sources, &events.name, keys::DEDUPE_HORIZON.name]) {
        found.push((events.dedupe_horizon_us, "`dedupe_horizon` of the events".to_owned()));
    }
    found
}

/// As in `37d 10m`.
fn length(us: i64) -> String {
    match (us / DAY_US, us % DAY_US) {
        (0, _) | (_, 0) => format_duration(us),
        (days, rest_us) => format!("{days}d {}", format_duration(rest_us)),
    }
}

/// Whole days that are no less, where it is more than one.
fn in_days(us: i64) -> String {
    format_duration(if us > DAY_US { us.saturating_add(DAY_US - 1) / DAY_US * DAY_US } else { us })
}

fn place(root: &Node, key: &str) -> Span {
    let at = |path: &[&str]| root.at(path).map(|node| node.span);
    at(&[keys::RETENTION_SECTION.name, key, keys::KEPT_TIME.name])
        .or_else(|| at(&[keys::RETENTION_SECTION.name, key]))
        .unwrap_or(root.span)
}
