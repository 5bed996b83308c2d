//! The cursor: a [`Session`] sealed for clients (`paging.md` section 9).
//!
//! base64url without padding of `version (1) | key id (4) | nonce (12) | sealed body | tag (16)`. The body is encrypted,
//! as member tokens may reveal internal names, with a cipher that survives a repeated nonce, as processes share keys
//! without coordinating. Nothing in it is an address, a query or a credential, and it grants nothing: the next page is
//! planned anew.

use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::collections::Ids;
use crate::collections::ids::Named;
use crate::federation::{Federation, MemberId, Secret};
use crate::members::Token;

use super::counts::Bounds;
use super::missed::Range;
use super::order::{Key, Position, Value};
use super::outcome::Status;
use super::plan::Order;
use super::request::{KeyKind, SortBy};
use super::session::{Class, Cover, Gap, Place, Session, SessionLeg};

/// First byte of a cursor; a change of [`Body`] takes a new one and goes on reading the old.
const VERSION: u8 = 3;
/// The version before: it has no [`Further`] after its body and [`Missed`].
const VERSION_BEFORE: u8 = 2;
/// Longest text that is looked at, and that is written into a body.
pub const CURSOR_BODY_CHARS_MAX: usize = 16_000;
/// Longest text that is written into an address: proxies stop GET links near 8 kB, clients sooner.
pub const CURSOR_LINK_CHARS_MAX: usize = 4_000;
const KEY_BYTES: usize = 32;
const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 12;

/// The keys that seal and open cursors: the first seals, all open. They may be replaced while it is used.
pub struct KeyRing {
    current: ArcSwap<Ring>,
}

#[derive(Clone)]
struct Ring {
    keys: Arc<[RingKey]>,
    life_ms: i64,
    /// Sealed alongside: a cursor of another federation does not open.
    purpose: Vec<u8>,
    /// True when the key was made at start and dies with the process.
    ephemeral: bool,
}

struct RingKey {
    id: [u8; KEY_ID_BYTES],
    key: RandomizedNonceKey,
}

/// Why a cursor cannot be used. None of these says which key or byte was wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("`token` is {0} characters long; accepted: at most {CURSOR_BODY_CHARS_MAX}")]
    TooLong(usize),
    #[error("`token` is not a cursor of this broker; accepted: the `token` of a `next` link, unchanged")]
    NotACursor,
    #[error("`token` was made by another version of the broker; start the search anew")]
    Version,
    #[error(
        "`token` was sealed with a key this broker does not have, or was altered; accepted: the `token` of a `next` link, unchanged"
    )]
    Sealed,
}

impl Refused {
    /// A word for what is counted.
    #[must_use]
    pub fn cause(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "too-long",
            Self::NotACursor => "not-a-cursor",
            Self::Version => "version",
            Self::Sealed => "sealed",
        }
    }
}

/// A cursor that opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    pub session: Session,
    /// True when it is older than a cursor may be.
    pub expired: bool,
}

impl KeyRing {
    /// The keys of the federation file; without any, one that lives as long as this process.
    ///
    /// # Errors
    /// When a key is not 32 bytes of base64url.
    pub fn from_federation(federation: &Federation) -> Result<Self, String> {
        Ok(Self { current: ArcSwap::from_pointee(Ring::of(federation)?) })
    }

    /// Takes the keys and the life of a cursor from a federation that takes the place of the one before. A key that the
    /// process made for itself stays while the file still names none, so that cursors outlive a reload.
    ///
    /// # Errors
    /// As [`KeyRing::from_federation`]; then nothing changes.
    pub fn renew(&self, federation: &Federation) -> Result<(), String> {
        let mut ring = Ring::of(federation)?;
        let before = self.current.load();
        if ring.ephemeral && before.ephemeral {
            ring.keys = Arc::clone(&before.keys);
        }
        self.current.store(Arc::new(ring));
        Ok(())
    }

