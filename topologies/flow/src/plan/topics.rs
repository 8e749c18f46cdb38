//! The topics of a pipeline, with partitions, keys and the schemas that follow from it.

use schemas::contracts;
use schemas::log::{Decision, log_schema, outcome_schema, prediction_schema, refusal_schema};
use serde_json::Value;

use super::{Key, Kind, Names, Topic};
use crate::config::{Entity, Objective, Pipeline};

/// Topics with few records, whose order matters more than their width.
const NARROW_PARTITIONS: u32 = 1;

/// All topics, in the order an event meets them.
pub(super) fn topics(pipeline: &Pipeline, names: &Names) -> Vec<Topic> {
    let mut topics = sources(pipeline);
    topics.extend(logs(pipeline, names));
    topics.extend(results(pipeline, names));
    topics.extend(bookkeeping(names));
    topics.extend(retries(pipeline));
    topics.extend(pipeline.labels.iter().map(|_| refusals(pipeline, names)));
    topics.extend(told(pipeline, names));
    topics
}

/// Alerts of a pipeline without models, for the limits of its entities; last of all, as state never names them.
fn told(pipeline: &Pipeline, names: &Names) -> Option<Topic> {
    let is_told = pipeline.models.is_empty() && pipeline.features.entities.iter().any(Entity::is_limited);
    is_told.then(|| alerts(names))
}

/// Labels that came to nothing; last for the same reason.
fn refusals(pipeline: &Pipeline, names: &Names) -> Topic {
    let topic = shared(&names.refusals, Kind::Refusals, "event_id", contracts::LABEL_REFUSAL);
    Topic { partitions: pipeline.partitions, schema: refusal_schema(!pipeline.classes().is_empty()), ..topic }
}

fn alerts(names: &Names) -> Topic {
    shared(&names.alerts, Kind::Alerts, "incident", contracts::ALERT)
}

/// Last, since snapshots name topics by number: those of an older release keep theirs.
fn retries(pipeline: &Pipeline) -> impl Iterator<Item = Topic> {
    let events = (&pipeline.events.topic, pipeline.events.partitions);
    let labels = pipeline.labels.iter().map(|labels| (&labels.topic, labels.partitions));
    [events]
        .into_iter()
        .chain(labels)
        .map(|(source, partitions)| beside(Names::retries(source), Kind::Retry, partitions))
}

/// A topic of a source's records as they were published.
fn beside(name: String, kind: Kind, partitions: u32) -> Topic {
    Topic { name, kind, internal: true, partitions, compacted: false, key: Key::AsSource, schema: None }
}

fn sources(pipeline: &Pipeline) -> Vec<Topic> {
    let events = &pipeline.events;
    let mut found = vec![(&events.topic, events.partitions, &events.id, &events.schema)];
    found.extend(pipeline.labels.iter().map(|labels| (&labels.topic, labels.partitions, &labels.id, &labels.schema)));
    let topics = found.into_iter().flat_map(|(topic, partitions, id, schema)| {
        let source = Topic {
            name: topic.clone(),
            kind: Kind::Source,
            internal: false,
            partitions,
            compacted: false,
            key: Key::Column(id.clone()),
            schema: Some(schema.json.clone()),
        };
        let dead = beside(Names::dead_letters(topic), Kind::Dlq, partitions);
        [source, dead, beside(Names::late(topic), Kind::Late, partitions)]
    });
    topics.collect()
}

/// What an item of a log carries besides its position.
struct Carried {
    features: Vec<String>,
    label: bool,
    prediction: Option<Decision>,
}

