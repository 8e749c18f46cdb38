//! Real parts for tests.

pub mod kafka;
pub mod fraud;
pub mod pipeline;
pub mod apicurio;
pub mod python;
