#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow::array::*;

use super::*;

#[track_caller]
fn check(array: impl Array + 'static, expected: &[Option<&str>]) {
    let array: ArrayRef = Arc::new(array);
    for (row, expected) in expected.iter().enumerate() {
        let mut text = "before ".to_owned();
        let found = key_text(&array, row, &mut text);
        assert_eq!(
            (found.is_some(), text.as_str()),
            (expected.is_some(), &*format!("before {}", expected.unwrap_or("")))
        );
    }
    assert_eq!(is_key_type(array.data_type()), expected.iter().any(Option::is_some));
}

#[test]
fn canonical_text_of_each_type() {
    check(Int32Array::from(vec![Some(7), None, Some(i32::MIN)]), &[Some("7"), None, Some("-2147483648")]);
    check(Int64Array::from(vec![i64::MAX, 0]), &[Some("9223372036854775807"), Some("0")]);
    check(UInt64Array::from(vec![u64::MAX]), &[Some("18446744073709551615")]);
    check(Int8Array::from(vec![-1]), &[Some("-1")]);
    check(StringArray::from(vec![Some("Zürich 7"), Some(""), None]), &[Some("Zürich 7"), Some(""), None]);
    check(StringViewArray::from(vec!["a longer text than fits inline"]), &[Some("a longer text than fits inline")]);
    check(BooleanArray::from(vec![true, false]), &[Some("true"), Some("false")]);
    let symbols: DictionaryArray<Int32Type> = vec![Some("CARD"), None, Some("CASH")].into_iter().collect();
    check(symbols, &[Some("CARD"), None, Some("CASH")]);
    check(Float64Array::from(vec![1.0]), &[None]);
    check(BinaryArray::from(vec![&b"x"[..]]), &[None]);
}

#[test]
fn slices_are_read_at_their_own_rows() {
    let array = Int32Array::from(vec![1, 2, 3]).slice(1, 2);
    check(array, &[Some("2"), Some("3")]);
}

/// Values published with the reference implementation of XXH3 (seed 0).
#[test]
fn key_hash_is_xxh3() {
    assert_eq!(key_hash(""), 0x2d06_8005_38d3_94c2);
    assert_eq!(key_hash("a"), 0xe6c6_32b6_1e96_4e1f);
    assert_eq!(key_hash("abc"), 0x78af_5f94_892f_3950);
    assert_eq!(key_group(0x78af_5f94_892f_3950), 0x78);
}

#[test]
fn groups_fill_partitions_in_order_and_evenly() {
    for partitions in [1, 2, 3, 4, 7, 16, 256] {
        let of: Vec<u32> = (0..KEY_GROUPS).map(|group| internal_partition(group, partitions)).collect();
        assert!(of.is_sorted() && of[0] == 0 && of[255] == partitions - 1);
        for partition in 0..partitions {
            let groups = of.iter().filter(|p| **p == partition).count() as u32;
            assert!(groups == KEY_GROUPS / partitions || groups == KEY_GROUPS.div_ceil(partitions));
        }
    }
    assert_eq!(log_partition("abc", 4), 0x78 / 64);
}

/// The values in Kafka's own `UtilsTest.testMurmur2`.
#[test]
fn murmur2_is_kafkas() {
    let published: [(&str, i32); 6] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ];
    for (text, expected) in published {
        assert_eq!(murmur2(text.as_bytes()) as i32, expected, "{text}");
    }
}

#[test]
fn public_partition_drops_the_sign() {
    // toPositive(-973,932,308) is 1,173,551,340.
    assert_eq!(public_partition(b"21", 4), 1_173_551_340 % 4);
    assert_eq!(public_partition(b"21", 7), 1_173_551_340 % 7);
    assert_eq!(public_partition(b"abc", 1), 0);
}

#[test]
fn a_category_is_the_same_text_in_every_type() {
    let of = |array: &dyn Array| {
        let text = |row| {
            let mut text = String::new();
            category_text(array, row, &mut text).map(|()| text)
        };
        (0..array.len()).map(text).collect::<Vec<_>>()
    };
    let texts = |texts: &[Option<&str>]| texts.iter().map(|text| text.map(str::to_owned)).collect::<Vec<_>>();
    let three = texts(&[Some("3"), None, Some("-1")]);
    assert_eq!(of(&Int32Array::from(vec![Some(3), None, Some(-1)])), three);
    assert_eq!(of(&Float64Array::from(vec![Some(3.0), None, Some(-1.0)])), three);
    assert_eq!(of(&StringArray::from(vec![Some("3"), None, Some("-1")])), three);
    let odd = Float64Array::from(vec![-0.0, 0.1, 1e21, f64::NAN, f64::INFINITY]);
    let expected = [Some("0"), Some("0.1"), Some("1000000000000000000000"), None, None];
    assert_eq!(of(&odd), texts(&expected));
    assert_eq!(of(&Float32Array::from(vec![0.5_f32])), texts(&[Some("0.5")]));
    assert_eq!(of(&BooleanArray::from(vec![true])), texts(&[Some("true")]));
    assert!(is_category_type(&DataType::Float32) && is_category_type(&DataType::Utf8));
    assert!(!is_category_type(&DataType::Date32) && !is_category_type(&DataType::Binary));
}
