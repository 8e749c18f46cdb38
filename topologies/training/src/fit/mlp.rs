//! Networks with hidden layers, by candle's layers, gradients and Adam.

#[cfg(test)]
mod tests;

use super::{Config, Error, Fitted, category};
use crate::dataset::Dataset;
use crate::random::{Purpose, Random};
use crate::trained::Epoch;
use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::optim::{AdamW, Optimizer, ParamsAdamW};
use candle_nn::{Linear, Module};
use model::network::{Place, places, widened};
use model::{Dense, Embedding, Standardisation};

/// Rows scored at once for the validation loss.
const VALIDATION_ROWS: usize = 4096;

pub(super) fn fit(
    config: &Config,
    hidden: &[usize],
    fitted: &Dataset,
    held: Option<&Dataset>,
    s: &Standardisation,
    embeddings: &mut [Embedding],
) -> std::result::Result<Fitted, Error> {
    let width = fitted.inputs.len();
    let widths: Vec<usize> = hidden.iter().copied().chain([config.outputs()]).collect();
    let net = Net::new(width, &widths, embeddings, config.seed)?;
    let examples = Examples { rows: s.apply(&fitted.rows), label: &fitted.label, width };
    let held = held.map(|h| Examples { rows: s.apply(&h.rows), label: &h.label, width });
    let mut fit = Fit::new(config, &net, examples.label.len())?;
    let mut history = Vec::new();
    let mut best: Option<(f64, usize, Learnt)> = None;
    for epoch in 0..config.epochs {
        let training_loss = fit.epoch(&net, &examples)?;
        let validation_loss = held.as_ref().map(|h| fit.validation_loss(&net, h)).transpose()?;
        history.push(Epoch { training_loss, validation_loss });
        let (Some(early), Some(loss)) = (config.early_stopping, validation_loss) else {
            continue;
        };
        if best.as_ref().is_none_or(|b| loss < b.0) {
            best = Some((loss, epoch, net.learnt()?));
        } else if best.as_ref().is_some_and(|b| epoch - b.1 >= early.patience) {
            break;
        }
    }
    let (layers, tables) = match best {
        Some((_, _, learnt)) => learnt,
        None => net.learnt()?,
    };
    for (embedding, table) in embeddings.iter_mut().zip(tables) {
        embedding.table = table;
        category::fill_unseen(embedding, fitted.rows.iter().skip(embedding.input).step_by(width).copied());
    }
    Ok((layers, history))
}

/// Layers, and tables of the embeddings.
type Learnt = (Vec<Dense>, Vec<Vec<f32>>);

/// Standardised inputs and labels.
struct Examples<'a> {
    rows: Vec<f32>,
    label: &'a [f32],
    width: usize,
}

impl Examples<'_> {
    fn batch(&self, at: &[usize]) -> Result<(Tensor, Tensor)> {
        let rows: Vec<f32> = at.iter().flat_map(|&r| &self.rows[r * self.width..][..self.width]).copied().collect();
        let label: Vec<f32> = at.iter().map(|&r| self.label[r]).collect();
        let rows = Tensor::from_vec(rows, (at.len(), self.width), &Device::Cpu)?;
        Ok((rows, Tensor::from_vec(label, (at.len(), 1), &Device::Cpu)?))
    }
}

/// The network while it learns.
struct Net {
    places: Vec<Place>,
    /// Vectors of the categories; a slot of an input that is one chooses among them.
    tables: Vec<Tensor>,
    layers: Vec<Linear>,
    weights: Vec<Var>,
    biases: Vec<Var>,
    /// The tables as what is learnt.
    vectors: Vec<Var>,
}

impl Net {
    /// Layers of these widths, the outputs last. First weights after He, uniform within ±√(6 / inputs), ±√(1 / inputs) in
    /// the last layer and for biases. Vectors are drawn last.
    fn new(width: usize, widths: &[usize], embeddings: &[Embedding], seed: u64) -> Result<Self> {
        let mut random = Random::new(seed, Purpose::Weights);
        let categories: Vec<usize> = embeddings.iter().map(|one| one.input).collect();
        let mut net = Self {
            places: places(width, &categories),
            tables: Vec::new(),
            layers: Vec::new(),
            weights: Vec::new(),
            biases: Vec::new(),
            vectors: Vec::new(),
        };
        let mut inputs = width - embeddings.len() + embeddings.iter().map(|one| one.dimension).sum::<usize>();
        for (at, &outputs) in widths.iter().enumerate() {
            let small = (1.0 / inputs as f32).sqrt();
            let limit = if at + 1 == widths.len() { small } else { (6.0 / inputs as f32).sqrt() };
            let mut draw = |limit: f32, n: usize| -> Vec<f32> { (0..n).map(|_| random.symmetric(limit)).collect() };
            let weight = Var::from_vec(draw(limit, outputs * inputs), (outputs, inputs), &Device::Cpu)?;
            let bias = Var::from_vec(draw(small, outputs), outputs, &Device::Cpu)?;
            net.layers.push(Linear::new(weight.as_tensor().clone(), Some(bias.as_tensor().clone())));
            net.weights.push(weight);
            net.biases.push(bias);
            inputs = outputs;
        }
        for embedding in embeddings {
            let shape = (embedding.slots(), embedding.dimension);
            let vectors = Var::from_vec(category::draw(embedding, &mut random), shape, &Device::Cpu)?;
            net.tables.push(vectors.as_tensor().clone());
            net.vectors.push(vectors);
        }
        Ok(net)
    }

