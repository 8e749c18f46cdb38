//! The aggregates of an entity: their texts, and what they do with nulls and late events.

use super::expression::{Scope, WINDOWED, WINDOWLESS, compile};
use super::keys::{self, Key, Range};
use super::node::{Entry, Value};
use super::problem::{BAD_EXPRESSION, CONTRADICTION, Problems, Span, WRONG_TYPE, listed, suggest};
use super::section::Section;
use super::types::{Aggregate, Entity, Expression, Late};
use super::values::{Text, number_in, text};

/// What an aggregate does with nulls and late events.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policies {
    pub if_null: Option<f64>,
    pub late: Late,
}

/// Reads an aggregate of `entity`, whose policies are taken where it has none of its own.
pub(super) fn aggregate(
    entity: &Entity,
    entry: &Entry,
    policies: Policies,
    scope: Scope<'_>,
    problems: &mut Problems,
) -> Option<Aggregate> {
    let (text, Policies { if_null, late }, late_at) = declared(entry, policies, problems)?;
    let already = problems.len();
    let (expression, mentions) = compile(&text, scope, problems);
    let windowless = mentions.calls(WINDOWLESS);
    let windowed = mentions.calls(WINDOWED) && !windowless;
    if !windowed && !windowless && problems.len() == already {
        no_aggregate(&text, &mentions.functions, problems);
    }
    let label_derived = label_derived(&expression, scope);
    if let Some(span) = late_at.filter(|_| label_derived) {
        let message = format!("`late` says nothing about `{}`: labels are always applied", text.text);
        problems.add_help(CONTRADICTION, span, message, "leave `late` away".to_owned());
    }
    let base = format!("{}_{}", entity.name, entry.key);
    let outputs = if windowed {
        entity.windows.iter().map(|window| format!("{base}_{}", window.label)).collect()
    } else {
        vec![base]
    };
    Some(Aggregate { name: entry.key.clone(), expression, if_null, windowed, label_derived, late, outputs })
}

/// An aggregate's text and what it says of nulls and late events: `avg(amount)`, or `{ of: avg(amount), if_null: 0 }`. The
/// last is where it speaks of late ones, if it does.
fn declared(entry: &Entry, entity: Policies, problems: &mut Problems) -> Option<(Text, Policies, Option<Span>)> {
    let Value::Map(_) = &entry.node.value else {
        return text(&entry.node, &entry.key, problems).map(|text| (text, entity, None));
    };
    let what = format!("aggregate `{}`", entry.key);
    let section = Section::new(what, entry.key_span, &entry.node, &keys::AGGREGATE, problems)?;
    let text = section.required_text(&keys::OF, problems);
    let if_null = if_null(&section, &keys::AGGREGATE_IF_NULL, entity.if_null, problems);
    let late = section.given_choice(&keys::AGGREGATE_LATE, problems).unwrap_or(entity.late);
    let late_at = section.entry(&keys::AGGREGATE_LATE).map(|entry| entry.key_span);
    (!text.text.is_empty()).then_some((text, Policies { if_null, late }, late_at))
}

/// `if_null: 0`, or `keep`.
pub(super) fn if_null(
    section: &Section<'_>,
    key: &Key,
    otherwise: Option<f64>,
    problems: &mut Problems,
) -> Option<f64> {
    let Some(node) = section.get(key) else { return otherwise };
    match &node.value {
        Value::Text(word) if word == "keep" => None,
        Value::Text(_) => {
            let message = "`if_null` must be a number or `keep`".to_owned();
            problems.add_help(WRONG_TYPE, node.span, message, "write `if_null: 0` or `if_null: keep`".to_owned());
            None
        }
        _ => number_in(node, key.name, Range::Finite, problems),
    }
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
            problems.add_help(BAD_EXPRESSION, text.span, message, format!("use one of {}", listed(known())));
        }
    }
}