    /// Seals a session. `now_ms` is the time of issue.
    #[must_use]
    pub fn seal(&self, session: &Session, ids: &Ids, now_ms: i64) -> String {
        self.current.load().seal(session, ids, now_ms)
    }

    /// Opens a cursor.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn open(&self, text: &str, ids: &Ids, now_ms: i64) -> Result<Opened, Refused> {
        self.current.load().open(text, ids, now_ms)
    }
}

impl Ring {
    fn of(federation: &Federation) -> Result<Self, String> {
        let mut keys = Vec::new();
        for (index, secret) in federation.cursor.keys.iter().enumerate() {
            keys.push(read_key(secret).ok_or_else(|| format!("`cursor.keys[{index}]` is not 32 bytes of base64url"))?);
        }
        let ephemeral = keys.is_empty();
        if ephemeral {
            let mut bytes = [0_u8; KEY_BYTES];
            aws_lc_rs::rand::fill(&mut bytes).map_err(|_unspecified| "the system gives no random bytes".to_owned())?;
            keys.push(ring_key(&bytes).ok_or("the cipher refuses its key")?);
        }
        let life_ms = i64::try_from(federation.cursor.life.as_millis()).unwrap_or(i64::MAX);
        Ok(Self {
            keys: keys.into(),
            life_ms,
            purpose: format!("cursor:v1.0.0:{}", federation.id).into_bytes(),
            ephemeral,
        })
    }

    fn seal(&self, session: &Session, ids: &Ids, now_ms: i64) -> String {
        let body = Body::of(session, ids, now_ms);
        // neither can fail: the body holds no type that postcard refuses, and the cipher takes any length we can hold
        let mut sealed =
            postcard::to_stdvec(&(body, Missed::of(session, ids), Further::of(session))).unwrap_or_default();
        let Some(key) = self.keys.first() else { return String::new() };
        let Ok(nonce) = key.key.seal_in_place_append_tag(Aad::from(self.purpose_of(VERSION)), &mut sealed) else {
            return String::new();
        };
        let mut text = Vec::with_capacity(1 + KEY_ID_BYTES + NONCE_BYTES + sealed.len());
        text.push(VERSION);
        text.extend_from_slice(&key.id);
        text.extend_from_slice(nonce.as_ref());
        text.extend_from_slice(&sealed);
        URL_SAFE_NO_PAD.encode(text)
    }

    /// What is sealed alongside; the version too, since it tells how the rest is read.
    fn purpose_of(&self, version: u8) -> Vec<u8> {
        let mut purpose = self.purpose.clone();
        if version > VERSION_BEFORE {
            purpose.push(version);
        }
        purpose
    }

    fn open(&self, text: &str, ids: &Ids, now_ms: i64) -> Result<Opened, Refused> {
        if text.len() > CURSOR_BODY_CHARS_MAX {
            return Err(Refused::TooLong(text.len()));
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_not_base64| Refused::NotACursor)?;
        let (&version, rest) = bytes.split_first().ok_or(Refused::NotACursor)?;
        let (key_id, rest) = rest.split_at_checked(KEY_ID_BYTES).ok_or(Refused::NotACursor)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_BYTES).ok_or(Refused::NotACursor)?;
        if version != VERSION && version != VERSION_BEFORE {
            return Err(Refused::Version);
        }
        let key = self.keys.iter().find(|key| key.id == key_id).ok_or(Refused::Sealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_length| Refused::NotACursor)?;
        let mut sealed = sealed.to_vec();
        let plain = key
            .key
            .open_in_place(nonce, Aad::from(self.purpose_of(version)), &mut sealed)
            .map_err(|_unspecified| Refused::Sealed)?;
        let (body, rest) = postcard::take_from_bytes::<Body>(plain).map_err(|_shape| Refused::Version)?;
        let (missed, rest) = postcard::take_from_bytes::<Missed>(rest).map_err(|_shape| Refused::Version)?;
        let further = match version {
            VERSION_BEFORE => Further::default(),
            _ => postcard::from_bytes(rest).map_err(|_shape| Refused::Version)?,
        };
        let expired = now_ms.saturating_sub(body.issued_ms) > self.life_ms;
        let mut session = body.session(ids);
        missed.put_into(&mut session, ids);
        further.put_into(&mut session, ids);
        Ok(Opened { session, expired })
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "KeyRing({} keys)", self.current.load().keys.len())
    }
}

