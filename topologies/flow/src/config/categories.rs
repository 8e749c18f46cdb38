//! Inputs of a model that are categories: texts by themselves, and what `categories` names.

use super::models::Declared;
use super::node::{Entry, Value};
use super::problem::{CONTRADICTION, NO_MATCH, OUT_OF_RANGE, Problems, WRONG_TYPE, suggest};
use super::section::{Section, integer};
use super::types::{CATEGORIES_MAX, CATEGORY_DIMENSION_MAX, CATEGORY_WORDS_MAX, Category, ColumnKind, Network};

/// Words of a vocabulary where nothing is said: rarer ones seldom have enough rows to learn from.
const WORDS_DEFAULT: u32 = 1_000;

/// The categories among the inputs, in their order.
pub(super) fn read(
    model: &mut Section<'_>,
    (inputs, network): (&[String], &Network),
    declared: Declared<'_>,
    problems: &mut Problems,
) -> Vec<Category> {
    let told = told(model, (inputs, network), declared, problems);
    let is_text =
        |input: &str| declared.events.schema.column(input).is_some_and(|column| column.kind == ColumnKind::Text);
    let of = |input: &String| {
        let found = told.iter().find(|one| one.input == *input).cloned();
        found.or_else(|| is_text(input).then(|| Category::new(input, WORDS_DEFAULT)))
    };
    let found: Vec<Category> = inputs.iter().filter_map(of).collect();
    if found.len() > CATEGORIES_MAX {
        let message = format!("a model reads at most {CATEGORIES_MAX} categories, not {}", found.len());
        problems.add(OUT_OF_RANGE, place(model), message);
    }
    found
}

/// Where the categories stand, or the inputs, among which texts are categories by themselves.
pub(super) fn place(model: &mut Section<'_>) -> super::Span {
    let key = if model.get("categories").is_some() { "categories" } else { "inputs" };
    model.place(key)
}

fn told(
    model: &mut Section<'_>,
    (inputs, network): (&[String], &Network),
    declared: Declared<'_>,
    problems: &mut Problems,
) -> Vec<Category> {
    let Some(node) = model.get("categories") else { return Vec::new() };
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
    let mut section = match entry.node.value {
        Value::Null => Section::empty(entry.key_span),
        _ => Section::new(format!("category `{}`", entry.key), entry.key_span, &entry.node, problems)?,
    };
    let dimension = section.get("dimension");
    let dimension = dimension.and_then(|node| integer(node, "dimension", 1, CATEGORY_DIMENSION_MAX.into(), problems));
    let dimension = dimension.and_then(|dimension| u32::try_from(dimension).ok());
    if *network == Network::Linear && dimension.is_some_and(|dimension| dimension > 1) {
        let message = "a linear model has one weight per word, so `dimension` is 1".to_owned();
        problems.add_help(CONTRADICTION, section.place("dimension"), message, "take it out".to_owned());
    }
    let words_max = section.count("words_max", WORDS_DEFAULT, 1, CATEGORY_WORDS_MAX, problems);
    let min_count = section.integer("min_count", 1, 1, u64::MAX, problems);
    section.finish(problems);
    Some(Category { input: entry.key.clone(), dimension, words_max, min_count })
}
