//! Where things lie: the group's aggregates turned into words of ring entries and places among a key's cursors and
//! sums, once, so that applying a row only follows numbers.

use super::extreme::{Chain, Pick};
use super::fade::{BLOCKS, Fade, HALF_LIVES, Weighed};
use super::output::Output;
use super::reads::{Reads, Stored, reads};
use super::sketch::Sketched;
use super::tally::Tallied;
use crate::spec::{Decayed, Group, Limits, Statistic};

/// Number of series of a key: its events, and its labels.
pub(super) const SERIES: usize = 2;
/// The series of events.
pub(super) const EVENTS: usize = 0;
/// The series of labels.
pub(super) const LABELS: usize = 1;

/// Layout of one group.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// Lengths of the windows, in declared order.
    pub windows_us: Vec<i64>,
    /// Number of the longest window.
    pub longest: usize,
    /// How far all windows end before the event.
    pub delay_us: i64,
    /// How far behind a key's newest row an entry is kept.
    pub keep_us: i64,
    /// Events and labels.
    pub series: [Series; SERIES],
    /// Features in order.
    pub outputs: Vec<Output>,
    /// Whether one of them must not see the current event.
    pub windowless: bool,
    /// Event columns the engine takes.
    pub columns: usize,
    /// Whether a late event is put nowhere, since no aggregate sees it.
    pub skips_late: bool,
    /// Limits on keys and bytes.
    pub limits: Option<Limits>,
    /// Cursors, sums and squares per key, over both series.
    pub cursors: usize,
    pub sums: usize,
    pub squares: usize,
    /// Tallies and sketches likewise.
    pub tallies: usize,
    pub sketches: usize,
}

/// Layout of one series.
#[derive(Debug, Clone, Default)]
pub(super) struct Series {
    /// Words of an entry; zero when the group needs nothing of this series.
    pub stride: usize,
    /// Stored columns.
    pub columns: Vec<Column>,
    /// Those with sums, as the rows of the hot path want them.
    pub summed: Vec<Summed>,
    /// Bytes of an entry as limits count them: its words, and what may hang on it.
    pub entry_bytes: usize,
    /// Columns whose values are counted, and where the tallies start among the key's.
    pub tallied: Vec<Tallied>,
    pub tallies_at: usize,
    /// Columns whose quantiles are wanted, and where the sketches start.
    pub sketched: Vec<Sketched>,
    pub sketches_at: usize,
    /// Whether a column has chains or a newest value.
    pub linked: bool,
    /// Its sums with weights.
    pub fades: Vec<Fade>,
    /// Where its cursors start among the key's: the end of all windows, then each window's beginning, then a place
    /// per [`Column::last`], the chains' and the fades'.
    pub cursors_at: usize,
    pub cursors: usize,
    /// Where its sums start, one per summed column and window, then those of the fades.
    pub sums_at: usize,
    pub sums: usize,
    /// Where its squares start, one per squared column and window.
    pub squares_at: usize,
    pub squares: usize,
}

/// A stored column. Its value is word 1 + its index of an entry.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// What is stored there; a label is input column zero.
    pub stored: Stored,
    /// Where its sums start among the series', if something needs them.
    pub sums: Option<usize>,
    /// Where its squares start among the series'.
    pub squares: Option<usize>,
    /// Cursor of its newest value.
    pub last: Option<usize>,
    /// Its minimum and maximum.
    pub chains: Vec<Chain>,
}

/// A column with sums.
#[derive(Debug, Clone, Copy)]
pub(super) struct Summed {
    /// Word of the entry with its value.
    pub word: usize,
    /// Where its sums start among the series'.
    pub sums: usize,
    /// Where its squares start among the series'.
    pub squares: Option<usize>,
}

impl Plan {
    pub fn new(group: &Group, retention_us: i64) -> Plan {
        let windows_us: Vec<i64> = group.windows().iter().map(|window| window.length_us).collect();
        let longest = (0..windows_us.len()).max_by_key(|window| windows_us[*window]).unwrap_or(0);
        let mut series = [Series::default(), Series::default()];
        for aggregate in group.aggregates() {
            match reads(aggregate, group.skips_late()) {
                Reads::Entries => series[EVENTS].stride = 1,
                Reads::Faded(half_life_us) => {
                    series[EVENTS].stride = 1;
                    series[EVENTS].need_fade(Weighed::Events, half_life_us);
                }
                Reads::Column { series: at, statistic, stored } => series[at].need(statistic, stored, windows_us.len()),
            }
        }
        let span_us = windows_us.get(longest).copied().unwrap_or(0);
        let (mut cursors, mut sums, mut squares, mut tallies, mut sketches) = (0, 0, 0, 0, 0);
        for series in &mut series {
            (series.tallies_at, series.sketches_at) = (tallies, sketches);
            (series.cursors_at, series.sums_at, series.squares_at) = (cursors, sums, squares);
            series.lay_out(windows_us.len(), span_us);
            cursors += series.cursors;
            sums += series.sums;
            squares += series.squares;
            tallies += series.tallied.len();
            sketches += series.sketched.len();
        }
        let mut plan = Plan {
            longest,
            delay_us: group.delay_us(),
            keep_us: group.span_us().saturating_add(retention_us.max(0)),
            outputs: Vec::new(),
            windowless: false,
            columns: group.inputs().len(),
            skips_late: group.skips_late(),
            limits: group.limits(),
            windows_us,
            series,
            cursors,
            sums,
            squares,
            tallies,
            sketches,
        };
        plan.outputs = group
            .outputs()
            .iter()
            .map(|output| plan.output(&group.aggregates()[output.aggregate], output.window.unwrap_or(0)))
            .collect();
        plan.windowless = plan.outputs.iter().any(|output| output.value.windowless());
        plan
    }

