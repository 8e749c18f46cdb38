//! The new generation: its logs with what they begin with, its tasks with snapshots and commits, its validators.

use std::collections::BTreeMap;
use std::time::Duration;

use drift::handover::Count;
use flow::fence::Control;
use flow::handover::{Begin, Handover, Held, Laid, New, lay_out};
use flow::plan::{Kind, Service, Task};
use flow::snapshot::Error as StateError;
use flow::state::Taken;
use registry::control::ControlLog;
use runtime::apply::{apply_with, parents, patiently};
use runtime::context::Context;
use runtime::failpoint::{self, BEGUN};
use runtime::log::{Input, Publish, SessionOptions, TopicPartition};
use runtime::repartition::{self, Captured, Source, carry_rows, held, validators, write_heads};
use runtime::snapshot::{Vault, Writer};

use super::idle::set_committed;
use super::old::{self, Captures, states};
use crate::commands::repair;
use crate::environment::Environment;
use crate::error::Error;

/// Numbers that a task has in its targets, by topic.
type Numbers = BTreeMap<String, Vec<i64>>;

/// What the new logs begin with.
pub struct Heads {
    /// What logs of the old generation are called in the new one.
    renamed: BTreeMap<String, String>,
    /// By new log: held items and the end of each partition.
    logs: BTreeMap<String, Vec<(Laid, i64)>>,
    /// What was written as if by a task, by what it reads.
    numbers: BTreeMap<(String, u16), Numbers>,
}

/// Makes topics, first fences and heads.
pub fn create(old: &Environment, new: &Environment, captures: &Captures) -> Result<Heads, Error> {
    let (before, after) = (&old.context, &new.context);
    let pairs = before.plan.topics.iter().zip(&after.plan.topics);
    let renamed: BTreeMap<String, String> = pairs
        .filter(|(old, new)| old.name != new.name)
        .map(|(old, new)| (old.name.clone(), new.name.clone()))
        .collect();
    let handed_over = Some(before.plan.generation);
    apply_with(after, |log| match log == after.plan.names.features_log {
        true => Control { handed_over, ..captures.control.clone() },
        false => Control { handed_over, ..Control::default() },
    })?;
    let mut heads = Heads { renamed, logs: BTreeMap::new(), numbers: BTreeMap::new() };
    for topic in before.plan.topics.iter().filter(|topic| topic.kind == Kind::Log) {
        let mut found: Vec<Held> = Vec::new();
        for (_, captured) in captures.tasks.iter().filter(|(task, _)| task.reads.contains(&topic.name)) {
            found.extend(held(before, captured)?);
        }
        heads.write(after, &topic.name, found)?;
    }
    Ok(heads)
}

impl Heads {
    fn write(&mut self, after: &Context, old_log: &str, held: Vec<Held>) -> Result<(), Error> {
        let log = self.renamed.get(old_log).map_or(old_log, String::as_str).to_owned();
        let partitions = after.topic(&log)?.partitions;
        let topics = &after.plan.topics;
        let is_source = |number: u16| topics.get(usize::from(number)).is_some_and(|topic| topic.kind != Kind::Log);
        let mut laid = lay_out(held, partitions, is_source).map_err(repartition::Error::from)?;
        let ends = write_heads(after, &log, &mut laid)?;
        for (partition, laid) in laid.iter().enumerate() {
            for (parent, number, _) in &laid.taken {
                let parent = (after.names.topic(parent.topic).to_string(), parent.partition);
                let numbers = self.numbers.entry(parent).or_default().entry(log.clone());
                numbers.or_insert_with(|| vec![0; partitions as usize])[partition] = *number;
            }
        }
        self.logs.insert(log, laid.into_iter().zip(ends).collect());
        Ok(())
    }

    /// How the partitions of a task's log begin for it.
    fn begins(&self, after: &Context, task: &Task, log: &str, holds: bool) -> Vec<Begin> {
        let laid = self.logs.get(log).into_iter().flatten().enumerate();
        let begin = |(partition, (laid, position)): (usize, &(Laid, i64))| {
            let taken = laid.taken.iter().map(|(parent, number, trigger)| -> Taken {
                (after.names.topic(parent.topic).to_string(), parent.partition, *number, *trigger)
            });
            let out = self.numbers.get(&(log.to_owned(), partition as u16)).into_iter().flatten();
            let own = out.filter(|(topic, _)| task.writes.contains(topic));
            Begin {
                position: *position,
                taken: taken.collect(),
                held: if holds { laid.spots.clone() } else { Vec::new() },
                out: own.map(|(topic, numbers)| (topic.clone(), numbers.clone())).collect(),
            }
        };
        laid.map(begin).collect()
    }
}

