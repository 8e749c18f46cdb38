//! The offline store: Parquet tables, the archive of topics, and datasets cut from it.
//!
//! This is the only crate that names `parquet`; everyone else sees Arrow batches.

mod encode;
mod layout;
pub mod table;
