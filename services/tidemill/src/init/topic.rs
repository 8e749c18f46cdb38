//! A pipeline over topics that are there: their columns by their newest records, their schemas as they are in a registry, or
//! derived where records are JSON.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use flow::config::{ColumnKind, listed, nearest};
use gateway::decode::{Start, Values};
use runtime::log::{Record, SessionOptions, TopicPartition};
use schemas::framing;
use schemas::registry::value_subject;
use serde_json::{Map, Value, json};

use super::Files;
use super::derive::{Roles, likely_key, pretty};
use super::infer::{Column, Kind, Table};
use super::objects::Objects;
use super::target::Target;
use crate::environment::Environment;
use crate::error::Error;
use crate::loading::PIPELINE_FILE;

/// Newest records of each partition that are looked at.
const RECORDS_MAX: i64 = 5_000;
/// Longest wait for records at once.
const POLL_MS: u64 = 200;
/// A partition that gives nothing for so long has ended, although its last offsets hold no record.
const SILENCE_MS: u64 = 5_000;

/// What is said of the topics.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The topic of events.
    pub topic: &'a str,
    /// Column with the event's id.
    pub id: &'a str,
    /// Column with the event's time.
    pub time: &'a str,
    /// Column whose history is looked at; one is chosen where none is named.
    pub key: Option<&'a str>,
    /// The topic of labels and its column with the label.
    pub label: Option<(&'a str, &'a str)>,
    /// Its column with the event's id, if that has another name there.
    pub label_id: Option<&'a str>,
    /// Its column with the time at which a label became known.
    pub label_time: Option<&'a str>,
    /// How long after its event a label becomes known, as pipeline files write it: `7d`.
    pub label_delay: &'a str,
    /// Name of the pipeline; otherwise the topic's.
    pub name: Option<&'a str>,
}

/// What a topic has.
struct Sample {
    topic: String,
    table: Table,
    /// The schema that its records were written with, or one that fits them.
    schema: String,
    is_json: bool,
    /// The unit of times that are numbers.
    unit: Option<&'static str>,
    notes: Vec<String>,
}

/// The files of a pipeline over topics that are there.
pub fn derive(environment: &Environment, wanted: &Wanted<'_>) -> Result<Files, Error> {
    let events = sample(environment, wanted.topic, "Event", &[wanted.id, wanted.time])?;
    let (id, time) = (events.column("--id", wanted.id)?, events.time("--time", wanted.time)?);
    if !matches!(id.kind, Kind::Integer | Kind::Text) {
        return Err(Error::Input(format!("--id: column `{}` has neither whole numbers nor texts", id.name)));
    }
    let labels = match wanted.label {
        Some((topic, column)) => Some((sample(environment, topic, "Label", &[])?, column)),
        None => None,
    };
    let key = match wanted.key {
        Some(name) => events.column("--key", name)?,
        None => likely_key(&events.table, &[Some(id), Some(time)]).ok_or_else(|| {
            Error::Input(format!(
                "no column of {} has values that come again, such as a customer's number; name the one whose history counts with --key COLUMN",
                wanted.topic
            ))
        })?,
    };
    let mut sources = events.lines("events", wanted.id, wanted.time);
    let mut label = None;
    if let Some((labels, column)) = &labels {
        let column = labels.column("--label", column)?;
        let target = Target::of(column, labels.table.rows, labels.topic.as_ref())?;
        sources += &labels.label_lines(wanted, (column, &target))?;
        label = Some((column, target));
    }
    let topic = wanted.topic.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-").to_lowercase();
    let name = wanted.name.map_or_else(|| topic.trim_matches('-').to_owned(), str::to_owned);
    let mut notes = events.notes.clone();
    notes.extend(labels.iter().flat_map(|(labels, _)| labels.notes.clone()));
    let mut files = vec![("Event.avsc".to_owned(), events.schema.clone())];
    files.extend(labels.iter().map(|(labels, _)| ("Label.avsc".to_owned(), labels.schema.clone())));
    let roles = Roles {
        name,
        id,
        time,
        key,
        label,
        label_delay: wanted.label_delay,
        table: &events.table,
        topics: Some(sources),
    };
    files.push((PIPELINE_FILE.to_owned(), roles.pipeline()));
    let mut next = vec!["tidemill apply".to_owned(), "tidemill up".to_owned()];
    next.extend(labels.iter().map(|_| "tidemill train --promote".to_owned()));
    Ok(Files { files, next, notes })
}

