//! What `schemas/rejects.md` says of a code.

use super::Code;

/// The page with a row per code.
const PAGE: &str = include_str!("../../rejects.md");

impl Code {
    /// What causes it, and what to do about it.
    pub fn help(self) -> Option<(&'static str, &'static str)> {
        let name = format!("`{}`", self.as_str());
        let mut rows = PAGE.lines().map(|line| line.split('|').map(str::trim));
        rows.find_map(|mut cells| {
            let is_row = cells.nth(1) == Some(&*name);
            Some((cells.next().filter(|_| is_row)?, cells.next()?))
        })
    }
}
