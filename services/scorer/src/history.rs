//! The control history of the features log: what was proposed, what became of it, and what is in force.
//!
//! A proposed state is passed or withdrawn, whichever is recorded first, for good. Its fence is written only after it
//! was passed, so that a promoter who gave up and one who goes on cannot both have their way.

use crate::error::Error;
use flow::fence::Control;
use registry::control::{ControlLog, Numbered, Proposed};
use registry::decisions::{Decisions, FenceOutcome};
use registry::store::escape;
use runtime::apply::parents;
use runtime::context::Context;
use runtime::log::{Committed, TopicPartition};
use serde::{Deserialize, Serialize};

/// What became of a proposed control state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "snake_case")]
pub enum Fate {
    /// Its fence may be written, by anybody.
    Passed,
    /// Its fence will never be written.
    Withdrawn {
        /// Why, for a person.
        why: String,
    },
}

/// The control states of a pipeline's features log.
#[derive(Debug, Clone)]
pub struct History {
    control: ControlLog,
    decisions: Decisions,
    log: String,
    partitions: i32,
}

impl History {
    /// The history of a pipeline.
    pub fn of(context: &Context, decisions: &Decisions) -> Result<Self, Error> {
        let log = context.plan.names.features_log.clone();
        Ok(History {
            control: ControlLog::new(decisions.clone(), &context.pipeline.name, &log),
            decisions: decisions.clone(),
            partitions: context.topic(&log)?.partitions as i32,
            log,
        })
    }

    /// The log that it is about.
    pub fn log(&self) -> &str {
        &self.log
    }

    /// All partitions of that log.
    pub fn partitions(&self) -> Vec<i32> {
        (0..self.partitions).collect()
    }

    /// One of them.
    pub fn tp(&self, partition: i32) -> TopicPartition {
        TopicPartition::new(self.log.as_str(), partition)
    }

    /// The state proposed last, whatever became of it. The state that `apply` wrote is the first.
    pub(crate) fn newest(&self, context: &Context) -> Result<Numbered<Control>, Error> {
        match self.control.current()? {
            Some(newest) => Ok(newest),
            None => {
                let first = Control { parents: parents(context, &self.log)?, ..Control::default() };
                Ok(self.control.propose(0, first)?.into_numbered())
            }
        }
    }

    /// Whether nothing is proposed that may still be passed.
    pub fn is_decided(&self) -> Result<bool, Error> {
        let newest = self.control.current::<Control>()?;
        newest.map_or(Ok(true), |newest| Ok(self.fate(newest.number)?.is_some()))
    }

    pub(crate) fn at(&self, number: u64) -> Result<Option<Numbered<Control>>, Error> {
        Ok(self.control.at(number)?)
    }

    pub(crate) fn propose(&self, number: u64, state: Control) -> Result<Proposed<Control>, Error> {
        Ok(self.control.propose(number, state)?)
    }

    /// What became of a state; none while that is open. The first one has no fence of its own.
    pub fn fate(&self, number: u64) -> Result<Option<Fate>, Error> {
        if number == 0 {
            return Ok(Some(Fate::Passed));
        }
        let key = self.fate_key(number);
        self.decisions.find(&key)?.map(|bytes| read(&key, &bytes)).transpose()
    }

    /// Decides what becomes of a state, unless it was decided; what is answered is final.
    pub(crate) fn settle(&self, number: u64, fate: &Fate) -> Result<Fate, Error> {
        let key = self.fate_key(number);
        let text = serde_json::to_vec(fate).map_err(|error| unusable(&key, &error))?;
        read(&key, &self.decisions.decide(&key, &text)?)
    }

    fn fate_key(&self, number: u64) -> String {
        format!("fates/{}/{number:020}", escape(&self.log))
    }

    /// Partitions for which the fence was declared void.
    pub fn void(&self, number: u64) -> Result<Vec<i32>, Error> {
        let mut void = Vec::new();
        for partition in self.partitions().into_iter().filter(|_| number > 0) {
            if self.decisions.find_fence_outcome(number, &self.log, partition)? == Some(FenceOutcome::Void) {
                void.push(partition);
            }
        }
        Ok(void)
    }

    /// The state passed last; none before the first proposal.
    pub fn passed(&self) -> Result<Option<Numbered<Control>>, Error> {
        self.last(|number| Ok(self.fate(number)? == Some(Fate::Passed)))
    }

    /// The state passed last that is void nowhere: what a promotion builds on.
    pub fn in_force(&self) -> Result<Option<Numbered<Control>>, Error> {
        self.last(|number| Ok(self.fate(number)? == Some(Fate::Passed) && self.void(number)?.is_empty()))
    }

    fn last(&self, wanted: impl Fn(u64) -> Result<bool, Error>) -> Result<Option<Numbered<Control>>, Error> {
        let mut next = self.control.current()?;
        while let Some(state) = next {
            if wanted(state.number)? {
                return Ok(Some(state));
            }
            next = state.number.checked_sub(1).map(|before| self.at(before)).transpose()?.flatten();
        }
        Ok(None)
    }

    /// Partitions whose commit shows neither this state nor a later one, with that commit. Where it is void nothing is
    /// to come.
    pub(crate) fn behind(&self, context: &Context, number: u64) -> Result<Vec<(i32, Option<Committed>)>, Error> {
        let partitions = self.partitions();
        let tps: Vec<_> = partitions.iter().map(|partition| self.tp(*partition)).collect();
        let committed = context.log.committed(&crate::group(context), &tps)?;
        let void = self.void(number)?;
        let shows = |commit: &Option<Committed>| commit.as_ref().and_then(fence).is_some_and(|fence| fence >= number);
        let all = partitions.into_iter().zip(committed);
        Ok(all.filter(|(partition, commit)| !void.contains(partition) && !shows(commit)).collect())
    }
}

/// The fence in force at a commit.
pub(crate) fn fence(commit: &Committed) -> Option<u64> {
    let state: flow::state::TaskState = serde_json::from_str(&commit.metadata).ok()?;
    u64::try_from(state.fence).ok()
}

fn read(key: &str, bytes: &[u8]) -> Result<Fate, Error> {
    serde_json::from_slice(bytes).map_err(|error| unusable(key, &error))
}

fn unusable(key: &str, error: &serde_json::Error) -> Error {
    Error::Unusable { what: format!("the decision {key}"), detail: error.to_string() }
}