fn read_key(secret: &Secret) -> Option<RingKey> {
    let bytes = zeroize::Zeroizing::new(URL_SAFE_NO_PAD.decode(secret.expose().trim()).ok()?);
    if bytes.len() == KEY_BYTES { ring_key(&bytes) } else { None }
}

fn ring_key(bytes: &[u8]) -> Option<RingKey> {
    let hash = digest(&SHA256, bytes);
    let id = hash.as_ref().get(..KEY_ID_BYTES)?.try_into().ok()?;
    Some(RingKey { id, key: RandomizedNonceKey::new(&AES_256_GCM_SIV, bytes).ok()? })
}

/// The sealed content. Short names do not matter: postcard writes none.
#[derive(Serialize, Deserialize)]
struct Body {
    issued_ms: i64,
    started_ms: i64,
    digests: [u32; 12],
    order: Option<Vec<(String, bool)>>,
    matched: Option<u64>,
    watermark: Cut,
    turn: String,
    legs: Vec<LegBody>,
}

#[derive(Serialize, Deserialize)]
struct LegBody {
    member: String,
    ended: bool,
    share: u16,
    place: Option<PlaceBody>,
    gaps: Vec<(Cut, Option<Cut>, Status)>,
}

/// What a leg is restricted to, and where the lists of its gaps stand, by the number of the leg: most cursors have
/// nothing of it.
#[derive(Serialize, Deserialize, Default)]
struct Missed {
    ranges: Vec<(u16, Cut, Cut, Option<PlaceBody>)>,
    /// Leg, gap of the leg, place.
    places: Vec<(u16, u16, PlaceBody)>,
}

/// What most sessions have nothing of: kinds of sort keys, and of legs, by their number, what is unusual.
#[derive(Serialize, Deserialize, Default)]
struct Further {
    bounds: Bounds,
    kinds: Vec<KeyKind>,
    legs: Vec<(u16, FurtherLeg)>,
}

#[derive(Serialize, Deserialize)]
struct FurtherLeg {
    part: String,
    class: Class,
    window: u8,
    covered_by: Option<(Vec<String>, Status)>,
}

#[derive(Serialize, Deserialize)]
struct PlaceBody {
    token: Option<String>,
    size: u32,
    offset: u32,
    ordered: bool,
    bound: Cut,
    anchors: Vec<u32>,
}

/// A position in canonical ids, so that another delimiter only changes what is printed.
#[derive(Serialize, Deserialize)]
enum Cut {
    Start,
    Before(Value),
    At { values: Vec<Value>, id: String, member: Option<String>, collection: String },
    After(Value),
    End,
    Walk { first: Value, member: String, given: u32 },
}

impl Body {
    fn of(session: &Session, ids: &Ids, issued_ms: i64) -> Self {
        let cut = |position: &Position| Cut::of(position, ids);
        Self {
            issued_ms,
            started_ms: session.started_ms,
            digests: session.digests,
            order: match &session.order {
                Order::Sorted(keys) => Some(keys.iter().map(|key| (key.field.clone(), key.descending)).collect()),
                Order::Quota => None,
            },
            matched: session.matched,
            watermark: cut(&session.watermark),
            turn: session.turn.clone(),
            legs: session.legs.iter().map(|leg| LegBody::of(leg, &cut)).collect(),
        }
    }

