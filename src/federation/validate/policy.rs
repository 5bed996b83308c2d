//! `[member.policy]` and its retention rules.

use chrono::{DateTime, Utc};

use super::super::area::{Area, Bbox};
use super::super::file::{At, Keys, Notes};
use super::super::interval::parse_instant;
use super::super::policy::{Extents, Patterns, Policy};
use super::super::retention::{Period, Retention};
use super::read_bounded;

/// Most retention rules of one member, and boxes of one focus: every query is compared with each.
const RULES_MAX: usize = 256;
const BOXES_MAX: usize = 64;
const PREFIXES_MAX: usize = 256;
/// Largest geometry file, and most vertices in it.
const GEOMETRY_BYTES_MAX: usize = 8 * 1024 * 1024;
const VERTICES_MAX: usize = 100_000;

pub(super) fn read(keys: &Keys<'_>) -> Policy {
    let mut policy = Policy::default();
    if let Some(at) = keys.number("priority", -1_000_000..=1_000_000) {
        policy.priority = i32::try_from(at.value).unwrap_or_default();
    }
    policy.required = keys.flag("required", policy.required);
    policy.authoritative = keys.flag("authoritative", policy.authoritative);
    if let Some(collections) = keys.table("collections") {
        if let Some(include) = read_patterns(&collections, "include", false) {
            policy.include = include;
        }
        if let Some(exclude) = read_patterns(&collections, "exclude", true) {
            policy.exclude = exclude;
        }
        collections.finish();
    }
    policy.focus = read_focus(keys);
    let prefixes = keys.texts("ids_prefixes").unwrap_or_default();
    if prefixes.len() > PREFIXES_MAX {
        let sentence = format!("{} has more than {PREFIXES_MAX} prefixes", keys.name("ids_prefixes"));
        keys.notes.add("too-large", Some(keys.place(&["ids_prefixes"])), sentence, None);
    }
    for prefix in prefixes.iter().filter(|prefix| prefix.value.is_empty()) {
        prefix.refuse(keys.notes, "bad-value", "empty, so every id starts with it", Some("remove it".into()));
    }
    policy.ids_prefixes = prefixes.iter().map(|prefix| prefix.value.to_string()).collect();
    policy.extents = read_extents(keys);
    let rules = keys.tables("retention");
    if rules.len() > RULES_MAX {
        let sentence = format!("{} has more than {RULES_MAX} rules", keys.name("retention"));
        keys.notes.add("too-large", Some(keys.place(&["retention"])), sentence, None);
    }
    policy.retention = rules.iter().take(RULES_MAX).map(read_retention).collect();
    keys.finish();
    policy
}

pub(super) fn read_patterns(keys: &Keys<'_>, key: &'static str, may_be_empty: bool) -> Option<Patterns> {
    let list = keys.texts(key)?;
    if list.is_empty() && !may_be_empty {
        let sentence = format!("{} is empty, so nothing is left", keys.name(key));
        let hint = match key {
            "allow" => "write `[\"*\"]` for everything, or remove the registry",
            _ => "write `[\"*\"]` for everything; `enabled = false` leaves a member out",
        };
        keys.notes.add("bad-value", Some(keys.place(&[key])), sentence, Some(hint.into()));
        return None;
    }
    let written: Vec<_> = list.iter().map(|at| at.value.to_string()).collect();
    match Patterns::new(&written) {
        Ok(patterns) => Some(patterns),
        Err(bad) => {
            let reason = format!("which {}", bad.reason);
            if let Some(at) = list.get(bad.index) {
                at.refuse(
                    keys.notes,
                    "bad-glob",
                    &reason,
                    Some("`*` stands for any text; escape `[`, `{`, `?` with `\\`".into()),
                );
            } else {
                keys.notes.add(
                    "bad-glob",
                    Some(keys.place(&[key])),
                    format!("{} {}", keys.name(key), bad.reason),
                    None,
                );
            }
            None
        }
    }
}

