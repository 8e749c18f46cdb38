//! Real parts for tests.

pub mod kafka;
pub mod apicurio;
pub mod python;
