//! The plan as an AsyncAPI 3.0 document: a channel per topic, a message with its Avro schema, an operation per task and
//! topic that it reads or writes.

use schemas::reject::names;
use serde_json::{Map, Value, json};

use super::{Key, Kind, Plan, Task, Topic};
use crate::config::{Format, Pipeline};
use crate::public::{EMISSION_HEADER, ORIGIN_HEADER};

/// The format of embedded schemas, as AsyncAPI spells it.
const AVRO: &str = "application/vnd.apache.avro;version=1.9.0";
/// Content type of records in Confluent's framing.
const FRAMED: &str = "application/vnd.confluent.avro";
/// Content type of records that are somebody else's bytes.
const BYTES: &str = "application/octet-stream";
/// Version of the Kafka bindings used here.
const BINDING: &str = "0.5.0";

/// What the document says that the plan does not.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The brokers' addresses, as clients take them.
    pub brokers: Option<String>,
    /// The schema registry.
    pub registry: Option<String>,
}

/// The document of a pipeline and its plan.
pub fn document(pipeline: &Pipeline, plan: &Plan, surroundings: &Surroundings) -> Value {
    let is_json = |topic: &Topic| {
        let labels = pipeline.labels.as_ref().map(|labels| (&labels.topic, labels.format));
        let mut sources = [(&pipeline.events.topic, pipeline.events.format)].into_iter().chain(labels);
        sources.any(|(source, format)| *source == topic.name && matches!(format, Format::Json(_)))
    };
    let channel = |topic: &Topic| (topic.name.clone(), channel(topic, is_json(topic)));
    let channels: Map<String, Value> = plan.topics.iter().map(channel).collect();
    let operations: Map<String, Value> = plan.tasks.iter().flat_map(|task| operations(plan, task)).collect();
    let mut document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": format!("Pipeline {}", plan.pipeline),
            "version": format!("{}.{}.0", plan.feature_set.trim_start_matches('f'), plan.generation),
            "description": format!(
                "Topics and tasks of pipeline {} with feature set {} in generation {} of its internal logs. Internal \
                 topics are for the pipeline's own services.",
                plan.pipeline, plan.feature_set, plan.generation
            ),
        },
        "defaultContentType": FRAMED,
        "channels": channels,
        "operations": operations,
    });
    if let Some(brokers) = &surroundings.brokers {
        document["servers"] = servers(brokers, surroundings.registry.as_deref());
    }
    document
}

fn servers(brokers: &str, registry: Option<&str>) -> Value {
    let mut kafka = json!({ "bindingVersion": BINDING });
    if let Some(registry) = registry {
        kafka["schemaRegistryUrl"] = registry.into();
        kafka["schemaRegistryVendor"] = "confluent".into();
    }
    let server = |(at, host): (usize, &str)| {
        let server = json!({ "host": host.trim(), "protocol": "kafka", "bindings": { "kafka": kafka } });
        (format!("broker{at}"), server)
    };
    Value::Object(brokers.split(',').enumerate().map(server).collect())
}

fn channel(topic: &Topic, is_json: bool) -> Value {
    let cleanup = if topic.compacted { "compact" } else { "delete" };
    let audience = if topic.internal { "internal" } else { "public" };
    let name = message_name(topic);
    json!({
        "address": topic.name,
        "summary": topic.kind.purpose(),
        "tags": [{ "name": audience }, { "name": topic.kind.word() }],
        "messages": { name.clone(): message(topic, &name, is_json) },
        "bindings": { "kafka": {
            "topic": topic.name,
            "partitions": topic.partitions,
            "topicConfiguration": { "cleanup.policy": [cleanup] },
            "bindingVersion": BINDING,
        }},
    })
}

fn message_name(topic: &Topic) -> String {
    let schema = topic.schema.as_ref().and_then(|schema| schema["name"].as_str());
    schema.unwrap_or(topic.kind.word()).to_owned()
}

