#![allow(clippy::unwrap_used)]

use super::*;

type Header<'a> = (&'a str, Option<&'a [u8]>);

#[track_caller]
fn check(value: Option<&[u8]>, headers: &[Header<'_>], expected: Result<(u32, &[u8]), Code>) {
    let got = split(value, headers.iter().copied());
    assert_eq!(got.map(|f| (f.id, f.body)).map_err(|r| r.code), expected);
}

#[test]
fn prefix_names_schema_and_body_follows() {
    check(Some(&[0, 0, 0, 0, 7, 1, 2]), &[], Ok((7, &[1, 2])));
    check(Some(&[0, 0xff, 0xff, 0xff, 0xff, 9]), &[], Ok((u32::MAX, &[9])));
    check(Some(&[0, 0, 0, 0, 7]), &[], Ok((7, &[])));
    assert_eq!(prefix(0x0102_0304), [0, 1, 2, 3, 4]);
}

#[test]
fn bad_frames_are_told_apart() {
    check(None, &[], Err(Code::NullValue));
    check(Some(&[]), &[], Err(Code::NullValue));
    check(Some(&[0]), &[], Err(Code::FrameTooShort));
    check(Some(&[0, 0, 0, 1]), &[], Err(Code::FrameTooShort));
    check(Some(&[1, 0, 0, 0, 1, 5]), &[], Err(Code::FrameMagic));
    check(Some(b"{\"a\":1}"), &[], Err(Code::FrameMagic));
    check(Some(&[9]), &[], Err(Code::FrameMagic));
}

#[test]
fn header_id_takes_whole_value_as_body() {
    let id: Header<'_> = (VALUE_SCHEMA_ID_HEADER, Some(&[0, 0, 0, 1, 2]));
    let other: Header<'_> = ("traceparent", Some(b"00"));
    check(Some(&[0, 0, 0, 0, 7, 1]), &[other, id], Ok((258, &[0, 0, 0, 0, 7, 1])));
    check(Some(&[0, 0, 0, 0, 7, 1]), &[other], Ok((7, &[1])));
    check(None, &[id], Err(Code::NullValue));
}

#[test]
fn unusable_header_ids_are_refused() {
    let guid = [1u8; 17];
    check(Some(&[1]), &[(VALUE_SCHEMA_ID_HEADER, Some(&guid))], Err(Code::SchemaIdGuid));
    for bytes in [&guid[..16], &[0, 0, 0, 1], &[2, 0, 0, 0, 1], &[]] {
        check(Some(&[1]), &[(VALUE_SCHEMA_ID_HEADER, Some(bytes))], Err(Code::SchemaIdHeader));
    }
    check(Some(&[1]), &[(VALUE_SCHEMA_ID_HEADER, None)], Err(Code::SchemaIdHeader));
}
