//! Collection Search as clients ask it (`stac-api.md` 6.4): the parameters of `GET /collections`, and the token of its
//! pages. What a condition means for a Collection is decided in the room `collections`.
//!
//! A token is the position behind which the next page starts, and sums of the parameters it belongs to. It is not
//! secret and gives no rights; its checksum tells what was damaged, made up, or made by another federation.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::broker::Snapshot;
use crate::collections::search::{Position, Query, SORTABLES, SortBy, Terms, of_either_name};
use crate::federation::Area;
use crate::search::SearchRequest;
use crate::search::fields::Fields;
use crate::search::request::DIGEST_NAMES;

use super::items::cut;
use super::problem::Problem;

/// Collections of one page; several clients read the first page only, so it is large.
const PAGE_MAX: usize = 1000;
/// Longest token that is looked at: a few keys of 200 characters, and an id.
const TOKEN_CHARACTERS_MAX: usize = 8_000;
/// Says what the bytes of a token are; a change of [`Token`] changes it.
const TOKEN_VERSION: u8 = 1;
/// Bytes of a token that only check the others.
const CHECK_BYTES: usize = 8;

/// Parameters that are read here; the others mean the same as in a search of Items, and are read by the same code.
const OWN: [&str; 4] = ["q", "sortby", "limit", "token"];
/// Conditions on Items only. To ignore one would answer another question.
const OF_ITEMS: [&str; 3] = ["ids", "collections", "intersects"];
/// A way to ask that is not offered here. To ignore it would answer another question.
const REFUSED: &str = "query";

/// What a request for `/collections` asks.
#[derive(Debug)]
pub struct Asked {
    pub query: Query,
    pub fields: Option<Fields>,
    pub limit: usize,
    pub after: Option<Position>,
    /// Parameters that were not understood.
    pub ignored: Vec<String>,
    sums: Sums,
}

/// A sum for each parameter of [`DIGEST_NAMES`], 0 where it was not given.
type Sums = [u32; DIGEST_NAMES.len()];

#[derive(Serialize, Deserialize)]
struct Token {
    sums: Sums,
    after: Position,
}

impl Asked {
    /// Reads the parameters; those that are not known are ignored and named.
    pub fn of(pairs: &[(String, String)], snapshot: &Snapshot) -> Result<Self, Problem> {
        let own = |name: &str| -> Result<Option<&str>, Problem> {
            let mut values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
            let first = values.next();
            if values.next().is_some() {
                return Err(Problem::invalid(format!("`{name}` is given more than once; accepted: one value")));
            }
            Ok(first)
        };
        if own(REFUSED)?.is_some() {
            return Err(Problem::invalid("`query` is not supported on `/collections`; accepted: the same as `filter`"));
        }
        if let Some(name) = OF_ITEMS.into_iter().find(|name| pairs.iter().any(|(key, _)| key == name)) {
            let what = format!("`{name}` is not a parameter of `/collections`");
            return Err(Problem::invalid(format!("{what}; accepted: `{name}` on `/search`, and `filter` here")));
        }
        let shared: Vec<_> = pairs.iter().filter(|(name, _)| !OWN.contains(&name.as_str())).cloned().collect();
        let request = SearchRequest::from_query(&shared, &snapshot.federation.limits)?;
        let (q, sortby) = (own("q")?, own("sortby")?.map(sortby).transpose()?.unwrap_or_default());
        let mut sums = request.digests();
        sums[place("q")] = q.map_or(0, |q| sum(q.as_bytes()));
        let order: Vec<u8> =
            sortby.iter().flat_map(|key| format!("{}{},", key.descending, key.field).into_bytes()).collect();
        sums[place("sortby")] = if sortby.is_empty() { 0 } else { sum(&order) };
        let query = Query {
            area: request.bbox.map(Area::from),
            datetime: request.datetime,
            terms: q.map(terms).transpose()?.flatten(),
            filter: request.filter.map(|filter| Arc::new(of_either_name(&filter, &snapshot.ids))),
            sortby,
        };
        let limit = own("limit")?.map_or(Ok(PAGE_MAX), limit)?;
        let mut asked = Self { query, fields: request.fields, limit, after: None, ignored: request.ignored, sums };
        asked.after = own("token")?.map(|token| asked.opened(token, snapshot)).transpose()?;
        Ok(asked)
    }

    /// The token of the page that starts behind a position.
    pub fn token(&self, after: Position, snapshot: &Snapshot) -> Option<String> {
        let token = Token { sums: self.sums, after };
        let mut bytes = vec![TOKEN_VERSION];
        bytes.extend(postcard::to_allocvec(&token).ok()?);
        let check = check(&bytes, snapshot);
        bytes.extend_from_slice(&check);
        Some(URL_SAFE_NO_PAD.encode(bytes))
    }

