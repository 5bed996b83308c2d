//! A packed tree over place and time: which Items can lie in an area and an interval, without looking at the others.
//!
//! Built once for a snapshot, from the bottom up: entries are sorted into tiles by longitude, latitude and time in turn
//! (sort-tile-recursive), and every sixteen neighbours share a box one level higher. What it finds are candidates: it may
//! name an Item too many, never one too few.

use crate::federation::{Area, Interval};
use crate::members::Item;

/// Children of a node: a few cache lines of boxes are compared in one go.
const FAN: usize = 16;
/// Boxes kept of one Item; one of more parts is boxed as a whole.
const BOXES_MAX: usize = 4;

/// Lowest and highest longitude, latitude and time (milliseconds since 1970).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cuboid {
    min: [f64; 3],
    max: [f64; 3],
}

impl Cuboid {
    const EVERYWHERE: Self = Self { min: [f64::NEG_INFINITY; 3], max: [f64::INFINITY; 3] };

    fn meets(&self, other: &Self) -> bool {
        (0..3).all(|axis| self.min[axis] <= other.max[axis] && other.min[axis] <= self.max[axis])
    }

    /// Whether the other lies within this one, by place.
    fn encloses_place(&self, other: &Self) -> bool {
        (0..2).all(|axis| self.min[axis] <= other.min[axis] && other.max[axis] <= self.max[axis])
    }

    fn around(boxes: &[Self]) -> Self {
        let mut hull = Self { min: [f64::INFINITY; 3], max: [f64::NEG_INFINITY; 3] };
        for one in boxes {
            for axis in 0..3 {
                hull.min[axis] = hull.min[axis].min(one.min[axis]);
                hull.max[axis] = hull.max[axis].max(one.max[axis]);
            }
        }
        hull
    }

    fn center(&self, axis: usize) -> f64 {
        // an open side counts as far away, not as no number
        let side = |value: f64| value.clamp(-1e15, 1e15);
        side(self.min[axis]).midpoint(side(self.max[axis]))
    }
}

/// An Item that may lie there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    pub place: u32,
    /// It lies within a box that was asked for, so its geometry need not be looked at.
    pub inside: bool,
}

/// The tree; empty for no Items.
#[derive(Debug, Default)]
pub struct Tree {
    /// From the entries up to the root.
    levels: Vec<Vec<Cuboid>>,
    /// The Item of each entry.
    places: Vec<u32>,
}

impl Tree {
    /// A tree over these Items; what it finds are their places in this order.
    pub fn of<'a>(items: impl Iterator<Item = &'a Item>) -> Self {
        let mut entries: Vec<(Cuboid, u32)> = Vec::new();
        for (place, item) in items.enumerate() {
            let Ok(place) = u32::try_from(place) else { break };
            entries.extend(boxes(item).into_iter().map(|one| (one, place)));
        }
        tile(&mut entries);
        let (leaves, places): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|below| below.len() > 1) {
            let above = below.chunks(FAN).map(Cuboid::around).collect();
            levels.push(above);
        }
        Self { levels, places }
    }

    /// The Items that may lie in the area and the interval, each once, by place.
    pub fn find(&self, area: Option<&Area>, interval: Option<&Interval>) -> Vec<Candidate> {
        let mut found = Vec::new();
        let time = interval.map_or((f64::NEG_INFINITY, f64::INFINITY), millis);
        let asked = area.map_or_else(|| vec![Cuboid::EVERYWHERE], windows);
        // a geometry is more than its boxes: what lies in those must be compared with it
        let exact = area.is_some_and(|area| area.geometry.is_none());
        for window in asked {
            let window =
                Cuboid { min: [window.min[0], window.min[1], time.0], max: [window.max[0], window.max[1], time.1] };
            self.visit(&window, exact, &mut found);
        }
        // those inside first, so that of an Item that was found twice this is what stays
        found.sort_unstable_by_key(|candidate: &Candidate| (candidate.place, !candidate.inside));
        found.dedup_by_key(|candidate| candidate.place);
        found
    }

    fn visit(&self, window: &Cuboid, exact: bool, found: &mut Vec<Candidate>) {
        let Some(top) = self.levels.len().checked_sub(1) else { return };
        let mut open: Vec<(usize, usize)> = (0..self.levels[top].len()).map(|node| (top, node)).collect();
        while let Some((level, node)) = open.pop() {
            let Some(bounds) = self.levels[level].get(node).filter(|bounds| bounds.meets(window)) else { continue };
            if level == 0 {
                found.push(Candidate { place: self.places[node], inside: exact && window.encloses_place(bounds) });
            } else {
                let last = ((node + 1) * FAN).min(self.levels[level - 1].len());
                open.extend((node * FAN..last).map(|child| (level - 1, child)));
            }
        }
    }
}

