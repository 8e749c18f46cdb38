//! Buffers that are used again. Fresh memory costs the kernel a fault per page, which is several times the cost of
//! copying a record into it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

/// Smaller buffers come from the allocator cheaply enough.
const BUFFER_BYTES_MIN: usize = 16 * 1024;
/// Bytes of buffers that wait to be used again.
const POOLED_BYTES_MAX: usize = 32 * 1024 * 1024;

#[derive(Default)]
struct Buffers {
    free: VecDeque<BytesMut>,
    bytes: usize,
}

/// A pool of buffers, shared by the sessions of a log.
#[derive(Default)]
pub(super) struct Pool {
    buffers: Mutex<Buffers>,
}

impl Pool {
    fn buffers(&self) -> MutexGuard<'_, Buffers> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty buffer with room for at least `bytes`.
    pub fn take(&self, bytes: usize) -> BytesMut {
        if bytes >= BUFFER_BYTES_MIN {
            let mut buffers = self.buffers();
            // Newest first: its memory is the warmest.
            if let Some(index) = buffers.free.iter().rposition(|buffer| buffer.capacity() >= bytes)
                && let Some(buffer) = buffers.free.remove(index)
            {
                buffers.bytes -= buffer.capacity();
                return buffer;
            }
        }
        BytesMut::with_capacity(bytes)
    }

    /// Takes memory back if nobody else looks at it any more.
    pub fn put(&self, bytes: Bytes) {
        if bytes.len() < BUFFER_BYTES_MIN {
            return;
        }
        let Ok(mut buffer) = bytes.try_into_mut() else { return };
        buffer.clear();
        let mut buffers = self.buffers();
        buffers.bytes += buffer.capacity();
        buffers.free.push_back(buffer);
        while buffers.bytes > POOLED_BYTES_MAX {
            let Some(oldest) = buffers.free.pop_front() else { break };
            buffers.bytes -= oldest.capacity();
        }
    }
}
