//! What a pipeline is and how its records flow: configuration, plan, items of the internal logs, and the pure
//! machinery that every stage shares. Nothing here reads a clock, does IO, or knows Kafka.

pub mod alert;
pub mod cold;
pub mod config;
pub mod emit;
pub mod fence;
pub mod flaw;
pub mod handover;
pub mod hold;
pub mod items;
pub mod ledger;
pub mod marks;
pub mod names;
pub mod outputs;
pub mod plan;
pub mod processor;
pub mod public;
pub mod reader;
pub mod sequencer;
pub mod sizes;
pub mod snapshot;
pub mod sql;
pub mod state;
pub mod task;
pub mod wire;
