//! The edges over which source records go.

use crate::plan::{Kind, Names, Plan, Service};

/// An edge of the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// What the writer reads.
    pub from: String,
    /// What it writes.
    pub to: String,
    /// Consumer group of the writer.
    pub writer: String,
    /// Consumer groups that read it and count; none of a public topic.
    pub readers: Vec<String>,
    /// Source topic of all that goes over it.
    pub source: String,
    /// Which of its items the writer writes to it.
    pub whole: Whole,
}

/// Which of its items a task writes to a topic, each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// Some; only the task knows which.
    Some,
    /// All that it emits.
    Emitted,
    /// All that it refuses.
    Dead,
}

/// All edges of a plan.
pub fn edges(plan: &Plan) -> Vec<Edge> {
    let names = &plan.names;
    let kind = |topic: &String| plan.topic(topic).map(|topic| topic.kind);
    let counts = |service: Service| !matches!(service, Service::Archiver | Service::Trainer);
    let mut found = Vec::new();
    for task in plan.tasks.iter().filter(|task| counts(task.service)) {
        for from in &task.reads {
            for to in &task.writes {
                let journal = *from == names.journal_log;
                // What is retried is a source's, too.
                let judged = names.retried(from).unwrap_or(from);
                let source = match task.service {
                    Service::Validator => Some(judged.clone()),
                    _ if journal => names.labels.clone(),
                    _ => Some(names.events.clone()),
                };
                let of_events = *judged == names.events || *to == names.journal_log;
                let beside = |to: &String| match names.retried(from) {
                    None => [Names::dead_letters(from), Names::late(from)].contains(to),
                    Some(source) => *to == Names::dead_letters(source),
                };
                let goes = match kind(to) {
                    Some(Kind::Log) => task.service != Service::Validator || of_events,
                    Some(Kind::Dlq | Kind::Late) => beside(to),
                    Some(Kind::Predictions | Kind::Outcomes | Kind::Refusals) => true,
                    _ => false,
                };
                let Some(source) = source.filter(|_| goes) else { continue };
                let readers = plan.tasks.iter().filter(|reader| counts(reader.service) && reader.reads.contains(to));
                let readers = readers.filter(|_| kind(to) == Some(Kind::Log)).map(|reader| reader.group_id.clone());
                found.push(Edge {
                    from: from.clone(),
                    to: to.clone(),
                    writer: task.group_id.clone(),
                    readers: readers.collect(),
                    source,
                    whole: match kind(to) {
                        Some(Kind::Dlq | Kind::Late) => Whole::Some,
                        Some(Kind::Refusals) => Whole::Dead,
                        to if !journal || to == Some(Kind::Outcomes) => Whole::Emitted,
                        _ => Whole::Some,
                    },
                });
            }
        }
    }
    found
}
