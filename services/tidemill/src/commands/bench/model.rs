//! A champion to score with. Its weights are drawn, not learnt: they cost the same, and need no labels. Scale of the
//! inputs and reference profile are those of the first events, so the monitor compares like with like.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Float64Type, Schema};
use flow::config::{Category, Model, Network as Shape, Objective, Pipeline};
use flow::fence::ModelRef;
use model::artefact::DatasetFacts;
use model::network::most_probable;
use model::profile::SCORE;
use model::{
    Artefact, Column, Dense, Draft, Embedding, Head, Network, Profile, Rule, Standardisation, Threshold, Vocabulary,
    sha256_hex,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use registry::models::Published;
use schemas::key::category_text;

use super::args::Feed;
use super::prepare;
use crate::compute::compute;
use crate::environment::Environment;
use crate::error::Error;
use crate::publish::Columns;

/// Events that the scale of inputs and the reference profile are taken from.
const EVENTS_MAX: usize = 50_000;
/// Share of them whose score is at or above the threshold.
const ALERT_SHARE: f64 = 0.01;
/// Rows whose scores the load gate repeats.
const GOLDEN_ROWS: usize = 16;
/// Numbers of a category's vector where the pipeline says nothing.
const DIMENSION: u32 = 8;
/// Seed of the weights.
const SEED: u64 = 1;

/// Publishes a model and makes it the champion by a fence in the features log.
pub fn champion(environment: &Environment, feed: &Feed) -> Result<(), Error> {
    let context = &environment.context;
    let Some(declared) = context.pipeline.models.first() else {
        let name = &context.pipeline.name;
        return Err(Error::Input(format!("pipeline {name} declares no model, so nothing would be scored")));
    };
    let (rows, vocabularies) = rows(&context.pipeline, declared, feed)?;
    let artefact = drawn(&context.pipeline, declared, &rows, vocabularies)?;
    let Published { name, version, digest } = environment.models().publish(&declared.name, artefact.files())?;
    let model = ModelRef { name, version, digest };
    // The scorer is started later.
    scorer::promote_with(context, &environment.decisions, model, None, scorer::Readiness::Skipped)?;
    Ok(())
}

/// Inputs of the model for the first events, row after row, NaN is null; and the words of those that are categories.
fn rows(pipeline: &Pipeline, model: &Model, feed: &Feed) -> Result<(Vec<f32>, Vec<Vocabulary>), Error> {
    let (schema, batches) = prepare::open(feed)?;
    let (mut taken, mut left) = (Vec::new(), EVENTS_MAX);
    for batch in batches {
        let batch = batch?;
        taken.push(batch.slice(0, batch.num_rows().min(left)));
        left -= batch.num_rows().min(left);
        if left == 0 {
            break;
        }
    }
    let computed = compute(pipeline, &schema, &taken, &prepare::options(feed))?.table;
    let events = event_inputs(pipeline, model, &schema, &taken, feed)?;
    let column = |name: &String| computed.column_by_name(name).or_else(|| events.column_by_name(name));
    let mut vocabularies = Vec::new();
    let columns = model.inputs.iter().map(|name| {
        let found = column(name).ok_or_else(|| Error::Failed(format!("nothing gives the model's input {name}")))?;
        match model.categories.iter().find(|category| category.input == *name) {
            None => numbers(found),
            Some(category) => {
                let (words, cells) = slots(category, found)?;
                vocabularies.push(words);
                Ok(cells)
            }
        }
    });
    let columns = columns.collect::<Result<Vec<_>, Error>>()?;
    // Of repeated events only the first have features.
    let count = computed.num_rows().min(events.num_rows());
    let rows = (0..count).flat_map(|row| columns.iter().map(move |column| column[row])).collect();
    Ok((rows, vocabularies))
}

fn numbers(column: &dyn Array) -> Result<Vec<f32>, Error> {
    let doubles = cast(column, &DataType::Float64).map_err(failed)?;
    let doubles = doubles.as_primitive::<Float64Type>();
    Ok(doubles.iter().map(|value| value.map_or(f32::NAN, |value| value as f32)).collect())
}

/// The words of a column, and the slots of its rows.
fn slots(category: &Category, column: &dyn Array) -> Result<(Vocabulary, Vec<f32>), Error> {
    let text = |row: usize| {
        let mut text = String::new();
        category_text(column, row, &mut text).map(|()| text)
    };
    let texts: Vec<Option<String>> = (0..column.len()).map(text).collect();
    let limits = (category.words_max as usize, category.min_count);
    let words = Vocabulary::learnt(&category.input, texts.iter().flatten().map(String::as_str), limits);
    let words = words.map_err(|error| Error::Failed(error.to_string()))?;
    let cells = texts.iter().map(|text| words.cell(text.as_deref())).collect();
    Ok((words, cells))
}

/// The inputs that events bring along; the time too, so that there is always a column.
fn event_inputs(
    pipeline: &Pipeline,
    model: &Model,
    table: &Schema,
    batches: &[RecordBatch],
    feed: &Feed,
) -> Result<RecordBatch, Error> {
    let events = &pipeline.events;
    let whole = schemas::codec::arrow_schema(&events.schema.json.to_string());
    let whole = whole.map_err(|error| Error::Input(format!("schema {}: {error}", events.schema.path)))?;
    let read = |name: &String| *name == events.event_time || model.inputs.contains(name);
    let fields = whole.fields().iter().filter(|field| read(field.name())).cloned().collect::<Vec<_>>();
    let wanted = std::sync::Arc::new(Schema::new(fields));
    let columns = Columns::find(&wanted, table, &feed.map, Some(&events.event_time))?;
    let (mut parts, mut before) = (Vec::new(), 0);
    for batch in batches {
        parts.push(columns.convert(batch, &wanted, before)?);
        before += batch.num_rows() as u64;
    }
    let joined = (0..wanted.fields().len()).map(|at| {
        let arrays: Vec<&dyn Array> = parts.iter().map(|part| part.column(at).as_ref()).collect();
        concat(&arrays).map_err(failed)
    });
    RecordBatch::try_new(wanted.clone(), joined.collect::<Result<_, _>>()?).map_err(failed)
}

/// A network of the declared shape with drawn weights.
fn drawn(pipeline: &Pipeline, model: &Model, rows: &[f32], vocabularies: Vec<Vocabulary>) -> Result<Artefact, Error> {
    let width = model.inputs.len();
    let column = |input: usize| rows.iter().skip(input).step_by(width).copied();
    let words = |name: &String| vocabularies.iter().find(|words| words.input() == name);
    // Slots of a category are not standardised, as if there were none.
    let scale =
        |(input, name): (usize, &String)| if words(name).is_some() { Vec::new() } else { column(input).collect() };
    let standardisation = standardisation(model.inputs.iter().enumerate().map(scale));
    let embeddings = embeddings(model, &vocabularies);
    let entering = width - embeddings.len() + embeddings.iter().map(|one| one.dimension).sum::<usize>();
    let unusable = |error: &dyn std::fmt::Display| Error::Failed(format!("no model for the benchmark: {error}"));
    let several = model.objective == Objective::Multiclass;
    let (head, outputs) = if several { (Head::Classes, pipeline.classes().len()) } else { (Head::Probability, 1) };
    let layers = layers(entering, &model.network, outputs);
    let network = Network::with_embeddings(standardisation, embeddings, layers, head);
    let network = network.map_err(|error| unusable(&error))?;
    let count = rows.len() / width;
    let mut scores = vec![0.0; count * outputs];
    network.score(&rows[..count * width], &mut scores);
    let scores: Vec<f32> = scores.chunks_exact(outputs).map(|row| row[most_probable(row)]).collect();
    let reference = |(input, name): (usize, &String)| match words(name) {
        Some(words) => Column::fit_category(name, column(input), words.words().len()),
        None => Column::fit(name, column(input)),
    };
    let mut columns: Vec<Column> = model.inputs.iter().enumerate().map(reference).collect();
    columns.push(Column::fit(SCORE, scores.iter().copied()));
    let bytes: Vec<u8> = rows.iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut golden_rows = rows[..width * GOLDEN_ROWS.min(count)].to_vec();
    golden_rows.extend(vec![f32::NAN; width]);
    let draft = Draft {
        name: model.name.clone(),
        parent: None,
        dataset: DatasetFacts {
            digest: sha256_hex(&bytes),
            rows: count as u64,
            positives: 0,
            class_rows: Vec::new(),
            first_us: 0,
            last_us: 0,
        },
        feature_set: pipeline.features.digest.clone(),
        inputs: model.inputs.clone(),
        threshold: (!several).then(|| Threshold { value: threshold(scores), rule: Rule::Fixed }),
        network,
        vocabularies,
        classes: pipeline.classes().to_vec(),
        metrics: Default::default(),
        seed: SEED,
        config: [("weights".to_owned(), "drawn".to_owned())].into(),
        environment: Default::default(),
        profile: Profile { columns },
        golden_rows,
    };
    Artefact::pack(draft).map_err(|error| unusable(&error))
}

fn standardisation(columns: impl Iterator<Item = Vec<f32>>) -> Standardisation {
    let mut found = Standardisation { mean: Vec::new(), std: Vec::new(), fill: Vec::new() };
    for column in columns {
        let values: Vec<f64> = column.into_iter().filter(|value| value.is_finite()).map(f64::from).collect();
        let count = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / count;
        let std = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        found.mean.push(mean);
        found.fill.push(mean);
        // A column that never varied must not be blown up.
        found.std.push(if std > 1e-9 * mean.abs() && std.is_normal() { std } else { 1.0 });
    }
    found
}

/// Drawn vectors of the categories, whose dimension is told or the usual.
fn embeddings(model: &Model, vocabularies: &[Vocabulary]) -> Vec<Embedding> {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let of = |(category, words): (&Category, &Vocabulary)| {
        let dimension = match (&model.network, category.dimension) {
            (Shape::Linear, _) => 1,
            (Shape::Mlp(_), dimension) => dimension.unwrap_or(DIMENSION) as usize,
        };
        let input = model.inputs.iter().position(|name| *name == category.input).unwrap_or_default();
        let table = (0..words.slots() * dimension).map(|_| random.random_range(-1.0..1.0)).collect();
        Embedding { input, dimension, table }
    };
    model.categories.iter().zip(vocabularies).map(of).collect()
}

fn layers(inputs: usize, shape: &Shape, outputs: usize) -> Vec<Dense> {
    let hidden: &[u32] = match shape {
        Shape::Linear => &[],
        Shape::Mlp(hidden) => hidden,
    };
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut inputs = inputs;
    let widths = hidden.iter().map(|width| *width as usize).chain([outputs]);
    let layer = |outputs: usize| {
        let limit = (6.0 / (inputs + outputs) as f32).sqrt();
        let weight = (0..inputs * outputs).map(|_| random.random_range(-limit..limit)).collect();
        let dense = Dense { inputs, outputs, weight, bias: vec![0.0; outputs] };
        inputs = outputs;
        dense
    };
    widths.map(layer).collect()
}

fn threshold(mut scores: Vec<f32>) -> f32 {
    scores.sort_unstable_by(f32::total_cmp);
    let at = (scores.len() as f64 * (1.0 - ALERT_SHARE)) as usize;
    scores.get(at.min(scores.len().saturating_sub(1))).copied().unwrap_or(0.5)
}

fn failed(error: arrow::error::ArrowError) -> Error {
    Error::Failed(error.to_string())
}
