//! The `derived` part of features: SQL over columns and other features, put into an order in which each comes after those
//! that it reads.

use super::expression::{Mentions, WINDOWED, WINDOWLESS, read};
use super::node::Entry;
use super::problem::{BAD_EXPRESSION, FEATURE_CYCLE, LABEL_LEAK, Problems, UNKNOWN_COLUMN, suggest};
use super::types::{EventSource, Features, RowFeature};
use super::values::{Text, text};

/// What a derived feature may mention.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    /// The source of events.
    pub events: &'a EventSource,
    /// The label, where there is one.
    pub target: Option<&'a str>,
    /// The features so far.
    pub features: &'a Features,
    /// Whether they are all that the file declares.
    pub complete: bool,
}

/// Reads the part; features come in the order of the file, but for those that must wait for others.
pub(super) fn derived(entries: &[&Entry], scope: Scope<'_>, problems: &mut Problems) -> Vec<RowFeature> {
    let names: Vec<String> = entries.iter().map(|entry| format!("derived_{}", entry.key)).collect();
    let mut read: Vec<(&Entry, RowFeature)> = Vec::new();
    for entry in entries {
        let feature = text(&entry.node, &entry.key, problems);
        let feature = feature.and_then(|text| one(entry, &text, &names, scope, problems));
        read.extend(feature.map(|feature| (*entry, feature)));
    }
    in_order(read, problems)
}

fn one(entry: &Entry, text: &Text, names: &[String], scope: Scope<'_>, problems: &mut Problems) -> Option<RowFeature> {
    let (expression, mentions) = read(text).map_err(|problem| problems.push(problem)).ok()?;
    check(text, &mentions, names, scope, problems);
    Some(RowFeature { name: entry.key.clone(), output: format!("derived_{}", entry.key), expression })
}

fn check(text: &Text, mentions: &Mentions, names: &[String], scope: Scope<'_>, problems: &mut Problems) {
    for (name, at) in &mentions.functions {
        if WINDOWED.contains(&name.as_str()) || WINDOWLESS.contains(&name.as_str()) {
            let message = format!("`{name}` needs many events, and a derived feature sees one with its features");
            let help = "make it an aggregate of an entity and name its feature here".to_owned();
            problems.add_help(BAD_EXPRESSION, problems.place(text.span, *at, name), message, help);
        }
    }
    let Scope { events, target, features, complete } = scope;
    let mut known: Vec<&str> = events.schema.columns.iter().map(|column| column.name.as_str()).collect();
    let before = features.names();
    known.extend(before.iter().chain(names).map(String::as_str));
    for (index, (column, at)) in mentions.columns.iter().enumerate() {
        let is_repeated = mentions.columns[..index].iter().any(|(earlier, _)| earlier == column);
        if is_repeated || known.contains(&column.as_str()) || events.schema.columns.is_empty() {
            continue;
        }
        let span = problems.place(text.span, *at, column);
        if target == Some(column) {
            let message = format!("`{column}` is the label, which is not known when an event is judged");
            problems.add_help(LABEL_LEAK, span, message, "only aggregates of entities can use it".to_owned());
        } else if complete {
            let message = format!("`{column}` is no column of `{}` and no feature", events.schema.path);
            problems.add_help(UNKNOWN_COLUMN, span, message, suggest(column, known.iter().copied()));
        }
    }
}

/// Puts each behind those that it mentions. Those in a circle are a problem, and are left out.
fn in_order(mut waiting: Vec<(&Entry, RowFeature)>, problems: &mut Problems) -> Vec<RowFeature> {
    let mut ordered: Vec<RowFeature> = Vec::new();
    loop {
        let is_ready = |(_, feature): &(&Entry, RowFeature)| needed(feature, &waiting).is_none();
        match waiting.iter().position(is_ready) {
            Some(at) => ordered.push(waiting.remove(at).1),
            None => break,
        }
    }
    let Some((_, first)) = waiting.first() else { return ordered };
    // From one that waits to one that it waits for, until one comes again.
    let mut way = vec![first.output.clone()];
    while let Some(next) = way.last().and_then(|name| waiting.iter().find(|(_, feature)| feature.output == *name)) {
        let Some(name) = needed(&next.1, &waiting) else { break };
        let came_again = way.iter().position(|earlier| *earlier == name);
        way.push(name);
        if let Some(from) = came_again {
            way.drain(..from);
            break;
        }
    }
    let at = waiting.iter().find(|(_, feature)| Some(&feature.output) == way.first());
    let span = at.map_or(waiting[0].0.key_span, |(entry, _)| entry.key_span);
    let circle = way.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" needs ");
    let help = "write one of them without the other".to_owned();
    problems.add_help(FEATURE_CYCLE, span, format!("features need each other in a circle: {circle}"), help);
    ordered
}

/// The first of those that still wait which a feature mentions.
fn needed(feature: &RowFeature, waiting: &[(&Entry, RowFeature)]) -> Option<String> {
    let waits = |name: &&String| waiting.iter().any(|(_, other)| other.output == **name);
    feature.expression.columns.iter().find(waits).cloned()
}
