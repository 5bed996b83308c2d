//! Which parts of a condition a member is given (S8). What it may return *too little* for it is never given.
//!
//! A member's classes say what it can parse, not that it means the same. Catalogues are known to agree on equality of
//! texts, on numbers, on null and on intersecting geometries. They are known to differ where a text is compared by a
//! collation, where a time is stored as a text or an Item has both an instant and a range, where long texts are
//! indexed by their words, and where coordinates are rounded. Those parts stay with the broker, unless the federation
//! file vouches for the member with `exact`.

use crate::cql2::{Class, Comparison, Expr, SpatialOp, Value};
use crate::federation::Support;

use super::{ALL_REFUSED, Capabilities, Language, Source};
use crate::members::dialect::Filters;

/// Fields of free text: several servers index their words, so that the whole text is not found.
const FREE_TEXT: [&str; 2] = ["title", "description"];
/// Times that members store as the bounds of one range, so that one which is absent is not null there.
const TIMES: [&str; 3] = ["datetime", "start_datetime", "end_datetime"];
/// What the core of every Item has; `query` reaches `properties` only.
const CORE: [&str; 4] = ["id", "collection", "geometry", "bbox"];
/// What the broker writes into Items: a member that is a broker too would answer about its own members.
const BACKENDS: &str = "federation:backends";
/// What a member knows whatever its queryables say.
const ALWAYS_KNOWN: [&str; 4] = ["id", "collection", "geometry", "datetime"];

impl Capabilities {
    /// How the member evaluates a condition that is joined to the rest by AND (S8).
    #[must_use]
    pub fn condition(&self, condition: &Expr) -> Support {
        self.condition_by(condition, self.by_post())
    }

    /// The same for one method: the languages may differ.
    pub(in crate::members) fn condition_by(&self, condition: &Expr, by_post: bool) -> Support {
        if self.evaluated_here {
            return self.filter;
        }
        if self.language(by_post).is_some() {
            return weaker(
                self.filter,
                self.judge(condition, Way::Filter { vouched: self.vouched("filter", self.filter) }),
            );
        }
        if self.query == Support::Unsupported || crate::cql2::query::write(condition).is_none() {
            return Support::Unsupported;
        }
        weaker(self.query, self.judge(condition, Way::Query { vouched: self.vouched("query", self.query) }))
    }

    /// The language that a method carries conditions in; `None`: they do not go as `filter`.
    pub(in crate::members) fn language(&self, by_post: bool) -> Option<Language> {
        let spoken = if by_post { self.spoken.post } else { self.spoken.get };
        spoken.filter(|_| self.filter != Support::Unsupported)
    }

    fn vouched(&self, name: &str, support: Support) -> bool {
        support == Support::Exact && self.from_file(name)
    }

    fn judge(&self, condition: &Expr, way: Way) -> Support {
        let properties = condition.properties();
        if self.filter_refused.iter().any(|name| name == ALL_REFUSED)
            || properties.iter().any(|name| !self.knows(name, way))
            || !self.reads(condition)
        {
            return Support::Unsupported;
        }
        self.part(condition, way, false)
    }

    fn knows(&self, property: &str, way: Way) -> bool {
        let listed = |list: &[String]| list.iter().any(|known| known == property);
        let core = matches!(way, Way::Query { .. }) && CORE.contains(&property);
        // to the broker a dot may lead into an object, to a member it may mean nothing: it must be listed there
        let unlisted = way.vouched() || !property.contains('.');
        let queryable = ALWAYS_KNOWN.contains(&property) || self.queryables.as_deref().map_or(unlisted, listed);
        property != BACKENDS && !core && queryable && !listed(&self.filter_refused)
    }

    /// One part; `negated` below an odd number of NOT, where returning too much turns into returning too little.
    fn part(&self, expr: &Expr, way: Way, negated: bool) -> Support {
        match expr {
            // no server is asked what is decided already
            Expr::Constant(_) => Support::Unsupported,
            Expr::And(parts) | Expr::Or(parts) => {
                parts.iter().map(|part| self.part(part, way, negated)).fold(Support::Exact, weaker)
            }
            Expr::Not(inner) => self.part(inner, way, !negated),
            leaf => {
                let support = self.leaf(leaf, way);
                if negated && support == Support::Inexact { Support::Unsupported } else { support }
            }
        }
    }

    /// Whether the member reads the form of a condition at all, whatever classes it declares.
    fn reads(&self, condition: &Expr) -> bool {
        match self.habits().filters {
            Filters::Plain(_) => is_plain(condition),
            Filters::Declared | Filters::Never | Filters::Only(_) => true,
        }
    }

    fn leaf(&self, leaf: &Expr, way: Way) -> Support {
        let covered = match way {
            Way::Filter { .. } => leaf.classes().into_iter().all(|class| self.covers(class)),
            // what can be written as `query` is what the extension has
            Way::Query { .. } => true,
        };
        if !covered {
            Support::Unsupported
        } else if way.vouched() {
            Support::Exact
        } else {
            agreed(leaf, self.string_order_bytes)
        }
    }

