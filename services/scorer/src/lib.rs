//! The scorer: a task per features-log partition, models from the registry behind the load gate, and the promotion that
//! makes all of them switch at a fence.

mod answers;
mod ask;
mod error;
mod fences;
mod history;
mod models;
mod promote;
mod report;
mod void;
mod watch;

pub use ask::{READINESS_TIMEOUT_MS, Readiness};
pub use error::Error as PromoteError;
pub use fences::RegistryFences;
pub use history::{Fate, History};
pub use models::RegistryModels;
pub use promote::{Promotion, complete, promote, promote_with};
pub use scoring::handover;
pub use void::declare_void;

use answers::Answers;
use featurizer::sinks;
use flow::names::Place;
use flow::plan::Service as Role;
use flow::processor::Stop;
use flow::state::TaskState;
use registry::decisions::Decisions;
use runtime::context::Context;
use runtime::log::{Committed, Session, TopicPartition};
use runtime::shell::{self, Opened, Service, Slot, Stats};
use scoring::{Models, Settings, Unknown};
use std::sync::Arc;
use watch::Surroundings;

/// The monitor of inputs as a reader of the features log: it goes by the same fences, with outcomes of its own.
pub const MONITOR: &str = "monitor.features";
/// All readers of that log beside the scorer that go by its fences.
const OTHER_READERS: [&str; 1] = [MONITOR];
/// What metrics say of a record that was scored with a category unknown to the model.
const UNKNOWN_CATEGORY: &str = "unknown_category";

/// Makes scoring tasks, and speaks for them on the control topic.
pub struct Scorer {
    context: Context,
    decisions: Decisions,
    models: Arc<dyn Models>,
    answers: Option<Answers>,
    unknown: Arc<Unknown>,
    stats: Option<Arc<Stats>>,
}

impl Scorer {
    /// A scorer with models from the given place.
    pub fn new(context: Context, decisions: Decisions, models: Arc<dyn Models>) -> Self {
        Scorer { context, decisions, models, answers: None, unknown: Arc::default(), stats: None }
    }

    /// The same service, which tells these counters of unknown categories.
    pub fn counting(self, stats: Arc<Stats>) -> Self {
        Scorer { stats: Some(stats), ..self }
    }

    /// A task for those who only look: nobody speaks for it on the control topic.
    pub fn task(&self, tp: &TopicPartition) -> Result<Opened, Stop> {
        let context = &self.context;
        let own = Place { topic: context.number(&tp.topic).map_err(stop)?, partition: tp.partition as u16 };
        let fences = Arc::new(RegistryFences::new(self.decisions.clone(), context.stop.clone()));
        let (names, settings) = (context.names.clone(), self.settings(tp)?);
        let scorer = scoring::Scorer::new(own, names, settings, self.models.clone(), fences);
        let scorer = scorer.counting(self.unknown.clone());
        let names = &context.plan.names;
        let sinks = sinks(context, &[&names.journal_log], &[&names.predictions])?;
        featurizer::open_task(context, tp, scorer, sinks)
    }

    fn settings(&self, tp: &TopicPartition) -> Result<Settings, Stop> {
        let context = &self.context;
        let id = context.schema_id(&tp.topic).map_err(stop)?;
        Settings::of(&context.pipeline, &context.plan, &context.names, id).map_err(stop)
    }
}

/// Consumer group of the scorer.
pub fn group(context: &Context) -> String {
    context.plan.group(Role::Scorer)
}

impl Service for Scorer {
    fn open(&mut self, tp: &TopicPartition, committed: Option<&Committed>) -> Result<Opened, Stop> {
        let context = &self.context;
        let committed = committed.filter(|committed| committed.offset > 0);
        let before = committed.map(|at| TaskState::read(&at.metadata, &context.pipeline.features.digest));
        let before = before.transpose().map_err(stop)?;
        let settings = self.settings(tp)?;
        let answers = match &mut self.answers {
            Some(answers) => answers,
            none => none.insert(Answers::new(Surroundings {
                context: context.clone(),
                decisions: self.decisions.clone(),
                models: self.models.clone(),
                settings,
            })?),
        };
        answers.opened(tp.partition, before.map_or(0, |state| state.fence));
        self.task(tp)
    }

    fn tick(&mut self, slots: &mut [Slot], session: &mut dyn Session) -> Result<(), shell::Error> {
        for (input, records) in self.unknown.take() {
            self.stats.iter().for_each(|stats| stats.failed((UNKNOWN_CATEGORY, input.as_str().into()), records));
        }
        self.answers.as_mut().map_or(Ok(()), |answers| answers.tell(slots, session))
    }
}

fn stop(error: impl std::fmt::Display) -> Stop {
    Stop::Other(error.to_string())
}