fn read_extents(keys: &Keys<'_>) -> Extents {
    let Some(at) = keys.text("extents") else { return Extents::AreaAndStart };
    match at.value {
        "all" => Extents::All,
        "ignore" => Extents::Ignore,
        "area-and-start" => Extents::AreaAndStart,
        _ => {
            at.refuse(keys.notes, "bad-value", "not one of `area-and-start`, `all`, `ignore`", None);
            Extents::AreaAndStart
        }
    }
}

fn read_retention(keys: &Keys<'_>) -> Retention {
    let mut rule = Retention::default();
    if let Some(patterns) = read_patterns(keys, "collections", false) {
        rule.collections = patterns;
    }
    rule.keep = read_period(keys, "keep");
    rule.lag = read_period(keys, "lag");
    rule.item_span_max = read_period(keys, "item_span_max").unwrap_or_default();
    rule.from = read_time(keys, "from");
    rule.until = read_time(keys, "until");
    rule.focus = read_focus(keys);
    keys.finish();
    check_window(keys, &rule);
    rule
}

/// Windows that are empty at any time.
fn check_window(keys: &Keys<'_>, rule: &Retention) {
    if let (Some(from), Some(until)) = (rule.from, rule.until)
        && from > until
    {
        let sentence = format!("{} is after `until`, so the window is empty", keys.name("from"));
        keys.notes.add(
            "empty-window",
            Some(keys.place(&["from"])),
            sentence,
            Some("swap the two, or remove one".into()),
        );
    }
    // Months have no length of their own; both are laid on the same calendar.
    let longer = |lag: Period, keep: Period| {
        Some(lag.before(DateTime::<Utc>::UNIX_EPOCH)? < keep.before(DateTime::<Utc>::UNIX_EPOCH)?)
    };
    if let (Some(lag), Some(keep)) = (rule.lag, rule.keep)
        && longer(lag, keep) == Some(true)
    {
        let sentence = format!("{} ({lag}) is longer than `keep` ({keep}), so the window is empty", keys.name("lag"));
        let hint = "`keep` says how long data stay, `lag` how late they appear".into();
        keys.notes.add("empty-window", Some(keys.place(&["lag"])), sentence, Some(hint));
    }
}

fn read_period(keys: &Keys<'_>, key: &'static str) -> Option<Period> {
    let at = keys.text(key)?;
    match Period::parse(at.value) {
        Ok(period) => Some(period),
        Err(clause) => {
            let hint = duration_in_words(at.value).map(|period| format!("write `{key} = \"{period}\"`"));
            let hint = hint.or_else(|| Some(format!("for example `{key} = \"P90D\"` or `{key} = \"PT12H\"`")));
            at.refuse(keys.notes, "bad-duration", &clause, hint);
            None
        }
    }
}

/// The ISO 8601 duration somebody meant by `90 days`, `12h` or `90D`.
fn duration_in_words(text: &str) -> Option<String> {
    let text = text.trim();
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if !(1..=9).contains(&digits) {
        return None;
    }
    let unit = unit.trim().to_lowercase();
    let meant = match unit.strip_suffix('s').filter(|unit| unit.len() > 1).unwrap_or(&unit) {
        "year" | "y" => ("P", "Y"),
        "month" => ("P", "M"),
        "week" | "w" => ("P", "W"),
        "day" | "d" => ("P", "D"),
        "hour" | "h" => ("PT", "H"),
        "minute" | "min" => ("PT", "M"),
        "second" | "sec" | "s" => ("PT", "S"),
        _ => return None,
    };
    Some(format!("{}{number}{}", meant.0, meant.1))
}

fn read_time(keys: &Keys<'_>, key: &'static str) -> Option<DateTime<Utc>> {
    let at = keys.time(key)?;
    let instant = parse_instant(&at.value).ok();
    if instant.is_none() {
        let day = format!("{}T00:00:00Z", at.value);
        let example = if parse_instant(&day).is_ok() { day } else { "2024-01-01T00:00:00Z".into() };
        at.refuse(keys.notes, "bad-time", "not an RFC 3339 time", Some(format!("write `{key} = \"{example}\"`")));
    }
    instant
}

