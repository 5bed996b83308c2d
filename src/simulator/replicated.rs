//! A shared Collection whose holders are all asked, where the order does not tell replicas: each Item comes once.

use std::time::Duration;

use tokio::time::Instant;

use super::dice::Dice;
use super::faults::Fault;
use super::keys::Sort;
use super::member::{Catalogue, Spell, Thing};
use super::sharing::Sharing;
use super::whole::{Course, run};
use super::world::{SHARED, SHARED_NATIVE, Wish, World, plain};

const HOLDERS: [&str; 3] = ["A", "B", "C"];
const ITEMS: u64 = 30;

/// Three holders of the same Items, each with its own values of what replicas need not agree on.
fn world(sort: Sort, limit: u32) -> World {
    let mut dice = Dice::new(3);
    let catalogues = HOLDERS.map(|id| {
        let thing = |number: u64, dice: &mut Dice| Thing {
            id: format!("i{number:02}"),
            collection: 0,
            at_us: 1_750_000_000_000_000 + 3_600_000_000 * number as i64,
            spans: false,
            tie: dice.roll(),
            lasting: true,
        };
        let list = (0..ITEMS).map(|number| thing(number, &mut dice)).collect();
        let mut habits = plain(100);
        // newest first cannot be had of it
        habits.sorts = id != "C" || sort.is_said();
        Catalogue::new(id, vec![SHARED_NATIVE.to_owned()], list, habits, dice.fork())
    });
    let mut world = World::new(catalogues.into(), vec![Wish::all(sort, limit)], 3, true);
    for member in &mut world.federation.members {
        member.capabilities.string_order_bytes = true;
    }
    Sharing::united(&HOLDERS).declare(&mut world.federation);
    world
}

fn check(sort: Sort, limit: u32, struck: impl FnOnce(&World)) -> Course {
    let course = run(3, || world(sort, limit), struck);
    let told = || format!("{}\n{}", course.wrong.join("\n"), course.trace.join("\n"));
    assert!(course.wrong.is_empty(), "{}", told());
    let shown = course.walked[0].shown.iter().filter(|(collection, _)| collection == SHARED).count();
    assert_eq!(shown, ITEMS as usize, "{}", told());
    course
}

#[test]
fn members_that_take_turns_give_each_item_of_several_holders_once() {
    for limit in [1, 4, 7, 50] {
        check(Sort::UNSAID, limit, |_| ());
    }
}

/// The first holder has given all that it has, and still tells what that was.
#[test]
fn a_holder_that_came_to_its_end_is_asked_who_owns_what() {
    for sort in Sort::OTHERS {
        for limit in [3, 8] {
            check(sort, limit, |_| ());
        }
    }
}

/// What others gave while the first holder was away does not come again when it is back.
#[test]
fn a_holder_that_comes_back_does_not_give_what_others_gave_meanwhile() {
    for sort in Sort::OTHERS {
        let away = |world: &World| {
            let from = Instant::now();
            world.net.spell("A", Spell { fault: Fault::Status500, from, until: from + Duration::from_secs(3) });
        };
        let course = check(sort, 5, away);
        assert!(!course.walked[0].complete, "{sort:?}: it was missed at first");
    }
}
