//! The offline store: Parquet tables, the archive of topics, and datasets cut from it.
//!
//! Queries see archived topics as tables ([`query`]).
//!
//! This is the only crate that names `parquet`; everyone else sees Arrow batches.

pub mod archive;
pub mod dataset;
pub mod query;
pub mod table;

mod decode;
mod encode;
mod layout;
