//! Changes as people and programs read them.

use std::fmt::Write as _;

use flow::config::format_duration;
use flow::fence::ModelRef;
use runtime::changes::{Grown, Kept, Mode, Standing};
use runtime::log::TopicSpec;
use serde_json::{Value, json};

use super::{Changes, Cost, FOREIGN, LeftTopic, Task};
use crate::environment::Environment;

/// What `plan` says.
pub struct Shown<'a> {
    /// Where.
    pub environment: &'a Environment,
    /// What was found.
    pub changes: &'a Changes,
    /// Whether a new generation is meant.
    pub rebuild: bool,
    /// The champion that it begins without.
    pub champion: Option<ModelRef>,
}

impl Shown<'_> {
    /// For people: a line per change, with `+` for what is new, `^` for what changes, `~` for state that is built again,
    /// `!` for what is refused.
    pub fn text(&self) -> String {
        let plan = &self.environment.context.plan;
        let mut text = format!("pipeline {} in generation {}", plan.pipeline, plan.generation);
        if self.rebuild {
            text.push_str(", which `apply --rebuild` begins");
        }
        section(&mut text, "store", self.changes.foreign.then(|| format!("! {FOREIGN}")).into_iter().collect());
        section(&mut text, "topics", self.topics());
        section(&mut text, "schemas", self.schemas());
        section(&mut text, "first records and parents of logs", self.fences());
        let cut = self.changes.cut.iter().filter(|_| self.rebuild);
        section(&mut text, "sources", cut.map(|(topic, records)| deleted(topic, *records)).collect());
        section(&mut text, "models", self.champion.iter().map(without).collect());
        section(&mut text, "tasks", self.changes.tasks.iter().map(|task| line(task, self.rebuild)).collect());
        section(
            &mut text,
            "left behind: not in the file any more; `apply --delete-left-behind` deletes topics and states",
            self.left(),
        );
        let refused = self.changes.refusals();
        section(&mut text, "refused", refused.iter().map(|refused| format!("! {refused}")).collect());
        text.push_str("\n\n");
        text.push_str(&self.verdict(refused.len()));
        text
    }

    fn verdict(&self, refused: usize) -> String {
        let command = if self.rebuild { "tidemill apply --rebuild" } else { "tidemill apply" };
        let made = &self.changes.made;
        if refused > 0 {
            return "`apply` refuses this, and makes nothing".to_owned();
        }
        if self.changes.is_empty() && !self.rebuild {
            let is_rebuilt = |task: &Task| matches!(task.cost, Cost::Replayed { .. });
            let more = match self.changes.tasks.iter().any(is_rebuilt) {
                true => "; services build again what is marked with ~ when they are started",
                false => "",
            };
            return format!("nothing to do{more}");
        }
        let parts = [
            (made.topics.len(), "topics to create"),
            (made.grown.len(), "to grow"),
            (made.kept.len(), "settings of topics to change"),
            (made.new_schemas().count(), "schemas to register"),
            (made.modes.len(), "modes to set"),
            (made.fences.len(), "log partitions to begin"),
            (self.changes.named.len(), "logs to tell of new parents"),
        ];
        let parts: Vec<String> =
            parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        format!("{}; `{command}` does it", parts.join(", "))
    }

    fn topics(&self) -> Vec<String> {
        let made = &self.changes.made;
        let new = made.topics.iter().map(|spec| {
            let compacted = if spec.compacted { ", compacted" } else { "" };
            let near = self.changes.near.iter().find(|(source, _)| *source == spec.name);
            let near = near.map(|(_, near)| format!("; did you mean `{near}`, which is there?")).unwrap_or_default();
            format!("+ {}  {}{compacted}{}{near}", spec.name, counted(spec.partitions, "partition"), kept(spec))
        });
        let grown = made.grown.iter().map(|Grown { topic, from, to }| format!("^ {topic}  {from} -> {to} partitions"));
        let kept =
            made.kept.iter().map(|Kept { topic, setting, from, to }| format!("^ {topic}  {setting} {from} -> {to}"));
        new.chain(grown).chain(kept).collect()
    }

    fn schemas(&self) -> Vec<String> {
        let made = &self.changes.made;
        let modes = made.modes.iter().map(|Mode { topic, from, to }| {
            let from = from.map_or("not set", |from| from.name());
            format!("^ {topic}  mode {from} -> {to}")
        });
        let schemas = made.new_schemas().map(|schema| match schema.standing {
            Standing::Version(1) => format!("+ {}", schema.topic),
            Standing::Version(version) => format!("^ {}  version {version}", schema.topic),
            Standing::Registered(_) => String::new(),
        });
        modes.chain(schemas).collect()
    }

    fn fences(&self) -> Vec<String> {
        let of_logs = self.changes.made.fences.chunk_by(|one, next| one.topic == next.topic);
        let first = of_logs.map(|of_log| {
            format!("+ {}  first record of {}", of_log[0].topic, counted(of_log.len() as i64, "partition"))
        });
        let named = self.changes.named.iter().map(|log| format!("^ {log}  new partitions of its sources"));
        first.chain(named).collect()
    }

    fn left(&self) -> Vec<String> {
        let left = &self.changes.left;
        let topics = left
            .topics
            .iter()
            .map(|LeftTopic { name, why, records }| format!("  {name}  {}, {why}", counted(*records, "record")));
        let tasks = left.tasks.iter().map(|(group, log)| format!("  state of {group} over {log}"));
        topics.chain(tasks).collect()
    }

    /// For programs.
    pub fn value(&self) -> Value {
        let (plan, made) = (&self.environment.context.plan, &self.changes.made);
        let topics = made.topics.iter().map(|spec| {
            json!({ "topic": spec.name, "change": "create", "partitions": spec.partitions, "compacted": spec.compacted,
                "retention_ms": spec.retention_ms, "retention_bytes": spec.retention_bytes })
        });
        let grown = made.grown.iter().map(|Grown { topic, from, to }| {
            json!({ "topic": topic, "change": "grow", "partitions": to, "partitions_before": from })
        });
        let schemas = made.new_schemas().map(|schema| match schema.standing {
            Standing::Version(version) => json!({ "topic": schema.topic, "version": version }),
            Standing::Registered(id) => json!({ "topic": schema.topic, "id": id }),
        });
        let modes = made.modes.iter().map(|Mode { topic, from, to }| {
            json!({ "topic": topic, "mode": to.name(), "mode_before": from.map(|from| from.name()) })
        });
        let tasks = self.changes.tasks.iter().map(|task| {
            let Task { name, group, is_new, cost } = task;
            let why = if let Cost::Refused(why) = cost { Some(why) } else { None };
            json!({
                "task": name, "group": group, "new": is_new, "state": word(cost), "why": why,
                "records_again": cost.again(), "bytes_again": cost.bytes(), "records_ahead": cost.ahead(),
            })
        });
        let left = &self.changes.left;
        let left_topics = left.topics.iter().map(
            |LeftTopic { name, why, records }| json!({ "topic": name, "why": why.to_string(), "records": records }),
        );
        let left_tasks = left.tasks.iter().map(|(group, log)| json!({ "group": group, "log": log }));
        json!({
            "pipeline": plan.pipeline,
            "generation": plan.generation,
            "rebuild": self.rebuild,
            "nothing_to_do": self.changes.is_empty() && !self.rebuild,
            "topics": topics.chain(grown).collect::<Vec<_>>(),
            "schemas": schemas.collect::<Vec<_>>(),
            "settings": made.kept.iter().map(|Kept { topic, setting, from, to }| {
                json!({ "topic": topic, "setting": setting, "value": to, "value_before": from })
            }).collect::<Vec<_>>(),
            "modes": modes.collect::<Vec<_>>(),
            "fences": made.fences.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "parents": self.changes.named,
            "begins_without_champion": self.champion.as_ref().map(|model| format!("{}@{}", model.name, model.version)),
            "tasks": tasks.collect::<Vec<_>>(),
            "sources_cut": self.changes.cut.iter().map(|(topic, records)| {
                json!({ "topic": topic, "records_deleted": records })
            }).collect::<Vec<_>>(),
            "left_behind": { "topics": left_topics.collect::<Vec<_>>(), "tasks": left_tasks.collect::<Vec<_>>() },
            "refused": self.changes.refusals().iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }
}

fn without(champion: &ModelRef) -> String {
    let ModelRef { name, version, .. } = champion;
    format!(
        "! {name}@{version} is champion now, and the rebuilt log begins without one: nothing is scored before `tidemill model promote {name} {version}`, or another model where the features are others"
    )
}

fn deleted(topic: &str, records: i64) -> String {
    format!(
        "! {topic}  its first {} are deleted, and nothing is computed of them; what was archived of them is in the archive",
        counted(records, "record")
    )
}

fn section(text: &mut String, title: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    // Writing to a string cannot fail.
    let _ = write!(text, "\n{title}");
    lines.iter().for_each(|line| text.push_str(&format!("\n  {line}")));
}

/// How long records of a topic are kept, where that is declared.
fn kept(spec: &TopicSpec) -> String {
    let time = spec.retention_ms.map(|ms| format!(", kept for {}", format_duration(ms.saturating_mul(1_000))));
    let bytes = spec.retention_bytes.map(|bytes| format!(", at most {} a partition", size(bytes.cast_signed())));
    time.into_iter().chain(bytes).collect()
}

fn word(cost: &Cost) -> &'static str {
    match cost {
        Cost::Kept { .. } => "kept",
        Cost::Begins { .. } => "begins",
        Cost::Replayed { .. } => "rebuilt",
        Cost::Refused(_) => "refused",
    }
}

