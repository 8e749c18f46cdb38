//! All tests that span crates, as one binary.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test's failure is its message, and a skipped one says so"
)]

mod aggregates;
mod archiver;
mod avro;
mod bodies;
mod compatibility;
mod conformance;
mod delivery;
mod doors;
mod features_offline;
mod fire;
mod fuzz;
mod gateway;
mod gateways;
mod growth;
mod inference;
mod large;
mod ledger;
mod limits;
mod loop_;
mod metadata;
mod metrics;
mod monitor;
mod offline;
mod outcomes;
mod pressure;
mod processes;
mod promotion;
mod registry;
mod repair;
mod repartition;
mod restarts;
mod retries;
mod s3;
mod served;
mod simulation;
mod snapshots;
mod streaming;
mod tidy;
mod training;
mod void;
mod wire;

/// The allocator that services run with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