/// `focus` of a member or a rule: exactly one of `bbox`, `bboxes` and `geometry`.
fn read_focus(keys: &Keys<'_>) -> Option<Area> {
    let focus = keys.table("focus")?;
    let bbox = focus.numbers("bbox");
    let bboxes = focus.number_lists("bboxes");
    let geometry = focus.text("geometry");
    focus.finish();
    let given = [focus.has("bbox"), focus.has("bboxes"), focus.has("geometry")];
    if given.iter().filter(|given| **given).count() != 1 {
        let sentence = format!("{} needs exactly one of `bbox`, `bboxes` and `geometry`", keys.name("focus"));
        let hint = "for example `focus = { bbox = [12.0, 48.5, 19.0, 51.1] }`".into();
        focus.notes.add("bad-area", Some(focus.span.clone()), sentence, Some(hint));
        return None;
    }
    if let Some(at) = geometry {
        return read_geometry(focus.notes, &at);
    }
    if let Some(at) = bbox {
        return read_bbox(focus.notes, &at).map(Area::from);
    }
    let lists = bboxes?;
    if lists.is_empty() || lists.len() > BOXES_MAX {
        let sentence = format!("{} has {} boxes, not 1 to {BOXES_MAX}", focus.name("bboxes"), lists.len());
        focus.notes.add("bad-area", Some(focus.span.clone()), sentence, None);
    }
    let boxes: Vec<_> = lists.iter().take(BOXES_MAX).filter_map(|at| read_bbox(focus.notes, at)).collect();
    Some(Area::from_boxes(&boxes))
}

fn read_bbox(notes: &Notes<'_>, at: &At<Vec<f64>>) -> Option<Bbox> {
    let hint = || Some("write `[west, south, east, north]` in degrees".to_string());
    match Bbox::from_numbers(&at.value) {
        Err(clause) => {
            at.blame(notes, "bad-area", &clause, hint());
            None
        }
        Ok(bbox) if bbox.south < -90.0 || bbox.north > 90.0 => {
            at.refuse(notes, "bad-area", "with a latitude beyond 90 degrees", hint());
            None
        }
        Ok(bbox) if bbox.west.abs() > 360.0 || bbox.east.abs() > 360.0 => {
            at.refuse(notes, "bad-area", "with a longitude beyond 360 degrees", hint());
            None
        }
        Ok(bbox) => Some(bbox),
    }
}

/// A GeoJSON geometry, or a Feature with one, in a file beside the federation file.
fn read_geometry(notes: &Notes<'_>, at: &At<&str>) -> Option<Area> {
    let refuse = |code, clause: String| {
        at.blame(notes, code, &format!("names the file `{}`, {clause}", at.value), None);
        None
    };
    let text = match read_bounded(&notes.beside(at.value), GEOMETRY_BYTES_MAX) {
        Ok(text) => text,
        Err(reason) => return refuse("unreadable-file", format!("which cannot be read: {reason}")),
    };
    let geometry = match text.parse::<geojson::GeoJson>() {
        Ok(geojson::GeoJson::Geometry(geometry)) => Some(geometry),
        Ok(geojson::GeoJson::Feature(feature)) => feature.geometry,
        Ok(geojson::GeoJson::FeatureCollection(_)) => None,
        Err(error) => return refuse("bad-area", format!("which is not GeoJSON: {error}")),
    };
    let Some(geometry) = geometry.and_then(|geometry| geo::Geometry::<f64>::try_from(geometry).ok()) else {
        return refuse("bad-area", "which is neither a geometry nor a Feature with one".into());
    };
    if geo::CoordsIter::coords_count(&geometry) > VERTICES_MAX {
        return refuse("too-large", format!("which has more than {VERTICES_MAX} vertices"));
    }
    match Area::from_geometry(&geometry) {
        Some(area) => Some(area),
        None => refuse("bad-area", "whose geometry is empty".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::duration_in_words;

    #[test]
    fn durations_in_words_are_understood() {
        for (given, meant) in
            [("90 days", "P90D"), ("12h", "PT12H"), ("90D", "P90D"), ("1 month", "P1M"), ("5 s", "PT5S")]
        {
            assert_eq!(duration_in_words(given).as_deref(), Some(meant));
        }
        for given in ["soon", "", "days", "5 parsecs", "9999999999 days"] {
            assert_eq!(duration_in_words(given), None, "{given}");
        }
    }
}
