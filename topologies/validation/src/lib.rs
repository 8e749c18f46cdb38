//! The validator: judges the records of one source partition and writes the good ones to the first entity's log and the
//! journal, the bad ones to the dead letters, the late ones to the late topic.
//!
//! It keeps no state beyond its commit metadata. Whatever another process might decide differently is decided through
//! [`Verdicts`], where the first decision is final. A batch of records gives the same items however it is cut.
//!
//! Dead letters that somebody publishes again are judged by a task of their own per partition, see [`retry`].

pub mod breaker;
pub mod checks;
pub mod dead;
pub mod dry;
pub mod faults;
pub mod idle;
pub mod ingest;
pub mod retry;
pub mod rules;
pub mod source;
pub mod tallies;
pub mod verdict;

mod clock;
mod columns;
mod digest;
mod emit;
mod intake;
mod ledger;
mod opened;
mod targets;
#[cfg(test)]
mod tests;
mod validator;

pub use retry::Retrier;
pub use rules::{RuleSet, Rulebook};
pub use source::Source;
pub use targets::Target;
pub use validator::{Progress, Validator, Wiring};
pub use verdict::{Retried, Verdict, Verdicts};
