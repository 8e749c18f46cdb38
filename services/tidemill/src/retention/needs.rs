//! Which records of a partition the pipeline's own tasks still need.

use std::cell::RefCell;
use std::collections::HashMap;

use flow::plan::{Service, Task};
use runtime::log::{Committed, TopicPartition};
use runtime::snapshot::{Owner, Vault};

use crate::changes::layout;
use crate::environment::Environment;
use crate::error::Error;

/// What every planned task needs of the log:
///
/// - what it has not committed, whether it runs or not. A task that never committed needs everything. The archiver commits
///   where its files end, so nothing goes that is not archived;
/// - for a task whose state is rebuilt by reading its log: what is behind the oldest of its snapshots that it could begin
///   with. One that has none of its present layout would read the log from the start, and needs everything.
///
/// Other readers have no say: subscribers are away for as long as the topic's retention allows, and tasks that the file does
/// not name any more are left behind.
pub struct Needs<'e> {
    environment: &'e Environment,
    vault: Vault,
    /// Layouts of snapshots by group and topic: the file does not change while a process runs.
    layouts: RefCell<HashMap<(String, String), Option<String>>>,
}

impl<'e> Needs<'e> {
    /// Those of the tasks in this environment's plan.
    pub fn of(environment: &'e Environment) -> Self {
        Self { environment, vault: Vault::new(environment.store.clone()), layouts: RefCell::default() }
    }

    /// The oldest offset that a task needs, and the task's group; none where no task reads the partition.
    pub fn oldest(&self, tp: &TopicPartition) -> Result<Option<(i64, String)>, Error> {
        let reads = |task: &&Task| task.reads.iter().any(|topic| **topic == *tp.topic);
        let mut oldest = None::<(i64, String)>;
        for task in self.environment.context.plan.tasks.iter().filter(reads) {
            let offset = self.of_task(task, tp)?;
            if oldest.as_ref().is_none_or(|(least, _)| offset < *least) {
                oldest = Some((offset, task.group_id.clone()));
            }
        }
        Ok(oldest)
    }

    fn of_task(&self, task: &Task, tp: &TopicPartition) -> Result<i64, Error> {
        let committed = self.environment.context.log.committed(&task.group_id, std::slice::from_ref(tp))?;
        let Some(committed) = committed.into_iter().next().flatten().filter(|committed| committed.offset > 0) else {
            return Ok(0);
        };
        match task.service {
            // All their state is in the commit.
            Service::Validator | Service::Trainer | Service::Archiver => Ok(committed.offset),
            Service::Featurizer | Service::Scorer | Service::Monitor => {
                let Some(layout) = self.layout(task, tp, &committed)? else { return Ok(0) };
                let (group, log, partition) = (task.group_id.clone(), tp.topic.to_string(), tp.partition);
                let owner = Owner { group, log, partition };
                let needed = self.vault.needed(&owner, committed.offset, &layout);
                let needed = needed.map_err(|error| Error::Failed(error.to_string()))?;
                Ok(needed.unwrap_or(0).min(committed.offset))
            }
        }
    }

    fn layout(&self, task: &Task, tp: &TopicPartition, committed: &Committed) -> Result<Option<String>, Error> {
        let key = (task.group_id.clone(), tp.topic.to_string());
        if let Some(known) = self.layouts.borrow().get(&key) {
            return Ok(known.clone());
        }
        let found = layout(self.environment, task, tp, committed)?;
        self.layouts.borrow_mut().insert(key, found.clone());
        Ok(found)
    }
}
