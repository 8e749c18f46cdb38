//! The tasks of a pipeline: who reads what as which consumer group, and writes what.

use super::{Kind, Names, Service, Stage, Task};
use crate::config::Pipeline;

/// Monitor task that counts inputs.
const FEATURES_TASK: &str = "features";
/// Monitor task that counts scores.
const SCORES_TASK: &str = "scores";
/// Monitor task that judges the counts.
const JUDGE_TASK: &str = "judge";

/// All tasks, in the order an event meets them.
pub(super) fn tasks(pipeline: &Pipeline, names: &Names, stages: &[Stage]) -> Vec<Task> {
    let mut tasks = vec![validator(pipeline, names)];
    tasks.extend(stages.iter().zip(&pipeline.features.entities).map(|(stage, entity)| {
        let mut writes = vec![stage.writes.clone()];
        // Where something may be pushed out, that is told.
        writes.extend(entity.is_limited().then(|| names.alerts.clone()));
        writes.push(names.ledger.clone());
        task(pipeline, Service::Featurizer, Some(&stage.entity), vec![stage.reads.clone()], writes)
    }));
    let labelled = stages.iter().filter(|stage| stage.label_derived).map(|stage| stage.reads.clone());
    let refusals = pipeline.labels.as_ref().map(|_| names.refusals.clone());
    let written = [names.outcomes.clone()].into_iter().chain(refusals).chain(labelled);
    let writes = written.chain([names.ledger.clone()]).collect();
    tasks.push(task(pipeline, Service::Featurizer, Some("journal"), vec![names.journal_log.clone()], writes));
    if !pipeline.models.is_empty() {
        tasks.push(scorer(pipeline, names));
        tasks.extend(monitors(pipeline, names));
    }
    if pipeline.retraining.is_some() {
        let writes = vec![names.models.clone(), names.retraining.clone(), names.control.clone()];
        tasks.push(task(pipeline, Service::Trainer, None, vec![names.retraining.clone()], writes));
    }
    let topics = super::topics::topics(pipeline, names).into_iter().filter(|topic| topic.kind != Kind::Progress);
    let everything = topics.map(|topic| topic.name).collect();
    tasks.push(task(pipeline, Service::Archiver, None, everything, Vec::new()));
    tasks
}

fn validator(pipeline: &Pipeline, names: &Names) -> Task {
    let retries = names.sources().map(|source| Names::retries(source));
    let reads: Vec<String> = names.sources().cloned().chain(retries).collect();
    let mut writes = vec![names.first_log().to_owned(), names.journal_log.clone()];
    writes.extend(names.sources().flat_map(|source| [Names::dead_letters(source), Names::late(source)]));
    writes.extend([names.progress.clone(), names.ledger.clone()]);
    let mut task = task(pipeline, Service::Validator, None, reads, writes);
    task.follows.push(names.progress.clone());
    task
}

fn scorer(pipeline: &Pipeline, names: &Names) -> Task {
    let Names { predictions, journal_log, control, ledger, .. } = names.clone();
    let reads = vec![names.features_log.clone()];
    let follows = control.clone();
    let mut task = task(pipeline, Service::Scorer, None, reads, vec![predictions, journal_log, control, ledger]);
    task.follows.push(follows);
    task
}

/// One counts inputs, one counts scores, one judges what both counted: a stateful task reads one log.
fn monitors(pipeline: &Pipeline, names: &Names) -> Vec<Task> {
    if pipeline.monitors.is_empty() {
        return Vec::new();
    }
    let Names { sketches, drift, alerts, retraining, ledger, .. } = names.clone();
    let mut verdicts = vec![drift, alerts];
    verdicts.extend(pipeline.retraining.is_some().then_some(retraining));
    let task = |name: &str, reads: &String, writes: Vec<String>| {
        task(pipeline, Service::Monitor, Some(name), vec![reads.clone()], writes)
    };
    vec![
        task(FEATURES_TASK, &names.features_log, vec![sketches.clone(), ledger.clone()]),
        task(SCORES_TASK, &names.journal_log, vec![sketches.clone(), ledger]),
        task(JUDGE_TASK, &sketches, verdicts),
    ]
}

fn task(pipeline: &Pipeline, service: Service, name: Option<&str>, reads: Vec<String>, writes: Vec<String>) -> Task {
    let group = group(&pipeline.name, service);
    let group_id = match name {
        Some(name) => format!("{group}.{name}"),
        None => group,
    };
    Task { service, name: name.map(str::to_owned), group_id, reads, follows: Vec::new(), writes }
}

/// Consumer group of a service's only task; those of several tasks add their names.
pub(super) fn group(pipeline: &str, service: Service) -> String {
    format!("{pipeline}.{}", service.name())
}
