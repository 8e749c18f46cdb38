//! What `schemas/rejects.md` says of a code.

use super::Code;

/// The page with a row per code.
const PAGE: &str = include_str!("../../rejects.md");

/// What there is to say of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Help {
    /// What causes it.
    pub cause: &'static str,
    /// A record that is rejected with it, as JSON between backticks or in words.
    pub example: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

impl Code {
    /// What causes it, an example, and what to do about it.
    pub fn help(self) -> Option<Help> {
        let name = format!("`{}`", self.as_str());
        PAGE.lines().find_map(|line| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            cells.next().filter(|code| *code == name)?;
            Some(Help { cause: cells.next()?, example: cells.next()?, remedy: cells.next()? })
        })
    }
}
