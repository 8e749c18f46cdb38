//! One JSON value that is no array and no object, as Avro writes it.

use std::fmt;

use arrow::array::timezone::Tz;
use arrow::compute::kernels::cast_utils::{Parser, string_to_datetime};
use arrow::datatypes::Date32Type;
use std::sync::LazyLock;

use super::TimeUnit;
use super::plan::{Decimal, Node};
use crate::reject::Code;

/// Bytes of a UUID.
const UUID_BYTES: usize = 16;
/// Longest piece of an offending value that is repeated in a fault.
const SHOWN_CHARS_MAX: usize = 60;

static UTC: LazyLock<Option<Tz>> = LazyLock::new(|| "+00:00".parse().ok());

/// A value as the parser found it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scalar<'v> {
    Bool(bool),
    Integer(i64),
    /// A whole number above 64 bits with a sign.
    Large(u64),
    Float(f64),
    Text(&'v str),
}

impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Bool(flag) => write!(f, "{flag}"),
            Scalar::Integer(number) => write!(f, "{number}"),
            Scalar::Large(number) => write!(f, "{number}"),
            Scalar::Float(number) => write!(f, "{number:?}"),
            Scalar::Text(text) => {
                let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
                write!(f, "{shown:?}")
            }
        }
    }
}

/// A fault at the value in hand.
pub(super) type Fault = (Code, String);

/// How values are read that have more than one form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forms {
    /// Unit of times that are numbers; the schema's own where none is declared.
    pub times: Option<TimeUnit>,
    /// Whether the value is a schema's default, which Avro spells its own way.
    pub default: bool,
}

/// Appends the value, or says what is wrong with it; what was appended then is for the caller to remove.
pub(super) fn write(node: &Node, value: Scalar<'_>, forms: Forms, out: &mut Vec<u8>) -> Result<(), Fault> {
    let wrong = || Err((Code::FieldType, format!("expected {}, got {value}", node.expected())));
    match (node, value) {
        (Node::Boolean, Scalar::Bool(flag)) => out.push(u8::from(flag)),
        (Node::Int, _) => long(out, narrow(node, value)?.into()),
        (Node::Long, _) => long(out, whole(node, value)?),
        (Node::Float, _) => {
            let number = double(node, value)?;
            let narrow = number as f32;
            if narrow.is_infinite() {
                return Err((Code::FieldRange, format!("{number:?} does not fit 32 bits")));
            }
            out.extend_from_slice(&narrow.to_le_bytes());
        }
        (Node::Double, _) => out.extend_from_slice(&double(node, value)?.to_le_bytes()),
        (Node::Text, Scalar::Text(text)) => bytes(out, text.as_bytes()),
        (Node::Bytes, Scalar::Text(text)) => bytes(out, &code_points(text)?),
        (Node::Fixed(size), Scalar::Text(text)) => {
            let read = code_points(text)?;
            if read.len() != *size {
                return Err((Code::FieldRange, format!("{} bytes instead of {size}", read.len())));
            }
            out.extend_from_slice(&read);
        }
        (Node::Uuid, Scalar::Text(text)) if forms.default => {
            let read = code_points(text)?;
            match read.len() {
                UUID_BYTES => out.extend_from_slice(&read),
                bytes => return Err((Code::FieldRange, format!("{bytes} bytes instead of {UUID_BYTES}"))),
            }
        }
        (Node::Uuid, Scalar::Text(text)) => match uuid(text) {
            Some(read) => out.extend_from_slice(&read.to_be_bytes()),
            None => return wrong(),
        },
        (Node::Enum(symbols), Scalar::Text(text)) => match symbols.iter().position(|symbol| symbol == text) {
            Some(at) => long(out, at as i64),
            None => return Err((Code::FieldEnum, format!("{value} is none of {}", symbols.join(", ")))),
        },
        (Node::Date, Scalar::Text(text)) => match Date32Type::parse(text) {
            Some(days) => long(out, days.into()),
            None => return Err((Code::TimeInvalid, format!("{value} is no date such as 2018-04-01"))),
        },
        (Node::Date, _) => long(out, narrow(node, value)?.into()),
        (Node::Instant(per_second), _) => long(out, instant(node, *per_second, value, forms)?),
        (Node::Decimal(decimal), Scalar::Text(text)) if forms.default => match decimal.fixed {
            None => bytes(out, &code_points(text)?),
            Some(_) => out.extend_from_slice(&code_points(text)?),
        },
        (Node::Decimal(decimal), _) => match value {
            Scalar::Text(text) => decimal.write(text, out)?,
            Scalar::Integer(number) => decimal.write(&number.to_string(), out)?,
            Scalar::Large(number) => decimal.write(&number.to_string(), out)?,
            Scalar::Float(number) => decimal.write(&number.to_string(), out)?,
            Scalar::Bool(_) => return wrong(),
        },
        _ => return wrong(),
    }
    Ok(())
}

/// Avro's variable-length zigzag form of a long.
pub(super) fn long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Bytes with their length before them.
pub(super) fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

