//! Dead letters of a simulated cluster, and publishing them again.

use super::cluster::Cluster;
use super::contents::{Contents, partitions, records};
use super::pipeline::LATER;
use flow::plan::Names;
use flow::processor::Headers;
use runtime::log::{Header, Publish, Record};
use schemas::reject::{Code, names::REASON};
use std::collections::{BTreeMap, BTreeSet};
use validator::retry::{Letter, again};

/// A dead letter, and how it is published again.
pub struct Dead {
    pub letter: Letter,
    pub code: String,
    pub retry: Publish,
}

/// Which attempt at which source record.
type Attempt = (String, u16, i64, u32);

fn attempt(letter: &Letter) -> Attempt {
    (letter.topic.clone(), letter.partition, letter.offset, letter.attempt)
}

fn headers(record: &Record) -> Headers {
    record.headers.iter().map(|Header { name, value }| (name.clone(), value.clone())).collect()
}

/// All dead letters, copies of one as often as they are there.
pub fn letters(cluster: &Cluster) -> Result<Vec<Dead>, String> {
    let mut found = Vec::new();
    for source in cluster.context.plan.names.sources() {
        for tp in partitions(&Names::dead_letters(source)) {
            for record in records(cluster, &tp)? {
                let headers = headers(&record);
                let letter = Letter::read(&headers).ok_or("a dead letter without an identity")?;
                let reason = record.header(REASON).and_then(|reason| reason.text()).ok_or("no reason")?;
                let again = again(&headers).map_err(|refused| refused.to_string())?;
                let retry = Publish {
                    topic: Names::retries(source).into(),
                    partition: Some(tp.partition),
                    key: record.key.clone(),
                    value: record.value.clone(),
                    headers: again.into_iter().map(|(name, value)| Header { name, value }).collect(),
                };
                found.push(Dead { letter, code: reason.to_owned(), retry });
            }
        }
    }
    Ok(found)
}

/// Letters for a schema that is known by now, each once, as far as nobody has retried them.
pub fn open(cluster: &Cluster) -> Result<Vec<Dead>, String> {
    let mut retried: BTreeSet<Attempt> = BTreeSet::new();
    for source in cluster.context.plan.names.sources() {
        for tp in partitions(&Names::retries(source)) {
            retried.extend(
                records(cluster, &tp)?
                    .iter()
                    .filter_map(|record| Letter::read(&headers(record)))
                    .map(|letter| attempt(&letter)),
            );
        }
    }
    let mut open: BTreeMap<Attempt, Dead> = BTreeMap::new();
    for dead in letters(cluster)? {
        let next = Letter { attempt: dead.letter.attempt + 1, ..dead.letter.clone() };
        if dead.code == Code::SchemaUnknown.as_str() && !retried.contains(&attempt(&next)) {
            open.insert(attempt(&next), dead);
        }
    }
    Ok(open.into_values().collect())
}

/// Whether no event was taken twice into the first log, although some letters were retried again and again; and whether
/// retries went on past the first.
pub fn verify(cluster: &Cluster, contents: &Contents) -> Result<(), String> {
    let names = &cluster.context.plan.names;
    let first = contents.iter().filter(|((tp, _), _)| *tp.topic == *names.first_log());
    let mut seen = BTreeSet::new();
    for id in first.flat_map(|(_, entries)| entries).map(|entry| &entry.id).filter(|id| id.starts_with(LATER)) {
        if !seen.insert(id) {
            return Err(format!("an event has not one end: {id} was accepted twice"));
        }
    }
    let later = |dead: &&Dead| dead.letter.attempt > 0;
    let all = letters(cluster)?;
    let retried: BTreeSet<Attempt> = all.iter().filter(later).map(|dead| attempt(&dead.letter)).collect();
    for (topic, partition, offset, number) in &retried {
        let before = (topic.clone(), *partition, *offset, number - 1);
        if *number > 1 && !retried.contains(&before) {
            return Err(format!(
                "a letter {topic}/{partition}/{offset} was retried {number} times, and not {} times",
                number - 1
            ));
        }
    }
    Ok(())
}
