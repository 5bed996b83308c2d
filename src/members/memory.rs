//! What member answers may hold of the broker's memory: how many bytes in all, and how many bodies are read at once.
//!
//! Reading bodies in the order in which they were asked for lets the first searches finish and give their memory back
//! before the last ones take theirs. That order only smooths bursts: a turn is over after a while though its body is
//! not, and a body that waited long enough is read without one, so that slow members cannot hold up the others.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

/// Bodies read at once while others wait: about eight searches over a handful of members.
const BODIES_AT_ONCE: usize = 40;
/// Longest wait for a turn to read, and longest turn.
const WAIT: Duration = Duration::from_secs(1);
const TURN: Duration = Duration::from_millis(250);
/// Bytes are counted in blocks of this size.
const BLOCK: usize = 4 << 10;
/// Buffers kept for the next bodies, and their largest size: taking fresh memory from the system for every body costs
/// more than reading it.
const SPARES_MAX: usize = 5;
const SPARE_BYTES_MAX: usize = 1_280 << 10;
/// With less than one part in so many left, new requests are refused at the door: the rest is for those already let in.
const RESERVE_PARTS: usize = 16;
/// What is set aside for a body that does not announce its size, and at most for one that does.
const START_BYTES: usize = 16 << 10;
const START_BYTES_MAX: usize = 4 << 20;

/// Bytes that are held now, by whichever members: over a reload there are two sets of them for a while.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// Bytes of members' answers that are held at this moment, in whole blocks.
pub fn held_bytes() -> usize {
    HELD.load(Ordering::Relaxed)
}

type Spares = Arc<Mutex<Vec<Vec<u8>>>>;

/// The memory that all members share.
pub struct Memory {
    bodies: Semaphore,
    blocks: Arc<Semaphore>,
    /// Blocks in all.
    most: usize,
    spares: Spares,
}

/// A turn to read a body.
pub struct Turn<'a> {
    permit: Option<SemaphorePermit<'a>>,
    over: Instant,
}

impl Turn<'_> {
    /// Gives the turn to the next body when this one takes too long.
    pub fn pass_on(&mut self) {
        if Instant::now() >= self.over {
            self.permit = None;
        }
    }
}

/// A body while it is read, and the blocks that are held for it.
pub struct Held {
    body: Body,
    blocks: Arc<Semaphore>,
    counted: usize,
}

/// A body that gives its blocks and its buffer back when the last Item of it is gone.
struct Body {
    bytes: Vec<u8>,
    permit: Option<OwnedSemaphorePermit>,
    spares: Spares,
}

impl Drop for Body {
    fn drop(&mut self) {
        let blocks = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        HELD.fetch_sub(blocks * BLOCK, Ordering::Relaxed);
        let fits = (START_BYTES..=SPARE_BYTES_MAX).contains(&self.bytes.capacity());
        if fits
            && let Ok(mut spares) = self.spares.lock()
            && spares.len() < SPARES_MAX
        {
            self.bytes.clear();
            spares.push(std::mem::take(&mut self.bytes));
        }
    }
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
        Self {
            bodies: Semaphore::new(BODIES_AT_ONCE),
            blocks: Arc::new(Semaphore::new(blocks)),
            most: blocks,
            spares: Spares::default(),
        }
    }

    /// Whether about as many bytes are held as may be.
    pub fn is_full(&self) -> bool {
        self.blocks.available_permits() < self.most / RESERVE_PARTS
    }

    /// Waits for a turn to read a body, but not for long.
    pub async fn reading(&self) -> Turn<'_> {
        let permit = timeout(WAIT, self.bodies.acquire()).await.ok().and_then(Result::ok);
        Turn { permit, over: Instant::now() + TURN }
    }

    /// Begins a body that announces so many bytes.
    pub fn hold(&self, announced: usize) -> Held {
        let size = announced.clamp(START_BYTES, START_BYTES_MAX);
        let spare = self.spares.lock().ok().and_then(|mut spares| {
            let fitting = spares.iter().position(|spare| spare.capacity() >= size)?;
            Some(spares.swap_remove(fitting))
        });
        let bytes = spare.unwrap_or_else(|| Vec::with_capacity(size));
        let body = Body { bytes, permit: None, spares: Arc::clone(&self.spares) };
        Held { body, blocks: Arc::clone(&self.blocks), counted: 0 }
    }
}

impl Held {
    /// Takes further bytes in; false when the bound on all answers is reached.
    pub fn push(&mut self, chunk: &[u8]) -> bool {
        let wanted = (self.body.bytes.len() + chunk.len()).div_ceil(BLOCK);
        let Ok(more) = u32::try_from(wanted - self.counted) else { return false };
        if more > 0 {
            let Ok(permit) = Arc::clone(&self.blocks).try_acquire_many_owned(more) else { return false };
            match &mut self.body.permit {
                Some(held) => held.merge(permit),
                None => self.body.permit = Some(permit),
            }
            HELD.fetch_add((wanted - self.counted) * BLOCK, Ordering::Relaxed);
            self.counted = wanted;
        }
        self.body.bytes.extend_from_slice(chunk);
        true
    }

    pub fn len(&self) -> usize {
        self.body.bytes.len()
    }

    /// The whole body, held until the last slice of it is dropped.
    pub fn keep(self) -> Bytes {
        Bytes::from_owner(self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_until_the_last_slice_is_gone() {
        let memory = Memory::new(3 * BLOCK);
        let mut held = memory.hold(0);
        assert!(held.push(&[1; BLOCK + 1]) && held.push(&[2; 10]));
        assert_eq!(held.len(), BLOCK + 11);
        let body = held.keep();
        let slice = body.slice(BLOCK..BLOCK + 2);
        drop(body);
        assert_eq!(&slice[..], [1, 2]);
        let mut other = memory.hold(0);
        assert!(other.push(&[0; BLOCK]));
        assert!(!other.push(&[0]), "three blocks are held");
        drop(slice);
        assert!(memory.hold(0).push(&[0; 2 * BLOCK]), "the slice gave its blocks back");
    }

    #[test]
    fn it_is_full_a_little_before_its_end() {
        let memory = Memory::new(64 * BLOCK);
        let mut held = memory.hold(0);
        assert!(held.push(&vec![0; 60 * BLOCK]) && !memory.is_full());
        assert!(held.push(&[0; 1]) && memory.is_full());
        drop(held.keep());
        assert!(!memory.is_full());
    }

    #[test]
    fn a_buffer_serves_the_next_body() {
        let memory = Memory::new(64 * BLOCK);
        let mut first = memory.hold(100_000);
        assert!(first.push(b"first"));
        drop(first.keep());
        let mut second = memory.hold(50_000);
        assert!(second.body.bytes.capacity() >= 100_000 && second.len() == 0, "the buffer is taken again, empty");
        assert!(second.push(b"second"));
        assert_eq!(&second.keep()[..], b"second");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_body_is_read_after_a_while_though_no_turn_is_free() {
        let memory = Memory::new(BLOCK);
        let mut turns = Vec::new();
        for _ in 0..BODIES_AT_ONCE {
            turns.push(memory.reading().await);
        }
        assert!(memory.reading().await.permit.is_none());
        tokio::time::sleep(TURN).await;
        turns[0].pass_on();
        assert!(memory.reading().await.permit.is_some());
    }
}
