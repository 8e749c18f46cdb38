//! Generations of a pipeline's internal logs: which one is in force, and whether another number of partitions is on its
//! way.
//!
//! ```text
//! pipelines/<name>/repartition/<n>     generation n shall take over from the one before, with so many partitions
//! pipelines/<name>/generation/<n>      what became of it; a number is used once
//! ```
//!
//! All of it is created once. A generation that was wished for is taken over or withdrawn, whichever is recorded first.

use serde::{Deserialize, Serialize};

mod tenure;

use crate::decisions::{self, Decisions};
use crate::store::{self, Store, escape};

pub use tenure::{End, Tenure};

/// The generation of a pipeline whose logs were never made anew.
pub const FIRST: u32 = 1;

/// A generation that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Its number.
    pub number: u32,
    /// Partitions of its logs; none where that is as the pipeline's file says.
    pub partitions: Option<u32>,
    /// The generations whose state came to it, the oldest first.
    pub before: Vec<u32>,
}

impl Generation {
    /// One that was computed from the sources.
    pub fn rebuilt(number: u32, partitions: Option<u32>) -> Self {
        Self { number, partitions, before: Vec::new() }
    }
}

/// What became of a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Its logs are computed from the sources, in so many partitions.
    Rebuilt(Option<u32>),
    /// Its logs go on with the state of the generation before.
    TakenOver {
        /// That generation.
        from: u32,
        /// Partitions of its logs.
        partitions: u32,
    },
    /// It never came into force.
    Withdrawn,
}

/// A wish for a generation with another number of partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// The generation whose state is taken over.
    pub from: u32,
    /// The partitions wanted.
    pub partitions: u32,
}

/// The generations of one pipeline.
#[derive(Debug, Clone)]
pub struct Generations {
    store: Store,
    decisions: Decisions,
    name: String,
}

impl Generations {
    /// Those that this store knows of the pipeline.
    pub fn new(store: Store, pipeline: &str) -> Self {
        Self { decisions: Decisions::new(store.clone()), store, name: escape(pipeline) }
    }

    fn prefix(&self, kind: &str) -> String {
        format!("pipelines/{}/{kind}", self.name)
    }

    /// The newest number of which anything is recorded.
    fn newest(&self) -> Result<u32, decisions::Error> {
        let numbers = self.store.children(&self.prefix("generation"))?;
        Ok(numbers.iter().filter_map(|number| number.parse().ok()).max().unwrap_or(FIRST))
    }

    /// What became of a number, if that is decided.
    pub fn fate(&self, number: u32) -> Result<Option<Fate>, decisions::Error> {
        let key = format!("{}/{number}", self.prefix("generation"));
        let Some(bytes) = self.decisions.find(&key)? else { return Ok(None) };
        if bytes.is_empty() {
            // As releases wrote it that knew of nothing else.
            return Ok(Some(Fate::Rebuilt(None)));
        }
        self.read(&key, &bytes).map(Some)
    }

    /// The generation in force.
    pub fn current(&self) -> Result<Generation, decisions::Error> {
        for number in (FIRST + 1..=self.newest()?).rev() {
            return match self.fate(number)? {
                Some(Fate::Rebuilt(partitions)) => Ok(Generation::rebuilt(number, partitions)),
                Some(Fate::TakenOver { from, partitions }) => self.over(number, Wish { from, partitions }),
                Some(Fate::Withdrawn) | None => continue,
            };
        }
        Ok(Generation::rebuilt(FIRST, None))
    }

    /// A generation that takes over, or would.
    pub fn over(&self, number: u32, Wish { from, partitions }: Wish) -> Result<Generation, decisions::Error> {
        let mut before = vec![from];
        while let Some(Fate::TakenOver { from, .. }) = self.fate(before[before.len() - 1])? {
            before.push(from);
        }
        before.reverse();
        Ok(Generation { number, partitions: Some(partitions), before })
    }

    /// The generation that is wished for and neither in force nor withdrawn.
    pub fn pending(&self) -> Result<Option<(u32, Wish)>, decisions::Error> {
        let number = self.newest()? + 1;
        Ok(self.wished(number)?.map(|wish| (number, wish)))
    }

    /// What was wished for under a number.
    fn wished(&self, number: u32) -> Result<Option<Wish>, decisions::Error> {
        let key = format!("{}/{number}", self.prefix("repartition"));
        let found = self.decisions.find(&key)?;
        found.map(|bytes| self.read(&key, &bytes)).transpose()
    }

    /// Wishes for the next generation; gives its number, and the wish that was first.
    pub fn wish(&self, wish: Wish) -> Result<(u32, Wish), decisions::Error> {
        let number = self.newest()? + 1;
        let key = format!("{}/{number}", self.prefix("repartition"));
        let first = self.decisions.decide(&key, &json(&wish))?;
        Ok((number, self.read(&key, &first)?))
    }

    /// Decides what becomes of a number, unless that is decided; what is answered is final.
    pub fn settle(&self, number: u32, fate: &Fate) -> Result<Fate, decisions::Error> {
        let key = format!("{}/{number}", self.prefix("generation"));
        let first = self.decisions.decide(&key, &json(fate))?;
        self.read(&key, &first)
    }

    /// What the next rebuild would begin: logs that are computed anew, in as many partitions as there are now.
    pub fn upcoming(&self) -> Result<Generation, decisions::Error> {
        Ok(Generation::rebuilt(self.newest()? + 1, self.current()?.partitions))
    }

    /// Puts an upcoming generation into force; false where somebody else has taken its number meanwhile.
    pub fn claim(&self, upcoming: &Generation) -> Result<bool, decisions::Error> {
        let key = format!("{}/{}", self.prefix("generation"), upcoming.number);
        match self.store.put_create(&key, &json(&Fate::Rebuilt(upcoming.partitions))) {
            Ok(()) => Ok(true),
            Err(store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn read<T: for<'de> Deserialize<'de>>(&self, key: &str, bytes: &[u8]) -> Result<T, decisions::Error> {
        serde_json::from_slice(bytes).map_err(|error| decisions::Error::Unreadable {
            key: key.to_owned(),
            place: self.store.place(),
            detail: error.to_string(),
        })
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Numbers and words, which always have a text.
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
