//! Classes of a label: its values by name, in an order that gives each a number.

use super::keys::{self, CLASS_BYTES_MAX, CLASSES_MAX, CLASSES_MIN, MULTICLASS_MIN};
use super::node::{Node, Value};
use super::problem::{
    CONTRADICTION, DUPLICATE, MISSING_KEY, OUT_OF_RANGE, Problems, Span, WRONG_COLUMN_KIND, WRONG_TYPE, suggest,
};
use super::section::Section;
use super::types::{ColumnKind, LabelSource, Objective, SourceSchema};
use super::values::Text;

/// The classes that a label source declares; none where it declares none. What could not be read is one class without a
/// name, of which nothing more is said.
pub(super) fn read(
    section: &Section<'_>,
    schema: &SourceSchema,
    target: &Text,
    problems: &mut Problems,
) -> Vec<String> {
    let Some(node) = section.get(&keys::CLASSES) else { return Vec::new() };
    let Some(items) = section.list(&keys::CLASSES, problems) else { return vec![String::new()] };
    if !(CLASSES_MIN..=CLASSES_MAX).contains(&items.len()) {
        let message = format!("`classes` has from {CLASSES_MIN} to {CLASSES_MAX} classes, not {}", items.len());
        problems.add(OUT_OF_RANGE, node.span, message);
        return vec![String::new()];
    }
    let kind = schema.column(&target.text).map(|column| column.kind);
    let mut classes: Vec<String> = Vec::new();
    for item in items {
        let class = class(item, kind, problems).unwrap_or_default();
        if !class.is_empty() && classes.contains(&class) {
            problems.add(DUPLICATE, item.span, format!("class `{class}` is declared a second time"));
        }
        classes.push(class);
    }
    classes
}

/// A class as canonical text, which is what a label's value is compared with.
fn class(item: &Node, kind: Option<ColumnKind>, problems: &mut Problems) -> Option<String> {
    let (class, fits) = match &item.value {
        Value::Text(class) => (class.clone(), ColumnKind::Text),
        Value::Integer(class) => (class.to_string(), ColumnKind::Integer),
        Value::Bool(class) => (class.to_string(), ColumnKind::Boolean),
        other => {
            let message = format!("a class is a text, a whole number or true or false, not {}", other.kind());
            problems.add(WRONG_TYPE, item.span, message);
            return None;
        }
    };
    if class.is_empty() || class.len() > CLASS_BYTES_MAX {
        let message = format!("a class has from 1 to {CLASS_BYTES_MAX} bytes, not {}", class.len());
        problems.add(OUT_OF_RANGE, item.span, message);
    }
    if kind.is_some_and(|kind| kind.is_key() && kind != fits) {
        let help = (kind == Some(ColumnKind::Text)).then(|| format!("write `\"{class}\"`"));
        problems.add_help(WRONG_COLUMN_KIND, item.span, format!("no value of the column is `{class}`"), help);
    }
    Some(class)
}

/// Whether a label of this kind can be one: a number, or with classes what has a canonical text.
pub(super) fn check_kind(target: &Text, schema: &SourceSchema, has_classes: bool, problems: &mut Problems) {
    if schema.columns.is_empty() || target.text.is_empty() {
        return;
    }
    let Some(column) = schema.column(&target.text) else {
        let message = format!("`{}` is no column of `{}`", target.text, schema.path);
        let help = suggest(&target.text, schema.columns.iter().map(|column| column.name.as_str()));
        problems.add_help(super::problem::UNKNOWN_COLUMN, target.span, message, help);
        return;
    };
    let (fits, role) = match has_classes {
        true => (column.kind.is_key(), "a label with classes"),
        false => (column.kind.is_numeric(), "a label"),
    };
    if !fits {
        let message = format!("`{}` is {} and cannot be {role}", target.text, column.kind.words());
        let can_have = !has_classes && column.kind.is_key();
        let help = can_have.then(|| "name its values in order: `classes: [bus, tram, train]`".to_owned());
        problems.add_help(WRONG_COLUMN_KIND, target.span, message, help);
    }
}

/// Notes an objective that does not fit the classes of the label.
pub(super) fn check_objective(objective: Objective, at: Span, labels: Option<&LabelSource>, problems: &mut Problems) {
    // Of a label that could not be read nothing more is said.
    let Some(labels) = labels.filter(|labels| !labels.target.is_empty()) else { return };
    let name = &labels.name;
    let mut wrong = |code: &'static str, message: String, help: String| problems.add_help(code, at, message, help);
    match (objective, labels.classes.len()) {
        // Classes that could not be read.
        (_, 1) => {}
        (Objective::Multiclass, 0) => wrong(
            MISSING_KEY,
            format!("`objective: multiclass` needs the classes of `{}`", labels.target),
            format!("name them in source `{name}`: `classes: [bus, tram, train]`"),
        ),
        (Objective::Multiclass, count) if count < MULTICLASS_MIN => wrong(
            CONTRADICTION,
            format!("`objective: multiclass` needs at least {MULTICLASS_MIN} classes, and source `{name}` has {count}"),
            "write `objective: binary`: the second class is the positive one".to_owned(),
        ),
        (Objective::Binary, count) if count >= MULTICLASS_MIN => wrong(
            CONTRADICTION,
            format!("`objective: binary` tells two classes apart, and source `{name}` has {count}"),
            "write `objective: multiclass`".to_owned(),
        ),
        (Objective::Regression, 2..) => wrong(
            CONTRADICTION,
            format!("`objective: regression` predicts a number, and source `{name}` has classes"),
            "write `objective: multiclass` or `objective: binary`, or take `classes` out".to_owned(),
        ),
        _ => {}
    }
}
