//! Stages alone, as ratios to reading and writing one member's page as JSON documents in the same run: splitting a page
//! and reading its keys, evaluating a condition on every Item of it, writing Items for clients, and planning, merging and
//! sealing a page of five members that answer from memory.
//!
//! `cargo bench --bench stages`

#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]

#[path = "parts/canned.rs"]
mod canned;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

use serde_json::value::RawValue;
use stac_broker::broker::Broker;
use stac_broker::cql2::{Expr, Subject};
use stac_broker::federation::{self, MemberId};
use stac_broker::members::item::{Bounds, split_page};
use stac_broker::members::rewrite::{ItemRewrite, write_item};
use stac_broker::members::{Ask, Capabilities, Failure, Health, Item, Listing, Member, Page, Registry};
use stac_broker::search::{self, Clock, KeyRing, SearchRequest};

const REPEATS: usize = 200;

fn main() {
    let page: Bytes = canned::page("http://member.example", canned::MEMBERS - 1).into();
    println!("one page: {} Items, {} bytes; medians of {REPEATS}", canned::ITEMS_PER_PAGE, page.len());
    let items = split_page(&page, &Bounds::default()).map(|page| page.items).unwrap_or_default();
    assert_eq!(items.len(), canned::ITEMS_PER_PAGE, "the canned page is read whole");
    let documents = median(|| {
        let value: serde_json::Value = serde_json::from_slice(&page).unwrap_or_default();
        black_box(serde_json::to_vec(&value).unwrap_or_default());
    });
    let split = median(|| {
        black_box(split_page(&page, &Bounds::default()).is_ok());
    });
    let mut out = Vec::with_capacity(page.len() * 2);
    let write = median(|| {
        out.clear();
        for item in &items {
            rewrite(item, &mut out);
        }
        black_box(&out);
    });
    let copy = median(|| {
        out.clear();
        out.extend_from_slice(&page);
        black_box(&out);
    });
    let merge = merging();
    let conditions = CONDITIONS.map(|text| (text, filtering(&items, text)));
    report("parse and write as documents", documents, documents);
    report("split into Items, read keys", split, documents);
    report("write Items for clients", write, documents);
    report("plan, merge and seal five pages", merge, documents);
    report("copy the bytes", copy, documents);
    println!("a condition on every Item, beside splitting the page:");
    for (text, (whole, read)) in conditions {
        #[expect(clippy::cast_precision_loss, reason = "a hundred Items")]
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / canned::ITEMS_PER_PAGE as f64;
        println!(
            "{:>6.2} us an Item, {:>5.2} us of it finding properties, {:>5.3} of the split: {text}",
            micros(whole),
            micros(read),
            whole.as_secs_f64() / split.as_secs_f64()
        );
    }
}

/// Conditions as clients send them; all are decided by their last part.
const CONDITIONS: [&str; 4] = [
    "\"eo:cloud_cover\" < 20",
    "\"eo:cloud_cover\" < 20 AND collection = 'c' AND datetime >= TIMESTAMP('2024-01-01T00:00:00Z')",
    "\"eo:cloud_cover\" < 20 AND collection = 'c' AND S_INTERSECTS(geometry, POLYGON((15 47, 17 47, 17 48, 15 48, 15 47)))",
    "CASEI(platform) LIKE CASEI('SENTINEL-2%') AND S_WITHIN(geometry, BBOX(10, 40, 20, 50))",
];

/// An Item whose properties are looked up once and whose geometry is read when asked for.
struct Lazy<'a> {
    item: &'a Item,
    properties: OnceCell<HashMap<&'a str, &'a RawValue>>,
}

impl<'a> Lazy<'a> {
    fn of(item: &'a Item) -> Self {
        Self { item, properties: OnceCell::new() }
    }

    fn text(&self, span: &std::ops::Range<u32>) -> Option<&'a str> {
        std::str::from_utf8(self.item.bytes.get(span.start as usize..span.end as usize)?).ok()
    }

    fn properties(&self) -> &HashMap<&'a str, &'a RawValue> {
        let read = || serde_json::from_str(self.text(&self.item.spans.properties)?).ok();
        self.properties.get_or_init(|| read().unwrap_or_default())
    }
}

impl Subject for Lazy<'_> {
    fn json(&self, property: &str) -> Option<Cow<'_, str>> {
        match property {
            "collection" => self.text(&self.item.spans.collection).map(Cow::Borrowed),
            _ => self.properties().get(property).map(|value| Cow::Borrowed(value.get())),
        }
    }

    fn geometry(&self, _: &str) -> Option<Cow<'_, geo::Geometry<f64>>> {
        let geometry: geojson::Geometry = serde_json::from_str(self.text(&self.item.spans.geometry)?).ok()?;
        geo::Geometry::try_from(geometry).ok().map(Cow::Owned)
    }
}

