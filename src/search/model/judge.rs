//! What a history must have come to.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::search::counts::Bounds;
use crate::search::page::PageEnd;

use super::catalogue::Takes;
use super::thing::Thing;
use super::walk::Walk;
use super::world::World;

/// I2 to I4: each lasting Item once, or inside a declared gap of its member.
pub(super) fn judge(world: &World, walk: &Walk, failed_once: bool) -> Result<(), String> {
    let mut met = BTreeSet::new();
    for given in &walk.given {
        if !met.insert(given) && !walk.widened {
            return Err(format!("given twice: {given:?}"));
        }
    }
    if !failed_once && walk.gaps.values().any(|gaps| !gaps.is_empty()) {
        return Err("a gap without a failure".into());
    }
    let meant = |thing: &Thing| world.condition.is_none_or(|condition| condition.holds(thing.value));
    for catalogue in &world.catalogues {
        let member = catalogue.member.to_string();
        for thing in catalogue.things.iter().filter(|thing| !meant(thing)) {
            let exposed = format!("{member}|{}", thing.collection);
            if met.contains(&(member.clone(), exposed, thing.id.clone())) {
                return Err(format!("does not meet the filter: {thing:?} of {member}"));
            }
        }
        let gaps = [&walk.gaps, &walk.lasting_gaps].map(|gaps| gaps.get(&member).map_or(&[][..], Vec::as_slice));
        let gaps = gaps.concat();
        for thing in catalogue.things.iter().filter(|thing| thing.lasting && meant(thing)) {
            if world.user.is_some_and(|user| !user.meets(&thing.interval())) {
                continue;
            }
            let exposed = format!("{member}|{}", thing.collection);
            if met.contains(&(member.clone(), exposed.clone(), thing.id.clone())) {
                continue;
            }
            let declared = match &world.order {
                Some(order) => {
                    let key = order.read(&thing.item(), &Arc::from(exposed)).expect("a key");
                    gaps.iter().any(|gap| {
                        order.key_after(&key, &gap.from) && gap.to.as_ref().is_none_or(|to| !order.key_after(&key, to))
                    })
                }
                None => !gaps.is_empty(),
            };
            if !declared {
                return Err(format!("lost without a gap: {thing:?} of {member}; gaps {gaps:?}"));
            }
        }
    }
    Ok(())
}

/// S25: as many Items match as the bounds of the first page allow. Members that lie about a filter lie about counts.
pub(super) fn hold_the_bounds(world: &World, end: &PageEnd) -> Result<(), String> {
    if world.catalogues.iter().any(|catalogue| catalogue.takes == Takes::Falsely) {
        return Ok(());
    }
    let matches = |thing: &&Thing| {
        world.condition.is_none_or(|condition| condition.holds(thing.value))
            && world.user.is_none_or(|user| user.meets(&thing.interval()))
    };
    let all: usize = world.catalogues.iter().map(|catalogue| catalogue.things.iter().filter(matches).count()).sum();
    let all = all as u64;
    let Bounds { lower, upper } = end.bounds;
    if lower.is_none_or(|lower| lower > all) || upper.is_some_and(|upper| upper < all) {
        return Err(format!("{all} Items match, but the bounds say {lower:?} to {upper:?}"));
    }
    Ok(())
}
