//! The `features` section: row features and the chain of entities.

use super::derived::{self, derived};
use super::digest;
use super::duration::parse_duration;
use super::expression::{Scope, WINDOWED, WINDOWLESS, compile};
use super::node::{Entry, Node, Value};
use super::problem::{
    BAD_EXPRESSION, BAD_NAME, DUPLICATE, MISSING_KEY, OUT_OF_RANGE, Problems, WRONG_TYPE, listed, suggest,
};
use super::section::{Section, Text, duration, integer, number, text};
use super::sources::check_column;
use super::types::{
    Aggregate, ColumnKind, Entity, EventSource, Expression, Features, Late, Limits, RowFeature, Window,
};

/// Names that logs and features already have.
const RESERVED_ENTITIES: &[&str] = &["row", "derived", "features", "journal"];

/// Most windows of an entity; each costs a cursor per key.
pub const WINDOWS_MAX: usize = 16;

/// Least limits of an entity: a key per key group, and a kibibyte.
const LIMIT_KEYS_MIN: u64 = 256;
const LIMIT_BYTES_MIN: u64 = 256 * 1_024;

/// Reads the section. `target` is the label, where there is one.
pub(super) fn read(
    node: Option<&Node>,
    events: &EventSource,
    target: Option<&str>,
    problems: &mut Problems,
) -> Features {
    let mut features =
        Features { version: 1, digest: String::new(), row: Vec::new(), entities: Vec::new(), derived: Vec::new() };
    let Some(node) = node else { return features };
    let Some(mut section) = Section::new("`features`", node.span, node, problems) else { return features };
    let before = problems.len();
    features.version = section.count("version", 1, 1, u32::MAX, problems);
    let scope = Scope { schema: &events.schema, target, label_allowed: false };
    for entry in section.named("row", problems) {
        features.row.extend(row_feature(entry, scope, problems));
    }
    let scope = Scope { label_allowed: true, ..scope };
    for entry in section.named("entities", problems) {
        features.entities.push(entity(entry, scope, problems));
    }
    if section.get("entities").is_none() || features.entities.is_empty() {
        let help = format!("without aggregates write `entities: {{ event: {{ key: {} }} }}`", events.id);
        problems.add_help(MISSING_KEY, section.at, "`features` needs at least one entity".to_owned(), help);
    }
    let complete = problems.len() == before;
    let entries = section.named("derived", problems);
    let scope = derived::Scope { events, target, features: &features, complete };
    features.derived = derived(&entries, scope, problems);
    check_outputs(&features, events, node, problems);
    section.finish(problems);
    features.digest = digest::features(&features, events, target);
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
        let help = format!("{} are taken", listed(RESERVED_ENTITIES));
        problems.add_help(BAD_NAME, entry.key_span, message, help);
    }
    let what = format!("entity `{}`", entry.key);
    let Some(mut section) = Section::new(what, entry.key_span, &entry.node, problems) else { return entity };
    let key = section.required_text("key", problems);
    check_column(&key, scope.schema, "a key", ColumnKind::is_key, problems);
    entity.key = key.text;
    entity.delay_us = section.duration("delay", 0, problems);
    let declared = section.list("windows", problems);
    entity.windows = declared.map(|items| windows(items, problems)).unwrap_or_default();
    entity.limits = section.entry("limits").map(|entry| limits(entry, problems)).unwrap_or_default();
    entity.late = section.choice("late", Late::Apply, &[("apply", Late::Apply), ("skip", Late::Skip)], problems);
    let null = if_null(&mut section, None, problems);
    for aggregate_entry in section.named("aggregates", problems) {
        entity.aggregates.extend(aggregate(&entity, aggregate_entry, null, scope, problems));
    }
    entity.label_derived = entity.aggregates.iter().any(|aggregate| aggregate.label_derived);
    // Those that are not computed per window look back over the longest one.
    if !entity.aggregates.is_empty() && declared.is_none_or(<[Node]>::is_empty) {
        let help = "add `windows: [1d, 7d]`".to_owned();
        let message = format!("entity `{}` needs `windows` for its aggregates", entry.key);
        problems.add_help(MISSING_KEY, entry.key_span, message, help);
    }
    section.finish(problems);
    entity
}

