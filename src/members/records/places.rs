//! Boxes of metadata: which are any, what all of them cover, and their shape as a geometry.

use serde_json::{Value, json};

/// A box in degrees; west > east when it crosses the antimeridian (RFC 7946, section 5.2).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    pub west: f64,
    pub south: f64,
    pub east: f64,
    pub north: f64,
}

impl Place {
    /// A box of four bounds. Longitudes from 180 to 360 mean what they mean 360 degrees further west, and a box at least
    /// as wide as the Earth goes around it; these are other spellings of the same place. `None` when it is none: not
    /// finite, off the Earth, or south above north.
    pub fn new(west: f64, south: f64, east: f64, north: f64) -> Option<Self> {
        let all = [west, south, east, north];
        let on_earth = all.iter().all(|number| number.is_finite())
            && [west, east].iter().all(|x| (-360.0..=360.0).contains(x))
            && [south, north].iter().all(|y| (-90.0..=90.0).contains(y));
        if !on_earth || south > north {
            return None;
        }
        if east - west >= 360.0 {
            return Some(Self { west: -180.0, south, east: 180.0, north });
        }
        Some(Self { west: wrapped(west), south, east: wrapped(east), north })
    }

    /// From a GeoJSON `bbox` of four or six numbers.
    pub fn from_numbers(numbers: &[f64]) -> Option<Self> {
        match *numbers {
            [west, south, east, north] | [west, south, _, east, north, _] => Self::new(west, south, east, north),
            _ => None,
        }
    }

    pub fn numbers(&self) -> [f64; 4] {
        [self.west, self.south, self.east, self.north]
    }

    fn crosses(&self) -> bool {
        self.west > self.east
    }

    /// The coordinates of the polygons that it is: two when it crosses the antimeridian (RFC 7946, section 3.1.9).
    fn polygons(&self) -> Vec<Value> {
        let ring = |west: f64, east: f64| {
            let (south, north) = (self.south, self.north);
            json!([[[west, south], [east, south], [east, north], [west, north], [west, south]]])
        };
        if self.crosses() {
            vec![ring(self.west, 180.0), ring(-180.0, self.east)]
        } else {
            vec![ring(self.west, self.east)]
        }
    }
}

fn wrapped(longitude: f64) -> f64 {
    if longitude > 180.0 {
        longitude - 360.0
    } else if longitude < -180.0 {
        longitude + 360.0
    } else {
        longitude
    }
}

/// The box around all. Where none crosses the antimeridian it does not either; else it leaves out the widest gap.
pub fn overall(places: &[Place]) -> Option<Place> {
    let south = places.iter().map(|place| place.south).reduce(f64::min)?;
    let north = places.iter().map(|place| place.north).reduce(f64::max)?;
    let west = places.iter().map(|place| place.west).reduce(f64::min)?;
    let east = places.iter().map(|place| place.east).reduce(f64::max)?;
    if !places.iter().any(Place::crosses) {
        return Some(Place { west, south, east, north });
    }
    let (west, east) = around(places);
    Some(Place { west, south, east, north })
}

/// West and east of what several boxes cover on the circle of longitudes.
fn around(places: &[Place]) -> (f64, f64) {
    let mut arcs: Vec<(f64, f64)> = Vec::new();
    for place in places {
        if place.crosses() {
            arcs.extend([(place.west, 180.0), (-180.0, place.east)]);
        } else {
            arcs.push((place.west, place.east));
        }
    }
    arcs.sort_by(|a, b| a.0.total_cmp(&b.0));
    // From -180 on: the widest stretch that no arc covers. Since one crosses, there is none at the ends.
    let (mut reached, mut gap) = (-180.0_f64, (0.0_f64, -180.0_f64, 180.0_f64));
    for (west, east) in arcs {
        if west - reached > gap.0 {
            gap = (west - reached, west, reached);
        }
        reached = reached.max(east);
    }
    (gap.1, gap.2)
}

