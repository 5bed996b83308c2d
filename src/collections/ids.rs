//! Collection ids as clients write them (`stac-api.md` section 1): `MEMBER|collection`, shared, bare, percent-encoded.

use crate::federation::{Federation, MemberId, Shared};

/// Reads and writes exposed collection ids for one federation.
#[derive(Debug, Clone)]
pub struct Ids {
    delimiter: char,
    members: Vec<MemberId>,
    /// Earlier ids with the member that has it now.
    renamed: Vec<(String, MemberId)>,
    shared: Vec<Shared>,
}

/// A collection id that a client gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    Qualified {
        member: MemberId,
        native: String,
    },
    /// The id of a shared Collection.
    Shared(String),
    /// Every member's collection of this id.
    Bare(String),
}

impl Ids {
    #[must_use]
    pub fn new(federation: &Federation) -> Self {
        Self {
            delimiter: federation.delimiter,
            members: federation.members.iter().map(|member| member.id.clone()).collect(),
            renamed: federation
                .members
                .iter()
                .flat_map(|member| member.renamed_from.iter().map(|old| (old.clone(), member.id.clone())))
                .collect(),
            shared: federation.shared.clone(),
        }
    }

    /// The shared Collection of this id.
    #[must_use]
    pub fn shared(&self, id: &str) -> Option<&Shared> {
        self.shared.iter().find(|shared| shared.id == id)
    }

    /// Every shared Collection, in the order of the file.
    #[must_use]
    pub fn all_shared(&self) -> &[Shared] {
        &self.shared
    }

    /// The member that has this id, or had it before (`renamed_from`).
    #[must_use]
    pub fn member(&self, id: &str) -> Option<&MemberId> {
        let before = || self.renamed.iter().find(|(old, _)| old == id).map(|(_, member)| member);
        self.members.iter().find(|member| member.as_str() == id).or_else(before)
    }

    /// The member's own id of what is named; `None` when it is surely not the member's.
    #[must_use]
    pub fn native<'n>(&'n self, named: &'n Named, member: &MemberId) -> Option<&'n str> {
        match named {
            Named::Qualified { member: of, native } => (of == member).then_some(native),
            Named::Shared(id) => self.shared(id)?.native(member),
            Named::Bare(native) => Some(native),
        }
    }

    /// `MEMBER|collection`.
    #[must_use]
    pub fn qualified(&self, member: &MemberId, native: &str) -> String {
        format!("{member}{}{native}", self.delimiter)
    }

    /// Reads an id: split at the first delimiter if the part before it is a member's id, or an earlier one, else that of a
    /// shared Collection, else bare. An id without delimiter that contains `%7C` (or the delimiter's own encoding) is read as if it had it.
    #[must_use]
    pub fn parse(&self, given: &str) -> Named {
        let split = |text: &str| {
            let (before, after) = text.split_once(self.delimiter)?;
            let member = self.member(before)?;
            Some(Named::Qualified { member: member.clone(), native: after.to_owned() })
        };
        if let Some(named) = split(given) {
            return named;
        }
        let encoded = format!("%{:02X}", self.delimiter as u32);
        let decoded = given
            .replace(&encoded, &self.delimiter.to_string())
            .replace(&encoded.to_lowercase(), &self.delimiter.to_string());
        if !given.contains(self.delimiter)
            && decoded != given
            && let Some(named) = split(&decoded)
        {
            return named;
        }
        if self.shared(given).is_some() { Named::Shared(given.to_owned()) } else { Named::Bare(given.to_owned()) }
    }
}
