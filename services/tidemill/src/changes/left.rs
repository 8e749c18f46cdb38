//! What a pipeline had and its file does not name any more: topics, and what tasks kept in the store. It stays until
//! somebody removes it with `apply --delete-left-behind`.

use std::collections::BTreeSet;

use flow::plan::{LeftBehind, Plan, Service};
use registry::generations::Generation;
use runtime::log::TopicPartition;
use runtime::snapshot::{Owner, Vault};

use crate::environment::{Environment, planned};
use crate::error::Error;

/// A topic that is left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftTopic {
    /// Its name.
    pub name: String,
    /// Why the pipeline does not need it.
    pub why: LeftBehind,
    /// How many records it has.
    pub records: i64,
}

/// What is left behind.
pub struct Left {
    /// Topics.
    pub topics: Vec<LeftTopic>,
    /// Tasks with snapshots in the store: group and log.
    pub tasks: Vec<(String, String)>,
    /// All that something is kept of, the notes that they have committed included.
    owners: Vec<Owner>,
}

impl Left {
    /// Looks at log and store.
    pub fn find(environment: &Environment) -> Result<Self, Error> {
        let (log, plan) = (&environment.context.log, &environment.context.plan);
        let mut topics = Vec::new();
        for name in log.topics()? {
            let Some(why) = plan.left_behind(&name) else { continue };
            let mut records = 0;
            for partition in 0..log.partitions(&name)?.unwrap_or(0) {
                let (start, end) = log.watermarks(&TopicPartition::new(name.as_str(), partition))?;
                records += end - start;
            }
            topics.push(LeftTopic { name, why, records });
        }
        let vault = Vault::new(environment.store.clone());
        let failed = |error: runtime::snapshot::Error| Error::Failed(error.to_string());
        let is_left = |owner: &Owner| is_left(plan, owner);
        let with_state: Vec<Owner> = vault.owners().map_err(failed)?.into_iter().filter(is_left).collect();
        let noted = vault.workers().map_err(failed)?.into_iter().filter(is_left);
        let tasks: BTreeSet<(String, String)> =
            with_state.iter().map(|owner| (owner.group.clone(), owner.log.clone())).collect();
        let owners: BTreeSet<Owner> = with_state.into_iter().chain(noted).collect();
        Ok(Self { topics, tasks: tasks.into_iter().collect(), owners: owners.into_iter().collect() })
    }

    /// An error while anybody works in an older generation, or with what the file does not name any more.
    pub fn check_unused(&self, environment: &Environment) -> Result<(), Error> {
        environment.check_generation()?;
        let pipeline = &environment.context.pipeline;
        let mut groups: BTreeSet<String> = self.tasks.iter().map(|(group, _)| group.clone()).collect();
        // Groups that go on under the same name in the next generation say nothing.
        groups.retain(|group| environment.context.plan.tasks.iter().all(|task| task.group_id != *group));
        for topic in &self.topics {
            if let LeftBehind::Generation(number) = topic.why {
                let older = planned(pipeline, Generation::rebuilt(number, None));
                groups.extend(older.tasks_of(Service::Validator).map(|task| task.group_id.clone()));
            }
        }
        for group in groups {
            let members = environment.context.log.members(&group)?;
            if !members.is_empty() {
                let members = members.join(", ");
                return Err(runtime::log::Error::Occupied { group, members }.into());
            }
        }
        Ok(())
    }

    /// Deletes topics, then what their tasks kept: a topic that is made again under such a name begins with nothing.
    pub fn delete(&self, environment: &Environment) -> Result<(), Error> {
        let names: Vec<&str> = self.topics.iter().map(|topic| topic.name.as_str()).collect();
        environment.context.log.delete_topics(&names)?;
        let vault = Vault::new(environment.store.clone());
        let removed = self.owners.iter().try_for_each(|owner| vault.remove(owner));
        removed.map_err(|error| Error::Failed(error.to_string()))
    }
}

/// Whether this is a task of the pipeline that is not planned any more. What a later generation has is not left behind.
fn is_left(plan: &Plan, owner: &Owner) -> bool {
    let Owner { group, log, .. } = owner;
    let is_ours = group.strip_prefix(&*plan.pipeline).is_some_and(|rest| rest.starts_with('.'));
    let is_planned = plan.tasks.iter().any(|task| task.group_id == *group && task.reads.contains(log));
    is_ours && !is_planned && !plan.is_later(log)
}
