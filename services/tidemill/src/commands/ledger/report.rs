//! What `ledger verify` found, for people and programs, and the exit code that follows.

use std::collections::BTreeSet;

use flow::ledger::{BUCKET_OFFSETS, Counts, Oddity, OriginHash, Recount, Standing, State, Whole, named};
use flow::plan::Names;
use runtime::ledger::{Difference, Verified, differences};
use serde_json::{Value, json};

use super::chosen::Chosen;
use crate::error::Error;
use crate::output::table;

/// The ledger's topic, in words.
const LEDGER: &str = "the ledger";
/// Most differences that are shown to people; programs get all.
const SHOWN_MAX: usize = 12;

/// Everything found.
pub struct Report {
    /// How edges stand by the ledger's rows.
    found: Verified,
    /// What logs hold otherwise.
    differing: Vec<Difference>,
    /// What stops readers.
    oddities: Vec<Oddity>,
    /// Whether logs were counted.
    recounted: bool,
    /// Of an archive: topics of which it does not have yet all that the ledger tells of.
    lacks: Option<BTreeSet<String>>,
}

impl Report {
    /// What was found of the buckets that are meant; `lacks` names what an archive does not have yet.
    pub fn new(
        mut found: Verified,
        counted: Option<&Recount>,
        lacks: Option<BTreeSet<String>>,
        chosen: &Chosen,
    ) -> Self {
        let (mut differing, mut oddities) =
            counted.map_or_else(Default::default, |counted| differences(counted, &found));
        let means = |(topic, partition, bucket): &(String, u16, i64)| {
            chosen.means(&(topic.as_str().into(), *partition, *bucket))
        };
        differing.retain(|difference| means(&difference.bucket));
        oddities.retain(|oddity| means(&oddity.bucket));
        let lacks = lacks.map(|lacks| excuse(lacks, &found, &mut differing));
        found.standings.retain(|standing| chosen.means(&standing.bucket));
        Report { found, differing, oddities, recounted: counted.is_some(), lacks }
    }

    fn of(&self, state: State) -> impl Iterator<Item = &Standing> {
        self.found.standings.iter().filter(move |standing| standing.state == state)
    }

    /// Buckets that sources have left, and that are not through; source records that no validator has told of. An archive
    /// is always behind, which is no reason to run anything.
    fn behind(&self) -> (usize, u64) {
        if self.lacks.is_some() {
            return (0, 0);
        }
        (self.of(State::Pending).filter(|standing| standing.closed).count(), self.found.unread)
    }

    fn faults(&self) -> usize {
        self.of(State::Differs).count() + self.differing.len() + self.oddities.len()
    }

    /// One screen for a person.
    pub fn text(&self) -> String {
        let edges = &self.found.edges;
        let mut rows = Vec::new();
        for (at, edge) in edges.iter().enumerate() {
            let is_retried = edge.from == Names::retries(&edge.source);
            if is_retried && !self.found.standings.iter().any(|standing| standing.edge == at) {
                continue;
            }
            let writer = if is_retried { format!("{} (retries)", edge.writer) } else { edge.writer.clone() };
            let readers = edge.readers.iter().map(|reader| Some(reader.as_str()));
            let own = (edge.whole != Whole::Some || edge.readers.is_empty()).then_some(None);
            for reader in own.into_iter().chain(readers) {
                let of = |state: State| {
                    let same = |standing: &&Standing| standing.edge == at && standing.reader.as_deref() == reader;
                    self.of(state).filter(same).collect::<Vec<_>>()
                };
                let states = [State::Agrees, State::Open, State::Pending, State::Differs].map(of);
                let records: u64 = states.iter().flatten().map(|standing| standing.written.total()).sum();
                let mut row = vec![edge.to.clone(), writer.clone(), reader.unwrap_or("-").to_owned()];
                row.push(records.to_string());
                row.extend(states.iter().map(|standings| standings.len().to_string()));
                rows.push(row);
            }
        }
        let mut text = table(&["TO", "WRITTEN BY", "READ BY", "RECORDS", "AGREE", "OPEN", "PENDING", "DIFFER"], &rows);
        let mut lines: Vec<String> = self.of(State::Differs).map(|standing| self.told(standing)).collect();
        lines.extend(self.differing.iter().map(recounted));
        lines.extend(self.oddities.iter().map(odd));
        let more = lines.len().saturating_sub(SHOWN_MAX);
        lines.truncate(SHOWN_MAX);
        lines.iter().for_each(|line| text.push_str(&format!("{line}\n")));
        if more > 0 {
            text.push_str(&format!("and {more} more; --output json has all\n"));
        }
        text.push_str(&self.sum());
        text
    }

