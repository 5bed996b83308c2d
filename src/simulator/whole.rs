//! One run from its beginning to its end, in a runtime whose clock stands still unless everybody waits.

use std::collections::BTreeMap;

use futures::future::join_all;

use crate::members::wire::seed_chance;

use super::dice::mixed;
use super::faults::Fault;
use super::judge::Judge;
use super::member::Spell;
use super::run::{Run, Walked};
use super::world::World;

/// What a run came to.
pub struct Course {
    pub wrong: Vec<String>,
    pub trace: Vec<String>,
    pub walked: Vec<Walked>,
    /// Requests that members saw.
    pub requests: usize,
    /// How often each fault changed an answer.
    pub bites: BTreeMap<Fault, u32>,
    /// Searches that asked for parts of Items.
    pub asked_fields: u32,
    pub pages: usize,
}

/// Runs a future with virtual time, and everything drawn by chance following from a number.
pub fn virtually<F: Future>(seed: u64, future: impl FnOnce() -> F) -> F::Output {
    seed_chance(mixed(seed));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async { future().await })
}

/// Runs a world that is made inside of the virtual time; `struck` happens after discovery.
pub fn run(seed: u64, make: impl FnOnce() -> World, struck: impl FnOnce(&World)) -> Course {
    virtually(seed, || async move {
        let world = make();
        let spells = if world.sick_from_the_start { Vec::new() } else { put_off(&world) };
        let run = Run::start(&world).await;
        put_on(&world, spells);
        struck(&world);
        let mut judges: Vec<Judge> = world.wishes.iter().map(|_| Judge::of(world.healthy(), world.holders())).collect();
        let dice = world.dice.clone();
        let clients = judges.iter_mut().enumerate().map(|(index, judge)| {
            let mut dice = dice.clone();
            (0..=index).for_each(|_| _ = dice.roll());
            run.client(index, judge, dice)
        });
        let walked = join_all(clients).await;
        let alone = world.wishes.len() == 1;
        let mut all = Judge::default();
        for mut judge in judges {
            judge.arrivals(&world.net, alone);
            all.wrong.append(&mut judge.wrong);
        }
        all.nothing_is_left(&world.net, &run.broker);
        let (mut requests, mut bites, mut asked_fields) = (0, BTreeMap::new(), 0);
        for catalogue in world.net.lock().values() {
            requests += catalogue.arrivals.len();
            asked_fields += catalogue.asked_fields;
            for (fault, count) in &catalogue.bites {
                *bites.entry(*fault).or_default() += count;
            }
        }
        let pages = walked.iter().map(|walked| walked.pages).sum();
        Course { wrong: all.wrong, trace: world.net.trace(), walked, requests, bites, asked_fields, pages }
    })
}

type Put = Vec<(String, Vec<Spell>)>;

/// Spells begin once the members were read.
fn put_off(world: &World) -> Put {
    let mut catalogues = world.net.lock();
    let taken = catalogues.values_mut().map(|catalogue| (catalogue.id.clone(), std::mem::take(&mut catalogue.spells)));
    taken.collect()
}

fn put_on(world: &World, spells: Put) {
    let late = world.net.started().elapsed();
    for (id, spells) in spells {
        for mut spell in spells {
            (spell.from, spell.until) = (spell.from + late, spell.until + late);
            world.net.spell(&id, spell);
        }
    }
}
