//! The control states of a log: which model, threshold and route its tasks work by, numbered, each proposed by
//! somebody who had read the one before.

#[cfg(test)]
mod tests;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::canonical::{json_text, sha256_hex};
use crate::decisions::{self, Decisions};

/// Why a control state could not be read or proposed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The decision could not be had.
    #[error(transparent)]
    Decision(#[from] decisions::Error),
    /// The state does not fit the type it is read as, or cannot be written.
    #[error("control state {number} of {log} is not readable: {detail}; it was written by another version")]
    Unreadable {
        /// The log.
        log: String,
        /// The control number.
        number: u64,
        /// What does not fit.
        detail: String,
    },
}

/// Result of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One numbered control state. `S` is the complete state of the log's tasks (for pipelines: `flow::fence::Control`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Numbered<S> {
    /// Position in the log's history of control states, dense from 0.
    pub number: u64,
    /// The complete state.
    pub state: S,
    /// Digest of the state before, so that the history cannot be rewritten in the middle; none for number 0.
    pub previous: Option<String>,
    /// Signature over the rest. States are not signed yet.
    pub signature: Option<String>,
}

/// How a proposal ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Proposed<S> {
    /// It is in force now.
    Won(Numbered<S>),
    /// Somebody else got the number; this is theirs. Read it, and propose again on top of it if still wanted.
    Lost(Numbered<S>),
}

impl<S> Proposed<S> {
    /// The state that has the number now, whoever proposed it.
    pub fn into_numbered(self) -> Numbered<S> {
        match self {
            Self::Won(numbered) | Self::Lost(numbered) => numbered,
        }
    }
}

/// The control history of one log of a pipeline.
#[derive(Debug, Clone)]
pub struct ControlLog {
    decisions: Decisions,
    pipeline: String,
    log: String,
}

impl ControlLog {
    /// The history of `log` in `pipeline`.
    pub fn new(decisions: Decisions, pipeline: &str, log: &str) -> Self {
        Self { decisions, pipeline: pipeline.to_owned(), log: log.to_owned() }
    }

    /// The newest control state. `None` before the first.
    pub fn current<S: DeserializeOwned>(&self) -> Result<Option<Numbered<S>>> {
        match self.decisions.control(&self.pipeline, &self.log)? {
            None => Ok(None),
            Some((number, bytes)) => self.parse(number, &bytes).map(Some),
        }
    }

    /// The control state with this number, if it was proposed.
    pub fn at<S: DeserializeOwned>(&self, number: u64) -> Result<Option<Numbered<S>>> {
        self.bytes_at(number)?.map(|bytes| self.parse(number, &bytes)).transpose()
    }

    /// Proposes control state `number`, which must be one above the current one (0 is the first). States are
    /// compared by their text, so whoever proposes what already has the number has won: a repeated call after a crash
    /// ends like the first.
    pub fn propose<S: Serialize + DeserializeOwned>(&self, number: u64, state: S) -> Result<Proposed<S>> {
        let previous = match number.checked_sub(1) {
            None => None,
            Some(before) => self.bytes_at(before)?.map(|bytes| sha256_hex(&bytes)),
        };
        let mine = Numbered { number, state, previous, signature: None };
        let value = serde_json::to_value(&mine).map_err(|e| self.unreadable(number, &e))?;
        let text = json_text(&value);
        let decided = self.decisions.propose_control(&self.pipeline, &self.log, number, text.as_bytes())?;
        match decided == text.as_bytes() {
            true => Ok(Proposed::Won(mine)),
            false => self.parse(number, &decided).map(Proposed::Lost),
        }
    }

    fn bytes_at(&self, number: u64) -> Result<Option<Vec<u8>>> {
        Ok(self.decisions.find_control(&self.pipeline, &self.log, number)?)
    }

    fn parse<S: DeserializeOwned>(&self, number: u64, bytes: &[u8]) -> Result<Numbered<S>> {
        let numbered: Numbered<S> = serde_json::from_slice(bytes).map_err(|e| self.unreadable(number, &e))?;
        if numbered.number != number {
            return Err(Error::Unreadable {
                log: self.log.clone(),
                number,
                detail: format!("it says that it is number {}", numbered.number),
            });
        }
        Ok(numbered)
    }

    fn unreadable(&self, number: u64, e: &serde_json::Error) -> Error {
        Error::Unreadable { log: self.log.clone(), number, detail: e.to_string() }
    }
}
