//! One simulated history: run it, let it drain, and compare what came out.

use super::cluster::{Cluster, Wrap};
use super::contents::{Contents, Entry, recomputed, written};
use super::pipeline;
use super::schemas::Remembering;
use runtime::context::Context;
use runtime::simulated::{Faults, Simulated};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Sets of events and labels that histories draw from.
const INPUTS: u64 = 3;
/// How much happens before the faults stop.
const ACTS_MIN: u64 = 150;
const ACTS_SPREAD: u64 = 500;

/// What a history without any fault gives, by set of events.
pub struct Reference {
    base: Context,
    event_time: bool,
    contents: Vec<Contents>,
}

impl Reference {
    /// Runs the pipeline in peace.
    pub fn new(ordering: &str) -> Self {
        let pipeline = pipeline::pipeline(ordering);
        let plan = flow::plan::plan(&pipeline);
        let schemas = Arc::new(Remembering::default());
        let log = Arc::new(Simulated::new(0, Faults::none()));
        let base = Context::new(log, schemas, pipeline, plan);
        let mut reference = Reference { base, event_time: ordering == "event_time", contents: Vec::new() };
        for input in 0..INPUTS {
            let contents = reference.history(Faults::none(), 0, input, 0, |log, _| Arc::new(log)).unwrap();
            assert!(contents.values().map(Vec::len).sum::<usize>() > 200, "much comes out");
            reference.contents.push(contents);
        }
        reference
    }

    fn history(&self, faults: Faults, seed: u64, input: u64, acts: u64, wrap: Wrap) -> Result<Contents, String> {
        let log = Simulated::new(seed, faults);
        let mut cluster = Cluster::new(&self.base, log.clone(), seed, if acts == 0 { 1 } else { 2 }, wrap);
        cluster.publish(pipeline::records(&cluster.context, input));
        (0..acts).try_for_each(|_| cluster.act())?;
        cluster.drain()?;
        let contents = written(&cluster.context)?;
        same("what was written is what the task's log gives", &of_tasks(&contents), &recomputed(&cluster.context)?)?;
        Ok(contents)
    }

    /// Runs one history with faults, and says what is wrong with it.
    pub fn check(&self, seed: u64, wrap: Wrap) -> Result<(), String> {
        let (input, acts) = (seed % INPUTS, ACTS_MIN + seed * 7_919 % ACTS_SPREAD);
        let found = self.history(Faults::all(), seed, input, acts, wrap)?;
        let peaceful = &self.contents[input as usize];
        same("validators write the same whatever happens", &of_validators(&found), &of_validators(peaceful))?;
        if self.event_time {
            let [found, peaceful] = [&found, peaceful].map(|contents| untriggered(of_tasks(contents)));
            return same("order of arrival changes nothing", &found, &peaceful);
        }
        let [found, peaceful] = [&found, peaceful].map(ids);
        if found == peaceful { Ok(()) } else { Err(format!("other events came out: {found:?} and not {peaceful:?}")) }
    }
}

fn of_validators(contents: &Contents) -> Contents {
    contents
        .iter()
        .filter(|((_, parent), _)| parent.contains(".events."))
        .map(|(key, row)| (key.clone(), row.clone()))
        .collect()
}

fn of_tasks(contents: &Contents) -> Contents {
    contents
        .iter()
        .filter(|((_, parent), _)| parent.contains(".log."))
        .map(|(key, row)| (key.clone(), row.clone()))
        .collect()
}

/// Which position released something depends on the order of arrival.
fn untriggered(mut contents: Contents) -> Contents {
    contents.values_mut().flatten().for_each(|entry| entry.trigger.clear());
    contents
}

/// Ids of the events in each topic.
fn ids(contents: &Contents) -> BTreeMap<String, BTreeSet<String>> {
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for ((tp, _), entries) in contents {
        let id = |entry: &Entry| entry.text.split(" id=").nth(1)?.split(' ').next().map(str::to_owned);
        ids.entry(tp.topic.to_string()).or_default().extend(entries.iter().filter_map(id));
    }
    ids
}

fn same(what: &str, found: &Contents, expected: &Contents) -> Result<(), String> {
    let keys: BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    for key in keys {
        let [left, right] = [found, expected].map(|contents| contents.get(key).map_or(&[][..], Vec::as_slice));
        if let Some(at) = (0..left.len().max(right.len())).find(|at| left.get(*at) != right.get(*at)) {
            let (tp, parent) = key;
            let (left, right) = (left.get(at), right.get(at));
            return Err(format!("{what}: {tp}, output {at} of {parent} is\n  {left:?} and not\n  {right:?}"));
        }
    }
    Ok(())
}
