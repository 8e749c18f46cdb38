//! Inputs of a model that are categories: texts by themselves, and what `categories` names.

use super::keys;
use super::models::Declared;
use super::node::{Entry, Value};
use super::problem::{CONTRADICTION, NO_MATCH, OUT_OF_RANGE, Problems, WRONG_TYPE, suggest};
use super::section::Section;
use super::types::{CATEGORIES_MAX, Category, ColumnKind, Network};

/// The categories among the inputs, in their order.
pub(super) fn read(
    model: &Section<'_>,
    (inputs, network): (&[String], &Network),
    declared: Declared<'_>,
    problems: &mut Problems,
) -> Vec<Category> {
    let told = told(model, (inputs, network), declared, problems);
    let is_text =
        |input: &str| declared.events.schema.column(input).is_some_and(|column| column.kind == ColumnKind::Text);
    let of = |input: &String| {
        let found = told.iter().find(|one| one.input == *input).cloned();
        found.or_else(|| is_text(input).then(|| Category::new(input, keys::WORDS_DEFAULT)))
    };
    let found: Vec<Category> = inputs.iter().filter_map(of).collect();
    if found.len() > CATEGORIES_MAX {
        let message = format!("a model reads at most {CATEGORIES_MAX} categories, not {}", found.len());
        problems.add(OUT_OF_RANGE, place(model), message);
    }
    found
}

/// Where the categories stand, or the inputs, among which texts are categories by themselves.
pub(super) fn place(model: &Section<'_>) -> super::Span {
    let key = if model.get(&keys::CATEGORIES).is_some() { &keys::CATEGORIES } else { &keys::INPUTS };
    model.place(key)
}

fn told(
    model: &Section<'_>,
    (inputs, network): (&[String], &Network),
    declared: Declared<'_>,
    problems: &mut Problems,
) -> Vec<Category> {
    let Some(node) = model.get(&keys::CATEGORIES) else { return Vec::new() };
    let Value::Map(entries) = &node.value else {
        let message = format!("`categories` must be a map of inputs, not {}", node.value.kind());
        let help = "write `categories: { weather: {}, city: { dimension: 4 } }`".to_owned();
        problems.add_help(WRONG_TYPE, node.span, message, help);
        return Vec::new();
    };
    let mut told = Vec::new();
    for entry in entries {
        if !inputs.contains(&entry.key) && declared.features_complete {
            let message = format!("`{}` is no input of the model", entry.key);
            let help = suggest(&entry.key, inputs.iter().map(String::as_str));
            problems.add_help(NO_MATCH, entry.key_span, message, help);
        }
        told.extend(category(entry, network, problems));
    }
    told
}

fn category(entry: &Entry, network: &Network, problems: &mut Problems) -> Option<Category> {
    let what = format!("category `{}`", entry.key);
    let section = match entry.node.value {
        Value::Null => Section::empty(entry.key_span, &keys::CATEGORY),
        _ => Section::new(what, entry.key_span, &entry.node, &keys::CATEGORY, problems)?,
    };
    let dimension = section.given_count(&keys::DIMENSION, problems);
    if *network == Network::Linear && dimension.is_some_and(|dimension| dimension > 1) {
        let message = "a linear model has one weight per word, so `dimension` is 1".to_owned();
        problems.add_help(CONTRADICTION, section.place(&keys::DIMENSION), message, "take it out".to_owned());
    }
    let words_max = section.count(&keys::WORDS_MAX, problems);
    let min_count = section.integer(&keys::MIN_COUNT, problems);
    Some(Category { input: entry.key.clone(), dimension, words_max, min_count })
}
