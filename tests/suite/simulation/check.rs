//! One simulated history: run it, let it drain, and compare what came out.

use super::cluster::{Cluster, Wrap};
use super::contents::{Contents, Output, Readers, partitions, recomputed, records, written};
use super::ledger;
use super::pipeline::{self, LATER, LIMITED};
use super::plot::{INPUTS, Plot, Theme};
use super::retries;
use super::schemas::Remembering;
use flow::fence::ModelRef;
use flow::flaw::{self, Flaw};
use flow::plan::Names;
use registry::models::Models;
use registry::store::Store;
use runtime::context::Context;
use runtime::log::{Publish, Record};
use runtime::simulated::{Faults, Simulated};
use scorer::RegistryModels;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use tests::models;

/// What histories without any fault give, and what all histories share.
pub struct Reference {
    /// By delivery and by rule: the first rule, and the one that comes later.
    contexts: [[Context; 2]; 2],
    event_time: bool,
    pub later_schema: u32,
    pub models: Arc<dyn scoring::Models>,
    pub good: Vec<ModelRef>,
    /// By set of events: what is published, and what comes of it.
    records: [OnceLock<Vec<Publish>>; INPUTS],
    contents: Vec<Contents>,
}

impl Reference {
    /// The reference of an ordering, made once.
    pub fn of(ordering: &str) -> &'static Self {
        static REFERENCES: [OnceLock<Reference>; 3] = [const { OnceLock::new() }; 3];
        let at = ["arrival", "event_time", LIMITED].iter().position(|one| *one == ordering).unwrap();
        REFERENCES[at].get_or_init(|| Reference::new(ordering))
    }

    /// Runs the pipeline in peace.
    fn new(ordering: &str) -> Self {
        let schemas = Arc::new(Remembering::default());
        let log = Arc::new(Simulated::new(0, Faults::none()));
        let context = |exactly_once, is_later| {
            let pipeline = pipeline::pipeline(ordering, exactly_once, is_later);
            let plan = flow::plan::plan(&pipeline);
            Context::new(log.clone(), schemas.clone(), pipeline, plan)
        };
        let contexts = [false, true].map(|exactly_once| [false, true].map(|is_later| context(exactly_once, is_later)));
        let store = Store::memory();
        let digest = &contexts[0][0].pipeline.features.digest;
        let model = |bias| models::publish(&store, &models::of_amount(digest, bias, &[0.0, 1.0]));
        let mut reference = Reference {
            good: [0.0, 1.0].map(model).to_vec(),
            models: Arc::new(RegistryModels::new(Models::new(store.clone()))),
            later_schema: pipeline::later_schema(&*schemas),
            event_time: ordering != "arrival",
            contexts,
            records: [const { OnceLock::new() }; INPUTS],
            contents: Vec::new(),
        };
        for input in 0..INPUTS {
            let contents = reference.history(Plot::peaceful(input), Faults::none(), Wrap(None), &[]).unwrap();
            assert!(contents.values().map(Vec::len).sum::<usize>() > 200, "much comes out");
            let told = contents.keys().any(|(tp, _)| *tp.topic == *reference.contexts[0][0].plan.names.alerts);
            assert_eq!(told, ordering == LIMITED, "what limits push out is told");
            reference.contents.push(contents);
        }
        let names = &reference.contexts[0][0].plan.names;
        let is_corrected = reference.contents.iter().any(|contents| has_corrections(contents, &names.outcomes));
        let is_refused = reference.contents.iter().any(|contents| of_topic(contents, &names.refusals).next().is_some());
        // Of two labels that wait for their event the first comes to nothing; later the last one corrects.
        let expected = match ordering {
            LIMITED => (false, true),
            "event_time" => (true, true),
            _ => (false, false),
        };
        assert_eq!((is_corrected, is_refused), expected, "{ordering}: outcomes are corrected, labels are refused");
        reference
    }

    /// The surroundings with the first rule, and those with the one that comes later.
    pub fn contexts(&self, exactly_once: bool) -> &[Context; 2] {
        &self.contexts[usize::from(exactly_once)]
    }

    /// What is published to a cluster in which the topics are.
    pub fn records(&self, context: &Context, input: usize) -> Vec<Publish> {
        self.records[input].get_or_init(|| pipeline::records(context, input as u64)).clone()
    }

    fn history(&self, plot: Plot, faults: Faults, wrap: Wrap, flaws: &[Flaw]) -> Result<Contents, String> {
        let acts = plot.acts;
        let log = Simulated::new(plot.seed, faults);
        let made = flaw::make(flaws);
        let mut cluster = Cluster::new(self, log, plot, wrap);
        (0..acts).try_for_each(|_| cluster.act())?;
        cluster.drain()?;
        drop(made);
        let mut readers = Readers::default();
        let contents = written(&cluster, &mut readers)?;
        let again = recomputed(&cluster, &mut readers)?;
        cluster.exact.as_ref().map_or(Ok(()), |exact| exact.verify(&again, &cluster.log))?;
        same("what was written is what the task's log gives", &of_parents(&contents, ".log."), &again)?;
        if cluster.shared.plot.has(Theme::Promotions) {
            cluster.all_promoted()?;
        }
        if cluster.shared.plot.has(Theme::LateSchema) {
            one_end(&cluster, &contents)?;
        }
        if cluster.shared.plot.has(Theme::Retries) {
            retries::verify(&cluster, &contents)?;
        }
        if cluster.shared.plot.has(Theme::Ledger) {
            ledger::verify(&cluster)?;
        }
        Ok(contents)
    }

    /// Runs one history with faults, and says what is wrong with it.
    pub fn check(&self, plot: Plot, wrap: Wrap, flaws: &[Flaw]) -> Result<(), String> {
        let (input, late, scored) = (plot.input, plot.has(Theme::LateSchema), plot.has(Theme::Promotions));
        let found = self.history(plot, Faults::all(), wrap, flaws)?;
        let [found, peaceful] = [&found, &self.contents[input]].map(|contents| {
            let mut contents = contents.clone();
            if late {
                contents.values_mut().for_each(|entries| entries.retain(|entry| !entry.id.starts_with(LATER)));
            }
            if scored {
                self.forget_scores(&mut contents);
            }
            contents.retain(|_, entries| !entries.is_empty());
            contents
        });
        let [left, right] = [&found, &peaceful].map(|contents| of_parents(contents, ".events."));
        same("validators write the same whatever happens", &left, &right)?;
        if self.event_time {
            let [found, peaceful] = [&found, &peaceful].map(|contents| untriggered(of_parents(contents, ".log.")));
            return same("order of arrival changes nothing", &found, &peaceful);
        }
        let [found, peaceful] = [&found, &peaceful].map(ids);
        if found == peaceful { Ok(()) } else { Err(format!("other events came out: {found:?} and not {peaceful:?}")) }
    }

    /// When models took over is not the same in any two histories.
    fn forget_scores(&self, contents: &mut Contents) {
        let names = &self.contexts[0][0].plan.names;
        contents.retain(|(_, parent), _| !parent.starts_with(&names.features_log));
        let outcomes = contents.iter_mut().filter(|((tp, _), _)| *tp.topic == *names.outcomes);
        outcomes.flat_map(|(_, entries)| entries).for_each(|entry| entry.text.clear());
    }
}

