//! Topics as server-sent events. Each tap has a thread with a session of its own; it ends when the caller leaves.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use runtime::log::{Poll, Session, SessionOptions, TopicPartition};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;

use crate::answer::{Answer, Problem, blocking};
use crate::decode::{Filter, Position, Start, Values, lines};
use crate::raw;
use crate::state::{self, Shared};

/// Longest wait for records at once, and with it for noticing that the caller left.
const POLL_MS: u64 = 200;
/// Lines that may wait for a slow caller.
const LINES_MAX: usize = 256;
/// A partition that gives nothing for so long has ended, although its last offsets hold no record (Kafka keeps some for
/// itself).
const SILENCE_MS: u64 = 5_000;

/// What of a topic is wanted.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub from: Start,
    pub limit: usize,
    pub filter: Filter,
    pub follow: bool,
    pub marks: bool,
    /// A line per record, with key, value and headers as they are, in base64.
    pub raw: bool,
}

/// `GET /v1/topics`.
pub(crate) async fn topics(State(state): Shared) -> Answer<Json<Value>> {
    blocking(move || {
        let log = &state.context.log;
        let mut found = Vec::new();
        for topic in log.topics().map_err(Problem::outside)? {
            let tps = (0..state.partitions(&topic)?).map(|partition| TopicPartition::new(topic.as_str(), partition));
            let offsets = tps.map(|tp| log.watermarks(&tp).map(|(start, end)| json!({ "start": start, "end": end })));
            let offsets = offsets.collect::<Result<Vec<_>, _>>().map_err(Problem::outside)?;
            let internal = state.context.plan.topic(&topic).is_some_and(|topic| topic.internal);
            found.push(json!({ "topic": topic, "internal": internal, "partitions": offsets }));
        }
        Ok(Json(Value::Array(found)))
    })
    .await
}

/// `GET /v1/topics/{topic}/tap`.
pub(crate) async fn tap(
    State(state): Shared,
    Path(topic): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
) -> Answer<Sse<impl tokio_stream::Stream<Item = Result<Event, Infallible>>>> {
    let wanted = wanted(&query)?;
    let permit = state.taps.clone().try_acquire_owned();
    let permit = permit.map_err(|_| Problem::busy(format!("{} taps are open already", state.limits.taps_max)))?;
    let (sender, receiver) = channel(LINES_MAX);
    let reader = blocking(move || Reader::open(state, &topic, wanted, sender, permit)).await?;
    let spawned = thread::Builder::new().name("gateway.tap".to_owned()).spawn(move || reader.run());
    spawned.map_err(Problem::ours)?;
    Ok(Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::default()))
}

/// What the query asks for.
pub(crate) fn wanted(query: &[(String, String)]) -> Answer<Wanted> {
    let help =
        "write ?from=start|end|OFFSET|-N&limit=N&filter=FIELD=VALUE&follow=true|false&marks=true|false&raw=true|false";
    let wrong = |name: &str, value: &str| Problem::bad(format!("{name}={value} is not understood"), help);
    let mut wanted = Wanted {
        from: Start::End,
        limit: usize::MAX,
        filter: Filter::default(),
        follow: true,
        marks: false,
        raw: false,
    };
    let mut conditions = Vec::new();
    for (name, value) in query {
        match name.as_str() {
            "from" => wanted.from = value.parse().map_err(|error: String| Problem::bad(error, help))?,
            "limit" => wanted.limit = value.parse().map_err(|_| wrong(name, value))?,
            "follow" => wanted.follow = value.parse().map_err(|_| wrong(name, value))?,
            "marks" => wanted.marks = value.parse().map_err(|_| wrong(name, value))?,
            "raw" => wanted.raw = value.parse().map_err(|_| wrong(name, value))?,
            "filter" => match value.split_once('=') {
                Some((field, text)) if !field.is_empty() => conditions.push((field.to_owned(), text.to_owned())),
                _ => return Err(wrong(name, value)),
            },
            _ => return Err(Problem::bad(format!("there is no option {name}"), help)),
        }
    }
    wanted.filter = Filter::new(&conditions);
    Ok(wanted)
}