    /// Whether the group needs anything of a series.
    #[inline]
    pub fn keeps(&self, series: usize) -> bool {
        self.series[series].stride != 0
    }
}

impl Series {
    /// Notes that `statistic` of the stored column is wanted.
    fn need(&mut self, statistic: Statistic, stored: Stored, windows: usize) {
        self.stride = 1;
        let index = self.columns.iter().position(|column| column.stored == stored).unwrap_or_else(|| {
            self.columns.push(Column { stored, sums: None, squares: None, last: None, chains: Vec::new() });
            self.columns.len() - 1
        });
        let column = &mut self.columns[index];
        match statistic {
            Statistic::Last => column.last = Some(0),
            Statistic::Min => column.need_chain(Pick::Min),
            Statistic::Max => column.need_chain(Pick::Max),
            Statistic::First => column.need_chain(Pick::First),
            Statistic::Distinct | Statistic::MostFrequent => {
                let (word, mode) = (1 + index, statistic == Statistic::MostFrequent);
                match self.tallied.iter_mut().find(|tallied| tallied.word == word) {
                    Some(tallied) => tallied.mode |= mode,
                    None => self.tallied.push(Tallied { word, windows, mode }),
                }
            }
            Statistic::Quantile(millionths) => {
                let word = 1 + index;
                let at = self.sketched.iter().position(|sketched| sketched.word == word).unwrap_or_else(|| {
                    self.sketched.push(Sketched { word, windows, millionths: Vec::new() });
                    self.sketched.len() - 1
                });
                let quantiles = &mut self.sketched[at].millionths;
                if !quantiles.contains(&millionths) {
                    quantiles.push(millionths);
                }
            }
            Statistic::Decayed(decayed, half_life_us) => {
                if decayed != Decayed::Sum {
                    self.need_fade(Weighed::Present(1 + index), half_life_us);
                }
                if decayed != Decayed::Count {
                    self.need_fade(Weighed::Values(1 + index), half_life_us);
                }
            }
            Statistic::Count | Statistic::Sum | Statistic::Avg | Statistic::Stddev => {
                if column.sums.is_none() {
                    column.sums = Some(self.sums);
                    self.sums += windows;
                }
                if statistic == Statistic::Stddev && column.squares.is_none() {
                    column.squares = Some(self.squares);
                    self.squares += windows;
                }
            }
        }
    }

    fn need_fade(&mut self, what: Weighed, half_life_us: i64) {
        if self.fades.iter().all(|fade| (fade.what, fade.half_life_us) != (what, half_life_us)) {
            self.fades.push(Fade { what, half_life_us, length_us: 0, cursor: 0, sums: 0 });
        }
    }

    pub fn fade(&self, what: Weighed, half_life_us: i64) -> usize {
        self.fades.iter().position(|fade| (fade.what, fade.half_life_us) == (what, half_life_us)).unwrap_or(0)
    }

    /// Gives every column its words and cursors; `span_us` is the longest window.
    fn lay_out(&mut self, windows: usize, span_us: i64) {
        if self.stride == 0 {
            return;
        }
        self.stride = 1 + self.columns.len();
        self.cursors = 1 + windows;
        for (index, column) in self.columns.iter_mut().enumerate() {
            if let Some(last) = &mut column.last {
                *last = self.cursors;
                self.cursors += 1;
            }
            for chain in &mut column.chains {
                (chain.value, chain.links, chain.cursors) = (1 + index, self.stride, self.cursors);
                self.stride += 1;
                self.cursors += 1 + windows;
            }
        }
        let columns = self.columns.iter().enumerate();
        self.summed = columns
            .filter_map(|(index, column)| Some(Summed { word: 1 + index, sums: column.sums?, squares: column.squares }))
            .collect();
        for fade in &mut self.fades {
            fade.length_us = span_us.min(fade.half_life_us.saturating_mul(HALF_LIVES));
            (fade.cursor, fade.sums) = (self.cursors, self.sums);
            self.cursors += 1;
            self.sums += BLOCKS;
        }
        let hanging =
            self.tallied.iter().map(|tallied| tallied.bytes()).chain(self.sketched.iter().map(Sketched::bytes));
        self.entry_bytes = self.stride * size_of::<u64>() + hanging.sum::<usize>();
        self.linked = self.columns.iter().any(|column| column.last.is_some() || !column.chains.is_empty());
    }
}

impl Column {
    fn need_chain(&mut self, pick: Pick) {
        if self.chains.iter().all(|chain| chain.pick != pick) {
            self.chains.push(Chain { value: 0, links: 0, pick, cursors: 0 });
        }
    }
}
