//! The log on Kafka brokers, through librdkafka. The only module that names rdkafka.

mod commit;
mod context;
mod delivery;
mod fault;
mod groups;
mod keeping;
mod leave;
mod message;
mod owned;
mod probe;
mod publisher;
mod session;
mod settings;
#[cfg(test)]
mod tests;
mod topics;
mod transaction;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{FromClientConfig, FromClientConfigAndContext};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use self::context::ConsumerSide;
use self::probe::Probe;
use self::session::KafkaSession;
use self::settings::Settings;
use crate::log::{self, Commit, Committed, Error, Log, Result, Session, SessionOptions, TopicPartition, TopicSpec};

/// How long a broker may take to answer the first question.
pub const CONNECT_WAIT_MS: u64 = 10_000;
/// How long a broker may take to answer any other question.
pub const REQUEST_WAIT_MS: u64 = 30_000;
/// Pause between two questions to a group's coordinator that is just being found.
const COORDINATOR_LOOK_MS: u64 = 100;
/// Log lines and errors of the client that are served after a question.
const EVENTS_SERVED: usize = 32;
/// The name under which questions are asked.
const CLIENT_ID: &str = "tidemill";

/// A handle to a cluster of Kafka brokers; clones share one connection for questions.
#[derive(Clone)]
pub struct Kafka {
    cluster: Arc<Cluster>,
}

/// What all sessions of one handle share.
struct Cluster {
    settings: Settings,
    asker: BaseConsumer<ConsumerSide>,
    probe: Probe,
}

impl Kafka {
    /// Connects to the cluster that `brokers` (`host:port`, separated by commas) belong to. `settings` are handed to
    /// librdkafka, except for those that the guarantees of a session stand on.
    pub fn connect(brokers: &str, settings: &BTreeMap<String, String>) -> Result<Self> {
        let settings = Settings::new(brokers, settings)?;
        let config = settings.client(CLIENT_ID, None);
        let asker = BaseConsumer::from_config_and_context(&config, ConsumerSide::default())
            .map_err(|error| fault::error("creating a Kafka client", &error))?;
        let cluster = Cluster { settings, asker, probe: Probe::default() };
        cluster.metadata(None, CONNECT_WAIT_MS)?;
        Ok(Self { cluster: Arc::new(cluster) })
    }

    /// How many replicas of all partitions are not in sync with their leaders. For whoever takes brokers away.
    pub fn behind_replicas(&self) -> Result<usize> {
        let metadata = self.cluster.metadata(None, CONNECT_WAIT_MS)?;
        let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
        Ok(partitions.map(|partition| partition.replicas().len().saturating_sub(partition.isr().len())).sum())
    }
}

fn ms(wait_ms: u64) -> Duration {
    Duration::from_millis(wait_ms)
}

/// One element per partition, all at the same raw offset.
fn list<'a>(tps: impl IntoIterator<Item = &'a TopicPartition>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for tp in tps {
        list.add_partition(&tp.topic, tp.partition);
    }
    list
}

impl Cluster {
    /// Serves log lines and errors of the client for questions, which nobody polls otherwise. A poll serves one of them
    /// and does not tell whether there was any.
    fn drain(&self) {
        for _ in 0..EVENTS_SERVED {
            drop(self.asker.poll(Duration::ZERO));
        }
    }

    fn metadata(&self, topic: Option<&str>, wait_ms: u64) -> Result<Metadata> {
        let answer = self.asker.fetch_metadata(topic, ms(wait_ms));
        self.drain();
        answer.map_err(|error| match error.rdkafka_error_code() {
            Some(code) if fault::is_unreachable(code) => {
                let detail = self.asker.context().reason();
                Error::NoBroker { brokers: self.settings.brokers.clone(), waited_ms: wait_ms, detail }
            }
            _ => fault::error("asking for the cluster's topics", &error),
        })
    }

    /// A topic's partitions; `None` when it does not exist or is being created.
    fn partitions(&self, topic: &str) -> Result<Option<i32>> {
        let metadata = self.metadata(Some(topic), CONNECT_WAIT_MS)?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Ok(None) };
        match found.error().map(RDKafkaErrorCode::from) {
            None if found.partitions().is_empty() => Ok(None),
            None => Ok(Some(found.partitions().len() as i32)),
            Some(
                RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::InvalidTopic,
            ) => Ok(None),
            Some(code) => Err(fault::error(format!("asking for topic {topic}"), &KafkaError::MetadataFetch(code))),
        }
    }

    fn check_partition(&self, tp: &TopicPartition) -> Result<()> {
        match self.partitions(&tp.topic)? {
            None => Err(Error::MissingTopic { topic: tp.topic.to_string() }),
            Some(count) if (0..count).contains(&tp.partition) => Ok(()),
            Some(partitions) => Err(Error::MissingPartition { tp: tp.clone(), partitions }),
        }
    }

    /// The start of a partition, and the end of what readers see.
    fn watermarks(&self, tp: &TopicPartition) -> Result<(i64, i64)> {
        let (start, bound) = self.bounds(tp)?;
        Ok((start, self.probe.end(self, tp, (start, bound))?))
    }

    /// The offsets that a partition has: at its end may be some that are no records, such as the marks of transactions.
    fn bounds(&self, tp: &TopicPartition) -> Result<(i64, i64)> {
        let ask = || {
            let answer = self.asker.fetch_watermarks(&tp.topic, tp.partition, ms(REQUEST_WAIT_MS));
            self.drain();
            answer.map_err(|error| fault::error(format!("asking for the end of {tp}"), &error))
        };
        ask().or_else(|_| {
            // The client learns by this of a partition that its topic has gained.
            self.check_partition(tp)?;
            ask()
        })
    }

    fn admin(&self) -> Result<(AdminClient<DefaultClientContext>, AdminOptions)> {
        let admin = AdminClient::from_config(&self.settings.client(CLIENT_ID, None))
            .map_err(|error| fault::error("creating a Kafka client", &error))?;
        let wait = Some(ms(REQUEST_WAIT_MS));
        Ok((admin, AdminOptions::new().request_timeout(wait).operation_timeout(wait)))
    }
}

