//! A pipeline and its schemas from a file of events.

use std::fmt::Write as _;
use std::io::BufRead;
use std::path::Path;

use flow::config::{CATEGORIES_MAX, listed, nearest};
use serde_json::{Value, json};

use super::Files;
use super::infer::{Column, Kind, ROWS_MAX, Table, infer};
use super::objects::Objects;
use super::target::Target;
use crate::error::Error;
use crate::loading::PIPELINE_FILE;
use crate::publish;

/// Columns whose mean becomes a feature.
const AVERAGED_MAX: usize = 8;
/// Events of a window below which a derived monitor says nothing: PSI of fewer is mostly chance.
const WATCHED_EVENTS_MIN: usize = 500;
/// Rows that a value has on average in a column that may be an entity's key.
const ROWS_PER_KEY: usize = 2;
/// Most different texts of a column that becomes a category; more are ids or sentences.
const WORDS_MAX: usize = 10_000;
/// Rows that a text has on average in such a column; of fewer nothing is learnt.
const ROWS_PER_WORD: usize = 2;

/// How long the newest events are that a monitor watches and that decide between two models, in microseconds too.
const PERIODS: [(&str, i64); 4] =
    [("1d", 86_400_000_000), ("6h", 21_600_000_000), ("1h", 3_600_000_000), ("10m", 600_000_000)];
/// Periods that a file spans at least, so that enough is left to train on.
const PERIODS_MIN: i64 = 5;

/// What is said of the file.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The file.
    pub file: &'a Path,
    /// Column with the event's id.
    pub id: &'a str,
    /// Column with the event's time.
    pub time: &'a str,
    /// Column whose history is looked at; one is chosen where none is named.
    pub key: Option<&'a str>,
    /// Column with the label.
    pub label: Option<&'a str>,
    /// How long after its event a label becomes known, as pipeline files write it: `7d`.
    pub label_delay: &'a str,
    /// Name of the pipeline; otherwise the file's.
    pub name: Option<&'a str>,
}

/// The roles of the columns of events.
pub(super) struct Roles<'t> {
    pub name: String,
    pub id: &'t Column,
    pub time: &'t Column,
    pub key: &'t Column,
    pub label: Option<(&'t Column, Target)>,
    pub label_delay: &'t str,
    pub table: &'t Table,
    /// The sources, where they are topics that are there. Their columns have the names that they have.
    pub topics: Option<String>,
}

/// The files of a pipeline over events like those in a file.
pub fn derive(wanted: &Wanted<'_>) -> Result<Files, Error> {
    let table = infer(wanted.file)?;
    let roles = roles(wanted, &table)?;
    let file = std::path::absolute(wanted.file).unwrap_or_else(|_| wanted.file.to_owned());
    let mut publish = format!("tidemill up --publish '{}'", file.display());
    let mut files =
        vec![(PIPELINE_FILE.to_owned(), roles.pipeline()), ("Event.avsc".to_owned(), pretty(&roles.event_schema()))];
    if let Some((label, _)) = &roles.label {
        files.push(("Label.avsc".to_owned(), pretty(&roles.label_schema(label))));
        // Writing to a string cannot fail.
        let _ = write!(publish, " --label-column '{}' --label-delay {}", label.name, wanted.label_delay);
    }
    let notes = roles.repeated_ids().into_iter().chain(of_lines(wanted.file)?);
    Ok(Files { files, next: vec![publish], notes: notes.collect() })
}

/// What JSON lines have that no column can.
fn of_lines(file: &Path) -> Result<Vec<String>, Error> {
    let Some(text) = publish::file::lines(file)? else { return Ok(Vec::new()) };
    let mut objects = Objects::default();
    // Lines that cannot be read were an error before.
    let lines = text.lines().map_while(Result::ok).take(ROWS_MAX);
    lines.filter_map(|line| serde_json::from_str(&line).ok()).for_each(|object| objects.look(&object));
    Ok(objects.notes_of_lines())
}

pub(super) fn pretty(schema: &Value) -> String {
    flow::plan::schema_text(schema)
}

