//! Real parts for tests.

pub mod apicurio;
pub mod fraud;
pub mod kafka;
pub mod pipeline;
pub mod python;
