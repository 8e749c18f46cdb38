//! The store on a real S3 server: what every store does, and a model that is promoted and scores from there.

use offline::archive::{Archive, CompactOptions, Compaction, Selection, Step};
use registry::store::{Error, Store};
use runtime::embedded::Embedded;
use std::sync::{Arc, Barrier};
use std::time::Duration;
use tests::fraud::{DAY_MS, Transaction, Transactions};
use tests::pipeline::{Deployment, fraud};
use tests::s3::S3;

/// More than a page of a listing has.
const MANY: usize = 1_050;

#[test]
fn a_real_server_does_what_a_store_must() {
    let Some(server) = S3::start() else { return };
    let (one, other) = (server.store("a/b"), server.store("a/b"));
    created_once(&one, &other);
    replaced_and_removed(&one, &other);
    listed(&server.store("lists"));
    raced(&server);
    one.put_create("last", b"1").unwrap();
    assert_eq!(server.store("").get("a/b/last").unwrap(), "1", "a prefix is a part of the key");
    refused(&server);
    server.stop();
    let error = one.get("last").unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("s3://tests/a/b at http://127.0.0.1:"), "{error}");
}

fn created_once(one: &Store, other: &Store) {
    one.put_create("x/y=1/%41", b"first").unwrap();
    let refused = other.put_create("x/y=1/%41", b"second").unwrap_err();
    assert!(matches!(refused, Error::AlreadyExists { .. }), "{refused}");
    assert_eq!(&other.get("x/y=1/%41").unwrap()[..], b"first");
    assert_eq!(other.size("x/y=1/%41").unwrap(), 5);
    assert_eq!(&other.get_range("x/y=1/%41", 1..3).unwrap()[..], b"ir");
    assert_eq!(&other.get_range("x/y=1/%41", 2..2).unwrap()[..], b"");
    assert!(other.get_range("x/y=1/%41", 3..9).is_err(), "the range goes beyond the end");
    other.settle("x/y=1/%41").unwrap();
}

fn replaced_and_removed(one: &Store, other: &Store) {
    one.put("k", b"1").unwrap();
    one.put("k", b"").unwrap();
    assert_eq!((&other.get("k").unwrap()[..], other.size("k").unwrap()), (&b""[..], 0));
    other.delete("k").unwrap();
    other.delete("k").unwrap();
    assert!(one.find("k").unwrap().is_none());
    assert!(matches!(one.get("k"), Err(Error::NotFound { .. })));
    assert!(matches!(one.size("k"), Err(Error::NotFound { .. })));
    assert!(matches!(one.get_range("k", 0..1), Err(Error::NotFound { .. })));
    one.put_create("k", &vec![7; 9_000_000]).unwrap();
    assert_eq!(other.get("k").unwrap(), vec![7; 9_000_000]);
}

fn listed(store: &Store) {
    for key in ["t/b/2", "t/a", "t/b/10", "tt/x", "z"] {
        store.put(key, b"").unwrap();
    }
    assert_eq!(store.list("t").unwrap(), ["t/a", "t/b/10", "t/b/2"]);
    assert_eq!(store.list("").unwrap().len(), 5);
    assert_eq!(store.list("none").unwrap(), [""; 0]);
    assert_eq!(store.children("t").unwrap(), ["a", "b"]);
    assert_eq!(store.children("").unwrap(), ["t", "tt", "z"]);
    (0..MANY).for_each(|at| store.put(&format!("many/{at}/x"), b"").unwrap());
    assert_eq!(store.list("many").unwrap().len(), MANY);
    assert_eq!(store.children("many").unwrap().len(), MANY);
}

