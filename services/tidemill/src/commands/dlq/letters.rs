//! The dead letters of a pipeline, and what became of them.

use std::collections::{BTreeMap, BTreeSet};

use flow::plan::Names;
use flow::processor::Headers;
use runtime::log::{Header, Record, TopicPartition};
use schemas::reject::names::{DETAIL, REASON};
use schemas::reject::{Code, Help};
use validator::retry::Letter;

use super::read::read;
use crate::cli::dlq::Which;
use crate::environment::Environment;
use crate::error::Error;

/// Microseconds in a millisecond.
const US_PER_MS: i64 = 1_000;

/// What became of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody has retried it.
    Open,
    /// It was published again, and not rejected again so far.
    Retried,
    /// It was published again and rejected again; there is a newer letter of the same record.
    Again,
}

impl State {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Retried => "retried",
            Self::Again => "rejected again",
        }
    }
}

/// A dead letter without its bytes.
#[derive(Debug, Clone)]
pub struct Dead {
    /// What it is of.
    pub letter: Letter,
    /// Where it lies first; a letter may be there several times.
    pub place: (TopicPartition, i64),
    /// When it was rejected.
    pub rejected_ms: i64,
    /// The reason code.
    pub code: String,
    /// The values involved.
    pub detail: String,
    /// What became of it.
    pub state: State,
}

/// The headers of a record as the validator has them.
pub fn headers(record: &Record) -> Headers {
    record.headers.iter().map(|Header { name, value }| (name.clone(), value.clone())).collect()
}

/// All dead letters of the sources that are meant, by source record and attempt.
pub fn all(environment: &Environment, source: Option<&str>) -> Result<Vec<Dead>, Error> {
    let mut found: BTreeMap<(String, u16, i64, u32), Dead> = BTreeMap::new();
    let mut retried: BTreeSet<(String, u16, i64, u32)> = BTreeSet::new();
    let key = |letter: &Letter| (letter.topic.clone(), letter.partition, letter.offset, letter.attempt);
    for source in sources(environment, source)? {
        read(environment, &Names::dead_letters(source), |tp, record| {
            let Some(dead) = dead(tp, &record) else { return Ok(()) };
            found.entry(key(&dead.letter)).or_insert(dead);
            Ok(())
        })?;
        read(environment, &Names::retries(source), |_, record| {
            retried.extend(Letter::read(&headers(&record)).as_ref().map(key));
            Ok(())
        })?;
    }
    let after = |letter: &Letter| key(&Letter { attempt: letter.attempt + 1, ..letter.clone() });
    let attempts: BTreeSet<_> = found.keys().cloned().collect();
    for dead in found.values_mut() {
        let next = after(&dead.letter);
        dead.state = match () {
            () if attempts.contains(&next) => State::Again,
            () if retried.contains(&next) => State::Retried,
            () => State::Open,
        };
    }
    Ok(found.into_values().collect())
}

/// The sources whose dead letters are meant.
fn sources<'e>(environment: &'e Environment, wanted: Option<&str>) -> Result<Vec<&'e String>, Error> {
    let names = &environment.context.plan.names;
    let wanted = wanted.unwrap_or_default();
    let means = |source: &&String| source.contains(wanted) || Names::dead_letters(source) == wanted;
    let found: Vec<&String> = names.sources().filter(means).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let there: Vec<&str> = names.sources().map(String::as_str).collect();
    let is_other = environment.context.plan.topic(wanted).is_some();
    let what = if is_other { "has no dead letters" } else { "is no topic of this pipeline" };
    Err(Error::Input(format!("`{wanted}` {what}; dead letters are of {}", there.join(" and "))))
}

fn dead(tp: &TopicPartition, record: &Record) -> Option<Dead> {
    let header = |name: &str| record.headers.iter().rfind(|header| header.name == name).and_then(Header::text);
    Some(Dead {
        letter: Letter::read(&headers(record))?,
        place: (tp.clone(), record.offset),
        rejected_ms: record.append_time_ms,
        code: header(REASON)?.to_owned(),
        detail: header(DETAIL).unwrap_or_default().to_owned(),
        state: State::Open,
    })
}

/// Whether a letter is meant.
pub fn means(which: &Which, dead: &Dead) -> bool {
    let Which { code, partition, since, until, .. } = which;
    let has_code = code.is_empty() || code.iter().any(|code| code.as_str() == dead.code);
    let rejected_us = dead.rejected_ms * US_PER_MS;
    has_code
        && partition.is_none_or(|partition| partition == i32::from(dead.letter.partition))
        && since.is_none_or(|since| rejected_us >= since)
        && until.is_none_or(|until| rejected_us < until)
}

/// The letters of a source record, by attempt. An id may end in the service's name, as it does in headers.
pub fn of<'d>(all: &'d [Dead], id: &str) -> Result<Vec<&'d Dead>, Error> {
    let of: Vec<&Dead> = all
        .iter()
        .filter(|dead| {
            let own = dead.letter.id();
            id.strip_prefix(own.as_str()).is_some_and(|rest| rest.is_empty() || rest == "/validator")
        })
        .collect();
    if !of.is_empty() {
        return Ok(of);
    }
    let place = id.rsplitn(3, '/').collect::<Vec<_>>();
    let is_place = place.len() == 3 && place[..2].iter().all(|number| number.parse::<i64>().is_ok());
    let help = match is_place {
        true => "`tidemill dlq list` shows those that there are, `tidemill ledger show` what became of a record",
        false => "write TOPIC/PARTITION/OFFSET of its source record, as `tidemill dlq list` shows it",
    };
    Err(Error::Input(format!("there is no dead letter {id}; {help}")))
}

/// What its code means, and what to do about it.
pub fn help(dead: &Dead) -> Option<Help> {
    Code::parse(&dead.code)?.help()
}
