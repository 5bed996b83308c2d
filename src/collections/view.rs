//! The immutable merged view that one request runs with.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::federation::{self, Area, Federation, Interval, MemberId, Shared};
use crate::members::Listing;

use super::ids::{Ids, Named};
use super::shared::{self, Behind};
use super::{repair, search};

/// How long a list of Collections counts as fresh (`reliability.md`, metadata cache).
pub const FRESH: Duration = Duration::from_secs(300);

/// How long a whole list is preferred to a newer one that was cut (`reliability.md`, stale-if-error).
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Most Collections that are read of one member; the largest catalogue known to us has about a thousand.
const COLLECTIONS_MAX: usize = 20_000;

/// Every member's Collections as last read.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// One per enabled member, in the order of the file.
    pub members: Vec<MemberView>,
    /// The shared Collections that some holder lists, in the order of the file.
    pub shared: Vec<Arc<Entry>>,
    /// All of them, as declared.
    pub declared: Arc<[Shared]>,
}

#[derive(Debug, Clone)]
pub struct MemberView {
    pub member: MemberId,
    /// Sorted by native id.
    pub entries: Vec<Arc<Entry>>,
    /// Sorted by native id.
    pub quarantined: Vec<Quarantined>,
    pub known: Known,
    /// When the list was read last.
    pub read_at: Option<DateTime<Utc>>,
    /// True when the last refresh failed and the list is older than the fresh time.
    pub stale: bool,
}

/// Whether a list of Collections proves what a member does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Never read, or read in part: a collection outside the list may exist.
    Unknown,
    Complete,
}

/// A Collection that is listed.
#[derive(Debug)]
pub struct Entry {
    /// Of a shared Collection the highest holder that lists it.
    pub member: MemberId,
    /// Of a shared Collection its only id.
    pub native_id: String,
    /// `MEMBER|collection`, or the id of a shared Collection.
    pub exposed_id: String,
    /// The member's document as it came; the documented repairs are applied when it is written.
    pub document: Bytes,
    pub title: Option<String>,
    /// The advertised extent, absent when it is invalid or empty: it then proves nothing.
    pub area: Option<Area>,
    pub interval: Option<Interval>,
    /// Its texts as free text is looked for in them.
    pub words: Box<str>,
    /// Where its properties stand in the document.
    pub places: Vec<(Box<str>, std::ops::Range<usize>)>,
    /// The holders of a shared Collection; `None`: it is one member's own.
    pub behind: Option<Behind>,
}

/// A Collection that is searched but not listed.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Quarantined {
    /// Empty when the document has no usable id: it can then not be searched by name.
    pub native_id: String,
    pub reason: String,
}

impl View {
    #[must_use]
    pub fn member(&self, id: &MemberId) -> Option<&MemberView> {
        self.members.iter().find(|view| view.member == *id)
    }
}

/// Addresses that the broker writes into a Collection.
#[derive(Debug)]
pub struct CollectionHrefs<'a> {
    /// The exposed id: qualified, or bare for a merged view.
    pub id: &'a str,
    pub self_href: &'a str,
    pub root_href: &'a str,
    /// `None`, as the next two: the Collection has no Items.
    pub items_href: Option<&'a str>,
    pub queryables_href: Option<&'a str>,
    pub sortables_href: Option<&'a str>,
    /// The member's own address of the Collection; `None` for a merged view of several, and for what is made of a record.
    pub canonical: Option<&'a str>,
    /// `federation:backends`.
    pub backends: &'a [&'a str],
    /// Of a shared Collection: its holders, by rank. Relative addresses in its document are the first one's.
    pub holders: &'a [HolderHrefs],
    /// `federation:missing`: holders of which nothing, or nothing new, is known.
    pub missing: &'a [&'a str],
}

/// Where a holder of a shared Collection has it.
#[derive(Debug)]
pub struct HolderHrefs {
    pub title: String,
    /// At the broker, under its qualified id.
    pub href: String,
    /// At the member, as [`CollectionHrefs::canonical`].
    pub source: Option<String>,
}

/// What an id in a path names.
#[derive(Debug)]
pub enum Lookup {
    None,
    One(Arc<Entry>),
    /// A bare id with several holders, by descending priority of their members, then in the order of the file.
    Many(Vec<Arc<Entry>>),
}

impl View {
    /// A view in which nothing is known of any member.
    #[must_use]
    pub fn unread(federation: &Federation) -> Self {
        let members = federation.members.iter().filter(|member| member.enabled);
        Self {
            members: members.map(|member| MemberView::unread(&member.id)).collect(),
            shared: Vec::new(),
            declared: federation.shared.as_slice().into(),
        }
    }

    /// The same view with one member's part replaced.
    #[must_use]
    pub fn with(&self, part: &MemberView) -> Self {
        let members = self.members.iter();
        let members: Vec<_> =
            members.map(|old| if old.member == part.member { part.clone() } else { old.clone() }).collect();
        let shared = self.declared.iter().filter_map(|shared| {
            let touched = shared.rank(&part.member).is_some();
            let before = || self.shared.iter().find(|entry| entry.exposed_id == shared.id).cloned();
            if touched { shared::entry(shared, &members) } else { before() }
        });
        Self { shared: shared.collect(), declared: Arc::clone(&self.declared), members }
    }

