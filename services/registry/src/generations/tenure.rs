//! How long a generation is worked in, for whoever works in it.

use std::sync::{Mutex, PoisonError};

use super::{Fate, Generations, Wish};
use crate::decisions;

/// Why a generation is not worked in any more, or not for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Another one is wished for; it may yet be withdrawn.
    Wished(Wish),
    /// This generation has taken over.
    TakenOver(u32),
}

/// Whether a generation may be worked in, to be asked again and again: once nothing changes it costs two reads of the
/// store. A rebuild does not end a generation: whoever asked for one says when services change over.
#[derive(Debug)]
pub struct Tenure {
    generations: Generations,
    own: u32,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    /// The newest number whose fate is known.
    newest: u32,
    taken_over: Option<u32>,
}

impl Tenure {
    /// That of a generation.
    pub fn of(generations: Generations, own: u32) -> Self {
        Self { generations, own, known: Mutex::new(Known { newest: own, taken_over: None }) }
    }

    /// Why it is over, if it is.
    pub fn end(&self) -> Result<Option<End>, decisions::Error> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(fate) = self.generations.fate(known.newest + 1)? {
            known.newest += 1;
            if matches!(fate, Fate::TakenOver { from, .. } if from == self.own) {
                known.taken_over = Some(known.newest);
            }
        }
        match known.taken_over {
            Some(by) => Ok(Some(End::TakenOver(by))),
            None => Ok(self.generations.wished(known.newest + 1)?.map(End::Wished)),
        }
    }
}
