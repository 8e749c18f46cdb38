//! From a JSON parser straight to an Avro body: no value is built in between.

mod record;

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::faults::{Faults, Step};
use super::plan::{Named, Node, Union};
use super::scalar::{self, Forms, Scalar, long};
use super::{DEPTH_MAX, Unknown};
use crate::reject::Code;

/// What all values of an object share.
#[derive(Debug)]
pub(super) struct Reading<'w> {
    pub named: &'w Named,
    pub unknown: Unknown,
    pub forms: Forms,
    pub out: Vec<u8>,
    pub faults: Faults<'w>,
    /// Where the fields of open records lie in `out`.
    pub places: Vec<(usize, usize)>,
    /// Bytes that are being put in order.
    pub spare: Vec<u8>,
}

/// A value to be read.
pub(super) struct At<'c, 'w> {
    pub reading: &'c mut Reading<'w>,
    pub node: &'w Node,
}

impl<'de> DeserializeSeed<'de> for At<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        self.reading.scalar(self.node, Scalar::Bool(flag));
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.reading.scalar(self.node, Scalar::Integer(number));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        let number = i64::try_from(number).map_or(Scalar::Large(number), Scalar::Integer);
        self.reading.scalar(self.node, number);
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.reading.scalar(self.node, Scalar::Float(number));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.reading.scalar(self.node, Scalar::Text(text));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.reading.null(self.node);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<(), A::Error> {
        self.reading.array(self.node, items)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<(), A::Error> {
        self.reading.object(self.node, entries)
    }
}