    /// Finds what a collection id in a path names.
    #[must_use]
    pub fn lookup(&self, ids: &Ids, federation: &Federation, given: &str) -> Lookup {
        let native = match ids.parse(given) {
            Named::Qualified { member, native } => {
                let entry = self.member(&member).and_then(|view| view.entry(&native));
                return entry.map_or(Lookup::None, |entry| Lookup::One(entry.clone()));
            }
            Named::Shared(id) => {
                let entry = self.shared.iter().find(|entry| entry.exposed_id == id);
                return entry.map_or(Lookup::None, |entry| Lookup::One(entry.clone()));
            }
            Named::Bare(native) => native,
        };
        let priority =
            |entry: &Arc<Entry>| federation.member(entry.member.as_str()).map_or(0, |member| member.policy.priority);
        let mut holders: Vec<Arc<Entry>> =
            self.members.iter().filter_map(|view| view.entry(&native)).cloned().collect();
        // Stable: members of equal priority stay in the order of the file.
        holders.sort_by_key(|entry| std::cmp::Reverse(priority(entry)));
        match holders.len() {
            0 => Lookup::None,
            1 => Lookup::One(holders.remove(0)),
            _ => Lookup::Many(holders),
        }
    }
}

impl MemberView {
    /// A member that was never read.
    #[must_use]
    pub fn unread(member: &MemberId) -> Self {
        Self {
            member: member.clone(),
            entries: Vec::new(),
            quarantined: Vec::new(),
            known: Known::Unknown,
            read_at: None,
            stale: false,
        }
    }

    /// The part of one member from what it listed at a time.
    #[must_use]
    pub fn of(member: &federation::Member, ids: &Ids, listing: &Listing, at: DateTime<Utc>) -> Self {
        let mut part = Self { read_at: Some(at), ..Self::unread(&member.id) };
        let mut complete = listing.complete && listing.collections.len() <= COLLECTIONS_MAX;
        let mut seen = HashSet::new();
        for document in listing.collections.iter().take(COLLECTIONS_MAX) {
            match repair::judge(document) {
                // A document without a name may stand for any collection: the list no longer proves what is absent.
                Err(repair::Unsound { id: None, reason }) => {
                    complete = false;
                    part.quarantined.push(Quarantined { native_id: String::new(), reason });
                }
                Err(repair::Unsound { id: Some(id), reason }) if member.policy.sees(&id) && seen.insert(id.clone()) => {
                    part.quarantined.push(Quarantined { native_id: id, reason });
                }
                Ok(sound) if member.policy.sees(&sound.id) && seen.insert(sound.id.clone()) => {
                    part.entries.push(Arc::new(Entry::of(&member.id, ids, document, sound)));
                }
                Err(_) | Ok(_) => {}
            }
        }
        part.entries.sort_by(|a, b| a.native_id.cmp(&b.native_id));
        part.quarantined.sort_by(|a, b| a.native_id.cmp(&b.native_id));
        part.known = if complete { Known::Complete } else { Known::Unknown };
        part
    }

    /// The same part after a refresh that failed: the last good list is kept.
    #[must_use]
    pub fn kept(&self, now: DateTime<Utc>) -> Self {
        let old = self.read_at.is_some_and(|at| (now - at).to_std().is_ok_and(|age| age > FRESH));
        Self { stale: old, ..self.clone() }
    }

    /// How old the list is, where reading it again failed.
    #[must_use]
    pub fn outdated(&self, now: DateTime<Utc>) -> Option<Duration> {
        self.read_at.filter(|_| self.stale).map(|at| (now - at).to_std().unwrap_or_default())
    }

    /// What to hold after a refresh that answered: the new list, unless it was cut and the last one was whole and not
    /// a day old. Then the last one stays, as after a failure.
    #[must_use]
    pub fn succeeded_by(&self, new: &Self, now: DateTime<Utc>) -> Self {
        let young = self.read_at.is_some_and(|at| (now - at).to_std().is_ok_and(|age| age < KEPT));
        if new.known == Known::Unknown && self.known == Known::Complete && young { self.kept(now) } else { new.clone() }
    }

    /// The listed Collection of this native id.
    #[must_use]
    pub fn entry(&self, native: &str) -> Option<&Arc<Entry>> {
        let at = self.entries.binary_search_by(|entry| entry.native_id.as_str().cmp(native)).ok()?;
        self.entries.get(at)
    }

    /// Whether it surely has no Collection of this native id.
    #[must_use]
    pub fn lacks(&self, native: &str) -> bool {
        self.known == Known::Complete && self.entry(native).is_none() && self.puts_aside(native).is_none()
    }

    /// The Collection of this native id that is searched but not listed.
    #[must_use]
    pub fn puts_aside(&self, native: &str) -> Option<&Quarantined> {
        self.quarantined.iter().find(|one| one.native_id == native)
    }
}

impl Entry {
    fn of(member: &MemberId, ids: &Ids, document: &Bytes, sound: repair::Sound) -> Self {
        let exposed_id = ids.qualified(member, &sound.id);
        Self {
            member: member.clone(),
            words: sound.words(&exposed_id),
            places: search::places(document),
            exposed_id,
            native_id: sound.id,
            document: document.clone(),
            title: sound.title,
            area: sound.extent.area,
            interval: sound.extent.interval,
            behind: None,
        }
    }

    /// The Collections of members that it is: itself, or the holders' own by rank.
    #[must_use]
    pub fn parts(self: &Arc<Self>) -> Vec<Arc<Self>> {
        self.behind.as_ref().map_or_else(|| vec![Arc::clone(self)], |behind| behind.entries.clone())
    }
}
