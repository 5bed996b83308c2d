//! What a probe saw, and what becomes of the capabilities by it (S10). Pure.
//!
//! A probe proves little and refutes well: one Item that is not found where it lies refutes a condition, and a
//! condition that nobody declares is believed only as far as it was seen. The federation file overrules both.

use chrono::{DateTime, Utc};

use super::capabilities::{Capabilities, Counts, Language, Source, weaker};
use crate::federation::Support;

/// What was proven; `None`: nothing, for want of Items or of an answer.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    pub at: Option<DateTime<Utc>>,
    pub datetime: Option<Support>,
    pub bbox: Option<Support>,
    pub intersects: Option<Support>,
    pub ids: Option<Support>,
    pub collections: Option<Support>,
    /// By time, in both directions.
    pub sort: Option<Support>,
    /// Order of the first Items without `sortby`.
    pub native_order: Option<&'static str>,
    /// Each language and method that was tried.
    pub filter: Vec<Spoke>,
    /// A comparison of a property, beside those of the id.
    pub filter_property: Option<Support>,
    pub query: Option<Support>,
    pub counts: Option<Counts>,
    /// The properties that may be named, where the member says that these are all.
    pub queryables: Option<Vec<String>>,
}

/// How the member took a condition in one language by one method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spoke {
    pub by_post: bool,
    pub language: Language,
    pub support: Support,
}

/// What came of a question about one known Item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The known Item is there.
    pub known: bool,
    /// So are others.
    pub others: bool,
    /// There was more than came.
    pub more: bool,
    /// The member refused the question.
    pub refused: bool,
}

impl Seen {
    pub const REFUSED: Self = Self { known: false, others: false, more: false, refused: true };

    /// Two questions about a condition: one that the known Item meets, one that it does not.
    pub fn judge(inside: Option<Self>, outside: Option<Self>) -> Option<Support> {
        let inside = inside?;
        if inside.refused {
            return Some(Support::Unsupported);
        }
        if !inside.known {
            // it may be on a page that was not read
            return (!inside.more).then_some(Support::Unsupported);
        }
        let outside = outside?;
        if outside.refused {
            return Some(Support::Unsupported);
        }
        Some(if outside.known { Support::Inexact } else { Support::Exact })
    }

    /// As [`Seen::judge`], for conditions that exactly one Item meets and none: what ignores them is of no use.
    pub fn judge_exactly(inside: Option<Self>, outside: Option<Self>) -> Option<Support> {
        let (inside, outside) = (inside?, outside?);
        let ignored = inside.others && (outside.known || outside.others);
        let lost = inside.refused || outside.refused || !inside.known;
        Some(if ignored || lost {
            Support::Unsupported
        } else if inside.others || outside.known || outside.others {
            Support::Inexact
        } else {
            Support::Exact
        })
    }
}

impl Findings {
    /// Adjusts what discovery declared.
    pub fn apply(&self, known: &mut Capabilities) {
        known.probed_at = self.at;
        // one count that is right does not make the others so
        let estimated = !known.counts_exact && self.counts == Some(Counts::Exact);
        known.counts = if estimated { Some(Counts::Estimated) } else { self.counts };
        if self.counts == Some(Counts::Estimated) {
            known.counts_exact = false;
        }
        for (name, found) in [
            ("datetime", self.datetime),
            ("bbox", self.bbox),
            ("intersects", self.intersects),
            ("ids", self.ids),
            ("collections", self.collections),
        ] {
            lower(known, name, found);
        }
        self.apply_sort(known);
        self.apply_filter(known);
        if let Some(query) = self.query {
            decide(known, "query", query, Support::Inexact);
        }
        known.queryables.clone_from(&self.queryables);
        if known.native_order.is_none()
            && known.sort == Support::Unsupported
            && let Some(order) = self.native_order
        {
            known.note(&format!("its first Items come in the order `{order}`: declare `native_order` if that holds"));
        }
    }

    fn apply_sort(&self, known: &mut Capabilities) {
        let Some(found) = self.sort else { return };
        let before = known.sort;
        decide(known, "sort", found, Support::Exact);
        if before == Support::Unsupported && known.sort == Support::Exact && !known.from_file("sort") {
            // seen for time alone; that is verified while reading as well
            known.sort_fields = Some(vec!["properties.datetime".to_owned()]);
        }
    }

