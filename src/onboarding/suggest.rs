//! Facts -> what is worth knowing of a member, and what a federation file could say of it. Pure.
//!
//! What was found to be less than it seems is put in effect: it cannot make an answer wrong. What leaves the member out
//! of searches is for its admin to decide, and stands there as a comment.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::ask::PageSeen;
use super::judge::{Facts, Sorts, cap, native, verdict};
use crate::collections::MemberView;
use crate::federation::addition::{Addition, Setting, Table};
use crate::federation::interval::text;
use crate::federation::{Kind, Support, quoted};
use crate::members::Item;

/// Characters of a title that are taken from a landing page.
const TITLE_CHARS_MAX: usize = 120;
/// A window up to this long that reaches until today looks like a rolling one.
const ROLLING_DAYS_MAX: i64 = 400;
/// How far behind now the newest Item of a living catalogue may be.
const LIVING_DAYS: i64 = 10;
/// A catalogue whose newest Item is older than this looks closed.
const CLOSED_DAYS: i64 = 90;

/// What is worth knowing of a member.
#[derive(Debug, Clone, Default)]
pub struct Discovered {
    pub title: Option<String>,
    pub get: bool,
    pub post: bool,
    pub items_only: bool,
    /// By time; `None`: not known.
    pub sorts: Option<bool>,
    pub native_order: Option<&'static str>,
    /// Languages of conditions that work.
    pub filter_lang: Vec<&'static str>,
    /// Capabilities that classes promise and that failed, as the federation file names them.
    pub untrue: Vec<&'static str>,
    pub counts: bool,
    /// Its Collections were read, be they none.
    pub listed: bool,
    /// Largest page, where it is less than the broker would ask for.
    pub page_items_max: Option<u32>,
    pub collections: usize,
    /// The union of all extents; `None`: not known, or everywhere.
    pub bbox: Option<[f64; 4]>,
    pub oldest: Option<DateTime<Utc>>,
    pub newest: Option<DateTime<Utc>>,
    /// Where processes are listed, without `/processes`.
    pub processes: Option<String>,
}

impl Discovered {
    pub(super) fn of(facts: &Facts<'_>) -> Self {
        let title = facts.landing.page.as_ref().and_then(|page| page["title"].as_str());
        let mut known = Self {
            title: title.map(|title| title.chars().take(TITLE_CHARS_MAX).collect()),
            collections: match (&facts.listing, &facts.view) {
                (Some(listing), _) => listing.documents.len(),
                (None, view) => view.as_ref().map_or(0, |view| view.entries.len()),
            },
            listed: facts.listing.is_some() || facts.view.is_some(),
            page_items_max: facts.paging.as_ref().and_then(cap),
            processes: facts.landing.processes.as_ref().and_then(|processes| {
                let url = &processes.list.good()?;
                url.url.as_str().strip_suffix("/processes").map(str::to_owned)
            }),
            ..Self::default()
        };
        if let Some(view) = &facts.view {
            known.extents(view);
        }
        if let Some(search) = &facts.search {
            (known.get, known.items_only) = (search.get.is_page(), search.items_only);
            known.post = search.post.as_ref().is_some_and(PageSeen::is_page);
            known.counts = search.sample().matched().is_some();
            known.native_order = native(search);
            for spoken in &search.spoken {
                let name = if spoken.class.ends_with("query") { "query" } else { "filter" };
                match spoken.support {
                    Some(Support::Exact) if name == "filter" => {
                        let languages = ["cql2-text", "cql2-json"].into_iter();
                        known.filter_lang.extend(languages.filter(|language| spoken.what.contains(language)));
                    }
                    Some(Support::Unsupported) => known.untrue.push(name),
                    _ => {}
                }
            }
        }
        if !known.filter_lang.is_empty() {
            known.untrue.retain(|name| *name != "filter");
        }
        if let Some(order) = &facts.order {
            known.sorts = match verdict(order) {
                Sorts::Yes => Some(true),
                Sorts::No { .. } => Some(false),
                Sorts::Unknown(_) => None,
            };
            if known.sorts == Some(true) {
                let edge =
                    |pages: &[PageSeen]| pages.first().and_then(|page| page.items().first()).and_then(Item::time_key);
                let at = |key: Option<i64>| key.and_then(DateTime::from_timestamp_millis);
                known.newest = at(edge(&order.down)).or(known.newest);
                known.oldest = at(edge(&order.up)).or(known.oldest);
            }
            if known.sorts == Some(false) && facts.landing.declared.sort != Support::Unsupported {
                known.untrue.push("sort");
            }
        }
        if facts.landing.dialect.is_some() {
            // what a dialect does otherwise is known here: its row says it, the file need not
            known.untrue.clear();
        }
        known
    }

