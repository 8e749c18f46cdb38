//! `tidemill ledger show`: one event's whole way, as all topics tell it.

use std::collections::BTreeSet;
use std::time::Duration;

use flow::plan::{Kind, Topic};
use flow::public::{EMISSION_HEADER, ORIGIN_HEADER};
use gateway::decode::{Position, Values, lines};
use runtime::log::SessionOptions;
use schemas::reject::names::{ATTEMPT, DETAIL, IDENTITY, REASON};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::environment::Environment;
use crate::error::Error;
use crate::output::{Output, table};

/// Longest wait for records that are there.
const POLL_MS: u64 = 200;

pub fn run(global: &Global, output: Output, event: &str) -> Result<(), Error> {
    let environment = Environment::existing(global)?;
    let mut wanted = Wanted::of(&environment, event);
    let mut steps = find(&environment, &wanted)?;
    if wanted.id.is_none() {
        // What else there is of the event, such as its label, has another origin and the same id.
        wanted.id = steps.iter().find_map(|step| step.id.clone());
        if wanted.id.is_some() {
            steps = find(&environment, &wanted)?;
        }
    }
    if steps.is_empty() {
        return Err(Error::Input(format!("no topic of the pipeline has an event {event}")));
    }
    output.show(|| text(&steps), || json!({"id": wanted.id, "steps": steps.iter().map(value).collect::<Vec<_>>()}))
}

/// What is looked for.
struct Wanted {
    id: Option<String>,
    /// `topic/partition@offset`.
    origin: Option<String>,
    ids: [Option<(String, String)>; 2],
}

/// One record or item on the way.
struct Step {
    service: String,
    topic: String,
    at: String,
    from: String,
    what: String,
    /// Whether readers drop it, since the same was there before.
    repeat: bool,
    id: Option<String>,
    line: Value,
}

impl Wanted {
    fn of(environment: &Environment, event: &str) -> Self {
        let pipeline = &environment.context.pipeline;
        let labels = pipeline.labels.as_ref().map(|labels| (labels.topic.clone(), labels.id.clone()));
        let ids = [Some((pipeline.events.topic.clone(), pipeline.events.id.clone())), labels];
        let position = || {
            let mut parts = event.rsplitn(3, '/');
            let (offset, partition) = (parts.next()?.parse::<i64>().ok()?, parts.next()?.parse::<u16>().ok()?);
            let topic = parts.next()?;
            let known = environment.context.plan.names.sources().any(|source| source == topic);
            known.then(|| format!("{topic}/{partition}@{offset}"))
        };
        match position() {
            Some(origin) => Wanted { id: None, origin: Some(origin), ids },
            None => Wanted { id: Some(event.to_owned()), origin: None, ids },
        }
    }

    /// The id of a line, and whether the line is of the event.
    fn means(&self, topic: &Topic, line: &Value) -> (Option<String>, bool) {
        let header = |name: &str| line.get("headers").and_then(|headers| headers.get(name)).and_then(Value::as_str);
        let plain = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let number = |name: &str| line.get(name).and_then(Value::as_i64).unwrap_or_default();
        let value = |name: &str| line.get("value").and_then(|value| value.get(name)).filter(|value| !value.is_null());
        let (id, origin) = match topic.kind {
            Kind::Source => {
                let column = self.ids.iter().flatten().find(|(of, _)| *of == topic.name).map(|(_, column)| column);
                let id = column.and_then(|column| value(column)).map(plain);
                (id, Some(format!("{}/{}@{}", topic.name, number("partition"), number("offset"))))
            }
            Kind::Log => (line.get("id").map(plain), line.get("origin").map(plain)),
            Kind::Dlq | Kind::Retry => {
                let origin = header(IDENTITY).and_then(|identity| {
                    let mut parts = identity.rsplitn(4, '/').skip(1);
                    let (offset, partition) = (parts.next()?, parts.next()?);
                    Some(format!("{}/{partition}@{offset}", parts.next()?))
                });
                (line.get("key").map(plain), origin)
            }
            Kind::Late => (line.get("key").map(plain), header(ORIGIN_HEADER).map(str::to_owned)),
            _ => (value("event_id").map(plain), header(ORIGIN_HEADER).map(str::to_owned)),
        };
        let same = |wanted: &Option<String>, found: &Option<String>| wanted.is_some() && wanted == found;
        let means = same(&self.id, &id) || same(&self.origin, &origin);
        (id, means)
    }
}

/// Everything there is of the event, in the order in which an event meets topics.
fn find(environment: &Environment, wanted: &Wanted) -> Result<Vec<Step>, Error> {
    let first = [Kind::Source, Kind::Dlq, Kind::Late, Kind::Retry];
    let shown =
        first.into_iter().chain([Kind::Log, Kind::Predictions, Kind::Outcomes, Kind::Refusals]).collect::<Vec<_>>();
    let topics = environment.context.plan.topics.iter().filter(|topic| shown.contains(&topic.kind));
    let mut topics: Vec<&Topic> = topics.collect();
    topics.sort_by_key(|topic| !first.contains(&topic.kind));
    let mut steps = Vec::new();
    for topic in topics {
        let mut seen = BTreeSet::new();
        scan(environment, topic, |line| {
            let (id, means) = wanted.means(topic, &line);
            if means {
                steps.push(step(environment, topic, &mut seen, (id, line)));
            }
        })?;
        environment.signals.check()?;
    }
    Ok(steps)
}

