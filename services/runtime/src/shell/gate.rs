//! Whether a process may work on partitions that it is given.

use std::fmt;
use std::sync::Arc;

/// Asked after each poll that gave partitions, and after every poll while some wait for it. Once it is shut no partition
/// is begun that was given later, whoever hands them out.
#[derive(Clone)]
pub struct Gate(Arc<dyn Fn() -> bool + Send + Sync>);

impl Gate {
    /// A gate that this function answers for.
    pub fn new(is_open: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Gate(Arc::new(is_open))
    }

    /// Whether partitions may be begun now.
    pub fn is_open(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}