    fn covers(&self, class: Class) -> bool {
        let has = |class: Class| self.filter_classes.contains(&class.name());
        match class {
            // a file that vouches for a member which declares nothing means the basic class
            Class::BasicCql2 => {
                has(class) || self.probed() || (self.filter_classes.is_empty() && self.from_file("filter"))
            }
            // STAC reads the basic class as intersecting any geometry; who takes boxes only refuses, and is remembered
            Class::BasicSpatialFunctions | Class::BasicSpatialFunctionsPlus => {
                has(Class::BasicSpatialFunctions)
                    || has(Class::BasicSpatialFunctionsPlus)
                    || has(Class::SpatialFunctions)
            }
            _ => has(class),
        }
    }

    /// The filter was found by a probe, not declared: the probe asks for the basic class alone.
    fn probed(&self) -> bool {
        self.filter_classes.is_empty() && self.sources.get("filter") == Some(&Source::Probed)
    }
}

/// The parameter that conditions travel in, and whether the federation file vouches for it.
#[derive(Clone, Copy)]
enum Way {
    Filter { vouched: bool },
    Query { vouched: bool },
}

impl Way {
    fn vouched(self) -> bool {
        match self {
            Self::Filter { vouched } | Self::Query { vouched } => vouched,
        }
    }
}

/// The lesser of two: unsupported, then inexact, then exact.
pub fn weaker(a: Support, b: Support) -> Support {
    match (a, b) {
        (Support::Unsupported, _) | (_, Support::Unsupported) => Support::Unsupported,
        (Support::Inexact, _) | (_, Support::Inexact) => Support::Inexact,
        _ => Support::Exact,
    }
}

/// One comparison of a property with a number, or one area.
fn is_plain(condition: &Expr) -> bool {
    match condition {
        Expr::Compare { left: Value::Property(_), right: Value::Number(_), .. } => true,
        Expr::Spatial { op: SpatialOp::Intersects, left: Value::Property(name), right: Value::Geometry(_) } => {
            &**name == "geometry"
        }
        _ => false,
    }
}

/// What catalogues of all kinds are known to agree on.
fn agreed(leaf: &Expr, bytes_ordered: bool) -> Support {
    let exact_if = |good: bool| if good { Support::Exact } else { Support::Unsupported };
    match leaf {
        Expr::Compare { op, left, right } => {
            let ordered = !matches!(op, Comparison::Equal | Comparison::NotEqual);
            match (left, right) {
                (Value::Property(name), value) | (value, Value::Property(name)) => {
                    compared(name, value, ordered, bytes_ordered)
                }
                (
                    folded @ (Value::CaseI(_) | Value::AccentI(_)),
                    Value::Text(_) | Value::CaseI(_) | Value::AccentI(_),
                ) => {
                    if ordered {
                        Support::Unsupported
                    } else {
                        weaker(folds(folded), folds(right))
                    }
                }
                _ => Support::Unsupported,
            }
        }
        Expr::Between { value: Value::Property(name), low, high } => {
            weaker(compared(name, low, true, bytes_ordered), compared(name, high, true, bytes_ordered))
        }
        Expr::In { value: Value::Property(name), list } => {
            list.iter().map(|value| compared(name, value, false, bytes_ordered)).fold(Support::Exact, weaker)
        }
        // letters of either case at some members, and escapes are read in more than one way
        Expr::Like { value: Value::Property(name), pattern: Value::Text(pattern) } => {
            if FREE_TEXT.contains(&&**name) || pattern.contains('\\') { Support::Unsupported } else { Support::Inexact }
        }
        Expr::IsNull(Value::Property(name)) => exact_if(!TIMES.contains(&&**name) && !CORE.contains(&&**name)),
        Expr::Spatial { op, left, right } => exact_if(
            matches!((left, right), (Value::Property(name), Value::Geometry(_)) | (Value::Geometry(_), Value::Property(name)) if &**name == "geometry")
                && matches!(op, SpatialOp::Intersects | SpatialOp::Disjoint | SpatialOp::Within | SpatialOp::Contains),
        ),
        Expr::Array { left: Value::Property(_), right: Value::Array(values), .. } => {
            exact_if(values.iter().all(|value| matches!(value, Value::Text(_) | Value::Number(_))))
        }
        _ => Support::Unsupported,
    }
}

/// A property against a literal.
fn compared(property: &str, literal: &Value, ordered: bool, bytes_ordered: bool) -> Support {
    let agreed = match literal {
        Value::Text(_) => !FREE_TEXT.contains(&property) && !TIMES.contains(&property) && (!ordered || bytes_ordered),
        Value::Number(_) => !CORE.contains(&property),
        Value::Bool(_) => !ordered,
        _ => false,
    };
    if agreed { Support::Exact } else { Support::Unsupported }
}

/// Folding cases and accents: servers agree on it for plain letters, and may fold more than we do.
fn folds(value: &Value) -> Support {
    match value {
        Value::CaseI(inner) | Value::AccentI(inner) => folds(inner),
        Value::Text(text) if text.is_ascii() => Support::Inexact,
        Value::Property(name) if !FREE_TEXT.contains(&&**name) => Support::Inexact,
        _ => Support::Unsupported,
    }
}

#[cfg(test)]
mod tests;
