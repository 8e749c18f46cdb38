//! `docs/codes.md` and the codes agree.

use crate::config::CODES;

const PAGE: &str = include_str!("../../../../../docs/codes.md");

#[test]
fn every_code_has_a_row_with_its_title_and_every_row_a_code() {
    let mut documented = Vec::new();
    for row in PAGE.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [code, title, cause, help] = cells[..] else { panic!("not four cells: {row}") };
        assert!(cause.len() > 20 && help.len() > 15, "say more in: {row}");
        documented.push((code.trim_matches('`'), title));
    }
    assert_eq!(documented, CODES, "rows of docs/codes.md, and the codes in their order");
}

#[test]
fn codes_are_numbered_without_a_gap() {
    for (number, (code, _)) in (1..).zip(CODES) {
        assert_eq!(*code, format!("TM{number:04}"));
    }
}
