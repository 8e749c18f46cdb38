//! `tidemill init`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{ArgGroup, Args};

use super::values::duration;
use crate::init;

/// Begin a pipeline in an empty folder: its file, its schemas, and a sample of events.
///
/// Either from a template, or derived from events of your own, in a file or in a topic: their columns become the schema,
/// and the pipeline computes the history of one of them.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("events").args(["from", "topic"]))]
pub struct Init {
    /// The folder; it is made if it is not there.
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// What to begin with.
    #[arg(long, value_name = "NAME", default_value = "minimal", value_parser = PossibleValuesParser::new(init::names()))]
    pub template: String,
    /// Derive the pipeline from this Parquet, CSV or JSON-lines file.
    #[arg(long, value_name = "FILE", requires = "id", requires = "time", conflicts_with = "template")]
    pub from: Option<PathBuf>,
    /// Derive the pipeline from the newest records of this topic, in JSON or in Avro; it stays as it is.
    #[arg(long, value_name = "TOPIC", requires = "id", requires = "time", conflicts_with = "template")]
    pub topic: Option<String>,
    /// Column that tells events apart.
    #[arg(long, value_name = "COLUMN", requires = "events")]
    pub id: Option<String>,
    /// Column with the time at which an event happened.
    #[arg(long, value_name = "COLUMN", requires = "events")]
    pub time: Option<String>,
    /// Column whose history is looked at. Default: the one with most values that come again.
    #[arg(long, value_name = "COLUMN", requires = "events")]
    pub key: Option<String>,
    /// Column with what a model is to predict: it is known later than the event. That of a file gets a topic of its own.
    #[arg(long, value_name = "COLUMN", requires = "events")]
    pub label: Option<String>,
    /// With --topic, the topic that has the column of --label.
    #[arg(long, value_name = "TOPIC", requires = "topic", requires = "label")]
    pub label_topic: Option<String>,
    /// Column of --label-topic with the id of the event. Default: the name that it has in the events.
    #[arg(long, value_name = "COLUMN", requires = "label_topic")]
    pub label_id: Option<String>,
    /// Column of --label-topic with the time at which a label became known. Default: when it was appended.
    #[arg(long, value_name = "COLUMN", requires = "label_topic")]
    pub label_time: Option<String>,
    /// How long after its event a label becomes known.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = written_duration)]
    pub label_delay: String,
    /// Name of the pipeline. Default: the file's or the topic's.
    #[arg(long, value_name = "NAME", requires = "events")]
    pub name: Option<String>,
}

/// A length of time as it was written: the pipeline file gets it.
fn written_duration(text: &str) -> Result<String, String> {
    duration(text).map(|_| text.to_owned())
}