/// Time to evaluate a condition on all Items, and time of it that goes into finding the properties alone.
fn filtering(items: &[Item], text: &str) -> (Duration, Duration) {
    let expr = Expr::from_text(text).expect("the benchmark's conditions are right");
    let whole = median(|| {
        let selected = items.iter().filter(|item| expr.holds(&Lazy::of(item)) == Some(true)).count();
        assert_eq!(black_box(selected), items.len(), "{text} selects every Item");
    });
    let read = median(|| {
        for item in items {
            black_box(Lazy::of(item).properties());
        }
    });
    (whole, read)
}

/// A member that answers one page from memory, without a network.
struct Instantly {
    id: MemberId,
    capabilities: Arc<Capabilities>,
    page: Page,
}

impl Member for Instantly {
    fn id(&self) -> &MemberId {
        &self.id
    }
    fn capabilities(&self) -> Arc<Capabilities> {
        Arc::clone(&self.capabilities)
    }
    fn health(&self) -> Health {
        Health::default()
    }
    fn search<'a>(&'a self, _: &'a Ask, _: tokio::time::Instant) -> BoxFuture<'a, Result<Page, Failure>> {
        Box::pin(async { Ok(self.page.clone()) })
    }
    fn item<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: tokio::time::Instant,
    ) -> BoxFuture<'a, Result<Option<Item>, Failure>> {
        Box::pin(async { Ok(None) })
    }
    fn collections(&self, _: tokio::time::Instant) -> BoxFuture<'_, Result<Listing, Failure>> {
        Box::pin(async { Ok(Listing::default()) })
    }
    fn discover(&self, _: tokio::time::Instant) -> BoxFuture<'_, Result<Arc<Capabilities>, Failure>> {
        Box::pin(async { Ok(self.capabilities()) })
    }
}

/// A first page of 100 Items out of five members' pages of 100.
fn merging() -> Duration {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return Duration::ZERO };
    runtime.block_on(async {
        let file: String = (0..canned::MEMBERS)
            .map(|n| format!("[[member]]\nid = \"M{n}\"\nkind = \"stac-api\"\nurl = \"https://m{n}.example\"\n"))
            .collect::<Vec<_>>()
            .concat();
        let text = format!("[federation]\nid = \"bench\"\n{file}");
        let loaded = federation::load_text("bench.toml", &text, std::path::Path::new("."));
        let federation = loaded.map(|loaded| loaded.federation).expect("the federation of the benchmark is good");
        let members = federation.members.iter().enumerate().map(|(n, member)| -> Arc<dyn Member> {
            let split =
                split_page(&canned::page(member.url.as_str(), n).into(), &Bounds::default()).unwrap_or_default();
            let page = Page { items: split.items, received: split.received, ..Page::default() };
            let page = Page { next: Some(stac_broker::members::Token("2".into())), ..page };
            Arc::new(Instantly { id: member.id.clone(), capabilities: Arc::new(Capabilities::implied(member)), page })
        });
        let members = Registry::of(members.collect());
        let keys = KeyRing::from_federation(&federation).expect("a key");
        let snapshot = Broker::of(federation, members).snapshot();
        let request = SearchRequest { limit: 100, ..SearchRequest::default() };
        let mut times = Vec::with_capacity(REPEATS);
        for _ in 0..REPEATS {
            let started = Instant::now();
            let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
            let clock = Clock { now: chrono::DateTime::UNIX_EPOCH, deadline };
            let answer = search::search(&snapshot, &keys, &request, clock).await.expect("a page");
            times.push(started.elapsed());
            assert_eq!(answer.items.len(), 100, "the page is full");
        }
        times.sort();
        times[REPEATS / 2]
    })
}

fn rewrite(item: &Item, out: &mut Vec<u8>) {
    let rewrite = ItemRewrite {
        collection: "EODC|c",
        self_href: "https://broker.example/collections/EODC%7Cc/items/i",
        collection_href: "https://broker.example/collections/EODC%7Cc",
        root_href: "https://broker.example/",
        member_bases: &["http://member.example"],
        backends: &["EODC"],
    };
    write_item(item, &rewrite, out);
}

fn median(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..REPEATS)
        .map(|_| {
            let started = Instant::now();
            run();
            started.elapsed()
        })
        .collect();
    times.sort();
    times[REPEATS / 2]
}

fn report(what: &str, time: Duration, against: Duration) {
    println!(
        "{what:<32} {:>9.3} ms   {:>6.3} of the documents",
        time.as_secs_f64() * 1000.0,
        time.as_secs_f64() / against.as_secs_f64()
    );
}
