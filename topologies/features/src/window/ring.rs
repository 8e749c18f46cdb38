//! The events of one key in time order: a ring of fixed-width entries in one allocation.
//!
//! An entry is `stride` words: its time, a word per stored column, a word per minimum or maximum. Entries are named
//! by sequence numbers that wrap, and a power-of-two capacity makes the place of a number one mask away, so growing
//! the ring changes no number. Sequence numbers are compared by their distance ([`behind`]): far fewer than 2^31
//! entries live at once.

/// Fewest entries a ring makes room for.
const CAPACITY_MIN: u32 = 4;

/// Whether `left` comes before `right`.
#[inline]
pub(super) fn behind(left: u32, right: u32) -> bool {
    (left.wrapping_sub(right) as i32) < 0
}

/// A ring's entries without the ring: all that is needed stays in registers.
#[derive(Clone, Copy)]
pub(super) struct Entries<'a> {
    words: &'a [u64],
    mask: u32,
    stride: usize,
}

impl<'a> Entries<'a> {
    /// The entry's words: time first.
    #[inline(always)]
    pub fn get(self, seq: u32) -> &'a [u64] {
        let place = (seq & self.mask) as usize * self.stride;
        &self.words[place..place + self.stride]
    }
}

/// Entries of one key, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Ring {
    words: Box<[u64]>,
    capacity: u32,
    begin: u32,
    end: u32,
}

impl Ring {
    /// An empty ring that has numbered this many entries already.
    #[cfg(test)]
    pub fn starting_at(seq: u32) -> Ring {
        Ring { begin: seq, end: seq, ..Ring::default() }
    }

    #[inline]
    pub fn begin(&self) -> u32 {
        self.begin
    }

    #[inline]
    pub fn end(&self) -> u32 {
        self.end
    }

    pub fn len(&self) -> u32 {
        self.end.wrapping_sub(self.begin)
    }

    /// Words allocated.
    pub fn capacity_words(&self) -> usize {
        self.words.len()
    }

    #[inline]
    fn place(&self, seq: u32, stride: usize) -> usize {
        (seq & self.capacity.wrapping_sub(1)) as usize * stride
    }

    /// The entry's words: time first.
    #[inline]
    pub fn entry(&self, seq: u32, stride: usize) -> &[u64] {
        let place = self.place(seq, stride);
        &self.words[place..place + stride]
    }

    #[inline]
    pub fn entry_mut(&mut self, seq: u32, stride: usize) -> &mut [u64] {
        let place = self.place(seq, stride);
        &mut self.words[place..place + stride]
    }

    #[inline]
    pub fn time_us(&self, seq: u32, stride: usize) -> i64 {
        self.words[self.place(seq, stride)] as i64
    }

    /// The entries for a loop that writes elsewhere.
    #[inline]
    pub fn entries(&self, stride: usize) -> Entries<'_> {
        Entries { words: &self.words, mask: self.capacity.wrapping_sub(1), stride }
    }

    /// Address of an entry, to fetch ahead; the ring's start while it is empty.
    #[inline]
    pub fn address(&self, seq: u32, stride: usize) -> *const u64 {
        self.words.as_ptr().wrapping_add(self.place(seq, stride))
    }

    /// Opens room for one entry at the end and returns its number. The words are those of a former entry.
    #[inline]
    pub fn push(&mut self, stride: usize) -> u32 {
        if self.len() == self.capacity {
            self.resize((self.capacity * 2).max(CAPACITY_MIN), stride);
        }
        let seq = self.end;
        self.end = seq.wrapping_add(1);
        seq
    }

    /// Opens room before the entry `at`, which and whose successors get the next number.
    pub fn insert(&mut self, at: u32, stride: usize) {
        let mut end = self.push(stride);
        while end != at {
            // From the end backwards, as far as neither the old nor the new places wrap.
            let last = end.wrapping_sub(1);
            let (from, to) = (last & (self.capacity - 1), end & (self.capacity - 1));
            let run = end.wrapping_sub(at).min(from + 1).min(to + 1);
            let (first, place) = ((from + 1 - run) as usize * stride, (to + 1 - run) as usize * stride);
            self.words.copy_within(first..first + run as usize * stride, place);
            end = end.wrapping_sub(run);
        }
    }

    /// Forgets the oldest entry.
    #[inline]
    pub fn pop_front(&mut self) {
        self.begin = self.begin.wrapping_add(1);
    }

    /// Gives memory back after a burst has passed; the gap between the limits keeps it from being asked for again.
    pub fn shrink(&mut self, stride: usize) {
        let wanted = (self.len() * 2).next_power_of_two().max(CAPACITY_MIN);
        if self.capacity > CAPACITY_MIN && self.capacity / 8 >= wanted {
            self.resize(wanted, stride);
        }
    }

    /// Number of the first entry later than `time_us`, or the end.
    pub fn first_after(&self, time_us: i64, stride: usize) -> u32 {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.time_us(self.begin.wrapping_add(middle), stride) <= time_us {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.begin.wrapping_add(low)
    }

    fn resize(&mut self, capacity: u32, stride: usize) {
        let mut larger = Ring {
            words: vec![0; capacity as usize * stride].into_boxed_slice(),
            capacity,
            begin: self.begin,
            end: self.end,
        };
        let mut seq = self.begin;
        while seq != self.end {
            // As far as neither ring wraps and there are entries.
            let (from, to) = (seq & (self.capacity - 1), seq & (capacity - 1));
            let run = (self.capacity - from).min(capacity - to).min(self.end.wrapping_sub(seq));
            let (from, to, words) = (from as usize * stride, to as usize * stride, run as usize * stride);
            larger.words[to..to + words].copy_from_slice(&self.words[from..from + words]);
            seq = seq.wrapping_add(run);
        }
        *self = larger;
    }
}