    fn extents(&mut self, view: &MemberView) {
        (self.bbox, self.oldest, self.newest) = union(view);
    }

    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "title": self.title,
            "search": { "get": self.get, "post": self.post, "by_collection": self.items_only },
            "sorts": self.sorts,
            "native_order": self.native_order,
            "filter_lang": self.filter_lang,
            "advertised_but_failed": self.untrue,
            "counts": self.counts,
            "page_items_max": self.page_items_max,
            "collections": self.collections,
            "bbox": self.bbox,
            "oldest": self.oldest.map(text),
            "newest": self.newest.map(text),
            "processes": self.processes,
        })
    }

    /// In words, for a comment.
    fn summary(&self, kind: Kind) -> String {
        if !self.listed {
            return format!("kind `{}`; what it has could not be read", kind.name());
        }
        if kind != Kind::StacApi {
            let noun = if self.collections == 1 { "Collection" } else { "Collections" };
            return format!("read whole by the broker: {} {noun}", self.collections);
        }
        let methods = match (self.get, self.post) {
            (true, true) => "GET and POST",
            (true, false) => "GET",
            (false, true) => "POST",
            (false, false) => "nothing",
        };
        let search =
            if self.items_only { "Items by Collection only".to_owned() } else { format!("search by {methods}") };
        let sorts = match self.sorts {
            Some(true) => "sorts by time",
            Some(false) => "does not sort",
            None => "order not known",
        };
        let filter = if self.filter_lang.is_empty() { "no filter".to_owned() } else { self.filter_lang.join(" and ") };
        let counts = if self.counts { "counts" } else { "does not count" };
        format!("{search}, {sorts}, {filter}, {counts}, {} Collections", self.collections)
    }
}

