//! Areas on the WGS 84 plane: the `bbox` of requests, policies and extents.
//!
//! An [`Area`] is made once and compared often. What decides here is soundness: [`Area::touches`] may say yes too often, but never
//! no when the two share a point on the sphere, because a no leaves a member unasked. So boxes are cut at the antimeridian,
//! the meridians 180 and -180 are one, every longitude meets at a pole, and a geometry that can be read in two ways counts as the
//! band of latitudes it lies in.

use geo::{BoundingRect, Coord, CoordsIter, Geometry, Intersects, LineString, MapCoords, Polygon, Rect};

/// Parts of one geometry that keep a box of their own; more are boxed together.
const BOXES_MAX: usize = 64;
/// Boxes that are written out in a sentence; the rest is counted.
const BOXES_SHOWN: usize = 3;

/// A bounding box as written (RFC 7946 section 5): west may be greater than east, which crosses the antimeridian.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bbox {
    pub west: f64,
    pub south: f64,
    pub east: f64,
    pub north: f64,
    /// Lowest and highest elevation of a box of six numbers.
    pub elevation: Option<(f64, f64)>,
}

impl Bbox {
    /// A box from four or six numbers in the order of RFC 7946 section 5. Points and lines are boxes too.
    ///
    /// # Errors
    /// A clause that says what is wrong, for a sentence that names the parameter or key and what was given.
    pub fn from_numbers(numbers: &[f64]) -> Result<Self, String> {
        let bbox = match *numbers {
            [west, south, east, north] => Self { west, south, east, north, elevation: None },
            [west, south, low, east, north, high] => Self { west, south, east, north, elevation: Some((low, high)) },
            _ => return Err(format!("has {} numbers, not 4 or 6", numbers.len())),
        };
        if numbers.iter().any(|number| !number.is_finite()) {
            return Err("has a number that is not finite".into());
        }
        if bbox.south > bbox.north {
            return Err(format!("has its south `{}` above its north `{}`", bbox.south, bbox.north));
        }
        match bbox.elevation {
            Some((low, high)) if low > high => {
                Err(format!("has its lowest elevation `{low}` above its highest `{high}`"))
            }
            _ => Ok(bbox),
        }
    }

    /// The four numbers west, south, east, north.
    #[must_use]
    pub fn corners(&self) -> [f64; 4] {
        [self.west, self.south, self.east, self.north]
    }

    /// One or two boxes with longitudes in -180..=180 that do not cross the antimeridian; none for a box that lies beyond a
    /// pole as a whole, where there is no place.
    #[must_use]
    pub fn boxes(&self) -> Vec<Rect<f64>> {
        if self.south > 90.0 || self.north < -90.0 {
            return Vec::new();
        }
        let rect = |west, east| Rect::new((west, self.south), (east, self.north));
        if self.east - self.west >= 360.0 {
            return vec![rect(-180.0, 180.0)];
        }
        let (west, east) = (longitude(self.west), longitude(self.east));
        if west <= east { vec![rect(west, east)] } else { vec![rect(west, 180.0), rect(-180.0, east)] }
    }
}

/// A longitude moved by full turns into -180..=180; exact, since neither remainder nor turn rounds.
fn longitude(degrees: f64) -> f64 {
    let within = degrees % 360.0;
    if within > 180.0 {
        within - 360.0
    } else if within < -180.0 {
        within + 360.0
    } else {
        within
    }
}

/// An area to test against another: boxes that never cross the antimeridian and, where it is more than its boxes, the geometry.
#[derive(Debug, Clone, PartialEq)]
pub struct Area {
    pub boxes: Vec<Rect<f64>>,
    pub geometry: Option<Geometry<f64>>,
}

impl From<Bbox> for Area {
    fn from(bbox: Bbox) -> Self {
        Self { boxes: bbox.boxes(), geometry: None }
    }
}

impl Area {
    /// The union of several boxes.
    #[must_use]
    pub fn from_boxes(boxes: &[Bbox]) -> Self {
        Self { boxes: boxes.iter().flat_map(Bbox::boxes).collect(), geometry: None }
    }

