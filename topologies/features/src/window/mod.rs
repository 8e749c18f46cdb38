//! The window engine.

/// A key: its canonical text and that text's XXH3-64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    /// XXH3-64 of the text; its highest eight bits are the key group.
    pub hash: u64,
    /// Canonical text.
    pub text: &'a str,
}

/// How an event was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// At or after every earlier row of its key.
    InOrder,
    /// Behind one of them: inserted at its own time, its features computed for that time.
    Late,
    /// It has no key: every feature is null, no state was touched.
    NoKey,
}

/// A column of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    /// Values; what stands at a null is ignored.
    pub values: &'a [f64],
    /// Which of them are null; nothing means none.
    pub nulls: Option<&'a arrow::buffer::NullBuffer>,
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

/// State and features of one group over all keys.
pub struct Engine {
    width: usize,
}

impl Engine {
    /// An empty engine. `retention_us` is how far behind a key's newest row a late one may come and still find all
    /// of its window: give the pipeline's lateness.
    pub fn new(group: &crate::Group, retention_us: i64) -> Engine {
        let _ = retention_us;
        Engine { width: group.outputs().len() }
    }

    /// Number of features.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Applies an event and writes its features, in the order of [`Group::outputs`](crate::Group::outputs).
    /// `values` are those of [`Group::columns`](crate::Group::columns), null as `None`, booleans as 0 and 1.
    pub fn event(&mut self, key: Option<Key<'_>>, time_us: i64, values: &[Option<f64>], out: &mut [Option<f64>]) -> Applied {
        let _ = (key, time_us, values);
        out.fill(None);
        Applied::InOrder
    }

    /// Applies a label to the event of its key at `event_time_us`.
    pub fn label(&mut self, key: Option<Key<'_>>, event_time_us: i64, value: Option<f64>) {
        let _ = (key, event_time_us, value);
    }

    /// Applies rows in order; the same as one at a time, with memory fetched ahead. `out` takes one row of
    /// [`width`](Engine::width) per event. Returns how many events were late.
    pub fn apply_batch(&mut self, rows: &[Row<'_>], columns: &[Column<'_>], out: &mut [Option<f64>]) -> usize {
        let _ = (rows, columns);
        out.fill(None);
        0
    }

    /// Appends the state of all key groups.
    pub fn snapshot(&self, out: &mut Vec<u8>) {
        let _ = out;
    }
}