    fn sum(&self) -> String {
        let counted = if self.recounted { ", logs counted" } else { "" };
        let count = |state| self.of(state).count();
        let (agree, open, pending) = (count(State::Agrees), count(State::Open), count(State::Pending));
        let equal = format!("{agree} counts of both sides equal for good, {open} in open buckets equal so far");
        match (self.faults(), self.behind()) {
            (0, (0, 0)) if self.unarchived() => {
                let lacks: Vec<&str> = self.lacks.iter().flatten().map(String::as_str).collect();
                let lacks = lacks.join(", ");
                format!(
                    "nothing differs in what is archived{counted}: {equal}, {pending} pending; not archived yet is the end of: {lacks}\n"
                )
            }
            (0, (0, 0)) if pending > 0 => {
                format!("nothing differs{counted}: {equal}, {pending} not there yet; they are on the way\n")
            }
            (0, (0, 0)) => format!("everything agrees{counted}: {equal}\n"),
            (0, behind) => format!("nothing differs{counted}, but {}\n", missing(behind)),
            (faults, _) => format!("{faults} differences{counted}\n"),
        }
    }

    fn unarchived(&self) -> bool {
        self.lacks.as_ref().is_some_and(|lacks| !lacks.is_empty())
    }

    fn told(&self, standing: &Standing) -> String {
        let edge = &self.found.edges[standing.edge];
        let (written, read) = (&standing.written, &standing.read);
        let who = standing.reader.as_deref().unwrap_or(&edge.writer);
        let (topic, partition, bucket) = &standing.bucket;
        let hash = OriginHash::new(topic, *partition);
        let what = match standing.reader {
            Some(_) => format!("{who} has read {} of {} items", read.total(), written.total()),
            None if edge.whole == Whole::Dead => format!("{who} refused {} and wrote {}", read.dead, written.total()),
            None => format!("{who} emitted {} and wrote {}", read.emitted, written.total()),
        };
        let named = standing.reader.as_ref().and_then(|_| named(read, written, hash, *bucket));
        format!("{}: {what} of {}{}", edge.to, shown(topic, *partition, *bucket), single(named))
    }

