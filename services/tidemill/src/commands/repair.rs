//! `tidemill repair`: offsets and state that consumer groups lost are made anew from what tasks wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use featurizer::Featurizer;
use flow::ledger::Sample;
use flow::names::Place;
use flow::plan::{Service as Role, Task};
use flow::state::TaskState;
use runtime::ledger::Follower;
use runtime::log::{Committed, TopicPartition};
use runtime::repair::{self, Found, Harm, Repair, Subject, Wanted};
use runtime::shell::Service;
use runtime::snapshot::{Owner, Vault};
use scorer::{RegistryFences, RegistryModels, Scorer};
use serde_json::{Value, json};

use crate::cli::{Global, repair as args};
use crate::environment::Environment;
use crate::error::Error;
use crate::output::{Output, table};

/// Services whose commits carry state. The archiver's say nothing that its files do not say, too.
const ROLES: [Role; 4] = [Role::Validator, Role::Featurizer, Role::Scorer, Role::Monitor];

/// A task that is looked at.
struct Chosen<'a> {
    task: &'a Task,
    subject: Subject,
    committed: Option<Committed>,
    /// What its commit carries where it has read nothing; for validators.
    fresh: Option<TaskState>,
    harm: Option<Harm>,
}

/// A task with its new commit.
struct Mended {
    subject: Subject,
    harm: Option<Harm>,
    repair: Repair,
    before: Option<i64>,
}

pub fn run(global: &Global, output: Output, options: &args::Repair) -> Result<(), Error> {
    let environment = Environment::existing(global)?;
    if environment.remote.is_some() {
        return Err(Error::Outside("another process has the log and runs services; stop it, then repair".to_owned()));
    }
    let sample = Follower::open(&environment.context)?.sample()?.clone();
    let all = chosen(&environment, options)?;
    let looked_at = all.len();
    let mut harmed = Vec::new();
    for chosen in all {
        if options.anyway || is_harmed(&environment, &sample, &chosen)? {
            harmed.push(chosen);
        }
    }
    check_from(options, &harmed)?;
    let groups: BTreeSet<&String> = harmed.iter().map(|chosen| &chosen.subject.group).collect();
    for group in groups {
        let members = environment.context.log.members(group)?;
        if !members.is_empty() {
            let (group, members) = (group.clone(), members.join(", "));
            return Err(runtime::log::Error::Occupied { group, members }.into());
        }
    }
    let mended = mend(&environment, &sample, harmed, options)?;
    environment.signals.check()?;
    if !options.dry_run {
        for Mended { subject, repair, .. } in &mended {
            environment.context.log.set_committed(&subject.group, std::slice::from_ref(&repair.commit))?;
        }
    }
    output.show(|| text(&mended, looked_at, options.dry_run), || value(&mended, options.dry_run))
}

/// The tasks that are meant, with what their groups have.
fn chosen<'a>(environment: &'a Environment, options: &args::Repair) -> Result<Vec<Chosen<'a>>, Error> {
    let context = &environment.context;
    let tasks = context.plan.tasks.iter().filter(|task| ROLES.contains(&task.service));
    let mut found = Vec::new();
    let mut names = BTreeSet::new();
    for task in tasks {
        for topic in &task.reads {
            let name = name(task);
            let is_meant = |wanted: &String| {
                *wanted == name || *wanted == *topic || *wanted == *task.service.name() || *wanted == task.group_id
            };
            names.extend([name.clone(), task.service.name().to_owned()]);
            if !options.task.as_ref().is_none_or(is_meant) {
                continue;
            }
            let tps: Vec<TopicPartition> = context.bounds(topic)?.into_iter().map(|(tp, ..)| tp).collect();
            let tps: Vec<_> =
                tps.into_iter().filter(|tp| options.partition.is_none_or(|p| p == tp.partition)).collect();
            let fresh: Vec<Option<TaskState>> = match task.service {
                Role::Validator => {
                    let fresh = validator::fresh(context, &environment.decisions, &tps)?;
                    fresh.into_iter().map(Some).collect()
                }
                _ => vec![None; tps.len()],
            };
            let committed = context.log.committed(&task.group_id, &tps)?;
            for ((tp, committed), fresh) in tps.into_iter().zip(committed).zip(fresh) {
                let digest = fresh.as_ref().map_or(&context.pipeline.features.digest, |fresh| &fresh.digest);
                let subject = Subject { group: task.group_id.clone(), tp };
                let harm = Harm::of(committed.as_ref(), digest);
                let harm = harm.map_err(|error| Error::Input(format!("{subject}: {error}")))?;
                found.push(Chosen { task, subject, committed, fresh, harm });
            }
        }
    }
    if found.is_empty() {
        let names: Vec<String> = names.into_iter().collect();
        let wanted = options.task.as_deref().unwrap_or("any task");
        let partition = options.partition.map_or_else(String::new, |partition| format!(" with partition {partition}"));
        return Err(Error::Input(format!("there is no task `{wanted}`{partition}; there are {}", names.join(", "))));
    }
    Ok(found)
}

