//! Rules of a source: SQL conditions, and bounds on single columns.

use super::expression::{Scope, compile};
use super::keys::{self, OnUnknown};
use super::node::{Entry, Node, Value};
use super::policy;
use super::problem::{CONTRADICTION, OUT_OF_RANGE, Problems, WRONG_COLUMN_KIND, WRONG_TYPE};
use super::section::Section;
use super::sources::check_column;
use super::types::{ColumnKind, FieldRule, OnFail, OnNull, Rule};
use super::values::{Text, text};

/// A rule in SQL.
pub(super) fn rule(entry: &Entry, scope: Scope<'_>, problems: &mut Problems) -> Option<Rule> {
    let what = format!("rule `{}`", entry.key);
    let section = Section::new(what, entry.key_span, &entry.node, &keys::RULE, problems)?;
    let check = section.require(&keys::CHECK, problems).and_then(|node| text(node, keys::CHECK.name, problems));
    let on_fail = section.choice::<OnFail>(&keys::ON_FAIL, problems);
    let null_passes = section.choice::<OnUnknown>(&keys::RULE_ON_NULL, problems) == OnUnknown::Pass;
    let wanted = (on_fail == OnFail::Impute).then_some(&keys::ON_FAIL);
    policy::agree(&section, &keys::RULE_IMPUTE, wanted, problems);
    let imputes = policy::of_rule(&section, scope, problems);
    let (check, _) = compile(&check?, scope, problems);
    Some(Rule { name: entry.key.clone(), check, on_fail, null_passes, imputes })
}

/// Bounds on one column.
pub(super) fn field_rule(entry: &Entry, scope: Scope<'_>, problems: &mut Problems) -> Option<FieldRule> {
    let schema = scope.schema;
    let column = Text { text: entry.key.clone(), span: entry.key_span };
    check_column(&column, schema, "", |_| true, problems);
    let kind = schema.column(&entry.key).map(|column| column.kind);
    let what = format!("field `{}`", entry.key);
    let section = Section::new(what, entry.key_span, &entry.node, &keys::FIELD, problems)?;
    let min = section.given_number(&keys::MIN, problems);
    let max = section.given_number(&keys::MAX, problems);
    if (min.is_some() || max.is_some()) && kind.is_some_and(|kind| !kind.is_numeric()) {
        let message = format!("`{}` holds no numbers, so it has no `min` and `max`", entry.key);
        problems.add(WRONG_COLUMN_KIND, entry.key_span, message);
    }
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        problems.add(CONTRADICTION, section.place(&keys::MAX), format!("`min` {min} is above `max` {max}"));
    }
    let allowed = section.list(&keys::ENUM, problems).map(|items| {
        if items.is_empty() {
            problems.add(OUT_OF_RANGE, section.place(&keys::ENUM), "`enum` allows no value at all".to_owned());
        }
        items.iter().filter_map(|item| allowed_value(item, kind, problems)).collect()
    });
    let required = section.given_boolean(&keys::REQUIRED, problems).unwrap_or(false);
    let nullable = section.given_boolean(&keys::NULLABLE, problems);
    if required && nullable == Some(true) {
        let message = format!("`{}` cannot be both `required` and `nullable`", entry.key);
        problems.add(CONTRADICTION, section.place(&keys::NULLABLE), message);
    }
    let required = required || nullable == Some(false);
    let declared = section.given_choice::<OnNull>(&keys::FIELD_ON_NULL, problems);
    let on_null = match declared {
        Some(on_null) => on_null,
        None if required => OnNull::Reject,
        None => keys::FIELD_ON_NULL.word(),
    };
    if required && on_null != OnNull::Reject {
        let message = format!("`{}` cannot be both without null and with another policy for it", entry.key);
        let help = "write `on_null: reject`, `on_null: keep` or `on_null: impute` alone".to_owned();
        problems.add_help(CONTRADICTION, section.place(&keys::FIELD_ON_NULL), message, help);
    }
    let on_fail = section.choice::<OnFail>(&keys::ON_FAIL, problems);
    let wanted = [(&keys::ON_FAIL, on_fail == OnFail::Impute), (&keys::FIELD_ON_NULL, on_null == OnNull::Impute)];
    let wanted = wanted.into_iter().find(|(_, wanted)| *wanted).map(|(key, _)| key);
    policy::agree(&section, &keys::FIELD_IMPUTE, wanted, problems);
    let impute = section.get(&keys::FIELD_IMPUTE);
    let impute = impute.and_then(|node| policy::of_field(&entry.key, node, scope, problems));
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