/// Of racing creators one wins, and all read what it wrote.
fn raced(server: &S3) {
    const RACERS: usize = 8;
    const ROUNDS: usize = 20;
    let gate = Barrier::new(RACERS);
    let wins: usize = std::thread::scope(|scope| {
        let race = |racer: usize| {
            let (store, gate) = (server.store("races"), &gate);
            scope.spawn(move || {
                let mine = vec![racer as u8; 10_000];
                let won = |round: usize| {
                    gate.wait();
                    let key = format!("race/{round}");
                    let won = match store.put_create(&key, &mine) {
                        Ok(()) => true,
                        Err(Error::AlreadyExists { .. }) => false,
                        Err(error) => panic!("{error}"),
                    };
                    let seen = store.get(&key).unwrap();
                    assert!(seen.len() == mine.len() && seen.iter().all(|byte| *byte == seen[0]));
                    assert!(!won || seen[0] == mine[0], "who won is read by all");
                    usize::from(won)
                };
                (0..ROUNDS).map(won).sum::<usize>()
            })
        };
        let racers: Vec<_> = (0..RACERS).map(race).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!(wins, ROUNDS);
}

/// Requests that are signed with another secret, and buckets that are not there.
fn refused(server: &S3) {
    let mut settings = server.settings();
    let nowhere = Store::s3("s3://nowhere", &settings).unwrap();
    for error in [nowhere.find("k").unwrap_err(), nowhere.put_create("k", b"").unwrap_err()] {
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    }
    settings.insert("AWS_SECRET_ACCESS_KEY".to_owned(), "another".to_owned());
    let error = Store::s3(&server.url("a"), &settings).unwrap().find("k").unwrap_err();
    assert!(error.to_string().contains("SignatureDoesNotMatch"), "{error}");
}

/// Two processes' worth of compaction of one archive in a bucket: one commits, and every row is there once.
#[test]
fn an_archive_is_compacted_there() {
    let Some(server) = S3::start() else { return };
    let store = server.store("archive");
    let (count, ..) = crate::offline::fill(&Archive::new(store.clone()));
    let topic = crate::offline::TOPIC;
    let rows = || {
        let archive = Archive::new(server.store("archive"));
        let parts = archive.read(topic, &Selection::default()).unwrap().map(Result::unwrap);
        parts.map(|part| format!("{:?}", part.rows.columns())).collect::<String>()
    };
    let counted = |archive: &Archive| archive.files(topic).unwrap().iter().map(|file| file.rows).sum::<u64>();
    let gate = Barrier::new(2);
    let compact = || {
        let mut watch = |step| {
            if step == Step::Checked {
                gate.wait();
            }
            Ok(())
        };
        let archive = Archive::new(server.store("archive"));
        archive.compact(topic, 0, &CompactOptions::default(), 0, &mut watch).unwrap()
    };
    let outcomes =
        std::thread::scope(|scope| [scope.spawn(compact), scope.spawn(compact)].map(|racer| racer.join().unwrap()));
    assert!(outcomes.contains(&Compaction::Lost), "{outcomes:?}");
    assert!(outcomes.iter().any(|outcome| matches!(outcome, Compaction::Done(_))), "{outcomes:?}");
    let archive = Archive::new(store.clone());
    assert_eq!((archive.partition_files(topic, 0).unwrap().len(), counted(&archive)), (1, count));
    let merged = rows();
    let swept = archive.sweep(topic, 0, Some(Duration::ZERO), 0, &mut |_| Ok(())).unwrap();
    assert_eq!((swept.merged, swept.orphans, swept.waiting), (3, 0, 0));
    assert_eq!(rows(), merged);
    assert_eq!(store.list("compacted").unwrap().len(), 2, "a generation and its file");
    assert_eq!(archive.writer(topic, 0, 0).unwrap().resume().offset, 60);
}

#[test]
fn a_model_is_promoted_and_scores_from_there() {
    const EVENTS: usize = 400;
    let Some(server) = S3::start() else { return };
    let transaction = |at: i64| Transaction {
        id: at,
        time_ms: 1_522_540_800_000 + at * DAY_MS / 100,
        customer: (at % 11) as i32,
        terminal: (at % 7) as i32,
        amount: at as f64,
        fraud: at % 9 == 0,
    };
    let rows: Transactions = (0..EVENTS as i64).map(transaction).collect();
    let dir = tempfile::tempdir().unwrap();
    let store = server.store("pipeline");
    let deployment = Deployment::new(Arc::new(Embedded::open(dir.path()).unwrap()), store.clone(), fraud(&[]));
    crate::monitor::promote(&deployment, &store);
    let order = rows.spread(4);
    deployment.publish(rows.events(&deployment.context, &order));
    deployment.publish(rows.labels(&deployment.context, &order));
    let mut running = deployment.start(Duration::ZERO, Duration::from_secs(3_600));
    deployment.start_scorer(Duration::ZERO, &mut running);
    let predictions = &deployment.context.plan.names.predictions;
    deployment.wait(&[&running], || deployment.rows(predictions).len() == EVENTS);
    assert_eq!(running.stop(), Vec::<String>::new());
    let there = store.children("").unwrap();
    assert!(there.iter().any(|name| name == "models") && there.len() > 2, "{there:?}");
}
