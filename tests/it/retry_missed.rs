//! `retry-missed` over HTTP: a walk while a member comes and goes, and what the walk then gets of the gaps (S26 e).

use std::collections::BTreeSet;

use crate::support::{Fails, Front, Running, ScriptedMember, federation_of, item, items, time};

/// Items of each member.
const ITEMS: usize = 400;

async fn members(count: usize) -> Vec<Running> {
    let mut running = Vec::new();
    for (member, id) in ["CMEMS", "EDITO", "EMODNET", "EODC", "GRNET"].into_iter().enumerate() {
        let own = |n: usize| item("c", &format!("{id}-{n}"), &time((n * 7 + member) % (count / 2)));
        running.push(ScriptedMember::new(id).items((0..count).map(own).collect()).page_cap(90).start().await);
    }
    running
}

#[tokio::test]
async fn the_pages_of_a_walk_with_outages_and_what_was_missed_are_everything_once() {
    for sortby in ["", "&sortby=%2Bdatetime"] {
        let mut members = members(ITEMS).await;
        let front = Front::of(federation_of(members.iter().map(Running::declared))).await;
        let mut met = BTreeSet::new();
        let mut page = front.get(&format!("/search?limit=60{sortby}")).await;
        let (mut gaps_seen, mut away) = (false, false);
        for number in 0.. {
            assert_eq!(page.status, 200, "{}", page.text);
            for name in page.names() {
                assert!(met.insert(name.clone()), "{name} twice");
            }
            gaps_seen |= !page.missing().is_empty();
            let Some(next) = page.next() else { break };
            // more than four gaps would be widened, and their retry repeat what lies beside them
            match number % 12 {
                1 => members[1].refuse().await,
                3 => members[1].accept_again().await,
                _ => {}
            }
            away = (1..3).contains(&(number % 12));
            page = front.follow(&next).await;
        }
        assert!(gaps_seen && met.len() < 5 * ITEMS, "the outages cost nothing: {} Items", met.len());
        if away {
            members[1].accept_again().await;
        }
        let retry = page.retry().expect("a page with a gap that can be filled offers `retry-missed`");
        let mut page = front.follow(&retry).await;
        loop {
            assert_eq!(page.report()["complete"], true, "{}", page.report());
            for name in page.names() {
                assert!(name.contains("EDITO") && met.insert(name.clone()), "{name} was no gap");
            }
            let Some(next) = page.next() else { break };
            page = front.follow(&next).await;
        }
        assert!(page.retry().is_none(), "nothing is missing any more");
        assert_eq!(met.len(), 5 * ITEMS);
    }
}

#[tokio::test]
async fn a_page_in_the_middle_of_a_walk_offers_what_was_missed_up_to_it() {
    let ill = ScriptedMember::new("ILL").items(items("a", 30)).start().await;
    ill.breaks(Fails::Status(500, None));
    let well = ScriptedMember::new("WELL").items(items("b", 30)).start().await;
    let front = Front::of(federation_of([ill.declared(), well.declared()])).await;
    let first = front.get("/search?limit=10").await;
    assert_eq!(first.missing(), ["ILL"]);
    let (next, retry) = (first.next().expect("a next page"), first.retry().expect("what was missed"));
    ill.heals();
    let missed = front.follow(&retry).await;
    assert_eq!(missed.names().len(), 10, "as many as lie in the range of the first page");
    assert!(missed.next().is_none() && missed.retry().is_none() && missed.missing().is_empty());
    let rest = front.pages(front.follow(&next).await).await;
    let rest: usize = rest.iter().map(|page| page.names().len()).sum();
    assert_eq!(10 + 10 + rest, 60);
}

#[tokio::test]
async fn a_member_that_may_not_be_asked_again_is_not_offered() {
    let ill = ScriptedMember::new("ILL").items(items("a", 30)).fails(Fails::Status(403, None)).start().await;
    let well = ScriptedMember::new("WELL").items(items("b", 30)).start().await;
    let front = Front::of(federation_of([ill.declared(), well.declared()])).await;
    let page = front.get("/search?limit=10").await;
    assert_eq!(page.missing(), ["ILL"]);
    assert!(page.retry().is_none(), "waiting does not help");
}
