//! Where files end. The archive's writer decides after each record it is given; records are handed to it in groups, so
//! the groups must end wherever it would have ended a file.

use offline::archive::{BUCKET_OFFSETS, FILE_INPUT_BYTES_MAX, FILE_ROWS_MAX};
use std::ops::Range;

/// Neighbouring records that go to the writer as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Their rows among those of the batch.
    pub rows: Range<usize>,
    /// The offset behind the last.
    pub next_offset: i64,
    /// Bytes of those that have rows.
    pub input_bytes: u64,
    /// What a reader must know to go on behind them.
    pub numbers: String,
}

/// Counts what the writer counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cuts {
    position: i64,
    rows: u64,
    input_bytes: u64,
}

impl Cuts {
    /// A writer that goes on at an offset, with nothing open.
    pub fn at(position: i64) -> Self {
        Cuts { position, rows: 0, input_bytes: 0 }
    }

    /// The offset behind the last record.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// Whether a file is open.
    pub fn open(&self) -> bool {
        self.rows > 0
    }

    /// The open file was written.
    pub fn close(&mut self) {
        *self = Cuts::at(self.position);
    }

    /// Takes a record; true when the writer ends its file behind it.
    pub fn take(&mut self, next_offset: i64, rows: usize, input_bytes: u64) -> bool {
        let crossed = self.position.div_euclid(BUCKET_OFFSETS) < next_offset.div_euclid(BUCKET_OFFSETS);
        self.position = next_offset;
        if rows > 0 {
            self.rows += rows as u64;
            self.input_bytes += input_bytes;
        }
        let cut = self.open() && (crossed || self.rows >= FILE_ROWS_MAX || self.input_bytes >= FILE_INPUT_BYTES_MAX);
        if cut {
            self.close();
        }
        cut
    }
}

/// Collects records into groups.
#[derive(Debug, Default)]
pub struct Groups {
    done: Vec<Group>,
    rows: usize,
    input_bytes: u64,
    open: Option<i64>,
}

impl Groups {
    /// Takes a record; `numbers` are asked for only where a group ends.
    pub fn take(
        &mut self,
        cuts: &mut Cuts,
        (next_offset, rows, input_bytes): (i64, usize, u64),
        numbers: impl FnOnce() -> String,
    ) {
        self.rows += rows;
        self.input_bytes += if rows > 0 { input_bytes } else { 0 };
        self.open = Some(next_offset);
        if cuts.take(next_offset, rows, input_bytes) {
            self.end(numbers);
        }
    }

    /// Ends the last group.
    pub fn end(&mut self, numbers: impl FnOnce() -> String) {
        let Some(next_offset) = self.open.take() else { return };
        let start = self.done.last().map_or(0, |group| group.rows.end);
        let group = Group { rows: start..self.rows, next_offset, input_bytes: self.input_bytes, numbers: numbers() };
        self.done.push(group);
        self.input_bytes = 0;
    }

    /// All groups.
    pub fn finish(self) -> Vec<Group> {
        self.done
    }
}
