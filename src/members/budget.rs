//! The bytes of all members' answers that the process holds at once (`limits.buffered_bytes_max`).
//!
//! Bytes count from the moment they arrive until the last Item that is a slice of them is dropped, so that many large
//! answers at once cost requests, never the process. It deliberately does not know whose bytes they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// Room for bytes; cheap to clone, all clones share it.
#[derive(Debug, Clone)]
pub struct Budget(Arc<AtomicUsize>);

impl Budget {
    pub fn new(bytes_max: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes_max)))
    }

    /// A part of the room, nothing yet.
    pub fn part(&self) -> Part {
        Part { budget: self.clone(), held: 0 }
    }
}

/// Room taken by one answer; given back when dropped.
#[derive(Debug)]
pub struct Part {
    budget: Budget,
    held: usize,
}

impl Part {
    /// Takes room for so many bytes in all. False: there is not so much left, and nothing more is taken.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.held);
        let take = |left: usize| left.checked_sub(more);
        // No other memory hangs on this number.
        let taken = self.budget.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
        if taken {
            self.held += more;
        }
        taken
    }

    /// Ties the room to the bytes: it is free when the last slice of them is gone.
    pub fn holding(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held { bytes, _part: self })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.held, Ordering::Relaxed);
    }
}

struct Held {
    bytes: Bytes,
    _part: Part,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_shared_and_comes_back_with_the_last_slice() {
        let budget = Budget::new(100);
        let (mut one, mut other) = (budget.part(), budget.part());
        assert!(one.grow(60) && one.grow(50), "less than it has needs nothing");
        assert!(!other.grow(41), "only 40 are left");
        assert!(other.grow(40));
        drop(other);
        let whole = one.holding(Bytes::from_static(b"0123456789"));
        let slice = whole.slice(2..4);
        drop(whole);
        assert_eq!(&slice[..], b"23");
        assert!(!budget.part().grow(41), "a slice holds the whole answer");
        drop(slice);
        assert!(budget.part().grow(100));
    }
}
