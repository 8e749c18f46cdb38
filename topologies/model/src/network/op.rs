//! The network as one candle operation, and as candle's own layers.

use super::{Calibration, Head, Network, Place};
use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Result, Shape, Storage, Tensor, bail};
use candle_nn::{Linear, Module};

impl CustomOp1 for Network {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, inputs) = layout.shape().dims2()?;
        if inputs != self.inputs() {
            bail!("network takes {} inputs, the tensor has {inputs} columns", self.inputs());
        }
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("network needs rows that lie one after the other, call contiguous() first");
        };
        let CpuStorage::F32(values) = storage else {
            bail!("network takes f32 inputs, the tensor holds {:?}", storage_dtype(storage));
        };
        let mut scores = vec![0.0; rows * self.outputs()];
        self.score(&values[start..end], &mut scores);
        let shape = if self.head() == Head::Classes { Shape::from((rows, self.outputs())) } else { Shape::from(rows) };
        Ok((CpuStorage::F32(scores), shape))
    }
}

fn storage_dtype(storage: &CpuStorage) -> DType {
    use candle_core::backend::BackendStorage;
    storage.dtype()
}

impl Network {
    /// Scores a tensor of shape `[rows, inputs]` on the CPU, as one operation; the result has shape `[rows]`, and
    /// `[rows, classes]` where the network tells classes apart.
    pub fn score_tensor(&self, rows: &Tensor) -> Result<Tensor> {
        rows.apply_op1_no_bwd(self)
    }

    /// Scores rows given one after the other, through candle, into `out`; NaN stands for a null.
    pub fn score_into(&self, rows: &[f32], out: &mut [f32]) -> Result<()> {
        let rows = Tensor::from_slice(rows, (out.len() / self.outputs(), self.inputs()), &Device::Cpu)?;
        let scores = self.score_tensor(&rows)?;
        // Reading the storage in place spares the copy that `to_vec1` makes.
        match &*scores.storage_and_layout().0 {
            Storage::Cpu(CpuStorage::F32(scores)) => out.copy_from_slice(scores),
            _ => bail!("scores are not f32 on the CPU"),
        }
        Ok(())
    }

    /// [`Network::score_into`] a new vector: [`Network::outputs`] numbers per row.
    pub fn score_rows(&self, rows: &[f32]) -> Result<Vec<f32>> {
        let mut scores = vec![0.0; rows.len() / self.inputs() * self.outputs()];
        self.score_into(rows, &mut scores)?;
        Ok(scores)
    }

    /// The same network out of candle's own layers, on any device.
    ///
    /// Its bits depend on batch size and device; scores agree with [`Network::score`] to 1e-5 (of the
    /// target's deviation, where they are numbers). This is the form for a
    /// GPU, and what the operation is measured against.
    pub fn stock(&self, device: &Device) -> Result<Stock> {
        let inputs = self.inputs();
        let s = self.standardisation();
        let row = |f: &dyn Fn(usize) -> f64| -> Result<Tensor> {
            let values: Vec<f32> = (0..inputs).map(|i| f(i) as f32).collect();
            Tensor::from_vec(values, (1, inputs), device)
        };
        let layers = self.dense().iter().map(|l| {
            let weight = Tensor::from_slice(&l.weight, (l.outputs, l.inputs), device)?;
            Ok(Linear::new(weight, Some(Tensor::from_slice(&l.bias, l.outputs, device)?)))
        });
        let table = |one: &super::Embedding| Tensor::from_slice(&one.table, (one.slots(), one.dimension), device);
        Ok(Stock {
            tables: self.embeddings().iter().map(table).collect::<Result<_>>()?,
            places: self.embeddings.places.clone(),
            mean: row(&|i| s.mean[i])?,
            scale: row(&|i| 1.0 / s.std[i])?,
            fill: row(&|i| s.fill[i])?,
            layers: layers.collect::<Result<_>>()?,
            head: self.head(),
            logistic: match self.calibration() {
                None => (1.0, 0.0),
                Some(Calibration::Logistic { slope, offset }) => (*slope, *offset),
                Some(Calibration::Curve { .. }) => bail!("candle has no layer for a calibration curve"),
            },
        })
    }
}

/// A network made of candle's own layers.
#[derive(Debug, Clone)]
pub struct Stock {
    mean: Tensor,
    scale: Tensor,
    fill: Tensor,
    /// Vectors of the categories.
    tables: Vec<Tensor>,
    places: Vec<Place>,
    layers: Vec<Linear>,
    head: Head,
    /// Slope and offset before the sigmoid.
    logistic: (f64, f64),
}

impl Stock {
    /// Scores a tensor of shape `[rows, inputs]` with NaN for nulls and a category's slots in range; the result has the shape
    /// of [`Network::score_tensor`]'s.
    pub fn score(&self, rows: &Tensor) -> Result<Tensor> {
        // A NaN is the one value that does not equal itself.
        let present = rows.eq(rows)?;
        let rows = present.where_cond(rows, &self.fill.broadcast_as(rows.shape())?)?;
        self.score_present(&rows)
    }

    /// [`Stock::score`] for rows without nulls.
    pub fn score_present(&self, rows: &Tensor) -> Result<Tensor> {
        let standardised = rows.broadcast_sub(&self.mean)?.broadcast_mul(&self.scale)?;
        let mut x = widened(&standardised, &self.places, &self.tables)?;
        for (at, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&x)?;
            if at + 1 < self.layers.len() {
                x = x.relu()?;
            }
        }
        match self.head {
            Head::Probability => candle_nn::ops::sigmoid(&x.affine(self.logistic.0, self.logistic.1)?)?.squeeze(1),
            Head::Number { mean, std } => x.affine(std, mean)?.squeeze(1),
            Head::Classes => candle_nn::ops::softmax(&x.affine(self.logistic.0, 0.0)?, 1),
        }
    }
}

/// Standardised rows with vectors in the places of categories, as candle's operations have it.
pub fn widened(rows: &Tensor, places: &[Place], tables: &[Tensor]) -> Result<Tensor> {
    if tables.is_empty() {
        return Ok(rows.clone());
    }
    let part = |place: &Place| match place {
        Place::Numbers(range) => rows.narrow(1, range.start, range.len())?.contiguous(),
        Place::Vector { embedding, input } => {
            let slots = rows.narrow(1, *input, 1)?.squeeze(1)?.contiguous()?.to_dtype(DType::U32)?;
            tables[*embedding].index_select(&slots, 0)
        }
    };
    Tensor::cat(&places.iter().map(part).collect::<Result<Vec<_>>>()?, 1)
}
