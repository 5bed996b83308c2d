//! One page of a history: what it asks for is answered in any order.

use crate::members::{Ask, Fault};
use crate::search::merge::Step;
use crate::search::page::{PageEnd, PageRun};
use crate::search::plan::{Mode, Plan};
use crate::search::session::Session;
use crate::search::stream::{REQUESTS_EMPTY_MAX, REQUESTS_MAX, Request};

use super::catalogue::{Catalogue, Lists};
use super::oracle::{By, Oracle};
use super::segment::Segment;
use super::world::World;

/// Requests and answers of one page.
const ROUNDS_MAX: usize = 200;

/// One page, answers arriving in any order; one request in `outages` fails, none if that is 0.
pub(super) fn page(
    world: &mut World,
    plan: &Plan,
    session: Session,
    first: bool,
    limit: u32,
    outages: u64,
) -> Result<PageEnd, String> {
    let mut run = PageRun::new(plan, session, first, limit, |member| format!("{member}|"));
    run.with_ties_of(|member| {
        let simple = world.order.as_ref().is_some_and(Oracle::is_simple);
        let lead = world.order.as_ref().map(|order| order.lead().0);
        let member = world.catalogues.iter().find(|catalogue| catalogue.member == *member);
        let Some(Catalogue { habits, mode, store, .. }) = member else { return (usize::MAX, false) };
        // a member that cannot tell two numbers apart goes on with its ids between them
        let sorts = habits.sorts_ties || (lead == Some(By::Id) && *mode == Mode::Token);
        let ordered = simple && sorts && !store.single;
        // one that gives its ties in another order each time cannot be walked, and numbers never are
        let shuffles = habits.shuffles_ties || habits.lists == Lists::Shuffled;
        let walked = !shuffles && lead != Some(By::Number);
        (if ordered || walked { world.ties_max } else { usize::MAX }, ordered)
    });
    let mut under_way: Vec<(usize, Request)> = Vec::new();
    let mut asked = vec![0; plan.legs.len()];
    let mut rounds = 0;
    while let Step::Needs(requests) = run.step() {
        let most = if run.given() == 0 { REQUESTS_EMPTY_MAX } else { REQUESTS_MAX };
        for (index, _) in &requests {
            asked[*index] += 1;
            if asked[*index] > most {
                return Err(format!(
                    "request {} to {} on a page of {}",
                    asked[*index],
                    run.leg(*index).member,
                    run.given()
                ));
            }
        }
        under_way.extend(requests);
        if under_way.is_empty() {
            return Err("asks for input, but for none that is not under way".into());
        }
        rounds += 1;
        if rounds > ROUNDS_MAX {
            return Err("does not come to an end of its page".into());
        }
        let chosen = world.dice.below(under_way.len() as u64) as usize;
        let (index, request) = under_way.swap_remove(chosen);
        let leg = run.leg(index);
        let ask = Ask {
            limit: request.limit,
            token: request.token,
            datetime: request.datetime.or(leg.ask.datetime),
            ..leg.ask.clone()
        };
        let catalogue =
            world.catalogues.iter().find(|catalogue| catalogue.member == leg.member).expect("a member of the world");
        let fails = outages > 0 && world.dice.one_in(outages);
        let answer = if fails {
            Err((Fault::Timeout, None))
        } else {
            let segment = request.filter.as_deref().map(Segment::of);
            Ok(catalogue.answer(world.condition, &ask, segment.as_ref(), &mut world.dice))
        };
        let part = request.filter.as_ref().map(|filter| filter.to_text());
        world.trace.say(|| match &answer {
            Ok(page) => {
                let items = page.items.iter().map(|item| (item.time_key(), &item.id, &item.collection, &item.bytes));
                format!("    {} {ask:?} {part:?} -> {:?}", leg.member, items.collect::<Vec<_>>())
            }
            Err(fault) => format!("    {} {ask:?} -> {fault:?}", leg.member),
        });
        run.feed(index, answer);
    }
    Ok(run.finish())
}