pub(crate) fn name(task: &Task) -> String {
    match &task.name {
        Some(name) => format!("{}.{name}", task.service.name()),
        None => task.service.name().to_owned(),
    }
}

/// Whether a task needs a new commit: one without an offset only if it has worked before.
fn is_harmed(environment: &Environment, sample: &Sample, chosen: &Chosen<'_>) -> Result<bool, Error> {
    let Subject { group, tp } = &chosen.subject;
    let owner = Owner { group: group.clone(), log: tp.topic.to_string(), partition: tp.partition };
    let vault = Vault::new(environment.store.clone());
    match &chosen.harm {
        None => Ok(false),
        Some(Harm::Missing) if sample.position(group, &tp.topic, tp.partition as u16) > 0 => Ok(true),
        Some(Harm::Missing) => vault.begun(&owner).map_err(|error| repair::Error::from(error).into()),
        Some(_) => Ok(true),
    }
}

fn check_from(options: &args::Repair, harmed: &[Chosen<'_>]) -> Result<(), Error> {
    let Some(from) = options.from else { return Ok(()) };
    let wrong = match harmed {
        [one] if one.task.service == Role::Validator => return Ok(()),
        [] => "its commit is good; say --anyway to replace it".to_owned(),
        [one, ..] if one.task.service != Role::Validator => {
            format!("{} reads an internal log, of which nothing can be left out", one.subject)
        }
        several => {
            let topics: Vec<String> = several.iter().map(|chosen| chosen.subject.tp.to_string()).collect();
            format!("name one of the topics, an offset belongs to one partition: {}", topics.join(", "))
        }
    };
    Err(Error::Input(format!("--from {from} cannot be used: {wrong}")))
}

/// Rebuilds the state of each task. Their targets are read once for all.
fn mend(
    environment: &Environment,
    sample: &Sample,
    harmed: Vec<Chosen<'_>>,
    options: &args::Repair,
) -> Result<Vec<Mended>, Error> {
    let context = &environment.context;
    let (vault, keeps) = (Vault::new(environment.store.clone()), !options.dry_run);
    let mut wanted: BTreeMap<Place, Wanted> = BTreeMap::new();
    for Chosen { task, subject, .. } in &harmed {
        if task.service == Role::Validator {
            let place = Place { topic: context.number(&subject.tp.topic)?, partition: subject.tp.partition as u16 };
            let proven = sample.position(&subject.group, &subject.tp.topic, place.partition);
            let below = options.from.unwrap_or(proven);
            if below < proven {
                let why = format!("everything up to {proven} was validated, and would only be dropped as a repeat");
                return Err(repair::Error::From { subject: subject.clone(), from: below, why }.into());
            }
            wanted.insert(place, Wanted { counted: proven, below });
        }
    }
    let targets: BTreeSet<String> = harmed.iter().flat_map(|chosen| chosen.task.writes.iter().cloned()).collect();
    let found = Found::scan(context, &targets, &wanted)?;
    let mut mended = Vec::new();
    for Chosen { task, subject, committed, fresh, harm } in harmed {
        environment.signals.check()?;
        let place = Place { topic: context.number(&subject.tp.topic)?, partition: subject.tp.partition as u16 };
        let repair = match (fresh, wanted.get(&place)) {
            (Some(fresh), Some(wanted)) => {
                repair::rebuild(context, &subject, fresh, (sample, &found), *wanted, keeps.then_some(&vault))?
            }
            _ => {
                let proven = sample.position(&subject.group, &subject.tp.topic, place.partition);
                let mut service = service(environment, task)?;
                repair::replay(context, &mut *service, &subject, &found, proven, &vault)?
            }
        };
        mended.push(Mended { subject, harm, repair, before: committed.map(|committed| committed.offset) });
    }
    Ok(mended)
}

/// The service that makes the task.
pub(crate) fn service(environment: &Environment, task: &Task) -> Result<Box<dyn Service>, Error> {
    let context = environment.context.clone();
    let unknown = || Error::Failed(format!("no service makes the task {}", name(task)));
    let models = || Arc::new(RegistryModels::new(environment.models()));
    let reads = task.reads.first().ok_or_else(unknown)?;
    match task.service {
        Role::Featurizer => {
            let role = Featurizer::roles(&context).into_iter().find(|(_, log)| log == reads);
            Ok(Box::new(Featurizer::new(context, role.ok_or_else(unknown)?.0)))
        }
        Role::Scorer => Ok(Box::new(Scorer::new(context, environment.decisions.clone(), models()))),
        Role::Monitor => {
            let roles = monitor::Monitor::roles(&context).into_iter();
            let (role, ..) = roles.into_iter().find(|(_, group, _)| *group == task.group_id).ok_or_else(unknown)?;
            let profiles = Arc::new(monitor::ModelProfiles::new(models()));
            let fences = RegistryFences::new(environment.decisions.clone(), context.stop.clone());
            let fences = Arc::new(fences.of(scorer::MONITOR));
            Ok(Box::new(monitor::Monitor::new(context, profiles, fences, role)))
        }
        _ => Err(unknown()),
    }
}

fn text(mended: &[Mended], looked_at: usize, dry_run: bool) -> String {
    if mended.is_empty() {
        return format!("nothing to repair: {looked_at} tasks have their offset and their state, or have never worked");
    }
    let cells = |Mended { subject, harm, repair, .. }: &Mended| {
        vec![
            subject.group.clone(),
            subject.tp.to_string(),
            harm.as_ref().map_or_else(|| "a good commit".to_owned(), ToString::to_string),
            repair.basis.to_string(),
            repair.commit.offset.to_string(),
            repair.items.to_string(),
            if repair.fence >= 0 { repair.fence.to_string() } else { "-".to_owned() },
        ]
    };
    let headings = ["TASK", "READS", "HAD", "MADE FROM", "GOES ON AT", "ITEMS BEFORE", "FENCE"];
    let table = table(&headings, &mended.iter().map(cells).collect::<Vec<_>>());
    let done = match dry_run {
        true => format!("{} of {looked_at} tasks would get this commit; nothing was changed", mended.len()),
        false => format!(
            "{} of {looked_at} tasks have this commit now; start their services, then `tidemill ledger verify`",
            mended.len()
        ),
    };
    table + &done
}

fn value(mended: &[Mended], dry_run: bool) -> Value {
    let one = |Mended { subject, harm, repair, before }: &Mended| {
        json!({
            "group": subject.group, "topic": &*subject.tp.topic, "partition": subject.tp.partition,
            "had": harm.as_ref().map(ToString::to_string), "offset_before": before,
            "made_from": repair.basis.to_string(), "offset": repair.commit.offset, "items": repair.items,
            "fence": repair.fence, "metadata": repair.commit.metadata,
        })
    };
    json!({ "committed": !dry_run, "tasks": mended.iter().map(one).collect::<Vec<_>>() })
}
