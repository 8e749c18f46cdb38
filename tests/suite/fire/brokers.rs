//! Three brokers, of which one after the other is killed in the midst of a run and started again. While one is away all
//! goes on with the other two; in the end everything is as if nothing had happened.

use super::feed::{Feed, made_up};
use super::fleet::Fleet;
use super::settled::Settled;
use super::{ARGUMENTS, SERVICES, agreement, calm, subscriber};
use crate::monitor::promote;
use registry::store::Store;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;
use tests::cluster::{Cluster, NODES};
use tests::pipeline::{Deployment, fraud, fraud_text};
use tests::service::Place;

/// Days of events before the first death, and from one death to the next.
const FILLING_DAYS: usize = 8;
const DAYS: usize = 4;
/// So many days are published while a broker is away, one before its work is looked at.
const AWAY_DAYS: usize = 2;

#[test]
fn a_broker_dies_and_comes_back_and_nothing_is_lost() {
    // The other mode shows the same and more in CI's time.
    if super::is_deep() {
        run("low_latency");
    } else {
        tests::say("skipped: part of the deep tier (TIDEMILL_DEEP=1)");
    }
}

#[test]
fn a_broker_dies_and_comes_back_and_each_prediction_is_seen_once() {
    run("exactly_once");
}

fn run(delivery: &'static str) {
    let deaths = if super::is_deep() { NODES } else { 1 };
    let _alone = super::ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(cluster) = Cluster::start() else { return };
    let began = Instant::now();
    let delivery_line = format!("delivery: {delivery}");
    let replaced = [("ordering: arrival", "ordering: event_time"), ("delivery: low_latency", delivery_line.as_str())];
    let rows = made_up(FILLING_DAYS + DAYS * deaths);
    let calm = calm::run(&replaced, &rows);
    let calm_took = began.elapsed();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pipeline.yaml"), fraud_text(&replaced)).unwrap();
    let store = Store::local(&dir.path().join("store")).unwrap();
    let deployment = Deployment::new(cluster.log(), store.clone(), fraud(&replaced));
    promote(&deployment, &store);
    let (context, names) = (&deployment.context, &deployment.context.plan.names);
    let arguments = ARGUMENTS.map(str::to_owned).to_vec();
    let place = Place { dir: dir.path().to_owned(), brokers: Some(cluster.brokers().to_owned()), arguments };
    let exactly_once = delivery == "exactly_once";
    let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (journal, concurrent) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| subscriber::follow(context, &names.predictions, !exactly_once, &stop, &count));
        let _stops = super::Stops(&stop);
        let mut fleet = Fleet::start(context, place, &SERVICES, &[]);
        let (mut away, mut events) = (None, Vec::new());
        let journal = Feed::new(&deployment, &rows).publish_days(|day, journal| {
            events.push(journal.len());
            if day < FILLING_DAYS || day >= FILLING_DAYS + DAYS * deaths {
                return;
            }
            let (death, day_of) = ((day - FILLING_DAYS) / DAYS, (day - FILLING_DAYS) % DAYS);
            if day_of == 0 {
                cluster.kill(death % NODES);
                away = Some(death % NODES);
            } else if day_of == AWAY_DAYS {
                // What was published before yesterday is through, although yesterday a broker was away.
                fleet.wait("predictions with a broker away", |_| count.load(Ordering::Relaxed) >= events[day - 1]);
                cluster.revive(away.take().unwrap());
            }
        });
        fleet.wait("the last prediction", |_| count.load(Ordering::Relaxed) >= journal.len());
        let settled = Settled::new(context, true);
        fleet.wait("the last commit", |_| settled.look());
        fleet.end();
        stop.store(true, Ordering::Relaxed);
        (journal, reader.join().unwrap())
    });
    let took = began.elapsed() - calm_took;
    let dropped = agreement::check(&deployment, &calm, &journal, &concurrent, exactly_once);
    eprintln!(
        "{delivery}: {deaths} deaths of brokers, {} events in {} s; readers dropped {} items and {} predictions",
        journal.len(),
        took.as_secs(),
        dropped.items,
        dropped.predictions,
    );
}
