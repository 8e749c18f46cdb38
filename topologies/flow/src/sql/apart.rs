//! Evaluation in which no row has a part in what its neighbours get.

use arrow::array::{Float64Array, Float64Builder, RecordBatch};

use super::{Error, Expression};

/// Evaluates over all rows at once, and where that fails over halves of them, down to the rows that it fails on: one bad
/// row among many costs a few evaluations. `each` gets the parts in the order of rows, with the number of their first
/// row; a part that failed is one row.
pub fn apart<T>(
    batch: &RecordBatch,
    evaluate: impl Fn(&RecordBatch) -> Result<T, Error>,
    mut each: impl FnMut(usize, Result<T, Error>),
) {
    let mut waiting = vec![(0, batch.num_rows())];
    while let Some((first, rows)) = waiting.pop() {
        match evaluate(&batch.slice(first, rows)) {
            Err(_) if rows > 1 => {
                let half = rows / 2;
                waiting.extend([(first + half, rows - half), (first, half)]);
            }
            found => each(first, found),
        }
    }
}

impl Expression {
    /// Its value for every row as a nullable double, null where it fails.
    pub fn doubles_or_null(&self, batch: &RecordBatch) -> Float64Array {
        let mut values = Float64Builder::with_capacity(batch.num_rows());
        apart(
            batch,
            |part| self.doubles(part),
            |_, found| match found {
                Ok(found) => values.extend(found.iter()),
                Err(_) => values.append_null(),
            },
        );
        let values = values.finish();
        debug_assert_eq!(values.len(), batch.num_rows());
        values
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::cell::Cell;
    use std::sync::Arc;

    use arrow::array::Int64Array;
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    #[test]
    fn a_row_that_fails_costs_its_neighbours_nothing() {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
        let numbers: Vec<i64> = (0..1_000).map(|row| i64::from(row != 617)).collect();
        let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(numbers))]).unwrap();
        let expression = Expression::compile("7 / n", &schema).unwrap();
        let evaluations = Cell::new(0);
        let evaluate = |part: &RecordBatch| {
            evaluations.set(evaluations.get() + 1);
            expression.doubles(part)
        };
        let mut next = 0;
        apart(&batch, evaluate, |first, found| {
            assert_eq!((first, found.is_err()), (next, first == 617));
            next += found.map_or(1, |found| found.len());
        });
        assert_eq!(next, 1_000);
        // Two halves for each of the ten times that a thousand can be halved, and the whole.
        assert!(evaluations.get() <= 21, "{}", evaluations.get());
        let doubles = expression.doubles_or_null(&batch);
        let expected = |row: usize| (row != 617).then_some(7.0);
        assert!(doubles.iter().enumerate().all(|(row, value)| value == expected(row)));
    }

    #[test]
    fn no_rows_are_no_failure() {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
        let expression = Expression::compile("7 / n", &schema).unwrap();
        assert_eq!(expression.doubles_or_null(&RecordBatch::new_empty(schema)).len(), 0);
    }
}
