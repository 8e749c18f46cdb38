//! The scorer: a task per features-log partition, models from the registry behind the load gate, and the promotion that
//! makes all of them switch at a fence.

mod fences;
mod models;
mod promote;

pub use fences::RegistryFences;
pub use models::RegistryModels;
pub use promote::{Error as PromoteError, Promotion, complete, promote};

use featurizer::sinks;
use flow::names::Place;
use flow::plan::Service as Role;
use flow::processor::Stop;
use flow::state::TaskState;
use registry::decisions::Decisions;
use runtime::context::Context;
use runtime::log::{Committed, TopicPartition};
use runtime::shell::{Opened, Service};
use scoring::{Models, Settings};
use std::sync::Arc;

/// Makes scoring tasks.
pub struct Scorer {
    context: Context,
    decisions: Decisions,
    models: Arc<dyn Models>,
}

impl Scorer {
    /// A scorer with models from the given place.
    pub fn new(context: Context, decisions: Decisions, models: Arc<dyn Models>) -> Self {
        Scorer { context, decisions, models }
    }
}

/// Consumer group of the scorer.
pub fn group(context: &Context) -> String {
    let task = context.plan.tasks_of(Role::Scorer).next();
    task.map_or_else(|| format!("{}.scorer", context.pipeline.name), |task| task.group_id.clone())
}

impl Service for Scorer {
    fn open(&mut self, tp: &TopicPartition, committed: Option<&Committed>) -> Result<Opened, Stop> {
        let context = &self.context;
        if let Some(committed) = committed.filter(|committed| committed.offset > 0) {
            TaskState::read(&committed.metadata, &context.pipeline.features.digest).map_err(stop)?;
        }
        let id = context.schema_id(&tp.topic).map_err(stop)?;
        let settings = Settings::of(&context.pipeline, &context.plan, &context.names, id).map_err(stop)?;
        let own = Place { topic: context.number(&tp.topic).map_err(stop)?, partition: tp.partition as u16 };
        let fences = Arc::new(RegistryFences::new(self.decisions.clone()));
        let scorer = scoring::Scorer::new(own, context.names.clone(), settings, self.models.clone(), fences);
        let names = &context.plan.names;
        let sinks = sinks(context, &[&names.journal_log], &[&names.predictions])?;
        featurizer::open_task(context, tp, scorer, sinks)
    }
}

fn stop(error: impl std::fmt::Display) -> Stop {
    Stop::Other(error.to_string())
}
