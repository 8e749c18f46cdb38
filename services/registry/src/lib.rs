//! What must be decided once and kept: decisions, schemas, models and control states, all in one object store.
//!
//! Everything rests on one primitive, create-if-absent: whoever creates a key first has decided it for everyone.

pub mod canonical;
pub mod control;
pub mod decisions;
pub mod generations;
pub mod models;
pub mod schemas;
#[cfg(test)]
mod scripted;
pub mod store;
