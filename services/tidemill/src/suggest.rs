//! What was probably meant: the nearest of several names.

/// The candidate that `wrong` is probably a slip for, if one is near enough.
pub fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near_max = (wrong.chars().count() / 3).max(1);
    let wrong = wrong.to_lowercase();
    let scored = candidates.into_iter().map(|name| (distance(&wrong, &name.to_lowercase()), name));
    scored.filter(|(edits, _)| *edits <= near_max).min().map(|(_, name)| name)
}

/// Edit distance by insertions, deletions and substitutions.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let names = ["amount", "customer_id", "terminal_id"];
        assert_eq!(nearest("amuont", names), Some("amount"));
        assert_eq!(nearest("CUSTOMERID", names), Some("customer_id"));
        assert_eq!(nearest("colour", names), None);
        assert_eq!(nearest("amount", []), None);
    }
}
