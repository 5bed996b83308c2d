//! Geometries made fit for comparison: moved into the world, mended where their rings cross, and known not to cost too much.

use std::cmp::Ordering;

use super::value::Reader;
use geo::{
    BooleanOps, BoundingRect, Coord, Geometry, GeometryCollection, Intersects, Line, LineString, LinesIter, MapCoords,
    MultiLineString, MultiPoint, MultiPolygon, Point, Polygon, unary_union,
};

/// Steps of the allowance for a pair of segments whose boxes meet: it may become a node of the comparison, at some 200
/// bytes and a microsecond.
const STEPS_PER_MEETING: usize = 32;
/// Crossings of areas with themselves or each other that are mended; footprints drawn wrongly have a few.
const CROSSINGS_MAX: usize = 1_000;

/// The geometry as it lies between -180 and 180: what is drawn up to one turn beyond is cut off and shifted by 360.
/// `None` when it is drawn farther out than that, or nothing is left.
pub(super) fn into_world(geometry: &Geometry<f64>) -> Option<Geometry<f64>> {
    let extent = geometry.bounding_rect()?;
    if extent.min().x < -540.0 || extent.max().x > 540.0 {
        return None;
    }
    let drawn = Parts::of(geometry);
    let mut moved = Parts::default();
    for turn in [-360.0, 0.0, 360.0] {
        moved.take(&drawn, turn);
    }
    moved.geometry()
}

/// The geometry as one whose relations are defined: areas that cross themselves or each other are mended (inside is what an
/// odd number of rings surrounds; areas that overlap are joined), areas without extent are lines, lines without length points,
/// and a collection has one part per dimension. `None` when finding out would cost too much.
///
/// Corners are taken to a tenth of a micrometre: finer differences are noise of a computation, and comparing them loses the
/// digits that decide which side is which. What is mended has its corners rounded to about a billionth of its size.
pub(super) fn sound(geometry: &Geometry<f64>, reader: &Reader<'_>) -> Option<Geometry<f64>> {
    let snap = |Coord { x, y }: Coord<f64>| Coord {
        x: (x * STEPS_PER_DEGREE).round() / STEPS_PER_DEGREE,
        y: (y * STEPS_PER_DEGREE).round() / STEPS_PER_DEGREE,
    };
    let mut parts = Parts::of(&geometry.map_coords(snap));
    if !are_simple(&parts.areas, reader)? {
        parts.mend();
    }
    parts.geometry()
}

/// Whether relating the two stays within the bound on their meetings.
pub(super) fn comparable(left: &Geometry<f64>, right: &Geometry<f64>, reader: &Reader<'_>) -> bool {
    let mut lines = Vec::new();
    add_lines(left, &mut lines);
    add_lines(right, &mut lines);
    let sides = lines.into_iter().map(|line| Side { line, ring: 0, at: 0, count: 0 }).collect();
    sweep(sides, reader, |_, _| ()).is_some()
}

/// The segments of what [`sound`] gives.
fn add_lines(geometry: &Geometry<f64>, lines: &mut Vec<Line<f64>>) {
    match geometry {
        Geometry::MultiLineString(all) => lines.extend(all.lines_iter()),
        Geometry::MultiPolygon(all) => lines.extend(all.lines_iter()),
        Geometry::GeometryCollection(all) => all.iter().for_each(|one| add_lines(one, lines)),
        _ => {}
    }
}

/// Two to the 40th, so that snapping is exact.
const STEPS_PER_DEGREE: f64 = 1_099_511_627_776.0;

/// Parts of a geometry by dimension.
#[derive(Default)]
struct Parts {
    points: Vec<Point<f64>>,
    lines: Vec<LineString<f64>>,
    areas: Vec<Polygon<f64>>,
}

impl Parts {
    fn of(geometry: &Geometry<f64>) -> Self {
        let mut parts = Self::default();
        parts.add(geometry);
        parts
    }