fn roles<'t>(wanted: &Wanted<'t>, table: &'t Table) -> Result<Roles<'t>, Error> {
    let path = wanted.file.display();
    let column = |option: &str, name: &str| {
        let names = || table.columns.iter().map(|column| column.name.as_str());
        table.columns.iter().find(|column| column.name == name).ok_or_else(|| {
            let help = match nearest(name, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has {}", listed(names())),
            };
            Error::Input(format!("{option}: {path} has no column `{name}` with values; {help}"))
        })
    };
    let (id, time) = (column("--id", wanted.id)?, column("--time", wanted.time)?);
    if time.kind != Kind::Time {
        return Err(Error::Input(format!(
            "--time: the values of column `{}` are not times; write them as 2026-04-01T09:30:00Z",
            time.name
        )));
    }
    if !matches!(id.kind, Kind::Integer | Kind::Text) {
        return Err(Error::Input(format!("--id: column `{}` has neither whole numbers nor texts", id.name)));
    }
    let label = wanted.label.map(|name| column("--label", name)).transpose()?;
    let key = match wanted.key {
        Some(name) => column("--key", name)?,
        None => likely_key(table, &[Some(id), Some(time), label]).ok_or_else(|| {
            Error::Input(format!(
                "no column of {path} has values that come again, such as a customer's number; name the one whose history counts with --key COLUMN"
            ))
        })?,
    };
    let stem = wanted.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = match wanted.name {
        Some(name) => name.to_owned(),
        None => plain(stem.split('.').next().unwrap_or_default()).replace('_', "-"),
    };
    let label = label.map(|label| Ok::<_, Error>((label, Target::of(label, table.rows, wanted.file)?))).transpose()?;
    Ok(Roles { name, id, time, key, label, label_delay: wanted.label_delay, table, topics: None })
}

/// The column whose values come again and again, of which there are most.
pub(super) fn likely_key<'t>(table: &'t Table, taken: &[Option<&Column>]) -> Option<&'t Column> {
    let is_free = |column: &&Column| !taken.iter().flatten().any(|taken| taken.name == column.name);
    let is_key = |column: &&Column| {
        let comes_again = column.values > 1 && column.values * ROWS_PER_KEY <= table.rows;
        matches!(column.kind, Kind::Integer | Kind::Text) && comes_again
    };
    table.columns.iter().filter(is_free).filter(is_key).max_by_key(|column| column.values)
}

