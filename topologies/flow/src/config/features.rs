//! The `features` section: row features and the chain of entities.

use super::aggregates::{Policies, aggregate, if_null};
use super::derived::{self, derived};
use super::digest;
use super::duration::parse_duration;
use super::expression::{Scope, WINDOWED, WINDOWLESS, compile};
use super::keys::{self, WINDOWS_MAX};
use super::node::{Entry, Node};
use super::problem::{BAD_EXPRESSION, BAD_NAME, DUPLICATE, MISSING_KEY, OUT_OF_RANGE, Problems, listed};
use super::section::Section;
use super::sources::check_column;
use super::types::{ColumnKind, Entity, EventSource, Features, LabelSource, Late, Limits, RowFeature, Window};
use super::values::{duration, text};

/// Names that logs and features already have.
const RESERVED_ENTITIES: &[&str] = &["row", "derived", "features", "journal"];

/// Reads the section.
pub(super) fn read(
    node: Option<&Node>,
    events: &EventSource,
    labels: Option<&LabelSource>,
    problems: &mut Problems,
) -> Features {
    let target = labels.map(|labels| labels.target.as_str());
    let mut features =
        Features { version: 1, digest: String::new(), row: Vec::new(), entities: Vec::new(), derived: Vec::new() };
    let Some(node) = node else { return features };
    let section = Section::new("`features`", node.span, node, &keys::FEATURES, problems);
    let Some(section) = section else { return features };
    let before = problems.len();
    features.version = section.count(&keys::VERSION, problems);
    let scope = Scope { schema: &events.schema, target, label_allowed: false, label_has_classes: false };
    for entry in section.named(&keys::ROW, problems) {
        features.row.extend(row_feature(entry, scope, problems));
    }
    let has_classes = labels.is_some_and(|labels| !labels.classes.is_empty());
    let scope = Scope { label_allowed: true, label_has_classes: has_classes, ..scope };
    for entry in section.named(&keys::ENTITIES, problems) {
        features.entities.push(entity(entry, scope, problems));
    }
    if section.get(&keys::ENTITIES).is_none() || features.entities.is_empty() {
        let help = format!("without aggregates write `entities: {{ event: {{ key: {} }} }}`", events.id);
        problems.add_help(MISSING_KEY, section.at, "`features` needs at least one entity".to_owned(), help);
    }
    let complete = problems.len() == before;
    let entries = section.named(&keys::DERIVED, problems);
    let scope = derived::Scope { events, target, features: &features, complete };
    features.derived = derived(&entries, scope, problems);
    check_outputs(&features, events, node, problems);
    features.digest = digest::features(&features, events, labels);
    features
}

fn row_feature(entry: &Entry, scope: Scope<'_>, problems: &mut Problems) -> Option<RowFeature> {
    let text = text(&entry.node, &entry.key, problems)?;
    let (expression, mentions) = compile(&text, scope, problems);
    for (name, at) in mentions.functions.iter().filter(|(name, _)| is_aggregate(name)) {
        let message = format!("`{name}` needs many events, and a row feature sees one");
        let help = "make it an aggregate of an entity".to_owned();
        problems.add_help(BAD_EXPRESSION, problems.place(text.span, *at, name), message, help);
    }
    Some(RowFeature { name: entry.key.clone(), output: format!("row_{}", entry.key), expression })
}

fn is_aggregate(name: &str) -> bool {
    WINDOWED.contains(&name) || WINDOWLESS.contains(&name)
}

