//! A session on Kafka: one consumer, one producer, one thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::Offset;

use super::commit::commit;
use super::context::ConsumerSide;
use super::leave::leave;
use super::message::Collector;
use super::owned::{After, Owned, check_range, judge, take};
use super::publisher::{Publisher, check_size};
use super::transaction::Client;
use super::{Cluster, REQUEST_WAIT_MS, fault, list, ms};
use crate::failpoint;
use crate::log::{
    Commit, Committed, Error, Input, METADATA_BYTES_MAX, Poll, Publish, Result, Session, SessionOptions, TopicPartition,
};
use crate::transaction::{Offsets, Transactions};

mod partitions;

/// Stands for a generation that is over; no group is in it.
const FENCED: i32 = -2;

/// What must happen before the next records can come.
enum Pending {
    Nothing,
    /// The shell has seen its new partitions and may have moved their positions: begin to read.
    Assign,
    /// The shell had its time to commit: give the partitions back.
    Unassign,
}

/// See the module.
pub(super) struct KafkaSession {
    publisher: Option<Publisher>,
    /// The producer of the transactional topics, if there are any.
    transactions: Option<Transactions<Publisher>>,
    consumer: Option<BaseConsumer<ConsumerSide>>,
    cluster: Arc<Cluster>,
    options: SessionOptions,
    owned: Vec<Owned>,
    /// Partitions that may be committed though they are not read any more: those just revoked.
    leaving: Vec<TopicPartition>,
    pending: Pending,
    /// The group's generation in which the owned partitions were assigned.
    generation: i32,
}

impl KafkaSession {
    /// Opens a session; with a group, joins it in the background.
    pub fn open(cluster: Arc<Cluster>, options: SessionOptions) -> Result<Self> {
        let transactions = (!options.transactional.is_empty()).then(|| {
            // Replaced by the slots of the partitions when the session gets some. One without a group has none, and what
            // it leaves open ends with its time.
            Transactions::new(unique(&options.client_id))
        });
        let mut session = Self {
            publisher: None,
            transactions,
            consumer: None,
            cluster,
            options,
            owned: Vec::new(),
            leaving: Vec::new(),
            pending: Pending::Nothing,
            generation: FENCED,
        };
        match session.options.input.clone() {
            Input::None => {
                session.cluster.metadata(None, super::CONNECT_WAIT_MS)?;
            }
            Input::Group { topics, .. } => {
                for topic in &topics {
                    session.cluster.partitions(topic)?.ok_or_else(|| Error::MissingTopic { topic: topic.clone() })?;
                }
                let names: Vec<&str> = topics.iter().map(String::as_str).collect();
                let consumer = session.create_consumer()?;
                consumer.subscribe(&names).map_err(|error| fault::error("subscribing", &error))?;
                session.consumer = Some(consumer);
            }
            Input::Assigned(partitions) => {
                for (tp, offset) in &partitions {
                    session.cluster.check_partition(tp)?;
                    check_range(&session.cluster, tp, *offset)?;
                }
                session.consumer = Some(session.create_consumer()?);
                session.owned = partitions.into_iter().map(|(tp, next)| Owned::new(tp, next)).collect();
                session.assign()?;
            }
        }
        Ok(session)
    }

    fn create_consumer(&self) -> Result<BaseConsumer<ConsumerSide>> {
        let config = self.cluster.settings.consumer(&self.options);
        BaseConsumer::from_config_and_context(&config, ConsumerSide::default())
            .map_err(|error| fault::error("creating a consumer", &error))
    }

    fn group(&self) -> Option<&str> {
        group_of(&self.options)
    }

    /// Collects records until one of the limits is reached or nothing more is at hand.
    fn collect(&mut self, deadline: Instant) -> Result<Poll> {
        let mut collector = Collector::default();
        let Some(consumer) = &self.consumer else {
            std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
            return Ok(Poll::default());
        };
        loop {
            let full =
                collector.records >= self.options.poll_records_max || collector.bytes >= self.options.poll_bytes_max;
            if full || consumer.context().has_rebalance() {
                break;
            }
            let wait =
                if collector.records > 0 { Duration::ZERO } else { deadline.saturating_duration_since(Instant::now()) };
            match consumer.poll(whole_ms(wait)) {
                Some(Ok(message)) => take(&mut self.owned, &message, &mut collector),
                Some(Err(error)) => match judge(&self.cluster, &self.options, &self.owned, &error)? {
                    After::GoOn => {}
                    After::AssignAgain => self.assign()?,
                },
                None if wait.is_zero() => break,
                None => {}
            }
        }
        Ok(Poll { records: collector.batches, ..Poll::default() })
    }