impl<'w> Reading<'w> {
    fn resolve(&self, node: &'w Node) -> &'w Node {
        match node {
            Node::Named(name) => self.named.get(name).unwrap_or(node),
            node => node,
        }
    }

    fn null(&mut self, node: &'w Node) {
        match self.resolve(node) {
            Node::Null => {}
            Node::Union(Union { null: Some(at), .. }) => long(&mut self.out, *at),
            _ => self.faults.add(Code::FieldNull, "null, but a value is required"),
        }
    }

    fn scalar(&mut self, node: &'w Node, value: Scalar<'_>) {
        let node = self.resolve(node);
        let Node::Union(union) = node else {
            if let Err((code, what)) = scalar::write(node, value, self.forms, &mut self.out) {
                self.faults.add(code, what);
            }
            return;
        };
        let start = self.out.len();
        for (at, branch) in &union.others {
            long(&mut self.out, *at);
            let branch = self.resolve(branch);
            match scalar::write(branch, value, self.forms, &mut self.out) {
                Ok(()) => return,
                Err((code, what)) if union.others.len() == 1 => return self.faults.add(code, what),
                Err(_) => self.out.truncate(start),
            }
        }
        self.faults.add(Code::FieldType, format_args!("expected {}, got {value}", node.expected()));
    }

    fn array<'de, A: SeqAccess<'de>>(&mut self, node: &'w Node, mut items: A) -> Result<(), A::Error> {
        match self.resolve(node) {
            Node::Array(item) if self.faults.path.len() < DEPTH_MAX => self.elements(item, items),
            Node::Union(union) => {
                let is_array = |branch| matches!(self.resolve(branch), Node::Array(_));
                match union
                    .others
                    .iter()
                    .find(|(_, branch)| is_array(branch))
                    .or(union.others.first().filter(|_| union.others.len() == 1))
                {
                    Some((at, branch)) => {
                        long(&mut self.out, *at);
                        self.array(branch, items)
                    }
                    None => self.refuse_array(node, items),
                }
            }
            Node::Array(_) => {
                self.too_deep();
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(())
            }
            node => self.refuse_array(node, items),
        }
    }

    fn refuse_array<'de, A: SeqAccess<'de>>(&mut self, node: &Node, mut items: A) -> Result<(), A::Error> {
        self.faults.add(Code::FieldType, format_args!("expected {}, got an array", node.expected()));
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn elements<'de, A: SeqAccess<'de>>(&mut self, item: &'w Node, mut items: A) -> Result<(), A::Error> {
        let (start, mut count) = (self.open_block(), 0);
        loop {
            self.faults.path.push(Step::Index(count));
            let more = items.next_element_seed(At { reading: self, node: item })?;
            self.faults.path.pop();
            if more.is_none() {
                break;
            }
            count += 1;
        }
        self.close_block(start, count);
        Ok(())
    }

    fn object<'de, A: MapAccess<'de>>(&mut self, node: &'w Node, mut entries: A) -> Result<(), A::Error> {
        match self.resolve(node) {
            Node::Record(_) | Node::Map(_) if self.faults.path.len() >= DEPTH_MAX => {
                self.too_deep();
                while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(())
            }
            Node::Record(fields) => self.record(fields, entries),
            Node::Map(item) => self.map(item, entries),
            Node::Union(union) => {
                let is_object = |branch| matches!(self.resolve(branch), Node::Record(_) | Node::Map(_));
                let mut objects = union.others.iter().filter(|(_, branch)| is_object(branch));
                match (objects.next(), objects.next(), &union.others[..]) {
                    (Some((at, branch)), None, _) | (None, _, [(at, branch)]) => {
                        long(&mut self.out, *at);
                        self.object(branch, entries)
                    }
                    (None, ..) => self.refuse_object(node, entries),
                    (Some(_), Some(_), _) => {
                        // Which one it is shows only in the end, so it must be read more than once.
                        let value = Value::deserialize(MapAccessDeserializer::new(entries))?;
                        self.first_fit(union, &value);
                        Ok(())
                    }
                }
            }
            node => self.refuse_object(node, entries),
        }
    }

    fn refuse_object<'de, A: MapAccess<'de>>(&mut self, node: &Node, mut entries: A) -> Result<(), A::Error> {
        self.faults.add(Code::FieldType, format_args!("expected {}, got an object", node.expected()));
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn first_fit(&mut self, union: &'w Union, value: &Value) {
        let (start, before) = (self.out.len(), self.faults.len());
        for (at, branch) in &union.others {
            if !matches!(self.resolve(branch), Node::Record(_) | Node::Map(_)) {
                continue;
            }
            long(&mut self.out, *at);
            // Reading a value that is there cannot fail; what is wrong with it is a fault.
            let _ = At { reading: self, node: branch }.deserialize(value);
            if self.faults.len() == before {
                return;
            }
            self.faults.truncate(before);
            self.out.truncate(start);
        }
        self.faults.add(Code::FieldType, "the object is of none of the union's types");
    }

    fn map<'de, A: MapAccess<'de>>(&mut self, item: &'w Node, mut entries: A) -> Result<(), A::Error> {
        let (start, mut keys) = (self.open_block(), BTreeSet::new());
        while let Some(key) = entries.next_key::<String>()? {
            scalar::bytes(&mut self.out, key.as_bytes());
            let is_repeated = keys.contains(&key);
            self.faults.path.push(Step::Key(keys.len(), key));
            entries.next_value_seed(At { reading: self, node: item })?;
            if is_repeated {
                self.faults.add(Code::JsonDuplicateKey, "the object has this key twice");
            }
            if let Some(Step::Key(_, key)) = self.faults.path.pop() {
                keys.insert(key);
            }
        }
        self.close_block(start, keys.len());
        Ok(())
    }

    /// Leaves room for the count of an array's elements, which is known when they are written.
    fn open_block(&mut self) -> usize {
        self.out.push(0);
        self.out.len() - 1
    }

    fn close_block(&mut self, start: usize, count: usize) {
        if count == 0 {
            return;
        }
        // The count goes to the end, and from there into its place.
        let end = self.out.len();
        long(&mut self.out, count as i64);
        self.out[start] = self.out.remove(end);
        let more = self.out.len() - end;
        self.out[start + 1..].rotate_right(more);
        self.out.push(0);
    }

    fn too_deep(&mut self) {
        self.faults.add(Code::JsonDepth, format_args!("nested deeper than {DEPTH_MAX}"));
    }
}