    /// Logits of shape [rows, outputs]; `drop` scales the hidden values of a layer.
    fn forward(&self, rows: &Tensor, mut drop: impl FnMut(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        let mut x = widened(rows, &self.places, &self.tables)?;
        for (at, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&x)?;
            if at + 1 < self.layers.len() {
                x = drop(&x.relu()?)?;
            }
        }
        Ok(x)
    }

    fn learnt(&self) -> Result<Learnt> {
        let layer = |(weight, bias): (&Var, &Var)| {
            let (outputs, inputs) = weight.dims2()?;
            Ok(Dense { inputs, outputs, weight: weight.flatten_all()?.to_vec1()?, bias: bias.to_vec1()? })
        };
        let layers = self.weights.iter().zip(&self.biases).map(layer).collect::<Result<_>>()?;
        let table = |vectors: &Var| vectors.flatten_all()?.to_vec1();
        Ok((layers, self.vectors.iter().map(table).collect::<Result<_>>()?))
    }
}

/// What lives as long as the training does.
struct Fit<'a> {
    config: &'a Config,
    /// Two optimisers, because only weights and vectors decay.
    optimisers: [AdamW; 2],
    /// A weight per class, one below the other, where classes have some.
    class_weights: Option<Tensor>,
    order: Vec<usize>,
    order_random: Random,
    dropout_random: Random,
    step: usize,
    steps: usize,
}

impl<'a> Fit<'a> {
    fn new(config: &'a Config, net: &Net, rows: usize) -> Result<Self> {
        let params = |weight_decay| ParamsAdamW { lr: config.learning_rate, weight_decay, ..ParamsAdamW::default() };
        Ok(Self {
            config,
            optimisers: [
                AdamW::new([&net.weights[..], &net.vectors].concat(), params(config.weight_decay))?,
                AdamW::new(net.biases.clone(), params(0.0))?,
            ],
            class_weights: class_weights(&config.class_weights)?,
            order: (0..rows).collect(),
            order_random: Random::new(config.seed, Purpose::Order),
            dropout_random: Random::new(config.seed, Purpose::Dropout),
            step: 0,
            steps: config.epochs * rows.div_ceil(config.batch_rows),
        })
    }

    fn epoch(&mut self, net: &Net, examples: &Examples<'_>) -> Result<f64> {
        let mut order = std::mem::take(&mut self.order);
        self.order_random.shuffle(&mut order);
        let mut sum = 0.0;
        for at in order.chunks(self.config.batch_rows) {
            let (rows, label) = examples.batch(at)?;
            let loss = self.learn(net, &rows, &label)?;
            sum += f64::from(loss) * at.len() as f64;
        }
        let count = order.len() as f64;
        self.order = order;
        Ok(sum / count)
    }

    fn learn(&mut self, net: &Net, rows: &Tensor, label: &Tensor) -> Result<f32> {
        let (rate, random) = (self.config.dropout, &mut self.dropout_random);
        let logits = net.forward(rows, |hidden| match rate > 0.0 {
            true => {
                hidden.mul(&Tensor::from_vec(random.dropout(rate, hidden.elem_count()), hidden.shape(), &Device::Cpu)?)
            }
            false => Ok(hidden.clone()),
        })?;
        let loss = self.loss(&logits, label)?;
        let gradients = loss.backward()?;
        self.step += 1;
        let done = self.step as f64 / self.steps as f64;
        let rate = self.config.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        for optimiser in &mut self.optimisers {
            optimiser.set_learning_rate(rate);
            optimiser.step(&gradients)?;
        }
        loss.to_scalar()
    }

    /// Mean over rows of the weighted loss.
    fn loss(&self, logits: &Tensor, label: &Tensor) -> Result<Tensor> {
        let losses = self.config.loss.tensor(logits, label)?;
        if let Some(weights) = &self.class_weights {
            let of_row = weights.index_select(&label.flatten_all()?.to_dtype(DType::U32)?, 0)?;
            return (losses * of_row)?.mean_all();
        }
        if self.config.positive_weight == 1.0 {
            return losses.mean_all();
        }
        let weight = label.affine(self.config.positive_weight - 1.0, 1.0)?;
        (losses * weight)?.mean_all()
    }

    fn validation_loss(&self, net: &Net, held: &Examples<'_>) -> Result<f64> {
        let all: Vec<usize> = (0..held.label.len()).collect();
        let mut sum = 0.0;
        for at in all.chunks(VALIDATION_ROWS) {
            let (rows, label) = held.batch(at)?;
            let logits = net.forward(&rows, |hidden| Ok(hidden.clone()))?;
            sum += f64::from(self.loss(&logits, &label)?.to_scalar::<f32>()?) * at.len() as f64;
        }
        Ok(sum / all.len() as f64)
    }
}

fn class_weights(weights: &[f64]) -> Result<Option<Tensor>> {
    let narrow: Vec<f32> = weights.iter().map(|weight| *weight as f32).collect();
    let column = |narrow: Vec<f32>| Tensor::from_vec(narrow, (weights.len(), 1), &Device::Cpu);
    (!weights.is_empty()).then(|| column(narrow)).transpose()
}
