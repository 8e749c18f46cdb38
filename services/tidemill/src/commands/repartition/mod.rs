//! `tidemill repartition`: another number of partitions for the internal logs, as a new generation that takes over the
//! state of the old one. The steps are in the order of [`run`]; until the last one nothing of the old generation changes.

mod idle;
mod new;
mod old;

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use flow::ledger::{Judge, State, edges};
use flow::plan::{Kind, Service, Task};
use registry::generations::{Fate, Generations, Wish};
use runtime::failpoint::{self, COMPLETE, CREATED, IN_FORCE, WISHED};
use runtime::ledger::Follower;
use runtime::log::TopicPartition;
use serde_json::json;

use crate::cli::Global;
use crate::cli::repartition::Repartition;
use crate::commands::run::check_applied;
use crate::environment::Environment;
use crate::error::Error;
use crate::output::{Output, note};
use crate::services::Job;
use crate::{rehearsal, services, supervisor};
use old::{Captures, Taken};

/// Services that read internal logs and are run until all is through; an archiver, too, where there was one.
const DRAINED: [&str; 3] = ["featurizer", "scorer", "monitor"];
const ARCHIVER: &str = "archiver";
const VALIDATOR: &str = "validator";
/// Time between two looks at what validators have committed.
const LOOK_MS: u64 = 200;

pub fn run(global: &Global, output: Output, options: &Repartition) -> Result<(), Error> {
    rehearsal::arm()?;
    let old = Environment::existing(global)?;
    if let Some(remote) = &old.remote {
        return Err(Error::Outside(format!(
            "the log is open in another process, whose gateway is {}; stop that one with Ctrl-C, call this again, and start it after that (only on Kafka do services make way by themselves)",
            remote.address()
        )));
    }
    let generations = old.generations();
    let Some(partitions) = options.partitions else { return withdraw(&generations, output) };
    let wish = Wish { from: old.context.plan.generation, partitions };
    check_wish(&old, &generations, wish)?;
    check_applied(&old)?;
    // What would end it is told before anybody makes way for it.
    old::check_decided(&old)?;
    check_ledger(&old)?;
    let (number, first) = generations.wish(wish)?;
    if first != wish {
        return Err(under_way(first));
    }
    failpoint::pass(WISHED, &old.context.pipeline.name);
    let new = old.with_generation(generations.over(number, wish)?);
    let tasks = take_over((&old, &new), &generations, (number, wish), options.wait).inspect_err(|_| {
        note("services wait meanwhile; call this again, or give it up by `tidemill repartition --withdraw`");
    })?;
    failpoint::pass(IN_FORCE, &old.context.pipeline.name);
    let plan = &new.context.plan;
    let next = if old.can_make_way() { "services that wait go on" } else { "start the services" };
    output.show(
        || {
            format!(
                "the logs of {} have {partitions} partitions now, in generation {number}; {tasks} tasks go on where those of generation {} stopped\n{next}, then `tidemill ledger verify`; the logs of generation {} are not needed any more",
                plan.pipeline, wish.from, wish.from
            )
        },
        || json!({ "pipeline": plan.pipeline, "generation": number, "partitions": partitions, "tasks": tasks }),
    )
}

/// Everything from the wish to the new generation; gives the number of its tasks.
///
/// Once the wish is recorded no task is begun: services look before they start, and each time a group gives them
/// partitions. So those who are in a group now are all that may still work, and when they have left, nobody does.
fn take_over(
    (old, new): (&Environment, &Environment),
    generations: &Generations,
    (number, wish): (u32, Wish),
    longest: Duration,
) -> Result<usize, Error> {
    idle::wait(old, longest)?;
    let (commits, captured) = settle(old)?;
    check_ledger(old)?;
    let heads = new::create(old, new, &captured)?;
    failpoint::pass(CREATED, &old.context.pipeline.name);
    let tasks = new::begin((old, new), captured, heads, longest)?;
    failpoint::pass(COMPLETE, &old.context.pipeline.name);
    idle::wait(old, longest)?;
    check_drained(old)?;
    if self::commits(old)? != commits {
        return Err(Error::Outside("services have worked meanwhile; stop them, and call this again".to_owned()));
    }
    let taken = Fate::TakenOver { from: wish.from, partitions: wish.partitions };
    if generations.settle(number, &taken)? != taken {
        return Err(Error::Input(format!("somebody withdrew generation {number} meanwhile; nothing has changed")));
    }
    Ok(tasks)
}

