//! The publisher over a real embedded log: what fails is told, and what comes after it goes through.
#![allow(clippy::unwrap_used)]

use runtime::embedded::Embedded;
use runtime::log::{TopicPartition, TopicSpec};

use super::*;

const TOPIC: &str = "a.events.v1";

fn record(topic: &str) -> Publish {
    Publish::keyed(topic.into(), "k".into(), "v".into())
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

#[test]
fn a_failure_is_told_and_the_next_request_goes_through() {
    let dir = tempfile::tempdir().unwrap();
    let log: Arc<dyn Log> = Arc::new(Embedded::open(dir.path()).unwrap());
    log.create_topics(&[TopicSpec::new(TOPIC, 1).public()]).unwrap();
    let closed = Arc::new(AtomicBool::new(false));
    let (publisher, thread) = Publisher::start(log.clone(), "test".into(), closed.clone()).unwrap();
    let problem = wait(publisher.publish(vec![record("nowhere")])).unwrap_err();
    assert_eq!(problem.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(problem.error.contains("topic nowhere does not exist"), "{problem:?}");
    assert!(problem.help.contains("send the same request again"), "{problem:?}");
    wait(publisher.publish(vec![record(TOPIC), record(TOPIC)])).unwrap();
    assert_eq!(log.watermarks(&TopicPartition::new(TOPIC, 0)).unwrap(), (0, 2));
    closed.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    let problem = wait(publisher.publish(vec![record(TOPIC)])).unwrap_err();
    assert_eq!(problem.error, "the gateway is stopping");
}

#[test]
fn what_waits_is_published_before_the_thread_ends() {
    let dir = tempfile::tempdir().unwrap();
    let log: Arc<dyn Log> = Arc::new(Embedded::open(dir.path()).unwrap());
    log.create_topics(&[TopicSpec::new(TOPIC, 1).public()]).unwrap();
    let (queue, requests) = sync_channel(QUEUE_REQUESTS_MAX);
    let mut outcomes = Vec::new();
    for _ in 0..QUEUE_REQUESTS_MAX {
        let (done, outcome) = oneshot::channel();
        queue.send(Request { records: vec![record(TOPIC)], done }).unwrap();
        outcomes.push(outcome);
    }
    Thread { log: log.clone(), client: "test".into(), session: None }.run(&requests, &AtomicBool::new(true));
    for outcome in outcomes {
        assert_eq!(wait(outcome).unwrap(), Ok(()));
    }
    assert_eq!(log.watermarks(&TopicPartition::new(TOPIC, 0)).unwrap().1, QUEUE_REQUESTS_MAX as i64);
}

#[test]
fn a_full_queue_refuses_at_once() {
    let (queue, requests) = sync_channel(QUEUE_REQUESTS_MAX);
    let publisher = Publisher { queue };
    for _ in 0..QUEUE_REQUESTS_MAX {
        let (done, _outcome) = oneshot::channel();
        publisher.queue.try_send(Request { records: Vec::new(), done }).map_err(|_| "full").unwrap();
    }
    let problem = wait(publisher.publish(vec![record(TOPIC)])).unwrap_err();
    assert_eq!(problem.status, StatusCode::TOO_MANY_REQUESTS);
    drop(requests);
}
