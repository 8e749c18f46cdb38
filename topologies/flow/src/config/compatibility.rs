//! Reads `compatibility`: a mode for all topics, or a map of topics to modes, in which `all` stands for the others.

use schemas::compatibility::Compatibility;

use super::keys::COMPATIBILITY;
use super::node::{Entry, Node, Value};
use super::problem::{Problems, UNKNOWN_REFERENCE, WRONG_TYPE, suggest};
use super::values::{choice, text};
use super::{Compatibilities, Pipeline};
use crate::plan::plan;

const KEY: &str = COMPATIBILITY.name;
/// Stands for all topics that are not named.
const ALL: &str = "all";

/// The modes that are chosen, whether or not the topics are there.
pub(super) fn read(node: &Node, problems: &mut Problems) -> Compatibilities {
    let mut found = Compatibilities::default();
    match &node.value {
        Value::Map(entries) => {
            for Entry { key, node, .. } in entries {
                let Some(mode) = mode(node, key, problems) else { continue };
                if key == ALL {
                    found.all = Some(mode);
                } else {
                    found.topics.insert(key.clone(), mode);
                }
            }
        }
        Value::Text(_) => found.all = mode(node, KEY, problems),
        other => {
            let message = format!("`{KEY}` must be a mode or a map of topics to modes, not {}", other.kind());
            let help = format!("write `{KEY}: BACKWARD`, or `{KEY}: {{ all: BACKWARD, TOPIC: FULL }}`");
            problems.add_help(WRONG_TYPE, node.span, message, help);
        }
    }
    found
}

fn mode(node: &Node, key: &str, problems: &mut Problems) -> Option<Compatibility> {
    choice(&text(node, key, problems)?, key, problems)
}

/// Notes topics that the pipeline does not have, or whose schema is nobody else's business.
pub(super) fn check_topics(pipeline: &Pipeline, node: &Node, problems: &mut Problems) {
    let Value::Map(entries) = &node.value else { return };
    let plan = plan(pipeline);
    let public: Vec<&str> = plan
        .topics
        .iter()
        .filter(|topic| !topic.internal && topic.schema.is_some())
        .map(|topic| &*topic.name)
        .collect();
    for Entry { key, key_span, .. } in entries.iter().filter(|entry| entry.key != ALL) {
        if !public.contains(&key.as_str()) {
            let message = match plan.topic(key) {
                Some(_) => format!("the schema of `{key}` follows from those of other topics"),
                None => format!("the pipeline has no topic `{key}`"),
            };
            problems.add_help(UNKNOWN_REFERENCE, *key_span, message, suggest(key, public.iter().copied()));
        }
    }
}
