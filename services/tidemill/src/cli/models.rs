//! Arguments of commands that make, measure, use and promote models.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use scorer::Readiness;

use super::rows::{RowsArgs, Versioned, WindowArgs};

/// `tidemill dataset`.
#[derive(Debug, Subcommand)]
pub enum Dataset {
    /// Build a dataset and keep its manifest in the store; models name it by its digest.
    Build {
        /// The model whose inputs and target it has. Default: the only one.
        #[arg(long, value_name = "NAME")]
        model: Option<String>,
        #[command(flatten)]
        window: WindowArgs,
        /// Write the rows to this Parquet file too.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// `tidemill train`.
#[derive(Debug, Args)]
pub struct Train {
    /// The model, as the pipeline declares it. Default: the only one.
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Seed of first weights and the order of rows. Default: as the pipeline says.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Make it the champion.
    #[arg(long)]
    pub promote: bool,
    #[command(flatten)]
    pub readiness: ReadinessArgs,
    #[command(flatten)]
    pub rows: RowsArgs,
}

/// `tidemill evaluate`.
#[derive(Debug, Args)]
pub struct Evaluate {
    /// The model, with @VERSION if not the newest.
    #[arg(value_name = "NAME[@VERSION]")]
    pub model: Versioned,
    #[command(flatten)]
    pub rows: RowsArgs,
}

/// `tidemill score`.
#[derive(Debug, Args)]
pub struct Score {
    /// The model, with @VERSION if not the newest.
    #[arg(value_name = "NAME[@VERSION]")]
    pub model: Versioned,
    /// Parquet file with features, as `features compute` writes it, or of an archived features log.
    pub file: PathBuf,
    /// Parquet file to write: id, time, score, decision.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Scores at or above this are decided positive. Default: the threshold that came with the model.
    #[arg(long, value_name = "SCORE")]
    pub threshold: Option<f64>,
}

/// `tidemill model`.
#[derive(Debug, Subcommand)]
pub enum Model {
    /// List models and versions.
    List,
    /// Show a version: its manifest and card.
    Show {
        /// The model.
        name: String,
        /// A number, or `latest`.
        #[arg(default_value = "latest")]
        version: String,
    },
    /// Make a version the champion: from one position in the log on, its score is the effective one.
    Promote {
        /// The model.
        name: String,
        /// A number, or `latest`.
        #[arg(default_value = "latest")]
        version: String,
        /// Scores at or above this are decided positive. Default: the threshold that came with the model.
        #[arg(long, value_name = "SCORE")]
        threshold: Option<f64>,
        #[command(flatten)]
        readiness: ReadinessArgs,
    },
}

/// Whether scorers are asked before a promotion.
#[derive(Debug, Clone, Copy, Args)]
pub struct ReadinessArgs {
    /// Promote although no scorer says that it can load the model: they are started later.
    #[arg(long)]
    without_readiness: bool,
}

impl ReadinessArgs {
    /// In the words of promotions.
    pub fn of(self) -> Readiness {
        if self.without_readiness { Readiness::Skipped } else { Readiness::default() }
    }
}
