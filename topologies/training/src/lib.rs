//! From a dataset to a model: training, its metrics, and the facts that go into the artefact.
//!
//! Everything here is a function of its arguments. The same dataset, configuration and seed give the same model digest
//! on the same kind of processor; what the seed decides (first weights, order of rows, dropout) comes from ChaCha
//! streams of ours, because candle's own generator cannot be seeded on a CPU.

pub mod dataset;
pub mod fit;
pub mod metrics;
pub mod random;

mod threshold;
mod trained;

pub use dataset::{Category, Columns, Dataset, Task};
pub use fit::{Calibrate, CategoryConfig, Config, EarlyStopping, Kind, Loss, Method, train};
pub use metrics::{evaluate, evaluate_classes, evaluate_numbers};
pub use trained::{Epoch, Facts, Trained};
