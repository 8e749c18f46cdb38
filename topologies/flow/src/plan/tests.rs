//! The plan of the fraud pipeline, and what must hold of every plan.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use expect_test::{expect, expect_file};

use super::{Key, Kind, Plan, Service, Topic, graph, plan, plan_generation, schema_text};
use crate::config::{self, Delivery, Pipeline};

mod reference;

const FRAUD: &str = include_str!("../../../pipelines/fraud.yaml");

/// The shipped pipelines, whose golden files lie beside them.
const SHIPPED: [(&str, &str); 3] = [
    ("fraud", FRAUD),
    ("electricity", include_str!("../../../pipelines/electricity.yaml")),
    ("bikes", include_str!("../../../pipelines/bikes.yaml")),
];

fn contract(path: &str) -> Result<String, String> {
    schemas::contracts::avro(path).map(str::to_owned).ok_or_else(|| "there is no such file".to_owned())
}

#[track_caller]
fn parse(yaml: &str) -> Pipeline {
    config::parse(yaml, &contract).unwrap_or_else(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"))
    })
}

fn fraud() -> Plan {
    plan(&parse(FRAUD))
}

#[test]
fn the_fraud_model_has_its_fifteen_inputs() {
    expect![[r#"
        amount
        row_is_weekend
        row_is_night
        customer_tx_count_1d
        customer_tx_count_7d
        customer_tx_count_30d
        customer_tx_amount_avg_1d
        customer_tx_amount_avg_7d
        customer_tx_amount_avg_30d
        terminal_tx_count_1d
        terminal_tx_count_7d
        terminal_tx_count_30d
        terminal_risk_1d
        terminal_risk_7d
        terminal_risk_30d"#]]
    .assert_eq(&parse(FRAUD).models[0].inputs.join("\n"));
}

#[test]
fn topics_of_the_fraud_pipeline() {
    let mut text = String::new();
    for topic in fraud().topics {
        let key = match &topic.key {
            Key::Column(column) => format!("column {column}"),
            Key::Field(field) => format!("field {field}"),
            Key::AsSource => "as source".to_owned(),
            Key::KeyGroup => "key group".to_owned(),
        };
        let schema = topic.schema.as_ref().map_or("-", |schema| schema["name"].as_str().unwrap());
        let public = if topic.internal { "internal" } else { "public" };
        let kept = if topic.compacted { "compacted" } else { "whole" };
        writeln!(text, "{} x{} {public} {kept}, {key}, {schema}", topic.name, topic.partitions).unwrap();
    }
    expect![[r#"
        fraud.transactions.events.v1 x4 public whole, column transaction_id, Transaction
        fraud.transactions.events.v1.validator.dlq x4 internal whole, as source, -
        fraud.transactions.events.v1.late x4 internal whole, as source, -
        fraud.labels.events.v1 x4 public whole, column transaction_id, Label
        fraud.labels.events.v1.validator.dlq x4 internal whole, as source, -
        fraud.labels.events.v1.late x4 internal whole, as source, -
        fraud.customer.log.f1.g1 x4 internal whole, key group, CustomerBatch
        fraud.terminal.log.f1.g1 x4 internal whole, key group, TerminalBatch
        fraud.features.log.f1.g1 x4 internal whole, key group, FeaturesBatch
        fraud.journal.log.g1 x4 internal whole, key group, JournalBatch
        fraud.predictions.v1 x4 public whole, field key, FraudPrediction
        fraud.outcomes.v1 x4 public whole, field event_id, FraudOutcome
        fraud.sketches.log.f1.g1 x1 internal whole, field monitor, Sketches
        fraud.drift.v1 x1 public whole, field monitor, DriftReport
        fraud.alerts.v1 x1 public compacted, field incident, Alert
        fraud.retraining.v1 x1 public whole, field request, RetrainingRequest
        fraud.models.v1 x1 public compacted, field model@version, ModelAnnouncement
        fraud.control.v1 x1 public whole, field log, ControlReport
        fraud.ledger.v1 x1 public compacted, field edge/bucket/task/task_partition, LedgerRow
        fraud.progress.v1 x1 internal compacted, field topic/partition, Progress
        fraud.transactions.events.v1.validator.retry x4 internal whole, as source, -
        fraud.labels.events.v1.validator.retry x4 internal whole, as source, -
        fraud.refusals.v1 x4 public whole, field event_id, LabelRefusal
    "#]]
    .assert_eq(&text);
}

#[test]
fn tasks_of_the_fraud_pipeline() {
    let mut text = String::new();
    for task in fraud().tasks.iter().filter(|task| task.service != Service::Archiver) {
        writeln!(text, "{}", task.group_id).unwrap();
        for (verb, topics) in [("reads", &task.reads), ("follows", &task.follows), ("writes", &task.writes)] {
            topics.iter().for_each(|topic| writeln!(text, "  {verb} {topic}").unwrap());
        }
    }
    expect![[r#"
        fraud.validator
          reads fraud.transactions.events.v1
          reads fraud.labels.events.v1
          reads fraud.transactions.events.v1.validator.retry
          reads fraud.labels.events.v1.validator.retry
          follows fraud.progress.v1
          writes fraud.customer.log.f1.g1
          writes fraud.journal.log.g1
          writes fraud.transactions.events.v1.validator.dlq
          writes fraud.transactions.events.v1.late
          writes fraud.labels.events.v1.validator.dlq
          writes fraud.labels.events.v1.late
          writes fraud.progress.v1
          writes fraud.ledger.v1
        fraud.featurizer.customer
          reads fraud.customer.log.f1.g1
          writes fraud.terminal.log.f1.g1
          writes fraud.ledger.v1
        fraud.featurizer.terminal
          reads fraud.terminal.log.f1.g1
          writes fraud.features.log.f1.g1
          writes fraud.ledger.v1
        fraud.featurizer.journal
          reads fraud.journal.log.g1
          writes fraud.outcomes.v1
          writes fraud.refusals.v1
          writes fraud.terminal.log.f1.g1
          writes fraud.ledger.v1
        fraud.scorer
          reads fraud.features.log.f1.g1
          follows fraud.control.v1
          writes fraud.predictions.v1
          writes fraud.journal.log.g1
          writes fraud.control.v1
          writes fraud.ledger.v1
        fraud.monitor.features
          reads fraud.features.log.f1.g1
          writes fraud.sketches.log.f1.g1
          writes fraud.ledger.v1
        fraud.monitor.scores
          reads fraud.journal.log.g1
          writes fraud.sketches.log.f1.g1
          writes fraud.ledger.v1
        fraud.monitor.judge
          reads fraud.sketches.log.f1.g1
          writes fraud.drift.v1
          writes fraud.alerts.v1
          writes fraud.retraining.v1
        fraud.trainer
          reads fraud.retraining.v1
          writes fraud.models.v1
          writes fraud.retraining.v1
          writes fraud.control.v1
    "#]]
    .assert_eq(&text);
}

#[test]
fn delivery_says_which_results_wait_for_their_offsets() {
    let plan = fraud();
    let transactional = |delivery| {
        let all = plan.tasks.iter().map(|task| (task, plan.transactional(&task.group_id, delivery)));
        let some = all.filter(|(_, topics)| !topics.is_empty());
        some.map(|(task, topics)| format!("{}: {}", task.group_id, topics.join(" "))).collect::<Vec<_>>()
    };
    let compacted = ["fraud.monitor.judge: fraud.alerts.v1", "fraud.trainer: fraud.models.v1"];
    assert_eq!(transactional(Delivery::LowLatency), compacted);
    let all = [
        "fraud.featurizer.journal: fraud.outcomes.v1 fraud.refusals.v1",
        "fraud.scorer: fraud.predictions.v1",
        "fraud.monitor.judge: fraud.drift.v1 fraud.alerts.v1 fraud.retraining.v1",
        "fraud.trainer: fraud.models.v1 fraud.retraining.v1",
    ];
    assert_eq!(transactional(Delivery::ExactlyOnce), all);
}

#[test]
fn stages_form_a_chain_that_ends_in_the_features_log() {
    let plan = fraud();
    let ends = [&plan.names.entity_logs[1], &plan.names.features_log];
    assert_eq!(plan.stages.iter().map(|stage| &stage.writes).collect::<Vec<_>>(), ends);
    assert_eq!(plan.stages.iter().map(|stage| stage.label_derived).collect::<Vec<_>>(), [false, true]);
    assert_eq!(plan.stages[0].features_in, [""; 0]);
    assert_eq!(plan.stages[0].features_out, plan.stages[1].features_in);
    assert_eq!(plan.stages[1].features_out, parse(FRAUD).features.names());
}

#[test]
fn a_stateful_task_reads_one_log() {
    let stateful = [Service::Featurizer, Service::Scorer, Service::Monitor];
    for task in fraud().tasks.iter().filter(|task| stateful.contains(&task.service)) {
        assert_eq!(task.reads.len(), 1, "{}", task.group_id);
        assert!(task.reads[0].contains(".log."), "{}", task.group_id);
    }
}

#[test]
fn every_topic_is_planned_that_a_task_reads_or_writes() {
    let plan = fraud();
    let touched = plan.tasks.iter().flat_map(|task| task.reads.iter().chain(&task.writes).chain(&task.follows));
    for name in touched {
        assert!(plan.topic(name).is_some(), "{name}");
    }
}

#[test]
fn group_ids_are_unique() {
    let plan = fraud();
    let ids: BTreeSet<&str> = plan.tasks.iter().map(|task| task.group_id.as_str()).collect();
    assert_eq!(ids.len(), plan.tasks.len());
}

#[test]
fn the_plan_agrees_with_the_topic_files() {
    SHIPPED.iter().for_each(|(name, text)| agrees_with_the_topic_files(name, &plan(&parse(text))));
}

#[track_caller]
fn agrees_with_the_topic_files(pipeline: &str, plan: &Plan) {
    let mut described = BTreeSet::new();
    let files = schemas::contracts::topic_files().unwrap();
    let of = |path: &str| path.split('/').next().is_some_and(|folder| folder == pipeline || folder == "shared");
    for (_, file) in files.iter().filter(|(path, _)| of(path)) {
        let name = file.topic.replace("{pipeline}", pipeline);
        let topic = plan.topic(&name).unwrap_or_else(|| panic!("{name} is described and not planned"));
        assert_eq!(topic.kind.word(), file.kind, "{name}");
        assert_eq!(topic.partitions, file.partitions, "{name}");
        assert_eq!(topic.compacted, file.cleanup == schemas::contracts::Cleanup::Compact, "{name}");
        assert_eq!(topic.schema.is_none(), file.schema == "as-source", "{name}");
        let key = match &topic.key {
            Key::Column(key) => key,
            Key::Field(key) => *key,
            Key::AsSource => "as-source",
            Key::KeyGroup => "key-group",
        };
        assert_eq!(key, file.key, "{name}");
        described.insert(name);
    }
    let planned: BTreeSet<String> = plan.topics.iter().map(|topic| topic.name.clone()).collect();
    assert_eq!(planned, described);
}

/// The schemas that follow from the pipeline lie beside it, where a reviewer sees a change of them.
#[test]
fn derived_schemas_lie_beside_the_pipeline() {
    for (pipeline, text) in SHIPPED {
        for topic in derived(&plan(&parse(text))) {
            let path = format!("../../../pipelines/{pipeline}/{}.avsc", topic.0);
            expect_file![path].assert_eq(&topic.1);
        }
    }
}

#[test]
fn derived_schemas_are_avro_that_the_codec_reads() {
    for (_, text) in SHIPPED {
        for (name, schema) in derived(&plan(&parse(text))) {
            assert!(schemas::arrow_schema(&schema).is_ok(), "{name}");
        }
    }
}

fn derived(plan: &Plan) -> Vec<(String, String)> {
    let derived =
        plan.topics.iter().filter(|topic| matches!(topic.kind, Kind::Log | Kind::Predictions | Kind::Outcomes));
    derived.map(|topic| (topic.name.clone(), schema_text(topic.schema.as_ref().unwrap()))).collect()
}

#[test]
fn schema_text_keeps_the_schema() {
    for topic in fraud().topics {
        let Some(schema) = topic.schema else { continue };
        let read: serde_json::Value = serde_json::from_str(&schema_text(&schema)).unwrap();
        assert_eq!(read, schema, "{}", topic.name);
    }
}

#[test]
fn pictures_lie_beside_the_pipeline() {
    for (pipeline, text) in SHIPPED {
        let plan = plan(&parse(text));
        let path = |ending: &str| format!("../../../pipelines/{pipeline}/graph.{ending}");
        expect_file![path("mmd")].assert_eq(&graph::mermaid(&plan));
        expect_file![path("dot")].assert_eq(&graph::dot(&plan));
    }
}

#[test]
fn a_rebuild_renames_the_internal_logs_and_nothing_else() {
    let pipeline = parse(FRAUD);
    let (first, second) = (plan_generation(&pipeline, 1), plan_generation(&pipeline, 2));
    for (before, after) in first.topics.iter().zip(&second.topics) {
        let ours = matches!(before.kind, Kind::Log | Kind::Sketches);
        assert_eq!(ours, before.name != after.name, "{}", after.name);
        assert_eq!(before.name.replace(".g1", ".g2"), after.name);
    }
}

#[test]
fn without_models_nothing_is_predicted_and_nobody_watches() {
    let end = FRAUD.find("\nmodels:").unwrap();
    let plan = plan(&parse(&FRAUD[..end]));
    let kinds: BTreeSet<&str> = plan.topics.iter().map(|topic| topic.kind.word()).collect();
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        ["control", "dlq", "events", "late", "ledger", "log", "outcomes", "progress", "refusals", "retry"]
    );
    assert!(
        plan.tasks
            .iter()
            .all(|task| { matches!(task.service, Service::Validator | Service::Featurizer | Service::Archiver) })
    );
}

/// The fraud pipeline with limits of one entity.
fn limited() -> String {
    FRAUD.replacen("key: terminal_id", "key: terminal_id\n      limits: { keys: 1000000 }", 1)
}

#[test]
fn a_stage_with_limits_writes_alerts_in_transactions() {
    let (plan, without) = (plan(&parse(&limited())), fraud());
    let names = |plan: &Plan| plan.topics.iter().map(|topic| topic.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&plan), names(&without));
    for (task, before) in plan.tasks.iter().zip(&without.tasks) {
        let is_limited = task.name.as_deref() == Some("terminal");
        assert_eq!(task == before, !is_limited, "{}", task.group_id);
    }
    let stage = "fraud.featurizer.terminal";
    for delivery in [Delivery::LowLatency, Delivery::ExactlyOnce] {
        assert_eq!(plan.transactional(stage, delivery), ["fraud.alerts.v1"]);
        assert_eq!(without.transactional(stage, delivery), [""; 0]);
    }
    assert!(graph::mermaid(&plan).contains("task_fraud_featurizer_terminal --> topic_fraud_alerts_v1\n"));
    assert!(graph::dot(&plan).contains("task_fraud_featurizer_terminal -> topic_fraud_alerts_v1;\n"));
    assert_eq!(crate::ledger::edges(&plan), crate::ledger::edges(&without), "alerts are no way of a record");
}

#[test]
fn without_models_a_stage_with_limits_has_an_alerts_topic_that_moves_no_other() {
    let text = limited();
    let end = text.find("\nmodels:").unwrap();
    let plan = plan(&parse(&text[..end]));
    let without = super::plan(&parse(&FRAUD[..FRAUD.find("\nmodels:").unwrap()]));
    let names = |plan: &Plan| plan.topics.iter().map(|topic| topic.name.clone()).collect::<Vec<_>>();
    let mut expected = names(&without);
    expected.push("fraud.alerts.v1".to_owned());
    assert_eq!(names(&plan), expected);
    assert_eq!(plan.topics.last(), fraud().topic("fraud.alerts.v1"));
}

#[test]
fn a_pipeline_name_with_a_hyphen_gives_legal_avro_names() {
    let plan = plan(&parse(&FRAUD.replace("pipeline: fraud\n", "pipeline: card-fraud\n")));
    let schema = plan.topic("card-fraud.predictions.v1").unwrap().schema.as_ref().unwrap();
    assert_eq!(
        (schema["name"].as_str(), schema["namespace"].as_str()),
        (Some("CardFraudPrediction"), Some("tidemill.card_fraud"))
    );
}
