//! The plan as a picture: text for Mermaid and for Graphviz. Left out are the archiver, which reads everything, and the
//! topics of bookkeeping; with them no picture shows the way of an event.

use std::fmt::Write as _;

use super::{Kind, Plan, Service, Task, Topic};

/// The shapes of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Task,
    Log,
    Public,
    Aside,
}

impl Shape {
    fn of(topic: &Topic) -> Self {
        match topic.kind {
            Kind::Log | Kind::Sketches => Self::Log,
            Kind::Dlq | Kind::Retry | Kind::Late => Self::Aside,
            _ => Self::Public,
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Log => "log",
            Self::Public => "public",
            Self::Aside => "aside",
        }
    }
}

/// A flowchart for Mermaid, as GitHub and many editors draw it.
pub fn mermaid(plan: &Plan) -> String {
    let mut text = String::from("flowchart LR\n");
    let picture = Picture::new(plan);
    for (id, label, shape) in picture.nodes() {
        let (open, close) = match shape {
            Shape::Task => ("[\"", "\"]"),
            Shape::Log => ("[(\"", "\")]"),
            Shape::Public | Shape::Aside => ("([\"", "\"])"),
        };
        line(&mut text, format_args!("  {id}{open}{label}{close}:::{}", shape.class()));
    }
    for (from, to) in picture.edges() {
        line(&mut text, format_args!("  {from} --> {to}"));
    }
    text.push_str("  classDef task fill:#dbeafe,stroke:#1d4ed8,color:#111\n");
    text.push_str("  classDef log fill:#f3f4f6,stroke:#6b7280,color:#111\n");
    text.push_str("  classDef public fill:#dcfce7,stroke:#15803d,color:#111\n");
    text.push_str("  classDef aside fill:#fee2e2,stroke:#b91c1c,color:#111\n");
    text
}

/// A graph for Graphviz: `tidemill graph --format dot | dot -Tsvg`.
pub fn dot(plan: &Plan) -> String {
    let mut text = String::new();
    line(&mut text, format_args!("digraph \"{}\" {{", plan.pipeline));
    text.push_str("  rankdir=LR;\n  node [fontname=\"sans-serif\" fontsize=11 style=filled];\n");
    let picture = Picture::new(plan);
    for (id, label, shape) in picture.nodes() {
        let style = match shape {
            Shape::Task => "shape=box fillcolor=\"#dbeafe\"",
            Shape::Log => "shape=cylinder fillcolor=\"#f3f4f6\"",
            Shape::Public => "shape=oval fillcolor=\"#dcfce7\"",
            Shape::Aside => "shape=oval fillcolor=\"#fee2e2\"",
        };
        line(&mut text, format_args!("  {id} [label=\"{label}\" {style}];"));
    }
    for (from, to) in picture.edges() {
        line(&mut text, format_args!("  {from} -> {to};"));
    }
    text.push_str("}\n");
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

struct Picture<'p> {
    topics: Vec<&'p Topic>,
    tasks: Vec<&'p Task>,
}

impl<'p> Picture<'p> {
    fn new(plan: &'p Plan) -> Self {
        let shown = |topic: &&Topic| !matches!(topic.kind, Kind::Control | Kind::Ledger | Kind::Progress);
        Self {
            topics: plan.topics.iter().filter(shown).collect(),
            tasks: plan.tasks.iter().filter(|task| task.service != Service::Archiver).collect(),
        }
    }

    /// Ids, labels and shapes: topics, then tasks, each in the plan's order.
    fn nodes(&self) -> impl Iterator<Item = (String, String, Shape)> {
        let topics = self.topics.iter().map(|topic| (topic_id(&topic.name), topic.name.clone(), Shape::of(topic)));
        let tasks = self.tasks.iter().map(|task| (task_id(task), task_label(task), Shape::Task));
        topics.chain(tasks)
    }

    fn edges(&self) -> Vec<(String, String)> {
        let shown = |name: &&String| self.topics.iter().any(|topic| topic.name == **name);
        let mut edges = Vec::new();
        for task in &self.tasks {
            edges.extend(task.reads.iter().filter(shown).map(|topic| (topic_id(topic), task_id(task))));
            edges.extend(task.writes.iter().filter(shown).map(|topic| (task_id(task), topic_id(topic))));
        }
        edges
    }
}

fn topic_id(name: &str) -> String {
    format!("topic_{}", name.replace(['.', '-'], "_"))
}

fn task_id(task: &Task) -> String {
    format!("task_{}", task.group_id.replace(['.', '-'], "_"))
}

fn task_label(task: &Task) -> String {
    match &task.name {
        Some(name) => format!("{}: {name}", task.service.name()),
        None => task.service.name().to_owned(),
    }
}
