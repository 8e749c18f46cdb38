//! Real parts for tests.

pub mod apicurio;
pub mod asyncapi;
pub mod clock;
pub mod cluster;
pub mod data;
pub mod disk;
pub mod fraud;
pub mod kafka;
pub mod models;
pub mod part;
pub mod pipeline;
mod process;
pub mod proxy;
pub mod python;
pub mod s3;
pub mod service;

pub use process::say;
