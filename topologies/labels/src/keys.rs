//! Key texts of a waiting event, packed. Most pipelines derive features from labels for one entity with a short key;
//! such an event needs no allocation of its own.

/// Bytes that fit without an allocation: with tag and length this makes the type 24 bytes.
const INLINE_BYTES_MAX: usize = 22;
/// Bytes of a key's length prefix.
const PREFIX_BYTES: usize = 2;

/// Key texts in the order of the entities; each may be null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Length and bytes.
    Inline(u8, [u8; INLINE_BYTES_MAX]),
    /// Bytes that are too many for the other form.
    Heap(Box<[u8]>),
}

impl Keys {
    /// Packs key texts; `buffer` is scratch space.
    pub(crate) fn pack<'a>(keys: impl Iterator<Item = Option<&'a str>>, buffer: &mut Vec<u8>) -> Self {
        buffer.clear();
        for key in keys {
            // Zero says null, so lengths are one more than they are. `schemas::key::KEY_BYTES_MAX` fits easily.
            let prefix = key.map_or(0, |key| key.len() as u16 + 1);
            buffer.extend_from_slice(&prefix.to_le_bytes());
            buffer.extend_from_slice(key.unwrap_or_default().as_bytes());
        }
        if buffer.len() > INLINE_BYTES_MAX {
            return Keys::Heap(buffer.as_slice().into());
        }
        let mut bytes = [0; INLINE_BYTES_MAX];
        bytes[..buffer.len()].copy_from_slice(buffer);
        Keys::Inline(buffer.len() as u8, bytes)
    }

    /// Packed bytes again; none when nobody packed them.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (mut rest, mut keys) = (bytes, Vec::new());
        while !rest.is_empty() {
            let (prefix, tail) = rest.split_first_chunk::<PREFIX_BYTES>()?;
            let length = usize::from(u16::from_le_bytes(*prefix));
            let (key, tail) = tail.split_at_checked(length.saturating_sub(1))?;
            keys.push(if length == 0 { None } else { Some(std::str::from_utf8(key).ok()?) });
            rest = tail;
        }
        Some(Self::pack(keys.into_iter(), &mut Vec::new()))
    }

    /// The packed bytes, equal for equal keys only.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Keys::Inline(len, bytes) => &bytes[..usize::from(*len)],
            Keys::Heap(bytes) => bytes,
        }
    }

    /// Bytes that are not in the value itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Keys::Inline(..) => 0,
            Keys::Heap(bytes) => bytes.len(),
        }
    }

    /// The key texts again.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        let mut rest = self.bytes();
        std::iter::from_fn(move || {
            let (prefix, tail) = rest.split_first_chunk::<PREFIX_BYTES>()?;
            let Some(len) = usize::from(u16::from_le_bytes(*prefix)).checked_sub(1) else {
                rest = tail;
                return Some(None);
            };
            let (key, tail) = tail.split_at(len);
            rest = tail;
            Some(std::str::from_utf8(key).ok())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(keys: &[Option<&str>], inline: bool) {
        let packed = Keys::pack(keys.iter().copied(), &mut Vec::new());
        assert_eq!(packed.iter().collect::<Vec<_>>(), keys);
        assert_eq!(matches!(packed, Keys::Inline(..)), inline);
    }

    #[test]
    fn packed_keys_come_out_as_they_went_in() {
        check(&[], true);
        check(&[Some("1234567890")], true);
        check(&[None, Some(""), Some("a")], true);
        check(&[Some("12345678901234567890")], true);
        check(&[Some("123456789012345678901")], false);
        check(&[Some("f47ac10b-58cc-4372-a567-0e02b2c3d479"), None, Some("é")], false);
    }
}
