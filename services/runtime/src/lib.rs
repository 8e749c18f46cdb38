//! How topologies run: the narrow [`log::Log`] trait with its implementations, and what every service shares.
//!
//! This is the only crate that names rdkafka. Everything here is synchronous: one OS thread owns one
//! [`log::Session`], and with it a consumer and a producer.

pub mod apply;
pub mod changes;
pub mod clock;
pub mod cold;
pub mod conformance;
pub mod context;
pub mod embedded;
pub mod failpoint;
pub mod kafka;
pub mod ledger;
pub mod log;
pub mod parents;
pub mod patience;
pub mod repair;
pub mod repartition;
pub mod shell;
pub mod simulated;
pub mod snapshot;
mod transaction;
