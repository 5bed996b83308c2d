//! What a history must have come to.

use std::cmp::Ordering;
use std::collections::HashSet;

use crate::search::counts::Bounds;
use crate::search::order::{Position, Value};
use crate::search::page::PageEnd;
use crate::search::plan::{FirstKey, NullItems};
use crate::search::session::Gap;

use super::catalogue::{Catalogue, Counts, Takes};
use super::thing::{Span, Thing};
use super::walk::{Given, Walk};
use super::world::World;

/// Whether an Item may follow another one: in the total order, or, in a tie in its member's own order (S7), behind all
/// that is ordered there, and then as its walk goes on. `walked` tells of the two whether they are given so; `firsts`,
/// `keys` and `walks` compare the one with the other.
pub fn may_follow(walked: (bool, bool), firsts: Ordering, keys: Ordering, walks: impl FnOnce() -> Ordering) -> bool {
    match walked {
        (false, false) => keys.is_gt(),
        (false, true) => firsts.is_gt(),
        (true, false) => firsts.is_ge(),
        (true, true) => firsts.then_with(walks).is_gt(),
    }
}

/// I2 to I4: each lasting Item once, or inside a declared gap of its member.
pub(super) fn judge(world: &World, walk: &Walk) -> Result<(), String> {
    let mut met: HashSet<(&str, &str)> = HashSet::with_capacity(walk.given.len());
    for Given { key, .. } in &walk.given {
        if !met.insert((&key.collection, &key.id)) && !walk.widened {
            return Err(format!("given twice: {} of {}", key.id, key.collection));
        }
    }
    if !walk.failed_once && walk.gaps.values().any(|gaps| !gaps.is_empty()) {
        return Err("a gap without a failure".into());
    }
    let meant = |thing: &Thing| world.condition.is_none_or(|condition| condition.holds(thing.value));
    let asked = Span::of(world.user);
    for catalogue in &world.catalogues {
        let gaps = [&walk.gaps, &walk.lasting_gaps];
        let gaps = gaps.map(|gaps| gaps.get(catalogue.member.as_str()).map_or(&[][..], Vec::as_slice)).concat();
        hold_null_gaps(world, catalogue, &gaps)?;
        for thing in &catalogue.things {
            let given = met.contains(&(&*thing.exposed, &*thing.item.id));
            if given && !(meant(thing) && thing.meets(&asked)) {
                return Err(format!("not asked for: {thing:?}"));
            }
            if given || !thing.lasting || !meant(thing) || !thing.meets(&asked) {
                continue;
            }
            let declared = match &world.order {
                Some(order) => {
                    let key = order.key(&thing.item, &thing.exposed);
                    let tie = (catalogue.member.to_string(), format!("{:?}", key.values[0]));
                    let is_behind = |position: &Position| {
                        let walked = walk.walkers.contains(&tie) && order.is_walked_behind(&key, &tie.0, position);
                        walked || order.is_behind(&key, position)
                    };
                    // how far a walk had come is told by what was given, not by the position
                    let ends = |to: &Position| is_behind(to) && !matches!(to, Position::Walk { .. });
                    gaps.iter().any(|gap| is_behind(&gap.from) && !gap.to.as_ref().is_some_and(ends))
                }
                None => !gaps.is_empty(),
            };
            if !declared {
                return Err(format!("lost without a gap: {thing:?}; gaps {gaps:?}"));
            }
        }
    }
    Ok(())
}

/// Items without a key are missing only where they cannot be asked for.
fn hold_null_gaps(world: &World, catalogue: &Catalogue, gaps: &[Gap]) -> Result<(), String> {
    let is_null_gap = |gap: &Gap| gap.from == Position::Before(Value::Null) && gap.is_lasting();
    let may = match catalogue.first {
        // out of reach; and a list that is drained fails as a whole
        FirstKey::Bounded { nulls: NullItems::OutOfReach, .. } | FirstKey::Certain => true,
        FirstKey::Unbounded { nulls_last } => {
            !nulls_last && (catalogue.store.nulls_first || leads_with_many_nulls(world, catalogue))
        }
        FirstKey::Bounded { .. } => false,
    };
    match gaps.iter().find(|gap| is_null_gap(gap) && !may) {
        Some(gap) => Err(format!("{} has its Items without a key, but {gap:?}", catalogue.member)),
        None => Ok(()),
    }
}

/// Whether a list of the member begins with more Items without a key than are held to see whether values follow: then
/// nobody can know that none do.
fn leads_with_many_nulls(world: &World, catalogue: &Catalogue) -> bool {
    let asked = Span::of(world.user);
    let meant =
        |thing: &&Thing| thing.meets(&asked) && world.condition.is_none_or(|condition| condition.holds(thing.value));
    let is_null = |thing: &Thing| world.order.as_ref().is_some_and(|order| order.is_null(thing));
    let (nulls, values): (Vec<&Thing>, Vec<&Thing>) =
        catalogue.things.iter().filter(meant).partition(|thing| is_null(thing));
    values.is_empty() && nulls.len() > world.ties_max
}

/// S25: as many Items match as the bounds of the first page allow. Members that lie about a filter lie about counts.
pub(super) fn hold_the_bounds(world: &World, end: &PageEnd) -> Result<(), String> {
    let lies =
        |catalogue: &Catalogue| catalogue.takes == Takes::Falsely || catalogue.habits.counts == Counts::Everything;
    if world.catalogues.iter().any(lies) {
        return Ok(());
    }
    let asked = Span::of(world.user);
    let matches =
        |thing: &&Thing| world.condition.is_none_or(|condition| condition.holds(thing.value)) && thing.meets(&asked);
    let all: usize = world.catalogues.iter().map(|catalogue| catalogue.things.iter().filter(matches).count()).sum();
    let all = all as u64;
    let Bounds { lower, upper } = end.bounds;
    if lower.is_none_or(|lower| lower > all) || upper.is_some_and(|upper| upper < all) {
        return Err(format!("{all} Items match, but the bounds say {lower:?} to {upper:?}"));
    }
    Ok(())
}
