//! The ledger and the logs as the archive has them.

use std::collections::BTreeSet;
use std::sync::Arc;

use archiver::{HEADERS, NUMBER, ORIGIN_TOPIC, PARENT_PARTITION, PARENT_TOPIC};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use flow::ledger::{Item, Recount, Sample, decode};
use flow::names::{Names, Place};
use flow::plan::{Kind, Plan, Topic};
use flow::reader::Trigger;
use flow::wire::Origin;
use offline::archive::{Archive, OFFSET, Selection};
use registry::store::Store;
use runtime::ledger::{Marked, is_of_another, judged};

use crate::error::Error;

/// The archive of a pipeline.
pub struct Offline<'a> {
    plan: &'a Plan,
    names: Arc<Names>,
    archive: Archive,
}

impl<'a> Offline<'a> {
    /// The archive in this store.
    pub fn new(plan: &'a Plan, store: Store) -> Self {
        Self { plan, names: Arc::new(plan.numbered()), archive: Archive::new(store) }
    }

    /// What the ledger says as far as it is archived, and where archived logs end.
    pub fn sample(&self) -> Result<Sample, Error> {
        let mut sample = Sample::default();
        self.read(&self.plan.names.ledger, |_, rows| {
            let entries = decode(rows).map_err(|error| unreadable(&self.plan.names.ledger, &error.to_string()))?;
            entries.into_iter().for_each(|entry| sample.take(entry));
            Ok(())
        })?;
        for topic in
            self.plan.topics.iter().filter(|topic| matches!(topic.kind, Kind::Source | Kind::Retry | Kind::Log))
        {
            for file in self.archive.files(&topic.name).map_err(failed)? {
                let end = sample.ends.entry((topic.name.clone(), file.partition as u16)).or_default();
                *end = file.end.max(*end);
            }
        }
        Ok(sample)
    }

    /// Sources and logs of which tasks have read more than is archived.
    pub fn lacks(&self, sample: &Sample) -> BTreeSet<String> {
        let reads = self.plan.tasks.iter().flat_map(|task| task.reads.iter().map(|topic| (&task.group_id, topic)));
        let lacks = |(group, name): &(&String, &String)| {
            let partitions = self.plan.topic(name).map_or(0, |topic| topic.partitions as u16);
            let end = |partition| sample.ends.get(&((*name).clone(), partition)).copied().unwrap_or(0);
            (0..partitions).any(|partition| sample.position(group, name, partition) > end(partition))
        };
        reads.filter(lacks).map(|(_, name)| name.clone()).collect()
    }

    /// Counts what is archived.
    pub fn recount(&self, sample: &Sample) -> Result<Recount, Error> {
        let mut recount = Recount::new(self.names.clone());
        for topic in &self.plan.topics {
            let Some(number) = self.names.number(&topic.name) else { continue };
            if !matches!(
                topic.kind,
                Kind::Source
                    | Kind::Retry
                    | Kind::Log
                    | Kind::Predictions
                    | Kind::Outcomes
                    | Kind::Refusals
                    | Kind::Dlq
                    | Kind::Late
            ) {
                continue;
            }
            self.cut(topic, number, &mut recount)?;
            self.read(&topic.name, |partition, rows| {
                let own = Place { topic: number, partition };
                match topic.kind {
                    Kind::Source => self.source(own, rows, sample, &mut recount),
                    Kind::Log => self.items(topic, own, rows, sample, &mut recount),
                    Kind::Retry => self.retries(own, rows, sample, &mut recount),
                    _ => self.marked(topic, own, rows, &mut recount),
                }
            })?;
        }
        Ok(recount)
    }

    /// Notes partitions whose beginning is not archived, or is in the logs of another generation.
    fn cut(&self, topic: &Topic, number: u16, recount: &mut Recount) -> Result<(), Error> {
        if topic.kind == Kind::Log && !self.plan.features_before.is_empty() {
            recount.cut(Place { topic: number, partition: 0 });
        }
        for partition in self.archive.partitions(&topic.name).map_err(failed)? {
            let files = self.archive.partition_files(&topic.name, partition).map_err(failed)?;
            if files.first().is_some_and(|file| file.start > 0) {
                recount.cut(Place { topic: number, partition: partition as u16 });
            }
        }
        Ok(())
    }

    fn read(&self, topic: &str, mut each: impl FnMut(u16, &RecordBatch) -> Result<(), Error>) -> Result<(), Error> {
        for part in self.archive.read(topic, &Selection::default()).map_err(failed)? {
            let part = part.map_err(failed)?;
            each(part.partition as u16, &part.rows)?;
        }
        Ok(())
    }

    fn source(&self, own: Place, rows: &RecordBatch, sample: &Sample, recount: &mut Recount) -> Result<(), Error> {
        let topic = self.names.topic(own.topic);
        let position = judged(self.plan, sample, topic, own.partition);
        let offsets = Columns { topic, rows }.numbers(OFFSET)?;
        let offsets = offsets.as_primitive::<Int64Type>().values().iter().copied();
        offsets.filter(|offset| *offset < position).for_each(|offset| recount.source(Origin { place: own, offset }));
        Ok(())
    }

