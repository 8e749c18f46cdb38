//! What all handlers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::StatusCode;
use registry::decisions::Decisions;
use registry::models::Models;
use runtime::context::Context;
use scorer::History;
use tokio::sync::Semaphore;

use crate::Limits;
use crate::answer::{Answer, Problem};
use crate::inference::Opened;
use crate::metrics::Metrics;
use crate::predictions::Predictions;
use crate::publisher::Publisher;
use crate::sources::Sources;

/// The parts of a running gateway.
pub(crate) struct State {
    pub context: Context,
    pub decisions: Decisions,
    pub models: Models,
    pub sources: Sources,
    pub publisher: Publisher,
    pub metrics: Metrics,
    pub predictions: Predictions,
    pub opened: Opened,
    pub taps: Arc<Semaphore>,
    pub limits: Limits,
    pub waiting: Option<String>,
    pub stop: Arc<AtomicBool>,
}

/// The state as handlers get it.
pub(crate) type Shared = axum::extract::State<Arc<State>>;

impl State {
    /// The control states of the log that the scorer reads.
    pub fn history(&self) -> Answer<History> {
        History::of(&self.context, &self.decisions).map_err(Problem::outside)
    }

    /// Partitions of a topic, or what to say when there is none.
    pub fn partitions(&self, topic: &str) -> Answer<i32> {
        match self.context.log.partitions(topic) {
            Ok(Some(partitions)) => Ok(partitions),
            Ok(None) => Err(Problem::missing(format!("there is no topic {topic}"), "GET /v1/topics lists them")),
            Err(error) => Err(Problem::outside(error)),
        }
    }

    /// What services wait for, as a problem.
    pub fn waits(&self) -> Option<Problem> {
        let error = self.waiting.as_ref()?;
        let help = "events are taken meanwhile, and go through once services run again";
        Some(Problem::new(StatusCode::SERVICE_UNAVAILABLE, error, help))
    }

    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
