//! The blob of a snapshot: what the sequencer and the emitter of every task hold, and what the task adds.

use super::Error;
use crate::ledger::Saved;
use crate::names::{Names, Place};
use crate::reader::Trigger;
use crate::state::{Taken, TaskState};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What every task saves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The cut's position: the next offset to read.
    pub position: i64,
    /// What the commit's metadata would have been there.
    pub state: TaskState,
    /// Parents that fences have named: topic and partition.
    pub parents: Vec<(String, u16)>,
    /// Those whose marks count, with their marks.
    pub marks: Vec<(String, u16, i64)>,
    /// The watermark, once every parent has spoken.
    pub watermark: Option<i64>,
    /// Where held items begin: from which offset they are read again, and the numbers taken before it. None is held
    /// without it.
    pub held: Option<(i64, Vec<Taken>)>,
    /// Rows of the ledger that may still have to be written; topics by number.
    #[serde(default)]
    pub ledger: Vec<Saved>,
}

/// The whole blob; `T` is the task's own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Blob<T> {
    /// What every task saves.
    pub header: Header,
    /// What this kind of task adds.
    pub own: T,
}

impl<T: Serialize> Blob<T> {
    /// Writes the blob.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl<T: for<'de> Deserialize<'de>> Blob<T> {
    /// Reads a blob.
    pub fn read(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| Error::Blob(error.to_string()))
    }
}

impl Blob<Value> {
    /// The header alone, of whatever kind the task is.
    pub fn header(text: &str) -> Result<Header, Error> {
        Ok(Blob::<Value>::read(text)?.header)
    }
}

/// A place by name.
pub(crate) fn named(names: &Names, place: Place) -> (String, u16) {
    (names.topic(place.topic).to_string(), place.partition)
}

/// A place by number.
pub(crate) fn place(names: &Names, topic: &str, partition: u16) -> Result<Place, Error> {
    let topic = names.number(topic).ok_or_else(|| Error::Topic(topic.to_owned()))?;
    Ok(Place { topic, partition })
}

/// A reader's numbers by name.
pub(crate) fn taken(names: &Names, rows: Vec<(Place, i64, Trigger)>) -> Vec<Taken> {
    let row = |(place, number, trigger): (Place, i64, Trigger)| {
        let (topic, partition) = named(names, place);
        (topic, partition, number, trigger)
    };
    rows.into_iter().map(row).collect()
}

/// A reader's numbers by number.
pub(crate) fn rows(names: &Names, taken: &[Taken]) -> Result<Vec<(Place, i64, Trigger)>, Error> {
    let row = |(topic, partition, number, trigger): &Taken| Ok((place(names, topic, *partition)?, *number, *trigger));
    taken.iter().map(row).collect()
}