/// Gives up what is on its way.
fn withdraw(generations: &Generations, output: Output) -> Result<(), Error> {
    let Some((number, wish)) = generations.pending()? else {
        return Err(Error::Input("no repartition is under way; one that is complete cannot be withdrawn".to_owned()));
    };
    if generations.settle(number, &Fate::Withdrawn)? != Fate::Withdrawn {
        return Err(Error::Input(format!("generation {number} is in force already, and cannot be withdrawn")));
    }
    output.show(
        || {
            format!(
                "generation {number} with {} partitions is withdrawn; services go on in generation {}",
                wish.partitions, wish.from
            )
        },
        || json!({ "withdrawn": number, "generation": wish.from }),
    )
}

fn under_way(wish: Wish) -> Error {
    Error::Input(format!(
        "a repartition to {0} partitions is under way; go on with it by `--partitions {0}`, or end it by `--withdraw`",
        wish.partitions
    ))
}

/// Whether there is anything to do.
fn check_wish(old: &Environment, generations: &Generations, wish: Wish) -> Result<(), Error> {
    if let Some((_, pending)) = generations.pending()? {
        return if pending == wish { Ok(()) } else { Err(under_way(pending)) };
    }
    let plan = &old.context.plan;
    let partitions = plan.topics.iter().find(|topic| topic.kind == Kind::Log).map(|topic| topic.partitions);
    if partitions == Some(wish.partitions) {
        let (count, generation) = (wish.partitions, plan.generation);
        return Err(Error::Input(format!("the logs have {count} partitions already, in generation {generation}")));
    }
    Ok(())
}

/// Lets everything go through that validators have written, and takes it as it is then.
fn settle(old: &Environment) -> Result<(Vec<Option<i64>>, Captures), Error> {
    drain(old)?;
    let before = commits(old)?;
    let captured = Captures::take(old)?;
    let taken = captured.taken(old)?;
    if old::are_committed(old, &taken)? {
        return Ok((before, captured));
    }
    note("validators were killed before they had committed what they wrote; they do it once more");
    validate(old, taken)?;
    drain(old)?;
    let before = commits(old)?;
    let captured = Captures::take(old)?;
    match old::are_committed(old, &captured.taken(old)?)? {
        true => Ok((before, captured)),
        false => Err(Error::Failed("validators have not committed what they wrote; call this again".to_owned())),
    }
}

/// Runs all services until validators have committed what was taken of them.
fn validate(old: &Environment, taken: Vec<Taken>) -> Result<(), Error> {
    let names: Vec<String> = [VALIDATOR].iter().chain(&drained_by(old)?).map(|name| (*name).to_owned()).collect();
    let mut jobs = services::jobs(old, &names)?;
    // The job that ends first ends all others.
    let watched = old.clone();
    jobs.push(Job {
        name: "commits of validators".to_owned(),
        stats: None,
        reads: Vec::new(),
        finite: false,
        run: Box::new(move |stop| {
            while !stop.load(Ordering::Relaxed) && !old::are_committed(&watched, &taken)? {
                thread::sleep(Duration::from_millis(LOOK_MS));
            }
            Ok(())
        }),
    });
    supervisor::run(old, jobs, false)?;
    old.signals.go_on()?;
    Ok(())
}

