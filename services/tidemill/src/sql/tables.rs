//! Where a query's tables come from: the store, and the log where something is asked of it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use archiver::RangeRows;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::runtime::SpawnedTask;
use datafusion::datasource::TableType;
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::{DataFusionError, Result as EngineResult};
use flow::config::nearest;
use flow::plan::Plan;
use offline::archive::Archive;
use offline::query::{Archived, PARTITION};
use registry::store::Store;
use runtime::context::Context;
use runtime::log::TopicPartition;

use super::bounds::{Bound, Part};
use super::names::{DATASETS, Names};
use super::{datasets, topic};
use crate::cli::Global;
use crate::commands::tap;
use crate::environment::{Environment, Workshop, check_store};
use crate::error::Error;
use crate::output::note;

/// A pipeline's store, and its log once something is asked of it.
pub struct Place {
    global: Global,
    names: Names,
    plan: Plan,
    store: Store,
    archive: Archive,
    /// Topics of which something is archived.
    archived: Vec<String>,
    environment: Mutex<Option<Environment>>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.store.place()).finish()
    }
}

impl Place {
    /// Opens the store that the options name.
    pub fn open(global: &Global) -> Result<Self, Error> {
        check_store(global)?;
        let Workshop { pipeline, plan, store } = Workshop::open(global)?;
        let archive = Archive::new(store.clone());
        Ok(Self {
            names: Names::new(&pipeline, &plan),
            archived: archive.topics()?,
            environment: Mutex::new(None),
            global: global.clone(),
            plan,
            store,
            archive,
        })
    }

    /// The log, opened when it is first asked for.
    fn environment(&self) -> Result<Environment, Error> {
        let mut environment = self.environment.lock().unwrap_or_else(PoisonError::into_inner);
        match &*environment {
            Some(environment) => Ok(environment.clone()),
            None => Ok(environment.insert(Environment::existing(&self.global)?).clone()),
        }
    }

    /// Tables by their short names, each with its topic; that of the datasets has none.
    pub fn tables(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.names.all().map(|(name, topic)| (name, Some(topic))).chain([(DATASETS, None)])
    }

    /// How many rows and files are archived of a topic.
    pub fn archived(&self, topic: &str) -> Result<(u64, usize), Error> {
        Ok(Archived::open(&self.archive, topic)?.map_or((0, 0), |table| (table.rows(), table.files())))
    }

    /// The table whose name comes next to one that there is not.
    pub fn nearest_table(&self, name: &str) -> Option<&str> {
        nearest(name, self.tables().map(|(name, _)| name).chain(self.archived.iter().map(String::as_str)))
    }

    /// The topic of a table, by its short or its whole name.
    fn topic_of(&self, name: &str) -> Option<&str> {
        let planned = || self.plan.topic(name).map(|topic| topic.name.as_str());
        let archived = || self.archived.iter().find(|topic| *topic == name).map(String::as_str);
        self.names.topic(name).or_else(planned).or_else(archived)
    }

    /// A table by its name.
    fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, Error> {
        if name == DATASETS {
            return datasets::table(&self.store).map(Some);
        }
        let Some(topic) = self.topic_of(name) else { return Ok(None) };
        if let Some(table) = Archived::open(&self.archive, topic)? {
            return Ok(Some(Arc::new(table)));
        }
        let columns = self.environment().and_then(|environment| columns(&environment.context, topic));
        let columns = columns.map_err(|error| {
            let store = self.store.place();
            Error::Input(format!("nothing of {topic} is archived in {store}, and its columns are not known: {error}"))
        })?;
        Ok(Some(Arc::new(EmptyTable::new(columns))))
    }

    /// Says what of a part is not in the topic any more, and where it may be.
    fn tell_deleted(&self, part: &Part) {
        let Part { topic, deleted, .. } = part;
        if deleted.is_empty() {
            return;
        }
        let gone = deleted
            .iter()
            .map(|(tp, offsets)| format!("{}-{} of partition {}", offsets.start, offsets.end - 1, tp.partition));
        let gone = gone.collect::<Vec<_>>().join(", ");
        let short = self.names.all().find(|(_, of)| of == topic).map(|(name, _)| name.to_owned());
        let instead = match self.archived.contains(topic) {
            true => {
                format!("the table {} has what was archived of them", short.unwrap_or_else(|| format!("\"{topic}\"")))
            }
            false => format!("nothing of {topic} is archived in {}", self.store.place()),
        };
        note(&format!("note: offsets {gone} of {topic} are deleted and not in this answer; {instead}"));
    }

    /// What a topic has now between two places.
    pub fn topic(&self, name: &str, from: Bound, to: Bound) -> Result<Arc<dyn TableProvider>, Error> {
        let environment = self.environment()?;
        let (log, plan) = (&environment.context.log, &environment.context.plan);
        let topic = match self.names.topic(name) {
            Some(topic) if log.partitions(topic)?.is_some() => topic.to_owned(),
            Some(topic) => return Err(runtime::log::Error::MissingTopic { topic: topic.to_owned() }.into()),
            None => tap::find(name, &log.topics()?, |name| plan.topic(name).is_some())?,
        };
        let part = Part::of(&environment, &topic, from, to)?;
        self.tell_deleted(&part);
        topic::table(environment, part)
    }
}

/// The columns of a topic's rows: what is archived of it has the same.
pub(super) fn columns(context: &Context, topic: &str) -> Result<SchemaRef, Error> {
    let columns = RangeRows::open(context, &TopicPartition::new(topic, 0), 0)?.schema()?;
    let fields = columns.fields().iter().map(|field| field.as_ref().clone());
    let fields = fields.chain([Field::new(PARTITION, DataType::Int32, false)]);
    Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

/// The tables as the engine asks for them.
#[derive(Debug)]
pub(super) struct Tables(pub(super) Arc<Place>);

#[async_trait]
impl SchemaProvider for Tables {
    fn table_names(&self) -> Vec<String> {
        self.0.tables().map(|(name, _)| name.to_owned()).collect()
    }

    async fn table(&self, name: &str) -> EngineResult<Option<Arc<dyn TableProvider>>> {
        let (place, name) = (self.0.clone(), name.to_owned());
        // Stores, logs and registries block.
        let found = SpawnedTask::spawn_blocking(move || place.table(&name)).join().await;
        let found = found.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?;
        found.map_err(|error| DataFusionError::External(error.into()))
    }

    async fn table_type(&self, name: &str) -> EngineResult<Option<TableType>> {
        Ok(self.table_exist(name).then_some(TableType::Base))
    }

    fn table_exist(&self, name: &str) -> bool {
        name == DATASETS || self.0.topic_of(name).is_some()
    }
}