/// Whether every event with the later schema was accepted, dead-lettered, or late, and only one of them.
fn one_end(cluster: &Cluster, contents: &Contents) -> Result<(), String> {
    let names = &cluster.context.plan.names;
    let later = |topic: &str| -> Result<BTreeSet<String>, String> {
        let mut found = BTreeSet::new();
        for tp in partitions(topic) {
            found.extend(records(cluster, &tp)?.iter().filter_map(id).filter(|id| id.starts_with(LATER)));
        }
        Ok(found)
    };
    let accepted = |id: &String| {
        let first = contents.iter().filter(|((tp, _), _)| *tp.topic == *names.first_log());
        first.flat_map(|(_, entries)| entries).any(|entry| entry.id == *id)
    };
    let (mut dead, late) = (later(&Names::dead_letters(&names.events))?, later(&Names::late(&names.events))?);
    if cluster.shared.plot.has(Theme::Retries) {
        // All of them were retried in the end, when the schema was known.
        dead.clear();
    }
    for id in later(&names.events)? {
        let ends = [accepted(&id), dead.contains(&id), late.contains(&id)];
        if ends.iter().filter(|end| **end).count() != 1 {
            return Err(format!("an event has not one end: {id} is accepted, dead-lettered, late: {ends:?}"));
        }
    }
    Ok(())
}

fn of_topic<'a>(contents: &'a Contents, topic: &'a str) -> impl Iterator<Item = &'a Output> {
    contents.iter().filter(move |((tp, _), _)| *tp.topic == *topic).flat_map(|(_, entries)| entries)
}

/// Whether an event has two outcomes: their texts begin with their key, which is its id.
fn has_corrections(contents: &Contents, outcomes: &str) -> bool {
    let mut seen = BTreeSet::new();
    !of_topic(contents, outcomes).all(|entry| seen.insert(entry.text.split(' ').next()))
}

/// The id of a source record: its first field, a short text.
fn id(record: &Record) -> Option<String> {
    let value = record.value.as_ref()?;
    let length = usize::from(*value.get(5)? / 2);
    Some(std::str::from_utf8(value.get(6..6 + length)?).ok()?.to_owned())
}

/// What tasks of such logs or topics wrote.
fn of_parents(contents: &Contents, kind: &str) -> Contents {
    let of_kind = contents.iter().filter(|((_, parent), _)| parent.contains(kind));
    of_kind.map(|(key, entries)| (key.clone(), entries.clone())).collect()
}

/// Which position released something depends on the order of arrival.
fn untriggered(mut contents: Contents) -> Contents {
    let none = flow::reader::Trigger { offset: 0, item: 0, index: 0 };
    contents.values_mut().flatten().for_each(|entry| entry.trigger = none);
    contents
}

/// Ids of the events in each topic.
fn ids(contents: &Contents) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut ids: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for ((tp, _), entries) in contents {
        ids.entry(&tp.topic).or_default().extend(entries.iter().map(|entry| &*entry.id));
    }
    ids
}

fn same(what: &str, found: &Contents, expected: &Contents) -> Result<(), String> {
    let keys: BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    for key in keys {
        let [left, right] = [found, expected].map(|contents| contents.get(key).map_or(&[][..], Vec::as_slice));
        if let Some(at) = (0..left.len().max(right.len())).find(|at| left.get(*at) != right.get(*at)) {
            let (tp, parent) = key;
            let [left, right]: [Option<&Output>; 2] = [left.get(at), right.get(at)];
            return Err(format!("{what}: {tp}, output {at} of {parent} is\n  {left:?} and not\n  {right:?}"));
        }
    }
    Ok(())
}
