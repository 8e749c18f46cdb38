use super::*;
use crate::names::Place;
use crate::wire::Origin;

fn begins(partitions: usize) -> Vec<Begin> {
    vec![Begin { position: 1, ..Begin::default() }; partitions]
}

fn parents(marks: bool) -> Vec<ParentLog> {
    let parent = |log: &str, partitions| ParentLog { log: log.to_owned(), partitions, marks };
    vec![parent("events", 2), parent("journal.g2", 3)]
}

fn header(marks: &[(&str, u16, i64)], watermark: Option<i64>) -> Header {
    let mut header = Header { watermark, ..Header::default() };
    header.marks = marks.iter().map(|(log, partition, mark)| ((*log).to_owned(), *partition, *mark)).collect();
    header.state.asides.behind = 2;
    header
}

#[test]
fn every_group_has_one_partition_and_each_partition_those_it_came_from() {
    let (parents, renamed) = (parents(true), BTreeMap::new());
    for (old, new) in [(4, 16), (16, 4), (1, 256), (256, 3), (5, 7)] {
        let begins = begins(new);
        let to = Handover { parents: &parents, renamed: &renamed, begins: &begins };
        for partition in 0..new {
            let before: Vec<usize> = to.before(partition, old).collect();
            let groups = (0..KEY_GROUPS).filter(|group| to.partition(*group) == partition);
            let mut expected: Vec<usize> = groups.map(|group| internal_partition(group, old as u32) as usize).collect();
            expected.dedup();
            assert_eq!(before, expected, "{old} to {new}");
        }
    }
}

#[test]
fn new_tasks_promise_no_more_than_the_least_of_the_old_ones() {
    let (parents, begins) = (parents(true), begins(3));
    let renamed = BTreeMap::from([("journal.g1".to_owned(), "journal.g2".to_owned())]);
    let to = Handover { parents: &parents, renamed: &renamed, begins: &begins };
    let old = [
        header(&[("events", 0, 5), ("events", 1, 9), ("journal.g1", 0, 7)], Some(5)),
        header(&[("events", 0, 6), ("journal.g1", 0, 4)], Some(4)),
    ];
    let new = Split::new(&to).finish(&old, |partition| partition).unwrap();
    let headers: Vec<Header> = new.iter().map(|new| Blob::header(&new.blob).unwrap()).collect();
    let mark = |log: &str, partition, mark| (log.to_owned(), partition, mark);
    let journal = (0..3).map(|partition| mark("journal.g2", partition, 4));
    let expected: Vec<_> = [mark("events", 0, 5), mark("events", 1, NEVER_US)].into_iter().chain(journal).collect();
    assert!(headers.iter().all(|header| header.marks == expected && header.watermark == Some(4)));
    assert!(headers.iter().all(|header| header.parents.len() == 5 && header.position == 1 && header.held.is_none()));
    assert_eq!(headers.iter().map(|header| header.state.asides.behind).collect::<Vec<_>>(), [4, 0, 0]);
    assert_eq!(least([Some(1), None].into_iter()), None);
}

#[test]
fn entries_go_by_their_group_and_sums_are_theirs() {
    let (parents, renamed, begins) = (parents(false), BTreeMap::new(), begins(4));
    let to = Handover { parents: &parents, renamed: &renamed, begins: &begins };
    let mut split = Split::new(&to);
    let given: Vec<usize> = [0, 63, 64, 255]
        .into_iter()
        .map(|group| split.give(group, &Entry { part: 1, key: &[group as u8], value: Some(b"v") }))
        .collect();
    assert_eq!(given, [0, 0, 1, 3]);
    let new = split.finish(&[header(&[], None)], |_| ()).unwrap();
    assert_eq!(new.iter().map(|new| new.changes.count).collect::<Vec<_>>(), [2, 1, 0, 1]);
    assert_eq!(new[1].changes.sum, u128::from(entry_hash(1, &[64], b"v")));
}

#[test]
fn what_waits_without_being_counted_is_an_error() {
    let (parents, renamed, mut begins) = (parents(false), BTreeMap::new(), begins(2));
    let origin = Origin { place: Place { topic: 0, partition: 0 }, offset: 3 };
    begins[1].held.push(Spot::of(0, origin));
    let to = Handover { parents: &parents, renamed: &renamed, begins: &begins };
    assert!(Split::new(&to).finish(&[header(&[], None)], |_| ()).is_err());
}
