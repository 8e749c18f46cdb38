//! An input whose values are categories: each text once, and per row which of them it is.

use super::Error;
use arrow::array::Array;
use model::Vocabulary;
use schemas::key::{category_text, is_category_type};
use std::collections::HashMap;

/// The texts of one input.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Category {
    /// Position of the input.
    pub input: usize,
    texts: Vec<String>,
    /// Per row the position of its text; none is a null.
    rows: Vec<Option<u32>>,
    /// Positions by text.
    known: HashMap<String, u32>,
}

impl Category {
    /// The rows with these texts.
    #[must_use]
    pub fn new<'a>(input: usize, texts: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let mut category = Self { input, ..Self::default() };
        texts.into_iter().for_each(|text| category.push(text));
        category
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text of a row; none is a null.
    #[must_use]
    pub fn text(&self, row: usize) -> Option<&str> {
        self.rows[row].map(|at| self.texts[at as usize].as_str())
    }

    /// The texts of all rows that have one.
    pub(crate) fn present(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|row| self.text(row))
    }

    pub(super) fn select(&self, at: &[usize]) -> Self {
        Self { rows: at.iter().map(|row| self.rows[*row]).collect(), ..self.clone() }
    }

    /// Writes the slot of each row's text.
    pub(super) fn fill<'a>(&self, words: &Vocabulary, cells: impl Iterator<Item = &'a mut f32>) {
        let of: Vec<f32> = self.texts.iter().map(|text| words.cell(Some(text))).collect();
        for (cell, row) in cells.zip(&self.rows) {
            *cell = row.map_or(f32::NAN, |at| of[at as usize]);
        }
    }

    /// Appends the canonical texts of a column; the error says what is wrong with it.
    pub(super) fn extend(&mut self, column: &dyn Array) -> Result<(), String> {
        if !is_category_type(column.data_type()) {
            return Err(format!("is {}, which cannot be a category", column.data_type()));
        }
        let mut text = String::new();
        for row in 0..column.len() {
            text.clear();
            let found = category_text(column, row, &mut text);
            self.push(found.map(|()| text.as_str()));
        }
        Ok(())
    }

    fn push(&mut self, text: Option<&str>) {
        let Self { texts, rows, known, .. } = self;
        rows.push(text.map(|text| match known.get(text) {
            Some(at) => *at,
            None => {
                let at = texts.len() as u32;
                known.insert(text.to_owned(), at);
                texts.push(text.to_owned());
                at
            }
        }));
    }
}

/// A category without rows for each of the inputs that are one.
pub(super) fn empty(inputs: &[String], categories: &[String]) -> Result<Vec<Category>, Error> {
    if let Some(name) = categories.iter().find(|name| !inputs.contains(name)) {
        return Err(Error::ColumnMissing(name.clone()));
    }
    let of = |(input, _): (usize, &String)| Category { input, ..Category::default() };
    Ok(inputs.iter().enumerate().filter(|(_, name)| categories.contains(name)).map(of).collect())
}
