//! Inputs that are categories: optima with witnesses, what is learnt of them, and what stands for the unseen.

use super::*;
use crate::dataset::Category;
use model::{Artefact, vocabulary};

const CITIES: [Option<&str>; 10] =
    [Some("x"), Some("y"), Some("x"), None, Some("z"), Some("x"), Some("y"), Some("w"), Some("x"), Some("y")];

/// Ten rows: a number and a city.
fn cities(label: &[f32]) -> Dataset {
    let text: Vec<String> = (0..10).map(|i| i.to_string()).collect();
    Dataset {
        inputs: vec!["a".into(), "city".into()],
        rows: (0..10).flat_map(|a| [a as f32, f32::NAN]).collect(),
        categories: vec![Category::new(1, CITIES)],
        label: label.to_vec(),
        time_us: vec![0; 10],
        id: text.clone(),
        entity: text,
    }
}

fn city(min_count: u64) -> Vec<CategoryConfig> {
    vec![CategoryConfig { input: "city".into(), dimension: None, words_max: 100, min_count }]
}

/// The weight of the number, those of the slots, and the bias.
fn parameters(trained: &Trained) -> Vec<f64> {
    let layer = &trained.network.dense()[0];
    assert_eq!(layer.weight[1], 1.0, "a word's weight is added as it is");
    let table = &trained.network.embeddings()[0].table;
    [&layer.weight[..1], table, &layer.bias].concat().into_iter().map(f64::from).collect()
}

/// Expected: scikit-learn 1.9's `LogisticRegression(tol=1e-12)` and `Ridge(alpha=1)` on the standardised number and a
/// column per slot (null, unknown, then words by frequency); a slot of no row gets no weight.
#[test]
fn a_linear_model_has_the_optimal_weight_for_each_word() {
    let label = [0., 1., 0., 1., 1., 0., 0., 1., 1., 1.];
    let config = Config { categories: city(1), ..Config::recommended(Kind::Linear, 1, 2) };
    let trained = train(&config, &cities(&label)).unwrap();
    assert_eq!(trained.vocabularies[0].words(), ["x", "y", "w", "z"]);
    let expected =
        [0.482_193_821, 0.319_508_605, 0., -0.787_507_009, -0.033_151_317, 0.210_981_798, 0.290_167_923, 0.688_339_877];
    near(&parameters(&trained), &expected, 1e-6);
    let rare = train(&Config { categories: city(2), ..config.clone() }, &cities(&label)).unwrap();
    assert_eq!(rare.vocabularies[0].words(), ["x", "y"]);
    let expected = [0.472_151_785, 0.327_610_379, 0.450_290_337, -0.764_285_439, -0.013_615_276, 0.637_975_782];
    near(&parameters(&rare), &expected, 1e-6);
    let numbers = [11., 12., 9.5, 27., 25., 18., 4., 50., 31., 22.];
    let config = Config { loss: Loss::Squared, top_per_day: None, ..config };
    let expected =
        [0.422_037_173, 0.219_690_362, 0., -0.344_403_032, -0.776_077_648, 0.833_495_369, 0.067_294_949, 0.258_536_439];
    near(&parameters(&train(&config, &cities(&numbers)).unwrap()), &expected, 1e-6);
}

/// Labels that a word and the sign of a number decide together; the newest fifth has a word that older rows lack.
fn crossed_words(rows: usize) -> Dataset {
    let mut data = crossed(rows);
    let words = ["red", "green", "blue"];
    let word = |row: usize| match row {
        row if row % 41 == 5 => None,
        row if row >= rows * 4 / 5 && row % 7 == 0 => Some("new"),
        row => Some(words[row * 31 % 3]),
    };
    data.categories = vec![Category::new(2, (0..rows).map(word))];
    data.inputs.push("colour".into());
    data.rows = data.rows.chunks(2).flat_map(|row| [row[0], row[1], f32::NAN]).collect();
    for row in 0..rows {
        let positive = data.rows[row * 3 + 1] > 0.0;
        data.label[row] = f32::from(u8::from(positive == (word(row) == Some("green"))));
    }
    data
}

fn colour() -> Vec<CategoryConfig> {
    vec![CategoryConfig { input: "colour".into(), dimension: None, words_max: 10, min_count: 1 }]
}

#[test]
fn hidden_layers_learn_what_a_word_does_to_a_number() {
    let data = crossed_words(3000);
    let early = Some(EarlyStopping { share: 0.2, patience: 5 });
    let config = Config { categories: colour(), early_stopping: early, ..quick(Kind::Mlp(vec![16, 8])) };
    let trained = train(&config, &data).unwrap();
    assert_eq!(trained.vocabularies[0].words(), ["red", "blue", "green"], "words come from the rows to fit alone");
    assert_eq!(trained.network.embeddings()[0].dimension, 2, "the least whose square is three");
    let rows = data.cells(&trained.vocabularies).unwrap();
    let auc = crate::metrics::roc_auc(&trained.score(&rows), &data.label).value;
    assert!(auc > 0.95, "{auc}");
    let blind = Dataset { categories: Vec::new(), ..data.clone() };
    let scores = train(&quick(Kind::Mlp(vec![16, 8])), &blind).unwrap().score(&blind.rows);
    assert!(crate::metrics::roc_auc(&scores, &blind.label).value < 0.8, "it is the word that tells");
    // No row to fit was unknown: its vector is the mean of the others by their rows.
    let embedding = &trained.network.embeddings()[0];
    let fitted = data.select(&(0..2400).collect::<Vec<_>>()).cells(&trained.vocabularies).unwrap().into_owned();
    for number in 0..2 {
        let of = |slot: usize| f64::from(embedding.table[slot * 2 + number]);
        let slots = fitted.iter().skip(2).step_by(3).map(|cell| vocabulary::slot(*cell, 5));
        let mean = slots.map(of).sum::<f64>() / 2400.0;
        near(&[of(vocabulary::UNKNOWN)], &[mean], 1e-6);
    }
}

