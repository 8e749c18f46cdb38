//! What is missing, what stands in the way, and that carrying it out leaves nothing to do.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use flow::config::{self, Pipeline};
use registry::schemas::FileRegistry;
use registry::store::Store;
use schemas::registry::SchemaRegistry;

use super::*;
use crate::apply::{apply, carry_out};
use crate::embedded::Embedded;
use crate::log::Log;

const EVENT: &str = r#"{"type":"record","name":"Event","fields":[
    {"name":"id","type":"string"},{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"customer","type":["null","string"],"default":null}MORE]}"#;
const MORE: &str = r#",{"name":"more","type":["null","long"],"default":null}"#;
const PIPELINE: &str = "
pipeline: t
partitions: 2
sources:
  events: { topic: t.pay.events.v1, schema: Event, id: id, event_time: at, partitions: SOURCE }
features:
  version: 1
  entities:
    customer: { key: customer, windows: [1d], aggregates: { count: count() } }
";

/// A log and a registry that outlive pipeline files.
struct World {
    log: Arc<dyn Log>,
    store: Store,
    _dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        World { log: Arc::new(Embedded::open(dir.path()).unwrap()), store: Store::memory(), _dir: dir }
    }

    fn context(&self, source: &str, schema: &str, file: &str) -> Context {
        let resolve = |_: &str| Ok(schema.to_owned());
        let pipeline: Pipeline =
            config::parse(&file.replace("SOURCE", source), &resolve).unwrap_or_else(|problems| panic!("{problems:#?}"));
        let plan = flow::plan::plan(&pipeline);
        Context::new(self.log.clone(), Arc::new(FileRegistry::new(self.store.clone())), pipeline, plan)
    }

    fn plain(&self) -> Context {
        self.context("2", &EVENT.replace("MORE", ""), PIPELINE)
    }
}

#[test]
fn what_was_carried_out_is_not_found_again() {
    let world = World::new();
    let context = world.plain();
    let changes = Changes::find(&context).unwrap();
    assert_eq!(changes.topics.len(), context.plan.topics.len());
    assert_eq!((changes.new_schemas().count(), changes.fences.len()), (8, 6));
    assert!(world.log.topics().unwrap().is_empty(), "looking makes nothing");
    let applied = carry_out(&context, &changes, |_| Default::default()).unwrap();
    assert_eq!(applied.topics.len(), changes.topics.len());
    assert_eq!(applied.fences, changes.fences.iter().map(ToString::to_string).collect::<Vec<_>>());
    let again = Changes::find(&context).unwrap();
    assert!(again.is_empty() && again.refused.is_empty(), "{again:?}");
    assert!(again.schemas.iter().all(|schema| matches!(schema.standing, Standing::Registered(_))));
}

#[test]
fn sources_grow_and_other_topics_do_not() {
    let world = World::new();
    apply(&world.plain()).unwrap();
    let grown = world.context("3", &EVENT.replace("MORE", ""), PIPELINE);
    let changes = Changes::find(&grown).unwrap();
    let names: Vec<&str> = changes.grown.iter().map(|grown| grown.topic.as_str()).collect();
    let source = "t.pay.events.v1";
    let suffixes = ["", ".validator.dlq", ".late", ".validator.retry"];
    assert_eq!(names, suffixes.map(|suffix| format!("{source}{suffix}")));
    carry_out(&grown, &changes, |_| Default::default()).unwrap();
    assert!(Changes::find(&grown).unwrap().is_empty());
    // All that is refused is said at once, and then nothing is made.
    let wide = world.context("4", &EVENT.replace("MORE", ""), &PIPELINE.replace("partitions: 2\n", "partitions: 5\n"));
    let refused = apply(&wide).unwrap_err().to_string();
    assert!(refused.contains("t.customer.log.f1.g1 has 2 partitions and not 5"), "{refused}");
    assert!(refused.contains("`tidemill repartition --partitions 5`"), "{refused}");
    assert!(refused.contains("t.outcomes.v1 has 2 partitions and not 5; a topic keeps its number"), "{refused}");
    assert_eq!(world.log.partitions(source).unwrap(), Some(3), "nothing was made");
}