impl Roles<'_> {
    /// The columns of events; the label is none of them.
    fn columns(&self) -> impl Iterator<Item = &Column> {
        let label = self.label.as_ref().map(|(label, _)| label.name.as_str());
        self.table.columns.iter().filter(move |column| Some(column.name.as_str()) != label)
    }

    /// The columns that are not id nor key, and of topics those whose names SQL takes without quotes.
    fn others(&self) -> impl Iterator<Item = &Column> {
        let is_free = |column: &&Column| ![self.id, self.key].iter().any(|role| role.name == column.name);
        self.columns().filter(is_free).filter(|column| self.topics.is_none() || plain(&column.name) == column.name)
    }

    /// A column's name in the schema.
    fn called(&self, column: &Column) -> String {
        if self.topics.is_some() { column.name.clone() } else { plain(&column.name) }
    }

    fn numbers(&self) -> impl Iterator<Item = &Column> {
        self.others().filter(|column| matches!(column.kind, Kind::Float | Kind::Integer))
    }

    /// Texts that come again often enough to learn something of each.
    fn categories(&self) -> impl Iterator<Item = &Column> {
        let comes_again = |column: &&Column| {
            (2..=WORDS_MAX).contains(&column.values) && column.values * ROWS_PER_WORD <= self.table.rows
        };
        self.others().filter(|column| column.kind == Kind::Text).filter(comes_again).take(CATEGORIES_MAX)
    }

    /// What a person must know whose ids are none.
    fn repeated_ids(&self) -> Option<String> {
        let (id, rows) = (self.id, self.table.rows);
        (id.values < rows).then(|| {
            format!(
                "{rows} rows have {} values of `{}`, and of events with one id only the first counts; where each row is an event, take a column without repeats, or make one with `--map` when publishing",
                id.values, id.name
            )
        })
    }

    /// How long the newest events are that are watched and kept back, by how much time the file spans.
    fn period(&self) -> &'static str {
        let span_us = self.time.span_us.unwrap_or_default();
        let fits = PERIODS.iter().find(|(_, period_us)| period_us.saturating_mul(PERIODS_MIN) <= span_us);
        fits.or(PERIODS.last()).map_or("1d", |(period, _)| period)
    }

    fn event_schema(&self) -> Value {
        let fields = self.columns().map(|column| {
            let is_needed = column.name == self.id.name || column.name == self.time.name;
            field(&plain(&column.name), column.kind, !is_needed)
        });
        json!({
            "type": "record", "name": "Event", "namespace": self.namespace(),
            "doc": "Derived from a file; narrow what may be missing and say in `doc` what a field means.",
            "fields": fields.collect::<Vec<_>>(),
        })
    }

    fn label_schema(&self, label: &Column) -> Value {
        let known = json!({ "name": KNOWN_TIME, "type": ["null", time_type()], "default": null });
        let id = field(&plain(&self.id.name), self.id.kind, false);
        let target = field(&plain(&label.name), label.kind, false);
        json!({ "type": "record", "name": "Label", "namespace": self.namespace(), "fields": [id, target, known] })
    }

    fn namespace(&self) -> String {
        self.name.replace('-', "_")
    }

    pub fn pipeline(&self) -> String {
        let Self { name, key, topics, .. } = self;
        let (key, sources) = (self.called(key), topics.clone().unwrap_or_else(|| self.own_topics()));
        let origin = if topics.is_some() { "topics" } else { "a file" };
        let mut yaml = format!(
            "\
# Derived from {origin} of events. `tidemill validate` checks it, `tidemill plan` says what will be created.

pipeline: {name}

ordering: event_time                   # features see events in the order in which they happened
lateness: 10m                          # an event further behind the newest one goes to the topic `….late`

sources:
{sources}
features:
  version: 1
  entities:
    {ENTITY}:                            # from the history of one {key}, this event included
      key: {key}
      windows: [1h, 1d, 7d]
      aggregates:
        events: count()
"
        );
        for column in self.numbers().take(AVERAGED_MAX) {
            let column = self.called(column);
            yaml += &format!("        {column}_avg: avg({column})\n");
        }
        self.label.iter().for_each(|(label, said)| yaml += &self.model(label, said));
        yaml
    }

    /// Sources with topics of the pipeline's own.
    fn own_topics(&self) -> String {
        let Self { name, id, time, .. } = self;
        let [id, time] = [id, time].map(|column| plain(&column.name));
        let mut yaml = format!(
            "  events:
    topic: {name}.input.events.v1
    schema: Event.avsc
    id: {id}
    event_time: {time}
"
        );
        if let Some((label, said)) = &self.label {
            let (target, classes) = (plain(&label.name), said.lines());
            yaml += &format!(
                "  labels:
    topic: {name}.labels.events.v1
    schema: Label.avsc
    labels: events
    target: {target}
{classes}    known_time: {KNOWN_TIME}
    horizon: 90d                       # an event waits so long for its label
"
            );
        }
        yaml
    }

    fn model(&self, label: &Column, Target { objective, .. }: &Target) -> String {
        let (target, name_of_model) = (self.called(label), plain(&label.name));
        let alert = match *objective {
            "binary" => "    alert: { top_per_day: 100 }        # sets the threshold\n",
            _ => "",
        };
        let watched: Vec<String> = self.numbers().chain(self.categories()).map(|column| plain(&column.name)).collect();
        let facts = self.others().filter(|column| column.kind == Kind::Boolean).map(|column| plain(&column.name));
        let inputs: Vec<String> = watched.iter().cloned().chain(facts).chain([format!("{ENTITY}.*")]).collect();
        let watched: Vec<String> = watched.into_iter().chain([format!("{ENTITY}_events_1d")]).collect();
        let (inputs, watched) = (inputs.join(", "), watched.join(", "));
        let (Self { name, label_delay, .. }, period) = (self, self.period());
        format!(
            "
models:
  {name_of_model}_model:
    target: {target}
    objective: {objective}
    inputs: [{inputs}]
    network: {{ mlp: [32, 16] }}
    training:
      epochs: 20
      batch_size: 64
      learning_rate: 0.001
      seed: 1
      window: 30d                      # train on so much
      delay: {label_delay}                        # that ended so long ago, when its labels are in
{alert}
monitors:
  inputs:                              # the newest events against what the model was trained on
    model: {name_of_model}_model
    window: {period}
    psi: {{ features: [{watched}], warn: 0.1, alarm: 0.25 }}
    min_events: {WATCHED_EVENTS_MIN}                    # fewer than that in a window say nothing

retraining:
  on: [drift]
  train_window: 30d
  label_delay: {label_delay}
  holdout: {period}                          # the newest labelled events decide between champion and candidate
  promote: if_better

alerts: {{ topic: {name}.alerts.v1 }}    # incidents, for whoever wants to know
"
        )
    }
}

/// Name of the derived entity.
const ENTITY: &str = "of_key";
/// Field of a label with the time at which it became known.
const KNOWN_TIME: &str = "known_time";

fn time_type() -> Value {
    json!({ "type": "long", "logicalType": "timestamp-micros" })
}

pub(super) fn field(name: &str, kind: Kind, may_miss: bool) -> Value {
    let kind = match kind {
        Kind::Boolean => json!("boolean"),
        Kind::Integer => json!("long"),
        Kind::Float => json!("double"),
        Kind::Time => time_type(),
        Kind::Text => json!("string"),
    };
    match may_miss {
        true => json!({ "name": name, "type": ["null", kind], "default": null }),
        false => json!({ "name": name, "type": kind }),
    }
}

/// A column's name as SQL and YAML take it without quotes; `publish` finds the column by it.
fn plain(name: &str) -> String {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' };
    let plain: String = name.chars().map(letter).collect();
    let plain = plain.trim_matches('_');
    if plain.starts_with(|first: char| first.is_ascii_lowercase()) { plain.to_owned() } else { format!("c_{plain}") }
}