/// `1 record`, `2 records`.
fn counted(count: impl Into<i64>, what: &str) -> String {
    let count = count.into();
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn line(task: &Task, rebuild: bool) -> String {
    let (sign, cost) = match &task.cost {
        Cost::Kept { again, ahead } => {
            let again = (*again > 0).then(|| format!("{} to read again", counted(*again, "record")));
            let ahead = (*ahead > 0).then(|| format!("{} not read yet", counted(*ahead, "record")));
            let parts: Vec<String> = ["state kept".to_owned()].into_iter().chain(again).chain(ahead).collect();
            (' ', parts.join(", "))
        }
        Cost::Begins { ahead } => {
            let sign = if task.is_new || rebuild { '+' } else { ' ' };
            let there = if *ahead > 0 { format!(", {} are there", counted(*ahead, "record")) } else { String::new() };
            (sign, format!("begins with the first record{there}"))
        }
        Cost::Replayed { again, bytes, .. } => {
            ('~', format!("state is built again from {} (about {})", counted(*again, "record"), size(*bytes)))
        }
        Cost::Refused(_) => ('!', "refused".to_owned()),
    };
    format!("{sign} {}  {cost}", task.name)
}

/// A number of bytes for people.
fn size(bytes: i64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let mut amount = bytes as f64;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{amount:.1} {}", UNITS[unit]) }
}
