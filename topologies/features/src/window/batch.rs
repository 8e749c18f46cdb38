//! Applying many rows, with the memory of rows to come fetched while earlier ones are computed.
//!
//! A key's state is spread over some ten cache lines that nobody has touched for thousands of rows. Rows are taken in
//! blocks: first all keys are looked up, then all lines that the rows will need are asked for, then the rows are
//! applied in their order. Looking ahead never changes a result: what was looked up is checked again.

use arrow::buffer::NullBuffer;

use super::plan::SERIES;
use super::prefetch::prefetch;
use super::series::{NULL, encode};
use super::{Applied, Engine, Key};

/// Rows looked ahead. Sixteen keys of ten lines are as many as the load buffers of current cores take.
const BLOCK_ROWS: usize = 16;
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
    /// Applies rows in order: the same as one at a time. `columns` are those of [`Group::columns`](crate::Group) with
    /// one value per event; `out` takes [`width`](Engine::width) features per event. Returns how many events were late.
    ///
    /// # Panics
    ///
    /// When columns or `out` are shorter than the events need.
    pub fn apply_batch(&mut self, rows: &[Row<'_>], columns: &[Column<'_>], out: &mut [Option<f64>]) -> usize {
        assert_eq!(columns.len(), self.plan.columns, "one column per column of the group");
        let width = self.width();
        let (mut event, mut late) = (0, 0);
        for block in rows.chunks(BLOCK_ROWS) {
            let mut ids = [None; BLOCK_ROWS];
            self.look_ahead(block, &mut ids);
            for (row, id) in block.iter().zip(ids) {
                // A guess by hash, and a row in between may have given the number to another key.
                let id = id.filter(|id| row.key().is_some_and(|key| self.states.keys.heads[*id as usize].is(key)));
                match *row {
                    Row::Label { key, time_us, value } => {
                        if let (Some(key), Some(value)) = (key, value) {
                            let id = id.or_else(|| self.states.keys.find(key));
                            self.apply_label(key, id, time_us, value);
                        }
                    }
                    Row::Event { key, time_us } => {
                        let out = &mut out[event * width..(event + 1) * width];
                        match key {
                            None => out.fill(None),
                            Some(key) => {
                                let id = id.unwrap_or_else(|| self.states.intern(&self.plan, key));
                                let applied = self.apply_event(id, time_us, |column| columns[column].word(event), out);
                                late += usize::from(applied == Applied::Late);
                            }
                        }
                        event += 1;
                    }
                }
            }
        }
        late
    }

    fn look_ahead(&self, rows: &[Row<'_>], ids: &mut [Option<u32>; BLOCK_ROWS]) {
        let (plan, states) = (&self.plan, &self.states);
        for (row, id) in rows.iter().zip(&mut *ids) {
            *id = row.key().and_then(|key| states.keys.guess(key.hash));
            let Some(id) = *id else { continue };
            let id = id as usize;
            prefetch_slice(&states.keys.heads[id..=id]);
            prefetch_slice(&states.cursors[id * plan.cursors..(id + 1) * plan.cursors]);
            prefetch_slice(&states.sums[id * plan.sums..(id + 1) * plan.sums]);
            prefetch_slice(&states.squares[id * plan.squares..(id + 1) * plan.squares]);
        }
        for id in ids.iter().flatten() {
            let id = *id as usize;
            for series in (0..SERIES).filter(|series| plan.keeps(*series)) {
                let (layout, ring) = (&plan.series[series], &states.keys.heads[id].rings[series]);
                let at = id * plan.cursors + layout.cursors_at;
                prefetch(ring.address(ring.end(), layout.stride));
                for cursor in &states.cursors[at..=at + plan.windows_us.len()] {
                    prefetch(ring.address(*cursor, layout.stride));
                }
            }
        }
    }
}

#[inline]
fn prefetch_slice<T>(slice: &[T]) {
    if slice.is_empty() {
        return;
    }
    let (start, bytes) = (slice.as_ptr().cast::<u8>(), size_of_val(slice));
    // The last byte too: a slice that does not begin with a line ends in one more.
    (0..bytes).step_by(LINE_BYTES).for_each(|offset| prefetch(start.wrapping_add(offset)));
    prefetch(start.wrapping_add(bytes - 1));
}
