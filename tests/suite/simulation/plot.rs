//! What a history is about, beside crashes, zombies and lost answers, which are in all of them.

use runtime::simulated::Random;

/// Sets of events and labels that histories draw from.
pub const INPUTS: usize = 3;
/// How much happens before the faults stop.
const ACTS_MIN: usize = 80;
const ACTS_SPREAD: usize = 300;
/// One of so many histories has a ledger, which costs as much as the rest of it.
const LEDGER_EVERY: u64 = 3;
/// One of so many has retries.
const RETRIES_EVERY: u64 = 4;

/// What may be in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Results are seen with the offsets they came from.
    ExactlyOnce,
    /// State is saved, and damaged in its store.
    Snapshots,
    /// Models are promoted, some that cannot be loaded, and fences are declared void.
    Promotions,
    /// Some events are written with a schema that the registry learns of in the middle.
    LateSchema,
    /// In the middle processes begin to start with another rule.
    NewRules,
    /// Validators take a second of silence for the end of a partition.
    Hasty,
    /// Tasks write the ledger after every commit, and it is verified in the end.
    Ledger,
    /// Dead letters are published again: in any order, some twice, and all that can be accepted in the end.
    Retries,
}

/// Themes that come up by themselves, and in how many of a hundred histories.
const DRAWN: [(Theme, u32); 5] = [
    (Theme::ExactlyOnce, 50),
    (Theme::Snapshots, 40),
    (Theme::Promotions, 25),
    (Theme::LateSchema, 30),
    (Theme::NewRules, 30),
];

/// What one history is.
pub struct Plot {
    pub seed: u64,
    /// The set of events and labels.
    pub input: usize,
    pub acts: usize,
    /// Processes of each service.
    pub processes: usize,
    themes: Vec<Theme>,
}

impl Plot {
    /// The plot of a seed, with these themes whatever the seed says.
    pub fn of(seed: u64, themes: &[Theme]) -> Self {
        let mut random = Random::new(!seed);
        let drawn = DRAWN.iter().filter(|(_, percent)| random.percent(*percent)).map(|(theme, _)| *theme);
        let ledger = seed.is_multiple_of(LEDGER_EVERY).then_some(Theme::Ledger);
        let retries = (seed % RETRIES_EVERY == 1).then_some(Theme::Retries);
        let themes = drawn.chain(ledger).chain(retries).chain(themes.iter().copied()).collect();
        let acts = ACTS_MIN + random.below(ACTS_SPREAD);
        Plot { seed, input: (seed % INPUTS as u64) as usize, acts, processes: 2, themes }
    }

    /// A history in which nothing happens.
    pub fn peaceful(input: usize) -> Self {
        Plot { seed: 0, input, acts: 0, processes: 1, themes: Vec::new() }
    }

    pub fn has(&self, theme: Theme) -> bool {
        self.themes.contains(&theme)
    }
}
