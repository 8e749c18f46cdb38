//! What a pipeline needs and does not have yet: found once, shown by `tidemill plan`, carried out by [`crate::apply`].
//!
//! There is no other way to carry anything out, so what is shown and what is done cannot differ.

mod foreseen;
mod refused;
#[cfg(test)]
mod tests;

use crate::context::{Context, Error};
use crate::log::{Settings, TopicPartition, TopicSpec};
use flow::plan::{Kind, Topic, schema_text};
use schemas::compatibility::Compatibility;
use schemas::registry::{RegisterError, is_same, value_subject};

pub use foreseen::Foreseen;
pub use refused::{Owner, Refused};

/// What is missing, and what stands in the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Topics to create.
    pub topics: Vec<TopicSpec>,
    /// Topics that get more partitions: sources, with those for their dead letters, retries and late records.
    pub grown: Vec<Grown>,
    /// Topics that are told to keep their records otherwise.
    pub kept: Vec<Kept>,
    /// Topics whose new schemas owe something else to earlier ones from now on.
    pub modes: Vec<Mode>,
    /// The schemas of all topics that have one, those that are registered already included.
    pub schemas: Vec<Schema>,
    /// Log partitions that get the fence with which they begin.
    pub fences: Vec<TopicPartition>,
    /// What cannot be done; where there is any, nothing is.
    pub refused: Vec<Refused>,
}

/// A topic that gets more partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grown {
    /// Its name.
    pub topic: String,
    /// As it is.
    pub from: i32,
    /// As it will be.
    pub to: i32,
}

/// Another setting of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The topic.
    pub topic: String,
    /// The setting, by Kafka's name.
    pub setting: String,
    /// As it is.
    pub from: String,
    /// As it will be.
    pub to: String,
}

/// Another rule for a topic's schemas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode {
    /// The topic.
    pub topic: String,
    /// The rule that the registry has, if it says so.
    pub from: Option<Compatibility>,
    /// The rule that the pipeline chooses.
    pub to: Compatibility,
}

/// The schema of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// The topic.
    pub topic: String,
    /// Its text.
    pub text: String,
    /// What the registry has.
    pub standing: Standing,
}

/// What a registry has of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is there, under this id.
    Registered(u32),
    /// It becomes the version of this number, counted from 1.
    Version(usize),
}

impl Changes {
    /// Compares what the context's plan wants with log and registry. Changes nothing.
    pub fn find(context: &Context) -> Result<Self, Error> {
        let mut changes = Self::default();
        let existing = context.log.topics()?;
        for (topic, spec) in context.plan.topics.iter().zip(context.topic_specs()) {
            let found = match existing.contains(&topic.name) {
                true => context.log.partitions(&topic.name)?,
                false => None,
            };
            changes.find_topic(topic, spec, found);
            changes.find_schema(context, topic)?;
            if topic.kind == Kind::Log {
                changes.find_fences(context, topic, found)?;
            }
        }
        changes.find_kept(context, &existing)?;
        Ok(changes)
    }

    /// Sources are their owners', but for a retention that the pipeline declares; of the others it matters how they keep
    /// their records.
    fn find_kept(&mut self, context: &Context, existing: &[String]) -> Result<(), Error> {
        let ours = context.plan.topics.iter().zip(context.topic_specs());
        let wanted = ours.filter(|(_, spec)| existing.contains(&spec.name)).map(|(topic, spec)| {
            let settings = match topic.kind {
                Kind::Source if spec.is_declared => spec.limits(),
                Kind::Source => Settings::new(),
                _ => spec.settings(),
            };
            (spec, settings)
        });
        let wanted: Vec<(TopicSpec, Settings)> = wanted.filter(|(_, settings)| !settings.is_empty()).collect();
        let names: Vec<&str> = wanted.iter().map(|(spec, _)| spec.name.as_str()).collect();
        for ((spec, settings), found) in wanted.iter().zip(context.log.settings(&names)?) {
            for (setting, to) in settings.clone() {
                // What else a policy says, such as `compact,delete`, is the operators'.
                let is_so = |from: &String| *from == to || (to == "compact" && from.split(',').any(|one| one == to));
                if let Some(from) = found.get(&setting).filter(|from| !is_so(from)) {
                    self.kept.push(Kept { topic: spec.name.clone(), setting, from: from.clone(), to });
                }
            }
        }
        Ok(())
    }

