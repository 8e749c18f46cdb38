//! The words of an input whose values are categories, and the slot that each of them has in its table of vectors.
//!
//! Slot [`MISSING`] is for a null, slot [`UNKNOWN`] for every text that is no word, and the words follow from
//! [`FIRST_WORD`] on, the most frequent one first. In a row of inputs a category is its slot as a number, a null is NaN.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Slot of a null.
pub const MISSING: usize = 0;
/// Slot of what is no word.
pub const UNKNOWN: usize = 1;
/// Slot of the first word.
pub const FIRST_WORD: usize = 2;
/// Most words of a vocabulary.
pub const WORDS_MAX: usize = 10_000;
/// Longest word, in bytes of UTF-8. A longer text is unknown, however frequent it is.
pub const WORD_BYTES_MAX: usize = 256;

/// Why words are no vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too many words.
    #[error("the vocabulary of {input} has {words} words, allowed are {WORDS_MAX}")]
    TooLarge {
        /// The input.
        input: String,
        /// Its words.
        words: usize,
    },
    /// A word is too long.
    #[error("word {at} of the vocabulary of {input} has {bytes} bytes, allowed are {WORD_BYTES_MAX}")]
    TooLong {
        /// The input.
        input: String,
        /// Position of the word.
        at: usize,
        /// Its length.
        bytes: usize,
    },
    /// A word is there twice.
    #[error("the vocabulary of {input} has {word:?} twice")]
    Twice {
        /// The input.
        input: String,
        /// The word.
        word: String,
    },
}

/// A vocabulary as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Words {
    pub(crate) input: String,
    pub(crate) words: Vec<String>,
}

/// The words of one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    words: Words,
    /// Slots by the bytes of the word. It is only looked up, never walked through, so its order shows nowhere.
    slots: HashMap<Box<[u8]>, u32>,
}

impl Vocabulary {
    /// The vocabulary of these words, which are given slots in this order.
    pub fn new(input: impl Into<String>, words: Vec<String>) -> Result<Self, Error> {
        let input = input.into();
        if words.len() > WORDS_MAX {
            return Err(Error::TooLarge { input, words: words.len() });
        }
        let mut slots = HashMap::with_capacity(words.len());
        for (at, word) in words.iter().enumerate() {
            if word.len() > WORD_BYTES_MAX {
                return Err(Error::TooLong { input, at, bytes: word.len() });
            }
            if slots.insert(word.as_bytes().into(), (at + FIRST_WORD) as u32).is_some() {
                return Err(Error::Twice { input, word: word.clone() });
            }
        }
        Ok(Self { words: Words { input, words }, slots })
    }

    /// The vocabulary that training rows give: texts that occur at least `min_count` times, the most frequent first,
    /// those that are equally frequent by their bytes, and of these the first `words_max`.
    pub fn learnt<'a>(
        input: &str,
        texts: impl Iterator<Item = &'a str>,
        (words_max, min_count): (usize, u64),
    ) -> Result<Self, Error> {
        let mut counts: HashMap<&str, u64> = HashMap::new();
        for text in texts.filter(|text| text.len() <= WORD_BYTES_MAX) {
            *counts.entry(text).or_default() += 1;
        }
        let mut kept: Vec<(&str, u64)> = counts.into_iter().filter(|(_, count)| *count >= min_count).collect();
        kept.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        kept.truncate(words_max);
        Self::new(input, kept.into_iter().map(|(word, _)| word.to_owned()).collect())
    }

    /// The input it is about.
    #[must_use]
    pub fn input(&self) -> &str {
        &self.words.input
    }

    /// The words, the first one in slot [`FIRST_WORD`].
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words.words
    }

    /// How many slots there are: the words, and those for a null and for what is unknown.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.words.words.len() + FIRST_WORD
    }

    /// What stands for a text in a row of inputs, and NaN for a null.
    #[must_use]
    pub fn cell(&self, text: Option<&str>) -> f32 {
        let Some(text) = text else { return f32::NAN };
        // A slot is below 2^24, so a single-precision number holds it exactly.
        self.slots.get(text.as_bytes()).map_or(UNKNOWN as f32, |slot| *slot as f32)
    }

    pub(crate) fn as_written(&self) -> &Words {
        &self.words
    }
}

/// The slot that a number in a row of inputs stands for, in a table of so many. Every number stands for one: what is not
/// finite is missing, what is no slot is unknown.
#[must_use]
pub fn slot(cell: f32, slots: usize) -> usize {
    if !cell.is_finite() {
        return MISSING;
    }
    let slot = cell as usize;
    if slot as f32 == cell && slot < slots { slot } else { UNKNOWN }
}