/// A box, the earliest time, the latest one.
type Extent = (Option<[f64; 4]>, Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// Box and times over all Collections; a Collection without one makes the whole unknown.
pub fn union(view: &MemberView) -> Extent {
    if view.entries.is_empty() || !view.quarantined.is_empty() {
        return (None, None, None);
    }
    let mut corners = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    for rect in view.entries.iter().flat_map(|entry| entry.area.iter().flat_map(|area| &area.boxes)) {
        let (low, high) = (rect.min(), rect.max());
        corners = [corners[0].min(low.x), corners[1].min(low.y), corners[2].max(high.x), corners[3].max(high.y)];
    }
    let placed = view.entries.iter().all(|entry| entry.area.is_some());
    let everywhere = corners[2] - corners[0] > 350.0 && corners[3] - corners[1] > 150.0;
    let intervals: Option<Vec<_>> = view.entries.iter().map(|entry| entry.interval).collect();
    let intervals = intervals.unwrap_or_default();
    let starts: Option<Vec<_>> = intervals.iter().map(|interval| interval.start).collect();
    let ends: Option<Vec<_>> = intervals.iter().map(|interval| interval.end).collect();
    let oldest = starts.and_then(|starts| starts.into_iter().min());
    let newest = ends.and_then(|ends| ends.into_iter().max());
    (Some(corners).filter(|corners| placed && !everywhere && corners[0] <= corners[2]), oldest, newest)
}

/// The lines of a retention rule that would fit what a member holds, with the reason of each.
pub fn retention(oldest: DateTime<Utc>, newest: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Vec<(String, String)> {
    let age = now - oldest;
    let living = newest.is_none_or(|newest| now - newest < TimeDelta::days(LIVING_DAYS));
    if living && age < TimeDelta::days(ROLLING_DAYS_MAX) && age > TimeDelta::zero() {
        let days = (age.num_days() + 1).div_euclid(10) * 10 + 10;
        let why = format!("if this is a rolling window: the oldest Item is of {}", oldest.format("%Y-%m-%d"));
        return vec![(format!("keep = \"P{days}D\""), why)];
    }
    let day = oldest.format("%Y-%m-%dT00:00:00Z");
    let mut lines = vec![(format!("from = \"{day}\""), "the oldest Item".to_owned())];
    if let Some(newest) = newest.filter(|newest| now - *newest > TimeDelta::days(CLOSED_DAYS)) {
        let behind = newest.checked_add_signed(TimeDelta::days(1)).unwrap_or(newest);
        let why = "if nothing comes any more: the day behind the newest Item".to_owned();
        lines.push((format!("until = \"{}\"", behind.format("%Y-%m-%dT00:00:00Z")), why));
    }
    lines
}

/// A focus that holds a box with a little room around it.
pub fn focus([west, south, east, north]: [f64; 4]) -> String {
    let out = |value: f64, by: f64| ((value + by) * 10.0).round() / 10.0;
    let (west, south) = (out(west, -0.05).max(-180.0), out(south, -0.05).max(-90.0));
    let (east, north) = (out(east, 0.05).min(180.0), out(north, 0.05).min(90.0));
    format!("focus = {{ bbox = [{west:.1}, {south:.1}, {east:.1}, {north:.1}] }}")
}

/// What to write into a federation file.
#[must_use]
pub fn addition(
    known: &Discovered,
    id: &str,
    url: &str,
    (kind, internal): (Kind, bool),
    now: DateTime<Utc>,
) -> Addition {
    let mut settings = Vec::new();
    let mut set = |table, line: String, why: &str, in_effect| {
        settings.push(Setting { table, line, why: why.to_owned(), in_effect });
    };
    if let Some(largest) = known.page_items_max {
        set(Table::Request, format!("page_items_max = {largest}"), "larger pages are cut or fail", true);
    }
    if kind == Kind::StacApi && known.get && !known.post && !known.items_only {
        set(Table::Request, "method = \"get\"".to_owned(), "POST is refused", true);
    }
    for name in &known.untrue {
        set(Table::Capabilities, format!("{name} = \"unsupported\""), "advertised, but it failed", true);
    }
    if let Some(order) = known.native_order.filter(|_| known.sorts != Some(true)) {
        let why = "if that holds for all of it: the order of its first Items";
        set(Table::Capabilities, format!("native_order = \"{order}\""), why, false);
    }
    if let Some(corners) = known.bbox {
        set(Table::Policy, focus(corners), "if it will stay there: the extents of its Collections", false);
    }
    if let Some(oldest) = known.oldest {
        for (line, why) in retention(oldest, known.newest, now) {
            set(Table::Retention, line, &why, false);
        }
    }
    if let Some(base) = &known.processes {
        set(Table::Processes, format!("url = {}", quoted(base)), "it lists processes there", false);
    }
    Addition {
        id: id.to_owned(),
        title: known.title.clone(),
        kind: kind.name().to_owned(),
        url: url.to_owned(),
        internal,
        remarks: vec![format!("Checked on {}: {}.", now.format("%Y-%m-%d"), known.summary(kind))],
        settings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn lines(oldest: &str, newest: Option<&str>) -> Vec<String> {
        let now = at("2026-06-01T00:00:00Z");
        retention(at(oldest), newest.map(at), now).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn a_window_that_moves_is_told_from_an_archive() {
        assert_eq!(lines("2026-03-05T00:00:00Z", Some("2026-05-31T00:00:00Z")), ["keep = \"P90D\""]);
        assert_eq!(lines("2015-06-23T10:00:00Z", Some("2026-05-31T00:00:00Z")), ["from = \"2015-06-23T00:00:00Z\""]);
        let closed = lines("1972-07-01T00:00:00Z", Some("1985-12-31T12:00:00Z"));
        assert_eq!(closed, ["from = \"1972-07-01T00:00:00Z\"", "until = \"1986-01-01T00:00:00Z\""]);
        assert_eq!(lines("2026-03-05T00:00:00Z", None), ["keep = \"P90D\""]);
    }

    #[test]
    fn a_focus_has_room_around_what_is_there() {
        assert_eq!(focus([4.02, 50.0, 7.0, 53.0]), "focus = { bbox = [4.0, 50.0, 7.1, 53.1] }");
        assert_eq!(focus([-180.0, -90.0, 180.0, 90.0]), "focus = { bbox = [-180.0, -90.0, 180.0, 90.0] }");
    }

    #[test]
    fn what_was_proven_is_in_effect_and_what_leaves_out_is_a_comment() {
        let known = Discovered {
            get: true,
            listed: true,
            page_items_max: Some(50),
            untrue: vec!["filter"],
            bbox: Some([1.0, 2.0, 3.0, 4.0]),
            oldest: Some(at("2000-01-01T00:00:00Z")),
            ..Discovered::default()
        };
        let now = at("2026-06-01T00:00:00Z");
        let written = addition(&known, "A", "https://a.example", (Kind::StacApi, false), now).to_text();
        for line in
            ["\npage_items_max = 50", "\nmethod = \"get\"", "\nfilter = \"unsupported\"", "\n# focus =", "\n# from ="]
        {
            assert!(written.contains(line), "{line} in\n{written}");
        }
        let unread = addition(&Discovered::default(), "A", "https://a.example", (Kind::Csw, false), now).to_text();
        assert!(unread.contains("Checked on 2026-06-01: kind `csw`; what it has could not be read."), "{unread}");
    }
}
