//! What becomes of values that fail: the word `impute`, which rules and fields share.

use super::expression::{Scope, compile};
use super::keys::{self, Key};
use super::node::{Entry, Node, Value};
use super::problem::{CONTRADICTION, MISSING_KEY, Problems, UNKNOWN_COLUMN, WRONG_COLUMN_KIND, WRONG_TYPE, suggest};
use super::section::Section;
use super::types::{ColumnKind, Expression, Impute};
use super::values::{Text, text};

/// Notes an `impute` that is missing where a key wants it, or there where none does.
pub(super) fn agree(section: &Section<'_>, impute: &Key, wanted: Option<&Key>, problems: &mut Problems) {
    match (wanted, section.get(impute).is_some()) {
        (Some(key), false) => {
            let message = format!("`{}: impute` needs `impute`, the value that is put in place of the other", key.name);
            problems.add(MISSING_KEY, section.place(key), message);
        }
        (None, true) => {
            let message = "`impute` is never used".to_owned();
            let help = "say when with `on_fail: impute`, and for a field also `on_null: impute`".to_owned();
            problems.add_help(CONTRADICTION, section.place(impute), message, help);
        }
        _ => {}
    }
}

/// Reads what a rule imputes: columns with their values.
pub(super) fn of_rule(section: &Section<'_>, scope: Scope<'_>, problems: &mut Problems) -> Vec<Impute> {
    let Some(node) = section.get(&keys::RULE_IMPUTE) else { return Vec::new() };
    let Value::Map(entries) = &node.value else {
        let message = format!("`impute` of a rule must be a map of columns, not {}", node.value.kind());
        problems.add_help(WRONG_TYPE, node.span, message, "write `impute: { amount: 0 }`".to_owned());
        return Vec::new();
    };
    entries.iter().filter_map(|entry| of_column(entry, scope, problems)).collect()
}

fn of_column(entry: &Entry, scope: Scope<'_>, problems: &mut Problems) -> Option<Impute> {
    let known = scope.schema.columns.is_empty() || scope.schema.column(&entry.key).is_some();
    if !known {
        let message = format!("`{}` is no column of `{}`", entry.key, scope.schema.path);
        let help = suggest(&entry.key, scope.schema.columns.iter().map(|column| column.name.as_str()));
        problems.add_help(UNKNOWN_COLUMN, entry.key_span, message, help);
        return None;
    }
    of_field(&entry.key, &entry.node, scope, problems)
}

/// Reads what is put in place of a column's value: a constant, or SQL.
pub(super) fn of_field(column: &str, node: &Node, scope: Scope<'_>, problems: &mut Problems) -> Option<Impute> {
    let kind = scope.schema.column(column).map(|column| column.kind);
    if kind == Some(ColumnKind::Opaque) {
        let message = format!("`{column}` is {}, which cannot be imputed", ColumnKind::Opaque.words());
        problems.add(WRONG_COLUMN_KIND, node.span, message);
        return None;
    }
    let constant = match &node.value {
        Value::Map(_) => {
            let section = Section::new("`impute`", node.span, node, &keys::IMPUTE, problems)?;
            let sql = section.require(&keys::IMPUTE_SQL, problems);
            let sql = sql.and_then(|node| text(node, keys::IMPUTE_SQL.name, problems));
            let (value, _) = compile(&sql?, scope, problems);
            return Some(Impute { column: column.to_owned(), value });
        }
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        other => {
            let message = format!("`impute` must be a value, or `{{ sql: … }}`, not {}", other.kind());
            problems.add(WRONG_TYPE, node.span, message);
            return None;
        }
    };
    let fits = match (&node.value, kind) {
        (Value::Integer(_), Some(kind)) => matches!(kind, ColumnKind::Integer | ColumnKind::Float),
        (Value::Float(_), Some(kind)) => kind == ColumnKind::Float,
        (Value::Bool(_), Some(kind)) => kind == ColumnKind::Boolean,
        (Value::Text(_), Some(kind)) => matches!(kind, ColumnKind::Text | ColumnKind::Timestamp),
        _ => true,
    };
    if !fits {
        let words = kind.map_or("", ColumnKind::words);
        let help = "SQL over the columns is written `impute: { sql: \"…\" }`".to_owned();
        problems.add_help(WRONG_COLUMN_KIND, node.span, format!("`{column}` is {words}, not {constant}"), help);
        return None;
    }
    let value = Expression { text: constant, span: node.span, columns: Vec::new() };
    Some(Impute { column: column.to_owned(), value })
}

/// Refuses to impute what says which event this is and when it happened.
pub(super) fn check_identity(imputes: &[&Impute], id: &Text, event_time: &Text, problems: &mut Problems) {
    for impute in imputes.iter().filter(|impute| impute.column == id.text || impute.column == event_time.text) {
        let message = format!("`{}` says which event this is, and cannot be imputed", impute.column);
        let help = "leave it out; events without it are rejected".to_owned();
        problems.add_help(CONTRADICTION, impute.value.span, message, help);
    }
}