    fn opened(&self, given: &str, snapshot: &Snapshot) -> Result<Position, Problem> {
        let read = || {
            let bytes = (given.len() <= TOKEN_CHARACTERS_MAX).then(|| URL_SAFE_NO_PAD.decode(given).ok())??;
            let (bytes, written) = bytes.split_at_checked(bytes.len().checked_sub(CHECK_BYTES)?)?;
            let (version, content) = bytes.split_first()?;
            (*version == TOKEN_VERSION && check(bytes, snapshot) == written).then_some(())?;
            postcard::from_bytes::<Token>(content).ok()
        };
        let unknown = "`token` is not one that `/collections` of this federation gave out";
        let token = read().ok_or_else(|| Problem::invalid_cursor(unknown))?;
        if let Some(changed) = token.sums.iter().zip(&self.sums).position(|(then, now)| then != now) {
            let name = DIGEST_NAMES[changed];
            return Err(Problem::invalid_cursor(format!(
                "`{name}` is not what it was when `token` was given; accepted: the parameters of the first page, but `limit`"
            )));
        }
        if !token.after.is_of(&snapshot.view) {
            let member = cut(&token.after.member);
            return Err(Problem::invalid_cursor(format!("`token` ends at the member `{member}`, which has left")));
        }
        Ok(token.after)
    }
}

fn place(name: &str) -> usize {
    // Both names that are asked for stand in the list; a test holds it.
    DIGEST_NAMES.iter().position(|known| *known == name).unwrap_or(0)
}

/// The first bytes of a digest, never 0.
fn sum(text: &[u8]) -> u32 {
    let digest = digest(&SHA256, text);
    digest.as_ref().iter().take(4).fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte)).max(1)
}

/// What tells a token of this federation from any other text.
fn check(bytes: &[u8], snapshot: &Snapshot) -> [u8; CHECK_BYTES] {
    let mut text = format!("collections of {}: ", snapshot.federation.id).into_bytes();
    text.extend_from_slice(bytes);
    let mut check = [0; CHECK_BYTES];
    check.iter_mut().zip(digest(&SHA256, &text).as_ref()).for_each(|(to, from)| *to = *from);
    check
}

fn limit(value: &str) -> Result<usize, Problem> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    // Digits that do not fit are a large number, and large numbers are clamped.
    let limit = if digits { value.parse().unwrap_or(usize::MAX) } else { 0 };
    if limit == 0 {
        return Err(Problem::invalid(format!("`limit` is `{}`; accepted: a whole number of at least 1", cut(value))));
    }
    Ok(limit.min(PAGE_MAX))
}

fn terms(q: &str) -> Result<Option<Terms>, Problem> {
    Terms::read(q).map_err(|error| {
        let accepted = "terms between commas, in double quotes where they are meant word for word";
        Problem::invalid(format!("`q` is `{}`, {error}; accepted: {accepted}", cut(q)))
    })
}

