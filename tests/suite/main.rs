//! All tests that span crates, as one binary.

mod conformance;
mod offline;
mod registry;
