//! Everything a command can end with, and the exit code that follows from it.

use crate::exit::Exit;
use crate::publish;
use runtime::{context, log, shell};
use schemas::registry::{RegisterError, Unavailable};
use serde_json::{Value, json};

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pipeline file is wrong; all problems are rendered already.
    #[error("{text}")]
    Pipeline {
        /// As text.
        text: String,
        /// As JSON.
        json: Value,
    },
    /// Something that the user gave cannot be used.
    #[error("{0}")]
    Input(String),
    /// Something failed.
    #[error("{0}")]
    Failed(String),
    /// Something outside does not answer.
    #[error("{0}")]
    Outside(String),
    /// The log.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// Topics or schemas of the pipeline.
    #[error(transparent)]
    Context(#[from] context::Error),
    /// A shell ended.
    #[error(transparent)]
    Shell(#[from] shell::Error),
    /// The validator ended.
    #[error(transparent)]
    Validator(#[from] validator::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] registry::store::Error),
    /// What was decided about generations.
    #[error(transparent)]
    Decisions(#[from] registry::decisions::Error),
    /// Models.
    #[error(transparent)]
    Models(#[from] registry::models::Error),
    /// The schema registry did not answer.
    #[error(transparent)]
    Registry(#[from] Unavailable),
    /// A Parquet file.
    #[error(transparent)]
    Table(#[from] offline::table::Error),
    /// Publishing.
    #[error(transparent)]
    Publish(#[from] publish::Error),
    /// The trainer.
    #[error(transparent)]
    Trainer(#[from] trainer::Error),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] offline::archive::Error),
    /// The archiver.
    #[error(transparent)]
    Archiver(#[from] archiver::Error),
    /// The gateway.
    #[error(transparent)]
    Gateway(#[from] gateway::Error),
    /// Records that cannot be shown.
    #[error(transparent)]
    Decode(#[from] gateway::decode::Error),
    /// A promotion.
    #[error(transparent)]
    Promote(#[from] scorer::PromoteError),
    /// Features of a table.
    #[error(transparent)]
    Features(#[from] features::offline::Error),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] runtime::ledger::Error),
    /// A task whose group lost its offset cannot be repaired.
    #[error(transparent)]
    Repair(#[from] runtime::repair::Error),
    /// The logs cannot be repartitioned.
    #[error(transparent)]
    Repartition(#[from] runtime::repartition::Error),
    /// Parents of logs.
    #[error(transparent)]
    Parents(#[from] runtime::parents::Error),
    /// The ledger's sides differ.
    #[error("{0}")]
    Differs(String),
    /// One service among several ended the process.
    #[error("{service}: {source}")]
    Service {
        /// Its name.
        service: String,
        /// Why.
        source: Box<Error>,
    },
    /// Something is to be applied, and whoever asked wants to know by the exit code.
    #[error("there is something to apply")]
    Pending,
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Nobody reads our output any more, as in `tidemill tap … | head`.
    #[error("the output was closed")]
    Closed,
}

impl Error {
    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Pipeline { .. } | Self::Input(_) | Self::Features(_) => Exit::Input,
            Self::Failed(_) => Exit::Failed,
            Self::Outside(_) | Self::Registry(_) => Exit::Unavailable,
            Self::Log(error) => of_log(error),
            Self::Context(error) => of_context(error),
            Self::Shell(error) => of_shell(error),
            Self::Validator(error) => of_validator(error),
            Self::Store(error) => of_store(error),
            Self::Decisions(registry::decisions::Error::Store(error)) => of_store(error),
            Self::Decisions(_) => Exit::Failed,
            Self::Models(error) => of_models(error),
            Self::Table(error) => match error {
                offline::table::Error::Io { .. } | offline::table::Error::Unwritable { .. } => Exit::Failed,
                _ => Exit::Input,
            },
            Self::Publish(error) => match error {
                publish::Error::Log(error) => of_log(error),
                publish::Error::Context(error) => of_context(error),
                _ => Exit::Input,
            },
            Self::Trainer(error) => of_trainer(error),
            Self::Archive(error) => of_archive(error),
            Self::Archiver(error) => match error {
                archiver::Error::Archive(error) => of_archive(error),
                archiver::Error::Log(error) => of_log(error),
                archiver::Error::Context(error) => of_context(error),
                archiver::Error::Stop(_) => Exit::Stopped,
                _ => Exit::Failed,
            },
            Self::Decode(error) => match error {
                gateway::decode::Error::Registry(_) => Exit::Unavailable,
                gateway::decode::Error::Json { .. } => Exit::Failed,
            },
            Self::Gateway(error) => match error {
                gateway::Error::Address { .. }
                | gateway::Error::NotLoopback { .. }
                | gateway::Error::Certificate { .. }
                | gateway::Error::Tokens(_) => Exit::Input,
                gateway::Error::Registry(_) | gateway::Error::Listen { .. } => Exit::Unavailable,
                _ => Exit::Failed,
            },
            Self::Promote(error) => of_promote(error),
            Self::Ledger(error) => match error {
                runtime::ledger::Error::Log(error) => of_log(error),
                runtime::ledger::Error::Context(error) => of_context(error),
                _ => Exit::Failed,
            },
            Self::Parents(error) => of_parents(error),
            Self::Repair(error) => of_repair(error),
            Self::Repartition(error) => of_repartition(error),
            Self::Differs(_) => Exit::Differs,
            Self::Service { source, .. } => source.exit(),
            Self::Pending => Exit::Pending,
            Self::Interrupted => Exit::Interrupted,
            Self::Closed => Exit::Ok,
        }
    }

    /// For `--output json`.
    pub fn json(&self) -> Value {
        match self {
            Self::Pipeline { json, .. } => json.clone(),
            other => json!({ "error": { "kind": other.exit().name(), "message": other.to_string() } }),
        }
    }
}

fn of_trainer(error: &trainer::Error) -> Exit {
    use offline::dataset::Error as Dataset;
    use trainer::Error;
    match error {
        Error::Log(error) => of_log(error),
        Error::Context(error) => of_context(error),
        Error::Promote(error) => of_promote(error),
        Error::Models(error) => of_models(error),
        Error::Dataset(Dataset::Store(error))
        | Error::Decision(registry::decisions::Error::Store(error))
        | Error::Archive(offline::archive::Error::Store(error)) => of_store(error),
        Error::Dataset(Dataset::Archive(_) | Dataset::Manifest { .. })
        | Error::Archive(_)
        | Error::Decision(_)
        | Error::Control(_)
        | Error::Artefact(_)
        | Error::Unwritable { .. }
        | Error::Unreadable { .. } => Exit::Failed,
        _ => Exit::Input,
    }
}

fn of_models(error: &registry::models::Error) -> Exit {
    match error {
        registry::models::Error::Store(error) => of_store(error),
        registry::models::Error::NotFound { .. } => Exit::Input,
        _ => Exit::Failed,
    }
}

fn of_promote(error: &scorer::PromoteError) -> Exit {
    match error {
        scorer::PromoteError::Context(error) => of_context(error),
        scorer::PromoteError::Log(error) => of_log(error),
        scorer::PromoteError::NotReady { .. } => Exit::Unavailable,
        scorer::PromoteError::Refused { .. }
        | scorer::PromoteError::NoFence { .. }
        | scorer::PromoteError::Taken { .. } => Exit::Input,
        scorer::PromoteError::Stopped => Exit::Interrupted,
        _ => Exit::Failed,
    }
}

fn of_archive(error: &offline::archive::Error) -> Exit {
    match error {
        offline::archive::Error::Store(error) => of_store(error),
        _ => Exit::Failed,
    }
}

fn of_log(error: &log::Error) -> Exit {
    match error {
        log::Error::Full { .. } => Exit::Full,
        log::Error::Locked { .. } | log::Error::Occupied { .. } => Exit::Unavailable,
        error if error.is_retriable() => Exit::Unavailable,
        log::Error::MissingTopic { .. }
        | log::Error::MissingPartition { .. }
        | log::Error::PartitionCount { .. }
        | log::Error::InvalidTopic { .. }
        | log::Error::Setting { .. }
        | log::Error::OutOfRange { .. }
        | log::Error::RecordTooLarge { .. } => Exit::Input,
        _ => Exit::Failed,
    }
}

fn of_context(error: &context::Error) -> Exit {
    match error {
        context::Error::Log(error) => of_log(error),
        context::Error::Register(RegisterError::Unavailable(_)) | context::Error::Stopped => Exit::Unavailable,
        context::Error::Wire(_) => Exit::Failed,
        _ => Exit::Input,
    }
}

fn of_shell(error: &shell::Error) -> Exit {
    match error {
        shell::Error::Log(error) => of_log(error),
        _ => Exit::Stopped,
    }
}

fn of_parents(error: &runtime::parents::Error) -> Exit {
    use runtime::parents::Error;
    match error {
        Error::Log(error) => of_log(error),
        Error::Context(error) => of_context(error),
        Error::Decisions(registry::decisions::Error::Store(error)) => of_store(error),
        Error::NoFence { .. } | Error::Promotions { .. } => Exit::Input,
        _ => Exit::Failed,
    }
}

fn of_repair(error: &runtime::repair::Error) -> Exit {
    use runtime::repair::Error;
    match error {
        Error::Log(error) => of_log(error),
        Error::Context(error) => of_context(error),
        Error::From { .. } | Error::SourceStart { .. } => Exit::Input,
        Error::Ledger(_) | Error::Snapshot(_) => Exit::Failed,
        _ => Exit::Stopped,
    }
}

fn of_repartition(error: &runtime::repartition::Error) -> Exit {
    use runtime::repartition::Error;
    match error {
        Error::Log(error) => of_log(error),
        Error::Context(error) => of_context(error),
        Error::Behind { .. } => Exit::Unavailable,
        Error::NoState { .. } | Error::Validator { .. } => Exit::Input,
        Error::Ledger(_) | Error::Snapshot(_) | Error::Wire(_) => Exit::Failed,
        _ => Exit::Stopped,
    }
}

fn of_validator(error: &validator::Error) -> Exit {
    match error {
        validator::Error::Log(error) => of_log(error),
        validator::Error::Shell(error) => of_shell(error),
        validator::Error::Decisions(registry::decisions::Error::Store(error)) => of_store(error),
        validator::Error::Context(error) => of_context(error),
        validator::Error::Parents(error) => of_parents(error),
        _ => Exit::Input,
    }
}

fn of_store(error: &registry::store::Error) -> Exit {
    match error {
        registry::store::Error::Full { .. } => Exit::Full,
        registry::store::Error::Unavailable { .. } => Exit::Unavailable,
        registry::store::Error::NotFound { .. }
        | registry::store::Error::Directory { .. }
        | registry::store::Error::Url { .. } => Exit::Input,
        _ => Exit::Failed,
    }
}

#[cfg(test)]
mod tests;
