//! What a Snapshot says about names: process ids of one member, and what the broker exposes.

use crate::broker::Snapshot;
use crate::federation::MemberId;

use super::ids::{self, Named};
use super::rewrite::Face;

/// An id under which a member's process surely exists, the same at every replica and at all times.
///
/// Whether several members' processes of one name are one, and have a logical id, can change from one reading of their
/// descriptions to the next; the pinned id is always there. Where only one member executes there is nobody to differ from.
#[must_use]
pub fn public(snapshot: &Snapshot, member: &MemberId, own: &str) -> String {
    let logical = snapshot.federation.routing.public_id(member, own);
    // Another process of this member may have taken the name.
    let is_its_own = native(snapshot, member, logical).is_some_and(|named| named == own);
    let is_alone = snapshot.members.process_apis().nth(1).is_none();
    if is_alone && is_its_own { logical.to_owned() } else { ids::pinned(member, own) }
}

/// A member's own id of a public process id; a logical id that nothing equates is taken to be its own.
#[must_use]
pub fn native(snapshot: &Snapshot, member: &MemberId, id: &str) -> Option<String> {
    match ids::parse(&snapshot.ids, id) {
        Named::Pinned { member: pinned, native } => (pinned == *member).then_some(native),
        Named::Logical(id) => {
            let routing = &snapshot.federation.routing;
            let equated = routing.aliases.iter().filter(|equated| equated.public == id);
            let own = equated.flat_map(|equated| &equated.processes).find(|(of, _)| of == member);
            // A process that is equated under another id is not known by its own.
            let by_name = || (routing.public_id(member, &id) == id).then(|| id.clone());
            own.map(|(_, own)| own.clone()).or_else(by_name)
        }
    }
}

/// What the broker exposes below this base.
#[must_use]
pub fn face<'a>(snapshot: &'a Snapshot, base: &'a str) -> Face<'a> {
    Face { base, federation: &snapshot.federation, ids: &snapshot.ids, view: &snapshot.view }
}