    /// The area of a geometry; `None` for one without coordinates or with a coordinate that is not finite, which proves nothing.
    ///
    /// A geometry with a step of more than 180 degrees of longitude means either that step or the short way over the antimeridian;
    /// it counts as the whole band of its latitudes.
    #[must_use]
    pub fn from_geometry(geometry: &Geometry<f64>) -> Option<Self> {
        if geometry.coords_iter().any(|coord| !coord.x.is_finite() || !coord.y.is_finite()) {
            return None;
        }
        let mut parts = Vec::new();
        collect_parts(geometry, &mut parts);
        let exact = parts.iter().all(Part::is_exact);
        let mut boxes: Vec<_> = parts.iter().map(Part::bbox).collect();
        if boxes.len() > BOXES_MAX {
            boxes = vec![hull(&boxes)];
        }
        let boxes: Vec<_> = boxes.iter().flat_map(Bbox::boxes).collect();
        if boxes.is_empty() {
            return None;
        }
        Some(Self { boxes, geometry: exact.then(|| geometry.clone()) })
    }

    /// The boxes, grown on every side by so many degrees; the geometry gives way to them.
    #[must_use]
    pub fn widened(&self, degrees: f64) -> Self {
        let grow = |rect: &Rect<f64>| Bbox {
            west: rect.min().x - degrees,
            south: rect.min().y - degrees,
            east: rect.max().x + degrees,
            north: rect.max().y + degrees,
            elevation: None,
        };
        Self { boxes: self.boxes.iter().flat_map(|rect| grow(rect).boxes()).collect(), geometry: None }
    }

    /// Whether the two may share a point on the sphere. Never says no when they do.
    #[must_use]
    pub fn touches(&self, other: &Self) -> bool {
        if (self.reaches(1.0) && other.reaches(1.0)) || (self.reaches(-1.0) && other.reaches(-1.0)) {
            return true;
        }
        if !self.boxes.iter().any(|a| other.boxes.iter().any(|b| boxes_touch(a, b))) {
            return false;
        }
        match (&self.geometry, &other.geometry) {
            (None, None) => true,
            (Some(geometry), None) => geometry_touches_boxes(geometry, &other.boxes),
            (None, Some(geometry)) => geometry_touches_boxes(geometry, &self.boxes),
            (Some(a), Some(b)) => turns_touch(a, b),
        }
    }

    /// Whether all of the other lies in it. Never says yes when it does not.
    #[must_use]
    pub fn holds(&self, other: &Self) -> bool {
        let within = |inner: &Rect<f64>| {
            let boxed = self.boxes.iter().any(|outer| {
                outer.min().x <= inner.min().x
                    && outer.min().y <= inner.min().y
                    && inner.max().x <= outer.max().x
                    && inner.max().y <= outer.max().y
            });
            boxed
                && self.geometry.as_ref().is_none_or(|geometry| geo::Contains::contains(geometry, &inner.to_polygon()))
        };
        !other.boxes.is_empty() && other.boxes.iter().all(within)
    }

    /// Whether the area reaches the north (`1.0`) or south (`-1.0`) pole.
    fn reaches(&self, pole: f64) -> bool {
        self.boxes.iter().any(|rect| rect.max().y * pole >= 90.0 || rect.min().y * pole >= 90.0)
    }

    /// The boxes as numbers for a sentence, for example `19,34,30,42`.
    #[must_use]
    pub fn describe(&self) -> String {
        let one = |rect: &Rect<f64>| {
            let numbers = [rect.min().x, rect.min().y, rect.max().x, rect.max().y];
            numbers.map(|number| ((number * 1e4).round() / 1e4).to_string()).join(",")
        };
        let shown: Vec<_> = self.boxes.iter().take(BOXES_SHOWN).map(one).collect();
        let more = match self.boxes.len().saturating_sub(BOXES_SHOWN) {
            0 => String::new(),
            1 => " and 1 more box".into(),
            more => format!(" and {more} more boxes"),
        };
        format!("{}{more}", shown.join(" and "))
    }
}

