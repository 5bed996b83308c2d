//! The view of a running broker over scripted members: what is listed, what is kept, what is known when.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is a failed test")]

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;
use stac_broker::broker::Broker;
use stac_broker::collections::Known;
use stac_broker::federation::{MemberId, load_text};
use stac_broker::members::{Ask, Capabilities, Failure, Fault, Health, Item, Listing, Member, Page, Registry};
use tokio::time::Instant;

const FILE: &str = r#"
    [federation]
    id = "test"
    [[member]]
    id = "A"
    url = "https://a.example/stac"
    [[member]]
    id = "B"
    url = "https://b.example/stac"
"#;

/// A member whose next listings are written down; the last one is given again and again.
struct Scripted {
    id: MemberId,
    listings: Mutex<Vec<Result<Listing, Fault>>>,
    /// How discovery fails: with an answer, so that the list is read all the same.
    discovery: Fault,
}

fn failure(fault: Fault) -> Failure {
    Failure { fault, detail: "as written".into(), status: None, retry_after_s: None }
}

impl Scripted {
    fn member(id: &str, listings: Vec<Result<Listing, Fault>>) -> Arc<dyn Member> {
        Arc::new(Self { id: MemberId::new(id), listings: Mutex::new(listings), discovery: Fault::BadResponse })
    }
}

impl Member for Scripted {
    fn id(&self) -> &MemberId {
        &self.id
    }
    fn capabilities(&self) -> Arc<Capabilities> {
        unreachable!("the view does not ask for abilities")
    }
    fn health(&self) -> Health {
        Health::default()
    }
    fn search<'a>(&'a self, _: &'a Ask, _: Instant) -> BoxFuture<'a, Result<Page, Failure>> {
        unreachable!("the view does not search")
    }
    fn item<'a>(&'a self, _: &'a str, _: &'a str, _: Instant) -> BoxFuture<'a, Result<Option<Item>, Failure>> {
        unreachable!("the view does not read Items")
    }
    fn collections(&self, _: Instant) -> BoxFuture<'_, Result<Listing, Failure>> {
        let mut listings = self.listings.lock().unwrap();
        let next = if listings.len() > 1 { listings.remove(0) } else { listings[0].clone() };
        async move { next.map_err(failure) }.boxed()
    }
    fn discover(&self, _: Instant) -> BoxFuture<'_, Result<Arc<Capabilities>, Failure>> {
        let outcome = self.discovery;
        async move { Err(failure(outcome)) }.boxed()
    }
}

fn collection(id: &str) -> Bytes {
    let document = json!({
        "type": "Collection", "stac_version": "1.0.0", "id": id, "description": "d", "license": "other", "links": [],
        "extent": {"spatial": {"bbox": [[0, 0, 1, 1]]}, "temporal": {"interval": [["2020-01-01T00:00:00Z", null]]}}
    });
    Bytes::from(document.to_string())
}

#[expect(clippy::unnecessary_wraps, reason = "one of two outcomes in a script")]
fn listing(ids: &[&str]) -> Result<Listing, Fault> {
    Ok(Listing { collections: ids.iter().map(|id| collection(id)).collect(), complete: true })
}

fn broker(a: Vec<Result<Listing, Fault>>, b: Vec<Result<Listing, Fault>>) -> Arc<Broker> {
    let federation = load_text("test.toml", FILE, Path::new(".")).unwrap().federation;
    Broker::of(federation, Registry::of(vec![Scripted::member("A", a), Scripted::member("B", b)]))
}

/// Exposed ids of everything listed.
fn listed(broker: &Broker) -> Vec<String> {
    let view = broker.snapshot().view.clone();
    view.members.iter().flat_map(|part| &part.entries).map(|entry| entry.exposed_id.clone()).collect()
}