    fn session(self, ids: &Ids) -> Session {
        Session {
            started_ms: self.started_ms,
            digests: self.digests,
            order: self.order.map_or(Order::Quota, |keys| {
                Order::Sorted(
                    keys.into_iter()
                        .map(|(field, descending)| SortBy { field, descending, ..SortBy::default() })
                        .collect(),
                )
            }),
            matched: self.matched,
            bounds: Bounds::default(),
            watermark: self.watermark.position(ids),
            turn: ids.member(&self.turn).map_or(self.turn, ToString::to_string),
            legs: self.legs.into_iter().map(|leg| leg.session(ids)).collect(),
        }
    }
}

impl LegBody {
    fn of(leg: &SessionLeg, cut: &impl Fn(&Position) -> Cut) -> Self {
        Self {
            member: leg.member.clone(),
            ended: leg.ended,
            share: leg.share,
            place: leg.place.as_ref().map(|place| PlaceBody::of(place, cut)),
            gaps: leg.gaps.iter().map(|gap| (cut(&gap.from), gap.to.as_ref().map(cut), gap.status)).collect(),
        }
    }

    fn session(self, ids: &Ids) -> SessionLeg {
        SessionLeg {
            member: ids.member(&self.member).map_or(self.member, ToString::to_string),
            ended: self.ended,
            share: self.share,
            place: self.place.map(|place| place.place(ids)),
            gaps: self
                .gaps
                .into_iter()
                .map(|(from, to, status)| {
                    let (from, to) = (from.position(ids), to.map(|to| to.position(ids)));
                    Gap { from, to, status, place: None }
                })
                .collect(),
            ..SessionLeg::default()
        }
    }
}

impl PlaceBody {
    fn of(place: &Place, cut: &impl Fn(&Position) -> Cut) -> Self {
        Self {
            token: place.token.as_ref().map(|token| token.0.to_string()),
            size: place.size,
            offset: place.offset,
            ordered: place.ordered,
            bound: cut(&place.bound),
            anchors: place.anchors.clone(),
        }
    }

    fn place(self, ids: &Ids) -> Place {
        Place {
            token: self.token.map(|token| Token(token.into())),
            size: self.size,
            offset: self.offset,
            ordered: self.ordered,
            bound: self.bound.position(ids),
            anchors: self.anchors,
        }
    }
}

impl Missed {
    fn of(session: &Session, ids: &Ids) -> Self {
        let cut = |position: &Position| Cut::of(position, ids);
        let mut missed = Self::default();
        for (number, leg) in (0_u16..).zip(&session.legs) {
            for range in &leg.ranges {
                let place = range.place.as_ref().map(|place| PlaceBody::of(place, &cut));
                missed.ranges.push((number, cut(&range.from), cut(&range.to), place));
            }
            for (gap, place) in (0_u16..).zip(&leg.gaps).filter_map(|(gap, kept)| Some((gap, kept.place.as_ref()?))) {
                missed.places.push((number, gap, PlaceBody::of(place, &cut)));
            }
        }
        missed
    }

    fn put_into(self, session: &mut Session, ids: &Ids) {
        for (leg, from, to, place) in self.ranges {
            let place = place.map(|place| place.place(ids));
            if let Some(leg) = session.legs.get_mut(usize::from(leg)) {
                leg.ranges.push(Range { from: from.position(ids), to: to.position(ids), place });
            }
        }
        for (leg, gap, place) in self.places {
            let leg = session.legs.get_mut(usize::from(leg));
            if let Some(gap) = leg.and_then(|leg| leg.gaps.get_mut(usize::from(gap))) {
                gap.place = Some(place.place(ids));
            }
        }
    }
}

