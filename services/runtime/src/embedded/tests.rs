//! The embedded log alone; what it shares with Kafka is in the conformance suite.

#![allow(clippy::unwrap_used)]

use tempfile::TempDir;

use super::*;
use crate::conformance::SUITE;

#[test]
fn it_conforms() {
    let dir = TempDir::new().unwrap();
    let log = Embedded::open(dir.path()).unwrap();
    for (name, case) in SUITE {
        eprintln!("{name}");
        case(&log, name);
    }
}
