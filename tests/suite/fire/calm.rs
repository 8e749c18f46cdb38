//! The same pipeline where nothing happens, in threads over the embedded log: what it wrote.

use super::contents::{self, Contents};
use super::feed::Feed;
use super::settled::Settled;
use super::{COMMIT, IDLE};
use crate::monitor::promote;
use registry::store::Store;
use std::collections::BTreeSet;
use std::sync::Arc;
use tests::fraud::Transactions;
use tests::pipeline::{Deployment, fraud};

/// What came of it.
pub struct Calm {
    /// Its internal logs.
    pub contents: Contents,
    /// Its drift reports.
    pub drift: BTreeSet<String>,
}

/// Publishes everything and waits until it is through.
pub fn run(replaced: &[(&str, &str)], rows: &Transactions) -> Calm {
    let dir = tempfile::tempdir().unwrap();
    let log = runtime::embedded::Embedded::open(dir.path().join("log")).unwrap();
    let store = Store::local(&dir.path().join("store")).unwrap();
    let deployment = Deployment::new(Arc::new(log), store.clone(), fraud(replaced));
    promote(&deployment, &store);
    Feed::new(&deployment, rows).publish();
    let mut running = deployment.start(COMMIT, IDLE);
    deployment.start_scorer(COMMIT, &mut running);
    deployment.start_monitor(COMMIT, &mut running);
    deployment.features(rows.len(), &running);
    let settled = Settled::new(&deployment.context, false);
    deployment.wait(&[&running], || settled.look());
    assert_eq!(running.stop(), Vec::<String>::new());
    Calm { contents: contents::written(&deployment.context), drift: drift(&deployment) }
}

/// Drift reports, without repeats.
pub fn drift(deployment: &Deployment) -> BTreeSet<String> {
    deployment.rows(&deployment.context.plan.names.drift).iter().map(ToString::to_string).collect()
}
