//! The monitor: a task per partition of the features log counts inputs, one per partition of the journal counts scores,
//! and one for the pipeline judges what they counted. Each reads one log, and gets its state back from its newest snapshot
//! and what came after it.

mod profiles;

pub use profiles::ModelProfiles;

use drift::{Inputs, Judge, JudgeTask, Judging, Profiles, Scores, Setup, Topics};
use featurizer::{open_task, sinks};
use flow::fence::Fences;
use flow::names::Place;
use flow::plan::Service as Planned;
use flow::processor::Stop;
use flow::state::TaskState;
use runtime::context::Context;
use runtime::log::{Committed, TopicPartition};
use runtime::shell::{Opened, Restore, Service};
use std::sync::Arc;

/// The service of one monitor task, for all monitors of a pipeline.
pub struct Monitor {
    context: Context,
    profiles: Arc<dyn Profiles>,
    fences: Arc<dyn Fences>,
    role: Role,
}

/// Which task a monitor runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Counting the inputs in the features log.
    Features,
    /// Counting the scores in the journal.
    Scores,
    /// Judging what was counted.
    Judge,
}

impl Role {
    /// Its name in the plan.
    pub fn name(self) -> &'static str {
        match self {
            Role::Features => "features",
            Role::Scores => "scores",
            Role::Judge => "judge",
        }
    }
}

impl Monitor {
    /// A monitor in the given role, with references from one place and outcomes of fences from another.
    pub fn new(context: Context, profiles: Arc<dyn Profiles>, fences: Arc<dyn Fences>, role: Role) -> Self {
        Monitor { context, profiles, fences, role }
    }

    /// All roles of a pipeline, each with its consumer group and the log it reads; none where nothing is watched.
    pub fn roles(context: &Context) -> Vec<(Role, String, String)> {
        let tasks = context.plan.tasks_of(Planned::Monitor);
        let role = |name: Option<&str>| {
            [Role::Features, Role::Scores, Role::Judge].into_iter().find(|role| Some(role.name()) == name)
        };
        tasks
            .filter_map(|task| Some((role(task.name.as_deref())?, task.group_id.clone(), task.reads.first()?.clone())))
            .collect()
    }

    /// The first step: counts on their way to the sketches topic.
    fn count(&self, tp: &TopicPartition) -> Result<Opened, Stop> {
        let Monitor { context, profiles, fences, role } = self;
        let own = self.own(tp)?;
        let topic = &context.plan.names.sketches;
        let text = context.schema(topic).map_err(stop)?;
        let setup = Setup {
            own,
            names: context.names.clone(),
            monitors: &context.pipeline.monitors,
            profiles: profiles.clone(),
            sketches: (context.number(topic).map_err(stop)?, schemas::arrow_schema(&text).map_err(stop)?),
            digest: &context.pipeline.features.digest,
        };
        let sinks = sinks(context, &[], &[topic])?;
        if *role == Role::Features {
            open_task(context, tp, Inputs::new(setup).fences(fences.clone()), sinks)
        } else {
            open_task(context, tp, Scores::new(setup), sinks)
        }
    }

    /// The second step.
    fn judge(&self, tp: &TopicPartition) -> Result<Opened, Stop> {
        let Monitor { context, profiles, .. } = self;
        let (pipeline, names) = (&context.pipeline, &context.plan.names);
        let partitions = |log: &str| Ok::<_, Stop>(context.topic(log).map_err(stop)?.partitions as u16);
        let (features_partitions, journal_partitions) =
            (partitions(&names.features_log)?, partitions(&names.journal_log)?);
        let judge = |monitor: &flow::config::Monitor| {
            let judging = Judging {
                pipeline: pipeline.name.clone(),
                feature_set: pipeline.features.digest.clone(),
                monitor: monitor.clone(),
                retraining: pipeline.retraining.clone(),
                features_partitions,
                journal_partitions,
            };
            Judge::new(judging, profiles.clone())
        };
        let target = |topic: &str| -> Result<(u16, u32), Stop> {
            Ok((context.number(topic).map_err(stop)?, context.schema_id(topic).map_err(stop)?))
        };
        let topics = Topics {
            drift: target(&names.drift)?,
            alerts: target(&names.alerts)?,
            retraining: pipeline.retraining.is_some().then(|| target(&names.retraining)).transpose()?,
        };
        let judges = pipeline.monitors.iter().map(judge).collect();
        let identity = (pipeline.name.as_str(), pipeline.features.digest.as_str());
        let source = context.schema_source();
        let task = JudgeTask::new(self.own(tp)?, context.names.clone(), source, judges, topics, identity)?;
        Ok(Opened { task: Box::new(task), restore: Restore::Replay })
    }

    fn own(&self, tp: &TopicPartition) -> Result<Place, Stop> {
        Ok(Place { topic: self.context.number(&tp.topic).map_err(stop)?, partition: tp.partition as u16 })
    }
}

impl Service for Monitor {
    fn open(&mut self, tp: &TopicPartition, committed: Option<&Committed>) -> Result<Opened, Stop> {
        if let Some(committed) = committed.filter(|committed| committed.offset > 0) {
            TaskState::read(&committed.metadata, &self.context.pipeline.features.digest).map_err(stop)?;
        }
        match self.role {
            Role::Features | Role::Scores => self.count(tp),
            Role::Judge => self.judge(tp),
        }
    }
}

fn stop(error: impl std::fmt::Display) -> Stop {
    Stop::Other(error.to_string())
}