fn message(topic: &Topic, name: &str, is_json: bool) -> Value {
    let mut kafka = json!({ "bindingVersion": BINDING });
    let mut message = json!({ "name": name, "title": name });
    if let Some(schema) = &topic.schema {
        message["payload"] = json!({ "schemaFormat": AVRO, "schema": schema });
        if is_json {
            message["contentType"] = "application/json".into();
            message["description"] = "A JSON text whose fields are those of the schema.".into();
        } else {
            kafka["schemaIdLocation"] = "payload".into();
            kafka["schemaIdPayloadEncoding"] = "confluent".into();
            kafka["schemaLookupStrategy"] = "TopicNameStrategy".into();
        }
    } else {
        message["contentType"] = BYTES.into();
        message["description"] = "Key and value of the source record, untouched.".into();
    }
    kafka["key"] = json!({ "type": "string", "description": key(&topic.key) });
    if let Some(headers) = headers_of(topic.kind) {
        message["headers"] = headers;
    }
    message["bindings"] = json!({ "kafka": kafka });
    message
}

fn key(key: &Key) -> String {
    match key {
        Key::Column(column) => format!("The column {column}, as text."),
        Key::Field(field) => format!("Of the record: {field}."),
        Key::AsSource => "The key of the source record.".to_owned(),
        Key::KeyGroup => "None; the partition is that of the key group.".to_owned(),
    }
}

/// Headers of a topic's records as far as they mean something.
fn headers_of(kind: Kind) -> Option<Value> {
    let found: Vec<&str> = match kind {
        Kind::Predictions | Kind::Outcomes | Kind::Refusals => {
            vec!["ce_id", "ce_type", "ce_source", EMISSION_HEADER, ORIGIN_HEADER]
        }
        Kind::Dlq | Kind::Retry => names::ALL.to_vec(),
        _ => return None,
    };
    let properties: Map<String, Value> =
        found.into_iter().map(|name| (name.to_owned(), json!({ "type": "string" }))).collect();
    Some(json!({ "type": "object", "properties": properties }))
}

/// What a task reads and writes, each under a name of its own.
fn operations(plan: &Plan, task: &Task) -> Vec<(String, Value)> {
    let label = match &task.name {
        Some(name) => format!("{}.{name}", task.service.name()),
        None => task.service.name().to_owned(),
    };
    let operation = |action: &str, verb: &str, topic: &Topic| {
        let channel = format!("#/channels/{}", topic.name);
        let message = format!("{channel}/messages/{}", message_name(topic));
        let mut operation = json!({
            "action": action,
            "summary": format!("{label} {verb} {}", topic.name),
            "channel": { "$ref": channel },
            "messages": [{ "$ref": message }],
            "tags": [{ "name": task.service.name() }],
        });
        if verb == "reads" {
            let group = json!({ "type": "string", "enum": [task.group_id] });
            operation["bindings"] = json!({ "kafka": { "groupId": group, "bindingVersion": BINDING } });
        }
        (format!("{label}/{verb}/{}", topic.name), operation)
    };
    let of = |names: &[String], action: &'static str, verb: &'static str| -> Vec<(String, Value)> {
        let topics = names.iter().filter_map(|name| plan.topic(name));
        topics.map(|topic| operation(action, verb, topic)).collect()
    };
    let reads = of(&task.reads, "receive", "reads").into_iter();
    reads.chain(of(&task.follows, "receive", "follows")).chain(of(&task.writes, "send", "writes")).collect()
}

impl Kind {
    /// What it is for, in a sentence.
    pub(super) fn purpose(self) -> &'static str {
        match self {
            Self::Source => "Events or labels that producers publish.",
            Self::Log => "An internal log, one record per batch of items.",
            Self::Sketches => "Counts that monitors judge.",
            Self::Predictions => "Predictions, one per event.",
            Self::Outcomes => "Predictions with their labels.",
            Self::Refusals => "Labels that came to nothing, with the reason.",
            Self::Drift => "Drift reports.",
            Self::Alerts => "Incidents; the newest record of a key is its standing.",
            Self::Models => "Models that were published, with their standing.",
            Self::Retraining => "Retraining requests and their results.",
            Self::Control => "What scorers say of proposed models.",
            Self::Ledger => "Counts of what crossed each edge of the graph.",
            Self::Dlq => "Source records that were rejected, with the reason in headers.",
            Self::Retry => "Rejected records that are to be judged again.",
            Self::Late => "Source records that came too late.",
            Self::Progress => "How far validators are.",
        }
    }
}
