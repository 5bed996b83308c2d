//! What a Snapshot says about names: process ids of one member, and what the broker exposes.

use crate::broker::Snapshot;
use crate::federation::MemberId;

use super::ids::{self, Named};
use super::rewrite::Face;

/// The public id of a member's process.
#[must_use]
pub fn public(snapshot: &Snapshot, member: &MemberId, native: &str) -> String {
    snapshot.federation.routing.public_id(member, native).to_owned()
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
