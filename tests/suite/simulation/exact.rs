//! What a reader of committed records sees with `exactly_once`: at any moment each result once, and those and only those
//! that came from below the offset that is committed.

use super::contents::{Contents, partitions, trigger_of};
use super::process::Kind;
use flow::reader::Trigger;
use runtime::log::TopicPartition;
use runtime::simulated::Simulated;
use std::collections::{BTreeMap, BTreeSet};

/// A log whose tasks write results: its group, and a partition.
type Parent = (String, TopicPartition);

/// The reader, and what it noted.
pub struct Exact {
    next: BTreeMap<TopicPartition, i64>,
    parents: Vec<Parent>,
    seen: BTreeMap<String, BTreeSet<Trigger>>,
    /// By parent: an offset that was committed, and how many results were seen then.
    moments: BTreeMap<String, BTreeSet<(i64, usize)>>,
}

impl Exact {
    /// A reader of everything that these tasks write in transactions.
    pub fn new(kinds: &[Kind]) -> Self {
        let kinds = kinds.iter().filter(|kind| !kind.transactional.is_empty());
        let (mut next, mut parents) = (BTreeMap::new(), Vec::new());
        for kind in kinds {
            next.extend(kind.transactional.iter().flat_map(|topic| partitions(topic)).map(|tp| (tp, 0)));
            parents.extend(kind.topics.iter().flat_map(|topic| partitions(topic)).map(|tp| (kind.group.clone(), tp)));
        }
        Exact { next, parents, seen: BTreeMap::new(), moments: BTreeMap::new() }
    }

    /// Reads what is new.
    pub fn look(&mut self, log: &Simulated) -> Result<(), String> {
        for (tp, next) in &mut self.next {
            for record in log.read(tp, *next).map_err(|error| error.to_string())? {
                *next = record.offset + 1;
                let (parent, trigger) = trigger_of(&record)?;
                if !self.seen.entry(parent.clone()).or_default().insert(trigger) {
                    return Err(format!("{tp}: a result is seen twice, {trigger:?} of {parent}"));
                }
            }
        }
        for (group, tp) in &self.parents {
            let (parent, committed) = (tp.to_string(), log.committed_offset(group, tp));
            let seen = self.seen.entry(parent.clone()).or_default();
            if let Some(early) = seen.last().filter(|last| last.offset >= committed) {
                return Err(format!(
                    "a result of {parent} is seen before its offset is committed: {early:?}, {committed}"
                ));
            }
            // Behind the records of an open transaction readers wait even for what is committed.
            if log.open_transactions() == 0 {
                self.moments.entry(parent).or_default().insert((committed, seen.len()));
            }
        }
        Ok(())
    }

    /// Whether nothing was missing at any of those moments, now that it is known what should be there.
    pub fn verify(&self, contents: &Contents, log: &Simulated) -> Result<(), String> {
        let mut all: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
        for ((tp, parent), entries) in contents {
            if self.next.contains_key(tp) {
                all.entry(parent).or_default().extend(entries.iter().map(|entry| entry.trigger.offset));
            }
        }
        for (parent, moments) in &self.moments {
            let offsets = all.get(&**parent).map_or(&[][..], Vec::as_slice);
            for (committed, seen) in moments {
                let due = offsets.iter().filter(|offset| *offset < committed).count();
                if due != *seen {
                    return Err(format!("{parent} was committed at {committed} with {seen} results and not {due}"));
                }
            }
        }
        match log.expired() {
            0 => Ok(()),
            expired => Err(format!("{expired} transactions were left to their timeout, and readers had to wait")),
        }
    }
}