    fn find_topic(&mut self, topic: &Topic, spec: TopicSpec, found: Option<i32>) {
        let wanted = spec.partitions;
        let of_source = matches!(topic.kind, Kind::Source | Kind::Dlq | Kind::Retry | Kind::Late);
        match found {
            None => self.topics.push(spec),
            Some(found) if found == wanted => {}
            Some(from) if of_source && from < wanted => {
                self.grown.push(Grown { topic: spec.name, from, to: wanted });
            }
            Some(found) => {
                self.refused.push(Refused::Partitions { topic: spec.name, kind: topic.kind, wanted, found });
            }
        }
    }

    fn find_schema(&mut self, context: &Context, topic: &Topic) -> Result<(), Error> {
        let Some(schema) = &topic.schema else { return Ok(()) };
        let (registry, subject, name) = (&context.schemas, value_subject(&topic.name), topic.name.clone());
        let chosen = context.pipeline.compatibility.of(topic);
        if let Some(to) = chosen {
            let from = registry.rule(&subject).map_err(RegisterError::from)?;
            if from != Some(to) {
                self.modes.push(Mode { topic: name.clone(), from, to });
            }
        }
        let text = schema_text(schema);
        let latest = registry.latest(&subject).map_err(RegisterError::from)?;
        let standing = match latest {
            Some((id, latest)) if is_same(&latest, &text) => Standing::Registered(id),
            None => Standing::Version(1),
            Some((id, _)) => {
                let history = registry.history(&subject).map_err(RegisterError::from)?;
                let newest = history.len();
                match history.iter().position(|known| is_same(known, &text)) {
                    // Those who publish may have gone on.
                    Some(_) if topic.kind == Kind::Source => Standing::Registered(id),
                    Some(at) => {
                        let (topic, owner, version) = (name.clone(), owner(context, topic, &text)?, at + 1);
                        self.refused.push(Refused::Superseded { topic, owner, version, newest });
                        Standing::Registered(id)
                    }
                    None => {
                        if let Some(refusal) = registry.refusal(&subject, &text, chosen)? {
                            let owner = owner(context, topic, &text)?;
                            self.refused.push(Refused::Schema { topic: name.clone(), owner, refusal });
                        }
                        Standing::Version(newest + 1)
                    }
                }
            }
        };
        self.schemas.push(Schema { topic: name, text, standing });
        Ok(())
    }

    fn find_fences(&mut self, context: &Context, topic: &Topic, found: Option<i32>) -> Result<(), Error> {
        for partition in 0..topic.partitions.cast_signed() {
            let tp = TopicPartition::new(topic.name.as_str(), partition);
            let is_there = found.is_some_and(|found| partition < found);
            if !is_there || crate::apply::patiently(|| context.log.watermarks(&tp))?.1 == 0 {
                self.fences.push(tp);
            }
        }
        Ok(())
    }

    /// The schemas that are not registered yet.
    pub fn new_schemas(&self) -> impl Iterator<Item = &Schema> {
        self.schemas.iter().filter(|schema| matches!(schema.standing, Standing::Version(_)))
    }

    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        let is_idle = self.topics.is_empty() && self.grown.is_empty() && self.kept.is_empty() && self.modes.is_empty();
        is_idle && self.fences.is_empty() && self.new_schemas().next().is_none()
    }
}

/// Whose schema this is of a topic, and what would let it pass.
fn owner(context: &Context, topic: &Topic, text: &str) -> Result<Owner, Error> {
    const STRICTEST_FIRST: [Compatibility; 4] = [
        Compatibility::BackwardTransitive,
        Compatibility::ForwardTransitive,
        Compatibility::Backward,
        Compatibility::Forward,
    ];
    if topic.internal || topic.kind == Kind::Source {
        return Ok(if topic.internal { Owner::Internal } else { Owner::User });
    }
    let subject = value_subject(&topic.name);
    for mode in STRICTEST_FIRST {
        if context.schemas.refusal(&subject, text, Some(mode))?.is_none() {
            return Ok(Owner::Derived { mode });
        }
    }
    Ok(Owner::Derived { mode: Compatibility::None })
}
