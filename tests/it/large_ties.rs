//! Thousands of Items of one time at a member that gives them in an order of its own: walked in pages, over sockets.

use serde_json::{Value, json};
use stac_broker::federation::Federation;

use crate::support::{Fails, Front, NextForm, Running, ScriptedMember, collection, federation_of, item, time};

const TIE: usize = 6_000;
/// Requests that a page of a walk makes, to all members together.
const REQUESTS_MAX: u64 = 3;

/// One Item before the tie, the tie in no order of ids, one behind it.
fn of_one_time() -> Vec<Value> {
    let tie = (0..TIE).map(|n| item("a", &format!("a-{:05}", (n * 7_919) % TIE), &time(50)));
    let all = std::iter::once(item("a", "a-new", &time(90))).chain(tie);
    all.chain([item("a", "a-old", &time(10))]).collect()
}

/// The members sort by time alone, so that the order inside a time is their own.
fn by_time_alone(members: &[Running]) -> Federation {
    let mut federation = federation_of(members.iter().map(Running::declared));
    for member in &mut federation.members {
        member.capabilities.sort_fields = Some(vec!["properties.datetime".into()]);
    }
    federation
}

async fn start(form: NextForm) -> (Vec<Running>, Front, Vec<String>) {
    let own = of_one_time();
    let id = |item: &Value| item["id"].as_str().unwrap().to_owned();
    let mut wanted: Vec<String> = own.iter().map(id).collect();
    let members = vec![
        ScriptedMember::new("A").collections(vec![collection("a")]).items(own).next_form(form).start().await,
        ScriptedMember::new("B")
            .collections(vec![collection("b")])
            .items(vec![item("b", "b-1", &time(50)), item("b", "b-0", &time(50)), item("b", "b-2", &time(20))])
            .start()
            .await,
    ];
    let front = Front::of(by_time_alone(&members)).await;
    // what is read whole comes first in the tie, in order
    wanted.splice(1..1, ["b-0".to_owned(), "b-1".to_owned()]);
    wanted.insert(wanted.len() - 1, "b-2".to_owned());
    (members, front, wanted)
}

#[tokio::test]
async fn six_thousand_items_of_one_time_take_few_requests_a_page() {
    for form in [NextForm::Get, NextForm::PageNumber, NextForm::PostMerge] {
        let (_members, front, wanted) = start(form).await;
        let pages = front.walk_get("/search?limit=100&sortby=-properties.datetime").await;
        let given: Vec<String> = pages.iter().flat_map(crate::support::front::Reply::names).collect();
        assert_eq!(given.len(), wanted.len(), "{form:?}");
        assert!(given.iter().zip(&wanted).all(|(given, wanted)| given.ends_with(wanted.as_str())), "{form:?}");
        let (mut walks, mut most) = (0, 0);
        for page in &pages {
            let report = page.report();
            assert_eq!(report["complete"], true, "{form:?}: {report}");
            if report["order"]["ties"] == "member" {
                assert_eq!(report["order"]["ties_members"], json!(["A"]), "{form:?}");
                walks += 1;
                let requests =
                    report["members"].as_array().unwrap().iter().map(|member| member["requests"].as_u64().unwrap());
                let requests: u64 = requests.sum();
                // the first page of a walk reads to know that it is one, the last one goes on behind it
                if walks > 1 && page.names().iter().all(|name| !name.ends_with("-old")) {
                    most = most.max(requests);
                }
            }
        }
        assert!(walks >= TIE / 100, "{form:?}: {walks} pages name whose order they have");
        assert!(most <= REQUESTS_MAX, "{form:?}: {most} requests on one page");
    }
}

#[tokio::test]
async fn a_member_that_fails_inside_a_walk_is_asked_for_the_rest_of_it() {
    let (members, front, wanted) = start(NextForm::Get).await;
    let first = front.get("/search?limit=500&sortby=-properties.datetime").await;
    let second = front.follow(&first.next().unwrap()).await;
    members[0].breaks(Fails::Status(503, None));
    let rest = front.pages(front.follow(&second.next().unwrap()).await).await;
    members[0].heals();
    let last = rest.last().unwrap();
    assert_eq!(last.missing(), ["A"]);
    let retried = front.pages(front.follow(&last.retry().unwrap()).await).await;
    let names = |pages: &[&[crate::support::front::Reply]]| -> Vec<String> {
        pages.concat().iter().flat_map(crate::support::front::Reply::names).collect()
    };
    let walked = names(&[&[first, second], &rest]);
    let missed = names(&[&retried]);
    assert_eq!(walked.len() + missed.len(), wanted.len(), "each once");
    let of_a = wanted.iter().filter(|id| id.starts_with('a')).skip(998);
    assert!(missed.iter().zip(of_a).all(|(missed, wanted)| missed.ends_with(wanted.as_str())), "in the member's order");
}
