//! What new schemas of topics owe to earlier ones, as far as the pipeline says so.

use std::collections::BTreeMap;

use schemas::compatibility::Compatibility;

use crate::plan::Topic;

/// The modes that were chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compatibilities {
    /// For all topics that others read or write.
    pub all: Option<Compatibility>,
    /// For one of these topics.
    pub topics: BTreeMap<String, Compatibility>,
}

impl Compatibilities {
    /// What was chosen for a topic; `None` leaves it to the registry. Schemas of internal topics follow from the others, and
    /// only our own services read them: nothing is chosen there.
    pub fn of(&self, topic: &Topic) -> Option<Compatibility> {
        if topic.internal {
            return None;
        }
        self.topics.get(&topic.name).copied().or(self.all)
    }
}
