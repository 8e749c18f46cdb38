//! Promotion: the next control state of the features log is created in the registry by whoever read the one before, and
//! then written as a fence to every partition. It is complete when every partition's commit shows it.

use crate::group;
use flow::fence::{Control, ModelRef};
use flow::state::TaskState;
use registry::control::{ControlLog, Proposed};
use registry::decisions::Decisions;
use runtime::apply::{Applied, parents, write_fence};
use runtime::context::{self, Context};
use runtime::log::TopicPartition;

/// Why a promotion did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Topics, schemas or the log.
    #[error(transparent)]
    Context(#[from] context::Error),
    /// The log.
    #[error(transparent)]
    Log(#[from] runtime::log::Error),
    /// The registry.
    #[error(transparent)]
    Control(#[from] registry::control::Error),
    /// Somebody else promoted at the same time.
    #[error(
        "control state {number} was taken by another promotion ({winner}); look at it and promote again if still wanted"
    )]
    Lost {
        /// The number.
        number: u64,
        /// The model it names.
        winner: String,
    },
}

/// A control state that was written to the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Promotion {
    /// Its number.
    pub number: u64,
    /// The state.
    pub control: Control,
}

/// Makes a model the champion. Calling it again with the same model writes the fence again and changes nothing.
pub fn promote(
    context: &Context,
    decisions: &Decisions,
    model: ModelRef,
    threshold: Option<f64>,
) -> Result<Promotion, Error> {
    let log = &context.plan.names.features_log;
    let history = ControlLog::new(decisions.clone(), &context.pipeline.name, log);
    let current = match history.current::<Control>()? {
        Some(current) => current,
        None => {
            let first = Control { parents: parents(context, log)?, ..Control::default() };
            history.propose(0, first)?.into_numbered()
        }
    };
    let wanted = Control { champion: Some(model), threshold, ..current.state.clone() };
    let next = if current.state == wanted {
        current
    } else {
        match history.propose(current.number + 1, wanted)? {
            Proposed::Won(next) => next,
            Proposed::Lost(other) => {
                let winner =
                    other.state.champion.map_or_else(String::new, |won| format!("{}@{}", won.name, won.version));
                return Err(Error::Lost { number: other.number, winner });
            }
        }
    };
    write_fence(context, log, &next.state, next.number as i64, false, &mut Applied::default())?;
    Ok(Promotion { number: next.number, control: next.state })
}

/// Whether every partition's commit shows the control state, or a later one.
pub fn complete(context: &Context, number: u64) -> Result<bool, Error> {
    let log = &context.plan.names.features_log;
    let partitions = context.topic(log)?.partitions as i32;
    let tps: Vec<_> = (0..partitions).map(|partition| TopicPartition::new(log.as_str(), partition)).collect();
    let committed = context.log.committed(&group(context), &tps)?;
    let shows = |text: &str| {
        serde_json::from_str::<TaskState>(text)
            .is_ok_and(|state| u64::try_from(state.fence).is_ok_and(|at| at >= number))
    };
    Ok(committed.iter().all(|commit| commit.as_ref().is_some_and(|commit| shows(&commit.metadata))))
}