fn limits(entry: &Entry, problems: &mut Problems) -> Limits {
    let Some(mut section) = Section::new("`limits`", entry.key_span, &entry.node, problems) else {
        return Limits::default();
    };
    let keys = section.get("keys").and_then(|node| integer(node, "keys", LIMIT_KEYS_MIN, u64::MAX, problems));
    let bytes = section.bytes("bytes", LIMIT_BYTES_MIN, problems);
    if keys.is_none() && bytes.is_none() && section.get("keys").is_none() && section.get("bytes").is_none() {
        problems.add(MISSING_KEY, entry.key_span, "`limits` needs `keys` or `bytes`".to_owned());
    }
    section.finish(problems);
    Limits { keys, bytes }
}

fn windows(items: &[Node], problems: &mut Problems) -> Vec<Window> {
    if let Some(extra) = items.get(WINDOWS_MAX) {
        let message = format!("an entity has at most {WINDOWS_MAX} windows, not {}", items.len());
        problems.add(OUT_OF_RANGE, extra.span, message);
    }
    let mut windows: Vec<Window> = Vec::new();
    for item in items {
        let Some(length_us) = duration(item, "windows", problems) else { continue };
        let Some(label) = text(item, "windows", problems).map(|text| text.text) else { continue };
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

/// `if_null: 0`, or `keep`.
fn if_null(section: &mut Section<'_>, otherwise: Option<f64>, problems: &mut Problems) -> Option<f64> {
    let Some(node) = section.get("if_null") else { return otherwise };
    match &node.value {
        Value::Text(word) if word == "keep" => None,
        Value::Text(_) => {
            let message = "`if_null` must be a number or `keep`".to_owned();
            problems.add_help(WRONG_TYPE, node.span, message, "write `if_null: 0` or `if_null: keep`".to_owned());
            None
        }
        _ => number(node, "if_null", problems),
    }
}

/// An aggregate's text and what stands for null: `avg(amount)`, or `{ of: avg(amount), if_null: 0 }`.
fn declared(entry: &Entry, null: Option<f64>, problems: &mut Problems) -> Option<(Text, Option<f64>)> {
    let Value::Map(_) = &entry.node.value else {
        return text(&entry.node, &entry.key, problems).map(|text| (text, null));
    };
    let mut section = Section::new(format!("aggregate `{}`", entry.key), entry.key_span, &entry.node, problems)?;
    let text = section.required_text("of", problems);
    let null = if_null(&mut section, null, problems);
    section.finish(problems);
    (!text.text.is_empty()).then_some((text, null))
}

fn aggregate(
    entity: &Entity,
    entry: &Entry,
    null: Option<f64>,
    scope: Scope<'_>,
    problems: &mut Problems,
) -> Option<Aggregate> {
    let (text, if_null) = declared(entry, null, problems)?;
    let already = problems.len();
    let (expression, mentions) = compile(&text, scope, problems);
    let windowless = mentions.calls(WINDOWLESS);
    let windowed = mentions.calls(WINDOWED) && !windowless;
    if !windowed && !windowless && problems.len() == already {
        no_aggregate(&text, &mentions.functions, problems);
    }
    let label_derived = label_derived(&expression, scope);
    let base = format!("{}_{}", entity.name, entry.key);
    let outputs = if windowed {
        entity.windows.iter().map(|window| format!("{base}_{}", window.label)).collect()
    } else {
        vec![base]
    };
    Some(Aggregate { name: entry.key.clone(), expression, if_null, windowed, label_derived, outputs })
}

fn label_derived(expression: &Expression, scope: Scope<'_>) -> bool {
    scope.target.is_some_and(|target| expression.columns.iter().any(|column| column == target))
}

fn no_aggregate(text: &Text, functions: &[(String, usize)], problems: &mut Problems) {
    let known = || WINDOWED.iter().chain(WINDOWLESS).copied();
    let near = functions.iter().find_map(|(name, at)| {
        let help = suggest(name, known()).filter(|help| help.starts_with("did you mean"))?;
        Some((name, *at, help))
    });
    match near {
        Some((name, at, help)) => {
            let span = problems.place(text.span, at, name);
            problems.add_help(BAD_EXPRESSION, span, format!("`{name}` is no aggregate"), help);
        }
        None => {
            let message = format!("`{}` aggregates nothing", text.text);
            let all: Vec<&str> = known().collect();
            problems.add_help(BAD_EXPRESSION, text.span, message, format!("use one of {}", listed(&all)));
        }
    }
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
