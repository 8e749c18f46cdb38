//! What the journal remembers of each event id, and when it forgets.

use crate::pairing::Known;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry as Slot;
use std::collections::BTreeMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Entries are forgotten in as many steps per horizon.
const STEPS_PER_HORIZON: i64 = 64;

/// Hashes ids that are hashes already.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, id: u128) {
        self.0 = id as u64;
    }
}

/// All ids within the horizon.
#[derive(Debug)]
pub(crate) struct Table {
    known: HashMap<u128, Known, BuildHasherDefault<AsIs>>,
    by_step: BTreeMap<i64, Vec<u128>>,
    horizon_us: i64,
    step_us: i64,
}

impl Table {
    /// An empty table whose entries stay until the watermark is a horizon past them.
    pub(crate) fn new(horizon_us: i64) -> Self {
        let step_us = (horizon_us / STEPS_PER_HORIZON).max(1);
        Table { known: HashMap::default(), by_step: BTreeMap::new(), horizon_us, step_us }
    }

    /// Replaces what is known of an id by what `meet` makes of it.
    pub(crate) fn update<R>(&mut self, id: u128, meet: impl FnOnce(Option<Known>) -> (Known, R)) -> R {
        let (before, time_us, result) = match self.known.entry(id) {
            Slot::Occupied(mut slot) => {
                let before = slot.get().time_us();
                let nothing = Known::Done { time_us: 0, fingerprint: 0 };
                let (known, result) = meet(Some(std::mem::replace(slot.get_mut(), nothing)));
                let time_us = known.time_us();
                *slot.get_mut() = known;
                (Some(before), time_us, result)
            }
            Slot::Vacant(slot) => {
                let (known, result) = meet(None);
                (None, slot.insert(known).time_us(), result)
            }
        };
        let step = time_us.div_euclid(self.step_us);
        if before.is_none_or(|before| before.div_euclid(self.step_us) < step) {
            self.by_step.entry(step).or_default().push(id);
        }
        result
    }

    /// Forgets what lies a horizon behind the watermark; gives the number of input items that waited in vain.
    pub(crate) fn forget(&mut self, watermark_us: i64) -> u64 {
        let mut vain = 0;
        while let Some(entry) = self.by_step.first_entry() {
            let step = *entry.key();
            let end_us = step.saturating_add(1).saturating_mul(self.step_us);
            if end_us.saturating_add(self.horizon_us) > watermark_us {
                break;
            }
            for id in entry.remove() {
                // An id may have been kept longer since; it then stands in a later step, too.
                if let Slot::Occupied(slot) = self.known.entry(id)
                    && slot.get().time_us().div_euclid(self.step_us) <= step
                {
                    vain += slot.remove().waiting();
                }
            }
        }
        vain
    }

    /// How many ids are known.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }
}
