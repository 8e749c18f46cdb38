//! Schemas of a pipeline's public records: predictions and outcomes.

use serde_json::{Value, json};

use super::{array, field, micros, optional, record};
use crate::contracts;

/// Whether predictions come with a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Each does: a probability always has a threshold.
    Always,
    /// Where a rule for it is declared, which numbers need not have; the fields may be null.
    Declared,
    /// As `Declared`; and some predictions name one of several classes instead.
    DeclaredOrClass,
}

/// The schema of `<pipeline>.predictions.v1`: record `<name>Prediction`, one per event.
///
/// The effective score and decision stand on top; what else was computed for the event is under `challengers`.
pub fn prediction_schema(name: &str, namespace: &str, decision: Decision) -> Value {
    let mut fields = event_fields();
    fields.extend(score_fields(decision));
    if decision == Decision::DeclaredOrClass {
        let doc =
            "Of a model with classes the probability of each, in the order that the pipeline declares; else null.";
        fields.push(optional("probabilities", array(json!("double")), doc));
    }
    fields.push(field(
        "challengers",
        array(challenger_schema()),
        "Scores of challengers, shadows and chained models for the same event.",
    ));
    top(&format!("{name}Prediction"), namespace, "The prediction for one event.", fields)
}

/// The schema of `<pipeline>.outcomes.v1`: record `<name>Outcome`, one per label that counts for its event. Where labels
/// have classes, it has their words, too.
pub fn outcome_schema(name: &str, namespace: &str, decision: Decision, has_classes: bool) -> Value {
    let mut fields = event_fields();
    let label = match has_classes {
        true => "The place of the label among the classes, from 0 on.",
        false => "The target's value.",
    };
    fields.extend([
        field("label", json!("double"), label),
        field("known_time", micros(), "When the label became known."),
        field("repeated", json!("boolean"), "True when the event already had a label."),
        revision(),
    ]);
    fields.extend(has_classes.then(|| optional("label_class", json!("string"), "The label's class.")));
    let prediction = record("OutcomePrediction", "The prediction that the label answers.", score_fields(decision));
    fields.push(optional("prediction", prediction, "Null when the event was not scored, or not before its label."));
    top(&format!("{name}Outcome"), namespace, "An event, its label, and what was predicted.", fields)
}

/// The schema of `<pipeline>.refusals.v1`: that of the contract, and where labels have classes, their words, too.
pub fn refusal_schema(has_classes: bool) -> Option<Value> {
    let mut schema: Value = serde_json::from_str(contracts::avro(contracts::LABEL_REFUSAL)?).ok()?;
    if has_classes {
        schema["fields"].as_array_mut()?.extend([
            optional("label_class", json!("string"), "The class that `label` is the place of."),
            optional("standing_class", json!("string"), "The class that `standing` is the place of."),
        ]);
    }
    Some(schema)
}

fn revision() -> Value {
    let doc = "How often the event's label was corrected before: the outcome with the highest one counts.";
    let mut revision = field("revision", json!("int"), doc);
    revision["default"] = json!(0);
    revision
}

fn event_fields() -> Vec<Value> {
    vec![
        field("event_id", json!("string"), "Event id, as canonical text."),
        field("event_time", micros(), "Event time."),
        field("key", json!("string"), "Canonical text of the first entity's key; empty when it is null."),
    ]
}

/// The effective score and where it comes from: in predictions, in outcomes, and on its way to the journal.
pub(super) fn score_fields(decision: Decision) -> Vec<Value> {
    let [threshold, decided] = match decision {
        Decision::Always => [
            field("threshold", json!("double"), "Scores at or above it are decided positive."),
            field("decision", json!("boolean"), "True when the score reached the threshold."),
        ],
        Decision::Declared | Decision::DeclaredOrClass => [
            optional(
                "threshold",
                json!("double"),
                "Scores at or above it are decided positive; null where nothing is.",
            ),
            optional("decision", json!("boolean"), "True when the score reached the threshold; null without one."),
        ],
    };
    let score = match decision {
        Decision::DeclaredOrClass => {
            "The effective score; of a model with classes the probability of the one it names."
        }
        Decision::Always | Decision::Declared => "The effective score.",
    };
    let mut fields = vec![
        field("score", json!("double"), score),
        threshold,
        decided,
        field("model", json!("string"), "Name and version of the model."),
        field("model_digest", json!("string"), "Digest of the model's artefact."),
        field("feature_set", json!("string"), "Digest of the feature set."),
        field("schema_id", json!("int"), "Registry id of the schema that the features log was written with."),
        field("route", json!("string"), "Why this model's score is the effective one: champion, canary, and so on."),
        field("profile", json!("string"), "Numeric profile of the forward pass."),
    ];
    if decision == Decision::DeclaredOrClass {
        let doc = "The most probable class, of a model that has classes; else null.";
        fields.push(optional("class", json!("string"), doc));
    }
    fields
}

fn challenger_schema() -> Value {
    let fields = vec![
        field("model", json!("string"), "Name and version of the model."),
        field("model_digest", json!("string"), "Digest of the model's artefact."),
        field("score", json!("double"), "Its score."),
        field("decision", json!("boolean"), "True when the score reached that model's threshold."),
    ];
    record("Challenger", "Another model's score for the same event.", fields)
}

fn top(name: &str, namespace: &str, doc: &str, fields: Vec<Value>) -> Value {
    let mut schema = record(name, doc, fields);
    schema["namespace"] = json!(namespace);
    schema
}
