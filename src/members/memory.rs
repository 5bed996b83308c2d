//! What member answers may hold of the broker's memory: how many bytes in all, and how many bodies are read at once.
//!
//! Reading bodies in the order in which they were asked for lets the first searches finish and give their memory back
//! before the last ones take theirs. That order only smooths bursts: a body that waited long enough is read anyway, so
//! that slow members cannot hold up the others.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Bodies read at once while others wait: about eight searches over a handful of members.
const BODIES_AT_ONCE: usize = 40;
/// Longest wait for a turn to read.
const TURN: Duration = Duration::from_millis(150);
/// Bytes are counted in blocks of this size.
const BLOCK: usize = 4 << 10;

/// The memory that all members share.
pub struct Memory {
    bodies: Semaphore,
    blocks: Arc<Semaphore>,
}

/// Blocks held for one body.
pub struct Held {
    blocks: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
    bytes: usize,
    counted: usize,
}

/// A body that gives its blocks back when the last Item of it is gone.
struct Body {
    bytes: Bytes,
    _permit: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Memory {
    /// At most so many bytes of answers at a time.
    pub fn new(bytes_max: usize) -> Self {
        let blocks = (bytes_max / BLOCK).clamp(1, Semaphore::MAX_PERMITS);
        Self { bodies: Semaphore::new(BODIES_AT_ONCE), blocks: Arc::new(Semaphore::new(blocks)) }
    }

    /// Waits for a turn to read a body, but not for long.
    pub async fn reading(&self) -> Option<SemaphorePermit<'_>> {
        timeout(TURN, self.bodies.acquire()).await.ok()?.ok()
    }

    /// Starts counting a body.
    pub fn hold(&self) -> Held {
        Held { blocks: Arc::clone(&self.blocks), permit: None, bytes: 0, counted: 0 }
    }
}

impl Held {
    /// Counts further bytes; false when the bound on all answers is reached.
    pub fn grow(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        let wanted = self.bytes.div_ceil(BLOCK);
        let Ok(more) = u32::try_from(wanted - self.counted) else { return false };
        if more == 0 {
            return true;
        }
        let Ok(permit) = Arc::clone(&self.blocks).try_acquire_many_owned(more) else { return false };
        match &mut self.permit {
            Some(held) => held.merge(permit),
            None => self.permit = Some(permit),
        }
        self.counted = wanted;
        true
    }

    /// The whole body, counted until the last slice of it is dropped.
    pub fn keep(self, body: BytesMut) -> Bytes {
        Bytes::from_owner(Body { bytes: body.freeze(), _permit: self.permit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_until_the_last_slice_is_gone() {
        let memory = Memory::new(3 * BLOCK);
        let mut held = memory.hold();
        assert!(held.grow(BLOCK + 1) && held.grow(10));
        let body = held.keep(BytesMut::zeroed(BLOCK + 11));
        let slice = body.slice(5..9);
        drop(body);
        let mut other = memory.hold();
        assert!(other.grow(BLOCK));
        assert!(!other.grow(1), "three blocks are held");
        drop(slice);
        assert!(memory.hold().grow(2 * BLOCK), "the slice gave its blocks back");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_body_is_read_after_a_while_though_no_turn_is_free() {
        let memory = Memory::new(BLOCK);
        let mut turns = Vec::new();
        for _ in 0..BODIES_AT_ONCE {
            turns.push(memory.reading().await.expect("a turn"));
        }
        assert!(memory.reading().await.is_none());
        turns.pop();
        assert!(memory.reading().await.is_some());
    }
}