impl Further {
    fn of(session: &Session) -> Self {
        let kinds = match &session.order {
            Order::Sorted(keys) if keys.iter().any(|key| key.kind != KeyKind::Any) => {
                keys.iter().map(|key| key.kind).collect()
            }
            _ => Vec::new(),
        };
        let unusual = |leg: &SessionLeg| {
            !leg.part.is_empty() || leg.class != Class::Unknown || leg.window > 0 || leg.covered_by.is_some()
        };
        let legs = (0_u16..).zip(&session.legs).filter(|(_, leg)| unusual(leg));
        Self { bounds: session.bounds, kinds, legs: legs.map(|(number, leg)| (number, FurtherLeg::of(leg))).collect() }
    }

    fn put_into(self, session: &mut Session, ids: &Ids) {
        session.bounds = self.bounds;
        if let Order::Sorted(keys) = &mut session.order {
            keys.iter_mut().zip(self.kinds).for_each(|(key, kind)| key.kind = kind);
        }
        for (number, further) in self.legs {
            if let Some(leg) = session.legs.get_mut(usize::from(number)) {
                leg.part = further.part;
                leg.class = further.class;
                leg.window = further.window;
                leg.covered_by = further.covered_by.map(|(members, status)| {
                    let now = |id: String| ids.member(&id).map_or(id, ToString::to_string);
                    Cover { members: members.into_iter().map(now).collect(), status }
                });
            }
        }
    }
}

impl FurtherLeg {
    fn of(leg: &SessionLeg) -> Self {
        let covered_by = leg.covered_by.clone().map(|cover| (cover.members, cover.status));
        Self { part: leg.part.clone(), class: leg.class, window: leg.window, covered_by }
    }
}

impl Cut {
    fn of(position: &Position, ids: &Ids) -> Self {
        match position {
            Position::Start => Self::Start,
            Position::Before(value) => Self::Before(value.clone()),
            Position::After(value) => Self::After(value.clone()),
            Position::End => Self::End,
            Position::Walk { first, member, given } => {
                Self::Walk { first: first.clone(), member: member.to_string(), given: *given }
            }
            Position::At(key) => {
                let (member, collection) = match ids.parse(&key.collection) {
                    Named::Qualified { member, native } => (Some(member.to_string()), native),
                    Named::Shared(id) | Named::Bare(id) => (None, id),
                };
                Self::At { values: key.values.clone(), id: key.id.to_string(), member, collection }
            }
        }
    }