/// All lines of a topic up to where it ends now.
fn scan(environment: &Environment, topic: &Topic, mut each: impl FnMut(Value)) -> Result<(), Error> {
    if let Some(remote) = &environment.remote {
        let query = [("from".to_owned(), "start".to_owned()), ("follow".to_owned(), "false".to_owned())];
        return remote.tap(&topic.name, &query, |text| {
            each(serde_json::from_str(text).unwrap_or_default());
            Ok(true)
        });
    }
    let context = &environment.context;
    let mut values = Values::default();
    for (tp, start, end) in context.bounds(&topic.name)? {
        let mut next = start;
        if start == end {
            continue;
        }
        let mut session = context.log.session(SessionOptions::assigned("tidemill.show", vec![(tp.clone(), start)]))?;
        while next < end {
            for (_, records) in session.poll(Duration::from_millis(POLL_MS))?.records {
                next = records.last().map_or(next, |record| record.offset + 1);
                let decoded = values.decode(&*context.schemas, &records)?;
                for (record, value) in records.iter().zip(decoded) {
                    lines(&Position { tp: &tp, record }, value, false).into_iter().for_each(&mut each);
                }
            }
        }
        session.close()?;
    }
    Ok(())
}

fn step(
    environment: &Environment,
    topic: &Topic,
    seen: &mut BTreeSet<String>,
    (id, line): (Option<String>, Value),
) -> Step {
    let text = |name: &str| line.get(name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let header = |name: &str| line.get("headers").and_then(|headers| headers.get(name)).and_then(Value::as_str);
    let identity = header(EMISSION_HEADER).map(str::to_owned).or_else(|| text("trigger"));
    let from = identity.or_else(|| header(ORIGIN_HEADER).or(header(IDENTITY)).map(str::to_owned)).unwrap_or_default();
    let attempt = header(ATTEMPT).and_then(|attempt| attempt.parse::<u32>().ok()).unwrap_or_default();
    let repeat = !from.is_empty() && !seen.insert(format!("{from} {attempt}"));
    let number = |name: &str| text(name).unwrap_or_default();
    let mut at = format!("{}/{}", number("partition"), number("offset"));
    if topic.kind == Kind::Log {
        at.push_str(&format!(".{} #{}", number("item"), number("number")));
    }
    let part = |name: &str| line.get(name).filter(|part| !part.is_null());
    let field = |part: &Value, name: &str| part.get(name).map(ToString::to_string).unwrap_or_default();
    let what = match topic.kind {
        Kind::Source => "published".to_owned(),
        Kind::Log => match (part("prediction"), part("label")) {
            (Some(prediction), _) => format!("prediction, score {}", field(prediction, "score")),
            (_, Some(label)) => format!("label {}, key {}", field(label, "value"), number("key")),
            _ => format!("event, key {}", number("key")),
        },
        Kind::Dlq => {
            let again = if attempt > 0 { format!(", retry {attempt}") } else { String::new() };
            format!("{}{again}: {}", header(REASON).unwrap_or("?"), header(DETAIL).unwrap_or_default())
        }
        Kind::Retry => format!("published again, retry {attempt}"),
        Kind::Late => "too late".to_owned(),
        Kind::Outcomes => {
            let scored = part("value").and_then(|value| value.get("prediction")).filter(|one| !one.is_null());
            let label = part("value").map(|value| field(value, "label")).unwrap_or_default();
            let revision = part("value").and_then(|value| value.get("revision")).and_then(Value::as_i64);
            let corrected =
                revision.filter(|revision| *revision > 0).map(|revision| format!(", correction {revision}"));
            let corrected = corrected.unwrap_or_default();
            match scored {
                Some(prediction) => format!("label {label}, score was {}{corrected}", field(prediction, "score")),
                None => format!("label {label}, no score{corrected}"),
            }
        }
        Kind::Refusals => part("value").map_or_else(String::new, |value| {
            let reason = value.get("reason").and_then(Value::as_str).unwrap_or_default();
            match value.get("label_class").and_then(Value::as_str) {
                Some(class) => format!("{reason}: label {class}"),
                None => format!("{reason}: label {}", field(value, "label")),
            }
        }),
        _ => part("value").map_or_else(String::new, |value| {
            let model = value.get("model").and_then(Value::as_str).unwrap_or_default();
            format!("score {}, decision {}, by {model}", field(value, "score"), field(value, "decision"))
        }),
    };
    let service = writer(environment, topic, &from);
    Step { service, topic: topic.name.clone(), at, from, what, repeat, id, line }
}

/// Who writes a topic: the task that reads the log which the identity names.
fn writer(environment: &Environment, topic: &Topic, from: &str) -> String {
    let parent = from.split_once('@').and_then(|(place, _)| place.rsplit_once('/')).map(|(log, _)| log);
    let tasks = environment.context.plan.tasks.iter().filter(|task| task.writes.contains(&topic.name));
    let reads = |task: &&flow::plan::Task| parent.is_none_or(|parent| task.reads.iter().any(|log| log == parent));
    match tasks.filter(reads).map(|task| task.group_id.clone()).next() {
        Some(task) => task,
        None => "publisher".to_owned(),
    }
}

fn text(steps: &[Step]) -> String {
    let row = |step: &Step| {
        let what = if step.repeat { format!("{} (a repeat; readers drop it)", step.what) } else { step.what.clone() };
        vec![step.service.clone(), step.topic.clone(), step.at.clone(), step.from.clone(), what]
    };
    table(&["BY", "TOPIC", "AT", "FROM", "WHAT"], &steps.iter().map(row).collect::<Vec<_>>())
}

fn value(step: &Step) -> Value {
    json!({"service": step.service, "topic": step.topic, "from": step.from, "what": step.what,
        "repeat": step.repeat, "record": step.line})
}