    /// For programs.
    pub fn value(&self) -> Value {
        let counts = |counts: &Counts| {
            json!({"total": counts.total(), "emitted": counts.emitted, "filtered": counts.filtered,
                "duplicate": counts.duplicate, "late": counts.late, "dead_lettered": counts.dead,
                "waiting": counts.waiting, "digest": format!("{:032x}", counts.digest)})
        };
        let bucket = |topic: &str, partition: u16, bucket: i64| {
            json!({"topic": topic, "partition": partition, "bucket": bucket,
                "from": bucket * BUCKET_OFFSETS, "to": (bucket + 1) * BUCKET_OFFSETS})
        };
        let standing = |standing: &Standing| {
            let edge = &self.found.edges[standing.edge];
            let (topic, partition, number) = &standing.bucket;
            json!({"from": edge.from, "to": edge.to, "writer": edge.writer, "reader": standing.reader,
                "source": bucket(topic, *partition, *number), "state": word(standing.state), "closed": standing.closed,
                "written": counts(&standing.written), "read": counts(&standing.read)})
        };
        let differing = |one: &Difference| {
            json!({"from": one.from, "to": one.to, "who": one.who, "said": counts(&one.said),
                "source": bucket(&one.bucket.0, one.bucket.1, one.bucket.2), "found": counts(&one.found),
                "offset": one.record})
        };
        let oddity = |one: &Oddity| {
            json!({"log": one.log, "offset": one.offset, "id": one.id, "what": one.what,
                "source": bucket(&one.bucket.0, one.bucket.1, one.bucket.2)})
        };
        json!({
            "agrees": self.faults() == 0, "faults": self.faults(), "behind": self.behind().0,
            "unread": self.behind().1, "recounted": self.recounted, "unarchived": self.lacks,
            "standings": self.found.standings.iter().map(standing).collect::<Vec<_>>(),
            "differences": self.differing.iter().map(differing).collect::<Vec<_>>(),
            "oddities": self.oddities.iter().map(oddity).collect::<Vec<_>>(),
        })
    }

    /// Success, or why not.
    pub fn outcome(&self) -> Result<(), Error> {
        match (self.faults(), self.behind()) {
            (0, (0, 0)) => Ok(()),
            (0, behind) => Err(Error::Outside(format!(
                "{}; run the services that are behind, or wait longer with --wait",
                missing(behind)
            ))),
            (faults, _) => Err(Error::Differs(format!("the ledger has {faults} differences"))),
        }
    }
}

/// What else an archive does not have yet. As long as it lacks anything, fewer records than the ledger tells of are no
/// difference where they may still come: in a topic of which it lacks the end, or in one whose end nobody tells, since no
/// task of ours reads it. Rows that are still to come are those of the ledger's own topic.
fn excuse(mut lacks: BTreeSet<String>, found: &Verified, differing: &mut Vec<Difference>) -> BTreeSet<String> {
    if found.standings.iter().any(|standing| standing.state == State::Pending) {
        lacks.insert(LEDGER.to_owned());
    }
    if lacks.is_empty() {
        return lacks;
    }
    let unread = |topic: &str| found.edges.iter().any(|edge| edge.to == topic && edge.readers.is_empty());
    differing.retain(|one| {
        let is_excused = one.found.total() < one.said.total() && (lacks.contains(&one.to) || unread(&one.to));
        if is_excused {
            lacks.insert(one.to.clone());
        }
        !is_excused
    });
    lacks
}

fn missing((counts, records): (usize, u64)) -> String {
    format!("{counts} counts of closed buckets and {records} source records are not there yet")
}

fn word(state: State) -> &'static str {
    match state {
        State::Agrees => "agrees",
        State::Open => "open",
        State::Pending => "pending",
        State::Differs => "differs",
    }
}

fn shown(topic: &str, partition: u16, bucket: i64) -> String {
    let first = bucket * BUCKET_OFFSETS;
    format!("bucket {bucket} of {topic}/{partition}, offsets {first} to {}", first + BUCKET_OFFSETS - 1)
}

fn single(record: Option<i64>) -> String {
    record.map_or_else(String::new, |offset| format!(": it is source offset {offset}"))
}

fn recounted(one: &Difference) -> String {
    let (topic, partition, bucket) = &one.bucket;
    let (found, said) = (one.found.total(), one.said.total());
    let what = if found == said { "others than".to_owned() } else { format!("{found}, and not the") };
    format!(
        "{}: there are {what} {said} that {} counted of {}{}",
        one.to,
        one.who,
        shown(topic, *partition, *bucket),
        single(one.record)
    )
}

fn odd(one: &Oddity) -> String {
    let (topic, partition, bucket) = &one.bucket;
    format!("{} offset {}, event {}: {} ({})", one.log, one.offset, one.id, one.what, shown(topic, *partition, *bucket))
}