fn logs(pipeline: &Pipeline, names: &Names) -> Vec<Topic> {
    let features = &pipeline.features;
    let event = pipeline.events.carried();
    let log = |topic: &String, record: &str, carried: Carried| {
        let Carried { features, label, prediction } = carried;
        let namespace = format!("{}.log", namespace(pipeline));
        let schema = log_schema(&pascal_case(record), &namespace, Some(&event), &features, label, prediction);
        Topic {
            name: topic.clone(),
            kind: Kind::Log,
            internal: true,
            partitions: pipeline.partitions,
            compacted: false,
            key: Key::KeyGroup,
            schema: Some(schema),
        }
    };
    let entities = features.entities.iter().zip(&names.entity_logs).enumerate();
    let mut topics: Vec<Topic> = entities
        .map(|(index, (entity, topic))| {
            let features = features.names_before(index);
            log(topic, &entity.name, Carried { features, label: entity.label_derived, prediction: None })
        })
        .collect();
    let all = Carried { features: features.names(), label: false, prediction: None };
    topics.push(log(&names.features_log, "features", all));
    let journal = Carried { features: Vec::new(), label: true, prediction: Some(decision(pipeline)) };
    topics.push(log(&names.journal_log, "journal", journal));
    topics
}

/// A probability always has a threshold; a number has one where its model declares it; one of several classes has none.
fn decision(pipeline: &Pipeline) -> Decision {
    match pipeline.models.iter().all(|model| model.objective == Objective::Binary) {
        _ if pipeline.predicts_classes() => Decision::DeclaredOrClass,
        true => Decision::Always,
        false => Decision::Declared,
    }
}

fn results(pipeline: &Pipeline, names: &Names) -> Vec<Topic> {
    let topic = |name: &String, kind: Kind, key: &'static str, schema: Value| Topic {
        name: name.clone(),
        kind,
        internal: false,
        partitions: pipeline.partitions,
        compacted: false,
        key: Key::Field(key),
        schema: Some(schema),
    };
    let (name, namespace, decision) = (pascal_case(&pipeline.name), namespace(pipeline), decision(pipeline));
    let outcomes = outcome_schema(&name, &namespace, decision, !pipeline.classes().is_empty());
    let outcomes = topic(&names.outcomes, Kind::Outcomes, "event_id", outcomes);
    if pipeline.models.is_empty() {
        return vec![outcomes];
    }
    // The field `key` holds the first entity's key.
    let predictions =
        topic(&names.predictions, Kind::Predictions, "key", prediction_schema(&name, &namespace, decision));
    let sketches = (!pipeline.monitors.is_empty())
        .then(|| shared(&names.sketches, Kind::Sketches, "monitor", contracts::SKETCHES));
    let watched = [
        shared(&names.drift, Kind::Drift, "monitor", contracts::DRIFT_REPORT),
        alerts(names),
        shared(&names.retraining, Kind::Retraining, "request", contracts::RETRAINING_REQUEST),
        // Compaction keeps the standing of each version.
        shared(&names.models, Kind::Models, "model@version", contracts::MODEL_ANNOUNCEMENT),
    ];
    [predictions, outcomes].into_iter().chain(sketches).chain(watched).collect()
}

fn bookkeeping(names: &Names) -> Vec<Topic> {
    vec![
        shared(&names.control, Kind::Control, "log", contracts::CONTROL_REPORT),
        shared(&names.ledger, Kind::Ledger, "edge/bucket/task/task_partition", contracts::LEDGER_ROW),
        shared(&names.progress, Kind::Progress, "topic/partition", contracts::PROGRESS),
    ]
}

/// A topic whose schema is the same for all pipelines.
fn shared(name: &str, kind: Kind, key: &'static str, schema: &str) -> Topic {
    let schema: Option<Value> = contracts::avro(schema).and_then(|text| serde_json::from_str(text).ok());
    debug_assert!(schema.is_some(), "a contract file is embedded and is JSON");
    Topic {
        name: name.to_owned(),
        kind,
        internal: matches!(kind, Kind::Sketches | Kind::Progress),
        partitions: NARROW_PARTITIONS,
        compacted: matches!(kind, Kind::Alerts | Kind::Models | Kind::Progress | Kind::Ledger),
        key: Key::Field(key),
        schema,
    }
}

/// Namespace of a pipeline's schemas. Logs have one below it, so that their record names never meet those of sources.
fn namespace(pipeline: &Pipeline) -> String {
    format!("tidemill.{}", pipeline.name.replace('-', "_"))
}

/// `card_holder` as `CardHolder`.
fn pascal_case(name: &str) -> String {
    let capital = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    };
    name.split(['_', '-']).map(capital).collect()
}
