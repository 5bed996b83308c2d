//! Searches through a world: page after page, with what happens in between, and then what was missed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::broker::Broker;
use crate::members::{Registry, wire};
use crate::search::outcome::Failed;
use crate::search::request::Handling;
use crate::search::{Answer, Clock, KeyRing, SearchError, SearchRequest, search};

use super::dice::Dice;
use super::faults::Fault;
use super::judge::Judge;
use super::keys::Key;
use super::member::Thing;
use super::pages::{Pages, Wanted, wanted};
use super::world::{SHARED_NATIVE, Wish, World, key, member};

/// What a page may take beyond its deadline.
const LATE: Duration = Duration::from_millis(200);
/// Kept by the broker of a deadline for merging and writing, and a moment in which a member is found to be late.
const RESERVE: Duration = Duration::from_millis(310);
/// Searches of one walk, and of those that fail in a row the one after which everything gets well.
const SEARCHES_MAX: usize = 600;
const FAILURES_MAX: usize = 25;
/// Requests of one page by which an adapter learns how its member is asked: another method, smaller pages.
const LEARNT_MAX: u32 = 4;
/// Longer than any breaker stays open.
const RECOVERY: Duration = Duration::from_secs(400);
/// Walks through what was missed.
const RETRIES_MAX: usize = 12;
const RETRY_PAUSE: Duration = Duration::from_secs(5);
/// Searches that are begun anew because a member left.
const BEGUN_MAX: usize = 2;

/// A broker over a world, and what is found of it.
pub struct Run<'w> {
    pub world: &'w World,
    pub broker: Arc<Broker>,
    pub keys: KeyRing,
}

/// What goes with a client from page to page.
struct Lead {
    /// What happens to the broker happens before its pages.
    happens: bool,
    dice: Dice,
}

/// What became of one client's search.
pub struct Walked {
    /// Those that each member had on some page.
    pub statuses: BTreeMap<String, BTreeSet<&'static str>>,
    /// Every page of the search itself was complete.
    pub complete: bool,
    pub pages: usize,
    /// Everything that was shown, with what was missed at first.
    pub shown: BTreeSet<(String, String)>,
    /// Only the search itself.
    pub shown_at_first: BTreeSet<(String, String)>,
}

impl Walked {
    /// Of a client who takes nothing but the whole, which could not be had.
    fn refused(pages: &Pages<'_>) -> Self {
        let (shown, shown_at_first) = (pages.shown.clone(), pages.shown.clone());
        Self { statuses: pages.statuses.clone(), complete: false, pages: pages.count, shown, shown_at_first }
    }
}

impl<'w> Run<'w> {
    /// Reads the members once.
    pub async fn start(world: &'w World) -> Self {
        let net: Arc<dyn wire::Wire> = Arc::clone(&world.net) as Arc<dyn wire::Wire>;
        let registry = Registry::over(&world.federation, net);
        let broker = Broker::of(world.federation.clone(), registry);
        let keys = KeyRing::from_federation(&world.federation).expect("keys");
        broker.refresh_now().await;
        Self { world, broker, keys }
    }

    /// One page, held against its deadline.
    async fn page(&self, wish: &Wish, token: Option<&str>, judge: &mut Judge) -> Result<Answer, SearchError> {
        let mut params = wish.params();
        params.extend(token.map(|token| ("token".to_owned(), token.to_owned())));
        let mut request = SearchRequest::from_query(&params, &self.world.federation.limits)?;
        if wish.strict {
            request.handling = Handling::Strict;
        }
        let firsts = self.world.net.firsts();
        let (began, most) = (Instant::now(), self.world.federation.limits.deadline);
        let clock = Clock { now: self.world.now(), deadline: began + most };
        let answer = search(&self.broker.snapshot(), &self.keys, &request, clock).await;
        if began.elapsed() > most + LATE {
            judge.wrong(format!("a page took {:?}", began.elapsed()));
        }
        self.world.net.say(|| told(&answer));
        if self.world.wishes.len() == 1 {
            self.amplification(&answer, &firsts, judge);
            self.nothing_too_late(began + most, judge);
        }
        judge.guards(&self.broker);
        answer
    }

    /// What is sent as the time for a page is over is cut at once.
    fn nothing_too_late(&self, deadline: Instant, judge: &mut Judge) {
        for (id, catalogue) in self.world.net.lock().iter() {
            let last = catalogue.arrivals.last().filter(|arrival| arrival.at + RESERVE > deadline);
            if let Some(arrival) = last {
                judge.wrong(format!("{id} was asked {:?} before the end of a page", deadline - arrival.at));
            }
        }
    }

