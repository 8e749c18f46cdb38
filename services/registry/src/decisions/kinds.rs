//! The kinds of decisions, their keys and their form.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Decisions, Error, Result};
use crate::store::escape;

/// Source offsets that share one rule version and one line of the ledger.
pub const BUCKET_OFFSETS: i64 = 65_536;

/// The bucket of a source offset.
pub fn bucket(offset: i64) -> i64 {
    offset.div_euclid(BUCKET_OFFSETS)
}

/// What became of a record whose schema the deciding process did not know at first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It is judged by its schema and the rules, like any other.
    Accept,
    /// It is dead-lettered.
    Reject {
        /// Reason code.
        code: String,
        /// What was found.
        detail: String,
    },
}

/// How a fence ended in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FenceOutcome {
    /// The partition's task honours it.
    Taken,
    /// An operator declared it void there: the task could not honour it.
    Void,
}

/// The record that counts as one attempt at a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Its offset in the topic of retries.
    pub offset: i64,
    /// The version of the rules it is judged by.
    pub rules: String,
}

#[derive(Serialize, Deserialize)]
struct Rules {
    rules: String,
}

#[derive(Serialize, Deserialize)]
struct Fence {
    outcome: FenceOutcome,
}

impl Decisions {
    /// The verdict on one source record. Asked for on acceptance and on rejection alike, before either shows.
    pub fn verdict(&self, topic: &str, partition: i32, offset: i64, proposal: &Verdict) -> Result<Verdict> {
        let key = format!("verdicts/{}/{partition}/{offset:020}", escape(topic));
        self.decide_json(&key, proposal)
    }

    /// The rule version of the bucket that a source offset lies in, fixed by whoever opens the bucket.
    pub fn rule_version(&self, topic: &str, partition: i32, offset: i64, proposal: &str) -> Result<String> {
        let bucket = bucket(offset);
        let key = format!("rules/{}/{partition}/{bucket:020}", escape(topic));
        let rules = proposal.to_owned();
        Ok(self.decide_json(&key, &Rules { rules })?.rules)
    }

    /// What counts as an attempt at the dead letter of a source record: the first record that a validator came to.
    pub fn retry(&self, topic: &str, partition: i32, offset: i64, attempt: u32, proposal: &Retry) -> Result<Retry> {
        let key = format!("retries/{}/{partition}/{offset:020}/{attempt}", escape(topic));
        self.decide_json(&key, proposal)
    }

    /// How fence `number` of a log ended in one partition. The task proposes `Taken` before it emits anything after
    /// the fence; an operator proposes `Void`.
    pub fn fence_outcome(
        &self,
        number: u64,
        log: &str,
        partition: i32,
        proposal: FenceOutcome,
    ) -> Result<FenceOutcome> {
        let key = fence_key(number, log, partition);
        let proposal = Fence { outcome: proposal };
        Ok(self.decide_json(&key, &proposal)?.outcome)
    }

    /// How fence `number` of a log ended in one partition, if it has.
    pub fn find_fence_outcome(&self, number: u64, log: &str, partition: i32) -> Result<Option<FenceOutcome>> {
        let key = fence_key(number, log, partition);
        let Some(bytes) = self.find(&key)? else {
            return Ok(None);
        };
        let fence: Fence = self.parse(&key, &bytes)?;
        Ok(Some(fence.outcome))
    }

    /// The newest control number of a log and what it says. `None` before the first.
    pub fn control(&self, pipeline: &str, log: &str) -> Result<Option<(u64, Vec<u8>)>> {
        let prefix = control_prefix(pipeline, log);
        let names = self.store.children(&prefix)?;
        let Some(newest) = names.last() else {
            return Ok(None);
        };
        let key = format!("{prefix}/{newest}");
        let number = newest.parse().map_err(|_| Error::Unreadable {
            key: key.clone(),
            place: self.store.place(),
            detail: "the name is not a number".to_owned(),
        })?;
        let state = self.find(&key)?.ok_or_else(|| Error::Contradiction { key, place: self.store.place() })?;
        Ok(Some((number, state)))
    }

    /// What control number `number` of a log says, if it was taken.
    pub fn find_control(&self, pipeline: &str, log: &str, number: u64) -> Result<Option<Vec<u8>>> {
        self.find(&format!("{}/{number:020}", control_prefix(pipeline, log)))
    }

    /// Proposes the next control number by a writer that read `number - 1` (0 is the first). Returns what the number
    /// says now, which is the winner's state when the writer lost a race.
    pub fn propose_control(&self, pipeline: &str, log: &str, number: u64, state: &[u8]) -> Result<Vec<u8>> {
        let prefix = control_prefix(pipeline, log);
        if let Some(before) = number.checked_sub(1)
            && self.find_control(pipeline, log, before)?.is_none()
        {
            let newest = self.control(pipeline, log)?;
            return Err(Error::OutOfTurn {
                log: log.to_owned(),
                number,
                expected: newest.map_or(0, |(number, _)| number + 1),
            });
        }
        self.decide(&format!("{prefix}/{number:020}"), state)
    }

    fn decide_json<T: Serialize + DeserializeOwned>(&self, key: &str, proposal: &T) -> Result<T> {
        let bytes = serde_json::to_vec(proposal).map_err(|e| Error::Unreadable {
            key: key.to_owned(),
            place: "the proposal".to_owned(),
            detail: e.to_string(),
        })?;
        let decided = self.decide(key, &bytes)?;
        self.parse(key, &decided)
    }

    fn parse<T: DeserializeOwned>(&self, key: &str, bytes: &[u8]) -> Result<T> {
        serde_json::from_slice(bytes).map_err(|e| Error::Unreadable {
            key: key.to_owned(),
            place: self.store.place(),
            detail: e.to_string(),
        })
    }
}

fn control_prefix(pipeline: &str, log: &str) -> String {
    format!("control/{}/{}", escape(pipeline), escape(log))
}

fn fence_key(number: u64, log: &str, partition: i32) -> String {
    format!("fences/{number:020}/{}/{partition}", escape(log))
}
