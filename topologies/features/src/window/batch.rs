//! Applying many rows, with the memory of rows to come fetched while earlier ones are computed.
//!
//! A key's state is spread over some ten cache lines that nobody has touched for thousands of rows. So each row passes
//! three stations: [`FAR_ROWS`] before its turn its key is looked up and its state's head, cursors and sums are asked
//! for; [`NEAR_ROWS`] before its turn they are there and say which entries of its rings will be needed; then it is
//! applied. Looking ahead never changes a result: what was looked up is checked again.

use arrow::buffer::NullBuffer;

use super::prefetch::prefetch;
use super::series::{NULL, encode};
use super::{Applied, Engine, Evicted, Key};

/// How many rows before its turn a row's key is looked up.
const FAR_ROWS: usize = 16;
/// How many rows before its turn a row's entries are asked for.
const NEAR_ROWS: usize = 6;
/// Places for the numbers of keys on the way; a power of two above [`FAR_ROWS`].
const PLACES: usize = 32;
/// Bytes of a cache line.
const LINE_BYTES: usize = 64;

/// A column of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    /// Values; what stands at a null is ignored.
    pub values: &'a [f64],
    /// Which of them are null; nothing means none.
    pub nulls: Option<&'a NullBuffer>,
}

impl Column<'_> {
    #[inline]
    fn word(&self, row: usize) -> u64 {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) { NULL } else { encode(Some(self.values[row])) }
    }
}

/// A row of a batch, in the order of the log.
#[derive(Debug, Clone, Copy)]
pub enum Row<'a> {
    /// An event: takes the next row of the columns and of the output.
    Event {
        /// Its key; null keys give null features.
        key: Option<Key<'a>>,
        /// Its event time.
        time_us: i64,
    },
    /// A labelled event: gives no output.
    Label {
        /// Its key; null keys are ignored.
        key: Option<Key<'a>>,
        /// The event time of the event that was labelled.
        time_us: i64,
        /// The label; null is ignored.
        value: Option<f64>,
    },
}

impl<'a> Row<'a> {
    fn key(&self) -> Option<Key<'a>> {
        match self {
            Row::Event { key, .. } | Row::Label { key, .. } => *key,
        }
    }
}

impl Engine {
    /// Applies rows in order: the same as one at a time. `columns` are those of [`Group::inputs`](crate::Group) with
    /// one value per event; `out` takes [`width`](Engine::width) features per event. Returns how many events were late.
    ///
    /// # Panics
    ///
    /// When columns or `out` are shorter than the events need.
    pub fn apply_batch(&mut self, rows: &[Row<'_>], columns: &[Column<'_>], out: &mut [Option<f64>]) -> usize {
        assert_eq!(columns.len(), self.plan.columns, "one column per input of the group");
        let mut progress = Progress::default();
        self.quota.iter_mut().for_each(|quota| quota.pushed.clear());
        let mut ids = [None; PLACES];
        for step in 0..rows.len() + FAR_ROWS {
            if let Some(row) = rows.get(step) {
                ids[step % PLACES] = self.look_up(row);
            }
            if let Some(near) = (step + NEAR_ROWS).checked_sub(FAR_ROWS).filter(|near| *near < rows.len()) {
                ids[near % PLACES].into_iter().for_each(|id| self.fetch_entries(id));
            }
            if let Some(turn) = step.checked_sub(FAR_ROWS) {
                let evicted = self.evicted();
                self.apply_row(&rows[turn], ids[turn % PLACES], columns, out, &mut progress);
                self.note_pushed(turn, evicted);
            }
        }
        progress.late
    }

    /// Takes note of a row with which something went.
    #[inline]
    fn note_pushed(&mut self, row: usize, before: Evicted) {
        if let Some(quota) = self.quota.as_mut().filter(|quota| quota.evicted != before) {
            quota.pushed.push((row, quota.evicted));
        }
    }

    fn apply_row(
        &mut self,
        row: &Row<'_>,
        id: Option<u32>,
        columns: &[Column<'_>],
        out: &mut [Option<f64>],
        progress: &mut Progress,
    ) {
        // The number is a guess by hash, and a row in between may have given it to another key.
        let id = id.filter(|id| row.key().is_some_and(|key| self.states.keys.heads[*id as usize].is(key)));
        match *row {
            Row::Label { key, time_us, value } => {
                if let (Some(key), Some(value)) = (key, value) {
                    let id = id.or_else(|| self.find(key));
                    self.apply_label(key, id, time_us, value);
                }
            }
            Row::Event { key, time_us } => {
                let (event, width) = (progress.events, self.width());
                let out = &mut out[event * width..(event + 1) * width];
                match key {
                    None => out.fill(None),
                    Some(key) => {
                        let id = id.unwrap_or_else(|| self.intern(key));
                        let applied = self.apply_event(id, time_us, |column| columns[column].word(event), out);
                        progress.late += usize::from(applied == Applied::Late);
                    }
                }
                progress.events += 1;
            }
        }
    }

    /// Most likely the number of the row's key; asks for the memory that is found by it.
    #[inline]
    fn look_up(&self, row: &Row<'_>) -> Option<u32> {
        let (plan, states) = (&self.plan, &self.states);
        let number = states.keys.guess(row.key()?.hash)?;
        let id = number as usize;
        prefetch_all(&states.keys.heads, id, 1);
        prefetch_all(&states.cursors, id * plan.cursors, plan.cursors);
        prefetch_all(&states.sums, id * plan.sums, plan.sums);
        prefetch_all(&states.squares, id * plan.squares, plan.squares);
        Some(number)
    }

    /// Asks for the entries at the edges of the key's windows.
    #[inline]
    fn fetch_entries(&self, id: u32) {
        let (plan, states, id) = (&self.plan, &self.states, id as usize);
        for (layout, ring) in plan.series.iter().zip(&states.keys.heads[id].rings) {
            if layout.stride == 0 {
                continue;
            }
            let at = id * plan.cursors + layout.cursors_at;
            prefetch(ring.address(ring.end(), layout.stride));
            for cursor in &states.cursors[at..=at + plan.windows_us.len()] {
                prefetch(ring.address(*cursor, layout.stride));
            }
        }
    }
}

/// How far a batch has come.
#[derive(Debug, Default)]
struct Progress {
    events: usize,
    late: usize,
}

/// Asks for `length` items of a slab from number `from`.
#[inline(always)]
fn prefetch_all<T>(slab: &[T], from: usize, length: usize) {
    let bytes = length * size_of::<T>();
    if bytes == 0 {
        return;
    }
    let start = slab.as_ptr().wrapping_add(from).cast::<u8>();
    // The last byte too: what does not begin with a line ends in one more.
    (0..bytes).step_by(LINE_BYTES).for_each(|offset| prefetch(start.wrapping_add(offset)));
    prefetch(start.wrapping_add(bytes - 1));
}
