//! Process ids as clients write them (`processes.md` 5): `MEMBER:process` is one member's own, every other id is logical.

use crate::collections::Ids;
use crate::federation::MemberId;

/// A process id that a client gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    Pinned { member: MemberId, native: String },
    Logical(String),
}

/// Ids under which a process of some name can be asked for, where the given id names none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Elsewhere {
    pub members: Vec<MemberId>,
    /// Its logical ids, where it has any.
    pub logical: Vec<String>,
    /// Its pinned ids.
    pub pins: Vec<String>,
}

/// Reads an id: split at the first `:` if the part before it is a configured member's id, or an earlier one of it.
#[must_use]
pub fn parse(ids: &Ids, given: &str) -> Named {
    let pinned = given.split_once(':').and_then(|(before, native)| Some((ids.member(before)?, native)));
    match pinned {
        Some((member, native)) if !native.is_empty() => {
            Named::Pinned { member: member.clone(), native: native.to_owned() }
        }
        _ => Named::Logical(given.to_owned()),
    }
}

/// `MEMBER:process`.
#[must_use]
pub fn pinned(member: &MemberId, native: &str) -> String {
    format!("{member}:{native}")
}
