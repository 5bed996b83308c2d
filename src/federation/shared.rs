//! `[[collection]]`: one name for Collections of several members that are equivalent. Declared, never inferred.

use super::MemberId;

/// A name given to equivalent Collections (S11 to S14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// Under which clients see it: a bare id, without the delimiter.
    pub id: String,
    /// `None`: that of the highest holder.
    pub title: Option<String>,
    pub replicas: Replicas,
    /// In order of preference, one of each member; never empty.
    pub holders: Vec<Holder>,
}

/// A member that has a shared Collection, with its own id of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub member: MemberId,
    pub native: String,
}

/// What is asked of the holders of one shared Collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replicas {
    /// In each window of time the highest holder that covers it.
    #[default]
    Prefer,
    /// All of them; replicas are one Item.
    Union,
}

impl Replicas {
    pub const ALL: [Self; 2] = [Self::Prefer, Self::Union];

    /// As the federation file writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Prefer => "prefer",
            Self::Union => "union",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|replicas| replicas.name() == name)
    }
}

impl Shared {
    /// How high a member stands among the holders, 0 the highest; `None` when it is none.
    #[must_use]
    pub fn rank(&self, member: &MemberId) -> Option<usize> {
        self.holders.iter().position(|holder| holder.member == *member)
    }

    /// The native id under which a member has it.
    #[must_use]
    pub fn native(&self, member: &MemberId) -> Option<&str> {
        self.holders.iter().find(|holder| holder.member == *member).map(|holder| holder.native.as_str())
    }
}
