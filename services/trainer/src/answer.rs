//! One request, from its datasets to its answer.
//!
//! Two decisions make it happen once. `requests/<id>/plan` names the datasets and the champion to beat, before anything
//! is trained. `requests/<id>/answer` holds the very records that tell the result, and which record it answers: a copy
//! of the request somewhere else in the topic finds it answered and is silent, the same record read again after a crash
//! tells it again.

use crate::announce::{Change, metrics, models_record, requests_record};
use crate::candidate::{publish, train};
use crate::champion::{champion, compare};
use crate::dataset::{Dataset, Inputs, dataset, load};
use crate::window::requested;
use crate::{Error, Request, Surroundings};
use flow::config::{Model, Promote};
use flow::fence::ModelRef;
use offline::dataset::save;
use registry::canonical::sha256_hex;
use registry::models::Published;
use registry::store::escape;
use runtime::log::Publish;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::info;

/// Longest id that is spelt out in keys.
const ID_BYTES_MAX: usize = 160;

/// What a request is trained on, and whom it must beat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Plan {
    train: String,
    holdout: String,
    champion: Option<ModelRef>,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Partition and offset of the record it answers.
    pub answers: (i32, i64),
    /// The record for the requests topic.
    pub request: Value,
    /// Records for the models topic, if a model was trained.
    pub announcements: Vec<Value>,
}

impl Answer {
    /// The records that tell it.
    pub fn records(&self, surroundings: &Surroundings) -> Result<Vec<Publish>, Error> {
        let context = &surroundings.context;
        let announced = self.announcements.iter().map(|value| models_record(context, value));
        let mut records = announced.collect::<Result<Vec<_>, _>>()?;
        records.push(requests_record(context, &self.request)?);
        Ok(records)
    }
}

/// Answers a request that stands at a partition and offset. None when another record of the same request was answered.
pub fn answer(surroundings: &Surroundings, request: &Request, at: (i32, i64)) -> Result<Option<Answer>, Error> {
    let key = key(&request.request, "answer");
    if let Some(known) = surroundings.decisions.find(&key)? {
        let known: Answer = read(&key, &known)?;
        return Ok((known.answers == at).then_some(known));
    }
    let mine = match fulfil(surroundings, request) {
        Ok((result, announcements)) => {
            Answer { answers: at, request: request.json("COMPLETED", &result), announcements }
        }
        Err(error) if error.is_final() => {
            let state = if matches!(error, Error::NoModel { .. }) { "REFUSED" } else { "FAILED" };
            Answer { answers: at, request: request.json(state, &nothing(&error)), announcements: Vec::new() }
        }
        Err(error) => return Err(error),
    };
    let decided = surroundings.decisions.decide(&key, &text(&mine))?;
    let decided: Answer = read(&key, &decided)?;
    info!(request = request.request, state = %decided.request["state"], "answered");
    Ok((decided.answers == at).then_some(decided))
}

/// Trains, compares, publishes, and promotes if the pipeline says so: result and announcements.
fn fulfil(surroundings: &Surroundings, request: &Request) -> Result<(Value, Vec<Value>), Error> {
    let pipeline = &surroundings.context.pipeline;
    let model = surroundings.model(&request.model)?;
    let (plan, train_rows, holdout) = planned(surroundings, request, model)?;
    let parent = plan.champion.as_ref().map(|champion| champion.digest.clone());
    let candidate = train(pipeline, model, &train_rows, Some(&holdout), parent)?;
    let judged = compare(surroundings, &candidate, plan.champion.as_ref(), &holdout)?;
    let published = publish(&surroundings.models(), &candidate)?;
    let automatic = pipeline.retraining.as_ref().is_some_and(|rule| rule.promote == Promote::IfBetter);
    let (number, detail) = match (judged.better, automatic) {
        (true, true) => promote(surroundings, request, &plan, &published, judged.detail)?,
        (true, false) => (None, format!("{}; promote it with `tidemill model promote`", judged.detail)),
        (false, _) => (None, judged.detail),
    };
    let result = json!({
        "model_version": published.version.to_string(),
        "model_digest": published.digest,
        "dataset_digest": plan.train,
        "promoted": number.is_some(),
        "detail": detail,
        "metrics": metrics(&candidate.metrics),
    });
    let change = Change {
        published: &published,
        manifest: candidate.model.manifest(),
        before: plan.champion.as_ref(),
        control_number: number,
        request: Some(&request.request),
    };
    Ok((result, change.announcements(&surroundings.context, &surroundings.models())?))
}