impl Sample {
    fn column(&self, option: &str, name: &str) -> Result<&Column, Error> {
        let names = || self.table.columns.iter().map(|column| column.name.as_str());
        self.table.columns.iter().find(|column| column.name == name).ok_or_else(|| {
            let help = match nearest(name, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has {}", listed(names())),
            };
            let part = if name.contains('.') { " (a part of a record cannot be named here)" } else { "" };
            Error::Input(format!("{option}: {} has no column `{name}` with values{part}; {help}", self.topic))
        })
    }

    fn time(&self, option: &str, name: &str) -> Result<&Column, Error> {
        let column = self.column(option, name)?;
        if column.kind == Kind::Time {
            return Ok(column);
        }
        let help = match self.is_json {
            true => "write them as 2026-04-01T09:30:00Z, or as numbers since 1970",
            false => "their schema must say `timestamp-millis` or `timestamp-micros`",
        };
        Err(Error::Input(format!("{option}: the values of column `{name}` of {} are not times; {help}", self.topic)))
    }

    /// The source of events.
    fn lines(&self, file: &str, id: &str, time: &str) -> String {
        let head = self.head(file, "Event.avsc");
        format!("{head}    id: {id}\n    event_time: {time}\n")
    }

    /// The source of labels.
    fn label_lines(&self, wanted: &Wanted<'_>, (column, target): (&Column, &Target)) -> Result<String, Error> {
        let id = wanted.label_id.unwrap_or(wanted.id);
        if self.table.columns.iter().all(|column| column.name != id) {
            return Err(Error::Input(format!(
                "{} has no column `{id}` that says which event is labelled; name it with --label-id COLUMN, of {}",
                self.topic,
                listed(self.table.columns.iter().map(|column| column.name.as_str()))
            )));
        }
        let mut lines = self.head("labels", "Label.avsc");
        let (name, classes) = (&column.name, target.lines());
        // Writing to a string cannot fail.
        let _ = write!(lines, "    labels: events\n    id: {id}\n    target: {name}\n{classes}");
        if let Some(time) = wanted.label_time {
            let _ = writeln!(lines, "    known_time: {}", self.time("--label-time", time)?.name);
        }
        Ok(lines + "    horizon: 90d                       # an event waits so long for its label\n")
    }

    fn head(&self, source: &str, file: &str) -> String {
        let format = if self.is_json { "    format: json\n" } else { "" };
        let unit = self.unit.map(|unit| format!("    time_unit: {unit}\n")).unwrap_or_default();
        let topic = &self.topic;
        format!(
            "  {source}:
    topic: {topic}      # it is there already, and nothing is changed about it
    schema: {file}
{format}{unit}"
        )
    }
}

/// Looks at the newest records of a topic; `needed` are columns that no event is without.
fn sample(environment: &Environment, topic: &str, name: &str, needed: &[&str]) -> Result<Sample, Error> {
    let records = newest(environment, topic)?;
    let framed = |record: &&Record| id_of(record).is_some();
    match records.iter().rev().find(framed).and_then(id_of) {
        Some(id) => avro(environment, topic, id, &records),
        None => from_json(topic, name, needed, &records),
    }
}

/// The id of the schema in a record's frame. An object in JSON has none.
fn id_of(record: &Record) -> Option<u32> {
    let headers = record.headers.iter().map(|header| (header.name.as_ref(), header.value.as_deref()));
    framing::split(record.value.as_deref(), headers).ok().map(|framed| framed.id)
}

