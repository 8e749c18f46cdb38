//! What must be so once the dust has settled: each event has its prediction and its outcome, once; the logs hold what they
//! hold where nothing happens; and the ledger agrees.

use super::calm::{self, Calm};
use super::contents;
use super::subscriber::{self, Seen};
use flow::ledger::State;
use runtime::context::Context;
use runtime::ledger::{differences, recount, verify};
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tests::pipeline::Deployment;

/// Longest wait for rows that are still to come. A limit on hanging, no timing.
const WAIT: Duration = Duration::from_secs(60);

/// Repeats that readers dropped.
pub struct Dropped {
    /// From internal logs.
    pub items: usize,
    /// Predictions.
    pub predictions: usize,
}

/// Compares what there is with what was published (`journal`), with what somebody saw who listened meanwhile, and with a
/// run in which nothing happened. Readers drop repeats by their emission identity, unless results are shown once.
#[track_caller]
pub fn check(
    deployment: &Deployment,
    calm: &Calm,
    journal: &BTreeSet<String>,
    concurrent: &Seen,
    exactly_once: bool,
) -> Dropped {
    let (context, names) = (&deployment.context, &deployment.context.plan.names);
    let last = subscriber::all(context, &names.predictions, !exactly_once);
    assert_eq!(last.twice(), Vec::<&String>::new(), "predictions come once");
    assert!(last.ids.keys().eq(journal), "predicted and acknowledged are {} and {}", last.ids.len(), journal.len());
    assert!(concurrent.ids == last.ids, "who listens meanwhile sees what one sees afterwards");
    let outcomes = subscriber::all(context, &names.outcomes, !exactly_once);
    assert_eq!(outcomes.twice(), Vec::<&String>::new(), "outcomes come once");
    assert!(outcomes.ids.keys().eq(journal), "each label found its event");
    let found = contents::written(context);
    contents::same(&found, &calm.contents);
    assert_eq!(calm::drift(deployment), calm.drift, "the monitor reports the same");
    ledger(context);
    Dropped { items: found.values().map(|items| items.repeats).sum(), predictions: last.repeats }
}

/// Both sides of every edge agree, and the logs hold what was said.
#[track_caller]
fn ledger(context: &Context) {
    let verified = verify(context, WAIT, &AtomicBool::new(false)).unwrap();
    assert_eq!(verified.unread, 0, "source records that no validator has told of");
    let wrong = verified.standings.iter().filter(|one| !matches!(one.state, State::Agrees | State::Open));
    let wrong: Vec<_> = wrong.map(|one| format!("{}: {one:?}", verified.edges[one.edge].to)).collect();
    assert_eq!(wrong, Vec::<String>::new());
    let (differences, oddities) = differences(&recount(context, &verified.sample).unwrap(), &verified);
    assert_eq!((differences, oddities), (vec![], vec![]));
    assert!(verified.standings.iter().any(|one| one.written.total() > 0), "the ledger tells of something");
}