/// Closed boxes with longitudes in -180..=180, where 180 and -180 are one meridian.
fn boxes_touch(a: &Rect<f64>, b: &Rect<f64>) -> bool {
    let latitudes = a.min().y <= b.max().y && b.min().y <= a.max().y;
    let longitudes = a.min().x <= b.max().x && b.min().x <= a.max().x;
    let seam = (a.max().x >= 180.0 && b.min().x <= -180.0) || (b.max().x >= 180.0 && a.min().x <= -180.0);
    latitudes && (longitudes || seam)
}

fn geometry_touches_boxes(geometry: &Geometry<f64>, boxes: &[Rect<f64>]) -> bool {
    boxes.iter().any(|rect| turns_touch(geometry, &Geometry::Rect(*rect)))
}

/// Whether two geometries meet, one of them moved by full turns as far as their bounding boxes reach.
fn turns_touch(a: &Geometry<f64>, b: &Geometry<f64>) -> bool {
    let (Some(a_box), Some(b_box)) = (a.bounding_rect(), b.bounding_rect()) else { return true };
    // Exact parts lie in -360..=360 (`Part::is_exact`), so two turns either way reach everything.
    [-720.0, -360.0, 0.0, 360.0, 720.0].into_iter().any(|turn| {
        let near = a_box.min().x + turn <= b_box.max().x && a_box.max().x + turn >= b_box.min().x;
        if !near {
            return false;
        }
        if turn == 0.0 {
            return a.intersects(b);
        }
        a.map_coords(|coord| Coord { x: coord.x + turn, y: coord.y }).intersects(b)
    })
}

/// Bounds of one connected part of a geometry and how its longitudes may be read.
struct Part {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
    /// True when two neighbouring vertices are more than 180 degrees of longitude apart.
    long_step: bool,
    /// True when the short way round leads once about a pole.
    about_pole: bool,
}

impl Part {
    /// Bounds of a chain of vertices; `None` when it has none.
    fn from_chain(chain: &LineString<f64>) -> Option<Self> {
        let rect = chain.bounding_rect()?;
        let mut long_step = false;
        let mut turned = 0.0;
        for line in chain.lines() {
            let step = line.end.x - line.start.x;
            long_step |= step.abs() > 180.0;
            turned += longitude(step);
        }
        let (min, max) = (rect.min(), rect.max());
        Some(Self {
            west: min.x,
            south: min.y,
            east: max.x,
            north: max.y,
            long_step,
            about_pole: chain.is_closed() && turned.abs() > 180.0,
        })
    }

    /// Whether the plain reading of the coordinates is the only one.
    fn is_exact(&self) -> bool {
        !self.long_step && self.east - self.west < 360.0 && self.west >= -360.0 && self.east <= 360.0
    }

    fn bbox(&self) -> Bbox {
        let pole = self.long_step && self.about_pole;
        let (mut west, mut east) = (self.west, self.east);
        if self.long_step {
            (west, east) = (-180.0, 180.0);
        }
        // Around a pole the enclosed cap belongs to the area; over the equator it may be either cap.
        let south = if pole && self.south < 0.0 { -90.0 } else { self.south };
        let north = if pole && self.north > 0.0 { 90.0 } else { self.north };
        Bbox { west, south, east, north, elevation: None }
    }
}

fn collect_parts(geometry: &Geometry<f64>, parts: &mut Vec<Part>) {
    let mut polygon = |polygon: &Polygon<f64>| parts.extend(Part::from_chain(polygon.exterior()));
    match geometry {
        Geometry::Polygon(one) => polygon(one),
        Geometry::MultiPolygon(many) => many.iter().for_each(polygon),
        Geometry::Rect(rect) => polygon(&rect.to_polygon()),
        Geometry::Triangle(triangle) => polygon(&triangle.to_polygon()),
        Geometry::LineString(chain) => parts.extend(Part::from_chain(chain)),
        Geometry::MultiLineString(many) => parts.extend(many.iter().filter_map(Part::from_chain)),
        Geometry::Line(line) => parts.extend(Part::from_chain(&LineString::from(line))),
        Geometry::Point(point) => parts.extend(Part::from_chain(&LineString::new(vec![point.0]))),
        Geometry::MultiPoint(many) => {
            parts.extend(many.iter().filter_map(|point| Part::from_chain(&LineString::new(vec![point.0]))));
        }
        Geometry::GeometryCollection(many) => many.iter().for_each(|inner| collect_parts(inner, parts)),
    }
}

