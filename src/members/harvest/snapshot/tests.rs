use std::time::Duration;

use super::*;
use crate::federation::{Bbox, Interval};

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn item(n: usize) -> Arc<Item> {
    let (x, y) = ((n % 360) as f64 - 180.0, (n / 360 % 170) as f64 - 85.0);
    let collection = n % 50;
    let time = format!("20{:02}-{:02}-{:02}T00:00:00Z", n % 25, 1 + n % 12, 1 + n % 28);
    Arc::new(
        Item::new(format!(
            r#"{{"type":"Feature","id":"i{n}","collection":"c{collection}","bbox":[{x},{y},{x},{y}],
            "geometry":{{"type":"Point","coordinates":[{x},{y}]}},"properties":{{"datetime":"{time}","n":{n}}}}}"#
        ))
        .unwrap(),
    )
}

fn snapshot(count: usize) -> Snapshot<()> {
    Snapshot::of(Harvested { items: (0..count).map(item).collect(), ..Harvested::default() })
}

async fn searched(snapshot: &Snapshot<()>, ask: &Ask) -> Searched {
    let deadline = Instant::now() + Duration::from_secs(20);
    snapshot.search(ask, &MemberId::new("S"), deadline).await.unwrap()
}

fn ask() -> Ask {
    Ask { limit: 10, ..Ask::default() }
}

fn boxed(numbers: [f64; 4]) -> Option<Bbox> {
    Bbox::from_numbers(&numbers).ok()
}

#[tokio::test]
async fn what_narrows_a_search_spares_the_other_items() {
    let snapshot = snapshot(10_000);
    let matched = |searched: &Searched| usize::try_from(searched.page.matched.unwrap().count).unwrap();
    let small = searched(&snapshot, &Ask { bbox: boxed([10.0, -80.0, 13.0, -78.0]), ..ask() }).await;
    assert_eq!(matched(&small), 4 * 3);
    assert!(small.looked_at < 40, "{} of 10000 Items looked at for a small box", small.looked_at);
    let day = Interval::from_param("2007-03-01T00:00:00Z/2007-04-01T00:00:00Z").unwrap();
    let timed = searched(&snapshot, &Ask { datetime: Some(day), ..ask() }).await;
    assert!(
        matched(&timed) > 0 && timed.looked_at < 3 * matched(&timed),
        "{} for {}",
        timed.looked_at,
        matched(&timed)
    );
    let both = Ask { datetime: Some(day), bbox: boxed([0.0, -80.0, 40.0, -65.0]), ..ask() };
    let both = searched(&snapshot, &both).await;
    assert!(both.looked_at < 60, "{} for a box and a month", both.looked_at);
    let listed = searched(&snapshot, &Ask { collections: Some(vec!["c7".into(), "none".into()]), ..ask() }).await;
    assert_eq!((matched(&listed), listed.looked_at), (200, 200));
    let named = Ask { ids: Some(vec!["i7".into(), "i8".into(), "none".into(), "i7".into()]), ..ask() };
    let named = searched(&snapshot, &named).await;
    assert_eq!((matched(&named), named.looked_at), (2, 2));
    let filter = crate::cql2::Expr::from_text("n > 5 AND S_INTERSECTS(geometry, BBOX(10, -80, 13, -78))").unwrap();
    let filtered = searched(&snapshot, &Ask { filter: Some(Arc::new(filter)), ..ask() }).await;
    assert_eq!(matched(&filtered), 12);
    assert!(filtered.looked_at < 40, "{} for a box in a filter", filtered.looked_at);
}

#[tokio::test]
async fn pages_are_the_whole_in_order_whatever_narrows() {
    let snapshot = snapshot(700);
    for sortby in [
        vec![],
        vec![("properties.datetime".to_owned(), false)],
        vec![("collection".to_owned(), true), ("id".to_owned(), true)],
    ] {
        let whole = searched(&snapshot, &Ask { limit: 1_000, sortby: sortby.clone(), ..ask() }).await.page;
        assert_eq!((whole.items.len(), whole.next.is_none()), (700, true));
        for limit in [1, 7, 100, 699, 700] {
            let mut ask = Ask { limit, sortby: sortby.clone(), ..ask() };
            let mut got = Vec::new();
            loop {
                let page = searched(&snapshot, &ask).await.page;
                assert_eq!(page.matched.unwrap().count, 700, "of the whole, not of what is left");
                got.extend(page.items.into_iter().map(|item| item.id));
                ask.token = page.next;
                if ask.token.is_none() {
                    break;
                }
            }
            let wanted: Vec<_> = whole.items.iter().map(|item| item.id.clone()).collect();
            assert_eq!(got, wanted, "{sortby:?} at {limit}");
        }
    }
}

#[tokio::test]
async fn nonsense_is_refused_and_a_deadline_kept() {
    let snapshot = snapshot(2_000);
    let member = MemberId::new("S");
    let late = Instant::now().checked_sub(Duration::from_millis(1)).unwrap();
    let outcome = snapshot.search(&ask(), &member, late).await;
    assert_eq!(outcome.err().unwrap().fault, Fault::Timeout);
    let deadline = Instant::now() + Duration::from_secs(20);
    let token = Ask { token: Some(crate::members::Token("page=2".into())), ..ask() };
    assert_eq!(snapshot.search(&token, &member, deadline).await.err().unwrap().fault, Fault::TokenRefused);
}

#[tokio::test]
async fn a_snapshot_is_sorted_by_any_property_and_pages_through_it() {
    let snapshot = snapshot(60);
    let sortby = vec![("properties.n".into(), true)];
    let mut asked = Ask { sortby, kinds: vec![crate::members::KeyKind::Number], limit: 25, ..ask() };
    let mut ids = Vec::new();
    loop {
        let page = searched(&snapshot, &asked).await.page;
        ids.extend(page.items.iter().map(|item| item.id.to_string()));
        let Some(next) = page.next else { break };
        asked.token = Some(next);
    }
    assert_eq!(ids, (0..60).rev().map(|n| format!("i{n}")).collect::<Vec<_>>());
}

#[test]
fn an_item_that_comes_twice_is_there_once() {
    let long = Item::new(format!(r#"{{"type":"Feature","id":"{}","geometry":null}}"#, "x".repeat(600))).unwrap();
    let items = vec![item(1), item(51), item(1), Arc::new(long)];
    let snapshot = Snapshot::of(Harvested { items, kept: (), ..Harvested::default() });
    assert_eq!((snapshot.len(), snapshot.left_out.count), (2, 2), "{:?}", snapshot.left_out);
    assert!(
        snapshot.get("c1", "i1").is_some() && snapshot.get("c1", "i51").is_some() && snapshot.get("c2", "i1").is_none()
    );
    assert!(!snapshot.listing().complete, "Items of a Collection that is not listed");
    assert_eq!(snapshot.items_of(Some("c1")).count(), 2);
    assert_eq!(snapshot.items_of(None).count(), 2);
}