type Lines = Sender<Result<Event, Infallible>>;

/// Why a tap ends.
enum End {
    /// Everything asked for was sent.
    Done,
    /// The caller left.
    Left,
    /// It cannot go on.
    Failed(Problem),
}

/// Reads one topic for one caller.
struct Reader {
    state: Arc<state::State>,
    session: Box<dyn Session>,
    /// Ends of the partitions that hold something still to be read, where reading stops at the end.
    left: HashMap<TopicPartition, i64>,
    wanted: Wanted,
    values: Values,
    lines: Lines,
    /// Held until the thread ends.
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    fn open(
        state: Arc<state::State>,
        topic: &str,
        wanted: Wanted,
        lines: Lines,
        permit: OwnedSemaphorePermit,
    ) -> Answer<Self> {
        let (mut positions, mut left) = (Vec::new(), HashMap::new());
        for partition in 0..state.partitions(topic)? {
            let tp = TopicPartition::new(topic, partition);
            let (start, end) = state.context.log.watermarks(&tp).map_err(Problem::outside)?;
            let offset = wanted.from.offset(start, end);
            if offset < end {
                left.insert(tp.clone(), end);
            }
            positions.push((tp, offset));
        }
        let client = format!("{}.gateway.tap", state.context.pipeline.name);
        let session =
            state.context.log.session(SessionOptions::assigned(client, positions)).map_err(Problem::outside)?;
        Ok(Reader { state, session, left, wanted, values: Values::default(), lines, _permit: permit })
    }

    fn run(mut self) {
        let last = match self.read() {
            End::Left => return,
            End::Done => Event::default().event("end").data("{}"),
            End::Failed(problem) => {
                let text = json!({ "error": problem.error, "help": problem.help }).to_string();
                Event::default().event("error").data(text)
            }
        };
        // A caller that left meanwhile misses nothing.
        let _ = self.lines.blocking_send(Ok(last));
    }

    fn read(&mut self) -> End {
        let mut heard = Instant::now();
        while self.wanted.limit > 0 && (self.wanted.follow || !self.left.is_empty()) {
            if self.lines.is_closed() {
                return End::Left;
            }
            if self.state.stopping() {
                return End::Done;
            }
            let poll = match self.session.poll(Duration::from_millis(POLL_MS)) {
                Ok(poll) => poll,
                Err(error) => return End::Failed(Problem::outside(error)),
            };
            if !poll.records.is_empty() {
                heard = Instant::now();
            } else if !self.wanted.follow && heard.elapsed() >= Duration::from_millis(SILENCE_MS) {
                return End::Done;
            }
            if let Err(end) = self.send(poll) {
                return end;
            }
        }
        End::Done
    }

    fn send(&mut self, poll: Poll) -> Result<(), End> {
        for (tp, mut records) in poll.records {
            if !self.wanted.follow {
                let Some(end) = self.left.get(&tp).copied() else { continue };
                if records.last().is_some_and(|last| last.offset + 1 >= end) {
                    self.left.remove(&tp);
                }
                records.retain(|record| record.offset < end);
            }
            let decoded = self.values.decode(&*self.state.context.schemas, &records);
            let decoded = decoded.map_err(|error| End::Failed(Problem::outside(error)))?;
            for (record, value) in records.iter().zip(decoded) {
                // As they are, a line is a record and not one of its items.
                let (marks, most) = match self.wanted.raw {
                    true => (true, 1),
                    false => (self.wanted.marks, usize::MAX),
                };
                for mut line in lines(&Position { tp: &tp, record }, value, marks).into_iter().take(most) {
                    if self.wanted.limit == 0 {
                        return Ok(());
                    }
                    if !self.wanted.filter.wants(&line) {
                        continue;
                    }
                    if self.wanted.raw {
                        line["raw"] = raw::line(record);
                    }
                    let event =
                        Event::default().id(format!("{}@{}", tp.partition, record.offset)).data(line.to_string());
                    self.lines.blocking_send(Ok(event)).map_err(|_| End::Left)?;
                    self.wanted.limit -= 1;
                }
            }
        }
        Ok(())
    }
}
