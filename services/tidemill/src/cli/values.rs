//! What options' values may be, and what is said of others.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::demo;

pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err(format!("`{text}` is not of the form NAME=VALUE")),
    }
}

/// Several of these, with commas between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs(pub Vec<(String, String)>);

/// Pairs between commas; a comma within brackets or quotes belongs to its pair.
pub(super) fn pairs(text: &str) -> Result<Pairs, String> {
    let (mut depth, mut quote, mut begin) = (0_u32, None, 0);
    let mut found = Vec::new();
    for (at, letter) in text.char_indices() {
        match (letter, quote) {
            (letter, Some(open)) => quote = Some(open).filter(|open| *open != letter),
            ('\'' | '"', None) => quote = Some(letter),
            ('(', None) => depth += 1,
            (')', None) => depth = depth.saturating_sub(1),
            (',', None) if depth == 0 => {
                found.push(pair(&text[begin..at])?);
                begin = at + 1;
            }
            _ => {}
        }
    }
    found.push(pair(&text[begin..])?);
    Ok(Pairs(found))
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let us = flow::config::parse_duration(text).and_then(|us| u64::try_from(us).ok());
    us.map(Duration::from_micros).ok_or_else(|| {
        format!("`{text}` is no length of time; write a whole number and a unit: 500ms, 90s, 10m, 1h, 7d")
    })
}

pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let bytes = flow::config::parse_bytes(text).and_then(|bytes| usize::try_from(bytes).ok());
    bytes.ok_or_else(|| format!("`{text}` is no size; write a whole number and a unit: 64KiB, 512MiB, 2GiB"))
}

pub(super) fn days(text: &str) -> Result<RangeInclusive<u32>, String> {
    let parsed = text.split_once('-').and_then(|(first, last)| Some(first.parse().ok()?..=last.parse().ok()?));
    parsed
        .filter(|days: &RangeInclusive<u32>| *days.start() > 0 && !days.is_empty() && *days.end() <= demo::DAYS_MAX)
        .ok_or_else(|| {
            format!("`{text}` are no days; write the first and the last, from 1 to {}: 1-45", demo::DAYS_MAX)
        })
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("`{text}` is not a whole number above zero"))
}

pub(crate) fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| format!("`{text}` is not a number above zero"))
}