impl Log for Kafka {
    fn create_topics(&self, specs: &[TopicSpec]) -> Result<()> {
        let mut missing = Vec::new();
        for spec in specs {
            match self.cluster.partitions(&spec.name)? {
                Some(found) if found == spec.partitions => {}
                Some(found) => {
                    let topic = spec.name.clone();
                    return Err(Error::PartitionCount { topic, wanted: spec.partitions, found });
                }
                None => missing.push(spec.clone()),
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        self.cluster.create(&missing)?;
        missing.iter().try_for_each(|spec| self.cluster.await_created(spec))
    }

    fn add_partitions(&self, topic: &str, partitions: i32) -> Result<()> {
        self.cluster.add_partitions(topic, partitions)
    }

    fn delete_topics(&self, names: &[&str]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        self.cluster.delete(names)?;
        names.iter().try_for_each(|name| self.cluster.await_deleted(name))
    }

    fn settings(&self, topics: &[&str]) -> Result<Vec<log::Settings>> {
        keeping::settings(&self.cluster, topics)
    }

    fn set_settings(&self, topic: &str, settings: &log::Settings) -> Result<()> {
        keeping::set(&self.cluster, topic, settings)
    }

    fn partitions(&self, topic: &str) -> Result<Option<i32>> {
        self.cluster.partitions(topic)
    }

    fn topics(&self) -> Result<Vec<String>> {
        let metadata = self.cluster.metadata(None, CONNECT_WAIT_MS)?;
        let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with("__")).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn watermarks(&self, tp: &TopicPartition) -> Result<(i64, i64)> {
        self.cluster.watermarks(tp)
    }

    fn delete_records(&self, tp: &TopicPartition, before: i64) -> Result<()> {
        let (start, end) = self.cluster.bounds(tp)?;
        if before > end {
            return Err(Error::OutOfRange { tp: tp.clone(), offset: before, start, end });
        }
        self.delete_before(tp, before)
    }

    fn offset_at(&self, tp: &TopicPartition, time_ms: i64) -> Result<Option<i64>> {
        self.cluster.check_partition(tp)?;
        let doing = || format!("asking for the offset of {tp} at {time_ms} ms");
        let mut times = TopicPartitionList::new();
        times
            .add_partition_offset(&tp.topic, tp.partition, Offset::Offset(time_ms))
            .map_err(|error| fault::error(doing(), &error))?;
        let answer = self.cluster.asker.offsets_for_times(times, ms(REQUEST_WAIT_MS));
        self.cluster.drain();
        let answer = answer.map_err(|error| fault::error(doing(), &error))?;
        let found = answer.elements().first().map(|element| element.offset());
        Ok(match found {
            Some(Offset::Offset(offset)) => Some(offset),
            _ => None,
        })
    }

    fn committed(&self, group: &str, tps: &[TopicPartition]) -> Result<Vec<Option<Committed>>> {
        let config = self.cluster.settings.client(CLIENT_ID, Some(group));
        let consumer = BaseConsumer::from_config_and_context(&config, ConsumerSide::default())
            .map_err(|error| fault::error("creating a Kafka client", &error))?;
        consumer.context().close();
        committed(&consumer, group, tps)
    }

    fn members(&self, group: &str) -> Result<Vec<String>> {
        groups::members(&self.cluster, group)
    }

    fn set_committed(&self, group: &str, commits: &[Commit]) -> Result<()> {
        groups::set_committed(&self.cluster, group, commits)
    }

    fn session(&self, options: SessionOptions) -> Result<Box<dyn Session>> {
        Ok(Box::new(KafkaSession::open(self.cluster.clone(), options)?))
    }
}

/// What a group committed, asked by one of its consumers.
fn committed(
    consumer: &BaseConsumer<ConsumerSide>,
    group: &str,
    tps: &[TopicPartition],
) -> Result<Vec<Option<Committed>>> {
    let doing = || format!("asking for the commits of group {group}");
    let deadline = Instant::now() + ms(REQUEST_WAIT_MS);
    let answer = loop {
        match consumer.committed_offsets(list(tps), ms(REQUEST_WAIT_MS)) {
            Ok(answer) => break answer,
            Err(error) if error.rdkafka_error_code().is_some_and(fault::is_settling) && Instant::now() < deadline => {
                std::thread::sleep(ms(COORDINATOR_LOOK_MS));
            }
            Err(error) => return Err(fault::error(doing(), &error)),
        }
    };
    let mut found = Vec::with_capacity(tps.len());
    for tp in tps {
        let element = answer.find_partition(&tp.topic, tp.partition);
        let element = element.ok_or_else(|| Error::MissingTopic { topic: tp.topic.to_string() })?;
        element.error().map_err(|error| fault::error(doing(), &error))?;
        found.push(match element.offset() {
            Offset::Offset(offset) => Some(Committed { offset, metadata: element.metadata().to_owned() }),
            _ => None,
        });
    }
    Ok(found)
}
