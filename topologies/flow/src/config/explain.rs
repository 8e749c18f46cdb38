//! What `docs/reference/codes.md` says of a code.

/// The page with a row per code.
const PAGE: &str = include_str!("../../../../docs/reference/codes.md");

/// A code of problems in pipeline files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explained {
    /// The code.
    pub code: &'static str,
    /// Its kind of problem in a few words.
    pub title: &'static str,
    /// What causes it.
    pub cause: &'static str,
    /// A line of a pipeline file that has it.
    pub example: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// All codes in their order.
pub fn all() -> impl Iterator<Item = Explained> {
    PAGE.lines().filter(|line| line.starts_with("| `")).filter_map(|row| {
        let cells: Vec<&'static str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let &[code, title, cause, example, remedy] = &cells[..] else { return None };
        let (code, example) = (code.trim_matches('`'), example.trim_matches('`'));
        Some(Explained { code, title, cause, example, remedy })
    })
}

/// The code that is written like this, in any case.
pub fn of(code: &str) -> Option<Explained> {
    all().find(|row| row.code.eq_ignore_ascii_case(code))
}
