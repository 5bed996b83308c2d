//! Advertised extents: what may be listed, what may be repaired, and what proves that a Collection has nothing.
//!
//! Two different questions are asked of one `extent`. May it be listed (is its form that of the Collection
//! specification)? And does it prove anything? A reversed box or interval has the right form and is passed on as it is,
//! but proves nothing: the plan then asks the member.

use chrono::{DateTime, NaiveDateTime, Utc};
use geo::{Coord, Rect};
use serde_json::value::RawValue;

use crate::federation::interval::text as rfc3339;
use crate::federation::{Area, Interval};

use super::object::{Object, Writer, array, is_null, string, text};

/// Most boxes and intervals that are read of one extent; more prove nothing. Real ones have fewer than fifty.
const PARTS_MAX: usize = 1_000;

/// An extent of the right form.
#[derive(Debug)]
pub(super) struct Extent {
    /// What it says of space; `None` when it proves nothing.
    pub(super) area: Option<Area>,
    /// What it says of time; `None` when it proves nothing.
    pub(super) interval: Option<Interval>,
    /// The value to write instead of the member's, where a repair was needed.
    pub(super) repaired: Option<String>,
    /// The repairs, for admins.
    pub(super) notes: Vec<String>,
}

/// Reads an extent.
///
/// # Errors
/// The sentence of a quarantine: the form is not that of an extent and cannot be made so without inventing.
pub(super) fn read(raw: &RawValue) -> Result<Extent, String> {
    let object = Object::read(raw).ok_or("`extent` is not an object")?;
    let spatial = part(&object, "spatial", "bbox")?;
    let temporal = part(&object, "temporal", "interval")?;
    let (area, boxes) = space(&spatial)?;
    let (interval, times) = time(temporal)?;
    let mut notes = Vec::new();
    if boxes.is_some() {
        notes.push("`extent.spatial.bbox` was one box, not a list of boxes".to_owned());
    }
    if times.is_some() {
        notes.push("times in `extent.temporal.interval` were written as RFC 3339 in UTC".to_owned());
    }
    let repaired = (boxes.is_some() || times.is_some()).then(|| {
        let mut out = Vec::new();
        let mut writer = Writer::open(&mut out);
        for (name, value) in &object.0 {
            match name.as_ref() {
                "spatial" => replaced(value, "bbox", boxes.as_deref(), writer.name(name)),
                "temporal" => replaced(value, "interval", times.as_deref(), writer.name(name)),
                _ => writer.raw(name, value.get()),
            }
        }
        writer.close();
        String::from_utf8_lossy(&out).into_owned()
    });
    Ok(Extent { area, interval, repaired, notes })
}

/// Appends the object with one of its members replaced.
fn replaced(raw: &RawValue, name: &str, by: Option<&str>, out: &mut Vec<u8>) {
    let (Some(by), Some(object)) = (by, Object::read(raw)) else {
        out.extend_from_slice(raw.get().as_bytes());
        return;
    };
    let mut writer = Writer::open(out);
    for (key, value) in &object.0 {
        writer.raw(key, if key == name { by } else { value.get() });
    }
    writer.close();
}

fn part<'a>(extent: &Object<'a>, name: &str, inner: &str) -> Result<Vec<&'a RawValue>, String> {
    let value = extent.get(name).ok_or_else(|| format!("`extent.{name}` is missing"))?;
    let object = Object::read(value).ok_or_else(|| format!("`extent.{name}` is not an object"))?;
    let list = object.get(inner).ok_or_else(|| format!("`extent.{name}.{inner}` is missing"))?;
    let list = array(list).ok_or_else(|| format!("`extent.{name}.{inner}` is not an array"))?;
    if list.is_empty() {
        return Err(format!("`extent.{name}.{inner}` is empty"));
    }
    Ok(list)
}

/// What the boxes prove, and the repaired list where a single box stood in its place.
fn space(list: &[&RawValue]) -> Result<(Option<Area>, Option<String>), String> {
    let flat = list.iter().all(|value| number(value).is_some());
    let boxes: Vec<Vec<f64>> = if flat {
        vec![list.iter().filter_map(|value| number(value)).collect()]
    } else {
        list.iter().map(|value| numbers(value)).collect::<Result<_, _>>()?
    };
    if let Some(odd) = boxes.iter().find(|numbers| !matches!(numbers.len(), 4 | 6)) {
        return Err(format!("`extent.spatial.bbox` has a box of {} numbers, not 4 or 6", odd.len()));
    }
    let repaired = flat.then(|| {
        let texts: Vec<&str> = list.iter().map(|value| value.get()).collect();
        format!("[[{}]]", texts.join(","))
    });
    Ok((proven_area(&boxes), repaired))
}

fn number(raw: &RawValue) -> Option<f64> {
    serde_json::from_str(raw.get()).ok()
}

fn numbers(raw: &RawValue) -> Result<Vec<f64>, String> {
    let list = array(raw).ok_or("`extent.spatial.bbox` holds something that is not a box")?;
    list.into_iter()
        .map(|value| {
            number(value).ok_or_else(|| "`extent.spatial.bbox` has a box with something else than numbers".into())
        })
        .collect()
}

