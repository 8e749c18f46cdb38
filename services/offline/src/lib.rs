//! The offline store: Parquet tables, the archive of topics, and datasets cut from it.
//!
//! This is the only crate that names `parquet`; everyone else sees Arrow batches.

pub mod archive;
pub mod dataset;
pub mod table;

mod decode;
mod encode;
mod layout;
