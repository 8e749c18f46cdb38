//! Real parts for tests.

pub mod apicurio;
pub mod fraud;
pub mod kafka;
pub mod models;
pub mod pipeline;
mod process;
pub mod python;
pub mod s3;
