//! Which partitions of the sources are parents of the logs that validators write.
//!
//! A source may gain partitions at any time. What comes in them has a new parent, and a reader stops at items of a parent
//! that no fence has named. So [`announce`] writes a fence that names it into every partition of these logs, and says in
//! the registry that it is everywhere; validators leave a new partition alone until then ([`announced`]).

use crate::apply::{parents, write_fence};
use crate::context::{self, Context};
use crate::ledger::batches;
use crate::log::{self, TopicPartition};
use flow::fence::{Control, ParentLog};
use flow::plan::FIRST_GENERATION;
use flow::processor::Stop;
use registry::control::{self, ControlLog, Numbered, Proposed};
use registry::decisions::{self, Decisions};
use registry::store::escape;

/// Why parents cannot be named.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// Topics or schemas.
    #[error(transparent)]
    Context(#[from] context::Error),
    /// The registry.
    #[error(transparent)]
    Control(#[from] control::Error),
    /// The registry.
    #[error(transparent)]
    Decisions(#[from] decisions::Error),
    /// A log that does not decode.
    #[error(transparent)]
    Stop(#[from] Stop),
    /// The log has no fence to begin with.
    #[error("{log} does not begin with a fence that names its parents; run `tidemill apply --rebuild`")]
    NoFence {
        /// The log.
        log: String,
    },
    /// The log of a pipeline without entities, whose fences are promotions.
    #[error(
        "{log} gained parents, and in a pipeline without entities its fences belong to promotions; run `tidemill apply --rebuild`"
    )]
    Promotions {
        /// The log.
        log: String,
    },
}

/// Names the partitions of sources that no fence has named yet. Gives the logs that got a fence, with its number. It may be
/// called again, and by several at once.
pub fn announce(context: &Context, decisions: &Decisions) -> Result<Vec<(String, i64)>, Error> {
    let mut written = Vec::new();
    for log in written_by_validators(context) {
        let history = History { context, decisions, log };
        written.extend(history.announce()?.map(|number| (log.to_owned(), number)));
    }
    Ok(written)
}

/// The logs to which [`announce`] would write a fence. Changes nothing.
pub fn unnamed(context: &Context, decisions: &Decisions) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for log in written_by_validators(context) {
        if (History { context, decisions, log }).is_unnamed()? {
            found.push(log.to_owned());
        }
    }
    Ok(found)
}

