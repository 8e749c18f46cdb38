//! The first champion: trained on the newest labelled window of the archive, published, announced and promoted.

use crate::announce::{Change, tell};
use crate::candidate::{Candidate, publish, train};
use crate::champion::champion;
use crate::dataset::{Inputs, dataset};
use crate::{Error, Surroundings, newest};
use flow::fence::ModelRef;
use offline::dataset::save;
use registry::models::Published;
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
    if champion(surroundings)?.is_some() {
        return Ok(None);
    }
    let context = &surroundings.context;
    let model = surroundings.model(name)?;
    let windows = newest(surroundings, model)?;
    let inputs = Inputs::archived(&context.pipeline, &context.plan, model, &surroundings.store);
    let rows = dataset(&context.pipeline, &inputs, &windows.train)?;
    let holdout = dataset(&context.pipeline, &inputs, &windows.holdout)?;
    save(&surroundings.store, &rows.manifest)?;
    save(&surroundings.store, &holdout.manifest)?;
    let candidate = train(&context.pipeline, model, &rows, Some(&holdout), None)?;
    let published = publish(&surroundings.models(), &candidate)?;
    let Published { name, version, digest } = published.clone();
    let reference = ModelRef { name, version, digest };
    let promotion = scorer::promote(context, &surroundings.decisions, reference, None)?;
    let change = Change {
        published: &published,
        manifest: candidate.model.manifest(),
        before: None,
        control_number: Some(promotion.number),
        request: None,
    };
    tell(surroundings, &change)?;
    let (dataset, rows, positives) = (rows.digest, rows.manifest.rows, rows.manifest.positives);
    Ok(Some(First { candidate, published, dataset, rows, positives, promotion }))
}
