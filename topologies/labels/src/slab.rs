//! Values with numbers, in blocks that are never moved: growing copies nothing, and a removed value's place is used again.

use std::ops::{Index, IndexMut};

/// Values per block.
const BLOCK_LEN: usize = 4_096;

/// See the module.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    blocks: Vec<Vec<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { blocks: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Keeps a value and gives its number.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if let Some(at) = self.free.pop() {
            self[at] = value;
            return at;
        }
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK_LEN) {
            self.blocks.push(Vec::with_capacity(BLOCK_LEN));
        }
        let block = self.blocks.len() - 1;
        let last = &mut self.blocks[block];
        last.push(value);
        (block * BLOCK_LEN + last.len() - 1) as u32
    }

    /// Gives a number back; what lies there stays until the number is used again.
    pub(crate) fn release(&mut self, at: u32) {
        self.free.push(at);
    }
}

impl<T> Index<u32> for Slab<T> {
    type Output = T;

    fn index(&self, at: u32) -> &T {
        &self.blocks[at as usize / BLOCK_LEN][at as usize % BLOCK_LEN]
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, at: u32) -> &mut T {
        &mut self.blocks[at as usize / BLOCK_LEN][at as usize % BLOCK_LEN]
    }
}