/// One box around all of them; over all longitudes where one of them does not fit in between.
fn hull(boxes: &[Bbox]) -> Bbox {
    let fold = |value: fn(&Bbox) -> f64, pick: fn(f64, f64) -> f64, from: f64| boxes.iter().map(value).fold(from, pick);
    Bbox {
        west: fold(|bbox| bbox.west, f64::min, f64::INFINITY),
        south: fold(|bbox| bbox.south, f64::min, f64::INFINITY),
        east: fold(|bbox| bbox.east, f64::max, f64::NEG_INFINITY),
        north: fold(|bbox| bbox.north, f64::max, f64::NEG_INFINITY),
        elevation: None,
    }
}

#[cfg(test)]
mod tests {
    use geo::{MultiPoint, Point, polygon};

    use super::*;

    fn bbox(numbers: [f64; 4]) -> Bbox {
        Bbox::from_numbers(&numbers).unwrap()
    }

    fn area(numbers: [f64; 4]) -> Area {
        bbox(numbers).into()
    }

    fn ring(points: &[(f64, f64)]) -> Area {
        Area::from_geometry(&Polygon::new(LineString::from(points.to_vec()), vec![]).into()).unwrap()
    }

    /// Both ways round, since the question has no direction.
    fn check(a: &Area, b: &Area, expected: bool) {
        assert_eq!(a.touches(b), expected, "{} and {}", a.describe(), b.describe());
        assert_eq!(b.touches(a), expected, "{} and {}", b.describe(), a.describe());
    }

    #[test]
    fn numbers_make_a_box_or_a_reason() {
        assert_eq!(Area::from(bbox([1.0, 2.0, 1.0, 2.0])).describe(), "1,2,1,2");
        assert_eq!(format!("{:?}", bbox([1.0, 2.0, 3.0, 4.0]).corners()), "[1.0, 2.0, 3.0, 4.0]");
        assert_eq!(Bbox::from_numbers(&[1.0, 2.0, -5.0, 3.0, 4.0, 9.0]).unwrap().elevation, Some((-5.0, 9.0)));
        assert_eq!(Bbox::from_numbers(&[1.0, 2.0, 3.0]).unwrap_err(), "has 3 numbers, not 4 or 6");
        assert!(Bbox::from_numbers(&[0.0; 5]).is_err());
        assert!(Bbox::from_numbers(&[0.0, 2.0, 1.0, 1.0]).unwrap_err().contains("south `2` above its north `1`"));
        assert!(Bbox::from_numbers(&[0.0, f64::NAN, 1.0, 1.0]).unwrap_err().contains("finite"));
        assert!(Bbox::from_numbers(&[0.0, 0.0, 9.0, 1.0, 1.0, 8.0]).unwrap_err().contains("elevation"));
    }

    #[test]
    fn boxes_are_cut_at_the_antimeridian() {
        let cut = vec![Rect::new((170.0, -5.0), (180.0, 5.0)), Rect::new((-180.0, -5.0), (-170.0, 5.0))];
        assert_eq!(bbox([170.0, -5.0, -170.0, 5.0]).boxes(), cut);
        assert_eq!(bbox([170.0, -5.0, 190.0, 5.0]).boxes(), cut);
        assert_eq!(bbox([-190.0, -5.0, -170.0, 5.0]).boxes(), cut);
        assert_eq!(bbox([200.0, 0.0, 210.0, 1.0]).boxes(), vec![Rect::new((-160.0, 0.0), (-150.0, 1.0))]);
        assert_eq!(bbox([-180.0, 0.0, 180.0, 1.0]).boxes(), vec![Rect::new((-180.0, 0.0), (180.0, 1.0))]);
        assert_eq!(bbox([0.0, 0.0, 360.0, 1.0]).boxes(), vec![Rect::new((-180.0, 0.0), (180.0, 1.0))]);
        assert_eq!(bbox([10.0, 0.0, 10.0, 0.0]).boxes(), vec![Rect::new((10.0, 0.0), (10.0, 0.0))]);
    }

