//! Somebody who listens to a public topic, while it is written or afterwards.

use flow::public::EMISSION_HEADER;
use runtime::context::Context;
use runtime::log::{Input, Record, SessionOptions, TopicPartition};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// What a subscriber has seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Whether it drops repeats by their emission identity: of each parent it keeps what is above the highest so far.
    drops_repeats: bool,
    highest: HashMap<(TopicPartition, String), [i64; 3]>,
    /// How often each event id was taken.
    pub ids: BTreeMap<String, usize>,
    /// Repeats that were dropped.
    pub repeats: usize,
}

impl Seen {
    fn new(drops_repeats: bool) -> Self {
        Seen { drops_repeats, highest: HashMap::new(), ids: BTreeMap::new(), repeats: 0 }
    }

    fn take(&mut self, tp: &TopicPartition, record: &Record) {
        let text = |name: &str| record.header(name).and_then(|header| header.text()).unwrap().to_owned();
        if self.drops_repeats {
            let emission = text(EMISSION_HEADER);
            let (parent, trigger) = emission.split_once('@').unwrap();
            let mut parts = trigger.split('.').map(|part| part.parse::<i64>().unwrap());
            let trigger = [parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap()];
            let highest = self.highest.entry((tp.clone(), parent.to_owned())).or_insert([-1; 3]);
            if trigger <= *highest {
                self.repeats += 1;
                return;
            }
            *highest = trigger;
        }
        *self.ids.entry(text("ce_id")).or_insert(0) += 1;
    }

    /// Ids that were taken more than once.
    pub fn twice(&self) -> Vec<&String> {
        self.ids.iter().filter(|(_, times)| **times > 1).map(|(id, _)| id).collect()
    }
}

/// Reads a topic from its start while it is written, until `stop` is set; `count` says how many ids were taken.
pub fn follow(context: &Context, topic: &str, drops_repeats: bool, stop: &AtomicBool, count: &AtomicUsize) -> Seen {
    let starts = super::partitions(context, topic).map(|tp| (tp, 0)).collect();
    let mut session = context.log.session(SessionOptions::new("test.follower", Input::Assigned(starts))).unwrap();
    let mut seen = Seen::new(drops_repeats);
    while !stop.load(Ordering::Relaxed) {
        let poll = session.poll(Duration::from_millis(200)).unwrap();
        for (tp, records) in &poll.records {
            records.iter().for_each(|record| seen.take(tp, record));
        }
        count.store(seen.ids.len(), Ordering::Relaxed);
    }
    seen
}

/// Reads a topic from its start to its end.
pub fn all(context: &Context, topic: &str, drops_repeats: bool) -> Seen {
    let mut seen = Seen::new(drops_repeats);
    for tp in super::partitions(context, topic) {
        let records = super::contents::records(context, &tp);
        records.iter().for_each(|record| seen.take(&tp, record));
    }
    seen
}
