//! Everything between a pipeline file and what is there: found once, shown by `plan`, carried out by `apply`.

mod left;
mod show;
mod tasks;

use flow::config::nearest;
use flow::fence::{Control, ModelRef};
use runtime::apply::{Applied, carry_out};
use runtime::changes::{Foreseen, Refused};
use runtime::log::TopicPartition;
use runtime::{changes, parents};
use scorer::History;
use std::sync::Arc;
use tracing::warn;

use crate::environment::Environment;
use crate::error::Error;

pub use left::{Left, LeftTopic};
pub use show::Shown;
pub use tasks::{Cost, Task, layout};

/// What to do where logs and store are not of one pipeline.
pub const FOREIGN: &str = "the logs of this pipeline have records, and this store knows nothing of them: all processes of \
                           a pipeline need one store (--data or --store), and two pipelines need two names";

/// What is missing, what it costs, and what is no longer needed.
pub struct Changes {
    /// Topics, schemas, modes and first fences.
    pub made: changes::Changes,
    /// Logs that get a fence with the parents that they have gained.
    pub named: Vec<String>,
    /// How every task goes on.
    pub tasks: Vec<Task>,
    /// Topics and tasks of the pipeline that its file does not name any more.
    pub left: Left,
    /// Whether the logs have records of which this store knows nothing.
    pub foreign: bool,
    /// Sources that are not there, with a topic of others that is there and whose name is much like theirs.
    pub near: Vec<(String, String)>,
    /// Sources whose first records are deleted, with how many there were.
    pub cut: Vec<(String, i64)>,
}

impl Changes {
    /// Compares the pipeline of this environment with its log, registry and store. Changes nothing.
    pub fn find(environment: &Environment) -> Result<Self, Error> {
        // Before anything fails that follows from it.
        let foreign = parents::is_foreign(&environment.context, &environment.decisions)?;
        if foreign {
            warn!("{FOREIGN}");
        }
        let made = changes::Changes::find(&environment.context)?;
        let mut after = environment.clone();
        after.context.schemas = Arc::new(Foreseen::new(environment.context.schemas.clone(), &made));
        Ok(Self {
            named: parents::unnamed(&environment.context, &environment.decisions)?,
            tasks: tasks::find(&after, &made)?,
            left: Left::find(environment)?,
            cut: cut(environment, &made)?,
            near: near(environment, &made)?,
            foreign,
            made,
        })
    }

    /// The champion that scores now. A rebuild begins without it.
    pub fn champion(environment: &Environment) -> Result<Option<ModelRef>, Error> {
        let current = environment.with_generation(environment.generations().current()?);
        let history = History::of(&current.context, &environment.decisions)?;
        Ok(history.in_force()?.and_then(|passed| passed.state.champion))
    }

    /// Whether `apply` has nothing to do.
    pub fn is_empty(&self) -> bool {
        self.made.is_empty() && self.named.is_empty()
    }

    /// Everything that stands in the way.
    pub fn refusals(&self) -> Vec<Refused> {
        let of_task = |task: &Task| match &task.cost {
            Cost::Refused(why) => Some(Refused::State { task: task.name.clone(), why: why.clone() }),
            _ => None,
        };
        let made = self.made.refused.iter().cloned();
        made.chain(self.tasks.iter().filter_map(of_task)).collect()
    }

    /// An error where anything stands in the way.
    pub fn check(&self) -> Result<(), Error> {
        match self.refusals() {
            refused if refused.is_empty() => Ok(()),
            refused => Err(runtime::context::Error::Refused(refused).into()),
        }
    }

    /// Makes what was found missing.
    pub fn carry_out(&self, environment: &Environment) -> Result<Applied, Error> {
        self.check()?;
        let applied = carry_out(&environment.context, &self.made, |_| Control::default())?;
        Ok(Applied { named: parents::announce(&environment.context, &environment.decisions)?, ..applied })
    }
}

/// A slip in a source's name makes an empty topic that nobody writes.
fn near(environment: &Environment, made: &changes::Changes) -> Result<Vec<(String, String)>, Error> {
    let (log, plan) = (&environment.context.log, &environment.context.plan);
    let is_new = |source: &&String| made.topics.iter().any(|spec| spec.name == **source);
    let absent: Vec<&String> = plan.names.sources().filter(is_new).collect();
    if absent.is_empty() {
        return Ok(Vec::new());
    }
    let others: Vec<String> = log.topics()?.into_iter().filter(|topic| plan.topic(topic).is_none()).collect();
    let near = |source: &String| nearest(source, others.iter().map(String::as_str)).map(str::to_owned);
    Ok(absent.into_iter().filter_map(|source| Some((source.clone(), near(source)?))).collect())
}

/// What a rebuild cannot read any more.
fn cut(environment: &Environment, made: &changes::Changes) -> Result<Vec<(String, i64)>, Error> {
    let context = &environment.context;
    let is_new = |topic: &String| made.topics.iter().any(|spec| spec.name == *topic);
    let mut found = Vec::new();
    for topic in context.plan.names.sources().filter(|topic| !is_new(topic)) {
        let mut deleted = 0;
        for partition in 0..context.log.partitions(topic)?.unwrap_or(0) {
            deleted += context.log.watermarks(&TopicPartition::new(topic.as_str(), partition))?.0;
        }
        found.extend((deleted > 0).then(|| (topic.clone(), deleted)));
    }
    Ok(found)
}
