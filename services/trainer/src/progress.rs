//! How far what was published has come on its way into the archive.

use crate::Error;
use flow::plan::{Plan, Service, Task};
use offline::archive::Archive;
use registry::store::Store;
use runtime::context::Context;
use runtime::log::{Log, TopicPartition};
use std::collections::VecDeque;

/// Partitions with the positions to be reached.
type Ends = Vec<(TopicPartition, i64)>;

/// What somebody waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// The consumer group, or the archive.
    pub who: String,
    /// The group of the service that takes them.
    pub group: String,
    /// Records that it has still to take.
    pub records: i64,
}

/// A station of the way: a group that reads topics, or the archive of topics.
struct Station {
    group: Option<String>,
    topics: Vec<String>,
    /// Where its topics ended when everybody before it was done.
    ends: Option<Ends>,
}

/// Watches the way station by station. Ends are noted once a station's turn comes, so it ends while others publish.
pub struct Progress {
    context: Context,
    archive: Archive,
    stations: VecDeque<Station>,
}

impl Progress {
    /// From the sources on: validator, journal, stages, archive.
    pub fn from_sources(context: &Context, store: &Store) -> Self {
        let mut watched = Self::from_logs(context, store);
        let plan = &context.plan;
        let mut tasks: Vec<&Task> =
            plan.tasks_of(Service::Validator).chain(plan.tasks_of(Service::Featurizer)).collect();
        // The journal sends labelled events to the stages' logs, so it comes before them.
        tasks.sort_by_key(|task| rank(plan, task));
        let station =
            |task: &Task| Station { group: Some(task.group_id.clone()), topics: task.reads.clone(), ends: None };
        tasks.into_iter().rev().for_each(|task| watched.stations.push_front(station(task)));
        watched
    }

    /// Only into the archive: features and outcomes, which datasets are made of.
    pub fn from_logs(context: &Context, store: &Store) -> Self {
        let names = &context.plan.names;
        let topics = vec![names.features_log.clone(), names.outcomes.clone()];
        let stations = VecDeque::from([Station { group: None, topics, ends: None }]);
        Progress { context: context.clone(), archive: Archive::new(store.clone()), stations }
    }

    /// Whom everything waits for now; none once all is archived.
    pub fn look(&mut self) -> Result<Option<Behind>, Error> {
        while let Some(station) = self.stations.front_mut() {
            let ends = match &station.ends {
                Some(ends) => ends,
                None => station.ends.insert(ends(&self.context, &station.topics)?),
            };
            let records = match &station.group {
                Some(group) => uncommitted(&*self.context.log, group, ends)?,
                None => unarchived(&self.archive, ends)?,
            };
            if records > 0 {
                let who = station.group.clone().unwrap_or_else(|| "the archive".to_owned());
                let group = station.group.clone().unwrap_or_else(|| self.context.plan.group(Service::Archiver));
                return Ok(Some(Behind { who, group, records }));
            }
            self.stations.pop_front();
        }
        Ok(None)
    }
}

fn rank(plan: &Plan, task: &Task) -> u8 {
    match task.service {
        Service::Validator => 0,
        _ if task.reads.contains(&plan.names.journal_log) => 1,
        _ => 2,
    }
}

fn ends(context: &Context, topics: &[String]) -> Result<Ends, Error> {
    let mut ends = Vec::new();
    for topic in topics {
        let filled = context.bounds(topic)?.into_iter().filter(|(_, start, end)| end > start);
        ends.extend(filled.map(|(tp, _, end)| (tp, end)));
    }
    Ok(ends)
}

fn uncommitted(log: &dyn Log, group: &str, ends: &Ends) -> Result<i64, Error> {
    let tps: Vec<TopicPartition> = ends.iter().map(|(tp, _)| tp.clone()).collect();
    let committed = log.committed(group, &tps)?;
    let left = ends.iter().zip(committed).map(|((_, end), at)| (end - at.map_or(0, |at| at.offset)).max(0));
    Ok(left.sum())
}

/// Only the last file of each partition is looked at.
fn unarchived(archive: &Archive, ends: &Ends) -> Result<i64, Error> {
    let mut left = 0;
    for (tp, end) in ends {
        let archived = match archive.partitions(&tp.topic)?.contains(&tp.partition) {
            true => archive.writer(&tp.topic, tp.partition, 0)?.archived(),
            false => 0,
        };
        left += (end - archived).max(0);
    }
    Ok(left)
}
