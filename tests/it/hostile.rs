//! 10,000 generated searches that mean no good: filters in both spellings, `query`, geometries, bodies and query
//! strings, right, nearly right and wrong, over Items that are odd too. None is a fault of the broker, none is slow.
//!
//! `STAC_BROKER_SEED` replays a failure, which names its seed.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::support::front::{Reply, sent};
use crate::support::{Front, Running, ScriptedMember, collection, federation_of, time};

const REQUESTS: usize = 10_000;
/// Within this each is answered.
const SLOW: Duration = Duration::from_secs(1);

/// xorshift64*: reproducible without a dependency.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % n
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Mostly few, seldom very many.
    fn count(&mut self, many: usize) -> usize {
        match self.below(20) {
            0 => self.below(many + 1),
            _ => self.below(4),
        }
    }
}

const NAMES: &[&str] = &[
    "id",
    "collection",
    "geometry",
    "datetime",
    "start_datetime",
    "end_datetime",
    "created",
    "number",
    "text",
    "list",
    "flag",
    "nothing",
    "object",
    "absent",
    "properties.number",
    "eo:cloud_cover",
    "a.b.c",
    "not",
    "bbox",
    "links",
    "größe",
];
const TEXTS: &[&str] = &[
    "",
    "c",
    "A|c",
    "c-0001",
    "%",
    "_",
    "%%%%%%%%%%%%%%%%",
    "\\",
    "100\\%",
    "it's",
    "x\u{301}",
    "İI\u{307}ß",
    "2025-01-01T00:00:00Z",
    "2025-01-01",
    "..",
    "\u{202e}",
    "😀",
    "a%b%c%d%e%f%g%h%",
    "${jndi:ldap://x}",
    "' OR 1=1 --",
];
const NUMBERS: &[f64] = &[
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.1,
    10.0,
    1e308,
    -1e308,
    5e-324,
    1e19,
    9_007_199_254_740_993.0,
    180.0,
    -180.0,
    90.0,
    1e-10,
];
const TIMES: &[&str] = &[
    "2025-01-01T00:00:00Z",
    "2025-01-01T00:59:59.999999999Z",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "2016-12-31T23:59:60Z",
    "2025-01-01T00:00:00+23:59",
    "2025-01-01",
    "2024-02-30",
    "..",
    "now",
];

/// Conditions as JSON, right for the most part.
impl Seeded {
    fn condition(&mut self, deep: usize) -> Value {
        let op = match if deep == 0 { 4 + self.below(8) } else { self.below(12) } {
            0 => {
                let parts: Vec<Value> = (0..self.count(300)).map(|_| self.condition(deep - 1)).collect();
                return json!({"op": self.one(&["and", "or"]), "args": parts});
            }
            1 => return json!({"op": "not", "args": [self.condition(deep - 1)]}),
            2 => {
                return json!({"op": "in", "args": [self.value(1), (0..self.count(3_000)).map(|_| self.value(0)).collect::<Vec<_>>()]});
            }
            3 => return json!({"op": "between", "args": [self.value(2), self.value(1), self.value(1)]}),
            4 => return json!({"op": "isNull", "args": [self.value(1)]}),
            5 => return json!({"op": "like", "args": [self.value(1), self.one(TEXTS).repeat(self.count(60))]}),
            6 | 7 => self.one(&[
                "s_intersects",
                "s_equals",
                "s_disjoint",
                "s_touches",
                "s_within",
                "s_overlaps",
                "s_crosses",
                "s_contains",
            ]),
            8 => {
                self.one(&["t_after", "t_intersects", "t_during", "t_meets", "t_finishedBy", "t_overlaps", "t_equals"])
            }
            9 => self.one(&["a_equals", "a_contains", "a_containedBy", "a_overlaps"]),
            _ => self.one(&["=", "<>", "<", "<=", ">", ">=", "eq", "xor"]),
        };
        let args = match op.get(..2) {
            Some("s_") => [json!({"property": "geometry"}), self.geometry()],
            Some("t_") => [
                json!({"property": self.one(&["datetime", "created", "text"])}),
                json!({"interval": [self.one(TIMES), self.one(TIMES)]}),
            ],
            Some("a_") => [json!({"property": "list"}), (0..self.count(500)).map(|_| self.value(0)).collect()],
            _ => [self.value(3), self.value(1)],
        };
        json!({"op": op, "args": args})
    }

