//! Counting what goes to each source partition, and telling the validators at the end: where nobody else wrote
//! meanwhile, the last events need not wait until their partition counts as quiet.

use std::sync::Arc;

use bytes::Bytes;
use runtime::apply::patiently;
use runtime::context::Context;
use runtime::log::{Publish, Session, TopicPartition, partition_of_key};
use validator::{ProgressWriter, Published};

use super::Error;

/// What was published to the sources.
pub(super) struct Account {
    sources: Vec<Source>,
    writer: ProgressWriter,
}

/// A topic of events or labels.
struct Source {
    topic: Arc<str>,
    partitions: Vec<Part>,
}

/// A partition: where it ended before, and what we wrote there.
struct Part {
    from: i64,
    records: i64,
}

impl Account {
    /// Looks where the partitions of all sources end now.
    pub fn open(context: &Context) -> Result<Self, Error> {
        let source = |topic: &String| {
            let topic: Arc<str> = topic.as_str().into();
            let part = |partition| {
                let tp = TopicPartition::new(topic.clone(), partition);
                let (_, from) = patiently(|| context.log.watermarks(&tp))?;
                Ok(Part { from, records: 0 })
            };
            let partitions = 0..context.topic(&topic)?.partitions.cast_signed();
            let partitions = partitions.map(part).collect::<Result<_, Error>>()?;
            Ok(Source { topic, partitions })
        };
        let sources = context.plan.names.sources().map(source).collect::<Result<_, Error>>()?;
        Ok(Account { sources, writer: ProgressWriter::open(context)? })
    }

    /// A record for a source by its number, counted. One without a key goes anywhere, and so counts nowhere.
    pub fn record(&mut self, source: usize, key: Option<Bytes>, value: Bytes) -> Publish {
        let Source { topic, partitions } = &mut self.sources[source];
        let partition = key.as_ref().map(|key| partition_of_key(key, partitions.len() as i32));
        if let Some(part) = partition.and_then(|partition| partitions.get_mut(partition as usize)) {
            part.records += 1;
        }
        Publish { topic: topic.clone(), partition, key, value: Some(value), headers: Vec::new() }
    }

    /// Says that nothing more is coming, once everything is acknowledged. Who published nothing has nothing to say.
    pub fn close(mut self, session: &mut dyn Session) -> Result<(), Error> {
        if self.sources.iter().flat_map(|source| &source.partitions).all(|part| part.records == 0) {
            return Ok(());
        }
        for Source { topic, partitions } in &self.sources {
            for (Part { from, records }, partition) in partitions.iter().zip(0..) {
                let tp = TopicPartition::new(topic.clone(), partition);
                let (_, to) = session.watermarks(&tp)?;
                session.publish(self.writer.done(&tp, Published { to, from: *from, records: *records })?)?;
            }
        }
        Ok(session.flush()?)
    }
}