/// Gives every new task its first snapshot and its commit, and says how many there are.
pub fn begin(
    (old, new): (&Environment, &Environment),
    captures: Captures,
    heads: Heads,
    longest: Duration,
) -> Result<usize, Error> {
    let (before, after) = (&old.context, &new.context);
    let vault = Vault::new(new.store.clone());
    let writer = Writer::in_turn(vault.clone());
    let mut tasks = 0;
    for (task, captured) in &captures.tasks {
        let same = |other: &&Task| (other.service, &other.name) == (task.service, &task.name);
        let own = after.plan.tasks.iter().find(same);
        let own = own.ok_or_else(|| Error::Failed(format!("the new plan has no task {}", task.group_id)))?;
        let states = handed_over((before, after), (task, own), captured, &heads)?;
        let mut service = repair::service(new, own)?;
        let mut commits = Vec::with_capacity(states.len());
        for (tp, position, state) in states {
            new.signals.check()?;
            commits.push(repartition::begin(&mut *service, (own.group_id.as_str(), &tp), (position, state), &writer)?);
        }
        set_committed(new, (&own.group_id, &commits), longest)?;
        tasks += commits.len();
        failpoint::pass(BEGUN, &own.group_id);
    }
    let features_log = &after.plan.names.features_log;
    let control = Control { parents: parents(after, features_log)?, ..captures.control };
    let history = ControlLog::new(new.decisions.clone(), &after.pipeline.name, features_log);
    history.propose(0, control).map_err(runtime::parents::Error::from)?;
    let sources = old::sources(old)?.into_iter();
    let (tps, digests): (Vec<_>, Vec<_>) = sources.unzip();
    let fresh = validator::fresh(after, &new.decisions, &tps)?;
    let sources = tps.into_iter().zip(digests).zip(fresh).map(|((tp, digest), fresh)| {
        let numbers = heads.numbers.get(&(tp.topic.to_string(), tp.partition as u16));
        Source { tp, digest, fresh, numbers: numbers.cloned().unwrap_or_default() }
    });
    let commits = validators(before, after, sources.collect(), &vault)?;
    set_committed(new, (&after.plan.group(Service::Validator), &commits), longest)?;
    carry_rows(before, after, &heads.renamed, &captures.sample)?;
    Ok(tasks + commits.len())
}

/// The states of a task in the new partitions of its log, with the offsets at which it begins.
fn handed_over(
    (before, after): (&Context, &Context),
    (task, own): (&Task, &Task),
    captured: &[Captured],
    heads: &Heads,
) -> Result<Vec<(TopicPartition, i64, New)>, Error> {
    let states = states(captured);
    let refused = |source: StateError| Error::Failed(format!("{} cannot be handed over: {source}", task.group_id));
    let log = own.reads.first().ok_or_else(|| Error::Failed(format!("{} reads nothing", own.group_id)))?;
    let tp = |partition: usize| TopicPartition::new(log.as_str(), partition as i32);
    if *log == after.plan.names.sketches {
        return judge((before, after), captured);
    }
    let holds = captured.iter().any(|one| {
        let header = flow::snapshot::Blob::<serde_json::Value>::header(&one.blob);
        header.is_ok_and(|header| header.held.is_some())
    });
    let begins = heads.begins(after, own, log, holds);
    let parents = parents(after, log)?;
    let to = Handover { parents: &parents, renamed: &heads.renamed, begins: &begins };
    let is_journal = *log == after.plan.names.journal_log;
    let new = match task.service {
        Service::Featurizer if is_journal => labels::hand_over(&states, &to),
        Service::Featurizer => features::stage::hand_over(&states, &to),
        Service::Scorer => scorer::handover::hand_over(&states, &to),
        _ if is_journal => drift::handover::scores(&states, &to, after.number(&after.plan.names.features_log)?),
        _ => drift::handover::inputs(&states, &to),
    };
    let new = new.map_err(refused)?.into_iter().zip(&begins).enumerate();
    Ok(new.map(|(partition, (new, begin))| (tp(partition), begin.position, new)).collect())
}

/// The judge's state. Its topic begins with a record that tells it nothing new, so that its commit has an offset; a judge
/// that knows nothing begins by itself.
fn judge(
    (before, after): (&Context, &Context),
    captured: &[Captured],
) -> Result<Vec<(TopicPartition, i64, New)>, Error> {
    let refused = |source: StateError| Error::Failed(format!("the judge cannot be handed over: {source}"));
    let count = |old: &str, new: &str| -> Result<Count, Error> {
        Ok(Count { old: before.topic(old)?.partitions as u16, new: after.topic(new)?.partitions as u16 })
    };
    let [old, new] = [&before.plan.names, &after.plan.names];
    let features = count(&old.features_log, &new.features_log)?;
    let journal = count(&old.journal_log, &new.journal_log)?;
    let schema = schemas::arrow_schema(&after.schema(&new.sketches)?).map_err(runtime::context::Error::from)?;
    let states = states(captured);
    let Some(state) = states.first() else { return Ok(Vec::new()) };
    let Some(batch) = drift::handover::opening(state, features, &schema).map_err(refused)? else {
        return Ok(Vec::new());
    };
    let tp = TopicPartition::new(new.sketches.as_str(), 0);
    if patiently(|| after.log.watermarks(&tp))?.1 == 0 {
        let rows = after.encoder(&new.sketches)?.encode(&batch).map_err(runtime::context::Error::from)?;
        let mut session = after.log.session(SessionOptions {
            durable: true,
            ..SessionOptions::new(format!("{}.repartition", after.pipeline.name), Input::None)
        })?;
        for row in rows.iter() {
            session.publish(Publish::batch(tp.clone(), row))?;
        }
        session.flush()?;
        session.close()?;
    }
    let position = after.log.watermarks(&tp)?.1;
    let state = drift::handover::judge(state, features, journal, position).map_err(refused)?;
    Ok(vec![(tp, position, state)])
}
