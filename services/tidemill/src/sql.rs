//! SQL over the archive and over parts of topics: names of tables, what a query is run with, and its rows.

mod bounds;
mod complaint;
mod datasets;
mod engine;
mod fields;
mod names;
mod reading;
pub mod rows;
mod tables;
mod topic;

pub use bounds::Bound;
pub use engine::Engine;
pub use tables::Place;
