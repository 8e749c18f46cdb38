//! The pipeline's sources as the front door checks them: with the validator's own code, rules and schemas.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use flow::config::Pipeline;
use runtime::context::Context;
use schemas::registry::value_subject;
use validation::ingest::Ingest;
use validation::{RuleSet, Source};

use crate::Error;

/// One source that records can be sent to.
pub(crate) struct Checked {
    pub topic: Arc<str>,
    pub ingest: Mutex<Ingest>,
}

/// All sources by their names in the pipeline file, and by their topics.
pub(crate) struct Sources {
    by_name: BTreeMap<String, Arc<Checked>>,
    names: Vec<String>,
}

impl Sources {
    /// The sources of a pipeline whose schemas were registered.
    pub fn new(context: &Context) -> Result<Self, Error> {
        let pipeline: &Pipeline = &context.pipeline;
        let mut sources = Sources { by_name: BTreeMap::new(), names: Vec::new() };
        let events = Source::events(pipeline)?;
        sources.add(context, &pipeline.events.name, &events, &RuleSet::of_events(pipeline))?;
        if let (Some(declared), Some(labels)) = (&pipeline.labels, Source::labels(pipeline)?) {
            sources.add(context, &declared.name, &labels, &RuleSet::of_labels(pipeline))?;
        }
        Ok(sources)
    }

    fn add(&mut self, context: &Context, name: &str, source: &Source, rules: &RuleSet) -> Result<(), Error> {
        let topic = source.topic();
        let wrong = |detail| Error::Schema { topic: topic.to_string(), detail };
        let planned = context.plan.topic(topic).and_then(|topic| topic.schema.as_ref());
        let planned = planned.ok_or_else(|| wrong("is not in the plan"))?;
        let found = context.schemas.latest(&value_subject(topic))?;
        let (newest, text) = found.ok_or_else(|| wrong("is not registered"))?;
        let is_newest = serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|found| found == *planned);
        let id = match is_newest {
            true => newest,
            false => context.earlier_id(topic)?.ok_or_else(|| wrong("is registered, but is not this pipeline's"))?,
        };
        let checked = Checked { topic: topic.clone(), ingest: Mutex::new(Ingest::new(source, rules, id)?) };
        let checked = Arc::new(checked);
        self.by_name.insert(topic.to_string(), checked.clone());
        self.by_name.insert(name.to_owned(), checked);
        self.names.push(name.to_owned());
        Ok(())
    }

    /// The source of that name or topic.
    pub fn find(&self, name: &str) -> Option<&Arc<Checked>> {
        self.by_name.get(name)
    }

    /// Names of all sources, for people.
    pub fn names(&self) -> String {
        self.names.join(", ")
    }
}
