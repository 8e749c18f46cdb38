//! Durations as people write them: a whole number and a unit.

const SECOND_US: i64 = 1_000_000;

/// Units from the shortest.
const UNITS: &[(&str, i64)] =
    &[("ms", 1_000), ("s", SECOND_US), ("m", 60 * SECOND_US), ("h", 3_600 * SECOND_US), ("d", 86_400 * SECOND_US)];

/// What to write instead.
pub(super) const HELP: &str = "write a whole number and a unit: 500ms, 90s, 10m, 1h, 7d";

/// Microseconds of `90s`, `10m`, `7d`; `None` for anything else, longer than i64 microseconds included.
pub fn parse_duration(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, unit_us) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<i64>().ok()?.checked_mul(*unit_us)
}

/// The shortest text that [`parse_duration`] reads as `us`; microseconds that no unit divides are given as such.
pub fn format_duration(us: i64) -> String {
    let fitting = UNITS.iter().rev().find(|(_, unit_us)| us != 0 && us % unit_us == 0);
    match fitting {
        Some((name, unit_us)) => format!("{}{name}", us / unit_us),
        None if us == 0 => "0s".to_owned(),
        None => format!("{us}us"),
    }
}
