//! Control state carried by fences: which parents a log has, and what its tasks are to do. Fence 0 is a log partition's
//! first record and names its parents; later fences carry the complete state again.

use crate::items::Fence;
use crate::processor::Stop;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A log whose tasks write into this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentLog {
    /// Name of the log or source topic.
    pub log: String,
    /// How many partitions it has.
    pub partitions: u16,
    /// Whether its marks take part in this log's watermark.
    pub marks: bool,
}

/// The model that scores, by name, version and digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRef {
    /// Name in the registry.
    pub name: String,
    /// Version in the registry.
    pub version: u64,
    /// Digest of the manifest, lower-case hex.
    pub digest: String,
}

/// The complete control state of a log's tasks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Control {
    /// Parents of the log.
    pub parents: Vec<ParentLog>,
    /// The model whose score is effective; none before the first promotion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion: Option<ModelRef>,
    /// Decision threshold; none takes the one of the model's manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// In fence 0 of a log that was repartitioned: the generation whose state its tasks have begun with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed_over: Option<u32>,
}

/// How a fence ended in a partition, for good: every task that comes to it, a replay included, does alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect.
    Taken,
    /// An operator declared it void there; the state before it stays in force.
    Void,
}

/// Where outcomes of fences are kept. Whoever asks waits until the answer is known, or stops.
pub trait Fences: fmt::Debug + Send + Sync {
    /// How the fence ended in the partition, if it has.
    fn ended(&self, log: &str, partition: u16, number: i64) -> Result<Option<Outcome>, Stop>;

    /// Takes the fence, unless it was declared void before; what is answered is final.
    fn take(&self, log: &str, partition: u16, number: i64) -> Result<Outcome, Stop>;
}

/// Why the text of a fence is refused.
#[derive(Debug, thiserror::Error)]
#[error("fence {number} carries no readable control state: {detail}")]
pub struct Error {
    number: i64,
    detail: String,
}

impl Control {
    /// The state a fence carries.
    pub fn read(fence: &Fence) -> Result<Self, Error> {
        serde_json::from_str(&fence.state).map_err(|error| Error { number: fence.number, detail: error.to_string() })
    }

    /// A fence with this state; unsigned for now.
    pub fn fence(&self, number: i64) -> Fence {
        let state = serde_json::to_string(self).unwrap_or_default();
        Fence { number, state, signature: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_state_survives_a_fence() {
        let control = Control {
            parents: vec![ParentLog { log: "a.events.v1".into(), partitions: 4, marks: true }],
            champion: Some(ModelRef { name: "a".into(), version: 3, digest: "00".into() }),
            threshold: Some(0.25),
            handed_over: None,
        };
        let fence = control.fence(5);
        assert_eq!(fence.number, 5);
        assert_eq!(Control::read(&fence).unwrap(), control);
        assert!(Control::read(&Fence { state: "{".into(), ..fence }).is_err());
    }
}