fn avro(environment: &Environment, topic: &str, id: u32, records: &[Record]) -> Result<Sample, Error> {
    let schemas = &*environment.context.schemas;
    let text = match schemas.latest(&value_subject(topic))? {
        Some((_, text)) => Some(text),
        None => schemas.by_id(id)?,
    };
    let text = text.ok_or_else(|| {
        Error::Input(format!(
            "records of {topic} say that their schema has the id {id}, which is not known here; name the registry of those who write them with --schema-registry URL"
        ))
    })?;
    let unusable = |error: String| Error::Input(format!("the schema of {topic} cannot be used: {error}"));
    let declared: Value = serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
    let kinds = flow::config::columns(&declared).map_err(unusable)?;
    let values = Values::default().decode(schemas, records)?;
    let mut objects = Objects::default();
    values.iter().filter_map(Value::as_object).for_each(|object| objects.look(object));
    let mut table = objects.table();
    let kind_of: HashMap<&str, ColumnKind> = kinds.iter().map(|column| (column.name.as_str(), column.kind)).collect();
    table.columns.retain_mut(|column| {
        let kind = match kind_of.get(column.name.as_str()) {
            Some(ColumnKind::Boolean) => Kind::Boolean,
            Some(ColumnKind::Integer) => Kind::Integer,
            Some(ColumnKind::Float) => Kind::Float,
            Some(ColumnKind::Text) => Kind::Text,
            Some(ColumnKind::Timestamp) => Kind::Time,
            Some(ColumnKind::Opaque) | None => return false,
        };
        column.kind = kind;
        true
    });
    let opaque = kinds.iter().filter(|column| column.kind == ColumnKind::Opaque).map(|column| column.name.as_str());
    let opaque: Vec<&str> = opaque.collect();
    let note = (!opaque.is_empty()).then(|| {
        format!(
            "{topic}: {} can be used in SQL, such as `cast(x as double)` of a decimal and `x['part']` of a record, and be no key nor input",
            listed(opaque)
        )
    });
    let (topic, schema) = (topic.to_owned(), pretty(&declared));
    Ok(Sample { topic, table, schema, is_json: false, unit: None, notes: note.into_iter().collect() })
}

fn from_json(topic: &str, name: &str, needed: &[&str], records: &[Record]) -> Result<Sample, Error> {
    let object = |record: &Record| serde_json::from_slice::<Map<String, Value>>(record.value.as_deref()?).ok();
    let mut objects = Objects::default();
    records.iter().filter_map(object).for_each(|object| objects.look(&object));
    if objects.rows() == 0 {
        return Err(Error::Input(format!(
            "of the {} newest records of {topic} none is an object in JSON, nor Avro in the framing of a schema registry",
            records.len()
        )));
    }
    let unit = needed.get(1).and_then(|time| objects.unit(time));
    if let (Some(_), Some(time)) = (unit, needed.get(1)) {
        objects.are_times(time);
    }
    let namespace = topic.to_lowercase().replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
    let schema = json!({
        "type": "record", "name": name, "namespace": format!("t_{namespace}"),
        "doc": format!("Derived from the newest records of {topic}; narrow what may be missing and say in `doc` what a field means."),
        "fields": objects.fields(needed),
    });
    let mut notes = objects.notes(topic);
    let unreadable = records.len() - objects.rows();
    if unreadable > 0 {
        notes.push(format!(
            "{topic}: {unreadable} of {} records are no objects in JSON; they become dead letters",
            records.len()
        ));
    }
    let (topic, table) = (topic.to_owned(), objects.table());
    Ok(Sample { topic, table, schema: pretty(&schema), is_json: true, unit, notes })
}

/// The newest records of all partitions.
fn newest(environment: &Environment, topic: &str) -> Result<Vec<Record>, Error> {
    let log = &environment.context.log;
    let Some(partitions) = log.partitions(topic)? else {
        let topics = log.topics()?;
        let help = match nearest(topic, topics.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "see `tidemill topics`".to_owned(),
        };
        return Err(Error::Input(format!("there is no topic {topic}; {help}")));
    };
    let (mut positions, mut left) = (Vec::new(), HashMap::new());
    for partition in 0..partitions {
        let tp = TopicPartition::new(topic, partition);
        let (start, end) = log.watermarks(&tp)?;
        if start < end {
            positions.push((tp.clone(), Start::Last(RECORDS_MAX).offset(start, end)));
            left.insert(tp, end);
        }
    }
    if left.is_empty() {
        return Err(Error::Input(format!("{topic} has no records, so that nothing can be derived from it")));
    }
    let mut session = log.session(SessionOptions::assigned("tidemill.init", positions))?;
    let (mut records, mut heard) = (Vec::new(), Instant::now());
    while !left.is_empty() && heard.elapsed() < Duration::from_millis(SILENCE_MS) {
        for (tp, some) in session.poll(Duration::from_millis(POLL_MS))?.records {
            heard = Instant::now();
            if some.last().zip(left.get(&tp)).is_some_and(|(last, end)| last.offset + 1 >= *end) {
                left.remove(&tp);
            }
            records.extend(some);
        }
        environment.signals.check()?;
    }
    session.close()?;
    Ok(records)
}
