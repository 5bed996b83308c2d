//! Pure stages alone, as ratios to reading and writing the same page as JSON documents in the same run.
//!
//! `cargo bench --bench stages`

#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]

#[path = "parts/canned.rs"]
mod canned;

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;

use stac_broker::members::Item;
use stac_broker::members::item::{Bounds, split_page};
use stac_broker::members::rewrite::{ItemRewrite, write_item};

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
    report("parse and write as documents", documents, documents);
    report("split into Items, read keys", split, documents);
    report("write Items for clients", write, documents);
    report("copy the bytes", copy, documents);
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
