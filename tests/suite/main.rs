//! All tests that span crates, as one binary.

mod archiver;
mod conformance;
mod features_offline;
mod gateway;
mod loop_;
mod monitor;
mod offline;
mod outcomes;
mod registry;
mod streaming;
mod tidy;
mod training;