/// `+field`, `-field` or `field` between commas, each once; an unescaped plus arrives as a space.
fn sortby(given: &str) -> Result<Vec<SortBy>, Problem> {
    let refused = || {
        let sortables = SORTABLES.map(|name| format!("`{name}`")).join(", ");
        Problem::invalid(format!("`sortby` is `{}`; accepted: {sortables}, each once, in either direction", cut(given)))
    };
    let mut keys: Vec<SortBy> = Vec::new();
    for entry in given.split(',').filter(|entry| !entry.is_empty()) {
        let name = entry.strip_prefix(['+', ' ', '-']).unwrap_or(entry);
        let name = name.strip_prefix("properties.").unwrap_or(name);
        let field = SORTABLES.into_iter().find(|field| *field == name).ok_or_else(refused)?;
        if keys.iter().any(|key| key.field == field) {
            return Err(refused());
        }
        keys.push(SortBy { field, descending: entry.starts_with('-') });
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::super::routes::tests::federation;
    use super::*;
    use crate::collections::{Ids, MemberView, View};
    use crate::federation::MemberId;
    use crate::members::Registry;

    fn snapshot(id: &str, members: &[&str]) -> Snapshot {
        let mut federation = federation();
        federation.id = id.to_owned();
        let members = members.iter().map(|member| MemberView::unread(&MemberId::new(member))).collect();
        Snapshot {
            ids: Arc::new(Ids::new(&federation)),
            federation: Arc::new(federation),
            members: Arc::new(Registry::of(Vec::new())),
            view: Arc::new(View { members, ..View::default() }),
        }
    }

    fn asked(query: &str, snapshot: &Snapshot) -> Result<Asked, Problem> {
        Asked::of(&super::super::params::pairs(query), snapshot)
    }

    #[test]
    fn limits_are_clamped_and_nonsense_is_refused() {
        assert_eq!(limit("7").unwrap(), 7);
        assert_eq!(limit("1000000").unwrap(), PAGE_MAX);
        assert_eq!(limit("99999999999999999999999").unwrap(), PAGE_MAX);
        for bad in ["0", "-1", "", "1.5", "+1", "ten"] {
            assert_eq!(limit(bad).unwrap_err().code, "InvalidParameter", "{bad}");
        }
    }

    #[test]
    fn sums_have_their_places() {
        assert_eq!((DIGEST_NAMES[place("q")], DIGEST_NAMES[place("sortby")]), ("q", "sortby"));
    }

    #[test]
    fn wrong_parameters_are_named_with_what_is_accepted() {
        let snapshot = snapshot("f", &["A"]);
        for (query, named) in [
            ("bbox=1,2,3", "`bbox`"),
            ("datetime=2024", "`datetime`"),
            ("sortby=license", "`title`"),
            ("sortby=id,-id", "each once"),
            ("q=--", "`q`"),
            ("q=a&q=b", "more than once"),
            ("limit=0", "`limit`"),
            ("query=x", "`query`"),
            ("token=x", "`token`"),
        ] {
            let problem = asked(query, &snapshot).unwrap_err();
            assert!(problem.status == 400 && problem.description.contains(named), "{query}: {}", problem.description);
        }
        assert!(asked("x=y&sortby=&q=", &snapshot).is_ok());
        assert_eq!(asked("sortby=+title,-properties.updated", &snapshot).unwrap().query.sortby.len(), 2);
    }

    #[test]
    fn no_condition_is_dropped_in_silence() {
        let snapshot = snapshot("f", &["A"]);
        for name in OF_ITEMS {
            let problem = asked(&format!("{name}=x"), &snapshot).unwrap_err();
            let says = format!("`{name}` is not a parameter of `/collections`; accepted: `{name}` on `/search`");
            assert!(problem.status == 400 && problem.description.starts_with(&says), "{}", problem.description);
        }
        assert_eq!(asked("foo=1&q=sea&foo=2&bar=3", &snapshot).unwrap().ignored, ["foo", "bar"]);
        assert!(asked("q=sea&limit=5&sortby=id&bbox=1,2,3,4&fields=id", &snapshot).unwrap().ignored.is_empty());
    }

    #[test]
    fn a_token_holds_for_its_own_query_and_federation_only() {
        let here = snapshot("f", &["A", "B"]);
        let first = asked("q=sea&sortby=-title&limit=5", &here).unwrap();
        let position = Position { keys: vec![None], member: "B".into(), native_id: "x".repeat(300) };
        let token = first.token(position.clone(), &here).unwrap();
        assert_eq!(asked(&format!("limit=9&q=sea&sortby=-title&token={token}"), &here).unwrap().after, Some(position));
        for (query, named) in [
            ("q=ice&sortby=-title", "`q`"),
            ("sortby=-title", "`q`"),
            ("q=sea&sortby=title", "`sortby`"),
            ("q=sea&sortby=-title&bbox=1,2,3,4", "`bbox`"),
            ("q=sea&sortby=-title&fields=id", "`fields`"),
        ] {
            let problem = asked(&format!("{query}&token={token}"), &here).unwrap_err();
            assert_eq!((problem.status.as_u16(), problem.code), (400, "InvalidCursor"), "{query}");
            assert!(problem.description.starts_with(named), "{query}: {}", problem.description);
        }
        let same = format!("q=sea&sortby=-title&token={token}");
        assert_eq!(asked(&same, &snapshot("g", &["A", "B"])).unwrap_err().code, "InvalidCursor", "another federation");
        assert!(asked(&same, &snapshot("f", &["A"])).unwrap_err().description.contains("`B`, which has left"));
    }

    #[test]
    fn damaged_tokens_are_refused() {
        let here = snapshot("f", &["A"]);
        let first = asked("", &here).unwrap();
        let token =
            first.token(Position { keys: Vec::new(), member: "A".into(), native_id: "c".into() }, &here).unwrap();
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let damaged = String::from_utf8(bytes).unwrap();
            // The last character has bits that mean nothing, and is refused for them too.
            assert_eq!(asked(&format!("token={damaged}"), &here).unwrap_err().code, "InvalidCursor", "{at}");
        }
        for nonsense in ["", "A", "AAAA", "=", "%FF", &"A".repeat(TOKEN_CHARACTERS_MAX + 1), &token[1..]] {
            assert_eq!(asked(&format!("token={nonsense}"), &here).unwrap_err().code, "InvalidCursor", "{nonsense}");
        }
    }
}