    fn add(&mut self, geometry: &Geometry<f64>) {
        match geometry {
            Geometry::Point(point) => self.points.push(*point),
            Geometry::MultiPoint(points) => self.points.extend(points),
            Geometry::Line(line) => self.line(LineString::from(line)),
            Geometry::LineString(line) => self.line(line.clone()),
            Geometry::MultiLineString(lines) => lines.iter().for_each(|line| self.line(line.clone())),
            Geometry::Polygon(area) => self.area(area.clone()),
            Geometry::MultiPolygon(areas) => areas.iter().for_each(|area| self.area(area.clone())),
            Geometry::Rect(rect) => self.area(rect.to_polygon()),
            Geometry::Triangle(triangle) => self.area(triangle.to_polygon()),
            Geometry::GeometryCollection(inner) => inner.iter().for_each(|one| self.add(one)),
        }
    }

    /// A line without length is a point.
    fn line(&mut self, mut line: LineString<f64>) {
        line.0.dedup();
        match line.0.as_slice() {
            [] => {}
            [only] => self.points.push(Point(*only)),
            _ => self.lines.push(line),
        }
    }

    /// An area whose points all lie on one line is that line.
    fn area(&mut self, area: Polygon<f64>) {
        let Some(extent) = area.bounding_rect() else { return };
        let flat = area.exterior().lines().all(|line| collinear(area.exterior(), line));
        if !flat {
            self.areas.push(area);
            return;
        }
        let mut ends: Vec<Coord<f64>> = area.exterior().0.clone();
        let upright = extent.width() == 0.0;
        ends.sort_by(|a, b| if upright { a.y.total_cmp(&b.y) } else { a.x.total_cmp(&b.x) });
        if let (Some(first), Some(last)) = (ends.first(), ends.last()) {
            self.line(LineString::new(vec![*first, *last]));
        }
    }

    /// Adds what of the other lies in the world after a shift by this many degrees to the west.
    fn take(&mut self, drawn: &Self, turn: f64) {
        let (west, east) = (turn - 180.0, turn + 180.0);
        // what only touches the edge of the world from outside is in the world already
        let outside = |coords: &[Coord<f64>]| match turn.total_cmp(&0.0) {
            Ordering::Less => coords.iter().all(|coord| coord.x >= east),
            Ordering::Equal => false,
            Ordering::Greater => coords.iter().all(|coord| coord.x <= west),
        };
        let shift = |coord: Coord<f64>| Coord { x: coord.x - turn, y: coord.y };
        for point in &drawn.points {
            if (west..=east).contains(&point.x()) && !outside(&[point.0]) {
                self.points.push(point.map_coords(shift));
            }
        }
        for line in drawn.lines.iter().flat_map(LineString::lines) {
            let kept = cut(&[line.start, line.end], west, east, false);
            if !outside(&kept) {
                self.line(LineString::new(kept).map_coords(shift));
            }
        }
        for area in &drawn.areas {
            let exterior = cut(&area.exterior().0, west, east, true);
            if exterior.is_empty() || outside(&exterior) {
                continue;
            }
            let holes = area.interiors().iter().map(|ring| LineString::new(cut(&ring.0, west, east, true)));
            let holes = holes.filter(|ring| ring.0.len() > 3).collect();
            self.area(Polygon::new(LineString::new(exterior), holes).map_coords(shift));
        }
    }

    /// An area of which mending leaves nothing is thinner than the mending can tell from a line.
    fn mend(&mut self) {
        let nothing = MultiPolygon::<f64>(Vec::new());
        let mut mended = Vec::new();
        for area in std::mem::take(&mut self.areas) {
            let whole = area.union(&nothing);
            if whole.0.is_empty() {
                self.line(area.exterior().clone());
            }
            mended.push(whole);
        }
        self.areas = unary_union(&mended).0;
    }

    fn geometry(self) -> Option<Geometry<f64>> {
        let mut found: Vec<Geometry<f64>> = Vec::new();
        if !self.points.is_empty() {
            found.push(MultiPoint(self.points).into());
        }
        if !self.lines.is_empty() {
            found.push(MultiLineString(self.lines).into());
        }
        if !self.areas.is_empty() {
            found.push(MultiPolygon(self.areas).into());
        }
        if found.len() > 1 { Some(Geometry::GeometryCollection(GeometryCollection(found))) } else { found.pop() }
    }
}

