//! As much of a log as a gateway gives: to publish, and to look where topics end.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use runtime::log::{
    Commit, Committed, Error as LogError, Input, Log, Poll, Publish, Result as LogResult, Session, SessionOptions,
    TopicPartition, TopicSpec,
};
use serde_json::{Value, json};

use super::{Refused, Remote, parsed};

/// Bytes of records that are gathered into one request; the gateway takes some more.
const REQUEST_BYTES_MAX: usize = 512 * 1024;

/// Start and end of each partition.
type Offsets = Vec<(i64, i64)>;

impl Remote {
    /// All topics.
    fn listed(&self) -> LogResult<Vec<(String, Offsets)>> {
        let text = self.get("/v1/topics").map_err(|refused| unavailable("asking for topics", &refused))?;
        let listed = parsed(&text).map_err(|refused| unavailable("asking for topics", &refused))?;
        let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_i64).unwrap_or_default();
        let topic = |topic: &Value| {
            let partitions = topic.get("partitions")?.as_array()?;
            let offsets = partitions.iter().map(|one| (number(one, "start"), number(one, "end"))).collect();
            Some((topic.get("topic")?.as_str()?.to_owned(), offsets))
        };
        Ok(listed.as_array().into_iter().flatten().filter_map(topic).collect())
    }
}

fn unavailable(doing: &str, refused: &Refused) -> LogError {
    let (doing, detail) = (doing.to_owned(), refused.message.clone());
    if refused.ours { LogError::Refused { doing, detail } } else { LogError::Unavailable { doing, detail } }
}

fn not_here(doing: &str) -> LogError {
    let detail = "another process has the log, and its gateway does not do this".to_owned();
    LogError::Refused { doing: doing.to_owned(), detail }
}

impl Log for Remote {
    fn create_topics(&self, specs: &[TopicSpec]) -> LogResult<()> {
        let existing = self.topics()?;
        match specs.iter().find(|spec| !existing.contains(&spec.name)) {
            None => Ok(()),
            Some(missing) => Err(LogError::MissingTopic { topic: missing.name.clone() }),
        }
    }

    fn add_partitions(&self, topic: &str, _: i32) -> LogResult<()> {
        Err(not_here(&format!("adding partitions to {topic}")))
    }

    fn delete_topics(&self, names: &[&str]) -> LogResult<()> {
        Err(not_here(&format!("deleting {}", names.join(", "))))
    }

    fn partitions(&self, topic: &str) -> LogResult<Option<i32>> {
        let found = self.listed()?.into_iter().find(|(name, _)| name == topic);
        Ok(found.map(|(_, partitions)| partitions.len() as i32))
    }

    fn topics(&self) -> LogResult<Vec<String>> {
        Ok(self.listed()?.into_iter().map(|(name, _)| name).collect())
    }

    fn watermarks(&self, tp: &TopicPartition) -> LogResult<(i64, i64)> {
        let found = self.listed()?.into_iter().find(|(name, _)| **name == *tp.topic);
        let missing = || LogError::MissingTopic { topic: tp.topic.to_string() };
        let (_, offsets) = found.ok_or_else(missing)?;
        let offset = usize::try_from(tp.partition).ok().and_then(|at| offsets.get(at).copied());
        offset.ok_or_else(|| LogError::MissingPartition { tp: tp.clone(), partitions: offsets.len() as i32 })
    }

    fn offset_at(&self, _: &TopicPartition, _: i64) -> LogResult<Option<i64>> {
        Err(not_here("looking for an offset by time"))
    }

    fn committed(&self, _: &str, _: &[TopicPartition]) -> LogResult<Vec<Option<Committed>>> {
        Err(not_here("asking for commits"))
    }

    fn members(&self, _: &str) -> LogResult<Vec<String>> {
        Err(not_here("asking for a group's members"))
    }

    fn set_committed(&self, _: &str, _: &[Commit]) -> LogResult<()> {
        Err(not_here("setting commits"))
    }

    fn session(&self, options: SessionOptions) -> LogResult<Box<dyn Session>> {
        match options.input {
            Input::None => Ok(Box::new(Publishing { remote: self.clone(), bodies: Vec::new() })),
            _ => Err(not_here("reading records")),
        }
    }
}

/// A session that only publishes: records are gathered by topic and sent as one request.
struct Publishing {
    remote: Remote,
    bodies: Vec<(std::sync::Arc<str>, String)>,
}

impl Publishing {
    fn send(&mut self) -> LogResult<()> {
        for (topic, body) in &mut self.bodies {
            if body.is_empty() {
                continue;
            }
            let sent = self.remote.post(&format!("/v1/publish/{topic}"), "application/x-ndjson", body);
            sent.map_err(|refused| unavailable(&format!("publishing to {topic}"), &refused))?;
            body.clear();
        }
        Ok(())
    }
}

/// A record as the gateway takes it.
fn line(record: &Publish, body: &mut String) {
    let text = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map(|bytes| STANDARD.encode(bytes));
    let headers: Vec<_> = record.headers.iter().map(|header| (header.name.as_ref(), text(&header.value))).collect();
    let line = json!({
        "key": text(&record.key),
        "value": text(&record.value),
        "headers": headers,
        "partition": record.partition,
    });
    // Writing to a string cannot fail.
    let _ = writeln!(body, "{line}");
}

impl Session for Publishing {
    fn poll(&mut self, _: Duration) -> LogResult<Poll> {
        Err(not_here("reading records"))
    }

    fn publish(&mut self, record: Publish) -> LogResult<()> {
        let at = self.bodies.iter().position(|(topic, _)| *topic == record.topic);
        let at = at.unwrap_or_else(|| {
            self.bodies.push((record.topic.clone(), String::new()));
            self.bodies.len() - 1
        });
        line(&record, &mut self.bodies[at].1);
        if self.bodies[at].1.len() >= REQUEST_BYTES_MAX { self.send() } else { Ok(()) }
    }

    fn flush(&mut self) -> LogResult<()> {
        self.send()
    }

    fn commit(&mut self, _: &[Commit]) -> LogResult<()> {
        Err(not_here("committing"))
    }

    fn seek(&mut self, _: &TopicPartition, _: i64) -> LogResult<()> {
        Err(not_here("seeking"))
    }

    fn pause(&mut self, _: &[TopicPartition]) -> LogResult<()> {
        Err(not_here("pausing"))
    }

    fn resume(&mut self, _: &[TopicPartition]) -> LogResult<()> {
        Err(not_here("resuming"))
    }

    fn watermarks(&mut self, tp: &TopicPartition) -> LogResult<(i64, i64)> {
        Log::watermarks(&self.remote, tp)
    }

    fn close(mut self: Box<Self>) -> LogResult<()> {
        self.send()
    }
}
