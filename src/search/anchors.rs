//! Anchors: hashes of the Items given last, which hold a place in a member's own list when what stands before it is
//! inserted or deleted between two pages (`paging.md` section 5).

use aws_lc_rs::digest::{SHA256, digest};

use crate::members::Item;

/// Items given last that are kept for one place.
pub const ANCHORS: u32 = 4;

/// A hash of an Item's identity. 64 bits, as an Item that only seems to be one of the last given would be lost: among
/// the Items of a page that is one in 10^16.
fn of(item: &Item) -> u64 {
    let mut identity = Vec::with_capacity(item.id.len() + item.collection.len() + 1);
    identity.extend_from_slice(item.collection.as_bytes());
    identity.push(0);
    identity.extend_from_slice(item.id.as_bytes());
    let hash = digest(&SHA256, &identity);
    hash.as_ref().get(..8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes)
}

/// Notes that an Item was given.
pub fn note(anchors: &mut Vec<u64>, item: &Item) {
    anchors.push(of(item));
    if anchors.len() > ANCHORS as usize {
        anchors.remove(0);
    }
}

/// The index behind the last anchor that is still among the Items of a page: those given before it have gone, or are
/// anchors themselves. `None` when none of them is there.
pub fn behind(anchors: &[u64], items: &[Item]) -> Option<u32> {
    if anchors.is_empty() {
        return None;
    }
    let hashes: Vec<u64> = items.iter().map(of).collect();
    let last = anchors.iter().rev().find_map(|anchor| hashes.iter().rposition(|hash| hash == anchor))?;
    u32::try_from(last + 1).ok()
}

/// Whether an Item is one of the last given.
pub fn holds(anchors: &[u64], item: &Item) -> bool {
    !anchors.is_empty() && anchors.contains(&of(item))
}
