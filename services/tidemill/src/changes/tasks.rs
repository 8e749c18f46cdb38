//! How each task goes on when its service is started: with the state it has, with state built again, or not at all.

use std::sync::Arc;
use std::time::Duration;

use flow::plan::{Service as Role, Task as Planned};
use flow::state::TaskState;
use runtime::changes::Changes;
use runtime::context::Context;
use runtime::log::{Committed, SessionOptions, TopicPartition};
use runtime::shell::{Opened, Service};
use runtime::snapshot::{Owner, Vault};
use scorer::{RegistryModels, Scorer};

use crate::commands::repair;
use crate::environment::Environment;
use crate::error::Error;

/// Records that are read to tell how large they are.
const SAMPLED_RECORDS: usize = 64;
/// Longest wait for them.
const SAMPLE_WAIT: Duration = Duration::from_secs(2);

/// A task of the pipeline.
pub struct Task {
    /// Its name: `featurizer.customer`.
    pub name: String,
    /// Its consumer group.
    pub group: String,
    /// Whether a topic that it reads is to be created.
    pub is_new: bool,
    /// What going on costs.
    pub cost: Cost,
}

/// What it costs a task to go on. Of several partitions the worst counts; numbers are those of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cost {
    /// It goes on where it was: so many records are read again, so many are new.
    Kept {
        /// Between its newest snapshot and its commit.
        again: i64,
        /// Behind its commit.
        ahead: i64,
    },
    /// It has read nothing, and begins with so many records.
    Begins {
        /// What is there.
        ahead: i64,
    },
    /// Its snapshots have another layout: all that it has read is read again.
    Replayed {
        /// Records.
        again: i64,
        /// About so many bytes.
        bytes: i64,
        /// Records behind its commit.
        ahead: i64,
    },
    /// It would stop.
    Refused(String),
}

/// All tasks of the plan, after these changes.
pub fn find(after: &Environment, changes: &Changes) -> Result<Vec<Task>, Error> {
    let is_new = |topic: &String| changes.topics.iter().any(|spec| spec.name == *topic);
    let tasks = after.context.plan.tasks.iter().map(|planned| {
        Ok(Task {
            name: repair::name(planned),
            group: planned.group_id.clone(),
            is_new: planned.reads.iter().any(is_new),
            cost: cost(after, planned)?,
        })
    });
    tasks.collect()
}

/// How a task that reads a log lays out its snapshots.
pub fn layout(
    environment: &Environment,
    task: &Planned,
    tp: &TopicPartition,
    committed: &Committed,
) -> Result<Option<String>, Error> {
    Partition { after: environment, task, tp }.layout(committed)
}

fn cost(after: &Environment, task: &Planned) -> Result<Cost, Error> {
    let context = &after.context;
    let mut tps = Vec::new();
    for topic in &task.reads {
        let partitions = context.log.partitions(topic)?.unwrap_or(0);
        tps.extend((0..partitions).map(|partition| TopicPartition::new(topic.as_str(), partition)));
    }
    let committed = context.log.committed(&task.group_id, &tps)?;
    let mut all = None::<Cost>;
    for (tp, committed) in tps.iter().zip(committed) {
        let one = Partition { after, task, tp }.cost(committed)?;
        all = Some(match all {
            None => one,
            Some(before) => before.and(one),
        });
    }
    Ok(all.unwrap_or(Cost::Begins { ahead: 0 }))
}

/// A partition that a task reads.
struct Partition<'a> {
    after: &'a Environment,
    task: &'a Planned,
    tp: &'a TopicPartition,
}