    /// What a page costs the members, besides what was sent again.
    fn amplification(&self, answer: &Result<Answer, SearchError>, before: &BTreeMap<String, u32>, judge: &mut Judge) {
        let report = match answer {
            Ok(answer) => &answer.report,
            Err(SearchError::Failed { report, .. }) => report,
            Err(_) => return,
        };
        for (id, firsts) in self.world.net.firsts() {
            let sent = firsts - before.get(&id).copied().unwrap_or_default();
            let told = report.members.iter().find(|member| member.id.as_str() == id);
            let asked = told.map_or(0, |member| member.requests);
            let legs = if judge.holders.contains(&id) { 3 } else { 1 };
            if sent > asked + legs * LEARNT_MAX {
                judge.wrong(format!("{id} saw {sent} requests for one page, which counts {asked}"));
            }
        }
    }

    /// The page after a token, asked for until it comes; none where that cannot be.
    async fn answer(&self, wish: &Wish, token: Option<&str>, judge: &mut Judge) -> Option<(Answer, bool)> {
        for failures in 0..2 * FAILURES_MAX {
            if failures == FAILURES_MAX {
                self.world.net.calm();
            }
            let began = Instant::now();
            match self.page(wish, token, judge).await {
                Ok(answer) => {
                    let late = began.elapsed() + RESERVE >= self.world.federation.limits.deadline;
                    return Some((answer, late));
                }
                // nobody need wait for what never comes
                Err(SearchError::Failed { kind: Failed::Gone, .. }) if wish.strict && token.is_some() => return None,
                // nor for what some member cannot do, or gives on no day
                Err(SearchError::Failed { kind: Failed::Incapable, .. }) if wish.strict => return None,
                Err(SearchError::Failed { retry_after_s: None, .. }) if wish.strict && failures > FAILURES_MAX => {
                    return None;
                }
                Err(SearchError::Failed { retry_after_s, report, description, .. }) => {
                    if report.complete {
                        judge.wrong(format!("a failed page is complete: {description}"));
                    }
                    let seconds = u64::from(retry_after_s.unwrap_or(5)).max(1);
                    sleep(Duration::from_secs(seconds)).await;
                }
                Err(other) => {
                    judge.wrong(format!("a page is refused: {other:?}"));
                    return None;
                }
            }
        }
        judge.wrong("a page never comes, though nothing is wrong any more");
        None
    }

    /// Walks a search to its end; gives what follows its last page. `None`: it has to be begun anew.
    async fn walk(
        &self,
        pages: &mut Pages<'_>,
        from: Option<String>,
        judge: &mut Judge,
        lead: &mut Lead,
    ) -> Option<Option<String>> {
        let (wish, mut token) = (pages.wish, from);
        for _ in 0..SEARCHES_MAX {
            let (answer, late) = self.answer(wish, token.as_deref(), judge).await?;
            pages.take(&answer, late, self.world, judge);
            if answer.next.is_none() {
                return Some(answer.retry);
            }
            token = answer.next;
            if lead.happens {
                self.happen(pages.count as u32);
            }
            let dice = &mut lead.dice;
            self.change_things(dice);
            let pause = if dice.one_in(12) { dice.between(10_000, 60_000) } else { dice.between(600, 4_000) };
            sleep(Duration::from_millis(pause)).await;
        }
        judge.wrong(format!("a search does not end: {} pages", pages.count));
        Some(None)
    }

    /// One client: its search, then what it missed, once everybody is well again.
    pub async fn client(&self, index: usize, judge: &mut Judge, dice: Dice) -> Walked {
        // what happens to the broker happens once, while the first client searches
        let mut lead = Lead { happens: index == 0, dice };
        let wish = &self.world.wishes[index];
        let exempt = self.world.exempt(wish.sort);
        let mut pages = Pages::new(wish, &exempt, false);
        let mut walked = self.walk(&mut pages, None, judge, &mut lead).await;
        for _ in 0..BEGUN_MAX {
            if walked.is_none() {
                lead.happens = false;
                self.forget_those_who_left();
                pages = Pages::new(wish, &exempt, false);
                walked = self.walk(&mut pages, None, judge, &mut lead).await;
            }
        }
        if walked.is_none() {
            if !wish.strict {
                judge.wrong("a search that takes what there is was refused");
            }
            return Walked::refused(&pages);
        }
        let mut retry = walked.flatten();
        lead.happens = false;
        let mut shown = pages.shown.clone();
        let mut lasting = std::mem::take(&mut pages.lasting);
        if wish.strict && !pages.complete {
            judge.wrong("a strict page was given though something may be missing");
        }
        if retry.is_some() {
            self.world.net.calm();
            sleep(RECOVERY).await;
        }
        for _ in 0..RETRIES_MAX {
            let Some(token) = retry.take() else { break };
            let mut again = Pages::new(wish, &exempt, true);
            retry = self.walk(&mut again, Some(token), judge, &mut lead).await.flatten();
            // others may be trying at this moment whether a member is back
            sleep(RETRY_PAUSE).await;
            shown.extend(again.shown);
            for (member, gone) in again.lasting {
                lasting.entry(member).or_default().extend(gone);
            }
        }
        if retry.is_some() {
            judge.wrong("what was missed is still missed after everybody was well again");
        }
        for Wanted { collection, id, at } in wanted(self.world, wish) {
            let excused = |(member, key): &(String, Key)| {
                exempt.contains(member) || Pages::is_gone(&lasting, member, key, wish.sort)
            };
            if !shown.contains(&(collection, id)) && !at.iter().any(excused) {
                judge.wrong(format!("S26: {at:?} came neither with the search nor with what it missed"));
            }
        }
        let Pages { statuses, complete, count, shown: shown_at_first, .. } = pages;
        Walked { statuses, complete, pages: count, shown, shown_at_first }
    }

