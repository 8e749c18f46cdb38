//! Objects as records. Fields may come in any order; a body that did not get them in the schema's is put in order at the end.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::super::Unknown;
use super::super::faults::Step;
use super::super::plan::Field;
use super::{At, Reading};
use crate::reject::Code;

/// Where the bytes of a field that has not come yet would lie.
const ABSENT: (usize, usize) = (usize::MAX, 0);

impl<'w> Reading<'w> {
    /// An object by the fields of a record.
    pub(super) fn record<'de, A: MapAccess<'de>>(
        &mut self,
        fields: &'w [Field],
        mut entries: A,
    ) -> Result<(), A::Error> {
        let (start, floor) = (self.out.len(), self.places.len());
        self.places.resize(floor + fields.len(), ABSENT);
        let (mut next, mut in_order) = (0, true);
        let reject = self.unknown == Unknown::Reject;
        while let Some(found) = entries.next_key_seed(Key { fields, next, reject })? {
            let at = match found {
                Found::Field(at) => at,
                Found::Unknown(name) => {
                    if reject {
                        self.faults.path.push(Step::Unknown(name));
                        self.faults.add(Code::FieldUnknown, "the schema has no such field");
                        self.faults.path.pop();
                    }
                    entries.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            self.faults.path.push(Step::Field(at, &fields[at].name));
            if self.places[floor + at] == ABSENT {
                let from = self.out.len();
                entries.next_value_seed(At { reading: self, node: &fields[at].node })?;
                self.places[floor + at] = (from, self.out.len());
                in_order &= at == next;
                next = at + 1;
            } else {
                self.faults.add(Code::JsonDuplicateKey, "the object has this key twice");
                entries.next_value::<IgnoredAny>()?;
            }
            self.faults.path.pop();
        }
        if !in_order || next != fields.len() {
            self.put_in_order(fields, start, floor);
        }
        self.places.truncate(floor);
        Ok(())
    }

    /// Makes the bytes from `start` on those of all fields in the schema's order, with defaults for absent ones.
    fn put_in_order(&mut self, fields: &'w [Field], start: usize, floor: usize) {
        let mut written = std::mem::take(&mut self.spare);
        written.clear();
        written.extend_from_slice(&self.out[start..]);
        self.out.truncate(start);
        for (at, field) in fields.iter().enumerate() {
            match self.places[floor + at] {
                ABSENT => {
                    self.faults.path.push(Step::Field(at, &field.name));
                    self.default(field);
                    self.faults.path.pop();
                }
                (from, to) => self.out.extend_from_slice(&written[from - start..to - start]),
            }
        }
        self.spare = written;
    }

    fn default(&mut self, field: &'w Field) {
        let Some(default) = &field.default else {
            return self.faults.add(Code::FieldNull, "missing, and the schema has no default");
        };
        let before = std::mem::replace(&mut self.forms.default, true);
        // Reading a value that is there cannot fail; what is wrong with it is a fault.
        let _ = At { reading: self, node: &field.node }.deserialize(default);
        self.forms.default = before;
    }
}

/// Which field a key names.
struct Key<'w> {
    fields: &'w [Field],
    /// The most likely one.
    next: usize,
    /// Whether the name of an unknown field is wanted.
    reject: bool,
}

enum Found {
    Field(usize),
    /// Its name, where it is wanted.
    Unknown(String),
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Found, E> {
        if self.fields.get(self.next).is_some_and(|field| field.name == name) {
            return Ok(Found::Field(self.next));
        }
        Ok(match self.fields.iter().position(|field| field.name == name) {
            Some(at) => Found::Field(at),
            None => Found::Unknown(if self.reject { name.to_owned() } else { String::new() }),
        })
    }
}
