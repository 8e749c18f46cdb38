//! Schema registries: one in our own store for zero setup, one that speaks to any Confluent-compatible server.

mod confluent;
mod file;
#[cfg(test)]
mod tests;

pub use ::schemas::compatibility::Compatibility;
pub use confluent::{AUTH_VARIABLE, ConfluentRegistry, Error as ConfluentError, NEGATIVE_TTL_MS};
pub use file::FileRegistry;
