//! Making what a plan needs: topics, registered schemas, and the fence at the head of each internal log that names its
//! parents. Everything here may be done again, and by several at once.

use crate::changes::{Changes, Grown, Kept, Mode, Schema, Standing};
use crate::context::{Context, Error};
use crate::log::{self, Input, Publish, SessionOptions, TopicPartition};
use flow::fence::{Control, ParentLog};
use flow::plan::Names;
use flow::wire::Draft;
use schemas::compatibility::Compatibility;
use schemas::registry::{RegisterError, value_subject};
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
    /// Topics that keep their records otherwise from now on.
    pub kept: Vec<Kept>,
    /// Subjects registered, with the id of their schema.
    pub schemas: Vec<(String, u32)>,
    /// Topics whose new schemas owe something else to earlier ones from now on.
    pub rules: Vec<(String, Compatibility)>,
    /// Log partitions that got their first fence.
    pub fences: Vec<String>,
    /// Logs that got a fence which names new parents, with its number; see [`crate::parents`].
    pub named: Vec<(String, i64)>,
}

/// Creates topics, registers schemas, writes first fences: everything that is missing.
pub fn apply(context: &Context) -> Result<Applied, Error> {
    apply_with(context, |_| Control::default())
}

/// The same, where the first fence of a log says more than its parents.
pub fn apply_with(context: &Context, first: impl Fn(&str) -> Control) -> Result<Applied, Error> {
    carry_out(context, &Changes::find(context)?, first)
}

/// Makes these changes and no others, unless one of them is refused.
pub fn carry_out(context: &Context, changes: &Changes, first: impl Fn(&str) -> Control) -> Result<Applied, Error> {
    if !changes.refused.is_empty() {
        return Err(Error::Refused(changes.refused.clone()));
    }
    let mut applied = Applied::default();
    for Grown { topic, to, .. } in &changes.grown {
        context.log.add_partitions(topic, *to)?;
        applied.grown.push(topic.clone());
    }
    context.log.create_topics(&changes.topics)?;
    applied.topics.extend(changes.topics.iter().map(|spec| spec.name.clone()));
    for of_topic in changes.kept.chunk_by(|one, next| one.topic == next.topic) {
        let settings = of_topic.iter().map(|kept| (kept.setting.clone(), kept.to.clone())).collect();
        context.log.set_settings(&of_topic[0].topic, &settings)?;
        applied.kept.extend_from_slice(of_topic);
    }
    for Mode { topic, to, .. } in &changes.modes {
        context.schemas.set_rule(&value_subject(topic), *to).map_err(RegisterError::from)?;
        applied.rules.push((topic.clone(), *to));
    }
    for Schema { topic, text, standing } in &changes.schemas {
        let subject = value_subject(topic);
        let id = match standing {
            Standing::Registered(id) => *id,
            Standing::Version(_) => context.schemas.register(&subject, text)?,
        };
        applied.schemas.push((subject, id));
    }
    for of_log in changes.fences.chunk_by(|one, next| one.topic == next.topic) {
        let log = &*of_log[0].topic;
        let control = Control { parents: parents(context, log)?, ..first(log) };
        let mut empty = Vec::new();
        for tp in of_log {
            // Another call may have been faster.
            if patiently(|| context.log.watermarks(tp))?.1 == 0 {
                empty.push(tp.partition);
                applied.fences.push(tp.to_string());
            }
        }
        write_fence(context, log, &control, 0, &empty)?;
    }
    Ok(applied)
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