/// The geometry of boxes: a point or a polygon, or several polygons. `Null` for none.
pub fn geometry(places: &[Place]) -> Value {
    match places {
        [] => Value::Null,
        [place] if is_point(place) => json!({"type": "Point", "coordinates": [place.west, place.south]}),
        places => {
            let mut polygons: Vec<Value> = places.iter().flat_map(Place::polygons).collect();
            if polygons.len() == 1 {
                json!({"type": "Polygon", "coordinates": polygons.remove(0)})
            } else {
                json!({"type": "MultiPolygon", "coordinates": polygons})
            }
        }
    }
}

fn is_point(place: &Place) -> bool {
    (place.west - place.east).abs() < f64::EPSILON && (place.south - place.north).abs() < f64::EPSILON
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(numbers: [f64; 4]) -> Place {
        Place::from_numbers(&numbers).unwrap()
    }

    #[test]
    fn other_spellings_of_a_box_are_read_and_no_boxes_are_not() {
        for (given, meant) in [
            ([-10.0, 40.0, 5.0, 60.0], [-10.0, 40.0, 5.0, 60.0]),
            ([0.0, -90.0, 360.0, 90.0], [-180.0, -90.0, 180.0, 90.0]),
            ([190.0, 0.0, 200.0, 1.0], [-170.0, 0.0, -160.0, 1.0]),
            ([170.0, 0.0, 190.0, 1.0], [170.0, 0.0, -170.0, 1.0]),
            ([5.0, 6.0, 5.0, 6.0], [5.0, 6.0, 5.0, 6.0]),
        ] {
            assert_eq!(place(given), place(meant), "{given:?}");
        }
        for none in [[0.0, 60.0, 1.0, 40.0], [0.0, -91.0, 1.0, 0.0], [0.0, 0.0, 400.0, 1.0], [f64::NAN, 0.0, 1.0, 1.0]]
        {
            assert_eq!(Place::from_numbers(&none), None, "{none:?}");
        }
        assert_eq!(Place::from_numbers(&[1.0, 2.0]), None);
        assert_eq!(
            Place::from_numbers(&[1.0, 2.0, -5.0, 3.0, 4.0, 0.0]).map(|place| place.numbers()),
            Some([1.0, 2.0, 3.0, 4.0])
        );
    }

    #[test]
    fn the_overall_box_holds_all_of_them() {
        let over = |boxes: &[[f64; 4]]| {
            overall(&boxes.iter().copied().map(place).collect::<Vec<_>>()).map(|place| place.numbers())
        };
        assert_eq!(over(&[]), None);
        assert_eq!(over(&[[-5.0, 1.0, 5.0, 2.0], [170.0, 0.0, 175.0, 1.0]]), Some([-5.0, 0.0, 175.0, 2.0]));
        assert_eq!(over(&[[170.0, 0.0, -170.0, 1.0]]), Some([170.0, 0.0, -170.0, 1.0]));
        assert_eq!(over(&[[170.0, 0.0, -170.0, 1.0], [10.0, 5.0, 20.0, 6.0]]), Some([10.0, 0.0, -170.0, 6.0]));
        assert_eq!(over(&[[170.0, 0.0, -170.0, 1.0], [-180.0, 5.0, 180.0, 6.0]]), Some([-180.0, 0.0, 180.0, 6.0]));
    }

    #[test]
    fn boxes_have_the_geometry_they_are() {
        let kind = |boxes: &[[f64; 4]]| {
            geometry(&boxes.iter().copied().map(place).collect::<Vec<_>>())["type"].as_str().map(str::to_owned)
        };
        assert_eq!(kind(&[]), None);
        assert_eq!(kind(&[[5.0, 6.0, 5.0, 6.0]]).as_deref(), Some("Point"));
        assert_eq!(kind(&[[5.0, 6.0, 7.0, 8.0]]).as_deref(), Some("Polygon"));
        assert_eq!(kind(&[[170.0, 6.0, -170.0, 8.0]]).as_deref(), Some("MultiPolygon"));
    }
}
