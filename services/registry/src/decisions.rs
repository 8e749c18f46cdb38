//! Decisions that several processes could take differently: the first one recorded is everyone's.
//!
//! A zombie, a restarted task and a replay all ask here before they act, so they all act alike.

mod kinds;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::store::{self, Store};

pub use kinds::{BUCKET_OFFSETS, FenceOutcome, Retry, Verdict, bucket};

/// Decisions kept in memory, at most. They never change, so forgetting one costs only a look-up.
pub const CACHED_MAX: usize = 65_536;
/// The largest decision, in bytes.
pub const DECISION_BYTES_MAX: usize = 65_536;
/// Times a creation that was refused, yet left nothing to read, is tried again. Some stores answer a race like that.
const RACE_ATTEMPTS_MAX: usize = 8;

/// Why a decision could not be had. In every case nothing may be done that depends on it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store did not answer or refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The proposal is too large to be a decision.
    #[error("the decision `{key}` would be {bytes} bytes, the limit is {DECISION_BYTES_MAX}; record a digest instead")]
    TooLarge {
        /// The decision's key.
        key: String,
        /// Its size.
        bytes: usize,
    },
    /// What the store holds under the key is no decision of this kind.
    #[error(
        "the decision `{key}` in {place} is not readable ({detail}); it was written by another version or damaged, restore it"
    )]
    Unreadable {
        /// The decision's key.
        key: String,
        /// The store.
        place: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The store says that the key exists and that it does not.
    #[error(
        "the store {place} refuses to create `{key}` and does not have it either; check that it supports conditional writes"
    )]
    Contradiction {
        /// The decision's key.
        key: String,
        /// The store.
        place: String,
    },
    /// A control number was proposed out of turn.
    #[error("control number {number} of {log} cannot be proposed: {expected} is next; read the current state first")]
    OutOfTurn {
        /// The log.
        log: String,
        /// The number proposed.
        number: u64,
        /// The number that may be proposed.
        expected: u64,
    },
}

/// Result of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Final decisions in a store. Clones share one cache.
#[derive(Debug, Clone)]
pub struct Decisions {
    store: Store,
    cache: Arc<Mutex<HashMap<String, Arc<[u8]>>>>,
}

impl Decisions {
    /// Decisions kept in this store.
    pub fn new(store: Store) -> Self {
        Self { store, cache: Arc::default() }
    }

    /// The final decision: this proposal if nobody decided before, else what was decided.
    pub fn decide(&self, key: &str, proposal: &[u8]) -> Result<Vec<u8>> {
        if proposal.len() > DECISION_BYTES_MAX {
            return Err(Error::TooLarge { key: key.to_owned(), bytes: proposal.len() });
        }
        if let Some(decided) = self.find(key)? {
            return Ok(decided);
        }
        for _ in 0..RACE_ATTEMPTS_MAX {
            match self.store.put_create(key, proposal) {
                Ok(()) => {
                    self.remember(key, proposal);
                    return Ok(proposal.to_vec());
                }
                Err(store::Error::AlreadyExists { .. }) => {}
                Err(e) => return Err(e.into()),
            }
            if let Some(decided) = self.find(key)? {
                return Ok(decided);
            }
        }
        Err(Error::Contradiction { key: key.to_owned(), place: self.store.place() })
    }

    /// The final decision, if there is one yet.
    pub fn find(&self, key: &str) -> Result<Option<Vec<u8>>> {
        if let Some(known) = self.recall(key) {
            return Ok(Some(known.to_vec()));
        }
        let Some(found) = self.store.find(key)? else {
            return Ok(None);
        };
        self.store.settle(key)?;
        self.remember(key, &found);
        Ok(Some(found.to_vec()))
    }

    fn recall(&self, key: &str) -> Option<Arc<[u8]>> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(key).cloned()
    }

    fn remember(&self, key: &str, decision: &[u8]) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHED_MAX {
            cache.clear();
        }
        cache.insert(key.to_owned(), decision.into());
    }
}
