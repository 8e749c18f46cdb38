//! Sizes as people write them: a whole number and a unit.

/// Units from the smallest.
const UNITS: &[(&str, u64)] = &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// What to write instead.
pub(super) const HELP: &str = "write a whole number and a unit: 64KiB, 512MiB, 2GiB";

/// Bytes of `64KiB`, `512MiB`, `2GiB`; `None` for anything else, what no `u64` holds included.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, unit_bytes) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*unit_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit() {
        let rows = [
            ("512MiB", Some(512 << 20)),
            ("2 GiB", Some(2 << 30)),
            ("64KiB", Some(65_536)),
            ("7B", Some(7)),
            ("0B", Some(0)),
            ("512", None),
            ("512MB", None),
            ("MiB", None),
            ("-1KiB", None),
            ("1.5GiB", None),
            ("99999999TiB", None),
        ];
        for (text, bytes) in rows {
            assert_eq!(parse_bytes(text), bytes, "{text}");
        }
    }
}