    #[test]
    fn boxes_touch_over_the_antimeridian_and_at_the_poles() {
        check(&area([0.0, 0.0, 10.0, 10.0]), &area([10.0, 10.0, 20.0, 20.0]), true);
        check(&area([0.0, 0.0, 10.0, 10.0]), &area([10.1, 0.0, 20.0, 10.0]), false);
        check(&area([0.0, 0.0, 10.0, 10.0]), &area([0.0, 10.1, 10.0, 20.0]), false);
        check(&area([170.0, 0.0, 180.0, 5.0]), &area([-180.0, 0.0, -170.0, 5.0]), true);
        check(&area([170.0, 0.0, 180.0, 5.0]), &area([-180.0, 6.0, -170.0, 9.0]), false);
        check(&area([170.0, 0.0, -170.0, 5.0]), &area([-175.0, 1.0, -174.0, 2.0]), true);
        check(&area([170.0, 0.0, -170.0, 5.0]), &area([0.0, 0.0, 1.0, 1.0]), false);
        check(&area([0.0, 80.0, 1.0, 90.0]), &area([100.0, 85.0, 101.0, 90.0]), true);
        check(&area([0.0, -90.0, 1.0, -80.0]), &area([100.0, -90.0, 101.0, -85.0]), true);
        check(&area([0.0, 80.0, 1.0, 90.0]), &area([100.0, -90.0, 101.0, -85.0]), false);
    }

    #[test]
    fn several_boxes_are_their_union() {
        let two = Area::from_boxes(&[bbox([0.0, 0.0, 1.0, 1.0]), bbox([20.0, 20.0, 21.0, 21.0])]);
        check(&two, &area([20.5, 20.5, 30.0, 30.0]), true);
        check(&two, &area([10.0, 10.0, 11.0, 11.0]), false);
        assert_eq!(two.describe(), "0,0,1,1 and 20,20,21,21");
        let many = Area::from_boxes(&[bbox([0.0, 0.0, 1.0, 1.0]); 5]);
        assert_eq!(many.describe(), "0,0,1,1 and 0,0,1,1 and 0,0,1,1 and 2 more boxes");
    }

    #[test]
    fn a_geometry_is_more_than_its_box() {
        let triangle = ring(&[(0.0, 0.0), (10.0, 0.0), (0.0, 10.0), (0.0, 0.0)]);
        check(&triangle, &area([8.0, 8.0, 9.0, 9.0]), false);
        check(&triangle, &area([1.0, 1.0, 2.0, 2.0]), true);
        check(&triangle, &area([-5.0, -5.0, 20.0, 20.0]), true);
        let other = ring(&[(10.0, 10.0), (10.0, 1.0), (1.0, 10.0), (10.0, 10.0)]);
        check(&triangle, &other, false);
        let hole = polygon!(exterior: [(x: 0.0, y: 0.0), (x: 9.0, y: 0.0), (x: 9.0, y: 9.0), (x: 0.0, y: 9.0)],
            interiors: [[(x: 2.0, y: 2.0), (x: 7.0, y: 2.0), (x: 7.0, y: 7.0), (x: 2.0, y: 7.0)]]);
        let hole = Area::from_geometry(&hole.into()).unwrap();
        check(&hole, &area([4.0, 4.0, 5.0, 5.0]), false);
        check(&hole, &area([4.0, 4.0, 4.0, 8.0]), true);
        assert!(triangle.widened(1.0).geometry.is_none());
        check(&triangle.widened(1.0), &area([10.5, 10.5, 11.0, 11.0]), true);
        check(&triangle.widened(1.0), &area([11.5, 0.0, 12.0, 1.0]), false);
    }

