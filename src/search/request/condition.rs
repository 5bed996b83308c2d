//! `filter` with its language and reference system, and `query`: two ways to write a condition, joined by AND.

use std::sync::Arc;

use serde_json::Value;

use crate::cql2::{Expr, Wrong, query};

use super::body::{described, text};
use super::{Invalid, SearchRequest, digest, quoted};

const TEXT: &str = "cql2-text";
const JSON: &str = "cql2-json";

/// Spellings of longitude and latitude on WGS 84 (RFC 7946 section 4), the only system that geometries are read in.
const CRS84: [&str; 6] = [
    "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
    "https://www.opengis.net/def/crs/OGC/1.3/CRS84",
    "urn:ogc:def:crs:OGC:1.3:CRS84",
    "urn:ogc:def:crs:OGC::CRS84",
    "[OGC:CRS84]",
    "OGC:CRS84",
];

/// The parameters of a condition as they come; the language may stand behind the text that it is of.
#[derive(Default)]
pub(super) struct Written {
    filter: Option<Given>,
    lang: Option<&'static str>,
    query: Option<Value>,
}

enum Given {
    Text(String),
    Json(Value),
}

impl Written {
    /// Takes one of these parameters from a query string; false when it is none of them.
    pub(super) fn take_text(&mut self, name: &str, value: &str) -> Result<bool, Invalid> {
        match name {
            "filter" => self.filter = Some(Given::Text(value.to_owned())),
            "filter-lang" => self.lang = Some(language(value)?),
            "filter-crs" => reference_system(value)?,
            "query" => self.query = Some(json("query", value, "a JSON object of properties and operators")?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The same from a body.
    pub(super) fn take_json(&mut self, name: &str, value: &Value) -> Result<bool, Invalid> {
        match name {
            "filter" => {
                self.filter = Some(match value {
                    Value::String(text) => Given::Text(text.clone()),
                    other => Given::Json(other.clone()),
                });
            }
            "filter-lang" => self.lang = Some(language(text("filter-lang", value)?)?),
            "filter-crs" => reference_system(text("filter-crs", value)?)?,
            "query" => self.query = Some(value.clone()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Reads what was taken and puts it into the request; `default` is the language of a filter that names none.
    pub(super) fn read(self, request: &mut SearchRequest, default: Language) -> Result<(), Invalid> {
        let filter = self.filter.map(|given| filter(given, self.lang, default)).transpose()?;
        let query = match &self.query {
            Some(object) => Some(query::read(object).map_err(|wrong| invalid("query", &wrong))?),
            None => None,
        };
        request.filter_sum = filter.as_ref().map_or(0, |filter| digest::of_condition("filter", filter));
        request.query_sum = query.as_ref().map_or(0, |query| digest::of_condition("query", query));
        let parts: Vec<Expr> = filter.into_iter().chain(query).collect();
        request.filter = (!parts.is_empty()).then(|| Arc::new(Expr::and(parts)));
        Ok(())
    }
}

/// The language of a filter without `filter-lang`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Text,
    Json,
}

fn filter(given: Given, lang: Option<&'static str>, default: Language) -> Result<Expr, Invalid> {
    let is_text = lang.map_or(default == Language::Text, |lang| lang == TEXT);
    let read = match given {
        Given::Text(text) if text.trim().is_empty() => {
            let accepted = "a condition such as `eo:cloud_cover < 20`, or no `filter`";
            return Err(Invalid::new("filter", "empty", accepted));
        }
        Given::Text(text) if is_text && text.trim_start().starts_with('{') => {
            let accepted = format!("CQL2 text such as `eo:cloud_cover < 20`, or this object with `filter-lang={JSON}`");
            return Err(Invalid::new("filter", "a JSON object, though its language is `cql2-text`", accepted));
        }
        Given::Text(text) if is_text => Expr::from_text(&text),
        // In a query string everything is text; in a body a text is never CQL2 JSON.
        Given::Text(text) if default == Language::Text => {
            let accepted = format!("CQL2 JSON, or this text with `filter-lang={TEXT}`");
            Expr::from_json(&json("filter", &text, &accepted)?)
        }
        Given::Text(text) => {
            let given = format!("the text {}, though its language is `{JSON}`", quoted(&text));
            let accepted = format!("a CQL2 JSON object, or this text with `\"filter-lang\": \"{TEXT}\"`");
            return Err(Invalid::new("filter", given, accepted));
        }
        Given::Json(value) if is_text => {
            let given = format!("{}, though its language is `{TEXT}`", described(&value));
            return Err(Invalid::new("filter", given, format!("a CQL2 text, or this with `filter-lang` `{JSON}`")));
        }
        Given::Json(value) => Expr::from_json(&value),
    };
    read.map_err(|wrong| invalid("filter", &wrong))
}

fn language(given: &str) -> Result<&'static str, Invalid> {
    [TEXT, JSON]
        .into_iter()
        .find(|known| *known == given)
        .ok_or_else(|| Invalid::new("filter-lang", quoted(given), format!("`{TEXT}` or `{JSON}`")))
}

fn reference_system(given: &str) -> Result<(), Invalid> {
    if CRS84.contains(&given) {
        return Ok(());
    }
    Err(Invalid::new("filter-crs", quoted(given), format!("`{}`, longitude before latitude", CRS84[0])))
}

/// Parsing stops by itself at a nesting of 128.
fn json(parameter: &str, given: &str, accepted: &str) -> Result<Value, Invalid> {
    serde_json::from_str(given).map_err(|error| Invalid::new(parameter, format!("not JSON ({error})"), accepted))
}

fn invalid(parameter: &str, wrong: &Wrong) -> Invalid {
    Invalid::new(parameter, wrong.what(), wrong.accepted.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::federation::Limits;

    use super::*;

    fn get(pairs: &[(&str, &str)]) -> Result<SearchRequest, Invalid> {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        SearchRequest::from_query(&pairs, &Limits::default())
    }

    fn post(body: &Value) -> Result<SearchRequest, Invalid> {
        SearchRequest::from_body(body.to_string().as_bytes(), &Limits::default())
    }

    fn told(refused: Result<SearchRequest, Invalid>) -> String {
        refused.unwrap_err().to_string()
    }

    const TEXT_FILTER: &str = "eo:cloud_cover < 20 AND datetime >= TIMESTAMP('2025-01-01T00:00:00Z')";

    fn json_filter() -> Value {
        json!({"op": "and", "args": [
            {"op": "<", "args": [{"property": "eo:cloud_cover"}, 20.0]},
            {"op": ">=", "args": [{"property": "properties.datetime"}, {"timestamp": "2025-01-01T01:00:00+01:00"}]},
        ]})
    }

    #[test]
    fn both_languages_are_read_both_ways_and_mean_one_thing() {
        let json = json_filter();
        let asked = [
            get(&[("filter", TEXT_FILTER)]),
            get(&[("filter-lang", "cql2-text"), ("filter", TEXT_FILTER)]),
            get(&[("filter", &json.to_string()), ("filter-lang", "cql2-json")]),
            post(&json!({ "filter": json })),
            post(&json!({ "filter": json, "filter-lang": "cql2-json" })),
            post(&json!({ "filter": TEXT_FILTER, "filter-lang": "cql2-text" })),
        ];
        let asked: Vec<SearchRequest> = asked.into_iter().collect::<Result<_, _>>().unwrap();
        assert!(asked[0].filter.is_some());
        for other in &asked[1..] {
            assert_eq!(other.filter, asked[0].filter);
            assert_eq!(other.digests(), asked[0].digests(), "one session for all of them");
        }
    }

    #[test]
    fn a_filter_in_the_other_language_is_refused_with_the_remedy() {
        let json = json_filter();
        assert!(told(get(&[("filter", &json.to_string())])).contains("`filter-lang=cql2-json`"));
        assert!(told(get(&[("filter", "a = 1"), ("filter-lang", "cql2-json")])).contains("not JSON"));
        assert!(told(post(&json!({ "filter": "a = 1" }))).contains(r#"`"filter-lang": "cql2-text"`"#));
        assert!(told(post(&json!({ "filter": "a = 1", "filter-lang": "cql2-json" }))).contains("`a = 1`"));
        assert!(told(post(&json!({ "filter": json, "filter-lang": "cql2-text" }))).contains("`cql2-json`"));
        assert!(told(get(&[("filter", "a = 1"), ("filter-lang", "ecql")])).contains("`cql2-text` or `cql2-json`"));
    }

    #[test]
    fn an_empty_filter_is_told_to_be_empty() {
        for lang in ["cql2-text", "cql2-json"] {
            let says = told(get(&[("filter", " "), ("filter-lang", lang)]));
            assert!(says.starts_with("`filter` is empty; accepted: a condition such as"), "{says}");
        }
        assert!(told(post(&json!({ "filter": "" }))).contains("or no `filter`"));
        let text = told(get(&[("filter", "a = 1"), ("filter-lang", "cql2-json")]));
        assert!(text.contains("or this text with `filter-lang=cql2-text`"), "{text}");
    }

    #[test]
    fn language_and_reference_system_need_no_filter() {
        assert_eq!(get(&[("filter-lang", "cql2-json")]).unwrap().filter, None);
        for crs in CRS84 {
            assert!(get(&[("filter-crs", crs)]).is_ok() && post(&json!({ "filter-crs": crs })).is_ok(), "{crs}");
        }
        assert!(told(post(&json!({ "filter-crs": "EPSG:4326" }))).contains("longitude before latitude"));
        assert_eq!(post(&json!({ "filter": null, "query": null })).unwrap().filter, None);
        assert!(post(&json!({ "filter": true })).unwrap().filter.is_some());
    }

    #[test]
    fn filter_and_query_are_joined() {
        let query = json!({ "eo:cloud_cover": { "lt": 20 } });
        let both = post(&json!({ "query": query, "filter": "platform = 'S2A'", "filter-lang": "cql2-text" })).unwrap();
        let by_get = get(&[("filter", "platform = 'S2A'"), ("query", &query.to_string())]).unwrap();
        assert_eq!(both.filter, by_get.filter);
        assert_eq!(both.digests(), by_get.digests());
        let properties: Vec<&str> = both.filter.as_deref().unwrap().properties().into_iter().collect();
        assert_eq!(properties, ["eo:cloud_cover", "platform"]);
        assert!(told(get(&[("query", "x")])).starts_with("`query` is not JSON"));
    }

    #[test]
    fn a_cursor_tells_which_of_the_two_was_changed() {
        let names = |one: &[(&str, &str)], other: &[(&str, &str)]| -> Vec<&str> {
            let (one, other) = (get(one).unwrap().digests(), get(other).unwrap().digests());
            let changed = one.iter().zip(other).enumerate().filter(|(_, (one, other))| **one != *other);
            changed.map(|(place, _)| super::super::DIGEST_NAMES[place]).collect()
        };
        let query = [("query", r#"{"a":{"eq":1}}"#)];
        assert_eq!(names(&[("filter", "a = 1")], &[("filter", "a = 2")]), ["filter"]);
        assert_eq!(names(&[("filter", "a = 1")], &[]), ["filter"]);
        assert_eq!(names(&query, &[("query", r#"{"a":{"eq":2}}"#)]), ["query"]);
        assert_eq!(names(&query, &[("filter", "a = 1")]), ["filter", "query"]);
        assert_eq!(names(&[("filter-lang", "cql2-json")], &[]), Vec::<&str>::new());
    }
}