    fn value(&mut self, deep: usize) -> Value {
        match self.below(if deep == 0 { 5 } else { 9 }) {
            0 | 1 => json!({"property": self.one(NAMES)}),
            2 => json!(self.one(TEXTS)),
            3 => json!(self.one(NUMBERS)),
            4 => json!({self.one(&["timestamp", "date"]): self.one(TIMES)}),
            5 => json!(self.below(2) == 0),
            6 => json!({"op": self.one(&["casei", "accenti"]), "args": [self.value(deep - 1)]}),
            _ => {
                json!({"op": self.one(&["+", "-", "*", "/", "%", "div", "^"]), "args": [self.value(deep - 1), self.value(deep - 1)]})
            }
        }
    }

    fn position(&mut self) -> Value {
        match self.below(12) {
            0 => json!([self.one(NUMBERS), self.one(NUMBERS)]),
            1 => json!([self.one(NUMBERS), self.one(NUMBERS), self.one(NUMBERS)]),
            2 => json!([self.one(NUMBERS), null]),
            _ => json!([self.one(&[10.0, 10.5, 11.0, 11.5]), self.one(&[54.0, 54.25, 54.5, 54.75])]),
        }
    }

    /// A line that crosses itself, goes back on itself or stays in its place; closed or not.
    fn line(&mut self, closed: bool) -> Value {
        let count = 2 + self.count(1_500) + usize::from(closed);
        let mut line: Vec<Value> = (0..count).map(|_| self.position()).collect();
        if closed {
            line.push(line[0].clone());
        }
        line.into()
    }

    fn geometry(&mut self) -> Value {
        let several = |seeded: &mut Self, make: &dyn Fn(&mut Self) -> Value| -> Value {
            (0..seeded.count(40)).map(|_| make(seeded)).collect()
        };
        let closed = self.below(12) > 0;
        let rings = move |seeded: &mut Self| several(seeded, &move |seeded| seeded.line(closed));
        match self.below(11) {
            0 => json!({"type": "Point", "coordinates": self.position()}),
            1 => json!({"type": "MultiPoint", "coordinates": several(self, &Self::position)}),
            2 => json!({"type": "LineString", "coordinates": self.line(false)}),
            3 => json!({"type": "MultiLineString", "coordinates": several(self, &|seeded| seeded.line(false))}),
            4 | 5 => json!({"type": "Polygon", "coordinates": rings(self)}),
            6 => json!({"type": "MultiPolygon", "coordinates": several(self, &rings)}),
            7 => json!({"bbox": (0..self.one(&[4, 4, 4, 6, 3])).map(|_| self.one(NUMBERS)).collect::<Vec<f64>>()}),
            8 => json!({"type": "GeometryCollection", "geometries": several(self, &Self::geometry)}),
            9 => json!({"type": self.one(TEXTS), "coordinates": self.junk(3)}),
            _ => self.junk(2),
        }
    }

    /// Any JSON.
    fn junk(&mut self, deep: usize) -> Value {
        match self.below(if deep == 0 { 5 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.one(NUMBERS)),
            2 => json!(self.one(TEXTS)),
            3 => json!(self.below(2) == 0),
            4 => json!({"property": self.one(NAMES)}),
            5 => (0..self.count(200)).map(|_| self.junk(deep - 1)).collect(),
            6 => (0..60 + self.below(80)).fold(json!(1), |inner, _| json!([inner])),
            _ => (0..self.below(4))
                .map(|_| {
                    (
                        self.one(&["op", "args", "type", "property", "interval", "bbox", "x"]).to_owned(),
                        self.junk(deep - 1),
                    )
                })
                .collect::<Map<_, _>>()
                .into(),
        }
    }