    fn items(
        &self,
        topic: &Topic,
        own: Place,
        rows: &RecordBatch,
        sample: &Sample,
        recount: &mut Recount,
    ) -> Result<(), Error> {
        let readers = self.plan.tasks.iter().filter(|task| task.reads.contains(&topic.name));
        let readers: Vec<(Arc<str>, i64)> = readers
            .map(|task| (task.group_id.as_str().into(), sample.position(&task.group_id, &topic.name, own.partition)))
            .collect();
        let columns = Columns { topic: &topic.name, rows };
        let named = [OFFSET, PARENT_PARTITION, NUMBER, "trigger_offset", "trigger_item", "index"];
        let numbers = named.iter().map(|name| columns.numbers(name)).collect::<Result<Vec<_>, _>>()?;
        let origins = [columns.numbers("origin_partition")?, columns.numbers("origin_offset")?];
        let [parents, sources, ids] =
            [columns.texts(PARENT_TOPIC)?, columns.texts(ORIGIN_TOPIC)?, columns.texts("id")?];
        let number = |column: &ArrayRef, row: usize| column.as_primitive::<Int64Type>().value(row);
        let place = |topics: &ArrayRef, partition: i64, row: usize| {
            let topic = self.names.number(topics.as_string::<i32>().value(row))?;
            Some(Place { topic, partition: partition as u16 })
        };
        // A row without a parent is no item but what its record says besides.
        for row in (0..rows.num_rows()).filter(|row| parents.is_valid(*row)) {
            let at = |which: usize| number(&numbers[which], row);
            let (parent, source) = (place(&parents, at(1), row), place(&sources, number(&origins[0], row), row));
            let (Some(parent), Some(source)) = (parent, source) else { continue };
            let item = Item {
                offset: at(0),
                parent,
                number: at(2),
                trigger: Trigger { offset: at(3), item: at(4) as i32, index: at(5) as i32 },
                origin: Origin { place: source, offset: number(&origins[1], row) },
                id: ids.as_string::<i32>().value(row),
            };
            recount.item(own, item, &readers);
        }
        Ok(())
    }

    fn marked(&self, topic: &Topic, own: Place, rows: &RecordBatch, recount: &mut Recount) -> Result<(), Error> {
        for (offset, marked) in self.headers(&topic.name, topic.kind, rows)? {
            let Said::Ours(marked) = marked else {
                recount.cut(own);
                continue;
            };
            let foreign = || unreadable(&topic.name, &format!("the record at offset {offset} has no origin of ours"));
            marked.ok_or_else(foreign)?.count(own, recount);
        }
        Ok(())
    }

    /// What was retried below the position of the validator, and names a dead letter of its partition.
    fn retries(&self, own: Place, rows: &RecordBatch, sample: &Sample, recount: &mut Recount) -> Result<(), Error> {
        let topic = self.names.topic(own.topic);
        let position = judged(self.plan, sample, topic, own.partition);
        let headers = self.headers(topic, Kind::Retry, rows)?.into_iter();
        let marked = headers.filter(|(offset, _)| *offset < position).filter_map(|(_, said)| match said {
            Said::Ours(marked) => marked,
            Said::Another => None,
        });
        let ours = marked.filter(|marked| marked.is_of(&self.names, (topic, own.partition)));
        ours.for_each(|marked| marked.count(own, recount));
        Ok(())
    }

    /// Offset of each row, and what its headers say.
    fn headers(&self, topic: &str, kind: Kind, rows: &RecordBatch) -> Result<Vec<(i64, Said)>, Error> {
        let columns = Columns { topic, rows };
        let (offsets, headers) = (columns.numbers(OFFSET)?, columns.texts(HEADERS)?);
        let one = |row: usize| {
            let texts = if headers.is_valid(row) { headers.as_string::<i32>().value(row) } else { "[]" };
            let pairs: Vec<(String, Option<String>)> = serde_json::from_str(texts).unwrap_or_default();
            let said = match is_of_another(&self.names, last(&pairs)) {
                true => Said::Another,
                false => Said::Ours(Marked::of(&self.names, kind, last(&pairs))),
            };
            (offsets.as_primitive::<Int64Type>().value(row), said)
        };
        Ok((0..rows.num_rows()).map(one).collect())
    }
}

/// The last header of a name.
fn last<'h>(headers: &'h [(String, Option<String>)]) -> impl Fn(&str) -> Option<&'h str> {
    move |name| headers.iter().rfind(|(known, _)| known == name).and_then(|(_, value)| value.as_deref())
}

/// What a record's headers say of where it came from.
enum Said {
    /// A task of another generation wrote it.
    Another,
    /// A task of this one, or nobody of ours.
    Ours(Option<Marked>),
}

/// Columns of an archived topic by name.
struct Columns<'a> {
    topic: &'a str,
    rows: &'a RecordBatch,
}

impl Columns<'_> {
    fn numbers(&self, name: &str) -> Result<ArrayRef, Error> {
        self.column(name, &DataType::Int64)
    }

    fn texts(&self, name: &str) -> Result<ArrayRef, Error> {
        self.column(name, &DataType::Utf8)
    }

    fn column(&self, name: &str, to: &DataType) -> Result<ArrayRef, Error> {
        let found = self.rows.column_by_name(name);
        let found = found.ok_or_else(|| unreadable(self.topic, &format!("there is no column {name}")))?;
        cast(found, to).map_err(|error| unreadable(self.topic, &error.to_string()))
    }
}

fn unreadable(topic: &str, detail: &str) -> Error {
    Error::Failed(format!("the archive of {topic} is not as this version writes it: {detail}"))
}

fn failed(error: offline::archive::Error) -> Error {
    Error::Archiver(archiver::Error::Archive(error))
}
