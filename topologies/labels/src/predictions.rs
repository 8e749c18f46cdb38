//! Predictions as the journal keeps them: the numbers per event, and what all predictions of one model and route share
//! once.

use crate::pairing::Prediction;
use arrow::array::{Array, AsArray, StructArray};
use arrow::datatypes::{Fields, Float64Type, Int32Type};
use flow::ledger::Spot;
use serde::{Deserialize, Serialize};

/// Names of the texts that a prediction carries, in the order of [`Route::texts`].
pub(crate) const TEXTS: [&str; 5] = ["model", "model_digest", "feature_set", "route", "profile"];

/// What all predictions of one model and route share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Route {
    /// Texts by the names in [`TEXTS`].
    pub(crate) texts: [Box<str>; TEXTS.len()],
    /// Registry id of the schema that the features log was written with.
    pub(crate) schema_id: i32,
}

/// Routes by number. There are as many as promotions, so they are never forgotten.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    all: Vec<Route>,
    last: usize,
}

impl Routes {
    fn number(&mut self, texts: [&str; TEXTS.len()], schema_id: i32) -> u32 {
        let same = |route: &Route| {
            route.schema_id == schema_id && route.texts.iter().zip(texts).all(|(known, text)| **known == *text)
        };
        if !self.all.get(self.last).is_some_and(same) {
            self.last = self.all.iter().position(same).unwrap_or_else(|| {
                self.all.push(Route { texts: texts.map(Into::into), schema_id });
                self.all.len() - 1
            });
        }
        self.last as u32
    }

    /// All routes by number.
    pub(crate) fn all(&self) -> &[Route] {
        &self.all
    }

    /// Takes up saved routes.
    pub(crate) fn restore(&mut self, all: Vec<Route>) {
        *self = Routes { all, last: 0 };
    }

    /// The route with a number that a prediction holds.
    pub(crate) fn get(&self, number: u32) -> &Route {
        &self.all[number as usize]
    }
}

/// Positions within the prediction part.
#[derive(Debug)]
pub(crate) struct PredictionColumns {
    score: usize,
    decision: usize,
    threshold: Option<usize>,
    schema_id: Option<usize>,
    class: Option<usize>,
    texts: [Option<usize>; TEXTS.len()],
    /// All classes, in the order of their numbers.
    classes: Vec<String>,
}

impl PredictionColumns {
    /// Looks the positions up; the error names what is missing.
    pub(crate) fn of(fields: &Fields, classes: &[String]) -> Result<Self, String> {
        let position = |name: &str| fields.find(name).map(|(at, _)| at);
        let needed = |name: &str| position(name).ok_or_else(|| format!("prediction column {name}"));
        Ok(PredictionColumns {
            score: needed("score")?,
            decision: needed("decision")?,
            threshold: position("threshold"),
            schema_id: position("schema_id"),
            class: position("class"),
            texts: TEXTS.map(position),
            classes: classes.to_vec(),
        })
    }

    /// Reads the prediction at a row.
    pub(crate) fn read(
        &self,
        part: &StructArray,
        row: usize,
        (time_us, spot): (i64, Spot),
        routes: &mut Routes,
    ) -> Prediction {
        let number = |at: usize| {
            let column = part.column(at).as_primitive::<Float64Type>();
            if column.is_valid(row) { column.value(row) } else { f64::NAN }
        };
        let text = |at: Option<usize>| at.map_or("", |at| part.column(at).as_string::<i32>().value(row));
        let schema_id = self.schema_id.map_or(0, |at| part.column(at).as_primitive::<Int32Type>().value(row));
        let class = self.class.map(|at| part.column(at)).filter(|column| column.is_valid(row));
        let place = |class: &str| self.classes.iter().position(|known| known == class);
        Prediction {
            time_us,
            spot,
            class: class.and_then(|column| u8::try_from(place(column.as_string::<i32>().value(row))?).ok()),
            score: number(self.score),
            threshold: self.threshold.map_or(f64::NAN, number),
            decision: part.column(self.decision).is_valid(row) && part.column(self.decision).as_boolean().value(row),
            route: routes.number(self.texts.map(text), schema_id),
        }
    }
}
