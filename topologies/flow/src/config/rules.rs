//! Rules of a source: SQL conditions, and bounds on single columns.

use super::expression::{Scope, compile};
use super::node::{Entry, Node, Value};
use super::policy;
use super::problem::{CONTRADICTION, OUT_OF_RANGE, Problems, WRONG_COLUMN_KIND, WRONG_TYPE};
use super::section::{Section, Text, text};
use super::sources::check_column;
use super::types::{ColumnKind, FieldRule, OnFail, OnNull, Rule};

/// A rule in SQL.
pub(super) fn rule(entry: &Entry, scope: Scope<'_>, problems: &mut Problems) -> Option<Rule> {
    let mut section = Section::new(format!("rule `{}`", entry.key), entry.key_span, &entry.node, problems)?;
    let check = section.require("check", problems).and_then(|node| text(node, "check", problems));
    let on_fail = policy::on_fail(&mut section, problems);
    let null_passes = section.choice("on_null", false, &[("fail", false), ("pass", true)], problems);
    policy::agree(&mut section, (on_fail == OnFail::Impute).then_some("on_fail"), problems);
    let imputes = policy::of_rule(&mut section, scope, problems);
    section.finish(problems);
    let (check, _) = compile(&check?, scope, problems);
    Some(Rule { name: entry.key.clone(), check, on_fail, null_passes, imputes })
}

/// Bounds on one column.
pub(super) fn field_rule(entry: &Entry, scope: Scope<'_>, problems: &mut Problems) -> Option<FieldRule> {
    let schema = scope.schema;
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
    let required = required || nullable == Some(false);
    let choices = [("keep", OnNull::Keep), ("reject", OnNull::Reject), ("impute", OnNull::Impute)];
    let default = if required { OnNull::Reject } else { OnNull::Keep };
    let on_null = section.choice("on_null", default, &choices, problems);
    if required && on_null != OnNull::Reject {
        let message = format!("`{}` cannot be both without null and with another policy for it", entry.key);
        let help = "write `on_null: reject`, `on_null: keep` or `on_null: impute` alone".to_owned();
        problems.add_help(CONTRADICTION, section.place("on_null"), message, help);
    }
    let on_fail = policy::on_fail(&mut section, problems);
    let wanted = [("on_fail", on_fail == OnFail::Impute), ("on_null", on_null == OnNull::Impute)];
    policy::agree(&mut section, wanted.iter().find(|(_, wanted)| *wanted).map(|(key, _)| *key), problems);
    let impute = section.get("impute").and_then(|node| policy::of_field(&entry.key, node, scope, problems));
    section.finish(problems);
    Some(FieldRule { column: entry.key.clone(), min, max, allowed, on_fail, on_null, impute, span: entry.key_span })
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
