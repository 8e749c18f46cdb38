//! What a pipeline is and how its records flow: configuration, plan, items of the internal logs, and the pure
//! machinery that every stage shares. Nothing here reads a clock, does IO, or knows Kafka.

pub mod config;
pub mod plan;
