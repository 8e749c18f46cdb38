//! Deletes what no reader needs: what was merged, once readers that began before are through, and what dead or beaten
//! compactions left.

use std::time::Duration;

use super::compact::{Step, Watch};
use super::generation::{self, Generation};
use super::{Archive, Result, file_key, starts};

/// How long files that were merged are kept for readers that began before, unless somebody says otherwise.
pub const GRACE_PERIOD_S: u64 = 3_600;

/// What was deleted of one partition, and what waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Files that a compaction wrote and never committed.
    pub orphans: usize,
    /// Files whose rows are in merged ones.
    pub merged: usize,
    /// Such files that readers may still need.
    pub waiting: usize,
}

impl Archive {
    /// Deletes what dead compactions left; and with a grace period also what was merged longer ago than that. Without one
    /// such files are only counted.
    pub fn sweep(
        &self,
        topic: &str,
        partition: i32,
        grace: Option<Duration>,
        now_ms: i64,
        watch: Watch<'_>,
    ) -> Result<Swept> {
        let mut swept = Swept::default();
        let generations = self.generations(topic, partition)?;
        let Some(newest) = generations.last() else { return Ok(swept) };
        // Whoever reads now began with this generation or a later one.
        let since = grace.map(|grace| now_ms.saturating_sub(i64::try_from(grace.as_millis()).unwrap_or(i64::MAX)));
        let old = |generation: &Generation| since.is_some_and(|since| generation.made_ms <= since);
        let oldest = generations.iter().rposition(old);
        let (dropped, kept) = generations.split_at(oldest.unwrap_or(0));
        let is_kept = |key: &str| kept.iter().any(|generation| generation.holds(key));
        let was_held = |key: &str| generations.iter().any(|generation| generation.holds(key));
        let mut delete = |key: &str, count: &mut usize| {
            self.store.delete(key)?;
            *count += 1;
            watch(Step::Deleted)
        };
        for key in self.store.list(&generation::files_prefix(topic, partition))? {
            // A file for the next number may belong to a compaction that is at work.
            let decided = generation::number_of(&key, topic, partition).is_some_and(|number| number <= newest.number);
            match (is_kept(&key), was_held(&key)) {
                _ if !decided => {}
                (true, _) => swept.waiting += usize::from(!newest.holds(&key)),
                (false, true) => delete(&key, &mut swept.merged)?,
                (false, false) => delete(&key, &mut swept.orphans)?,
            }
        }
        let merged_to = |generation: Option<&Generation>| generation.map_or(i64::MIN, Generation::end);
        let deletable = oldest.map_or(i64::MIN, |at| merged_to(generations.get(at)));
        for start in starts(&self.store, topic, partition)?.into_iter().filter(|start| *start < newest.end()) {
            let key = file_key(topic, partition, start);
            match is_kept(&key) || start >= deletable {
                true => swept.waiting += usize::from(!newest.holds(&key)),
                false => delete(&key, &mut swept.merged)?,
            }
        }
        // Last, so that a sweep that dies is taken up by the next one.
        for generation in dropped {
            self.store.delete(&generation::key(topic, partition, generation.number))?;
        }
        Ok(swept)
    }

    /// All generations of a partition that are kept, the newest last.
    fn generations(&self, topic: &str, partition: i32) -> Result<Vec<Generation>> {
        let numbers = generation::numbers(&self.store, topic, partition)?;
        let read = |number| generation::read(&self.store, topic, partition, number);
        let found = numbers.into_iter().map(read);
        let found: Vec<Generation> = found.filter(|read| !is_gone(read)).collect::<Result<_>>()?;
        if let Some(newest) = found.last() {
            // What follows from it must not outlive it.
            self.store.settle(&generation::key(topic, partition, newest.number))?;
        }
        Ok(found)
    }
}

/// Another sweep was quicker.
fn is_gone(read: &Result<Generation>) -> bool {
    matches!(read, Err(super::Error::Store(registry::store::Error::NotFound { .. })))
}
