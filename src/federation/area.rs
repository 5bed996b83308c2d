//! Areas on the WGS 84 plane: the `bbox` of requests, policies and extents.

use geo::{Geometry, Rect};

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

/// An area to test against another: boxes that never cross the antimeridian and, where it is more than its boxes, the geometry.
#[derive(Debug, Clone)]
pub struct Area {
    pub boxes: Vec<Rect<f64>>,
    pub geometry: Option<Geometry<f64>>,
}