/// Whether a side of the ring lies on the line through its first point and the point farthest from that.
fn collinear(ring: &LineString<f64>, line: Line<f64>) -> bool {
    let Some(first) = ring.0.first() else { return true };
    let far = |coord: &Coord<f64>| (coord.x - first.x).abs() + (coord.y - first.y).abs();
    let Some(last) = ring.0.iter().max_by(|a, b| far(a).total_cmp(&far(b))) else { return true };
    turn(*first, *last, line.start) == 0.0 && turn(*first, *last, line.end) == 0.0
}

/// Twice the signed area of the triangle.
fn turn(a: Coord<f64>, b: Coord<f64>, c: Coord<f64>) -> f64 {
    (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x)
}

/// A line or ring without what lies west or east of the bounds; corners on the cut have exactly its longitude.
fn cut(coords: &[Coord<f64>], west: f64, east: f64, ring: bool) -> Vec<Coord<f64>> {
    let half = |coords: &[Coord<f64>], at: f64, inside: &dyn Fn(f64) -> bool| {
        let mut kept = Vec::with_capacity(coords.len() + 4);
        let mut last: Option<Coord<f64>> = if ring { coords.last().copied() } else { None };
        for &coord in coords {
            if let Some(last) = last.filter(|last| inside(last.x) != inside(coord.x)) {
                let share = (at - last.x) / (coord.x - last.x);
                kept.push(Coord { x: at, y: last.y + share * (coord.y - last.y) });
            }
            if inside(coord.x) {
                kept.push(coord);
            }
            last = Some(coord);
        }
        kept
    };
    let eastern = half(coords, west, &|x| x >= west);
    half(&eastern, east, &|x| x <= east)
}

/// A segment with its place: the `at`th of so many of a ring.
#[derive(Clone, Copy)]
struct Side {
    line: Line<f64>,
    ring: usize,
    at: usize,
    count: usize,
}

impl Side {
    fn follows(&self, other: &Self) -> bool {
        self.ring == other.ring && self.at == (other.at + 1) % self.count
    }
}

/// Whether no ring crosses or touches itself or another. Rings may touch in a point; mending those does no harm.
fn are_simple(areas: &[Polygon<f64>], reader: &Reader<'_>) -> Option<bool> {
    let mut sides = Vec::new();
    let rings = areas.iter().flat_map(|area| std::iter::once(area.exterior()).chain(area.interiors()));
    for (ring, coords) in rings.enumerate() {
        let lines: Vec<_> = coords.lines().filter(|line| line.start != line.end).collect();
        let count = lines.len();
        sides.extend(lines.into_iter().enumerate().map(|(at, line)| Side { line, ring, at, count }));
    }
    let mut crossings = 0;
    sweep(sides, reader, |one, other| {
        let crosses = if one.follows(other) {
            turns_back(other.line, one.line)
        } else if other.follows(one) {
            turns_back(one.line, other.line)
        } else {
            one.line.intersects(&other.line)
        };
        crossings += usize::from(crosses);
    })?;
    (crossings <= CROSSINGS_MAX).then_some(crossings == 0)
}

/// Whether the second side runs back along the first.
fn turns_back(first: Line<f64>, second: Line<f64>) -> bool {
    let (a, b) = (first.delta(), second.delta());
    turn(first.start, first.end, second.end) == 0.0 && a.x * b.x + a.y * b.y < 0.0
}

/// Shows every pair of sides whose boxes meet; `None` when there are more than the allowance pays for.
fn sweep(mut sides: Vec<Side>, reader: &Reader<'_>, mut visit: impl FnMut(&Side, &Side)) -> Option<()> {
    let span = |line: &Line<f64>| (line.start.x.min(line.end.x), line.start.x.max(line.end.x));
    let rise = |line: &Line<f64>| (line.start.y.min(line.end.y), line.start.y.max(line.end.y));
    sides.sort_by(|one, other| span(&one.line).0.total_cmp(&span(&other.line).0));
    for (index, one) in sides.iter().enumerate() {
        let (east, (south, north)) = (span(&one.line).1, rise(&one.line));
        let mut steps = 1;
        for other in sides[index + 1..].iter().take_while(|other| span(&other.line).0 <= east) {
            let (low, high) = rise(&other.line);
            steps += 1;
            if low <= north && high >= south {
                steps += STEPS_PER_MEETING;
                visit(one, other);
            }
        }
        if !reader.pay(steps) {
            return None;
        }
    }
    Some(())
}
