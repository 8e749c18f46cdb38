//! The first champion: trained on the newest labelled window of the archive, published, announced and promoted.

use crate::candidate::{Candidate, publish, train};
use crate::champion::{Terms, champion, promote_version};
use crate::dataset::{Inputs, dataset};
use crate::{Error, Surroundings, declared, newest};
use offline::dataset::save;
use registry::models::{Published, Version};
use scorer::Promotion;

/// A model that was trained and promoted.
#[derive(Debug, Clone)]
pub struct First {
    /// The model.
    pub candidate: Candidate,
    /// Its version.
    pub published: Published,
    /// Digest of what it was trained on.
    pub dataset: String,
    /// Rows it was trained on.
    pub rows: u64,
    /// Those with a positive label.
    pub positives: u64,
    /// The control state that made it the champion.
    pub promotion: Promotion,
}

/// Trains a model on the newest window that the archive has labels for, and makes it the champion. None when there is
/// a champion already.
pub fn first_model(surroundings: &Surroundings, name: &str) -> Result<Option<First>, Error> {
    let Surroundings { context, store, decisions } = surroundings;
    if champion(context, decisions)?.is_some() {
        return Ok(None);
    }
    let model = declared(&context.pipeline, name)?;
    let inputs = Inputs::archived(&context.pipeline, &context.plan, model, store);
    let windows = newest(&context.pipeline, model, &inputs)?;
    let rows = dataset(&context.pipeline, &inputs, &windows.train)?;
    let holdout = dataset(&context.pipeline, &inputs, &windows.holdout)?;
    save(store, &rows.manifest)?;
    save(store, &holdout.manifest)?;
    let candidate = train(&context.pipeline, model, &rows, Some(&holdout), None)?;
    let models = surroundings.models();
    let published = publish(&models, &candidate)?;
    let version = (name, Version::Number(published.version));
    let promotion = promote_version(context, &models, decisions, version, Terms::default())?;
    let (dataset, rows, positives) = (rows.digest, rows.manifest.rows, rows.manifest.positives);
    Ok(Some(First { candidate, published, dataset, rows, positives, promotion }))
}