fn whole(node: &Node, value: Scalar<'_>) -> Result<i64, Fault> {
    match value {
        Scalar::Integer(number) => Ok(number),
        Scalar::Large(number) => Err((Code::FieldRange, format!("{number} does not fit 64 bits"))),
        _ => Err((Code::FieldType, format!("expected {}, got {value}", node.expected()))),
    }
}

fn narrow(node: &Node, value: Scalar<'_>) -> Result<i32, Fault> {
    let number = whole(node, value)?;
    i32::try_from(number).map_err(|_| (Code::FieldRange, format!("{number} does not fit 32 bits")))
}

fn double(node: &Node, value: Scalar<'_>) -> Result<f64, Fault> {
    match value {
        Scalar::Float(number) => Ok(number),
        Scalar::Integer(number) => Ok(number as f64),
        Scalar::Large(number) => Ok(number as f64),
        Scalar::Text(text) if text.parse::<f64>().is_ok_and(|number| !number.is_finite()) => {
            Err((Code::FieldNan, format!("{value} is not a finite number")))
        }
        _ => Err((Code::FieldType, format!("expected {}, got {value}", node.expected()))),
    }
}

/// A time as RFC 3339 text, or as a number in its declared unit.
fn instant(node: &Node, per_second: i64, value: Scalar<'_>, forms: Forms) -> Result<i64, Fault> {
    let range = || (Code::FieldRange, format!("{value} is no time that fits 64 bits of the schema's unit"));
    let declared = forms.times.filter(|_| !forms.default).map_or(per_second, TimeUnit::per_second);
    match value {
        Scalar::Text(text) => {
            let Some(Ok(time)) = UTC.map(|utc| string_to_datetime(&utc, text)) else {
                return Err((Code::TimeInvalid, format!("{value} is no RFC 3339 time such as 2018-04-01T00:00:31Z")));
            };
            match per_second > TimeUnit::Microseconds.per_second() {
                true => time.timestamp_nanos_opt().ok_or_else(range),
                false => Ok(time.timestamp_micros().div_euclid(1_000_000 / per_second)),
            }
        }
        Scalar::Float(number) if forms.times.is_some() && !forms.default => {
            let ticks = (number * (per_second as f64 / declared as f64)).round();
            // The bounds are exact in a double; what lies between them fits.
            (-(2_f64.powi(63))..2_f64.powi(63)).contains(&ticks).then_some(ticks as i64).ok_or_else(range)
        }
        _ => {
            let number = whole(node, value)?;
            match declared <= per_second {
                true => number.checked_mul(per_second / declared).ok_or_else(range),
                false => Ok(number.div_euclid(declared / per_second)),
            }
        }
    }
}

/// The number that the digits of a UUID's five groups are.
fn uuid(text: &str) -> Option<u128> {
    let groups = text.split('-').map(str::len);
    let is_digits = text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    let number = || u128::from_str_radix(&text.replace('-', ""), 16).ok();
    (is_digits && groups.eq([8, 4, 4, 4, 12])).then(number).flatten()
}

fn code_points(text: &str) -> Result<Vec<u8>, Fault> {
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    bytes.ok_or_else(|| (Code::FieldRange, "a code point above 255 in a bytes field".to_owned()))
}

impl Decimal {
    /// Appends the number that a text like `-12.50` names, unscaled, as two's complement with the sign first.
    fn write(&self, text: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
        let number = self.unscaled(text)?;
        let all = number.to_be_bytes();
        // Leading bytes that repeat the sign say nothing.
        let sign = if number < 0 { 0xff } else { 0 };
        let spare = |at: &usize| all[*at] == sign && (all[*at + 1] ^ sign) & 0x80 == 0;
        let least = &all[(0..all.len() - 1).take_while(spare).count()..];
        match self.fixed {
            None => bytes(out, least),
            Some(size) if least.len() > size => {
                return Err((Code::FieldRange, format!("{text} does not fit {size} bytes")));
            }
            Some(size) => {
                out.extend(std::iter::repeat_n(sign, size - least.len()));
                out.extend_from_slice(least);
            }
        }
        Ok(())
    }

    fn unscaled(&self, text: &str) -> Result<i128, Fault> {
        let (digits, negative) = match text.strip_prefix('-') {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() || !whole.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit()) {
            let shown = Scalar::Text(text);
            return Err((Code::FieldType, format!("expected a decimal number such as 12.50, got {shown}")));
        }
        let decimals = decimals.trim_end_matches('0');
        if decimals.len() > self.scale {
            let scale = self.scale;
            return Err((Code::FieldRange, format!("{text} has more decimals than the schema's {scale}")));
        }
        let zeros = "0".repeat(self.scale - decimals.len());
        let number = [whole, decimals, &zeros].concat().parse::<i128>().ok();
        let number = number.filter(|number| 10_i128.checked_pow(self.precision).is_none_or(|end| *number < end));
        let precision = self.precision;
        let number = number
            .ok_or_else(|| (Code::FieldRange, format!("{text} has more digits than the schema's {precision}")))?;
        Ok(if negative { -number } else { number })
    }
}
