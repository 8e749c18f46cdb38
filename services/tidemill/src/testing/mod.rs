//! Cases of a test file, each run by the real validator and featurizer, and the scorer where scores are expected, over a
//! log of its own in a temporary folder.

mod compare;
mod file;
pub mod model;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flow::config::{Ordering, Pipeline, parse_duration};
use flow::plan::Names;
use gateway::decode::{Position, Values, lines};
use schemas::reject::names::REASON;
use serde_json::Value;

use crate::cli::Global;
use crate::commands::dlq::read::read as records;
use crate::environment::Environment;
use crate::error::Error;
use crate::publish::file::Source;
use crate::publish::{Options, Pace, Publisher};
use crate::{services, supervisor};

pub use compare::{Difference, differences};
pub use file::{Case, TestFile, read};
use model::Chosen;

/// How long after its event a label becomes known where a case says nothing else.
const LABEL_DELAY: &str = "1h";
/// Silence after which a source is quiet: everything is published before anything is read.
const IDLE_TIMEOUT: Duration = Duration::from_millis(500);
/// Services that every case needs.
const SERVICES: [&str; 2] = ["validator", "featurizer"];
/// The one that those with a model need, too.
const SCORER: &str = "scorer";

/// What came of a case's events, by their ids.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// Features.
    pub features: BTreeMap<String, Value>,
    /// Predictions.
    pub predictions: BTreeMap<String, Prediction>,
    /// Codes of dead letters.
    pub rejected: BTreeMap<String, String>,
    /// Late ones.
    pub late: Vec<String>,
}

/// What a model made of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Its score.
    pub score: f64,
    /// Whether it is acted upon; none where the model has no threshold.
    pub decision: Option<bool>,
    /// The class that it names; none where the model has no classes.
    pub class: Option<String>,
}

/// Runs a case, with a model if it expects scores, decisions or classes.
pub fn run(global: &Global, pipeline: &Pipeline, case: &Case, model: Option<&Chosen>) -> Result<Outcome, Error> {
    let folder =
        tempfile::tempdir().map_err(|error| Error::Failed(format!("cannot make a temporary folder: {error}")))?;
    let data = folder.path().join("data");
    // Nothing of the caller's place: neither brokers nor registry nor store.
    let (store, brokers, schema_registry, gateway) = (None, None, None, None);
    let place = Global {
        data,
        store,
        brokers,
        kafka: Vec::new(),
        schema_registry,
        gateway,
        idle_timeout: Some(IDLE_TIMEOUT),
        ..global.clone()
    };
    let environment = Environment::with(&place, in_order(pipeline))?;
    environment.apply()?;
    if let Some(model) = model {
        model.promote(&environment)?;
    }
    publish(&environment, folder.path(), case)?;
    let names: Vec<String> = SERVICES.into_iter().chain(model.map(|_| SCORER)).map(str::to_owned).collect();
    supervisor::run(&environment, services::jobs(&environment, &names)?, true)?;
    outcome(&environment)
}

/// The pipeline in one partition, in the order of event times: what is expected must not depend on who is read first.
fn in_order(pipeline: &Pipeline) -> Pipeline {
    let mut pipeline = Pipeline { partitions: 1, ordering: Ordering::EventTime, ..pipeline.clone() };
    pipeline.events.partitions = 1;
    pipeline.labels.iter_mut().for_each(|labels| labels.partitions = 1);
    pipeline
}

fn publish(environment: &Environment, folder: &Path, case: &Case) -> Result<(), Error> {
    let unwritable = |error: std::io::Error| Error::Failed(format!("cannot write a temporary file: {error}"));
    let path = folder.join("events.jsonl");
    let mut file = std::fs::File::create(&path).map_err(unwritable)?;
    for event in &case.events {
        writeln!(file, "{}", Value::Object(event.clone())).map_err(unwritable)?;
    }
    drop(file);
    let target = environment.context.pipeline.labels.as_ref().map(|labels| labels.target.clone());
    let options = Options {
        map: Vec::new(),
        label_column: target.filter(|target| case.events.iter().any(|event| event.contains_key(target))),
        label_delay_us: label_delay(case)?,
        pace: Pace::Full,
    };
    let source = Source::open(&path)?;
    let mut publisher = Publisher::open(&environment.context, &source.schema, &options, Arc::new(|| false))?;
    for batch in source.batches {
        publisher.push(&batch?)?;
    }
    publisher.finish()?;
    Ok(())
}

fn label_delay(case: &Case) -> Result<i64, Error> {
    let text = case.label_delay.as_ref().map_or(LABEL_DELAY, |delay| &delay.value);
    parse_duration(text).ok_or_else(|| {
        Error::Input(format!(
            "`label_delay: {text}` is no length of time; write a whole number and a unit: 90s, 1h, 7d"
        ))
    })
}

/// What is in the topics now.
pub fn outcome(environment: &Environment) -> Result<Outcome, Error> {
    let context = &environment.context;
    let (names, source) = (&context.plan.names, &context.pipeline.events);
    let mut outcome = Outcome::default();
    let mut values = Values::default();
    records(environment, &names.features_log, |tp, record| {
        let decoded = values.decode(&*context.schemas, std::slice::from_ref(&record))?;
        for value in decoded {
            for line in lines(&Position { tp, record: &record }, value, false) {
                outcome.features.insert(plain(&line["event"][&source.id]), line["features"].clone());
            }
        }
        Ok(())
    })?;
    predictions(environment, &mut values, &mut outcome)?;
    // Records of sources are keyed by id, and what lies beside keeps the key.
    let id = |key: Option<bytes::Bytes>| String::from_utf8_lossy(&key.unwrap_or_default()).into_owned();
    records(environment, &Names::dead_letters(&source.topic), |_, record| {
        let code = record.headers.iter().find(|header| &*header.name == REASON).and_then(|header| header.value.clone());
        let code = String::from_utf8_lossy(&code.unwrap_or_default()).into_owned();
        outcome.rejected.insert(id(record.key), code);
        Ok(())
    })?;
    records(environment, &Names::late(&source.topic), |_, record| {
        outcome.late.push(id(record.key));
        Ok(())
    })?;
    outcome.late.sort();
    Ok(outcome)
}

fn predictions(environment: &Environment, values: &mut Values, outcome: &mut Outcome) -> Result<(), Error> {
    let context = &environment.context;
    let topic = &context.plan.names.predictions;
    if context.plan.topic(topic).is_none() {
        return Ok(());
    }
    records(environment, topic, |tp, record| {
        let decoded = values.decode(&*context.schemas, std::slice::from_ref(&record))?;
        for value in decoded {
            for line in lines(&Position { tp, record: &record }, value, false) {
                let value = &line["value"];
                if let Some(score) = value["score"].as_f64() {
                    let class = value["class"].as_str().map(str::to_owned);
                    let prediction = Prediction { score, decision: value["decision"].as_bool(), class };
                    outcome.predictions.insert(plain(&value["event_id"]), prediction);
                }
            }
        }
        Ok(())
    })
}

/// An id as text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