/// Datasets and champion as whoever came first decided them.
fn planned(surroundings: &Surroundings, request: &Request, model: &Model) -> Result<(Plan, Dataset, Dataset), Error> {
    let context = &surroundings.context;
    let inputs = Inputs::archived(&context.pipeline, &context.plan, model, &surroundings.store);
    let key = key(&request.request, "plan");
    let decided = match surroundings.decisions.find(&key)? {
        Some(decided) => decided,
        None => {
            let windows = requested(&context.pipeline, request);
            let train_rows = dataset(&context.pipeline, &inputs, &windows.train)?;
            let holdout = dataset(&context.pipeline, &inputs, &windows.holdout)?;
            let plan = Plan {
                train: save(&surroundings.store, &train_rows.manifest)?,
                holdout: save(&surroundings.store, &holdout.manifest)?,
                champion: champion(context, &surroundings.decisions)?,
            };
            let decided = surroundings.decisions.decide(&key, &text(&plan))?;
            if read::<Plan>(&key, &decided)? == plan {
                return Ok((plan, train_rows, holdout));
            }
            decided
        }
    };
    let plan: Plan = read(&key, &decided)?;
    let again = |digest: &str| {
        let vanished =
            |found: String| Error::Vanished { request: request.request.clone(), digest: digest.to_owned(), found };
        match load(inputs.clone(), &surroundings.store, digest)? {
            Some(dataset) if dataset.digest == digest => Ok(dataset),
            Some(other) => Err(vanished(format!("its files give {}", other.digest))),
            None => Err(vanished("its manifest is gone".to_owned())),
        }
    };
    let (train_rows, holdout) = (again(&plan.train)?, again(&plan.holdout)?);
    Ok((plan, train_rows, holdout))
}

/// Promotes unless somebody else promoted since the plan was made: then number of the fence and what to say.
fn promote(
    surroundings: &Surroundings,
    request: &Request,
    plan: &Plan,
    published: &Published,
    detail: String,
) -> Result<(Option<u64>, String), Error> {
    let current = champion(&surroundings.context, &surroundings.decisions)?;
    let mine = current.as_ref().is_some_and(|current| current.digest == published.digest);
    if !mine && current != plan.champion {
        return Ok((None, format!("{detail}; another model was promoted meanwhile")));
    }
    let Published { name, version, digest } = published.clone();
    let reference = ModelRef { name, version, digest };
    match scorer::promote(&surroundings.context, &surroundings.decisions, reference, None) {
        Ok(promotion) => Ok((Some(promotion.number), detail)),
        Err(scorer::PromoteError::Lost { winner, .. }) => {
            Ok((None, format!("{detail}; {winner} was promoted meanwhile")))
        }
        // The model is published all the same, and a person may promote it.
        Err(error) if error.is_declined() => Ok((None, format!("{detail}; {error}"))),
        Err(scorer::PromoteError::Stopped) => Err(Error::Interrupted { request: request.request.clone() }),
        Err(error) => Err(error.into()),
    }
}

fn nothing(error: &Error) -> Value {
    json!({
        "model_version": "",
        "model_digest": "",
        "dataset_digest": "",
        "promoted": false,
        "detail": error.to_string(),
        "metrics": [],
    })
}

fn key(request: &str, what: &str) -> String {
    let id = escape(request);
    let id = if id.len() <= ID_BYTES_MAX { id } else { sha256_hex(request.as_bytes()) };
    format!("requests/{id}/{what}")
}

fn text(decision: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(decision).unwrap_or_default()
}

fn read<T: DeserializeOwned>(key: &str, decided: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(decided)
        .map_err(|error| Error::Unreadable { key: key.to_owned(), detail: error.to_string() })
}
