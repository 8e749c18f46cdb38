//! What stands in the way of a change, each with what to do.

use flow::plan::Kind;
use schemas::compatibility::Compatibility;
use schemas::registry::Refusal;
use std::fmt;

/// A change that is not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// A schema may not follow those that its topic had.
    Schema {
        /// The topic.
        topic: String,
        /// Whose schema it is.
        owner: Owner,
        /// What is wrong.
        refusal: Refusal,
    },
    /// A schema is an earlier version of its topic's, and a registry makes no version the newest again.
    Superseded {
        /// The topic.
        topic: String,
        /// Whose schema it is.
        owner: Owner,
        /// The version that it is, counted from 1.
        version: usize,
        /// The newest version.
        newest: usize,
    },
    /// A topic has another number of partitions.
    Partitions {
        /// The topic.
        topic: String,
        /// What it is for.
        kind: Kind,
        /// As planned.
        wanted: i32,
        /// As it is.
        found: i32,
    },
    /// What a task has committed does not fit the pipeline file.
    State {
        /// The task, with what it reads.
        task: String,
        /// Why.
        why: String,
    },
}

/// Where a topic's schema comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Only our own services read it.
    Internal,
    /// A file that users write.
    User,
    /// It follows from the pipeline file, for others to read.
    Derived {
        /// The strictest mode under which it may follow.
        mode: Compatibility,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema { topic, owner, refusal } => {
                write!(f, "topic {topic}: {refusal}; ")?;
                match owner {
                    Owner::Internal => f.write_str("take the change back, or begin new logs with `tidemill apply --rebuild`"),
                    Owner::User => f.write_str(
                        "take the change back or give the field a default, choose another mode under `compatibility` in the pipeline file, or begin a topic with another name",
                    ),
                    Owner::Derived { mode } => write!(
                        f,
                        "its fields follow from models and labels (`objective`, `classes`): take their change back; or, if all who read the topic can live with it, write `compatibility: {{ {topic}: {mode} }}` in the pipeline file; or begin a pipeline with another name, which has topics of its own"
                    ),
                }
            }
            Self::Superseded { topic, owner, version, newest } => {
                let todo = match owner {
                    Owner::Internal => "begin new logs with `tidemill apply --rebuild`",
                    Owner::User => "give it a change of its own, such as a `doc`, or begin a topic with another name",
                    Owner::Derived { .. } => {
                        "take the change of the models or labels back, or begin a pipeline with another name, which has topics of its own"
                    }
                };
                write!(
                    f,
                    "topic {topic}: its schema is version {version} again, and the registry keeps version {newest} as the newest; {todo}"
                )
            }
            Self::Partitions { topic, kind, wanted, found } => {
                let todo = match kind {
                    Kind::Log => {
                        format!("write `partitions: {found}`, or call `tidemill repartition --partitions {wanted}`")
                    }
                    Kind::Dlq | Kind::Retry | Kind::Late => {
                        "it has as many as its source; give the source as many, or delete this topic".to_owned()
                    }
                    _ => format!("a topic keeps its number; write `partitions: {found}`, or delete this topic"),
                };
                write!(f, "topic {topic} has {found} partitions and not {wanted}; {todo}")
            }
            Self::State { task, why } => write!(f, "{task}: {why}"),
        }
    }
}
