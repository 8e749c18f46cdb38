//! Tests of the whole crate: real bytes in, decoded items out.

#![allow(clippy::unwrap_used)]

mod bad_input;
mod decisions;
mod declared;
mod fixture;
mod json_source;
mod marks;
mod repeatable;
mod policies;
mod retries;
mod walkthrough;
