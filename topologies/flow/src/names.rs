//! Names of logs and source topics as small numbers, so that the per-record path compares integers.

use std::sync::Arc;

/// A partition of a log or source topic, by the number its topic has in [`Names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Number of the topic in [`Names`].
    pub topic: u16,
    /// Partition of the topic.
    pub partition: u16,
}

/// The topics a pipeline knows, in the order of its plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    topics: Vec<(Arc<str>, i32)>,
}

impl Names {
    /// Numbers the given topics in their order; each comes with its generation (0 for a public topic).
    pub fn new<S: Into<Arc<str>>>(topics: impl IntoIterator<Item = (S, i32)>) -> Self {
        Names { topics: topics.into_iter().map(|(name, generation)| (name.into(), generation)).collect() }
    }

    /// The number of a topic.
    pub fn number(&self, topic: &str) -> Option<u16> {
        self.topics.iter().position(|(name, _)| &**name == topic).map(|at| at as u16)
    }

    /// The name of a topic by its number.
    pub fn topic(&self, number: u16) -> &Arc<str> {
        &self.topics[usize::from(number)].0
    }

    /// The generation of a topic by its number; source topics have none and say 0.
    pub fn generation(&self, number: u16) -> i32 {
        self.topics[usize::from(number)].1
    }

    /// How many topics there are.
    pub fn len(&self) -> usize {
        self.topics.len()
    }

    /// Whether there is no topic at all.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// A place in words, for messages: `topic/partition`.
    pub fn show(&self, place: Place) -> String {
        format!("{}/{}", self.topic(place.topic), place.partition)
    }
}
