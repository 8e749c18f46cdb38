//! Which texts are keys, and how to make one from any text.

use super::{Error, Result};

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 900;
/// The longest segment of a key, in bytes. File systems allow 255; the rest is room for our own suffixes.
pub const SEGMENT_BYTES_MAX: usize = 230;

/// Makes one segment of any text, so that different texts stay different: letters, digits and `-_.=` stand for
/// themselves, every other byte becomes `%` and two hex digits.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        // A leading dot is escaped as well: `.` and `..` mean something else to a file system.
        if is_plain(byte) && !(at == 0 && byte == b'.') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The text that [`escape`] made this segment of; `None` if it made it of none.
pub fn unescape(segment: &str) -> Option<String> {
    let mut out = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = [bytes.next()?, bytes.next()?];
        let text = std::str::from_utf8(&digits).ok()?;
        out.push(u8::from_str_radix(text, 16).ok()?);
    }
    String::from_utf8(out).ok()
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'=')
}

/// Refuses what is not a key on every kind of store.
pub(super) fn check(key: &str) -> Result<()> {
    let bad = |detail: String| Err(Error::BadKey { key: key.to_owned(), detail });
    if key.len() > KEY_BYTES_MAX {
        return bad(format!("longer than {KEY_BYTES_MAX} bytes"));
    }
    for segment in key.split('/') {
        if segment.is_empty() {
            return bad("empty segment".to_owned());
        }
        if segment.starts_with('.') {
            return bad(format!("segment `{segment}` starts with a dot"));
        }
        if segment.len() > SEGMENT_BYTES_MAX {
            return bad(format!("segment `{segment}` is longer than {SEGMENT_BYTES_MAX} bytes"));
        }
        if let Some(byte) = segment.bytes().find(|b| !is_plain(*b) && *b != b'%') {
            return bad(format!("segment `{segment}` has the byte {byte:#04x}; escape text from outside"));
        }
    }
    Ok(())
}

/// Like [`check`], and the empty prefix stands for everything.
pub(super) fn check_prefix(prefix: &str) -> Result<()> {
    if prefix.is_empty() {
        return Ok(());
    }
    check(prefix)
}
