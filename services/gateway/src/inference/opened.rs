//! Models that were asked for, opened once through the load gate.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use flow::fence::Control;
use model::Model;
use registry::models::{self, Version};
use serde_json::{Value, json};

use crate::answer::{Answer, Problem};
use crate::state::State;

/// Models that are kept open; the one that was opened first goes first.
const OPENED_MAX: usize = 8;
/// How long the control state that was looked up last is taken for the present one.
const CONTROL_MS_MAX: u64 = 1_000;

/// The model that a path names; without a version the champion.
#[derive(Debug)]
pub(super) struct Asked {
    pub model: String,
    pub version: Option<String>,
}

/// An opened model.
#[derive(Clone)]
pub(super) struct Found {
    pub model: Arc<Model>,
    pub version: u64,
    pub digest: String,
    /// From which score on the decision is positive.
    pub threshold: Option<f64>,
}

/// What was opened and looked up.
#[derive(Default)]
pub(crate) struct Opened {
    models: Mutex<VecDeque<(String, Found)>>,
    control: Mutex<Option<(Instant, Option<Control>)>>,
}

impl Opened {
    /// The model that is asked for. May block.
    pub(super) fn find(&self, state: &State, asked: &Asked) -> Answer<Found> {
        let control = self.control(state)?;
        let champion = control.and_then(|control| control.champion.map(|champion| (champion, control.threshold)));
        let champion = champion.filter(|(champion, _)| champion.name == asked.model);
        let version = match (&asked.version, &champion) {
            (Some(text), _) => {
                text.parse::<Version>().map_err(|error| Problem::bad(error, "name a version's number"))?
            }
            (None, Some((champion, _))) => Version::Number(champion.version),
            (None, None) => {
                let error = format!("model {} is not champion", asked.model);
                return Err(Problem::missing(error, "name a version: GET /v1/models lists them"));
            }
        };
        let mut found = self.open(state, &asked.model, version)?;
        if let Some((_, Some(threshold))) = champion.filter(|(champion, _)| champion.version == found.version) {
            found.threshold = Some(threshold);
        }
        Ok(found)
    }

    fn control(&self, state: &State) -> Answer<Option<Control>> {
        let mut kept = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((looked, control)) = kept.as_ref()
            && looked.elapsed() < Duration::from_millis(CONTROL_MS_MAX)
        {
            return Ok(control.clone());
        }
        let control = state.history()?.in_force().map_err(Problem::outside)?.map(|numbered| numbered.state);
        *kept = Some((Instant::now(), control.clone()));
        Ok(control)
    }

    fn open(&self, state: &State, name: &str, version: Version) -> Answer<Found> {
        // The newest version may be another one by now.
        if let Version::Number(number) = version {
            let models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, found)) = models.iter().find(|(of, found)| of == name && found.version == number) {
                return Ok(found.clone());
            }
        }
        let (published, model) = trainer::open(&state.models, name, version).map_err(|error| match error {
            trainer::Error::Models(models::Error::NotFound { .. }) => {
                Problem::missing(error, "GET /v1/models lists what there is")
            }
            trainer::Error::Gate { .. } => Problem::new(
                axum::http::StatusCode::UNPROCESSABLE_ENTITY,
                error,
                "train it again, or restore its files",
            ),
            error => Problem::outside(error),
        })?;
        let threshold = model.manifest().threshold.as_ref().map(|threshold| f64::from(threshold.value));
        let (version, digest) = (published.version, published.digest);
        let found = Found { model: Arc::new(model), version, digest, threshold };
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        models.push_back((name.to_owned(), found.clone()));
        if models.len() > OPENED_MAX {
            models.pop_front();
        }
        Ok(found)
    }
}

impl Found {
    /// What the protocol has no field for. Its parameters are texts, numbers and truth values.
    pub fn told(&self) -> Value {
        let mut told = json!({ "digest": self.digest });
        if let Some(threshold) = self.threshold {
            told["threshold"] = json!(threshold);
        }
        told
    }
}
