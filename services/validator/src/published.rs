//! What publishers say when they are done: which partitions have nothing more to come, as far as anybody knows.
//!
//! A publisher says for each source partition where it ended before and after, and how many records it wrote there
//! itself. If that is all, nobody else wrote meanwhile, and the partition need not be silent for the idle timeout to
//! count as quiet. If it is not, somebody else did, who may still go on: then nothing follows from it, until that one
//! is done too and both together account for every record.

use std::collections::{BTreeMap, BTreeSet};

use runtime::log::TopicPartition;

/// Publishers whose word is remembered per partition. The oldest are forgotten first; they only count while others
/// overlap with them.
const PUBLISHERS_MAX: usize = 64;

/// What one publisher did to a partition. Ordered by where it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Published {
    /// Where the partition ended when the publisher was done.
    pub to: i64,
    /// Where it ended when the publisher began.
    pub from: i64,
    /// Records that the publisher wrote between the two.
    pub records: i64,
}

/// The words of all publishers.
#[derive(Debug, Default)]
pub struct Words(BTreeMap<TopicPartition, BTreeSet<Published>>);

impl Words {
    /// Takes a publisher's word.
    pub fn take(&mut self, tp: TopicPartition, word: Published) {
        let words = self.0.entry(tp).or_default();
        words.insert(word);
        if words.len() > PUBLISHERS_MAX {
            words.pop_first();
        }
    }

    /// The offset up to which publishers wrote all there is, and said that they are done.
    pub fn done(&self, tp: &TopicPartition) -> Option<i64> {
        let mut newest_first = self.0.get(tp)?.iter().rev();
        let Published { to, mut from, mut records } = *newest_first.next()?;
        for word in newest_first {
            if word.to <= from {
                break;
            }
            from = from.min(word.from);
            records += word.records;
        }
        (records == to - from).then_some(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words as (from, to, records), and the offset that is done once all are known.
    #[track_caller]
    fn check(words: &[(i64, i64, i64)], done: Option<i64>) {
        let tp = TopicPartition::new("events", 0);
        let mut known = Words::default();
        words.iter().for_each(|(from, to, records)| {
            known.take(tp.clone(), Published { to: *to, from: *from, records: *records });
        });
        assert_eq!(known.done(&tp), done, "{words:?}");
        assert_eq!(known.done(&TopicPartition::new("events", 1)), None);
    }

    #[test]
    fn a_publisher_that_wrote_alone_is_believed() {
        check(&[], None);
        check(&[(0, 40, 40)], Some(40));
        check(&[(0, 0, 0)], Some(0));
        check(&[(0, 40, 40), (40, 70, 30)], Some(70));
        check(&[(0, 40, 12), (40, 70, 30)], Some(70));
    }

    #[test]
    fn what_somebody_else_wrote_meanwhile_leaves_it_open() {
        check(&[(0, 40, 39)], None);
        check(&[(0, 40, 0)], None);
        check(&[(0, 40, 40), (40, 70, 29)], None);
    }

    #[test]
    fn publishers_at_once_are_done_with_the_last_of_them() {
        check(&[(0, 40, 25)], None);
        check(&[(0, 40, 25), (10, 60, 35)], Some(60));
        check(&[(10, 60, 35), (0, 40, 25)], Some(60));
        check(&[(0, 40, 25), (10, 60, 34)], None);
        check(&[(0, 30, 20), (20, 60, 25), (25, 90, 45)], Some(90));
        // The first one overlaps with the last only through the one between them.
        check(&[(0, 30, 20), (25, 90, 45)], None);
    }

    #[test]
    fn the_oldest_words_are_forgotten() {
        let mut known = Words::default();
        let tp = TopicPartition::new("events", 0);
        (0..200).for_each(|n| known.take(tp.clone(), Published { to: n + 1, from: n, records: 1 }));
        assert_eq!((known.0[&tp].len(), known.done(&tp)), (PUBLISHERS_MAX, Some(200)));
    }
}
