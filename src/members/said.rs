//! What of a condition is said to a member, and in which words. Pure: no address, no request.
//!
//! A part that the member does not do, or that an address has no room for, is left out: the member then returns too
//! much, and every Item is checked by the broker anyway. A list that began under some condition goes on under the
//! same one, whatever has been learnt meanwhile, since places in it are places in that list: that is what the
//! [`Said::mark`] in a token is for.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;
use url::form_urlencoded;

use super::Ask;
use super::capabilities::{Capabilities, Language};
use super::encode;
use crate::cql2::{Expr, Shape, Value as Cql, query};
use crate::federation::Support;

/// Bytes of a condition in the body of a POST: with long geometries it stays below what proxies let through.
const BODY_BYTES_MAX: usize = 256 << 10;

/// A condition in a member's words.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    pub words: Option<Words>,
    /// Nothing of the condition was left out.
    pub whole: bool,
    /// Tells the condition of one list from that of another; `None`: no condition.
    pub mark: Option<u32>,
    /// The properties it names.
    pub properties: Vec<String>,
}

/// The parameter that carries it.
#[derive(Debug, Clone, PartialEq)]
pub enum Words {
    Text(String),
    Json(Value),
    Query(Value),
}

impl Said {
    /// No condition at all, for an ask that may have one.
    pub fn nothing(ask: &Ask) -> Self {
        Self { whole: ask.filter.is_none(), ..Self::default() }
    }

    /// The parts of the ask's condition that the member does.
    pub fn of(ask: &Ask, known: &Capabilities, by_post: bool) -> Self {
        let parts = ask.filter.iter().flat_map(|filter| filter.conjuncts());
        let parts: Vec<&Expr> =
            parts.filter(|part| known.condition_by(part, by_post) != Support::Unsupported).collect();
        Self::spell(ask, &parts, known, by_post)
    }

    /// The condition that a list began with, found again by its mark; `None` when it cannot be said any more.
    pub fn again(ask: &Ask, known: &Capabilities, by_post: bool, mark: Option<u32>) -> Option<Self> {
        if mark.is_none() {
            return Some(Self::nothing(ask));
        }
        let now = Self::of(ask, known, by_post);
        if now.mark == mark {
            return Some(now);
        }
        let all: Vec<&Expr> = ask.filter.iter().flat_map(|filter| filter.conjuncts()).collect();
        Some(Self::spell(ask, &all, known, by_post)).filter(|said| said.mark == mark)
    }

    fn spell(ask: &Ask, parts: &[&Expr], known: &Capabilities, by_post: bool) -> Self {
        let parts: Vec<Expr> = parts.iter().map(|part| drawn((*part).clone())).collect();
        let mut room = if by_post { BODY_BYTES_MAX } else { encode::room_left(ask) };
        let mut kept: Vec<Expr> = Vec::new();
        for part in parts {
            let Some(bytes) = words(&part, known, by_post).map(|words| words.bytes(by_post)) else { continue };
            if bytes <= room {
                room -= bytes;
                kept.push(part);
            }
        }
        let whole = kept.len() == ask.filter.as_deref().map_or(0, |filter| filter.conjuncts().len());
        if kept.is_empty() {
            return Self { whole, ..Self::default() };
        }
        let joined = Expr::and(kept);
        let names = joined.properties().into_iter().map(str::to_owned).collect();
        match words(&joined, known, by_post) {
            Some(words) => Self { words: Some(words), whole, mark: Some(mark(&joined)), properties: names },
            // two parts that `query` has no room for together
            None => Self::default(),
        }
    }
}

/// Boxes as the polygons that they mean: servers differ in how they spell a box, and in what one across the
/// antimeridian is.
fn drawn(expr: Expr) -> Expr {
    expr.map_leaves(&mut |leaf| match leaf {
        Expr::Spatial { op, left, right } => Expr::Spatial { op, left: polygon(left), right: polygon(right) },
        other => other,
    })
}

fn polygon(value: Cql) -> Cql {
    match value {
        Cql::Geometry(shape) if !shape.bbox.is_empty() => {
            Cql::Geometry(Shape { geometry: shape.geometry.clone(), bbox: Vec::new() }.into())
        }
        other => other,
    }
}

fn words(expr: &Expr, known: &Capabilities, by_post: bool) -> Option<Words> {
    let Some(language) = known.language(by_post) else { return query::write(expr).map(Words::Query) };
    Some(Words::of(expr, language))
}

impl Words {
    /// A condition in a language of CQL2.
    pub fn of(expr: &Expr, language: Language) -> Self {
        match language {
            Language::Text => Self::Text(expr.to_text()),
            Language::Json => Self::Json(expr.to_json()),
        }
    }

    /// Room that it takes: percent-encoded in an address.
    fn bytes(&self, by_post: bool) -> usize {
        let text = match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Json(value) | Self::Query(value) => Cow::Owned(value.to_string()),
        };
        if by_post { text.len() } else { form_urlencoded::byte_serialize(text.as_bytes()).map(str::len).sum() }
    }

    /// Parameters of a GET.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Text(text) => vec![("filter", text.clone()), ("filter-lang", Language::Text.name().to_owned())],
            Self::Json(value) => vec![("filter", value.to_string()), ("filter-lang", Language::Json.name().to_owned())],
            Self::Query(value) => vec![("query", value.to_string())],
        }
    }

    /// Members of the body of a POST.
    pub fn members(&self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Text(text) => vec![("filter", text.clone().into()), ("filter-lang", Language::Text.name().into())],
            Self::Json(value) => vec![("filter", value.clone()), ("filter-lang", Language::Json.name().into())],
            Self::Query(value) => vec![("query", value.clone())],
        }
    }
}

/// A short digest of a condition, the same in every process: it travels in cursors.
fn mark(expr: &Expr) -> u32 {
    let hash = digest(&SHA256, expr.to_text().as_bytes());
    hash.as_ref().get(..4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
}