    fn owned(&mut self, tp: &TopicPartition) -> Result<&mut Owned> {
        let found = self.owned.iter_mut().find(|owned| owned.tp == *tp);
        found.ok_or_else(|| Error::NotAssigned { client_id: self.options.client_id.clone(), tp: tp.clone() })
    }

    /// Keeps what was committed, to compare with when a later commit's fate is unclear.
    fn note(&mut self, commits: &[Commit]) {
        for Commit { tp, offset, metadata } in commits {
            if let Some(owned) = self.owned.iter_mut().find(|owned| owned.tp == *tp) {
                owned.committed = Some(Committed { offset: *offset, metadata: metadata.clone() });
            }
        }
    }

    /// Moves the position of a partition that is being read.
    fn move_to(&mut self, tp: &TopicPartition, offset: i64) -> Result<()> {
        let Some(consumer) = &self.consumer else { return Ok(()) };
        let moved = consumer.seek(&tp.topic, tp.partition, Offset::Offset(offset), ms(REQUEST_WAIT_MS));
        match moved {
            Ok(()) => Ok(()),
            // A partition that is only just being started cannot be moved: start all of them again.
            Err(error) => {
                tracing::debug!(%tp, offset, %error, "a seek was refused, assigning again");
                self.assign()
            }
        }
    }
}

fn group_of(options: &SessionOptions) -> Option<&str> {
    match &options.input {
        Input::Group { group, .. } => Some(group),
        _ => None,
    }
}

/// A transactional id that nobody else has.
fn unique(client_id: &str) -> String {
    static SESSIONS: AtomicU64 = AtomicU64::new(0);
    let number = SESSIONS.fetch_add(1, Ordering::Relaxed);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{client_id}.{}.{}.{number}", std::process::id(), since.as_nanos())
}

/// The next full millisecond, at most a second: with a fraction left over at the end of its waits rdkafka spins.
fn whole_ms(wait: Duration) -> Duration {
    const CONSUMER_WAIT_MAX_MS: u128 = 1_000;
    ms(wait.as_nanos().div_ceil(1_000_000).min(CONSUMER_WAIT_MAX_MS) as u64)
}

impl Session for KafkaSession {
    fn poll(&mut self, wait: Duration) -> Result<Poll> {
        let deadline = Instant::now() + wait;
        if matches!(self.pending, Pending::Assign) && self.is_stale() {
            self.pending = Pending::Nothing;
            return Ok(Poll { revoked: self.lose(), ..Poll::default() });
        }
        self.settle()?;
        loop {
            if let Some(poll) = self.rebalance()? {
                if !poll.is_empty() {
                    return Ok(poll);
                }
                continue;
            }
            let poll = self.collect(deadline)?;
            if !poll.is_empty() || Instant::now() >= deadline {
                return Ok(poll);
            }
        }
    }

    fn publish(&mut self, record: Publish) -> Result<()> {
        if let Some(transactions) = &mut self.transactions
            && self.options.transactional.iter().any(|topic| **topic == *record.topic)
        {
            check_size(&record)?;
            transactions.keep(record);
            return Ok(());
        }
        let publisher = match &mut self.publisher {
            Some(publisher) => publisher,
            None => {
                let config = self.cluster.settings.producer(&self.options);
                self.publisher.insert(Publisher::open(self.cluster.clone(), &config)?)
            }
        };
        publisher.publish(&record)
    }

    fn flush(&mut self) -> Result<()> {
        self.publisher.as_ref().map_or(Ok(()), Publisher::flush)?;
        match &mut self.transactions {
            Some(transactions) if !matches!(self.options.input, Input::Group { .. }) && !transactions.is_empty() => {
                transactions
                    .commit(&mut Client { cluster: &self.cluster, options: &self.options, consumer: None }, None)
            }
            _ => Ok(()),
        }
    }

