//! Durations as people write them: a whole number and a unit.

use super::{DURATION_US_MAX, Error};

/// Units and their length in microseconds.
const UNITS_US: [(&str, i64); 7] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
    ("w", 604_800_000_000),
];

/// Reads `90s`, `30m`, `7d` and the like into microseconds; `None` when it is no duration of ours.
pub fn parse_duration_us(text: &str) -> Option<i64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, unit_us) = UNITS_US.iter().find(|(name, _)| *name == unit)?;
    let length_us = number.parse::<i64>().ok()?.checked_mul(*unit_us)?;
    (length_us <= DURATION_US_MAX).then_some(length_us)
}

pub(super) fn parse_at(field: &str, text: &str) -> Result<i64, Error> {
    parse_duration_us(text).ok_or_else(|| Error::Duration { field: field.into(), text: text.into() })
}
