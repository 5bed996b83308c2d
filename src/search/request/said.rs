//! The way back: a search as the body of `POST /search`, of bounded size, for logs.
//!
//! What is too long is left out and named: a search without one of its conditions asks for more, so that whoever reads
//! the body takes a member rather for asked than for left out.

use serde_json::{Map, Value, json};

use super::SearchRequest;

/// Bytes of the names in `ids` and in `collections`, of a filter, and of a geometry: enough for what people write, and a
/// line of a log that tools still take.
const NAMES_BYTES_MAX: usize = 4 << 10;
const FILTER_BYTES_MAX: usize = 4 << 10;
const GEOMETRY_BYTES_MAX: usize = 4 << 10;

/// A search as a body.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    pub body: Map<String, Value>,
    /// Parameters that were too long; of a geometry its bounding box is said.
    pub cut: Vec<&'static str>,
}

impl SearchRequest {
    /// The search, without its cursor, as a body that reads back as the same search.
    #[must_use]
    pub fn said(&self) -> Said {
        let mut said = Said::default();
        if !self.collections.is_empty() {
            said.names("collections", &self.collections);
        }
        if let Some(ids) = &self.ids {
            said.names("ids", ids);
        }
        self.place(&mut said);
        if let Some(interval) = self.datetime {
            said.put("datetime", interval.to_param());
        }
        if let Some(filter) = &self.filter {
            let text = filter.to_text();
            if text.len() <= FILTER_BYTES_MAX {
                said.put("filter", text);
                said.put("filter-lang", "cql2-text");
            } else {
                said.cut.push("filter");
            }
        }
        if !self.sortby.is_empty() {
            let direction = |descending| if descending { "desc" } else { "asc" };
            let key = |key: &super::SortBy| json!({ "field": key.field, "direction": direction(key.descending) });
            said.put("sortby", self.sortby.iter().map(key).collect::<Vec<_>>());
        }
        said.put("limit", self.limit);
        said
    }

    fn place(&self, said: &mut Said) {
        let flat = |bbox: &crate::federation::Bbox| vec![bbox.west, bbox.south, bbox.east, bbox.north];
        if let Some(bbox) = &self.bbox {
            let numbers = match bbox.elevation {
                Some((low, high)) => vec![bbox.west, bbox.south, low, bbox.east, bbox.north, high],
                None => flat(bbox),
            };
            said.put("bbox", numbers);
        }
        let Some(intersects) = &self.intersects else { return };
        let geometry = Some(&intersects.geojson).filter(|text| text.len() <= GEOMETRY_BYTES_MAX);
        if let Some(geometry) = geometry.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
            said.put("intersects", geometry);
        } else {
            said.put("bbox", flat(&intersects.bbox));
            said.cut.push("intersects");
        }
    }
}

impl Said {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.body.insert(name.to_owned(), value.into());
    }

    fn names(&mut self, name: &'static str, names: &[String]) {
        if names.iter().map(String::len).sum::<usize>() <= NAMES_BYTES_MAX {
            self.put(name, names);
        } else {
            self.cut.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::federation::Limits;

    use super::*;

    fn read(body: &Value) -> SearchRequest {
        SearchRequest::from_body(body.to_string().as_bytes(), &Limits::default()).unwrap()
    }

    #[test]
    fn a_search_reads_back_as_itself() {
        let polygon = json!({"type": "Polygon", "coordinates": [[[1.5, 2.0], [3.0, 2.0], [3.0, 4.25], [1.5, 2.0]]]});
        for body in [
            json!({}),
            json!({"collections": ["A|x", "y,z"], "ids": ["1", "2"], "limit": 17}),
            json!({"ids": []}),
            json!({"bbox": [170, -10, -170, 10.5]}),
            json!({"bbox": [1, 2, 3, 4, 5, 6], "datetime": "../2025-01-01T00:00:00.5Z"}),
            json!({"intersects": polygon, "datetime": "2025-01-01T00:00:00Z"}),
            json!({"filter": {"op": "<", "args": [{"property": "eo:cloud_cover"}, 20]}, "query": {"a": {"eq": "o'b"}}}),
            json!({"sortby": [{"field": "properties.datetime", "direction": "desc"}, {"field": "id", "direction": "asc"}]}),
        ] {
            let request = read(&body);
            let said = request.said();
            assert_eq!(said.cut, [""; 0]);
            let again = read(&Value::Object(said.body));
            // `query` is a part of the filter from then on, so the sums of the two are not the same.
            assert_eq!(again.filter, request.filter, "{body}");
            assert_eq!(again.said(), request.said(), "{body}");
            assert_eq!((again.collections, again.ids, again.limit), (request.collections, request.ids, request.limit));
            assert_eq!((again.bbox, again.datetime, again.sortby), (request.bbox, request.datetime, request.sortby));
        }
    }

    #[test]
    fn what_is_too_long_is_left_out_and_named() {
        let ids: Vec<String> = (0..1000).map(|n| format!("a-long-id-{n:04}")).collect();
        let ring: Vec<[f64; 2]> =
            (0..=500).map(|n| f64::from(n % 500) / 500.0 * std::f64::consts::TAU).map(|a| [a.cos(), a.sin()]).collect();
        let filter = format!("a IN ('{}')", ids[..400].join("','"));
        let body = json!({"ids": ids, "intersects": {"type": "Polygon", "coordinates": [ring]}, "filter": filter, "filter-lang": "cql2-text"});
        let said = read(&body).said();
        assert_eq!(said.cut, ["ids", "intersects", "filter"]);
        assert!(said.body.contains_key("bbox") && Value::Object(said.body.clone()).to_string().len() < 200);
        assert!(read(&Value::Object(said.body)).ids.is_none());
    }
}
