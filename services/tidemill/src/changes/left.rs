//! What a pipeline had and its file does not name any more. It stays until somebody removes it.

use std::collections::BTreeSet;

use flow::plan::{LeftBehind, Plan};
use runtime::log::TopicPartition;
use runtime::snapshot::Vault;

use crate::environment::Environment;
use crate::error::Error;

/// What is left behind.
pub struct Left {
    /// Topics, each with why and how many records.
    pub topics: Vec<(String, LeftBehind, i64)>,
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
            topics.push((name, why, records));
        }
        Ok(Self { topics, tasks: tasks(environment, plan)? })
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