impl Partition<'_> {
    fn cost(&self, committed: Option<Committed>) -> Result<Cost, Error> {
        let Self { after, task, tp } = self;
        let (start, end) = after.context.log.watermarks(tp)?;
        let Some(committed) = committed.filter(|at| at.offset > 0 || !at.metadata.is_empty()) else {
            let reads_log = matches!(task.service, Role::Featurizer | Role::Scorer | Role::Monitor);
            return Ok(match start > 0 && reads_log {
                true => Cost::Refused(format!(
                    "{tp} begins at offset {start}, as retention deleted what is before, and who has read nothing of it begins with its first record; `tidemill apply --rebuild` computes all from the sources"
                )),
                false => Cost::Begins { ahead: end - start },
            });
        };
        let ahead = (end - committed.offset).max(0);
        let kept = Cost::Kept { again: 0, ahead };
        match task.service {
            Role::Trainer | Role::Archiver => return Ok(kept),
            Role::Validator => {
                let fresh = validator::fresh(&after.context, &after.decisions, std::slice::from_ref(*tp))?;
                let digest = fresh.first().map_or("", |fresh| &fresh.digest);
                return Ok(self.foreign(&committed, digest).unwrap_or(kept));
            }
            Role::Featurizer | Role::Scorer | Role::Monitor => {}
        }
        if let Some(refused) = self.foreign(&committed, &after.context.pipeline.features.digest) {
            return Ok(refused);
        }
        if committed.offset == 0 {
            return Ok(kept);
        }
        match self.snapshot(&committed)? {
            Some(position) => Ok(Cost::Kept { again: committed.offset - position, ahead }),
            None if start > 0 => Ok(Cost::Refused(format!(
                "{tp} begins at offset {start} and no snapshot can be taken up, so that its state cannot be built again; take the change back, or `tidemill apply --rebuild` computes all from the sources"
            ))),
            None => {
                let again = committed.offset;
                Ok(Cost::Replayed { again, bytes: again * record_bytes(&after.context, tp, start, end)?, ahead })
            }
        }
    }

    /// A refusal where a commit was made by another configuration.
    fn foreign(&self, committed: &Committed, digest: &str) -> Option<Cost> {
        let wrong = TaskState::read(&committed.metadata, digest).err()?;
        let why = match wrong {
            flow::state::Error::Digest { .. } => format!(
                "{} was worked by another configuration of keys, features, sources, classes of labels or event schema; take the change back, or `tidemill apply --rebuild` computes all from the sources",
                self.tp
            ),
            other => format!("{}: {other}", self.tp),
        };
        Some(Cost::Refused(why))
    }

    /// How the task lays out its snapshots; none if it takes none.
    fn layout(&self, committed: &Committed) -> Result<Option<String>, Error> {
        match self.open(committed) {
            Ok(mut opened) => Ok(opened.task.state().map(|state| state.layout())),
            Err(error) => Err(Error::Failed(format!("{} cannot be looked at: {error}", self.task.group_id))),
        }
    }

    /// Position of the newest snapshot that the task takes up.
    fn snapshot(&self, committed: &Committed) -> Result<Option<i64>, Error> {
        let Self { after, task, tp } = self;
        let layout = self.layout(committed)?;
        let owner = Owner { group: task.group_id.clone(), log: tp.topic.to_string(), partition: tp.partition };
        let vault = Vault::new(after.store.clone());
        let failed = |error: runtime::snapshot::Error| Error::Failed(error.to_string());
        let names = vault.list(&owner).map_err(failed)?;
        let fitting = names.iter().filter(|name| name.position <= committed.offset).find(|name| {
            // One that cannot be read is passed over, as the task does.
            vault.manifest(&owner, name).is_ok_and(|manifest| Some(manifest.layout) == layout)
        });
        Ok(fitting.map(|name| name.position))
    }

    fn open(&self, committed: &Committed) -> Result<Opened, Error> {
        let Self { after, task, tp } = self;
        let stopped = |error| Error::from(runtime::shell::Error::from(error));
        if task.service == Role::Scorer {
            let models = Arc::new(RegistryModels::new(after.models()));
            return Scorer::new(after.context.clone(), after.decisions.clone(), models).task(tp).map_err(stopped);
        }
        let mut service: Box<dyn Service> = repair::service(after, task)?;
        service.open(tp, Some(committed)).map_err(stopped)
    }
}

/// About how long records of a partition are.
fn record_bytes(context: &Context, tp: &TopicPartition, start: i64, end: i64) -> Result<i64, Error> {
    if start >= end {
        return Ok(0);
    }
    let options = SessionOptions::assigned("tidemill.plan", vec![(tp.clone(), start)]);
    let mut session = context.log.session(SessionOptions { poll_records_max: SAMPLED_RECORDS, ..options })?;
    let records = session.poll(SAMPLE_WAIT)?.records;
    session.close()?;
    let lengths = records.iter().flat_map(|(_, records)| records);
    let lengths: Vec<usize> = lengths.map(|record| record.value.as_ref().map_or(0, bytes::Bytes::len)).collect();
    Ok(lengths.iter().sum::<usize>() as i64 / (lengths.len() as i64).max(1))
}

impl Cost {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Refused(why), _) | (_, Self::Refused(why)) => Self::Refused(why),
            (one, other) => {
                let (ahead, again) = (one.ahead() + other.ahead(), one.again() + other.again());
                let bytes = one.bytes() + other.bytes();
                match (&one, &other) {
                    (Self::Replayed { .. }, _) | (_, Self::Replayed { .. }) => Self::Replayed { again, bytes, ahead },
                    (Self::Kept { .. }, _) | (_, Self::Kept { .. }) => Self::Kept { again, ahead },
                    _ => Self::Begins { ahead },
                }
            }
        }
    }

    /// Records that are read again.
    pub fn again(&self) -> i64 {
        match self {
            Self::Kept { again, .. } | Self::Replayed { again, .. } => *again,
            Self::Begins { .. } | Self::Refused(_) => 0,
        }
    }

    /// Records that were never read.
    pub fn ahead(&self) -> i64 {
        match self {
            Self::Kept { ahead, .. } | Self::Replayed { ahead, .. } | Self::Begins { ahead } => *ahead,
            Self::Refused(_) => 0,
        }
    }

    /// About how many bytes are read again where a state is built anew.
    pub fn bytes(&self) -> i64 {
        match self {
            Self::Replayed { bytes, .. } => *bytes,
            _ => 0,
        }
    }
}
