//! `tidemill tap`: records of a topic as JSON lines.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use gateway::decode::{Filter, Position, Start, Values, lines};
use runtime::log::{Log, SessionOptions, TopicPartition};

use crate::cli::Global;
use crate::cli::tap::Tap;
use crate::environment::Environment;
use crate::error::Error;
use crate::output::{Output, note};
use crate::remote::Remote;
use crate::signals::Signals;
use flow::config::nearest;

/// Longest wait for records at once.
const POLL_MS: u64 = 200;
/// Ends of the names of topics for what went wrong; whoever wants one says so.
const ASIDE: [&str; 3] = ["dlq", "retry", "late"];
/// A partition that gives nothing for so long has ended, although its last offsets hold no record (Kafka keeps some for
/// itself).
const SILENCE_MS: u64 = 5_000;

pub fn run(global: &Global, output: Output, options: &Tap) -> Result<(), Error> {
    let environment = Environment::existing(global)?;
    let log = &environment.context.log;
    let topic = find(&options.topic, &log.topics()?, |name| environment.context.plan.topic(name).is_some())?;
    if let Some(remote) = &environment.remote {
        return beside(remote, output, &topic, options, &environment.signals);
    }
    let default = if options.follow { Start::End } else { Start::Start };
    let from = match &options.from {
        None => default,
        Some(text) => text.parse::<Start>().map_err(Error::Input)?,
    };
    let (positions, mut left) = positions(&**log, &topic, from)?;
    let mut session = log.session(SessionOptions::assigned("tidemill.tap", positions))?;
    let (filter, mut values) = (Filter::new(&options.filter), Values::default());
    let mut budget = options.limit.unwrap_or(usize::MAX);
    let mut heard = Instant::now();
    while budget > 0 && (options.follow || !left.is_empty()) && !environment.signals.stopping() {
        let poll = session.poll(Duration::from_millis(POLL_MS))?;
        if poll.records.is_empty() && !options.follow && heard.elapsed() >= Duration::from_millis(SILENCE_MS) {
            break;
        }
        for (tp, mut records) in poll.records {
            heard = Instant::now();
            if let Some(end) = left.get(&tp).copied().filter(|_| !options.follow) {
                let reached = records.last().is_some_and(|last| last.offset + 1 >= end);
                records.retain(|record| record.offset < end);
                reached.then(|| left.remove(&tp));
            } else if !options.follow {
                continue;
            }
            let decoded = values.decode(&*environment.context.schemas, &records)?;
            let shown = records
                .iter()
                .zip(decoded)
                .flat_map(|(record, value)| lines(&Position { tp: &tp, record }, value, options.marks));
            let shown: Vec<String> =
                shown.filter(|line| filter.wants(line)).take(budget).map(|line| line.to_string()).collect();
            budget -= shown.len();
            output.lines(&shown)?;
        }
    }
    session.close()?;
    if let Some(id) = values.unknown().first() {
        let place = match &global.schema_registry {
            Some(_) => "the schema registry has no schema of that id that can be used",
            None => {
                "the store has no such schema; name the registry that its producers use with `--schema-registry URL`"
            }
        };
        note(&format!("records with schema id {id} are shown as bytes: {place}"));
    }
    environment.signals.check()
}

/// Through the gateway of the process that has the log.
fn beside(remote: &Remote, output: Output, topic: &str, options: &Tap, signals: &Signals) -> Result<(), Error> {
    signals.leave_at_once()?;
    let default = if options.follow { "end" } else { "start" };
    let mut query = vec![
        ("from".to_owned(), options.from.clone().unwrap_or_else(|| default.to_owned())),
        ("follow".to_owned(), options.follow.to_string()),
        ("marks".to_owned(), options.marks.to_string()),
    ];
    query.extend(options.limit.map(|limit| ("limit".to_owned(), limit.to_string())));
    query.extend(options.filter.iter().map(|(field, value)| ("filter".to_owned(), format!("{field}={value}"))));
    remote.tap(topic, &query, |line| output.line(line).map(|()| true))
}

/// Where each partition is read from, and the ends of those that hold something from there on.
#[allow(clippy::type_complexity)] // Named types for two local lists would say less.
fn positions(
    log: &dyn Log,
    topic: &str,
    from: Start,
) -> Result<(Vec<(TopicPartition, i64)>, HashMap<TopicPartition, i64>), Error> {
    let (mut positions, mut left) = (Vec::new(), HashMap::new());
    for partition in 0..log.partitions(topic)?.unwrap_or(0) {
        let tp = TopicPartition::new(topic, partition);
        let (start, end) = log.watermarks(&tp)?;
        let offset = from.offset(start, end);
        if from.is_deleted(start) {
            note(&format!(
                "{tp} begins at offset {start}: what was before is deleted, and in the archive if that got it (`tidemill sql`)"
            ));
        }
        if offset < end {
            left.insert(tp.clone(), end);
        }
        positions.push((tp, offset));
    }
    Ok((positions, left))
}

/// The topic of that name, or the only one that has it in its name; this pipeline's where others have one too.
pub(crate) fn find(wanted: &str, topics: &[String], ours: impl Fn(&str) -> bool) -> Result<String, Error> {
    if topics.iter().any(|topic| topic == wanted) {
        return Ok(wanted.to_owned());
    }
    let mut containing: Vec<&String> = topics.iter().filter(|topic| topic.contains(wanted)).collect();
    if containing.len() > 1 && !ASIDE.iter().any(|aside| wanted.contains(aside)) {
        containing.retain(|topic| !ASIDE.iter().any(|aside| topic.ends_with(aside)));
    }
    if containing.iter().any(|topic| ours(topic)) {
        containing.retain(|topic| ours(topic));
    }
    match containing[..] {
        [only] => Ok(only.clone()),
        [] => {
            let near = nearest(wanted, topics.iter().map(String::as_str));
            let help =
                near.map_or_else(|| "see `tidemill topics`".to_owned(), |near| format!("did you mean `{near}`?"));
            Err(Error::Input(format!("there is no topic {wanted}; {help}")))
        }
        ref several => {
            let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            Err(Error::Input(format!("several topics have `{wanted}` in their names: {}", names.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::find;

    #[track_caller]
    fn check(wanted: &str, expected: Result<&str, &str>) {
        let topics = [
            "a.b.events.v1",
            "a.b.events.v1.late",
            "a.b.events.v1.validator.dlq",
            "a.c.log.f1.g1",
            "a.d.log.g1",
            "z.events.v1",
            "y.states.v1",
        ];
        let found = find(wanted, &topics.map(str::to_owned), |name| name.starts_with("a."));
        let found = found.map_err(|error| error.to_string());
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{wanted}");
    }

    #[test]
    fn a_part_of_a_name_is_enough_if_it_is_clear() {
        check("a.b.events.v1", Ok("a.b.events.v1"));
        check("b.events", Ok("a.b.events.v1"));
        check("events.v1", Ok("a.b.events.v1"));
        check("z.events", Ok("z.events.v1"));
        check("states", Ok("y.states.v1"));
        check("dlq", Ok("a.b.events.v1.validator.dlq"));
        check("c.log", Ok("a.c.log.f1.g1"));
        check("log", Err("several topics have `log` in their names: a.c.log.f1.g1, a.d.log.g1"));
        check("a.d.lgo.g1", Err("there is no topic a.d.lgo.g1; did you mean `a.d.log.g1`?"));
        check("nothing", Err("there is no topic nothing; see `tidemill topics`"));
    }
}
