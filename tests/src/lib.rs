//! Real parts for tests.

pub mod kafka;
