use super::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Entries of a piece in the test of memory.
const PIECE_ENTRIES: u64 = 50;

/// How many pieces there are now, and were at most.
#[derive(Default)]
struct Held {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// A piece that is counted as long as it is there.
struct Counted(Vec<u8>, Arc<Held>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.now.fetch_sub(1, Relaxed);
    }
}

/// A run of every so manyth number.
struct Numbers {
    numbers: std::iter::StepBy<std::ops::Range<u64>>,
    held: Arc<Held>,
}

impl Run for Numbers {
    type Error = Error;

    fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let mut piece = Changes::default();
        for number in self.numbers.by_ref().take(PIECE_ENTRIES as usize) {
            piece.push(&Entry { part: 1, key: &number.to_be_bytes(), value: Some(&[7; 20]) });
        }
        if piece.count == 0 {
            return Ok(None);
        }
        self.held.most.fetch_max(self.held.now.fetch_add(1, Relaxed) + 1, Relaxed);
        Ok(Some(Bytes::from_owner(Counted(piece.bytes, self.held.clone()))))
    }
}

#[test]
fn of_each_run_no_more_is_held_than_the_piece_that_is_read() {
    let held = Arc::new(Held::default());
    let steps = [1, 3, 10, 1_000];
    let run = |step| Numbers { numbers: (0..100_000).step_by(step), held: held.clone() };
    let mut last = None;
    let total = Merging::new(steps.map(run)).unwrap().each(|entry| {
        let number = u64::from_be_bytes(entry.key.try_into().unwrap());
        assert!(last.replace(number).is_none_or(|last| last < number));
        Ok::<_, Error>(())
    });
    assert_eq!((total.unwrap().entries, last), (100_000, Some(99_999)));
    // The one before is there while the order across the border is looked at.
    assert!(held.most.load(Relaxed) <= steps.len() + 1, "{} pieces at once", held.most.load(Relaxed));
    assert_eq!(held.now.load(Relaxed), 0);
}

#[test]
fn what_comes_out_is_what_was_written_last() {
    let mut random = 1_u64;
    let mut draw = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    for _ in 0..200 {
        let (mut merged, mut model) = (Merged::default(), BTreeMap::new());
        for _ in 0..draw(6) {
            let mut changes = Changes::default();
            for _ in 0..draw(40) {
                let (part, value) = (draw(3) as u8, draw(1_000).to_le_bytes());
                // Keys of all lengths, some of them beginnings of others.
                let key = vec![draw(2) as u8; draw(12) as usize];
                let value = (draw(4) > 0).then_some(&value[..]);
                changes.push(&Entry { part, key: &key, value });
                model.insert((part, key), value.map(<[u8]>::to_vec));
            }
            merged.add(&changes.bytes).unwrap();
        }
        model.retain(|_, value| value.is_some());
        let mut found = Vec::new();
        let mut each =
            |entry: &Entry<'_>| found.push(((entry.part, entry.key.to_vec()), entry.value.map(<[u8]>::to_vec)));
        let total = merged.each(&mut each).unwrap();
        let hash = |((part, key), value): (&(u8, Vec<u8>), &Option<Vec<u8>>)| {
            u128::from(entry_hash(*part, key, value.as_ref().unwrap()))
        };
        assert_eq!(total, Total { entries: model.len() as u64, sum: model.iter().map(hash).sum() });
        assert_eq!(found, model.into_iter().collect::<Vec<_>>());
        assert!(total.verify(total.sum).is_ok() && total.verify(total.sum + 1).is_err());
    }
}

#[test]
fn a_run_out_of_order_and_one_that_is_cut_off_are_refused() {
    let piece = |keys: &[&str]| {
        let mut changes = Changes::default();
        keys.iter().for_each(|key| changes.push(&Entry { part: 1, key: key.as_bytes(), value: Some(b"v") }));
        changes.bytes
    };
    let merge = |pieces: Vec<Vec<u8>>| {
        let runs = [Pieces(pieces.into_iter().map(Bytes::from).collect())];
        Merging::new(runs)?.each(|_| Ok::<_, Error>(()))
    };
    assert_eq!(merge(vec![piece(&["a", "b"]), vec![], piece(&["c"])]).unwrap().entries, 3);
    for keys in [vec![piece(&["b", "a"])], vec![piece(&["a", "a"])], vec![piece(&["a", "b"]), piece(&["b"])]] {
        assert!(matches!(merge(keys), Err(Error::Damaged(_))));
    }
    let whole = piece(&["a", "b"]);
    assert!(
        (1..whole.len()).filter(|end| *end != whole.len() / 2).all(|end| merge(vec![whole[..end].to_vec()]).is_err())
    );
}

/// A run of these pieces.
struct Pieces(std::collections::VecDeque<Bytes>);

impl Run for Pieces {
    type Error = Error;

    fn next(&mut self) -> Result<Option<Bytes>, Error> {
        Ok(self.0.pop_front())
    }
}
