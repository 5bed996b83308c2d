//! A condition in one member's own terms: predicates on `collection` name what the member calls its Collections.
//!
//! A Collection goes by two names, `MEMBER|native` and `native`, and a client may write either. `=`, `<>`, `IN` and `LIKE`
//! are true when one of the two names meets them; an ordering comparison takes the name that its literal has the form
//! of. Whatever is thereby decided for every Collection of the member becomes a constant, so that a condition that is
//! false for all of a member shows it before anybody is asked. Pure; what a condition means is not known here.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::collections::Ids;
use crate::collections::ids::Named;
use crate::cql2::{Comparison, Expr, Subject, Value};
use crate::federation::MemberId;

/// The property that names an Item's Collection.
pub const COLLECTION: &str = "collection";

/// The condition with the member's own collection ids, without parts that are decided for all its Items.
#[must_use]
pub fn localised(filter: &Expr, member: &MemberId, ids: &Ids) -> Expr {
    let local = Local { member, ids, prefix: ids.qualified(member, "") };
    filter.clone().map_leaves(&mut |leaf| local.leaf(leaf)).folded()
}

/// The condition as it holds for Items of a shared Collection, whose only name is the shared one: what is thereby decided
/// becomes a constant.
#[must_use]
pub fn of_shared(filter: &Expr, id: &str) -> Expr {
    let subject = InShared(id);
    let decided = |leaf: Expr| {
        let properties = leaf.properties();
        let only = properties.len() == 1 && properties.contains(COLLECTION);
        drop(properties);
        let known = if only { leaf.holds(&subject) } else { None };
        known.map_or(leaf, Expr::Constant)
    };
    filter.clone().map_leaves(&mut { decided }).folded()
}

/// The collections of a member that a condition names as the member's own, `MEMBER|collection`.
#[must_use]
pub fn named_in(filter: &Expr, member: &MemberId, ids: &Ids) -> Vec<String> {
    let mut natives = Vec::new();
    filter.visit_values(&mut |value| {
        if let Some(Named::Qualified { member: of, native }) = value.literal_text().map(|text| ids.parse(text))
            && of == *member
        {
            natives.push(native);
        }
    });
    natives
}

/// An Item of which nothing is known but its Collection.
struct InShared<'a>(&'a str);

impl Subject for InShared<'_> {
    fn json(&self, property: &str) -> Option<Cow<'_, str>> {
        (property == COLLECTION).then(|| serde_json::Value::from(self.0).to_string().into())
    }

    fn geometry(&self, _property: &str) -> Option<Cow<'_, geo::Geometry<f64>>> {
        None
    }
}

/// Whether a value is the property of this name, whatever is disregarded in comparing it.
#[must_use]
pub fn is_property(value: &Value, name: &str) -> bool {
    match value {
        Value::Property(property) => &**property == name,
        Value::CaseI(inner) | Value::AccentI(inner) => is_property(inner, name),
        _ => false,
    }
}

/// Rewrites for one member.
struct Local<'a> {
    member: &'a MemberId,
    ids: &'a Ids,
    /// What stands before the member's own ids: member and delimiter.
    prefix: String,
}

/// What a literal says about the Collections of the member.
enum Meant {
    /// To be compared with the native id.
    Native(String),
    /// Every exposed id of the member lies on this side of it.
    Beside(Ordering),
}

