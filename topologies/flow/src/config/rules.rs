//! Rules of a source: SQL conditions, and bounds on single columns.

use super::expression::{Scope, compile};
use super::node::{Entry, Node, Value};
use super::problem::{CONTRADICTION, OUT_OF_RANGE, Problems, WRONG_COLUMN_KIND, WRONG_TYPE};
use super::section::{Section, Text, text};
use super::sources::check_column;
use super::types::{ColumnKind, FieldRule, OnFail, Rule, SourceSchema};

/// A rule in SQL.
pub(super) fn rule(entry: &Entry, scope: Scope<'_>, problems: &mut Problems) -> Option<Rule> {
    let mut section = Section::new(format!("rule `{}`", entry.key), entry.key_span, &entry.node, problems)?;
    let check = section.require("check", problems).and_then(|node| text(node, "check", problems));
    let on_fail = section.choice("on_fail", OnFail::Reject, &[("reject", OnFail::Reject)], problems);
    section.finish(problems);
    let (check, _) = compile(&check?, scope, problems);
    Some(Rule { name: entry.key.clone(), check, on_fail })
}

/// Bounds on one column.
pub(super) fn field_rule(entry: &Entry, schema: &SourceSchema, problems: &mut Problems) -> Option<FieldRule> {
    let column = Text { text: entry.key.clone(), span: entry.key_span };
    check_column(&column, schema, "", |_| true, problems);
    let kind = schema.column(&entry.key).map(|column| column.kind);
    let mut section = Section::new(format!("field `{}`", entry.key), entry.key_span, &entry.node, problems)?;
    let min = section.number("min", "finite", f64::is_finite, problems);
    let max = section.number("max", "finite", f64::is_finite, problems);
    if (min.is_some() || max.is_some()) && kind.is_some_and(|kind| !kind.is_numeric()) {
        let message = format!("`{}` holds no numbers, so it has no `min` and `max`", entry.key);
        problems.add(WRONG_COLUMN_KIND, entry.key_span, message);
    }
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        problems.add(CONTRADICTION, section.place("max"), format!("`min` {min} is above `max` {max}"));
    }
    let allowed = section.list("enum", problems).map(|items| {
        if items.is_empty() {
            problems.add(OUT_OF_RANGE, section.place("enum"), "`enum` allows no value at all".to_owned());
        }
        items.iter().filter_map(|item| allowed_value(item, kind, problems)).collect()
    });
    let required = section.boolean("required", problems).unwrap_or(false);
    let nullable = section.boolean("nullable", problems);
    if required && nullable == Some(true) {
        let message = format!("`{}` cannot be both `required` and `nullable`", entry.key);
        problems.add(CONTRADICTION, section.place("nullable"), message);
    }
    section.finish(problems);
    let required = required || nullable == Some(false);
    Some(FieldRule { column: entry.key.clone(), min, max, allowed, required, span: entry.key_span })
}

/// A value of an `enum` as canonical text.
fn allowed_value(item: &Node, kind: Option<ColumnKind>, problems: &mut Problems) -> Option<String> {
    let (value, fits) = match &item.value {
        Value::Text(value) => (value.clone(), ColumnKind::Text),
        Value::Integer(value) => (value.to_string(), ColumnKind::Integer),
        Value::Bool(value) => (value.to_string(), ColumnKind::Boolean),
        other => {
            let message = format!("`enum` holds texts, whole numbers or booleans, not {}", other.kind());
            problems.add(WRONG_TYPE, item.span, message);
            return None;
        }
    };
    if kind.is_some_and(|kind| kind != fits) {
        let help = (kind == Some(ColumnKind::Text)).then(|| format!("write `\"{value}\"`"));
        problems.add_help(WRONG_COLUMN_KIND, item.span, format!("no value of the column is `{value}`"), help);
    }
    Some(value)
}
