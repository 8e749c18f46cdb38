//! The old generation, when everything has gone through: the state of every task that is handed over.

use std::collections::BTreeMap;

use flow::fence::Control;
use flow::handover::Old;
use flow::ledger::Sample;
use flow::plan::{Kind, Service, Task};
use flow::snapshot::Blob;
use runtime::ledger::Follower;
use runtime::log::TopicPartition;
use runtime::repartition::{Captured, capture, validated};
use runtime::snapshot::Vault;
use scorer::History;
use serde_json::Value;

use crate::commands::repair;
use crate::environment::Environment;
use crate::error::Error;

/// Services whose tasks have state that goes by partitions of internal logs.
const STATEFUL: [Service; 3] = [Service::Featurizer, Service::Scorer, Service::Monitor];

/// What was found.
pub struct Captures {
    /// Every task with the states of its partitions.
    pub tasks: Vec<(Task, Vec<Captured>)>,
    /// What the scorers go by; nothing where there are none.
    pub control: Control,
    /// What the ledger says.
    pub sample: Sample,
}

impl Captures {
    /// Puts every task into the state of its commit.
    pub fn take(old: &Environment) -> Result<Self, Error> {
        let context = &old.context;
        check_promotions(old)?;
        let vault = Vault::new(old.store.clone());
        let mut tasks = Vec::new();
        for task in context.plan.tasks.iter().filter(|task| STATEFUL.contains(&task.service)) {
            let mut service = repair::service(old, task)?;
            let mut captured = Vec::new();
            for topic in &task.reads {
                let tps: Vec<TopicPartition> = context.bounds(topic)?.into_iter().map(|(tp, ..)| tp).collect();
                for tp in tps {
                    old.signals.check()?;
                    captured.push(capture(context, &mut *service, (task.group_id.as_str(), &tp), &vault)?);
                }
            }
            tasks.push((task.clone(), captured));
        }
        let scorers = tasks.iter().find(|(task, _)| task.service == Service::Scorer);
        let control = scorers.map(|(_, captured)| scorer::handover::control(&states(captured))).transpose();
        let control = control.map_err(|error| Error::Input(format!("the scorer cannot be handed over: {error}")))?;
        let control = control.unwrap_or_default();
        let sample = Follower::open(context)?.sample()?.clone();
        Ok(Self { tasks, control, sample })
    }
}

/// An item of a validator that was taken: the source partition, the log's partition, and its number.
pub struct Taken {
    source: (String, u16),
    log: (String, i32),
    number: i64,
}

impl Captures {
    /// The last items of validators that were taken.
    pub fn taken(&self, old: &Environment) -> Result<Vec<Taken>, Error> {
        let is_log = |topic: &str| old.context.plan.topic(topic).is_some_and(|topic| topic.kind == Kind::Log);
        let mut all = Vec::new();
        for Captured { owner, blob, .. } in self.tasks.iter().flat_map(|(_, captured)| captured) {
            let header = Blob::<Value>::header(blob).map_err(|error| Error::Failed(format!("{owner}: {error}")))?;
            let taken = header.state.taken.into_iter().filter(|(topic, ..)| !is_log(topic));
            all.extend(taken.map(|(topic, partition, number, _)| Taken {
                source: (topic, partition),
                log: (owner.log.clone(), owner.partition),
                number,
            }));
        }
        Ok(all)
    }
}

/// Whether validators have committed everything that was taken of them. One that was killed may not have: in the old
/// generation it would write it again under the same numbers, and in the new one under others.
pub fn are_committed(old: &Environment, taken: &[Taken]) -> Result<bool, Error> {
    let (context, vault) = (&old.context, Vault::new(old.store.clone()));
    let mut written: BTreeMap<(String, u16), BTreeMap<String, Vec<i64>>> = BTreeMap::new();
    for (tp, digest) in sources(old)? {
        if let Some((_, state)) = validated(context, &tp, &digest, &vault)? {
            written.insert((tp.topic.to_string(), tp.partition as u16), state.out);
        }
    }
    let is_committed = |Taken { source, log: (log, partition), number }: &Taken| {
        let numbers = written.get(source).and_then(|out| out.get(log));
        numbers.and_then(|numbers| numbers.get(*partition as usize)).is_some_and(|committed| committed >= number)
    };
    Ok(taken.iter().all(is_committed))
}

/// What validators read, each partition with the digest of their state.
pub fn sources(environment: &Environment) -> Result<Vec<(TopicPartition, String)>, Error> {
    let context = &environment.context;
    let mut tps = Vec::new();
    for task in context.plan.tasks_of(Service::Validator) {
        for topic in &task.reads {
            tps.extend(context.bounds(topic)?.into_iter().map(|(tp, ..)| tp));
        }
    }
    let fresh = validator::fresh(context, &environment.decisions, &tps)?;
    Ok(tps.into_iter().zip(fresh).map(|(tp, fresh)| (tp, fresh.digest)).collect())
}

/// States as tasks are handed over.
pub fn states(captured: &[Captured]) -> Vec<Old<'_>> {
    captured.iter().map(|one| Old { blob: &one.blob, entries: &one.entries }).collect()
}

/// Every promotion passed or was withdrawn.
pub fn check_decided(old: &Environment) -> Result<(), Error> {
    match old.context.pipeline.models.is_empty() || History::of(&old.context, &old.decisions)?.is_decided()? {
        true => Ok(()),
        false => Err(Error::Input("a promotion is not decided yet; promote again, then repartition".to_owned())),
    }
}

/// No promotion is half done: the new logs begin with what all scorers go by.
fn check_promotions(old: &Environment) -> Result<(), Error> {
    let (context, decisions) = (&old.context, &old.decisions);
    if context.pipeline.models.is_empty() {
        return Ok(());
    }
    check_decided(old)?;
    let history = History::of(context, decisions)?;
    let passed = history.passed()?.map_or(0, |passed| passed.number);
    match passed == 0 || scorer::complete(context, decisions, passed)? {
        true => Ok(()),
        false => Err(Error::Input(format!(
            "the fence {passed} of the last promotion is not in all partitions of {}; run the scorer, which finishes it",
            history.log()
        ))),
    }
}
