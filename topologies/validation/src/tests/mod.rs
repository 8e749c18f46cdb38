//! Tests of the whole crate: real bytes in, decoded items out.

#![allow(clippy::unwrap_used)]

mod bad_input;
mod classes;
mod decisions;
mod declared;
mod fixture;
mod json_source;
mod marks;
mod policies;
mod repeatable;
mod retries;
mod walkthrough;
