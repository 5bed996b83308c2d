//! One Item of a member that is known, and the questions that it answers: each condition once so that the Item meets it,
//! and once so that it does not. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{Intersects, Item};
use crate::federation::{Bbox, Interval};

/// Degrees around a known Item.
const MARGIN_DEGREES: f64 = 0.01;
/// An Item wider than this in either direction has no place that is surely outside of it.
const WIDE_DEGREES: f64 = 90.0;

/// What is known of one Item of the member.
#[derive(Debug, Clone)]
pub struct Known {
    pub id: String,
    pub collection: String,
    /// From and to, over all its times.
    pub span: Option<(DateTime<Utc>, DateTime<Utc>)>,
    pub bbox: Option<Bbox>,
    /// A property that is a number.
    pub number: Option<(String, f64)>,
}

impl Known {
    #[must_use]
    pub fn of(item: &Item) -> Self {
        let times = [item.times.datetime, item.times.start, item.times.end];
        let (first, last) = (times.iter().flatten().min(), times.iter().flatten().max());
        let properties: Value = serde_json::from_slice(item.slice(&item.spans.properties)).unwrap_or_default();
        let mut numbers = properties.as_object().into_iter().flatten();
        let number = numbers.find_map(|(name, value)| Some((name.clone(), value.as_f64()?)));
        Self {
            id: item.id.to_string(),
            collection: item.collection.to_string(),
            span: first.copied().zip(last.copied()),
            bbox: item.bbox(),
            number,
        }
    }

    /// How many kinds of question it can be asked about.
    #[must_use]
    pub fn tells(&self) -> usize {
        usize::from(self.number.is_some()) * 2
            + usize::from(self.intervals().is_some())
            + usize::from(self.boxes().is_some())
    }

    /// Whether an Item is this one.
    #[must_use]
    pub fn is(&self, item: &Item) -> bool {
        *item.id == *self.id && *item.collection == *self.collection
    }

    /// An interval that holds the Item's times with a second to spare, and one that lies behind them.
    #[must_use]
    pub fn intervals(&self) -> Option<(Interval, Interval)> {
        let (first, last) = self.span?;
        let (second, day) = (TimeDelta::seconds(1), TimeDelta::days(1));
        let inside = Interval { start: first.checked_sub_signed(second), end: last.checked_add_signed(second) };
        let behind = last.checked_add_signed(day)?;
        let outside = Interval { start: Some(behind), end: behind.checked_add_signed(day) };
        Some((inside, outside))
    }

    /// A box around the Item, and one on the other side of the Earth.
    #[must_use]
    pub fn boxes(&self) -> Option<(Bbox, Bbox)> {
        let Bbox { west, south, east, north, .. } = self.bbox?;
        let inside = Bbox {
            west: (west - MARGIN_DEGREES).max(-180.0),
            south: (south - MARGIN_DEGREES).max(-90.0),
            east: (east + MARGIN_DEGREES).min(180.0),
            north: (north + MARGIN_DEGREES).min(90.0),
            elevation: None,
        };
        if west > east || east - west > WIDE_DEGREES || north - south > WIDE_DEGREES {
            return None;
        }
        let middle = f64::midpoint(west, east);
        let across = if middle > 0.0 { middle - 180.0 } else { middle + 180.0 }.clamp(-179.0, 179.0);
        let outside = Bbox { west: across - 0.5, south: -0.5, east: across + 0.5, north: 0.5, elevation: None };
        Some((inside, outside))
    }
}

/// An id that nothing has.
#[must_use]
pub fn absent(id: &str) -> String {
    format!("{id}-none-of-this-name")
}

/// A box as the geometry that `intersects` takes.
#[must_use]
pub fn polygon(bbox: Bbox) -> Intersects {
    let Bbox { west, south, east, north, .. } = bbox;
    let geojson = serde_json::json!({
        "type": "Polygon",
        "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]],
    });
    let rect = geo::Rect::new((west, south), (east, north));
    Intersects { geojson: geojson.to_string(), geometry: rect.to_polygon().into(), bbox }
}
