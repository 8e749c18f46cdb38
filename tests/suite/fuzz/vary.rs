//! Variations of bytes: the usual small damages, values at the ends of their ranges, and parts of other inputs.

use runtime::simulated::Random;

/// Longest variation.
const BYTES_MAX: usize = 16 << 10;
/// Most damages at once.
const DAMAGES_MAX: usize = 6;
/// Avro's variable-length numbers at the ends of what is allowed, and beyond; the same numbers as text.
const EXTREMES: [&[u8]; 16] = [
    &[0],
    &[1],
    &[2],
    &[0x7f],
    &[0x80, 1],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
    &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
    &[0xff; 11],
    &[0, 0, 0, 0, 0, 0, 0xf8, 0x7f],
    &[0, 0, 0, 0, 0, 0, 0xf0, 0xff],
    b"-1",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"1e308",
    b"null",
];

/// A sequence of variations that its seed determines.
pub struct Variations<'a> {
    random: Random,
    words: &'a [&'a str],
}

impl<'a> Variations<'a> {
    pub fn new(seed: u64, words: &'a [&'a str]) -> Self {
        Variations { random: Random::new(seed), words }
    }

    /// One of the inputs, damaged.
    pub fn of(&mut self, files: &[Vec<u8>], pool: &[Vec<u8>]) -> Vec<u8> {
        let from = if self.random.percent(70) && !pool.is_empty() { pool } else { files };
        let mut bytes = from[self.random.below(from.len())].clone();
        for _ in 0..=self.random.below(DAMAGES_MAX) {
            self.damage(&mut bytes, &files[self.random.clone().below(files.len())]);
        }
        bytes.truncate(BYTES_MAX);
        bytes
    }

    fn damage(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let random = &mut self.random;
        let at = random.below(bytes.len() + 1);
        let longest = 1 << random.below(10);
        let len = random.below(1 + longest.min(bytes.len() - at));
        let range = at..at + len;
        match random.below(10) {
            0 | 1 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
            2 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.number() as u8),
            3 => drop(bytes.drain(range)),
            4 => {
                let again = bytes[range].to_vec();
                drop(bytes.splice(at..at, again));
            }
            5 => {
                let from = random.below(other.len() + 1);
                let to = from + random.below(1 + (other.len() - from).min(256));
                drop(bytes.splice(range, other[from..to].iter().copied()));
            }
            6 => {
                let extreme = EXTREMES[random.below(EXTREMES.len())];
                let end = if random.percent(50) { at } else { (at + extreme.len()).min(bytes.len()) };
                drop(bytes.splice(at..end, extreme.iter().copied()));
            }
            7 if !self.words.is_empty() => {
                let word = self.words[random.below(self.words.len())];
                drop(bytes.splice(range, word.bytes()));
            }
            8 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = byte.wrapping_add(1)),
            _ => bytes.truncate(at),
        }
    }
}
