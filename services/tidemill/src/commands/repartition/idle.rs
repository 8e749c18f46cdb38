//! Waiting until nobody is in a group of the pipeline any more.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use runtime::log::{self, Commit};

use crate::environment::Environment;
use crate::error::Error;
use crate::output::note;

/// Time between two looks at the groups.
const LOOK: Duration = Duration::from_millis(500);

/// Waits until services have made way. They look for the wish once per second, commit, and leave; one that was killed or
/// sleeps is a member until its session is over.
pub fn wait(environment: &Environment, longest: Duration) -> Result<(), Error> {
    let since = Instant::now();
    let mut is_said = false;
    loop {
        let members = members(environment)?;
        if members.is_empty() {
            return Ok(());
        }
        if since.elapsed() >= longest {
            return Err(left(&members, longest));
        }
        if !is_said {
            note(&format!("services make way: {}", told(&members)));
            is_said = true;
        }
        thread::sleep(LOOK);
        if environment.signals.asked() {
            return Err(Error::Interrupted);
        }
    }
}

/// Sets what a group has committed. Somebody who wakes in it meanwhile leaves again.
pub fn set_committed(
    environment: &Environment,
    (group, commits): (&str, &[Commit]),
    longest: Duration,
) -> Result<(), Error> {
    match environment.context.log.set_committed(group, commits) {
        Err(log::Error::Occupied { .. }) => {
            wait(environment, longest)?;
            Ok(environment.context.log.set_committed(group, commits)?)
        }
        done => Ok(done?),
    }
}

/// Who is in the groups of the pipeline.
fn members(environment: &Environment) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let context = &environment.context;
    let mut all = BTreeMap::new();
    for task in &context.plan.tasks {
        let members = context.log.members(&task.group_id)?;
        if !members.is_empty() {
            all.insert(task.group_id.clone(), members);
        }
    }
    Ok(all)
}

fn told(members: &BTreeMap<String, Vec<String>>) -> String {
    let group = |(group, members): (&String, &Vec<String>)| format!("{group} has {}", members.join(" and "));
    members.iter().map(group).collect::<Vec<_>>().join("; ")
}

fn left(members: &BTreeMap<String, Vec<String>>, longest: Duration) -> Error {
    Error::Outside(format!(
        "services are at work after {} s: {}; stop them, or wait until the session of one that was killed or sleeps is over, and call this again",
        longest.as_secs(),
        told(members)
    ))
}
