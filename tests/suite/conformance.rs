//! The `Log` trait's suite on both implementations.

use std::panic::{AssertUnwindSafe, catch_unwind};

use runtime::conformance::SUITE;
use runtime::embedded::Embedded;
use runtime::log::Log;

/// Cases that run at a time: most of their time is spent waiting for group timeouts.
const SIDE_BY_SIDE: usize = 4;

/// Runs all cases on a log, and names those that failed.
fn conforms(log: &dyn Log, prefix: &str) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let failed = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                while let Some((name, case)) = SUITE.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let run = catch_unwind(AssertUnwindSafe(|| case(log, &format!("{prefix}.{name}"))));
                    if run.is_err() {
                        failed.lock().expect("the list of failures").push(*name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("the list of failures");
    assert!(failed.is_empty(), "cases that failed: {failed:?}");
}

#[test]
fn the_embedded_log_conforms() {
    let dir = tempfile::tempdir().expect("a folder");
    conforms(&Embedded::open(dir.path()).expect("an embedded log"), "embedded");
}

#[test]
fn real_kafka_conforms() {
    let Some(kafka) = tests::kafka::kafka() else { return };
    conforms(kafka.log().as_ref(), &kafka.prefix("kafka"));
}