/// Sorts entries so that neighbours are near one another: slabs by longitude, in each slices by latitude, in each by time.
fn tile(entries: &mut [(Cuboid, u32)]) {
    let by = |axis: usize| move |a: &(Cuboid, u32), b: &(Cuboid, u32)| a.0.center(axis).total_cmp(&b.0.center(axis));
    let nodes = entries.len().div_ceil(FAN);
    let mut parts = 1;
    while parts * parts * parts < nodes {
        parts += 1;
    }
    let slab = (parts * parts * FAN).max(1);
    entries.sort_by(by(0));
    for slab in entries.chunks_mut(slab) {
        slab.sort_by(by(1));
        for slice in slab.chunks_mut(parts * FAN) {
            slice.sort_by(by(2));
        }
    }
}

/// Where and when an Item may be. One without a geometry is met by questions about time alone, and so lies everywhere.
fn boxes(item: &Item) -> Vec<Cuboid> {
    let time = lasting(item);
    let nowhere = matches!(item.slice(&item.spans.geometry), b"" | b"null");
    let geometry = item.geometry().and_then(|geometry| Area::from_geometry(&geometry));
    let area = geometry.or_else(|| item.bbox().map(Area::from)).filter(|_| !nowhere);
    let mut boxes = area.map_or_else(|| vec![Cuboid::EVERYWHERE], |area| flat(&area));
    if boxes.len() > BOXES_MAX {
        boxes = vec![Cuboid::around(&boxes)];
    }
    for one in &mut boxes {
        (one.min[2], one.max[2]) = time;
    }
    boxes
}

fn flat(area: &Area) -> Vec<Cuboid> {
    let flat = |rect: &geo::Rect<f64>| Cuboid {
        min: [rect.min().x, rect.min().y, f64::NEG_INFINITY],
        max: [rect.max().x, rect.max().y, f64::INFINITY],
    };
    area.boxes.iter().map(flat).collect()
}