/// The union of the boxes. One that is reversed, out of range or without any area makes the whole statement worthless.
fn proven_area(boxes: &[Vec<f64>]) -> Option<Area> {
    if boxes.len() > PARTS_MAX {
        return None;
    }
    let mut rects = Vec::new();
    for numbers in boxes {
        let ([west, south, east, north] | [west, south, _, east, north, _]) = numbers[..] else { return None };
        let on_earth = [west, east].iter().all(|x| (-180.0..=180.0).contains(x))
            && [south, north].iter().all(|y| (-90.0..=90.0).contains(y));
        let no_width = (east - west).abs() < f64::EPSILON;
        if !on_earth || south >= north || no_width {
            return None;
        }
        if west < east {
            rects.push(rect(west, south, east, north));
        } else {
            rects.push(rect(west, south, 180.0, north));
            rects.push(rect(-180.0, south, east, north));
        }
    }
    Some(Area { boxes: rects, geometry: None })
}

fn rect(west: f64, south: f64, east: f64, north: f64) -> Rect<f64> {
    Rect::new(Coord { x: west, y: south }, Coord { x: east, y: north })
}

/// What the intervals prove, and the repaired list where times had to be written anew.
fn time(list: Vec<&RawValue>) -> Result<(Option<Interval>, Option<String>), String> {
    let flat = list.len() == 2 && list.iter().all(|value| is_null(value) || text(value).is_some());
    let pairs: Vec<Vec<&RawValue>> = if flat {
        vec![list]
    } else {
        list.into_iter()
            .map(|value| array(value).ok_or("`extent.temporal.interval` holds something that is not an interval"))
            .collect::<Result<_, _>>()?
    };
    let mut touched = flat;
    let mut intervals = Vec::new();
    let mut written = Vec::new();
    for pair in &pairs {
        let [start, end] = pair[..] else {
            return Err(format!("`extent.temporal.interval` has an interval of {} times, not 2", pair.len()));
        };
        let (start, end) = (bound(start)?, bound(end)?);
        touched |= start.repaired || end.repaired;
        written.push(format!("[{},{}]", start.json, end.json));
        intervals.push(Interval { start: start.at, end: end.at });
    }
    let repaired = touched.then(|| format!("[{}]", written.join(",")));
    Ok((proven_interval(&intervals), repaired))
}

struct Bound {
    at: Option<DateTime<Utc>>,
    json: String,
    repaired: bool,
}

fn bound(raw: &RawValue) -> Result<Bound, String> {
    if is_null(raw) {
        return Ok(Bound { at: None, json: "null".into(), repaired: false });
    }
    let given = text(raw).ok_or("`extent.temporal.interval` holds something that is neither a time nor null")?;
    let at = instant(&given).ok_or_else(|| {
        let shown: String = given.chars().take(40).collect();
        format!("`extent.temporal.interval` has `{shown}`, not an RFC 3339 time")
    })?;
    let strict = given.as_bytes().get(10) == Some(&b'T')
        && (given.ends_with('Z') || given.ends_with("+00:00"))
        && DateTime::parse_from_rfc3339(&given).is_ok();
    if strict {
        return Ok(Bound { at: Some(at), json: raw.get().to_owned(), repaired: false });
    }
    let mut json = Vec::new();
    string(&rfc3339(at), &mut json);
    Ok(Bound { at: Some(at), json: String::from_utf8_lossy(&json).into_owned(), repaired: true })
}

/// An instant, read as tolerantly as those of Items: a space for `T`, no zone for UTC, a doubled `Z`.
fn instant(given: &str) -> Option<DateTime<Utc>> {
    let given = given.strip_suffix("ZZ").map_or_else(|| given.to_owned(), |rest| format!("{rest}Z"));
    if let Ok(at) = DateTime::parse_from_rfc3339(&given) {
        return Some(at.with_timezone(&Utc));
    }
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(&given, form).ok())
        .map(|at| at.and_utc())
}

