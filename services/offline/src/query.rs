//! Archived topics as tables of a query engine. Of each file only the columns and row groups that a query needs are
//! fetched, and files that cannot have a row of it are left alone.

mod files;
mod table;
#[cfg(test)]
mod tests;

pub use table::Archived;

/// Column: the partition that a row was read from; the others of its place are in the files
/// ([`crate::archive::OFFSET`]).
pub const PARTITION: &str = "_partition";