    #[test]
    fn a_geometry_beyond_180_reaches_the_other_side() {
        let beyond = ring(&[(170.0, 0.0), (190.0, 0.0), (190.0, 10.0), (170.0, 10.0), (170.0, 0.0)]);
        check(&beyond, &area([-175.0, 1.0, -174.0, 2.0]), true);
        check(&beyond, &area([-165.0, 1.0, -164.0, 2.0]), false);
        check(&beyond, &area([0.0, 1.0, 1.0, 2.0]), false);
        let west = ring(&[(-190.0, 0.0), (-170.0, 0.0), (-170.0, 10.0), (-190.0, 10.0), (-190.0, 0.0)]);
        check(&beyond, &west, true);
        let seam = ring(&[(180.0, 0.0), (170.0, 5.0), (170.0, 0.0), (180.0, 0.0)]);
        check(&seam, &ring(&[(-180.0, 0.0), (-170.0, 5.0), (-170.0, 0.0), (-180.0, 0.0)]), true);
        check(&seam, &ring(&[(-180.0, 1.0), (-170.0, 5.0), (-170.0, 1.0), (-180.0, 1.0)]), false);
    }

    #[test]
    fn a_long_step_counts_as_the_band_of_its_latitudes() {
        let jump = ring(&[(179.0, 10.0), (-179.0, 10.0), (-179.0, 20.0), (179.0, 20.0), (179.0, 10.0)]);
        check(&jump, &area([179.5, 15.0, 179.6, 16.0]), true);
        check(&jump, &area([0.0, 15.0, 1.0, 16.0]), true);
        check(&jump, &area([179.5, 21.0, 179.6, 22.0]), false);
        let about_pole = ring(&[(-120.0, 70.0), (0.0, 70.0), (120.0, 70.0), (-120.0, 70.0)]);
        check(&about_pole, &area([50.0, 85.0, 51.0, 86.0]), true);
        check(&about_pole, &area([50.0, 10.0, 51.0, 11.0]), false);
        let world = ring(&[(-180.0, -90.0), (180.0, -90.0), (180.0, 90.0), (-180.0, 90.0), (-180.0, -90.0)]);
        check(&world, &area([50.0, 10.0, 51.0, 11.0]), true);
    }

    #[test]
    fn points_and_the_empty_geometry() {
        let point = Area::from_geometry(&Point::new(5.0, 5.0).into()).unwrap();
        check(&point, &area([5.0, 5.0, 5.0, 5.0]), true);
        check(&point, &area([5.1, 5.0, 6.0, 6.0]), false);
        let points: Vec<_> = (0..100).map(|at| Point::new(f64::from(at), 0.0)).collect();
        let points = Area::from_geometry(&MultiPoint::new(points).into()).unwrap();
        assert_eq!(points.boxes.len(), 1);
        check(&points, &area([50.0, -1.0, 50.0, 1.0]), true);
        check(&points, &area([50.2, -1.0, 50.8, 1.0]), false);
        assert!(Area::from_geometry(&MultiPoint::<f64>::new(vec![]).into()).is_none());
        assert!(Area::from_geometry(&Point::new(f64::NAN, 5.0).into()).is_none());
    }

    #[test]
    fn sampled_points_inside_both_boxes_are_never_denied() {
        let edges = [-180.0, -179.0, -90.0, 0.0, 90.0, 179.0, 180.0];
        let inside = |numbers: [f64; 4], x: f64| {
            let [west, _, east, _] = numbers;
            if west <= east { (west..=east).contains(&x) } else { x >= west || x <= east }
        };
        for a in edges.iter().flat_map(|west| edges.map(|east| [*west, 0.0, east, 1.0])) {
            for b in edges.iter().flat_map(|west| edges.map(|east| [*west, 1.0, east, 2.0])) {
                let shared = edges.iter().any(|x| inside(a, *x) && inside(b, *x));
                assert!(!shared || area(a).touches(&area(b)), "{a:?} {b:?}");
            }
        }
    }

    /// Found by the STAC API validator: a box beside a footprint that reaches the pole, above it, met it there.
    #[test]
    fn a_box_beyond_a_pole_holds_no_place() {
        let area = |numbers: [f64; 4]| Area::from(Bbox::from_numbers(&numbers).unwrap());
        let world = area([-180.0, -80.0, 179.75, 90.0]);
        assert!(!area([180.75, 91.0, 181.75, 92.0]).touches(&world));
        assert!(!area([0.0, -92.0, 1.0, -91.0]).touches(&area([0.0, -90.0, 1.0, 0.0])));
        assert!(area([0.0, 89.0, 1.0, 92.0]).touches(&world));
    }
}
