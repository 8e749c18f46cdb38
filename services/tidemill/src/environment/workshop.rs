//! What commands work in that need no log.

use flow::config::Pipeline;
use flow::plan::Plan;
use registry::generations::Generations;
use registry::models::Models;
use registry::store::Store;

use super::places::open_store;
use super::planned;
use crate::cli::Global;
use crate::error::Error;
use crate::loading;

/// A pipeline, its plan, and the store.
pub struct Workshop {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// The plan of its newest generation.
    pub plan: Plan,
    /// The store.
    pub store: Store,
}

impl Workshop {
    /// Opens what the options name.
    pub fn open(global: &Global) -> Result<Self, Error> {
        let pipeline = loading::load(global)?.checked(global)?;
        let store = open_store(global)?;
        let plan = planned(&pipeline, Generations::new(store.clone(), &pipeline.name).current()?);
        Ok(Self { pipeline, plan, store })
    }

    /// The models.
    pub fn models(&self) -> Models {
        Models::new(self.store.clone())
    }

    /// The model of that name, or the only one.
    pub fn model(&self, name: Option<&str>) -> Result<&flow::config::Model, Error> {
        let pipeline = &self.pipeline;
        match (name, &pipeline.models[..]) {
            (Some(name), _) => Ok(trainer::declared(pipeline, name)?),
            (None, [only]) => Ok(only),
            (None, []) => Err(Error::Input(format!(
                "pipeline {} declares no model; add one under `models` in its file",
                pipeline.name
            ))),
            (None, several) => {
                let names: Vec<&str> = several.iter().map(|model| model.name.as_str()).collect();
                Err(Error::Input(format!("name one of the models with --model: {}", names.join(", "))))
            }
        }
    }
}
