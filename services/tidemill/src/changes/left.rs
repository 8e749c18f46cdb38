//! What a pipeline had and its file does not name any more. It stays until somebody removes it, topics with
//! `apply --delete-left-behind`.

use std::collections::BTreeSet;

use flow::plan::{LeftBehind, Plan, Service};
use registry::generations::Generation;
use runtime::log::TopicPartition;
use runtime::snapshot::Vault;

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
        Ok(Self { topics, tasks: tasks(environment, plan)? })
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

    /// Deletes topics.
    pub fn delete(environment: &Environment, topics: &[LeftTopic]) -> Result<(), Error> {
        let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
        Ok(environment.context.log.delete_topics(&names)?)
    }
}

fn tasks(environment: &Environment, plan: &Plan) -> Result<Vec<(String, String)>, Error> {
    let owners = Vault::new(environment.store.clone()).owners();
    let owners = owners.map_err(|error| Error::Failed(error.to_string()))?;
    let is_ours = |group: &str| group.strip_prefix(&*plan.pipeline).is_some_and(|rest| rest.starts_with('.'));
    let is_planned =
        |group: &str, log: &String| plan.tasks.iter().any(|task| task.group_id == group && task.reads.contains(log));
    let left = owners.into_iter().filter(|owner| is_ours(&owner.group) && !is_planned(&owner.group, &owner.log));
    let left: BTreeSet<(String, String)> = left.map(|owner| (owner.group, owner.log)).collect();
    Ok(left.into_iter().collect())
}