/// Runs all services but the validators until they have read everything.
fn drain(old: &Environment) -> Result<(), Error> {
    let names: Vec<String> = drained_by(old)?.into_iter().map(str::to_owned).collect();
    if check_drained(old).is_ok() {
        return Ok(());
    }
    note("what was validated goes through first");
    // Without validators nothing waits for quiet sources.
    let environment = Environment {
        idle_timeout: Duration::ZERO,
        archive_interval: super::up::DRAIN_ARCHIVE_INTERVAL,
        ..old.clone()
    };
    let mut jobs = services::jobs(&environment, &names)?;
    // Sources may go on for ever.
    let is_ours = |topic: &String| old.context.plan.topic(topic).is_some_and(|topic| is_handed_over(topic.kind));
    jobs.iter_mut().flat_map(|job| &mut job.reads).for_each(|(_, topics)| topics.retain(is_ours));
    supervisor::run(&environment, jobs, true)?;
    old.signals.go_on()?;
    check_drained(old)
}

/// The services that must have read everything.
fn drained_by(old: &Environment) -> Result<Vec<&'static str>, Error> {
    let context = &old.context;
    let mut names = DRAINED.to_vec();
    let log = &context.plan.names.features_log;
    let tps: Vec<TopicPartition> = context.bounds(log)?.into_iter().map(|(tp, ..)| tp).collect();
    let archived = context.log.committed(&archiver::group(context), &tps)?;
    if archived.iter().flatten().any(|committed| committed.offset > 0) {
        names.push(ARCHIVER);
    }
    Ok(names)
}

/// Whether a topic of the old generation ends with it.
fn is_handed_over(kind: Kind) -> bool {
    matches!(kind, Kind::Log | Kind::Sketches)
}

/// All that read internal logs stand at their ends.
fn check_drained(old: &Environment) -> Result<(), Error> {
    let context = &old.context;
    let names = drained_by(old)?;
    for task in context.plan.tasks.iter().filter(|task| names.contains(&task.service.name())) {
        let is_ours = |topic: &&String| context.plan.topic(topic).is_some_and(|topic| is_handed_over(topic.kind));
        let logs = task.reads.iter().filter(is_ours);
        for topic in logs {
            let bounds = context.bounds(topic)?;
            let tps: Vec<TopicPartition> = bounds.iter().map(|(tp, ..)| tp.clone()).collect();
            let committed = context.log.committed(&task.group_id, &tps)?;
            for ((tp, start, end), committed) in bounds.iter().zip(committed) {
                let offset = committed.map_or(*start, |committed| committed.offset);
                if offset < *end {
                    let group = &task.group_id;
                    return Err(Error::Outside(format!(
                        "{group} has read {tp} up to {offset}, and it ends at {end}; somebody still writes to it"
                    )));
                }
            }
        }
    }
    Ok(())
}

/// What all tasks have committed whose state is handed over, and all validators.
fn commits(old: &Environment) -> Result<Vec<Option<i64>>, Error> {
    let context = &old.context;
    let mut offsets = Vec::new();
    let is_meant = |task: &&Task| !matches!(task.service, Service::Trainer | Service::Archiver);
    for task in context.plan.tasks.iter().filter(is_meant) {
        for topic in &task.reads {
            let tps: Vec<TopicPartition> = context.bounds(topic)?.into_iter().map(|(tp, ..)| tp).collect();
            let committed = context.log.committed(&task.group_id, &tps)?;
            offsets.extend(committed.into_iter().map(|committed| committed.map(|committed| committed.offset)));
        }
    }
    Ok(offsets)
}

/// Nothing was lost or doubled so far: what is handed over would never come right again.
fn check_ledger(old: &Environment) -> Result<(), Error> {
    let context = &old.context;
    let mut follower = Follower::open(context)?;
    let mut judge = Judge::new(edges(&context.plan));
    let mut standings = Vec::new();
    for _ in 0..=judge.edges().len() + 1 {
        standings = judge.judge(follower.sample()?.clone());
    }
    match standings.iter().find(|standing| standing.state == State::Differs) {
        None => Ok(()),
        Some(standing) => {
            let edge = &judge.edges()[standing.edge];
            let (topic, partition, bucket) = &standing.bucket;
            Err(Error::Differs(format!(
                "the ledger's sides differ on {} -> {} for bucket {bucket} of {topic}/{partition}; `tidemill ledger verify` says more",
                edge.from, edge.to
            )))
        }
    }
}