impl Local<'_> {
    fn leaf(&self, leaf: Expr) -> Expr {
        match &leaf {
            Expr::Compare { op, left, right } if is_property(left, COLLECTION) => {
                self.compare(*op, left, right).unwrap_or_else(|| leaf.clone())
            }
            Expr::Compare { op, left, right } if is_property(right, COLLECTION) => {
                self.compare(op.mirrored(), right, left).unwrap_or_else(|| leaf.clone())
            }
            Expr::Between { value, low, high } if is_property(value, COLLECTION) => {
                let end = |op, end: &Value| {
                    let as_it_is = || Expr::Compare { op, left: value.clone(), right: end.clone() };
                    self.compare(op, value, end).unwrap_or_else(as_it_is)
                };
                Expr::And(vec![end(Comparison::GreaterOrEqual, low), end(Comparison::LessOrEqual, high)])
            }
            Expr::In { value, list } if is_property(value, COLLECTION) => self.one_of(value, list),
            Expr::In { value, list } if list.iter().any(|entry| is_property(entry, COLLECTION)) => {
                let equal =
                    |entry: &Value| Expr::Compare { op: Comparison::Equal, left: entry.clone(), right: value.clone() };
                Expr::Or(list.iter().map(|entry| self.leaf(equal(entry))).collect())
            }
            Expr::Like { value, pattern } if is_property(value, COLLECTION) => {
                pattern.literal_text().map_or_else(|| leaf.clone(), |text| self.like(value, pattern, text))
            }
            _ => leaf,
        }
    }

    /// `None` when the other side is no text: it is then compared as it stands.
    fn compare(&self, op: Comparison, collection: &Value, literal: &Value) -> Option<Expr> {
        let text = literal.literal_text()?;
        Some(match self.meant(collection, text) {
            Meant::Native(native) => {
                Expr::Compare { op, left: collection.clone(), right: literal.with_literal_text(&native) }
            }
            Meant::Beside(side) => Expr::Constant(match op {
                Comparison::Equal => false,
                Comparison::NotEqual => true,
                Comparison::Less | Comparison::LessOrEqual => side == Ordering::Less,
                Comparison::Greater | Comparison::GreaterOrEqual => side == Ordering::Greater,
            }),
        })
    }

    /// A list keeps what may be a native id, and what is no text at all.
    fn one_of(&self, collection: &Value, list: &[Value]) -> Expr {
        let kept = list.iter().filter_map(|entry| match entry.literal_text() {
            None => Some(entry.clone()),
            Some(text) => match self.meant(collection, text) {
                Meant::Native(native) => Some(entry.with_literal_text(&native)),
                Meant::Beside(_) => None,
            },
        });
        let list: Vec<Value> = kept.collect();
        if list.is_empty() { Expr::Constant(false) } else { Expr::In { value: collection.clone(), list } }
    }

    fn meant(&self, collection: &Value, text: &str) -> Meant {
        if !matches!(collection, Value::Property(_)) {
            // Compared without regard to case or accents: so is the name of the member.
            let own = text.get(..self.prefix.len()).filter(|start| start.eq_ignore_ascii_case(&self.prefix));
            return Meant::Native(own.map_or(text, |own| &text[own.len()..]).to_owned());
        }
        match self.ids.parse(text) {
            Named::Bare(native) => Meant::Native(native),
            Named::Qualified { member, native } if member == *self.member => Meant::Native(native),
            Named::Qualified { member, .. } => {
                Meant::Beside(self.prefix.as_str().cmp(&self.ids.qualified(&member, "")))
            }
            Named::Shared(id) => Meant::Beside(self.prefix.as_str().cmp(&id)),
        }
    }

    /// The native id meets the pattern, or the qualified one does: then the native id meets what is left of the pattern
    /// when the prefix was read by it.
    fn like(&self, collection: &Value, pattern: &Value, text: &str) -> Expr {
        let pieces = pieces(text);
        let exact = matches!(collection, Value::Property(_));
        let mut rests = after(&pieces, &self.prefix, exact);
        rests.push(0);
        rests.sort_unstable();
        rests.dedup();
        let like = |rest: usize| {
            let rest = &pieces[rest..];
            if !rest.is_empty() && rest.iter().all(|piece| *piece == Piece::Any) {
                return Expr::Constant(true);
            }
            Expr::Like { value: collection.clone(), pattern: pattern.with_literal_text(&spelled(rest)) }
        };
        match rests.as_slice() {
            [only] => like(*only),
            rests => Expr::Or(rests.iter().map(|rest| like(*rest)).collect()),
        }
    }
}

/// One step of a `LIKE` pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// `%`
    Any,
    /// `_`
    One,
    Char(char),
}

/// A pattern without repeated `%`, which mean no more than one.
fn pieces(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        let piece = match character {
            '%' => Piece::Any,
            '_' => Piece::One,
            '\\' => Piece::Char(characters.next().unwrap_or('\\')),
            plain => Piece::Char(plain),
        };
        if piece != Piece::Any || pieces.last() != Some(&Piece::Any) {
            pieces.push(piece);
        }
    }
    pieces
}

fn spelled(pieces: &[Piece]) -> String {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Any => text.push('%'),
            Piece::One => text.push('_'),
            Piece::Char(plain) => {
                if matches!(plain, '%' | '_' | '\\') {
                    text.push('\\');
                }
                text.push(*plain);
            }
        }
    }
    text
}

/// Where the pattern can go on when it has read a text: at most one place more than the text has characters.
fn after(pieces: &[Piece], text: &str, exact: bool) -> Vec<usize> {
    let mut places = vec![0];
    for character in text.chars() {
        let mut next = Vec::new();
        for &place in &places {
            // `%` stays, or gives way to what follows it
            let steps = match pieces.get(place) {
                Some(Piece::Any) => vec![place, place + 1],
                _ => vec![place],
            };
            for step in steps {
                match pieces.get(step) {
                    Some(Piece::Any) => next.push(step),
                    Some(Piece::One) => next.push(step + 1),
                    Some(Piece::Char(plain)) if same(*plain, character, exact) => next.push(step + 1),
                    _ => {}
                }
            }
        }
        next.sort_unstable();
        next.dedup();
        places = next;
    }
    places
}

/// Member ids and delimiters are ASCII.
fn same(plain: char, character: char, exact: bool) -> bool {
    if exact { plain == character } else { plain.eq_ignore_ascii_case(&character) }
}

#[cfg(test)]
mod tests;
