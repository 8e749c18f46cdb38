//! All tests that span crates, as one binary.

mod conformance;
mod features_offline;
mod streaming;
mod tidy;
mod training;
mod offline;
mod registry;
mod monitor;
mod outcomes;
mod gateway;
mod archiver;
mod loop_;
