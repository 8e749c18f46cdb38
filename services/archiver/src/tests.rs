//! Tests of what needs no log: where groups end, and texts.

use crate::cuts::{Cuts, Groups};
use crate::text::{Numbers, headers};
use bytes::Bytes;
use offline::archive::{BUCKET_OFFSETS, FILE_INPUT_BYTES_MAX, FILE_ROWS_MAX};
use runtime::log::Header;

/// Records of (rows, bytes) from an offset on; the offsets behind which groups end.
#[track_caller]
fn check(start: i64, records: &[(usize, u64)], expected: &[i64]) {
    let mut cuts = Cuts::at(start);
    let mut groups = Groups::default();
    for (offset, (rows, bytes)) in (start..).zip(records) {
        groups.take(&mut cuts, (offset + 1, *rows, *bytes), String::new);
    }
    groups.end(String::new);
    let groups = groups.finish();
    let ends: Vec<i64> = groups.iter().map(|group| group.next_offset).collect();
    assert_eq!(ends, expected);
    let rows: usize = records.iter().map(|record| record.0).sum();
    assert_eq!(groups.last().map_or(0, |group| group.rows.end), rows);
}

#[test]
fn groups_end_where_files_do() {
    let many = FILE_ROWS_MAX as usize;
    check(0, &[], &[]);
    check(0, &[(1, 1), (0, 1), (2, 1)], &[3]);
    check(0, &[(many, 1), (1, 1)], &[1, 2]);
    check(0, &[(1, 1), (many, 1), (1, 1)], &[2, 3]);
    check(0, &[(1, FILE_INPUT_BYTES_MAX), (1, 1)], &[1, 2]);
    // Bytes of records without rows are in no file.
    check(0, &[(0, FILE_INPUT_BYTES_MAX), (1, 1)], &[2]);
    check(BUCKET_OFFSETS - 2, &[(1, 1), (1, 1), (1, 1)], &[BUCKET_OFFSETS, BUCKET_OFFSETS + 1]);
    // Nothing is open, so nothing ends there.
    check(BUCKET_OFFSETS - 2, &[(0, 1), (0, 1), (1, 1)], &[BUCKET_OFFSETS + 1]);
}

#[test]
fn headers_keep_every_byte() {
    let mut buffer = Vec::new();
    assert_eq!(headers(&[], &mut buffer), None);
    let list = [
        Header::new("a", "x\"y"),
        Header::new("a", Bytes::from_static(&[0xff, 0])),
        Header { name: "n".into(), value: None },
    ];
    assert_eq!(headers(&list, &mut buffer), Some(r#"[["a","x\"y"],["a",{"hex":"ff00"}],["n",null]]"#));
}

#[test]
fn numbers_come_back_and_foreign_texts_are_refused() {
    let numbers = Numbers { taken: Vec::new(), schema: Some(7) };
    assert!(Numbers::read("t", &numbers.text()).is_ok_and(|read| read == numbers));
    assert!(Numbers::read("t", "after 7").is_err());
}