    /// Something else in the place of one part of it.
    fn spoil(&mut self, json: &mut Value) {
        let inner = match json {
            Value::Array(list) if !list.is_empty() => {
                let at = self.below(list.len());
                list.get_mut(at)
            }
            Value::Object(object) if !object.is_empty() => {
                let at = self.below(object.len());
                object.values_mut().nth(at)
            }
            _ => None,
        };
        match inner {
            Some(inner) if self.below(5) > 0 => self.spoil(inner),
            _ => *json = self.junk(2),
        }
    }
}

/// Conditions as text.
impl Seeded {
    fn text(&mut self, deep: usize) -> String {
        let (name, number) = (self.one(NAMES), self.one(NUMBERS));
        let literal = format!("'{}'", self.one(TEXTS).replace('\'', "''"));
        match self.below(if deep == 0 { 9 } else { 13 }) {
            0 => format!("{name} {} {number:e}", self.one(&["=", "<>", "<", ">=", "!=", "=="])),
            1 => format!("{name} LIKE {literal}"),
            2 => format!("casei({name}) NOT IN ({literal}, {literal})"),
            3 => format!("\"{name}\" IS {} NULL", self.one(&["", "NOT"])),
            4 => format!("{name} BETWEEN -{number} AND {number} ^ 2 % 3 div 0"),
            5 => format!(
                "S_INTERSECTS(geometry, BBOX({number},{},{},{}))",
                self.one(NUMBERS),
                self.one(NUMBERS),
                self.one(NUMBERS)
            ),
            6 => format!(
                "S_WITHIN(geometry, POLYGON(({})))",
                vec!["10 54,11 54,11 55,10 54"; 1 + self.count(300)].join(",")
            ),
            7 => format!("T_DURING({name}, INTERVAL('{}', '{}'))", self.one(TIMES), self.one(TIMES)),
            8 => format!("A_OVERLAPS({name}, ({literal}, {number}))"),
            9 => format!("NOT ({})", self.text(deep - 1)),
            10 => format!("({}) OR ({})", self.text(deep - 1), self.text(deep - 1)),
            11 => vec![self.text(deep - 1); 1 + self.count(400)].join(self.one(&[" AND ", " OR ", " + ", ", ", " "])),
            _ => {
                let (open, close) = self.one(&[
                    ("(", ")"),
                    ("NOT (", ")"),
                    ("-", ""),
                    ("casei(", ")"),
                    ("NOT ", ""),
                    ("'", ""),
                    ("(((", ""),
                ]);
                let times = self.one(&[1, 10, 30, 500, 3_000]);
                format!("{}{}{}", open.repeat(times), self.text(deep - 1), close.repeat(times))
            }
        }
    }

    fn mutated(&mut self, text: &str) -> String {
        const PIECES: &[&str] = &[
            "(",
            ")",
            "'",
            "''",
            "\"",
            ",",
            " AND ",
            " NOT ",
            "\\",
            "\0",
            "é",
            "1e999",
            "TRUE",
            "NULL",
            "-",
            "=",
            "POINT(1 2)",
            "\u{feff}",
        ];
        let mut characters: Vec<char> = text.chars().collect();
        for _ in 0..self.below(4) {
            let at = self.below(characters.len() + 1);
            let end = (at + self.below(6)).min(characters.len());
            characters.splice(at..end, self.one(PIECES).chars());
        }
        characters.into_iter().collect()
    }
}

/// What is asked of the broker.
#[derive(Clone)]
struct Asked {
    method: &'static str,
    path: String,
    body: Option<String>,
}

impl Asked {
    async fn of(&self, front: &Front) -> Reply {
        let mut request = front.request(self.method, &self.path);
        if let Some(body) = &self.body {
            request = request.header("content-type", "application/json").body(body.clone());
        }
        sent(request).await
    }
}

