//! Weights in safetensors, read strictly.
//!
//! The format's own reader accepts headers of 100 MB and keeps one of two tensors with the same name. So the header is
//! read here first, against the exact list of tensors that the manifest's network must have.

use super::{Error, WEIGHTS_HEADER_BYTES_MAX};
use crate::network::{Dense, Embedding};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// Bytes before the header that hold its length.
const LENGTH_BYTES: usize = 8;

/// What the weights of a network are, as its manifest has it.
pub(super) struct Shape<'a> {
    /// Inputs.
    pub inputs: usize,
    /// Widths of hidden layers.
    pub hidden: &'a [usize],
    /// Outputs of the last layer.
    pub outputs: usize,
    /// Input, slots and dimension of each embedding.
    pub embeddings: Vec<(usize, usize, usize)>,
}

/// Writes layers and embeddings; equal ones give equal bytes.
pub(super) fn write(layers: &[Dense], embeddings: &[Embedding]) -> Result<Vec<u8>, Error> {
    let damaged = |e: safetensors::SafeTensorError| Error::WeightsSyntax(e.to_string());
    let bytes = |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
    let mut data: Vec<(String, Vec<usize>, Vec<u8>)> = layers
        .iter()
        .enumerate()
        .flat_map(|(at, l)| {
            let [weight, bias] = names(at);
            [(weight, vec![l.outputs, l.inputs], bytes(&l.weight)), (bias, vec![l.outputs], bytes(&l.bias))]
        })
        .collect();
    let table = |(at, one): (usize, &Embedding)| (table(at), vec![one.slots(), one.dimension], bytes(&one.table));
    data.extend(embeddings.iter().enumerate().map(table));
    let mut views = BTreeMap::new();
    for (name, shape, bytes) in &data {
        views.insert(name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(damaged)?);
    }
    safetensors::serialize(views, None).map_err(damaged)
}

/// Reads the layers and embeddings of a network of this shape.
pub(super) fn read(bytes: &[u8], shape: &Shape<'_>) -> Result<(Vec<Dense>, Vec<Embedding>), Error> {
    let vectors: usize = shape.embeddings.iter().map(|(_, _, dimension)| dimension).sum();
    let inputs = shape.inputs - shape.embeddings.len() + vectors;
    let widths: Vec<usize> =
        std::iter::once(inputs).chain(shape.hidden.iter().copied()).chain([shape.outputs]).collect();
    let mut expected = BTreeMap::new();
    for (at, pair) in widths.windows(2).enumerate() {
        let [weight, bias] = names(at);
        expected.insert(weight, vec![pair[1], pair[0]]);
        expected.insert(bias, vec![pair[1]]);
    }
    for (at, (_, slots, dimension)) in shape.embeddings.iter().enumerate() {
        expected.insert(table(at), vec![*slots, *dimension]);
    }
    check_names(header(bytes)?, &expected)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| Error::WeightsSyntax(e.to_string()))?;
    let values = |name: &str| -> Result<Vec<f32>, Error> {
        let view = tensors.tensor(name).map_err(|_| Error::TensorMissing(name.into()))?;
        check_shape(name, &view, &expected[name])?;
        Ok(view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
    };
    let layer = |(at, pair): (usize, &[usize])| {
        let [weight, bias] = names(at);
        Ok(Dense { inputs: pair[0], outputs: pair[1], weight: values(&weight)?, bias: values(&bias)? })
    };
    let embedding = |(at, (input, _, dimension)): (usize, &(usize, usize, usize))| {
        Ok(Embedding { input: *input, dimension: *dimension, table: values(&table(at))? })
    };
    let layers = widths.windows(2).enumerate().map(layer).collect::<Result<_, Error>>()?;
    Ok((layers, shape.embeddings.iter().enumerate().map(embedding).collect::<Result<_, Error>>()?))
}

fn table(embedding: usize) -> String {
    format!("embeddings.{embedding}.table")
}

fn names(layer: usize) -> [String; 2] {
    [format!("layers.{layer}.weight"), format!("layers.{layer}.bias")]
}

fn header(bytes: &[u8]) -> Result<&[u8], Error> {
    let short = || Error::WeightsSyntax(format!("{} bytes are too few for its header", bytes.len()));
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>().ok_or_else(short)?;
    let length = u64::from_le_bytes(*length);
    match usize::try_from(length) {
        Ok(n) if n <= WEIGHTS_HEADER_BYTES_MAX => rest.get(..n).ok_or_else(short),
        _ => Err(Error::WeightsHeaderTooLarge { bytes: length }),
    }
}

fn check_names(header: &[u8], expected: &BTreeMap<String, Vec<usize>>) -> Result<(), Error> {
    let mut names = serde_json::from_slice::<Names>(header).map_err(|e| Error::WeightsSyntax(e.to_string()))?.0;
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::TensorDuplicate(pair[0].clone()));
    }
    if let Some(name) = names.iter().find(|name| !expected.contains_key(*name)) {
        return Err(Error::TensorUnknown(name.clone()));
    }
    match expected.keys().find(|name| !names.contains(name)) {
        Some(name) => Err(Error::TensorMissing(name.clone())),
        None => Ok(()),
    }
}

fn check_shape(name: &str, view: &TensorView<'_>, shape: &[usize]) -> Result<(), Error> {
    if view.dtype() == Dtype::F32 && view.shape() == shape {
        return Ok(());
    }
    let actual = format!("{:?} {:?}", view.dtype(), view.shape());
    Err(Error::TensorShape { name: name.into(), actual, expected: format!("F32 {shape:?}") })
}

/// The keys of a JSON object, repeated ones included.
struct Names(Vec<String>);

impl<'de> serde::Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
        let mut names = Vec::new();
        while let Some((name, IgnoredAny)) = map.next_entry()? {
            names.push(name);
        }
        Ok(Names(names))
    }
}
