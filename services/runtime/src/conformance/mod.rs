//! What every implementation of [`Log`] must do: one suite, run on each of them.
//!
//! A case is a function that panics when the log under test does not keep its word. It gets a prefix that is its own,
//! so that cases can share one cluster and run side by side.

mod deletions;
mod groups;
mod limits;
mod positions;
mod records;
mod transactions;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::log::{Assigned, Log, Poll, Publish, Record, Revoked, Session, SessionOptions, TopicPartition, TopicSpec};

/// One case: a log, and a prefix for the names of topics and groups.
pub type Case = fn(&dyn Log, &str);

/// All cases by name.
pub const SUITE: &[(&str, Case)] = &[
    ("topics_are_created_once", records::topics_are_created_once),
    ("a_topic_gains_partitions", records::a_topic_gains_partitions),
    ("a_deleted_topic_is_gone", records::a_deleted_topic_is_gone),
    ("records_keep_their_order_per_partition", records::records_keep_their_order_per_partition),
    ("headers_nulls_and_tombstones_come_back", records::headers_nulls_and_tombstones_come_back),
    ("keys_go_where_java_clients_put_them", records::keys_go_where_java_clients_put_them),
    ("watermarks_follow_the_records", records::watermarks_follow_the_records),
    ("append_time_does_not_fall", records::append_time_does_not_fall),
    ("a_publish_goes_out_without_a_flush", records::a_publish_goes_out_without_a_flush),
    ("seek_goes_to_an_offset", positions::seek_goes_to_an_offset),
    ("deleted_records_are_out_of_range", deletions::deleted_records_are_out_of_range),
    ("a_commit_below_the_start_is_told", deletions::a_commit_below_the_start_is_told),
    ("a_reader_that_is_overtaken_is_told", deletions::a_reader_that_is_overtaken_is_told),
    ("a_compacted_topic_keeps_each_keys_last_value", deletions::a_compacted_topic_keeps_each_keys_last_value),
    ("time_leads_to_an_offset", positions::time_leads_to_an_offset),
    ("pause_holds_records_back", positions::pause_holds_records_back),
    ("a_poll_keeps_its_limits", positions::a_poll_keeps_its_limits),
    ("an_empty_poll_waits", positions::an_empty_poll_waits),
    ("a_waiting_poll_sees_new_records", positions::a_waiting_poll_sees_new_records),
    ("a_commit_comes_back_with_its_metadata", groups::a_commit_comes_back_with_its_metadata),
    ("a_commit_flushes_first", groups::a_commit_flushes_first),
    ("an_assigned_partition_waits_for_a_seek", groups::an_assigned_partition_waits_for_a_seek),
    ("an_assigned_partition_is_not_paused", groups::an_assigned_partition_is_not_paused),
    ("partitions_are_handed_over_with_their_commits", groups::partitions_are_handed_over_with_their_commits),
    ("a_lost_partition_cannot_be_committed", groups::a_lost_partition_cannot_be_committed),
    ("a_silent_member_is_fenced", groups::a_silent_member_is_fenced),
    ("commits_are_set_where_nobody_is", groups::commits_are_set_where_nobody_is),
    ("nothing_is_seen_before_its_commit", transactions::nothing_is_seen_before_its_commit),
    ("a_session_that_dies_leaves_nothing", transactions::a_session_that_dies_leaves_nothing),
    ("a_revoke_takes_outputs_along", transactions::a_revoke_takes_outputs_along),
    ("a_publisher_shows_all_at_its_flush", transactions::a_publisher_shows_all_at_its_flush),
    ("an_oversize_record_harms_no_transaction", transactions::an_oversize_record_harms_no_transaction),
    ("an_oversize_record_is_refused", limits::an_oversize_record_is_refused),
    ("oversize_metadata_is_refused", limits::oversize_metadata_is_refused),
    ("missing_topics_are_named", limits::missing_topics_are_named),
    ("a_session_without_group_cannot_commit", limits::a_session_without_group_cannot_commit),
];

/// How long a case waits for something that must happen.
const PATIENCE_MS: u64 = 60_000;
/// How long one poll of a case waits.
const POLL_MS: u64 = 100;

fn topic(log: &dyn Log, prefix: &str, partitions: i32) -> Arc<str> {
    let name = format!("{prefix}.events");
    log.create_topics(&[TopicSpec::new(&name, partitions)]).expect("a topic can be created");
    name.into()
}

fn tp(topic: &Arc<str>, partition: i32) -> TopicPartition {
    TopicPartition::new(topic.clone(), partition)
}

fn value(number: usize) -> Bytes {
    format!("value-{number}").into()
}

/// Publishes `count` numbered values to a partition, and waits for them.
fn fill(log: &dyn Log, tp: &TopicPartition, numbers: std::ops::Range<usize>) {
    let mut session = log.session(SessionOptions::publisher("fill")).expect("a publisher can be opened");
    for number in numbers {
        session.publish(Publish::batch(tp.clone(), value(number))).expect("a record can be published");
    }
    session.flush().expect("records are acknowledged");
    session.close().expect("a session can be closed");
}

fn reader(log: &dyn Log, partitions: Vec<(TopicPartition, i64)>) -> Box<dyn Session> {
    log.session(SessionOptions::assigned("reader", partitions)).expect("partitions can be read")
}

fn poll(session: &mut dyn Session) -> Poll {
    session.poll(Duration::from_millis(POLL_MS)).expect("a session can be polled")
}

/// Polls until `done` says so of everything seen so far.
fn poll_until(session: &mut dyn Session, what: &str, mut done: impl FnMut(&Seen) -> bool) -> Seen {
    let deadline = Instant::now() + Duration::from_millis(PATIENCE_MS);
    let mut seen = Seen::default();
    while !done(&seen) {
        assert!(Instant::now() < deadline, "waited {PATIENCE_MS} ms for {what}, saw {seen:?}");
        seen.add(poll(session));
    }
    seen
}

/// Reads exactly that many records.
fn read(session: &mut dyn Session, count: usize) -> Vec<Record> {
    let seen = poll_until(session, "records", |seen| seen.records.len() >= count);
    assert_eq!(seen.records.len(), count, "no more records than were published");
    seen.records.into_iter().map(|(_, record)| record).collect()
}

/// What several polls returned.
#[derive(Debug, Default)]
struct Seen {
    assigned: Vec<Assigned>,
    revoked: Vec<Revoked>,
    records: Vec<(TopicPartition, Record)>,
}

impl Seen {
    fn add(&mut self, poll: Poll) {
        self.revoked.extend(poll.revoked);
        self.assigned.extend(poll.assigned);
        for (tp, records) in poll.records {
            self.records.extend(records.into_iter().map(|record| (tp.clone(), record)));
        }
    }
}

fn values(records: &[Record]) -> Vec<Bytes> {
    records.iter().map(|record| record.value.clone().expect("a value")).collect()
}

fn numbered(numbers: std::ops::Range<usize>) -> Vec<Bytes> {
    numbers.map(value).collect()
}