    fn commit(&mut self, commits: &[Commit]) -> Result<()> {
        let (Some(group), Some(consumer)) = (group_of(&self.options), &self.consumer) else {
            return Err(Error::NoGroup { client_id: self.options.client_id.clone() });
        };
        for Commit { tp, metadata, .. } in commits {
            if metadata.len() > METADATA_BYTES_MAX {
                let (tp, bytes) = (tp.clone(), metadata.len());
                return Err(Error::MetadataTooLarge { tp, bytes, bytes_max: METADATA_BYTES_MAX });
            }
            // The broker checks the member and not what it owns; a member that rejoined must not commit what it lost.
            if !self.leaving.contains(tp) && !self.owned.iter().any(|owned| owned.tp == *tp) {
                let detail = format!("{tp} is not this member's any more");
                return Err(Error::Fenced { group: group.to_owned(), detail });
            }
        }
        self.publisher.as_ref().map_or(Ok(()), Publisher::flush)?;
        if failpoint::fails(failpoint::FLUSHED, group) {
            return Err(Error::Unavailable { doing: "committing".into(), detail: "a test says so".into() });
        }
        if commits.is_empty() {
            return Ok(());
        }
        if self.is_stale() {
            let detail = "the group went on without this member, which had not polled or not been heard of".to_owned();
            return Err(Error::Fenced { group: group.to_owned(), detail });
        }
        let committed = match &mut self.transactions {
            Some(transactions) if !transactions.is_empty() => {
                let at = |tp: &TopicPartition| {
                    self.owned.iter().find(|owned| owned.tp == *tp).and_then(|owned| owned.committed.clone())
                };
                let previous = commits.iter().map(|commit| at(&commit.tp)).collect();
                let (cluster, options) = (&self.cluster, &self.options);
                let mut client = Client { cluster, options, consumer: Some(consumer) };
                transactions.commit(&mut client, Some(&Offsets { group, commits, previous }))
            }
            _ => commit(consumer, group, commits),
        };
        if committed.as_ref().is_err_and(Error::is_fenced) {
            self.generation = FENCED;
        }
        committed?;
        if self.transactions.is_some() {
            self.note(commits);
        }
        Ok(())
    }

    fn seek(&mut self, tp: &TopicPartition, offset: i64) -> Result<()> {
        self.owned(tp)?;
        check_range(&self.cluster, tp, offset)?;
        let owned = self.owned(tp)?;
        owned.next = offset;
        owned.behind = false;
        let paused = owned.paused;
        match self.pending {
            // Reading has not begun yet, and will begin there.
            Pending::Assign => Ok(()),
            _ if paused => {
                self.owned(tp)?.behind = true;
                Ok(())
            }
            _ => self.move_to(tp, offset),
        }
    }

    fn pause(&mut self, tps: &[TopicPartition]) -> Result<()> {
        for tp in tps {
            self.owned(tp)?.paused = true;
        }
        let Some(consumer) = &self.consumer else { return Ok(()) };
        consumer.pause(&list(tps)).map_err(|error| fault::error("pausing", &error))
    }

    fn resume(&mut self, tps: &[TopicPartition]) -> Result<()> {
        let mut behind = Vec::new();
        for tp in tps {
            let owned = self.owned(tp)?;
            owned.paused = false;
            if std::mem::take(&mut owned.behind) {
                behind.push((tp.clone(), owned.next));
            }
        }
        let Some(consumer) = &self.consumer else { return Ok(()) };
        consumer.resume(&list(tps)).map_err(|error| fault::error("resuming", &error))?;
        behind.into_iter().try_for_each(|(tp, next)| self.move_to(&tp, next))
    }

    fn watermarks(&mut self, tp: &TopicPartition) -> Result<(i64, i64)> {
        self.cluster.watermarks(tp)
    }

    fn close(mut self: Box<Self>) -> Result<()> {
        self.flush()
    }
}

impl Drop for KafkaSession {
    fn drop(&mut self) {
        // Outputs must not outlive the session's place in the group.
        (self.publisher, self.transactions) = (None, None);
        if let Some(consumer) = self.consumer.take() {
            leave(consumer);
        }
    }
}
