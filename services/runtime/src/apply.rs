//! Making what a plan needs: topics, registered schemas, and the fence at the head of each internal log that names its
//! parents. Everything here may be done again, and by several at once.

use crate::context::{Context, Error, Incompatible};
use crate::log::{self, Input, Publish, SessionOptions, TopicPartition};
use flow::config::Pipeline;
use flow::fence::{Control, ParentLog};
use flow::plan::{Kind, Names, Topic, schema_text};
use flow::wire::Draft;
use schemas::compatibility::Compatibility;
use schemas::registry::{RegisterError, SchemaRegistry, value_subject};
use std::thread;
use std::time::Duration;

/// Pause before a new partition's leader is asked again.
const LEADER_RETRY_MS: u64 = 100;
/// How often it is asked again.
const LEADER_TRIES_MAX: u32 = 100;

/// What `apply` found missing and made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Topics that did not exist.
    pub topics: Vec<String>,
    /// Topics that had fewer partitions: sources, with those for their dead letters, retries and late records.
    pub grown: Vec<String>,
    /// Subjects registered, with the id of their schema.
    pub schemas: Vec<(String, u32)>,
    /// Topics whose new schemas owe something else to earlier ones from now on.
    pub rules: Vec<(String, Compatibility)>,
    /// Log partitions that got their first fence.
    pub fences: Vec<String>,
    /// Logs that got a fence which names new parents, with its number; see [`crate::parents`].
    pub named: Vec<(String, i64)>,
}

/// Creates topics, registers schemas, writes first fences.
pub fn apply(context: &Context) -> Result<Applied, Error> {
    apply_with(context, |_| Control::default())
}

/// The same, where the first fence of a log says more than its parents.
pub fn apply_with(context: &Context, first: impl Fn(&str) -> Control) -> Result<Applied, Error> {
    check_schemas(&*context.schemas, &context.pipeline, &context.plan.topics)?;
    let mut applied = Applied::default();
    let existing = context.log.topics()?;
    let specs = context.topic_specs();
    applied.topics.extend(specs.iter().map(|spec| spec.name.clone()).filter(|name| !existing.contains(name)));
    let of_sources = |topic: &&Topic| matches!(topic.kind, Kind::Source | Kind::Dlq | Kind::Retry | Kind::Late);
    for topic in context.plan.topics.iter().filter(of_sources) {
        let wanted = topic.partitions.cast_signed();
        if context.log.partitions(&topic.name)?.is_some_and(|found| found < wanted) {
            context.log.add_partitions(&topic.name, wanted)?;
            applied.grown.push(topic.name.clone());
        }
    }
    context.log.create_topics(&specs)?;
    for topic in &context.plan.topics {
        if topic.schema.is_some() {
            let subject = value_subject(&topic.name);
            if let Some(rule) = context.pipeline.compatibility.of(topic)
                && context.schemas.rule(&subject).map_err(RegisterError::from)? != Some(rule)
            {
                context.schemas.set_rule(&subject, rule).map_err(RegisterError::from)?;
                applied.rules.push((topic.name.clone(), rule));
            }
            let id = context.schemas.register(&subject, &context.schema(&topic.name)?)?;
            applied.schemas.push((subject, id));
        }
    }
    for topic in context.plan.topics.iter().filter(|topic| topic.kind == Kind::Log) {
        let control = Control { parents: parents(context, &topic.name)?, ..first(&topic.name) };
        let mut empty = Vec::new();
        for partition in 0..topic.partitions as i32 {
            let tp = TopicPartition::new(topic.name.as_str(), partition);
            if patiently(|| context.log.watermarks(&tp))?.1 == 0 {
                empty.push(partition);
                applied.fences.push(tp.to_string());
            }
        }
        write_fence(context, &topic.name, &control, 0, &empty)?;
    }
    Ok(applied)
}

/// Whether all schemas may follow those that their topics had: said before anything is made, and of all at once.
pub fn check_schemas<'t>(
    schemas: &dyn SchemaRegistry,
    pipeline: &Pipeline,
    topics: impl IntoIterator<Item = &'t Topic>,
) -> Result<(), Error> {
    let mut found = Vec::new();
    for topic in topics {
        let Some(schema) = &topic.schema else { continue };
        let chosen = pipeline.compatibility.of(topic);
        let refusal = schemas.refusal(&value_subject(&topic.name), &schema_text(schema), chosen)?;
        let (topic, internal) = (&topic.name, topic.internal);
        found.extend(refusal.map(|refusal| Incompatible { topic: topic.clone(), internal, refusal }));
    }
    if found.is_empty() { Ok(()) } else { Err(Error::Incompatible(found)) }
}

/// Writes a fence to partitions of a log. Writing one again is harmless: tasks ignore numbers they have passed.
pub fn write_fence(
    context: &Context,
    name: &str,
    control: &Control,
    number: i64,
    partitions: &[i32],
) -> Result<(), Error> {
    if partitions.is_empty() {
        return Ok(());
    }
    let mut writer = context.writer(name)?;
    let mut session = context.log.session(SessionOptions {
        durable: true,
        ..SessionOptions::new(format!("{}.apply", context.pipeline.name), Input::None)
    })?;
    for partition in partitions {
        let draft = Draft { fence: Some(control.fence(number)), ..Draft::default() };
        session.publish(Publish::batch(TopicPartition::new(name, *partition), writer.encode(draft)?))?;
    }
    session.flush()?;
    Ok(session.close()?)
}

/// Asks again while a topic just created has no leader yet.
pub fn patiently<T>(ask: impl Fn() -> log::Result<T>) -> log::Result<T> {
    let mut tries = 0;
    loop {
        match ask() {
            Err(error) if error.is_retriable() && tries < LEADER_TRIES_MAX => tries += 1,
            answer => return answer,
        }
        thread::sleep(Duration::from_millis(LEADER_RETRY_MS));
    }
}

/// The logs whose tasks write into the named one.
pub fn parents(context: &Context, log: &str) -> Result<Vec<ParentLog>, Error> {
    let names = &context.plan.names;
    let parent = |name: &str, marks: bool| -> Result<ParentLog, Error> {
        Ok(ParentLog { log: name.to_owned(), partitions: context.topic(name)?.partitions as u16, marks })
    };
    if log == names.journal_log {
        let mut found = vec![parent(&names.events, true)?];
        if let Some(labels) = &names.labels {
            found.push(parent(labels, true)?);
        }
        found.push(parent(&names.features_log, false)?);
        for source in names.sources() {
            found.push(parent(&Names::retries(source), false)?);
        }
        return Ok(found);
    }
    let at = names.entity_logs.iter().position(|name| name == log).unwrap_or(names.entity_logs.len());
    let before = if at == 0 { &names.events } else { &names.entity_logs[at - 1] };
    let mut found = vec![parent(before, true)?];
    if context.plan.stages.get(at).is_some_and(|stage| stage.label_derived) {
        found.push(parent(&names.journal_log, true)?);
    }
    if at == 0 {
        // What is retried is old: a partition of retries promises nothing, and nobody waits for it.
        found.push(parent(&Names::retries(&names.events), false)?);
    }
    Ok(found)
}
