//! The rolling part of GRNET-OPENSTACK: Sentinel-2 products of the last weeks, whenever the demo is started.
//!
//! A table cannot hold what a site keeps "for the last ninety days". Real passes of 2023 are therefore moved by whole
//! repeat cycles (ten days per satellite), so that platform, relative orbit, tile, footprint and time of day stay true,
//! and named as a product of that day would be. Their cloud cover is that of the pass they were made from.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use super::table::Row;

/// Days after which one Sentinel-2 satellite sees the same ground from the same orbit.
const CYCLE_DAYS: i64 = 10;
/// Stays below the ninety days that the federation file declares, so that the demo can run for two days.
const OLDEST_DAYS: i64 = 88;
/// Products appear some hours after their acquisition.
const NEWEST_HOURS: i64 = 12;

/// Moves passes so that every cycle of the window has one of each kind (level, satellite, orbit, tile).
pub fn passes(templates: &[Row], now: DateTime<Utc>) -> Vec<Row> {
    let mut kinds: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in templates.iter().filter(|row| row.id.starts_with("S2")) {
        if let Some(kind) = kind(&row.id) {
            kinds.entry(kind).or_default().push(row);
        }
    }
    let (oldest, newest) = (now - TimeDelta::days(OLDEST_DAYS), now - TimeDelta::hours(NEWEST_HOURS));
    let mut moved = Vec::new();
    for rows in kinds.values() {
        for slot in 0..=(OLDEST_DAYS / CYCLE_DAYS) {
            let template = rows[usize::try_from(slot).unwrap_or_default() % rows.len()];
            let until = newest - TimeDelta::days(slot * CYCLE_DAYS);
            moved.extend(shifted(template, until).filter(|row| row.datetime.is_some_and(|at| at > oldest)));
        }
    }
    moved
}

/// `MSIL2A S2A R008 T31UFS`: what stays the same from cycle to cycle.
fn kind(id: &str) -> Option<String> {
    let parts: Vec<&str> = id.split('_').collect();
    let [platform, level, _, _, orbit, tile, _] = parts[..] else { return None };
    Some(format!("{level} {platform} {orbit} {tile}"))
}

/// The pass moved by whole cycles to the last one that ends by `until`.
fn shifted(row: &Row, until: DateTime<Utc>) -> Option<Row> {
    let at = row.datetime?;
    let by = TimeDelta::days((until - at).num_days().div_euclid(CYCLE_DAYS) * CYCLE_DAYS);
    let mut parts: Vec<String> = row.id.split('_').map(str::to_owned).collect();
    for place in [2, 6] {
        let part = parts.get_mut(place)?;
        let moved = NaiveDateTime::parse_from_str(part, "%Y%m%dT%H%M%S").ok()? + by;
        *part = moved.format("%Y%m%dT%H%M%S").to_string();
    }
    // What is processed long after its acquisition would be named after a day to come.
    if NaiveDateTime::parse_from_str(&parts[6], "%Y%m%dT%H%M%S").ok()?
        > (until + TimeDelta::hours(NEWEST_HOURS)).naive_utc()
    {
        let sensed = (at + by).naive_utc() + TimeDelta::hours(3);
        parts[6] = sensed.format("%Y%m%dT%H%M%S").to_string();
    }
    Some(Row { id: parts.join("_"), datetime: Some(at + by), ..row.clone() })
}