#[test]
fn a_schema_becomes_a_version_and_none_becomes_the_newest_again() {
    let world = World::new();
    apply(&world.plain()).unwrap();
    let more = world.context("2", &EVENT.replace("MORE", MORE), PIPELINE);
    let changes = Changes::find(&more).unwrap();
    let versions: Vec<(&str, Standing)> =
        changes.new_schemas().map(|schema| (schema.topic.as_str(), schema.standing)).collect();
    assert!(versions.contains(&("t.pay.events.v1", Standing::Version(2))), "{versions:?}");
    apply(&more).unwrap();
    let foreseen = Foreseen::new(more.schemas.clone(), &Changes::find(&world.plain()).unwrap());
    assert!(foreseen.latest("t.pay.events.v1-value").unwrap().is_some());
    let back = Changes::find(&world.plain()).unwrap();
    let of =
        |topic: &str| back.refused.iter().find(|refused| refused.to_string().contains(topic)).map(ToString::to_string);
    assert_eq!(of("t.pay.events.v1"), None, "those who publish may have gone on");
    let log = of("t.customer.log.f1.g1").unwrap();
    assert!(log.contains("version 1 again, and the registry keeps version 2"), "{log}");
}

const LABEL: &str =
    r#"{"type":"record","name":"Label","fields":[{"name":"id","type":"string"},{"name":"bad","type":"double"}]}"#;
const MODEL: &str = "
  labels: { topic: t.bad.v1, schema: Label, labels: events, id: id, target: bad, horizon: 7d, partitions: 2 }
features:
  version: 1
  entities:
    customer: { key: customer, windows: [1d], aggregates: { count: count() } }
models:
  risk:
    objective: OBJECTIVE
    target: bad
    inputs: [customer.*]
    network: linear
    training: { epochs: 5, batch_size: 32, learning_rate: 0.01, l2: 0.1, window: 3d, delay: 1h, seed: 1 }
";

#[test]
fn another_objective_is_refused_with_what_to_do_about_each_topic() {
    let world = World::new();
    let context = |objective: &str, chosen: &str| {
        let (head, _) = PIPELINE.split_once("\nfeatures:").unwrap();
        let file = format!("{head}{}{chosen}", MODEL.replace("OBJECTIVE", objective)).replace("SOURCE", "2");
        let resolve = |path: &str| Ok(if path == "Label" { LABEL.to_owned() } else { EVENT.replace("MORE", "") });
        let pipeline = config::parse(&file, &resolve).unwrap_or_else(|problems| panic!("{problems:#?}"));
        let plan = flow::plan::plan(&pipeline);
        Context::new(world.log.clone(), Arc::new(FileRegistry::new(world.store.clone())), pipeline, plan)
    };
    let refused = |context: &Context| -> Vec<String> {
        Changes::find(context).unwrap().refused.iter().map(ToString::to_string).collect()
    };
    apply(&context("binary", "")).unwrap();
    let found = refused(&context("regression", ""));
    for topic in ["t.predictions.v1", "t.outcomes.v1"] {
        let of_topic = found.iter().find(|one| one.starts_with(&format!("topic {topic}: "))).unwrap();
        assert!(of_topic.contains("threshold`: the old schema cannot read new records"), "{of_topic}");
        let line = format!("write `compatibility: {{ {topic}: BACKWARD_TRANSITIVE }}`");
        assert!(of_topic.contains(&line) && of_topic.contains("a pipeline with another name"), "{of_topic}");
    }
    assert!(found.iter().any(|one| one.contains("t.journal.log.g1") && one.contains("apply --rebuild")), "{found:?}");
    // What is said lets it pass.
    let chosen = "compatibility: { t.predictions.v1: BACKWARD_TRANSITIVE, t.outcomes.v1: BACKWARD_TRANSITIVE }\n";
    let left = refused(&context("regression", chosen));
    assert!(!left.is_empty() && left.iter().all(|one| one.contains("apply --rebuild")), "{left:?}");
}