#[test]
fn a_model_of_words_is_the_same_again_and_scores_the_same_bits_from_its_artefact() {
    let data = crossed_words(800);
    for kind in [Kind::Mlp(vec![8]), Kind::Linear] {
        let config = Config { epochs: 3, categories: colour(), ..quick(kind) };
        let trained = train(&config, &data).unwrap();
        let artefact = trained.artefact(facts()).unwrap();
        assert_eq!(train(&config, &data).unwrap().artefact(facts()).unwrap().digest(), artefact.digest());
        let model = Artefact::open_as(artefact.files(), artefact.digest()).unwrap();
        let rows = data.cells(model.vocabularies()).unwrap();
        assert_eq!(rows.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), {
            let own = data.cells(&trained.vocabularies).unwrap();
            own.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        });
        assert_eq!(model.network().score_rows(&rows).unwrap(), trained.score(&rows));
        let column = model.profile().column("colour").unwrap();
        assert_eq!((column.nulls, column.counts.len()), (20, 5), "unknown, and four words: {column:?}");
        assert!(column.counts[1..].iter().all(|count| *count > 0) && column.counts[0] == 0);
    }
}

#[test]
fn dimensions_follow_from_the_words() {
    let of = |words: usize| {
        let texts: Vec<String> = (0..words).map(|word| word.to_string()).collect();
        let rows = Dataset {
            inputs: vec!["w".into()],
            categories: vec![Category::new(0, texts.iter().map(|text| Some(text.as_str())))],
            ..Dataset::default()
        };
        let config = |dimension| vec![CategoryConfig { input: "w".into(), dimension, words_max: 10_000, min_count: 1 }];
        let made = |linear, dimension: Option<usize>| {
            let words = category::vocabularies(&config(dimension), &rows).unwrap();
            category::embeddings(&config(dimension), &rows, &words, linear).unwrap()[0].dimension
        };
        (made(None, None), made(None, Some(7)), made(Some(1), None))
    };
    assert_eq!([0, 1, 2, 4, 5, 100, 257, 9000].map(|words| of(words).0), [1, 1, 2, 2, 3, 10, 16, 16]);
    assert_eq!(of(100), (10, 7, 1));
}

#[test]
fn settings_of_categories_that_do_not_fit_are_refused() {
    let label = [0., 1., 0., 1., 1., 0., 0., 1., 1., 1.];
    let error = |change: &dyn Fn(&mut Config, &mut Dataset), kind: Kind| {
        let mut config = Config { categories: city(1), ..quick(kind) };
        let mut data = cities(&label);
        change(&mut config, &mut data);
        train(&config, &data).unwrap_err().to_string()
    };
    let mlp = || Kind::Mlp(vec![4]);
    assert!(error(&|c, _| c.categories[0].dimension = Some(0), mlp()).contains("allowed are dimensions 1 to 64"));
    assert!(error(&|c, _| c.categories[0].dimension = Some(2), Kind::Linear).contains("one weight per word"));
    assert!(error(&|c, _| c.categories[0].words_max = 10_001, mlp()).contains("allowed are 1 to 10000 words"));
    assert!(error(&|c, _| c.categories[0].min_count = 0, mlp()).contains("a min_count of at least 1"));
    assert!(error(&|c, _| c.l2 = 0.0, Kind::Linear).contains("needs an l2 above 0"));
    assert!(error(&|c, _| c.categories[0].input = "town".into(), mlp()).contains("are city, expected town"));
    assert!(error(&|c, _| c.categories.clear(), mlp()).contains("are city, expected none"));
    assert!(error(&|_, d| d.categories.clear(), mlp()).contains("are none, expected city"));
    assert!(
        error(&|_, d| d.categories = vec![Category::new(1, [None])], mlp()).contains("column category has 1 values")
    );
}

#[test]
fn a_linear_model_of_too_many_words_is_refused() {
    let mut data = crossed(2100);
    let texts: Vec<String> = (0..2100).map(|row| row.to_string()).collect();
    data.inputs[1] = "card".into();
    data.categories = vec![Category::new(1, texts.iter().map(|text| Some(text.as_str())))];
    let card = CategoryConfig { input: "card".into(), dimension: None, words_max: 10_000, min_count: 1 };
    let config = Config { categories: vec![card], ..quick(Kind::Linear) };
    let error = train(&config, &data).unwrap_err().to_string();
    assert!(error.contains("2103 weights") && error.contains("allowed are 2048; lower words_max"), "{error}");
}