fn entity(entry: &Entry, scope: Scope<'_>, problems: &mut Problems) -> Entity {
    let mut entity = Entity {
        name: entry.key.clone(),
        key: String::new(),
        windows: Vec::new(),
        delay_us: 0,
        aggregates: Vec::new(),
        label_derived: false,
        limits: Limits::default(),
        late: Late::Apply,
    };
    if RESERVED_ENTITIES.contains(&entry.key.as_str()) {
        let message = format!("`{}` cannot be an entity", entry.key);
        let help = format!("{} are taken", listed(RESERVED_ENTITIES.iter().copied()));
        problems.add_help(BAD_NAME, entry.key_span, message, help);
    }
    let what = format!("entity `{}`", entry.key);
    let section = Section::new(what, entry.key_span, &entry.node, &keys::ENTITY, problems);
    let Some(section) = section else { return entity };
    let key = section.required_text(&keys::ENTITY_KEY, problems);
    check_column(&key, scope.schema, "a key", ColumnKind::is_key, problems);
    entity.key = key.text;
    entity.delay_us = section.duration(&keys::DELAY, problems);
    let declared = section.list(&keys::WINDOWS, problems);
    entity.windows = declared.map(|items| windows(items, problems)).unwrap_or_default();
    entity.limits = section.entry(&keys::LIMITS_SECTION).map(|entry| limits(entry, problems)).unwrap_or_default();
    entity.late = section.choice(&keys::LATE, problems);
    let policies = Policies { if_null: if_null(&section, &keys::IF_NULL, None, problems), late: entity.late };
    for aggregate_entry in section.named(&keys::AGGREGATES, problems) {
        entity.aggregates.extend(aggregate(&entity, aggregate_entry, policies, scope, problems));
    }
    entity.label_derived = entity.aggregates.iter().any(|aggregate| aggregate.label_derived);
    // Those that are not computed per window look back over the longest one.
    if !entity.aggregates.is_empty() && declared.is_none_or(<[Node]>::is_empty) {
        let help = "add `windows: [1d, 7d]`".to_owned();
        let message = format!("entity `{}` needs `windows` for its aggregates", entry.key);
        problems.add_help(MISSING_KEY, entry.key_span, message, help);
    }
    entity
}

fn limits(entry: &Entry, problems: &mut Problems) -> Limits {
    let section = Section::new("`limits`", entry.key_span, &entry.node, &keys::LIMITS, problems);
    let Some(section) = section else { return Limits::default() };
    let keys = section.given_integer(&keys::LIMIT_KEYS, problems);
    let bytes = section.given_bytes(&keys::LIMIT_BYTES, problems);
    if section.get(&keys::LIMIT_KEYS).is_none() && section.get(&keys::LIMIT_BYTES).is_none() {
        problems.add(MISSING_KEY, entry.key_span, "`limits` needs `keys` or `bytes`".to_owned());
    }
    Limits { keys, bytes }
}

fn windows(items: &[Node], problems: &mut Problems) -> Vec<Window> {
    if let Some(extra) = items.get(WINDOWS_MAX) {
        let message = format!("an entity has at most {WINDOWS_MAX} windows, not {}", items.len());
        problems.add(OUT_OF_RANGE, extra.span, message);
    }
    let mut windows: Vec<Window> = Vec::new();
    for item in items {
        let Some(length_us) = duration(item, keys::WINDOWS.name, problems) else { continue };
        let Some(label) = text(item, keys::WINDOWS.name, problems).map(|text| text.text) else { continue };
        debug_assert_eq!(parse_duration(&label), Some(length_us));
        if length_us == 0 {
            problems.add(OUT_OF_RANGE, item.span, "a window must be longer than nothing".to_owned());
        } else if let Some(same) = windows.iter().find(|window| window.length_us == length_us) {
            problems.add(DUPLICATE, item.span, format!("window `{label}` is as long as `{}`", same.label));
        } else {
            windows.push(Window { label, length_us });
        }
    }
    windows
}

/// Feature names must be unique, among each other and beside the columns.
fn check_outputs(features: &Features, events: &EventSource, node: &Node, problems: &mut Problems) {
    let rows = features.row.iter().chain(&features.derived).map(|row| (&row.output, row.expression.span));
    let aggregates = features.entities.iter().flat_map(|entity| &entity.aggregates);
    let aggregates = aggregates
        .flat_map(|aggregate| aggregate.outputs.iter().map(move |output| (output, aggregate.expression.span)));
    let mut seen: Vec<&str> = Vec::new();
    for (output, span) in rows.chain(aggregates) {
        let span = if span.end == 0 { node.span } else { span };
        if seen.contains(&output.as_str()) {
            problems.add(DUPLICATE, span, format!("two features would be called `{output}`"));
        } else if events.schema.column(output).is_some() {
            problems.add(DUPLICATE, span, format!("feature `{output}` has the name of a column"));
        }
        seen.push(output);
    }
}