    /// A search that begins now wants nothing of members that are out of the federation.
    fn forget_those_who_left(&self) {
        let federation = Arc::clone(&self.broker.snapshot().federation);
        for (id, catalogue) in self.world.net.lock().iter_mut() {
            let left = federation.member(id).is_none();
            catalogue.things.iter_mut().filter(|_| left).for_each(|thing| thing.lasting = false);
        }
    }

    /// What happens to the broker before a page.
    fn happen(&self, page: u32) {
        for (_, fault) in self.world.happenings.iter().filter(|(at, _)| *at == page) {
            self.world.net.say(|| format!("{fault:?}"));
            let mut federation = (*self.broker.snapshot().federation).clone();
            match fault {
                Fault::ClockAhead => self.world.skew(10),
                Fault::ClockBehind => self.world.skew(-10),
                Fault::KeyRotation => {
                    federation.cursor.keys.insert(0, key(page as u8 + 1));
                    self.keys.renew(&federation).expect("keys");
                }
                Fault::Reload => {
                    federation.members[0].policy.priority += 1;
                    self.broker.replace(federation);
                }
                Fault::MemberLeaves => {
                    let left = federation.members.pop().map(|member| member.id);
                    for shared in &mut federation.shared {
                        shared.holders.retain(|holder| Some(&holder.member) != left.as_ref());
                    }
                    federation.shared.retain(|shared| !shared.holders.is_empty());
                    self.broker.replace(federation);
                }
                Fault::MemberJoins => {
                    federation.members.push(member("NEW"));
                    self.broker.replace(federation);
                }
                _ => {}
            }
        }
    }

    /// Items that come and go while the search goes on.
    fn change_things(&self, dice: &mut Dice) {
        let mut gone = Vec::new();
        for catalogue in self.world.net.lock().values_mut() {
            if !catalogue.things.is_empty() && catalogue.bite(Fault::Inserts) {
                let near = dice.pick(&catalogue.things).clone();
                let id = format!("new{:04}", catalogue.things.len());
                catalogue.things.push(Thing { id, lasting: false, tie: dice.roll(), ..near });
                catalogue.forget_lists();
            }
            if catalogue.things.len() > 3 && catalogue.bite(Fault::Deletes) {
                let index = dice.below(catalogue.things.len() as u64) as usize;
                let thing = catalogue.things.remove(index);
                gone.extend((catalogue.collections[thing.collection] == SHARED_NATIVE).then_some(thing.id));
                catalogue.forget_lists();
            }
        }
        // the holders of a shared Collection are declared to have the same: who takes over need not find it
        for catalogue in self.world.net.lock().values_mut().filter(|_| !gone.is_empty()) {
            let Some(shared) = catalogue.collections.iter().position(|id| id == SHARED_NATIVE) else { continue };
            for thing in catalogue.things.iter_mut().filter(|thing| thing.collection == shared) {
                thing.lasting &= !gone.contains(&thing.id);
            }
        }
    }
}

fn told(answer: &Result<Answer, SearchError>) -> String {
    match answer {
        Err(error) => format!("page refused: {error}"),
        Ok(answer) => {
            let items: Vec<String> =
                answer.items.iter().map(|found| format!("{}/{}", found.collection, found.item.id)).collect();
            let members: Vec<String> = answer
                .report
                .members
                .iter()
                .map(|member| {
                    format!(
                        "{} {} gaps {}",
                        member.id,
                        member.status.name(),
                        serde_json::to_string(&member.gaps).unwrap_or_default()
                    )
                })
                .collect();
            format!(
                "page [{}] complete {} next {} retry {}\n            {}",
                items.join(" "),
                answer.report.complete,
                answer.next.is_some(),
                answer.retry.is_some(),
                members.join("\n            ")
            )
        }
    }
}
