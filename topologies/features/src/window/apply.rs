//! Applying one row to the state of its key.

use super::keys::group_of;
use super::plan::{EVENTS, LABELS, SERIES};
use super::series::encode;
use super::{Applied, Engine, Key, past, present};

impl Engine {
    /// Applies an event of key number `id`; `word` gives the word of an input column.
    #[inline]
    pub(super) fn apply_event(
        &mut self,
        id: u32,
        time_us: i64,
        word: impl Fn(usize) -> u64,
        out: &mut [Option<f64>],
    ) -> Applied {
        let share = self.share(id);
        let head = &mut self.states.keys.heads[id as usize];
        head.count_use();
        let clock_us = &mut self.clocks_us[head.group()];
        *clock_us = time_us.max(*clock_us);
        let head = &self.states.keys.heads[id as usize];
        // A new key makes the slab longer by one: one more look, or a stream of new keys would outrun the sweep.
        let is_new = head.now_us == i64::MIN;
        // Before its first row a key's present lies at the beginning of time, where this changes nothing.
        let is_expired = !is_new && head.now_us <= clock_us.saturating_sub(self.plan.keep_us);
        let rings_before = self.states.ring_bytes(id);
        if is_expired {
            self.touch(id);
            self.states.clear(&self.plan, id);
        }
        self.touch(id);
        let now_us = self.states.keys.heads[id as usize].now_us;
        let applied = if time_us >= now_us {
            self.event_in_order(id, time_us, word, out);
            Applied::InOrder
        } else {
            self.event_late(id, time_us, now_us, word, out);
            Applied::Late
        };
        self.states.recount(&self.plan, id, rings_before);
        self.enforce(id, share);
        self.sweep();
        if is_new {
            self.sweep();
        }
        self.settle();
        applied
    }

    #[inline]
    fn event_in_order(&mut self, id: u32, time_us: i64, word: impl Fn(usize) -> u64, out: &mut [Option<f64>]) {
        let upper_us = time_us.saturating_sub(self.plan.delay_us);
        let horizon_us = time_us.saturating_sub(self.plan.keep_us);
        self.states.keys.heads[id as usize].now_us = time_us;
        if self.plan.keeps(LABELS) {
            self.states.view(&self.plan, id, LABELS).advance(upper_us, horizon_us);
        }
        if !self.plan.keeps(EVENTS) {
            if self.plan.windowless {
                present::read_windowless(&self.plan, &mut self.states, id, time_us, out);
            }
            return present::read_windowed(&self.plan, &self.states, id, out);
        }
        let mut events = self.states.view(&self.plan, id, EVENTS);
        events.advance(upper_us, horizon_us);
        if self.plan.windowless {
            present::read_windowless(&self.plan, &mut self.states, id, time_us, out);
            events = self.states.view(&self.plan, id, EVENTS);
        }
        let series = events.series;
        events.append(time_us, series.columns.iter().map(|column| column.stored.word(false, &word)));
        if self.plan.delay_us == 0 {
            events.raise(time_us);
        }
        present::read_windowed(&self.plan, &self.states, id, out);
    }

    #[cold]
    fn event_late(&mut self, id: u32, time_us: i64, now_us: i64, word: impl Fn(usize) -> u64, out: &mut [Option<f64>]) {
        let upper_us = now_us.saturating_sub(self.plan.delay_us);
        let current = (self.plan.keeps(EVENTS) && !self.plan.skips_late).then(|| {
            let mut events = self.states.view(&self.plan, id, EVENTS);
            let series = events.series;
            events.insert(time_us, series.columns.iter().map(|column| column.stored.word(true, &word)), upper_us)
        });
        past::read(&self.plan, &mut self.states, id, time_us, current, out);
        self.trim(id, now_us);
    }

    /// Applies a label to the key, whose number is `id` if it has one.
    pub(super) fn apply_label(&mut self, key: Key<'_>, id: Option<u32>, time_us: i64, value: f64) {
        if !self.plan.keeps(LABELS) {
            return;
        }
        let horizon_us = self.clocks_us[group_of(key.hash)].saturating_sub(self.plan.keep_us);
        let share = id.and_then(|id| self.share(id));
        let mut now_us = id.map_or(i64::MIN, |id| self.states.keys.heads[id as usize].now_us);
        if let Some(id) = id.filter(|_| now_us <= horizon_us) {
            self.touch(id);
            let rings_before = self.states.ring_bytes(id);
            self.states.clear(&self.plan, id);
            self.states.recount(&self.plan, id, rings_before);
            now_us = i64::MIN;
        }
        // Too old to be seen by anything: neither its entry nor its key would be kept.
        let limit_us = if now_us == i64::MIN { horizon_us } else { now_us.saturating_sub(self.plan.keep_us) };
        let mut labelled = id;
        if time_us > limit_us {
            let id = id.unwrap_or_else(|| self.states.add(&self.plan, key));
            self.touch(id);
            self.states.keys.heads[id as usize].count_use();
            let rings_before = self.states.ring_bytes(id);
            self.insert_label(id, time_us, value);
            self.states.recount(&self.plan, id, rings_before);
            labelled = Some(id);
        }
        if let Some(id) = labelled {
            self.enforce(id, share);
        }
        self.sweep();
        self.settle();
    }

    fn insert_label(&mut self, id: u32, time_us: i64, value: f64) {
        let now_us = self.states.keys.heads[id as usize].now_us;
        if time_us > now_us {
            self.advance(id, time_us);
        }
        let upper_us = now_us.max(time_us).saturating_sub(self.plan.delay_us);
        let mut labels = self.states.view(&self.plan, id, LABELS);
        let newest = labels.ring.end().wrapping_sub(1);
        let word = std::iter::once(encode(Some(value)));
        if labels.ring.len() > 0 && labels.time_us(newest) > time_us {
            labels.insert(time_us, word, upper_us);
        } else {
            labels.append(time_us, word);
            labels.raise(upper_us);
            labels.evict(upper_us);
        }
    }

    /// Moves the windows of a key to a new present.
    fn advance(&mut self, id: u32, time_us: i64) {
        let upper_us = time_us.saturating_sub(self.plan.delay_us);
        let horizon_us = time_us.saturating_sub(self.plan.keep_us);
        for series in 0..SERIES {
            if self.plan.keeps(series) {
                self.states.view(&self.plan, id, series).advance(upper_us, horizon_us);
            }
        }
        self.states.keys.heads[id as usize].now_us = time_us;
    }

    fn trim(&mut self, id: u32, now_us: i64) {
        let horizon_us = now_us.saturating_sub(self.plan.keep_us);
        for series in (0..SERIES).filter(|series| self.plan.keeps(*series)) {
            self.states.view(&self.plan, id, series).trim(horizon_us);
        }
    }

    /// Looks at a key per row and forgets it when it has expired, so that keys that never come again give their memory
    /// back. An expired key is empty to whoever touches it, so the moment cannot be seen.
    #[inline]
    pub(super) fn sweep(&mut self) {
        let heads = &self.states.keys.heads;
        self.hand = if self.hand + 1 < heads.len() { self.hand + 1 } else { 0 };
        let Some(head) = heads.get(self.hand) else {
            return;
        };
        let horizon_us = self.clocks_us[head.group()].saturating_sub(self.plan.keep_us);
        if head.now_us <= horizon_us && head.live() {
            self.forget(self.hand as u32);
        }
    }
}