impl Seeded {
    /// One parameter of a search, as JSON.
    fn parameter(&mut self) -> (&'static str, Value) {
        match self.below(9) {
            0..=2 => {
                let mut filter = self.condition(4);
                if self.below(3) == 0 {
                    self.spoil(&mut filter);
                }
                ("filter", filter)
            }
            3 => {
                let text = self.text(3);
                ("filter", json!(self.mutated(&text)))
            }
            4 => {
                let operator = self.one(&[
                    "eq",
                    "neq",
                    "lt",
                    "lte",
                    "gt",
                    "gte",
                    "startsWith",
                    "endsWith",
                    "contains",
                    "in",
                    "like",
                ]);
                let operand = if operator == "in" {
                    (0..self.count(3_000)).map(|_| self.value(0)).collect()
                } else {
                    self.junk(1)
                };
                ("query", json!({self.one(NAMES): {operator: operand}, self.one(NAMES): {operator: self.one(TEXTS)}}))
            }
            5 | 6 => ("intersects", self.geometry()),
            7 => ("bbox", (0..4).map(|_| json!(self.one(NUMBERS))).collect()),
            _ => (
                self.one(&["ids", "collections", "datetime", "sortby", "fields", "limit", "token", "filter-crs", "x"]),
                self.junk(2),
            ),
        }
    }

    fn request(&mut self) -> Asked {
        let mut members: Vec<(&'static str, Value)> = (0..=self.below(2)).map(|_| self.parameter()).collect();
        if self.below(8) > 0 {
            // Given twice they would be refused for that alone.
            members.dedup_by_key(|(name, _)| *name);
        }
        if self.below(2) == 0 {
            let text = members.iter().any(|(name, value)| *name == "filter" && value.is_string());
            let (right, wrong) = if text { ("cql2-text", "cql2-json") } else { ("cql2-json", "cql2-text") };
            members.push(("filter-lang", json!(if self.below(10) == 0 { wrong } else { right })));
        }
        if self.below(3) > 0 {
            // A member given twice is part of the game, so the body is written by hand.
            let written = members.iter().map(|(name, value)| format!("{}:{value}", json!(name)));
            let mut body = format!("{{{}}}", written.collect::<Vec<_>>().join(","));
            if self.below(12) == 0 {
                let cut = self.below(body.len());
                body.truncate((0..=cut).rev().find(|at| body.is_char_boundary(*at)).unwrap());
            }
            return Asked {
                method: "POST",
                path: self.one(&["/search", "/search", "/search/explain"]).to_owned(),
                body: Some(body),
            };
        }
        let encoded = |(name, value): &(&str, Value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC))
        };
        let mut query: String = members.iter().map(encoded).collect::<Vec<_>>().join("&");
        // Beyond this the HTTP library refuses to send it.
        query.truncate(60_000);
        if self.below(8) == 0 {
            query += self.one(&["&%", "&%zz=%", "&&&=", "&filter=%00", "&filter=%F0%28", "&filter", "?x"]);
        }
        let path = self.one(&["/search", "/search", "/collections/A%7Cc/items", "/collections", "/search/explain"]);
        Asked { method: "GET", path: format!("{path}?{query}"), body: None }
    }
}

