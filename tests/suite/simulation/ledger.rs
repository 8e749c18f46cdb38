//! What the ledger says when everything has come out: both ends of every edge agree, and the logs hold what was said.

use super::cluster::Cluster;
use super::contents::partitions;
use flow::ledger::{Judge, State, edges};
use runtime::ledger::{Follower, Verified, differences, recount};
use runtime::log::{Log, TopicPartition};

/// Verifies the ledger of a cluster in which nothing happens any more.
pub fn verify(cluster: &Cluster) -> Result<(), String> {
    let context = &cluster.context;
    let failed = |error: runtime::ledger::Error| format!("the ledger: {error}");
    let sample = Follower::open(context).and_then(|mut follower| follower.sample().cloned()).map_err(failed)?;
    let mut judge = Judge::new(edges(&context.plan));
    let mut standings = judge.judge(sample.clone());
    // Certainty moves one task further with each look, and nothing changes in between.
    for _ in 0..judge.edges().len() {
        standings = judge.judge(sample.clone());
    }
    let runs = |group: &str| cluster.kinds.iter().any(|kind| kind.group == *group);
    let verified = Verified { edges: judge.edges().to_vec(), standings, sample, unread: 0 };
    let good = |state: State| matches!(state, State::Agrees | State::Open);
    let stands = |who: &Option<String>| who.as_deref().is_none_or(runs);
    let mut wrong = verified.standings.iter().filter(|one| stands(&one.reader) && !good(one.state));
    if let Some(wrong) = wrong.next() {
        let edge = &verified.edges[wrong.edge];
        let reader = wrong.reader.as_deref().unwrap_or(&edge.writer);
        let far = |tp: TopicPartition| {
            let position = verified.sample.position(reader, &tp.topic, tp.partition as u16);
            (position, cluster.log.committed_offset(reader, &tp), cluster.log.watermarks(&tp).unwrap().1)
        };
        let far: Vec<_> = partitions(&edge.to).map(far).collect();
        return Err(format!("the ledger: {edge:?}: {wrong:?}; told, committed, end: {far:?}"));
    }
    if !verified.standings.iter().any(|one| one.state == State::Agrees && one.written.total() > 0) {
        return Err("the ledger tells of nothing".to_owned());
    }
    let counted = recount(context, &verified.sample).map_err(failed)?;
    let (mut differing, oddities) = differences(&counted, &verified);
    differing.retain(|one| runs(&one.who));
    match (differing.first(), oddities.first()) {
        (None, None) => Ok(()),
        (first, odd) => Err(format!("the ledger counts otherwise than the logs: {first:?} {odd:?}")),
    }
}