/// The boxes of an area that is asked for, as far as other boxes touch them on the sphere: the meridians 180 and -180 are
/// one, and at a pole every longitude meets.
fn windows(area: &Area) -> Vec<Cuboid> {
    let mut windows = flat(area);
    for one in flat(area) {
        if one.max[1] >= 90.0 || one.min[1] <= -90.0 {
            let cap = |south: f64, north: f64| Cuboid {
                min: [f64::NEG_INFINITY, south, f64::NEG_INFINITY],
                max: [f64::INFINITY, north, f64::INFINITY],
            };
            windows.push(if one.max[1] >= 90.0 { cap(90.0, f64::INFINITY) } else { cap(f64::NEG_INFINITY, -90.0) });
        }
        for (touches, meridian) in [(one.max[0] >= 180.0, -180.0), (one.min[0] <= -180.0, 180.0)] {
            if touches {
                windows.push(Cuboid {
                    min: [meridian, one.min[1], f64::NEG_INFINITY],
                    max: [meridian, one.max[1], f64::INFINITY],
                });
            }
        }
    }
    windows
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of the calendar are below 2^53")]
fn millis(interval: &Interval) -> (f64, f64) {
    (
        interval.start.map_or(f64::NEG_INFINITY, |at| at.timestamp_millis() as f64),
        interval.end.map_or(f64::INFINITY, |at| at.timestamp_millis() as f64 + 1.0),
    )
}

/// From the first instant of an Item to its last; one without time lies in no interval.
fn lasting(item: &Item) -> (f64, f64) {
    let times = &item.times;
    let mut lasting = (f64::INFINITY, f64::NEG_INFINITY);
    let mut take = |interval: &Interval| {
        let (start, end) = millis(interval);
        lasting = (lasting.0.min(start), lasting.1.max(end));
    };
    if let Some(at) = times.datetime {
        take(&Interval::instant(at));
    }
    if times.start.is_some() || times.end.is_some() {
        take(&Interval { start: times.start, end: times.end });
    }
    lasting
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::Bbox;

    fn item(n: usize, west: f64, south: f64, east: f64, north: f64, properties: &str) -> Item {
        Item::new(format!(
            r#"{{"type":"Feature","id":"i{n}","bbox":[{west},{south},{east},{north}],"geometry":{{"type":"Polygon","coordinates":
            [[[{west},{south}],[{east},{south}],[{east},{north}],[{west},{north}],[{west},{south}]]]}},"properties":{properties}}}"#
        ))
        .unwrap()
    }

    fn area(numbers: [f64; 4]) -> Area {
        Area::from(Bbox::from_numbers(&numbers).unwrap())
    }

    fn places(found: &[Candidate]) -> Vec<u32> {
        found.iter().map(|candidate| candidate.place).collect()
    }

    /// Whole numbers from a seed, below a bound.
    fn numbers(mut seed: u64) -> impl FnMut(u64) -> u64 {
        move |bound| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % bound
        }
    }

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn it_finds_whatever_meets_and_looks_at_little_else() {
        let mut next = numbers(7);
        let items: Vec<Item> = (0..3_000)
            .map(|n| {
                let (x, y) = (next(3_500) as f64 / 10.0 - 180.0, next(1_780) as f64 / 10.0 - 90.0);
                let (w, h) = (next(100) as f64 / 10.0, next(20) as f64 / 10.0);
                let properties = match next(4) {
                    0 => format!(r#"{{"datetime":"20{:02}-06-01T00:00:00Z"}}"#, next(30)),
                    1 => format!(r#"{{"datetime":null,"start_datetime":"20{:02}-01-01T00:00:00Z"}}"#, next(30)),
                    2 => format!(
                        r#"{{"start_datetime":"2000-01-01T00:00:00Z","end_datetime":"20{:02}-01-01T00:00:00.1234Z"}}"#,
                        next(30)
                    ),
                    _ => "{}".to_owned(),
                };
                item(n, x, y, (x + w).min(180.0), (y + h).min(90.0), &properties)
            })
            .collect();
        let tree = Tree::of(items.iter());
        for round in 0..200 {
            let (x, y) = (next(3_600) as f64 / 10.0 - 180.0, next(1_800) as f64 / 10.0 - 90.0);
            let size = next(30) as f64;
            let asked = area([x, y, if round % 7 == 0 { -170.0 } else { (x + size).min(180.0) }, (y + size).min(90.0)]);
            let text = format!("20{:02}-03-01T00:00:00Z/20{:02}-07-01T00:00:00Z", next(15), 15 + next(15));
            let interval = Interval::from_param(&text).unwrap();
            let interval = (round % 3 > 0).then_some(&interval);
            let found = tree.find(Some(&asked), interval);
            for (place, item) in items.iter().enumerate() {
                let meets = item.meets_place(&asked, true) && interval.is_none_or(|asked| item.meets_time(asked));
                let candidate = found.iter().find(|one| one.place as usize == place);
                assert!(!meets || candidate.is_some(), "{place} is missed in round {round}");
                assert!(
                    candidate.is_none_or(|one| !one.inside || item.meets_place(&asked, true)),
                    "{place} is not inside in round {round}"
                );
            }
        }
        let small = tree.find(Some(&area([10.0, 40.0, 12.0, 41.0])), None);
        assert!(small.len() < 60, "{} of 3000 for a small box", small.len());
    }

    #[test]
    fn the_meridian_of_180_and_the_poles_are_one_place() {
        let items = [
            item(0, 170.0, 0.0, 180.0, 10.0, "{}"),
            item(1, -180.0, 0.0, -170.0, 10.0, "{}"),
            item(2, 20.0, 80.0, 30.0, 90.0, "{}"),
            item(3, 20.0, -90.0, 30.0, -80.0, "{}"),
        ];
        let tree = Tree::of(items.iter());
        assert_eq!(places(&tree.find(Some(&area([175.0, 1.0, 180.0, 2.0])), None)), [0, 1]);
        assert_eq!(places(&tree.find(Some(&area([178.0, 1.0, -178.0, 2.0])), None)), [0, 1]);
        assert_eq!(places(&tree.find(Some(&area([-100.0, 85.0, -90.0, 90.0])), None)), [2]);
        assert_eq!(places(&tree.find(Some(&area([-100.0, -90.0, -90.0, -85.0])), None)), [3]);
    }

    #[test]
    fn without_place_or_time_an_item_is_found_by_the_other_alone() {
        let nowhere = Item::new(
            r#"{"type":"Feature","id":"a","geometry":null,"properties":{"datetime":"2020-01-01T00:00:00Z"}}"#,
        )
        .unwrap();
        let never = item(1, 0.0, 0.0, 1.0, 1.0, "{}");
        let tree = Tree::of([&nowhere, &never].into_iter());
        let all = Interval::default();
        let year = Interval::from_param("2020-01-01T00:00:00Z/2020-12-31T00:00:00Z").unwrap();
        assert_eq!(places(&tree.find(None, Some(&year))), [0]);
        assert_eq!(places(&tree.find(None, Some(&all))), [0, 1], "no bound on time is no question about time");
        let there = tree.find(Some(&area([0.0, 0.0, 1.0, 1.0])), None);
        assert_eq!(there, [Candidate { place: 0, inside: false }, Candidate { place: 1, inside: true }]);
        assert!(Tree::of(std::iter::empty()).find(None, None).is_empty());
    }
}