    fn apply_filter(&self, known: &mut Capabilities) {
        if self.filter.is_empty() {
            return;
        }
        let mut best = Support::Unsupported;
        for by_post in [true, false] {
            let tried: Vec<&Spoke> = self.filter.iter().filter(|spoke| spoke.by_post == by_post).collect();
            if tried.is_empty() {
                continue;
            }
            let best_of = |support| {
                let mut good = tried.iter().filter(|spoke| spoke.support == support);
                let spoken = if by_post { known.spoken.post } else { known.spoken.get };
                good.clone().find(|spoke| Some(spoke.language) == spoken).or_else(|| good.next())
            };
            let chosen = best_of(Support::Exact).or_else(|| best_of(Support::Inexact));
            let place = if by_post { &mut known.spoken.post } else { &mut known.spoken.get };
            if !known.sources.contains_key("filter_lang") {
                *place = chosen.map(|spoke| spoke.language);
            }
            if by_post == known.search_post {
                best = chosen.map_or(Support::Unsupported, |spoke| spoke.support);
            }
            for failed in tried.iter().filter(|spoke| spoke.support == Support::Unsupported) {
                let method = if failed.by_post { "POST" } else { "GET" };
                if known.filter_lang.contains(&failed.language) && chosen.is_some() {
                    known.contradicted(&format!("declares {}, but not by {method}", failed.language.name()));
                }
            }
        }
        if let Some(property) = self.filter_property {
            best = weaker(best, property);
        }
        if known.filter_lang.is_empty() && best != Support::Unsupported {
            known.filter_lang = Language::ALL.into_iter().filter(|language| self.takes(*language)).collect();
        }
        decide(known, "filter", best, Support::Inexact);
    }

    fn takes(&self, language: Language) -> bool {
        self.filter.iter().any(|spoke| spoke.language == language && spoke.support != Support::Unsupported)
    }
}

/// What the core of the standard promises of every member: a probe can only take it away.
fn lower(known: &mut Capabilities, name: &'static str, found: Option<Support>) {
    let Some(found) = found else { return };
    let place = match name {
        "datetime" => &mut known.datetime,
        "bbox" => &mut known.bbox,
        "intersects" => &mut known.intersects,
        "ids" => &mut known.ids,
        _ => &mut known.collections,
    };
    let lowered = weaker(*place, found);
    if lowered == *place {
        return;
    }
    let text = match found {
        Support::Inexact => format!("`{name}` returns too much: checked by the broker"),
        _ => format!("`{name}` loses Items or is refused: left to the broker"),
    };
    if known.sources.get(name) == Some(&Source::File) {
        known.contradicted(&format!("{text}, if it were not for the federation file"));
        return;
    }
    *place = lowered;
    known.sources.insert(name, Source::Probed);
    known.contradicted(&text);
}

/// What conformance classes declare: a probe takes it away, or gives `undeclared` at most.
fn decide(known: &mut Capabilities, name: &'static str, found: Support, undeclared: Support) {
    let place = match name {
        "sort" => &mut known.sort,
        "query" => &mut known.query,
        _ => &mut known.filter,
    };
    let declared = *place;
    let now = match (declared, found) {
        (Support::Unsupported, Support::Unsupported) => return,
        (Support::Unsupported, found) => weaker(undeclared, found),
        (declared, found) => weaker(declared, found),
    };
    if now == declared {
        return;
    }
    let text = match (declared, now) {
        (Support::Unsupported, _) => format!("does not declare `{name}`, but has it"),
        (_, Support::Unsupported) => format!("declares `{name}`, but does not do it"),
        _ => format!("declares `{name}`, but returns too much"),
    };
    if known.from_file(name) {
        known.contradicted(&format!("{text}; the federation file decides otherwise"));
        return;
    }
    match name {
        "sort" => known.sort = now,
        "query" => known.query = now,
        _ => known.filter = now,
    }
    known.sources.insert(name, Source::Probed);
    known.contradicted(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(known: bool, others: bool) -> Seen {
        Seen { known, others, more: false, refused: false }
    }

    #[test]
    fn an_item_that_is_not_found_refutes_and_one_too_many_weakens() {
        assert_eq!(Seen::judge(Some(seen(true, true)), Some(seen(false, true))), Some(Support::Exact));
        assert_eq!(Seen::judge(Some(seen(true, false)), Some(seen(true, false))), Some(Support::Inexact));
        assert_eq!(Seen::judge(Some(seen(false, true)), Some(seen(false, false))), Some(Support::Unsupported));
        assert_eq!(Seen::judge(Some(Seen::REFUSED), None), Some(Support::Unsupported));
        let cut = Some(Seen { known: false, others: true, more: true, refused: false });
        assert_eq!(Seen::judge(cut, Some(seen(false, false))), None, "it may be on a later page");
        assert_eq!(Seen::judge(None, Some(seen(false, false))), None);
    }

    #[test]
    fn a_condition_that_is_ignored_is_not_done() {
        assert_eq!(Seen::judge_exactly(Some(seen(true, true)), Some(seen(true, true))), Some(Support::Unsupported));
        assert_eq!(Seen::judge_exactly(Some(seen(true, false)), Some(seen(false, false))), Some(Support::Exact));
        assert_eq!(Seen::judge_exactly(Some(seen(true, true)), Some(seen(false, false))), Some(Support::Inexact));
        assert_eq!(Seen::judge_exactly(Some(seen(false, false)), Some(seen(false, false))), Some(Support::Unsupported));
        assert_eq!(Seen::judge_exactly(Some(Seen::REFUSED), Some(seen(false, false))), Some(Support::Unsupported));
        assert_eq!(Seen::judge_exactly(None, Some(seen(false, false))), None);
    }
}