/// The span of all intervals; a reversed one, or none with an end, proves nothing.
fn proven_interval(intervals: &[Interval]) -> Option<Interval> {
    let reversed = |interval: &Interval| matches!((interval.start, interval.end), (Some(a), Some(b)) if a > b);
    if intervals.is_empty() || intervals.len() > PARTS_MAX || intervals.iter().any(reversed) {
        return None;
    }
    let start = intervals.iter().map(|interval| interval.start).min().flatten();
    let ends: Option<Vec<_>> = intervals.iter().map(|interval| interval.end).collect();
    let end = ends.and_then(|ends| ends.into_iter().max());
    (start.is_some() || end.is_some()).then_some(Interval { start, end })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(bbox: &str, interval: &str) -> Result<Extent, String> {
        let json =
            format!(r#"{{"spatial":{{"bbox":{bbox}}},"temporal":{{"interval":{interval},"note":1.0}},"x":1e2}}"#);
        read(serde_json::from_str(&json).unwrap())
    }

    const WORLD: &str = "[[-180,-90,180,90]]";
    const EVER: &str = r#"[["2015-06-23T00:00:00Z",null]]"#;

    #[test]
    fn a_good_extent_is_untouched_and_proves() {
        let good = extent("[[10.0,40,20,50.50]]", EVER).unwrap();
        assert!(good.repaired.is_none() && good.notes.is_empty());
        assert_eq!(good.area.unwrap().boxes, vec![rect(10.0, 40.0, 20.0, 50.5)]);
        assert!(good.interval.unwrap().end.is_none());
        let flat_3d = extent("[[10,40,-5,20,50,5]]", EVER).unwrap();
        assert_eq!(flat_3d.area.unwrap().boxes, vec![rect(10.0, 40.0, 20.0, 50.0)]);
    }

    #[test]
    fn a_box_over_the_antimeridian_is_two() {
        let area = extent("[[170,-20,-170,20]]", EVER).unwrap().area.unwrap();
        assert_eq!(area.boxes, vec![rect(170.0, -20.0, 180.0, 20.0), rect(-180.0, -20.0, -170.0, 20.0)]);
    }

    #[test]
    fn what_is_invalid_or_empty_is_listed_and_proves_nothing() {
        for bbox in [
            "[[-180,90,180,-90]]",
            "[[-180.0,-90,179.9,9.969209968386869e+36]]",
            "[[590111.9,5745470.4,596702.0,5753195.1]]",
            "[[0,-89,360,89]]",
            "[[0,0,0,0]]",
            "[[10,40,20,50],[0,90,1,-90]]",
        ] {
            let odd = extent(bbox, EVER).unwrap();
            assert!(odd.area.is_none(), "{bbox}");
            assert!(odd.repaired.is_none(), "{bbox} is passed on as it is");
        }
        for interval in [r#"[["2020-01-01T00:00:00Z","2019-01-01T00:00:00Z"]]"#, "[[null,null]]"] {
            let odd = extent(WORLD, interval).unwrap();
            assert!(odd.interval.is_none() && odd.repaired.is_none(), "{interval}");
        }
    }

    #[test]
    fn several_intervals_are_spanned() {
        let spanned = extent(
            WORLD,
            r#"[["2018-01-01T00:00:00Z","2018-12-31T00:00:00Z"],["2050-01-01T00:00:00Z","2050-12-31T00:00:00Z"]]"#,
        );
        assert_eq!(spanned.unwrap().interval.unwrap().to_param(), "2018-01-01T00:00:00Z/2050-12-31T00:00:00Z");
        let open = extent(WORLD, r#"[[null,"2018-12-31T00:00:00Z"],["2050-01-01T00:00:00Z","2050-12-31T00:00:00Z"]]"#);
        assert_eq!(open.unwrap().interval.unwrap().to_param(), "../2050-12-31T00:00:00Z");
    }

    #[test]
    fn a_time_without_zone_is_written_in_utc() {
        let odd = extent(WORLD, r#"[["2000-02-20T00:00:00","2001-01-01 00:00:00.5+01:00"]]"#).unwrap();
        assert_eq!(
            odd.repaired.unwrap(),
            r#"{"spatial":{"bbox":[[-180,-90,180,90]]},"temporal":{"interval":[["2000-02-20T00:00:00Z","2000-12-31T23:00:00.500Z"]],"note":1.0},"x":1e2}"#
        );
        assert_eq!(odd.notes.len(), 1);
        assert_eq!(extent(WORLD, r#"[["2000-02-20T00:00:00ZZ",null]]"#).unwrap().notes.len(), 1);
    }

    #[test]
    fn a_single_box_or_interval_is_put_into_its_list() {
        let odd = extent("[1.0,2,3,4]", r#"["2000-02-20T00:00:00Z",null]"#).unwrap();
        let repaired = odd.repaired.unwrap();
        assert!(repaired.contains(r#""bbox":[[1.0,2,3,4]]"#), "{repaired}");
        assert!(repaired.contains(r#""interval":[["2000-02-20T00:00:00Z",null]]"#), "{repaired}");
    }

    #[test]
    fn what_would_have_to_be_invented_is_refused_by_name() {
        for (bbox, interval, named) in [
            ("[]", EVER, "`extent.spatial.bbox` is empty"),
            ("[[1,2,3]]", EVER, "box of 3 numbers"),
            ("[[1,2,3,null]]", EVER, "something else than numbers"),
            (r#""1,2,3,4""#, EVER, "`extent.spatial.bbox` is not an array"),
            (WORLD, "[]", "`extent.temporal.interval` is empty"),
            (WORLD, r#"[["2000-02-20"]]"#, "interval of 1 times"),
            (WORLD, r#"[["2000-02-20",null]]"#, "`2000-02-20`, not an RFC 3339 time"),
            (WORLD, "[[1,null]]", "neither a time nor null"),
        ] {
            let refusal = extent(bbox, interval).unwrap_err();
            assert!(refusal.contains(named), "{refusal}");
        }
        let refusal = read(serde_json::from_str(r#""{\"spatial\": {}}""#).unwrap()).unwrap_err();
        assert_eq!(refusal, "`extent` is not an object");
    }
}
