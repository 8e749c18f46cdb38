//! A validator that the shell runs and the service looks at between polls, both on one thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flow::ledger::Row;
use flow::outputs::Outputs;
use flow::processor::{InRecord, Stop, Task};
use validation::Validator;

/// A handle to a task.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Validator>>);

impl Shared {
    /// Shares a task.
    pub fn new(validator: Validator) -> Self {
        Shared(Arc::new(Mutex::new(validator)))
    }

    /// The task; never kept over a call of the shell.
    pub fn get(&self) -> MutexGuard<'_, Validator> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task for Shared {
    fn draft(&mut self, records: &[InRecord], suppressed: bool, out: &mut Outputs) -> Result<(), Stop> {
        self.get().draft(records, suppressed, out)
    }

    fn seal(&mut self, out: &mut Outputs) -> Result<(), Stop> {
        self.get().seal(out)
    }

    fn metadata(&self) -> String {
        self.get().metadata()
    }

    fn ledger(&mut self) -> Vec<Row> {
        self.get().ledger()
    }

    fn resume(&mut self, out: &mut Outputs) -> Result<(), Stop> {
        self.get().resume(out)
    }
}
