//! The names of a model's classes.

use super::CLASS_BYTES_MAX;
use super::manifest::{Manifest, NetworkFacts};
use crate::network::{CLASSES_MAX, CLASSES_MIN, Head};
use std::collections::BTreeSet;

/// What is wrong with the classes of a manifest: the field, its value and the rule.
pub(super) fn problem(manifest: &Manifest) -> Option<(&'static str, String, &'static str)> {
    let NetworkFacts { classes, head, .. } = &manifest.network;
    let rows = &manifest.dataset.class_rows;
    let (count_ok, rule) = match head {
        Some(Head::Classes) => ((CLASSES_MIN..=CLASSES_MAX).contains(&classes.len()), "must be 2 to 256 names"),
        Some(Head::Number { .. }) => (classes.is_empty(), "must be absent where the score is a number"),
        None | Some(Head::Probability) => {
            (classes.is_empty() || classes.len() == CLASSES_MIN, "must be two names or none for one probability")
        }
    };
    let distinct: BTreeSet<&String> = classes.iter().collect();
    let named = classes.iter().all(|name| (1..=CLASS_BYTES_MAX).contains(&name.len()));
    let decides = *head == Some(Head::Classes) && manifest.threshold.is_some();
    let rules = [
        (count_ok, "network.classes", rule),
        (distinct.len() == classes.len(), "network.classes", "names must differ"),
        (named, "network.classes", "names must have 1 to 256 bytes"),
        (rows.is_empty() || rows.len() == classes.len(), "dataset.class_rows", "must be one number per class, or none"),
        (!decides, "threshold", "must be null for classes, where nothing is decided"),
    ];
    let (_, field, rule) = rules.into_iter().find(|rule| !rule.0)?;
    let value = match field {
        "network.classes" => format!("{classes:?}"),
        "threshold" => format!("{:?}", manifest.threshold.as_ref().map(|threshold| threshold.value)),
        _ => format!("{rows:?}"),
    };
    Some((field, value, rule))
}
