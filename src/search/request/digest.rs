//! Short sums of a search's parameters, by which a cursor recognises its search and names what was changed.

use aws_lc_rs::digest::{Context, SHA256};

use crate::cql2::Expr;
use crate::federation::Bbox;
use crate::search::fields::Fields;

use super::SearchRequest;

/// The parameters in the order of [`SearchRequest::digests`]. `filter-lang` and `filter-crs` only say how a filter is
/// written and `q` is never accepted: their places stay 0.
pub const DIGEST_NAMES: [&str; 12] = [
    "collections",
    "ids",
    "bbox",
    "intersects",
    "datetime",
    "sortby",
    "fields",
    "filter",
    "filter-lang",
    "filter-crs",
    "query",
    "q",
];

pub(super) fn of(request: &SearchRequest) -> [u32; 12] {
    let mut sums = [0; 12];
    if !request.collections.is_empty() {
        sums[0] = Sum::new(0).texts(&request.collections).done();
    }
    if let Some(ids) = &request.ids {
        sums[1] = Sum::new(1).texts(ids).done();
    }
    if let Some(bbox) = &request.bbox {
        sums[2] = Sum::new(2).bbox(bbox).done();
    }
    if let Some(intersects) = &request.intersects {
        // Written anew from the geometry that was read, so spelling and elevation play no part.
        sums[3] = Sum::new(3).bytes(intersects.geojson.as_bytes()).done();
    }
    if let Some(interval) = &request.datetime {
        let mut sum = Sum::new(4);
        for end in [interval.start, interval.end] {
            sum = match end {
                None => sum.bytes(b".."),
                Some(at) => sum.bytes(&at.timestamp().to_be_bytes()).bytes(&at.timestamp_subsec_nanos().to_be_bytes()),
            };
        }
        sums[4] = sum.done();
    }
    if !request.sortby.is_empty() {
        let sum = request.sortby.iter().fold(Sum::new(5), |sum, key| {
            sum.bytes(if key.descending { b"-" } else { b"+" }).bytes(key.field.as_bytes())
        });
        sums[5] = sum.done();
    }
    if let Some(fields) = &request.fields {
        sums[6] = Sum::new(6).fields(fields).done();
    }
    sums[7] = request.filter_sum;
    sums[10] = request.query_sum;
    sums
}

/// The sum of a condition by its meaning, however it was written.
pub(super) fn of_condition(parameter: &str, condition: &Expr) -> u32 {
    let place = DIGEST_NAMES.iter().position(|name| *name == parameter).and_then(|place| u8::try_from(place).ok());
    Sum::new(place.unwrap_or_default()).bytes(condition.to_text().as_bytes()).done()
}

/// A sum in the making: every part goes in with its length, so that parts cannot run into one another.
struct Sum(Context);

impl Sum {
    fn new(place: u8) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&[place]);
        Self(context)
    }

    fn bytes(mut self, part: &[u8]) -> Self {
        self.0.update(&(part.len() as u64).to_be_bytes());
        self.0.update(part);
        self
    }

    /// Order and doubles play no part.
    fn texts(self, texts: &[String]) -> Self {
        let mut sorted: Vec<&str> = texts.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        sorted.dedup();
        sorted.into_iter().fold(self, |sum, text| sum.bytes(text.as_bytes()))
    }

    fn bbox(self, bbox: &Bbox) -> Self {
        let (low, high) = bbox.elevation.unzip();
        [Some(bbox.west), Some(bbox.south), Some(bbox.east), Some(bbox.north), low, high]
            .into_iter()
            .flatten()
            // Adding zero makes one of the two zeros.
            .fold(self, |sum, number| sum.bytes(&(number + 0.0).to_be_bytes()))
    }

    fn fields(self, fields: &Fields) -> Self {
        let nothing = Vec::new();
        let exclude = fields.exclude.as_ref().unwrap_or(&nothing);
        let include = fields.include.as_ref().unwrap_or(&nothing);
        // An absent `include` differs from an empty one only where something is excluded.
        let everything = fields.include.is_none() && !exclude.is_empty();
        self.bytes(&[u8::from(everything)]).texts(include).bytes(b"-").texts(exclude)
    }

    /// Never 0, which stands for a parameter that was not given.
    fn done(self) -> u32 {
        let digest = self.0.finish();
        let first = digest.as_ref().iter().take(4).fold(0, |sum, byte| (sum << 8) | u32::from(*byte));
        first.max(1)
    }
}
