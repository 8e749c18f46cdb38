//! The pipeline file: YAML in, a [`Pipeline`] that cannot be wrong out, or everything that is wrong with it at once.
//!
//! No file is opened here. The caller passes the text and a function that finds schema files by the path the pipeline
//! names them with.

mod aggregates;
mod breaker;
mod bytes;
mod categories;
mod classes;
mod compatibility;
mod derived;
mod digest;
mod duration;
pub mod explain;
mod expression;
mod features;
mod format;
pub mod keys;
mod models;
mod monitors;
pub mod node;
mod objective;
mod policy;
mod problem;
mod reading;
mod retention;
mod rules;
mod schema;
mod section;
mod sources;
#[cfg(test)]
mod tests;
mod types;
mod values;

pub use bytes::parse_bytes;
pub use duration::{format_duration, parse_duration};
pub use keys::WINDOWS_MAX;
pub use problem::{
    BAD_EXPRESSION, BAD_SCHEMA, CODES, CONTRADICTION, Problem, Span, UNKNOWN_CHOICE, UNKNOWN_KEY, WRONG_TYPE, listed,
    nearest,
};
pub use reading::{Part, Reading};
pub use schema::columns;
pub use types::*;

use node::{Entry, Node};
use problem::{BAD_NAME, MISSING_KEY, Problems};
use section::Section;
use values::{NAME_BYTES_MAX, Text, is_name};

use crate::plan::{FIRST_GENERATION, Names};

/// Finds the Avro JSON text of a schema by the path written in the pipeline file; the error is a sentence for the
/// user.
pub type Resolve<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// The settings of the pipeline as a whole.
pub(crate) struct Settings {
    name: String,
    delivery: Delivery,
    ordering: Ordering,
    lateness_us: i64,
    idle_timeout_us: i64,
    partitions: u32,
}

/// Reads a pipeline file. The error holds every problem, in the order of the file; it is never empty.
pub fn parse(yaml: &str, resolve: Resolve<'_>) -> Result<Pipeline, Vec<Problem>> {
    Reading::new(yaml, resolve).judged(Vec::new())
}

/// Reads all sections, each against those before it. The result is a pipeline only if no problem was noted.
fn validate(root: &Node, resolve: Resolve<'_>, problems: &mut Problems) -> Option<Pipeline> {
    let section = Section::new("the pipeline", Span::FILE, root, &keys::PIPELINE, problems)?;
    let settings = settings(&section, problems);
    let sources = section.require(&keys::SOURCES, problems);
    let (events, labels) = sources::read(sources, &settings, resolve, problems);
    let before = problems.len();
    let features = section.require(&keys::FEATURES_SECTION, problems);
    let features = features::read(features, &events, labels.as_ref(), problems);
    let features_complete = problems.len() == before;
    let declared =
        models::Declared { events: &events, labels: labels.as_ref(), features: &features, features_complete };
    let model_entries = section.named(&keys::MODELS, problems);
    let models = models::read(&model_entries, declared, problems);
    let model_names: Vec<&str> = model_entries.iter().map(|entry| entry.key.as_str()).collect();
    let monitor_entries = section.named(&keys::MONITORS, problems);
    let known = monitors::Models { read: &models, names: &model_names, complete: problems.len() == before };
    let monitors = monitors::read(&monitor_entries, known, problems);
    let retraining = section.entry(&keys::RETRAINING_SECTION);
    let retraining =
        retraining.and_then(|entry| monitors::retraining(entry, monitor_entries.len(), labels.as_ref(), problems));
    let alerts_topic = section.entry(&keys::ALERTS_SECTION).and_then(|entry| alerts(entry, problems));
    let chosen = section.get(&keys::COMPATIBILITY);
    let compatibility = chosen.map(|node| compatibility::read(node, problems)).unwrap_or_default();
    let kept = section.entry(&keys::RETENTION_SECTION);
    let retention = kept.map(|entry| retention::read(entry, problems)).unwrap_or_default();
    let Settings { name, delivery, ordering, lateness_us, idle_timeout_us, partitions } = settings;
    let alerts_topic = alerts_topic.unwrap_or_else(|| format!("{name}.alerts.v1"));
    let pipeline = Pipeline {
        name,
        delivery,
        ordering,
        lateness_us,
        idle_timeout_us,
        partitions,
        events,
        labels,
        features,
        models,
        monitors,
        retraining,
        alerts_topic,
        compatibility,
        retention,
    };
    if !pipeline.features.entities.is_empty() {
        check_loops(&pipeline, root, problems);
        if NAME_TOPICS.iter().all(|key| problems.spare(root, &[key.name])) {
            chosen.iter().for_each(|node| compatibility::check_topics(&pipeline, node, problems));
        }
    }
    retention::check_lengths(&pipeline, root, problems);
    Some(pipeline)
}

/// The sections that say which topics there are.
const NAME_TOPICS: [keys::Key; 5] =
    [keys::PIPELINE_NAME, keys::SOURCES, keys::MODELS, keys::MONITORS, keys::ALERTS_SECTION];

/// A source that the pipeline itself writes would feed it with its own results.
fn check_loops(pipeline: &Pipeline, root: &Node, problems: &mut Problems) {
    let names = Names::new(pipeline, FIRST_GENERATION);
    let written = names.written();
    let sources = [Some(&pipeline.events.name), pipeline.labels.as_ref().map(|labels| &labels.name)];
    for (source, topic) in sources.into_iter().flatten().zip(names.sources()) {
        if written.contains(topic) {
            let at = root.at(&["sources", source, "topic"]).map_or(root.span, |node| node.span);
            let message = format!("`{topic}` is a source, and the pipeline writes it too");
            problems.add_help(CONTRADICTION, at, message, "rename the source's topic".to_owned());
        }
    }
}

fn settings(section: &Section<'_>, problems: &mut Problems) -> Settings {
    let name = section.required_text(&keys::PIPELINE_NAME, problems);
    if !name.text.is_empty() && !is_name(&name.text, '-') {
        let help =
            format!("names begin with a-z, go on with a-z, 0-9, _, - and have at most {NAME_BYTES_MAX} characters");
        problems.add_help(BAD_NAME, name.span, format!("`{}` cannot be a pipeline's name", name.text), help);
    }
    let delivery = section.choice(&keys::DELIVERY, problems);
    let ordering = section.choice::<Ordering>(&keys::ORDERING, problems);
    if ordering == Ordering::EventTime && section.get(&keys::LATENESS).is_none() {
        let help = "add `lateness: 10m`: how long events wait for those before them".to_owned();
        problems.add_help(
            MISSING_KEY,
            section.place(&keys::ORDERING),
            "`ordering: event_time` needs `lateness`".to_owned(),
            help,
        );
    }
    Settings {
        name: name.text,
        delivery,
        ordering,
        lateness_us: section.duration(&keys::LATENESS, problems),
        idle_timeout_us: section.duration(&keys::IDLE_TIMEOUT, problems),
        partitions: section.count(&keys::PARTITIONS, problems),
    }
}

fn alerts(entry: &Entry, problems: &mut Problems) -> Option<String> {
    let section = Section::new("`alerts`", entry.key_span, &entry.node, &keys::ALERTS, problems)?;
    let topic: Option<Text> = section.text(&keys::ALERTS_TOPIC, problems);
    topic.map(|topic| {
        sources::check_topic(&topic, problems);
        topic.text
    })
}
