//! What could be read of a pipeline file, and which of its parts nothing is wrong with: who compiles expressions can
//! judge those, however many mistakes there are elsewhere.

use std::ops::Range;

use super::keys;
use super::node::{Node, Value};
use super::problem::{Problem, Problems};
use super::{Pipeline, Resolve, node, validate};

/// A part of a pipeline file with a name of its own.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// The source of events, by its name, but for its rules and fields.
    Events(&'a str),
    /// A rule of the source of events.
    Rule(&'a str, &'a str),
    /// What is said of a field of the source of events.
    Field(&'a str, &'a str),
    /// A row feature.
    Row(&'a str),
    /// An entity, but for its aggregates.
    Entity(&'a str),
    /// An aggregate of an entity.
    Aggregate(&'a str, &'a str),
    /// A derived feature.
    Derived(&'a str),
}

/// A pipeline file as far as it could be read.
#[derive(Debug)]
pub struct Reading {
    pipeline: Option<Pipeline>,
    root: Option<Node>,
    problems: Vec<Problem>,
}

impl Reading {
    /// Reads a pipeline file.
    pub fn new(yaml: &str, resolve: Resolve<'_>) -> Self {
        let root = match node::parse(yaml) {
            Ok(root) => root,
            Err(problem) => return Self { pipeline: None, root: None, problems: vec![*problem] },
        };
        let mut problems = Problems::new(yaml);
        let pipeline = validate(&root, resolve, &mut problems);
        Self { pipeline, root: Some(root), problems: problems.into_sorted() }
    }

    /// What could be read, with stand-ins for what could not: only parts that are [sound](Self::is_sound) mean what the
    /// file says.
    pub fn partial(&self) -> Option<&Pipeline> {
        self.pipeline.as_ref()
    }

    /// Whether no problem is in a part.
    pub fn is_sound(&self, part: Part<'_>) -> bool {
        let Some(root) = &self.root else { return false };
        let [sources, features] = [keys::SOURCES.name, keys::FEATURES_SECTION.name];
        let [entities, aggregates] = [keys::ENTITIES.name, keys::AGGREGATES.name];
        let path: &[&str] = match part {
            Part::Events(source) => &[sources, source],
            Part::Rule(source, rule) => &[sources, source, keys::RULES.name, rule],
            Part::Field(source, field) => &[sources, source, keys::FIELDS.name, field],
            Part::Row(feature) => &[features, keys::ROW.name, feature],
            Part::Entity(entity) => &[features, entities, entity],
            Part::Aggregate(entity, aggregate) => &[features, entities, entity, aggregates, aggregate],
            Part::Derived(feature) => &[features, keys::DERIVED.name, feature],
        };
        let but: &[&[&str]] = match part {
            Part::Events(source) => &[&[sources, source, keys::RULES.name], &[sources, source, keys::FIELDS.name]],
            Part::Entity(entity) => &[&[features, entities, entity, aggregates]],
            _ => &[],
        };
        is_sound(root, path, but, &self.problems)
    }

    /// The pipeline, if nothing is wrong with it, `more` included; else all problems in the order of the file.
    pub fn judged(mut self, more: Vec<Problem>) -> Result<Pipeline, Vec<Problem>> {
        self.problems.extend(more);
        self.problems.sort_by_key(|problem| problem.span.start);
        match self.pipeline {
            Some(pipeline) if self.problems.is_empty() => Ok(pipeline),
            _ => Err(self.problems),
        }
    }
}

/// Whether none of the problems is at a path of keys, those at the paths `but` left out.
pub(super) fn is_sound(root: &Node, path: &[&str], but: &[&[&str]], problems: &[Problem]) -> bool {
    let Some(whole) = extent(root, path) else { return true };
    let but: Vec<Range<usize>> = but.iter().filter_map(|path| extent(root, path)).collect();
    let is_at = |range: &Range<usize>, problem: &Problem| range.contains(&problem.span.start);
    problems.iter().all(|problem| !is_at(&whole, problem) || but.iter().any(|part| is_at(part, problem)))
}

/// First byte of the last key of a path, and one past the last of all that is below it.
fn extent(root: &Node, path: &[&str]) -> Option<Range<usize>> {
    let (last, before) = path.split_last()?;
    let Value::Map(entries) = &root.at(before)?.value else { return None };
    let entry = entries.iter().find(|entry| entry.key == *last)?;
    Some(entry.key_span.start..end(&entry.node).max(entry.key_span.end))
}

fn end(node: &Node) -> usize {
    let below = match &node.value {
        Value::List(items) => items.last().map(end),
        Value::Map(entries) => entries.last().map(|entry| end(&entry.node).max(entry.key_span.end)),
        _ => None,
    };
    below.unwrap_or(0).max(node.span.end)
}
