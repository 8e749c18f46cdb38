//! Exit codes. They are stable: scripts may rely on them.

use std::process::ExitCode;

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything that was asked for was done.
    Ok,
    /// Something failed that is nobody's input: a file that cannot be written, a bug.
    Failed,
    /// What the user gave cannot be used: arguments, the pipeline file, the data file, a missing topic.
    Input,
    /// The outside world is not there: no broker, no schema registry, a store that does not answer, a log that another
    /// process holds. The same call may succeed later.
    Unavailable,
    /// A service stopped itself because going on would be wrong: a gap or divergence in a log, too many dead letters,
    /// state of a foreign configuration. A person must look.
    Stopped,
    /// The ledger's sides differ for good: something was lost, doubled or changed.
    Differs,
    /// `plan --detailed-exitcode` found something that `apply` would change.
    Pending,
    /// A disk has no room left, under the embedded log or the store. Free some, and the same call goes on.
    Full,
    /// Ended by Ctrl-C, cleanly.
    Interrupted,
}

impl Exit {
    /// The number that the process ends with.
    pub fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Input => 2,
            Self::Unavailable => 3,
            Self::Stopped => 4,
            Self::Differs => 5,
            Self::Pending => 6,
            Self::Full => 7,
            Self::Interrupted => 130,
        }
    }

    /// Its name for `--output json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Input => "input",
            Self::Unavailable => "unavailable",
            Self::Stopped => "stopped",
            Self::Differs => "differs",
            Self::Pending => "pending",
            Self::Full => "full",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.number())
    }
}

/// What `--help` says about them.
pub const HELP: &str = "\
Exit codes: 0 done, 1 failed, 2 unusable input or configuration, 3 the outside world is unavailable (no broker, log in \
use), 4 a service stopped itself (gap, divergence, too many dead letters), 5 `ledger verify` found a difference, 6 \
`plan --detailed-exitcode` found something to apply, 7 a disk is full, 130 Ctrl-C.";