/// Whether logs have records of which the store knows nothing: it is another one than that of who made them. Those of later
/// generations are made beside earlier ones, and nothing is said of them.
pub fn is_foreign(context: &Context, decisions: &Decisions) -> Result<bool, Error> {
    if context.plan.generation != FIRST_GENERATION {
        return Ok(false);
    }
    for log in written_by_validators(context) {
        if (History { context, decisions, log }).is_foreign()? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How many partitions of a source, or of its retries, all logs know as parents; the plan's where nothing was ever
/// announced.
pub fn announced(context: &Context, decisions: &Decisions, source: &str) -> Result<u32, Error> {
    let mut least = None::<u32>;
    for log in written_by_validators(context) {
        let Some(parents) = (History { context, decisions, log }).announced()? else { continue };
        let known = parents.iter().find(|parent| parent.log == source);
        // A topic of retries is new to a log that is older than it. What is no event goes to the journal only.
        let names = &context.plan.names;
        let goes = |of: &&String| **of == names.events || *log == *names.journal_log;
        let unknown = names.retried(source).filter(goes).map(|_| 0);
        if let Some(partitions) = known.map(|parent| u32::from(parent.partitions)).or(unknown) {
            least = Some(least.map_or(partitions, |least| least.min(partitions)));
        }
    }
    // The plan of a process that has run for long may be older than that.
    Ok(least.map_or_else(|| context.topic(source).map(|topic| topic.partitions), Ok)?)
}

fn written_by_validators(context: &Context) -> [&str; 2] {
    let names = &context.plan.names;
    [names.first_log(), &names.journal_log]
}

/// The control states of one log.
struct History<'a> {
    context: &'a Context,
    decisions: &'a Decisions,
    log: &'a str,
}

impl History<'_> {
    fn control(&self) -> ControlLog {
        ControlLog::new(self.decisions.clone(), &self.context.pipeline.name, self.log)
    }

    fn key(&self, number: u64) -> String {
        format!("announced/{}/{number:020}", escape(self.log))
    }

    fn is_announced(&self, number: u64) -> Result<bool, Error> {
        Ok(number == 0 || self.decisions.find(&self.key(number))?.is_some())
    }

    /// The parents that a fence has named in every partition; none where the registry knows of no fence.
    fn announced(&self) -> Result<Option<Vec<ParentLog>>, Error> {
        if self.log == self.context.plan.names.features_log {
            return Ok(None);
        }
        let mut next: Option<Numbered<Control>> = self.control().current()?;
        while let Some(state) = next {
            if self.is_announced(state.number)? {
                return Ok(Some(state.state.parents));
            }
            next = state.number.checked_sub(1).map(|before| self.control().at(before)).transpose()?.flatten();
        }
        Ok(None)
    }

    /// Whether the log has parents that no fence names in all partitions. One that is to get its first fence has none.
    fn is_unnamed(&self) -> Result<bool, Error> {
        let is_there = self.context.log.partitions(self.log)?.is_some();
        if !is_there || self.context.log.watermarks(&TopicPartition::new(self.log, 0))?.1 == 0 {
            return Ok(false);
        }
        let planned = parents(self.context, self.log)?;
        if self.log == self.context.plan.names.features_log {
            return self.check_promotions(&planned).map(|()| false);
        }
        let newest: Option<Numbered<Control>> = self.control().current()?;
        let (named, announced) = match newest {
            Some(newest) => (newest.state.parents, self.is_announced(newest.number)?),
            None => (self.first()?.parents, true),
        };
        Ok(!announced || joined(&named, &planned) != named)
    }

    /// Whether the log has records, and nothing is known of its fences, the first of which `apply` writes down.
    fn is_foreign(&self) -> Result<bool, Error> {
        if self.log == self.context.plan.names.features_log || self.context.log.partitions(self.log)?.is_none() {
            return Ok(false);
        }
        let is_begun = self.context.log.watermarks(&TopicPartition::new(self.log, 0))?.1 > 0;
        Ok(is_begun && self.control().current::<Control>()?.is_none())
    }

    /// An error where the fences of a log belong to promotions and new parents would have to be named.
    fn check_promotions(&self, planned: &[ParentLog]) -> Result<(), Error> {
        match joined(&self.first()?.parents, planned) == planned {
            true => Ok(()),
            false => Err(Error::Promotions { log: self.log.to_owned() }),
        }
    }

    /// Writes a fence where the log's parents have more partitions than the newest one says, or where that one may not be
    /// everywhere.
    fn announce(&self) -> Result<Option<i64>, Error> {
        let planned = parents(self.context, self.log)?;
        if self.log == self.context.plan.names.features_log {
            return self.check_promotions(&planned).map(|()| None);
        }
        loop {
            let newest = match self.control().current()? {
                Some(newest) => newest,
                None => self.control().propose(0, self.first()?)?.into_numbered(),
            };
            let wanted = joined(&newest.state.parents, &planned);
            let state = if wanted == newest.state.parents {
                if self.is_announced(newest.number)? {
                    return Ok(None);
                }
                newest
            } else {
                let state = Control { parents: wanted, ..newest.state };
                match self.control().propose(newest.number + 1, state)? {
                    Proposed::Won(state) => state,
                    Proposed::Lost(_) => continue,
                }
            };
            let partitions: Vec<i32> = (0..self.context.topic(self.log)?.partitions.cast_signed()).collect();
            let number = state.number.cast_signed();
            write_fence(self.context, self.log, &state.state, number, &partitions)?;
            self.decisions.decide(&self.key(state.number), b"{}")?;
            return Ok(Some(number));
        }
    }

    /// What the log's first fence says.
    fn first(&self) -> Result<Control, Error> {
        let tp = TopicPartition::new(self.log, 0);
        let (start, end) = self.context.log.watermarks(&tp)?;
        let mut found = None;
        batches(self.context, &tp, (start, end.min(start + 1)), |batch| {
            found = batch.records.iter().find_map(|head| head.fence.clone());
            Ok::<_, Error>(())
        })?;
        let missing = || Error::NoFence { log: self.log.to_owned() };
        let fence = found.filter(|fence| fence.number == 0).ok_or_else(missing)?;
        Ok(Control::read(&fence).map_err(Stop::from)?)
    }
}

/// Parents with as many partitions as either says; a source never has fewer than it had.
fn joined(known: &[ParentLog], planned: &[ParentLog]) -> Vec<ParentLog> {
    let mut joined = known.to_vec();
    for parent in planned {
        match joined.iter_mut().find(|known| known.log == parent.log) {
            Some(known) => known.partitions = known.partitions.max(parent.partitions),
            None => joined.push(parent.clone()),
        }
    }
    joined
}