/// Items whose properties are of every kind, over geometries of every kind, some of them wrong.
fn odd_items() -> Vec<Value> {
    let geometries = [
        json!(null),
        json!({"type": "Point", "coordinates": [10.5, 54.25]}),
        json!({"type": "LineString", "coordinates": [[10, 54], [11, 55], [10, 54]]}),
        json!({"type": "Polygon", "coordinates": [[[10, 54], [11, 54], [11, 55], [10, 55], [10, 54]], [[10.25, 54.25], [10.5, 54.25], [10.5, 54.5], [10.25, 54.25]]]}),
        json!({"type": "Polygon", "coordinates": [[[10, 54], [11, 55], [11, 54], [10, 55], [10, 54]]]}),
        json!({"type": "Polygon", "coordinates": [[[10, 54], [10, 54], [10, 54], [10, 54]]]}),
        json!({"type": "MultiPolygon", "coordinates": [[[[170, 0], [180, 0], [180, 5], [170, 5], [170, 0]]], [[[-180, 0], [-170, 0], [-170, 5], [-180, 0]]]]}),
        json!({"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [10.5, 54.25]}, {"type": "LineString", "coordinates": [[10, 54], [11, 55]]}]}),
        json!({"type": "MultiPoint", "coordinates": [[10, 54], [1e308, -1e308]]}),
        json!({"type": "Polygon", "coordinates": []}),
    ];
    let values = [
        json!(1),
        json!("x"),
        json!(null),
        json!(true),
        json!([1, "x", null]),
        json!({"a": 1}),
        json!(-1e300),
        json!("2025-01-01T00:00:00Z"),
    ];
    let one = |n: usize| {
        let mut item = crate::support::item("c", &format!("c-{n:04}"), &time(n));
        item["geometry"] = geometries[n % geometries.len()].clone();
        for (at, name) in
            ["number", "text", "list", "flag", "nothing", "object", "eo:cloud_cover", "created"].iter().enumerate()
        {
            item["properties"][*name] = values[(n + at) % values.len()].clone();
        }
        item
    };
    (0..40).map(one).collect()
}

async fn front() -> (Running, Front) {
    let member = ScriptedMember::new("A").items(odd_items()).collections(vec![collection("c")]).start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    (member, front)
}

fn check(reply: &Reply, asked: &Asked, what: &str) {
    let shown = || format!("{what}: {} {} {:?}\n{}", asked.method, asked.path, asked.body, reply.text);
    assert!(reply.status == 200 || (400..500).contains(&reply.status), "{} {}", reply.status, shown());
    if reply.status >= 400 && !reply.text.is_empty() {
        assert!(reply.json()["code"].is_string() && reply.text.len() < 4_000, "{}", shown());
    }
}

#[tokio::test]
async fn ten_thousand_hostile_searches_are_no_fault_of_the_broker() {
    let (_member, front) = front().await;
    let seed = std::env::var("STAC_BROKER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_250_615_u64);
    println!("seed {seed}");
    let mut seeded = Seeded(seed | 1);
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..REQUESTS {
        let asked = seeded.request();
        let what = format!("seed {seed}, round {round}");
        let mut reply = asked.of(&front).await;
        if reply.took > SLOW {
            // A pause of the machine is no cost of the request: that one is as slow a second time.
            reply = asked.of(&front).await;
        }
        assert!(reply.took < SLOW, "{what} took {:?}: {} {:?}", reply.took, asked.path, asked.body);
        check(&reply, &asked, &what);
        if reply.status == 200 { accepted += 1 } else { refused += 1 }
    }
    assert!(accepted > REQUESTS / 20 && refused > REQUESTS / 20, "{accepted} accepted, {refused} refused");
    assert_eq!(front.get("/search").await.names().len(), 10, "as good as before");
}

#[tokio::test]
async fn filters_that_once_ended_other_parsers_are_refused_by_name() {
    let (member, front) = front().await;
    let asked_before = member.searches();
    for filter in [
        format!("{}a = 1{}", "(".repeat(20_000), ")".repeat(20_000)),
        format!("{}a = 1{}", "NOT (".repeat(400), ")".repeat(400)),
        format!("{}1 = 1", "-".repeat(30_000)),
        format!("{} = 1", vec!["a"; 20_000].join(" + ")),
        vec!["a = 1"; 20_000].join(" AND "),
        format!("{}a{} = 'x'", "CASEI(".repeat(10_000), ")".repeat(10_000)),
        format!("a = '{}", "x".repeat(200_000)),
        "\0".repeat(100_000),
    ] {
        let reply = front.post("/search", &json!({"filter": filter, "filter-lang": "cql2-text"})).await;
        assert_eq!(reply.status, 400, "{}", reply.text);
        let description = reply.json()["description"].as_str().unwrap();
        assert!(description.starts_with("`filter` is wrong") && description.contains("accepted: "), "{description}");
        assert!(reply.took < SLOW, "{:?} for {}", reply.took, &filter[..20]);
    }
    assert_eq!(member.searches(), asked_before, "nobody is asked for what is wrong");
}