#[tokio::test]
async fn a_failed_member_costs_nothing_but_its_own_part() {
    let broker = broker(vec![listing(&["y", "x"])], vec![Err(Fault::Unreachable)]);
    assert!(listed(&broker).is_empty());
    let told = broker.refresh_now().await;
    assert_eq!(
        told.iter().map(|(id, outcome)| (id.as_str(), outcome.is_ok())).collect::<Vec<_>>(),
        [("A", true), ("B", false)]
    );
    assert_eq!(listed(&broker), ["A|x", "A|y"]);
    let snapshot = broker.snapshot();
    let known: Vec<_> = snapshot.view.members.iter().map(|part| part.known).collect();
    assert_eq!(known, [Known::Complete, Known::Unknown]);
}

#[tokio::test]
async fn the_last_good_list_is_kept_through_failures_and_then_replaced() {
    let broker = broker(vec![listing(&["x"]), Err(Fault::Timeout), listing(&["z"])], vec![listing(&[])]);
    broker.refresh_now().await;
    broker.refresh_now().await;
    assert_eq!(listed(&broker), ["A|x"]);
    broker.refresh_now().await;
    assert_eq!(listed(&broker), ["A|z"]);
}

#[tokio::test]
async fn a_request_keeps_the_snapshot_it_began_with() {
    let broker = broker(vec![listing(&["x"]), listing(&["z"])], vec![listing(&[])]);
    broker.refresh_now().await;
    let began = broker.snapshot();
    broker.refresh_now().await;
    assert_eq!(began.view.members[0].entries[0].native_id, "x");
    assert_eq!(listed(&broker), ["A|z"]);
}

#[tokio::test]
async fn settled_waits_for_every_member_and_no_longer_than_told() {
    let broker = broker(vec![listing(&["x"])], vec![Err(Fault::BadResponse)]);
    let begun = Instant::now();
    broker.settled(Duration::from_millis(50)).await;
    assert!(begun.elapsed() >= Duration::from_millis(50), "nobody was tried yet");
    let asked = Instant::now();
    let ((), _) = tokio::join!(broker.settled(Duration::from_secs(30)), broker.refresh_now());
    assert!(asked.elapsed() < Duration::from_secs(20), "a failed try is a try");
    assert_eq!(listed(&broker), ["A|x"]);
}

/// Real Collections of catalogues, and real faulty ones: each is listed or has a reason that names a field.
#[test]
fn real_documents_are_listed_or_named() {
    let Some(folder) = std::env::var_os("STAC_BROKER_TEST_DATA") else { return };
    let folder = std::path::PathBuf::from(folder);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut files: Vec<_> =
        std::fs::read_dir(folder.join("malformed")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().contains("collection"));
    let good = ["cdse-stac", "creodias", "earth-search", "edito", "emodnet", "eodc", "grnet"];
    files.extend(good.iter().map(|name| folder.join(name).join("collections.ndjson")));
    let (mut listed_documents, mut unlisted) = (0, 0);
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = path.extension().is_some_and(|kind| kind == "ndjson");
        let documents: Vec<Bytes> = if lines {
            text.lines().map(|line| Bytes::from(line.to_owned())).collect()
        } else {
            vec![Bytes::from(text)]
        };
        let count = documents.len();
        let listing = Listing { collections: documents, complete: true };
        let broker = broker(vec![Ok(listing)], vec![listing_of_none()]);
        runtime.block_on(broker.refresh_now());
        let snapshot = broker.snapshot();
        let part = &snapshot.view.members[0];
        assert_eq!(part.entries.len() + part.quarantined.len(), count, "{}", path.display());
        if path.components().any(|part| good.iter().any(|name| part.as_os_str() == *name)) {
            assert!(part.quarantined.is_empty(), "{}: {:?}", path.display(), part.quarantined.first());
        }
        assert!(part.quarantined.iter().all(|found| found.reason.contains('`')), "{:?}", part.quarantined);
        listed_documents += part.entries.len();
        unlisted += part.quarantined.len();
    }
    assert!(listed_documents > 100 && unlisted >= 20, "{listed_documents} listed, {unlisted} not");
}

fn listing_of_none() -> Result<Listing, Fault> {
    listing(&[])
}
