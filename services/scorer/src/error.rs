//! Why a promotion did not happen, or a fence was not declared void.

use registry::{control, decisions};
use runtime::{context, log};
use std::time::Duration;

/// What can go wrong with control states.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Topics, schemas or the log.
    #[error(transparent)]
    Context(#[from] context::Error),
    /// The log.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The registry's control states.
    #[error(transparent)]
    Control(#[from] control::Error),
    /// The registry's decisions.
    #[error(transparent)]
    Decision(#[from] decisions::Error),
    /// A decision that this version does not read, or a report that does not fit its schema.
    #[error("{what} is not usable: {detail}; run the version that wrote it")]
    Unusable {
        /// What it is.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
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
    /// Some scorers did not answer in time.
    #[error(
        "control state {number} was not promoted: no scorer said within {waited:?} for {silent} of {log} that it can load {model}; start the scorers (`tidemill up`, or `tidemill run scorer`) and promote again, or with `--without-readiness` if they are to start later"
    )]
    NotReady {
        /// The number.
        number: u64,
        /// The log.
        log: String,
        /// The model that was to be loaded.
        model: String,
        /// Partitions without an answer.
        silent: String,
        /// How long they were waited for.
        waited: Duration,
    },
    /// Some scorers cannot honour it.
    #[error("control state {number} was not promoted, its scorers refuse it: {reasons}")]
    Refused {
        /// The number.
        number: u64,
        /// Partition by partition, why.
        reasons: String,
    },
    /// Somebody withdrew it while its scorers were asked.
    #[error("control state {number} was withdrawn: {why}; promote again if still wanted")]
    Withdrawn {
        /// The number.
        number: u64,
        /// Why.
        why: String,
    },
    /// It had to be built anew too often.
    #[error("nothing was promoted: control states changed under each of {attempts} attempts; promote again")]
    Unsteady {
        /// How often.
        attempts: u32,
    },
    /// The service was stopped meanwhile.
    #[error("stopped before the promotion was decided; nothing was promoted")]
    Stopped,
    /// There is no such fence.
    #[error("fence {number} of {log} cannot be declared void: {why}")]
    NoFence {
        /// The number.
        number: u64,
        /// The log.
        log: String,
        /// What there is instead.
        why: String,
    },
    /// The partition's task honours the fence.
    #[error(
        "fence {number} was taken by {place} already, and that is final; promote the model that is to score instead"
    )]
    Taken {
        /// The number.
        number: u64,
        /// The partition.
        place: String,
    },
}

impl Error {
    /// Whether the promotion was decided against: trying the same again at once would end alike.
    pub fn is_declined(&self) -> bool {
        matches!(self, Error::Lost { .. } | Error::NotReady { .. } | Error::Refused { .. } | Error::Withdrawn { .. })
    }
}
