//! The write that failed, and that everybody is told of from then on.

use std::path::PathBuf;

use crate::log::Error;

/// What stopped the log.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    detail: String,
    /// What could not be done where, if it was for lack of room.
    full: Option<(&'static str, PathBuf)>,
}

impl Failure {
    /// That error.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Full { doing, path, detail } => Self { detail: detail.clone(), full: Some((doing, path.clone())) },
            other => Self { detail: other.to_string(), full: None },
        }
    }

    /// What whoever comes later is told.
    pub fn error(&self) -> Error {
        let detail = self.detail.clone();
        match &self.full {
            Some((doing, path)) => Error::Full { doing, path: path.clone(), detail },
            None => Error::Stopped { detail },
        }
    }
}