    fn position(self, ids: &Ids) -> Position {
        match self {
            Self::Start => Position::Start,
            Self::Before(value) => Position::Before(value),
            Self::After(value) => Position::After(value),
            Self::End => Position::End,
            Self::Walk { first, member, given } => {
                let member = ids.member(&member).map_or(member, ToString::to_string);
                Position::Walk { first, member: member.into(), given }
            }
            Self::At { values, .. } if values.is_empty() => Position::Start,
            Self::At { values, id, member, collection } => {
                let collection: Arc<str> = match member {
                    Some(member) => {
                        let now = ids.member(&member).cloned().unwrap_or_else(|| MemberId::new(&member));
                        ids.qualified(&now, &collection).into()
                    }
                    None => collection.into(),
                };
                Position::At(Key { values, id: id.into(), collection })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::federation::{self, Limits, Server};

    fn federation(id: &str, keys: &[&str]) -> Federation {
        Federation {
            id: id.into(),
            title: String::new(),
            description: String::new(),
            public_url: None,
            delimiter: '|',
            server: Server {
                listen: ([127, 0, 0, 1], 0).into(),
                tls: None,
                admin: crate::federation::Admin::default(),
                trusted_proxies: Vec::new(),
                cors_origins: Vec::new(),
            },
            limits: Limits::default(),
            telemetry: crate::federation::Telemetry::default(),
            cursor: federation::Cursor {
                keys: keys.iter().map(|key| Secret::new((*key).into())).collect(),
                life: Duration::from_secs(60),
            },
            processes: 1,
            routing: crate::federation::Routing::default(),
            registry: crate::federation::Registry::default(),
            shared: Vec::new(),
            members: Vec::new(),
        }
    }

    const KEY_A: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const KEY_B: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";

    fn ring(id: &str, keys: &[&str]) -> (KeyRing, Ids) {
        let federation = federation(id, keys);
        (KeyRing::from_federation(&federation).expect("keys"), Ids::new(&federation))
    }

    fn session() -> Session {
        let key =
            Key { values: vec![Value::Time(5)], id: "S2A_20240101".into(), collection: "EODC|sentinel-2-l2a".into() };
        let leg = SessionLeg {
            member: "EODC".into(),
            share: 20,
            place: Some(Place {
                token: Some(Token("next:abc".into())),
                size: 7,
                offset: 3,
                ordered: true,
                bound: Position::Before(Value::Time(8)),
                anchors: vec![1, 2],
            }),
            gaps: vec![Gap {
                from: Position::Start,
                to: Some(Position::After(Value::Time(9))),
                status: Status::Timeout,
                place: Some(Place { token: Some(Token("next:gap".into())), ..Place::default() }),
            }],
            part: "sentinel-2-l2a".into(),
            class: Class::Walker,
            window: 9,
            covered_by: Some(Cover { members: vec!["VITO".into()], status: Status::Timeout }),
            ended: false,
            ranges: vec![Range { from: Position::Start, to: Position::After(Value::Time(9)), place: None }],
        };
        Session {
            started_ms: 1,
            digests: [7; 12],
            order: Order::Sorted(vec![SortBy { field: "datetime".into(), descending: true, kind: KeyKind::Time }]),
            matched: Some(4),
            bounds: Bounds { lower: Some(4), upper: None },
            watermark: Position::At(key),
            turn: String::new(),
            legs: vec![leg],
        }
    }

    #[test]
    fn what_is_sealed_opens() {
        let (keys, ids) = ring("a", &[KEY_A]);
        let opened = keys.open(&keys.seal(&session(), &ids, 1_000), &ids, 2_000).expect("a cursor");
        assert_eq!(opened, Opened { session: session(), expired: false });
    }

    #[test]
    fn a_cursor_of_the_version_before_still_opens() {
        let (keys, ids) = ring("a", &[KEY_A]);
        let mut before = session();
        let leg = SessionLeg { member: "EODC".into(), ..SessionLeg::default() };
        before.legs = vec![leg];
        before.bounds = Bounds::default();
        before.order = Order::Sorted(vec![SortBy { field: "datetime".into(), descending: true, ..SortBy::default() }]);
        let ring = keys.current.load_full();
        let mut sealed =
            postcard::to_stdvec(&(Body::of(&before, &ids, 1_000), Missed::of(&before, &ids))).expect("a body");
        let nonce = ring.keys[0].key.seal_in_place_append_tag(Aad::from(&ring.purpose), &mut sealed).expect("a seal");
        let bytes = [&[VERSION_BEFORE][..], &ring.keys[0].id, nonce.as_ref(), &sealed].concat();
        let opened = keys.open(&URL_SAFE_NO_PAD.encode(bytes), &ids, 2_000).expect("a cursor");
        assert_eq!(opened.session, before);
    }

    #[test]
    fn a_member_that_was_renamed_is_found_under_its_new_id() {
        let text = "[federation]\nid = \"a\"\n[[member]]\nid = \"EODC-2\"\nrenamed_from = [\"EODC\"]\nurl = \"https://e.example\"\n";
        let renamed = federation::load_text("test", text, std::path::Path::new(".")).expect("good").federation;
        let (keys, before) = ring("a", &[KEY_A]);
        let opened = keys.open(&keys.seal(&session(), &before, 1_000), &Ids::new(&renamed), 2_000).expect("a cursor");
        assert_eq!(opened.session.legs[0].member, "EODC-2");
        let after = Ids::new(&renamed);
        assert_eq!(after.parse("EODC|x"), after.parse("EODC-2|x"));
        assert_ne!(after.parse("EODC-3|x"), after.parse("EODC-2|x"));
    }

    #[test]
    fn one_session_never_seals_to_the_same_text_twice() {
        let (keys, ids) = ring("a", &[KEY_A]);
        assert_ne!(keys.seal(&session(), &ids, 0), keys.seal(&session(), &ids, 0));
    }

    #[test]
    fn a_cursor_grows_old_but_still_opens() {
        let (keys, ids) = ring("a", &[KEY_A]);
        let text = keys.seal(&session(), &ids, 0);
        assert!(!keys.open(&text, &ids, 60_000).expect("a cursor").expired);
        assert!(keys.open(&text, &ids, 60_001).expect("a cursor").expired);
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let (old, ids) = ring("a", &[KEY_A]);
        let (rotated, _) = ring("a", &[KEY_B, KEY_A]);
        let (new, _) = ring("a", &[KEY_B]);
        assert!(rotated.open(&old.seal(&session(), &ids, 0), &ids, 0).is_ok());
        assert_eq!(old.open(&rotated.seal(&session(), &ids, 0), &ids, 0), Err(Refused::Sealed));
        assert!(new.open(&rotated.seal(&session(), &ids, 0), &ids, 0).is_ok());
    }

    #[test]
    fn a_cursor_of_another_federation_does_not_open() {
        let (one, ids) = ring("a", &[KEY_A]);
        let (other, _) = ring("b", &[KEY_A]);
        assert_eq!(other.open(&one.seal(&session(), &ids, 0), &ids, 0), Err(Refused::Sealed));
    }

    #[test]
    fn every_altered_byte_is_refused() {
        let (keys, ids) = ring("a", &[KEY_A]);
        let bytes = URL_SAFE_NO_PAD.decode(keys.seal(&session(), &ids, 0)).expect("base64");
        for index in 0..bytes.len() {
            for flip in [1_u8, 0x80] {
                let mut altered = bytes.clone();
                altered[index] ^= flip;
                assert!(keys.open(&URL_SAFE_NO_PAD.encode(altered), &ids, 0).is_err(), "byte {index}");
            }
        }
        for length in 0..bytes.len() {
            assert!(keys.open(&URL_SAFE_NO_PAD.encode(&bytes[..length]), &ids, 0).is_err(), "cut to {length}");
        }
        let longer = URL_SAFE_NO_PAD.encode([bytes, vec![0]].concat());
        assert_eq!(keys.open(&longer, &ids, 0), Err(Refused::Sealed));
    }

    #[test]
    fn what_is_no_cursor_is_refused_by_name() {
        let (keys, ids) = ring("a", &[KEY_A]);
        assert_eq!(keys.open("", &ids, 0), Err(Refused::NotACursor));
        assert_eq!(keys.open("next page, please", &ids, 0), Err(Refused::NotACursor));
        assert_eq!(keys.open("AQ", &ids, 0), Err(Refused::NotACursor));
        assert_eq!(keys.open(&URL_SAFE_NO_PAD.encode([9; 60]), &ids, 0), Err(Refused::Version));
        assert_eq!(keys.open(&"A".repeat(16_001), &ids, 0), Err(Refused::TooLong(16_001)));
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        assert!(KeyRing::from_federation(&federation("a", &["AAAA"])).is_err());
        assert!(KeyRing::from_federation(&federation("a", &["not base64!"])).is_err());
    }

    #[test]
    fn the_text_stays_short() {
        let (keys, ids) = ring("a", &[KEY_A]);
        let leg =
            |index: usize| SessionLeg { member: format!("MEMBER-{index:02}"), share: 10, ..SessionLeg::default() };
        let ten = Session { legs: (0..10).map(leg).collect(), ..session() };
        let length = keys.seal(&ten, &ids, 0).len();
        assert!(length < 600, "{length} characters for ten members");
    }
}
