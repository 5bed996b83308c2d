//! The processes that members list and describe, read when asked for and held for a while (`processes.md` 1 and 5).
//!
//! A list is followed over its pages by the query of each `next` link, never by its address. Some members cut their list
//! without saying so, so a process that nobody lists is asked for by name; that is also done at members whose list has
//! one of the lengths at which lists are cut. What `merge.rs` makes of it is not held, since it depends on settings.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use crate::broker::Snapshot;
use crate::cache::{Cache, Times, Unread};
use crate::federation::{Member, MemberId};
use crate::members::process_api::{Caller, NoReply, Outgoing, ProcessApi};
use crate::members::{Failure, Fault};

use super::ids::{self, Elsewhere, Named};
use super::merge::{self, Offer, Process};
use super::names;
use super::rewrite::segment;

/// For one list or one description (`processes.md` 1.2).
const DEADLINE: Duration = Duration::from_secs(10);
/// Pages of one list, and processes of one member: the largest known has some hundred.
const PAGES_MAX: usize = 50;
const PROCESSES_MAX: usize = 5000;
/// Bytes of one page of a list, and of one description.
const PAGE_BYTES_MAX: usize = 8 << 20;
const DESCRIPTION_BYTES_MAX: usize = 1 << 20;
/// Bytes of lists, and of descriptions, that are held.
const HELD_BYTES_MAX: u64 = 64 << 20;
/// Descriptions that one list reads to compare processes of one name, and how many at once.
const COMPARED_MAX: usize = 1000;
const AT_ONCE: usize = 16;
/// Lengths at which servers cut lists by default.
const CUT_AT: [usize; 7] = [10, 20, 50, 100, 200, 500, 1000];
/// Asked for in one page.
const PAGE: &str = "limit=1000";

/// A member at one address: what was read elsewhere is not said of it after a reload.
type At = (MemberId, Url);
type Lists = Cache<At, List, Failure>;
/// `None`: the member says that it has no such process.
type Descriptions = Cache<(At, String), Option<Value>, Failure>;

/// What members list and describe. Cheap to clone; clones share what is held.
#[derive(Clone)]
pub struct Catalogue {
    lists: Lists,
    descriptions: Descriptions,
}

/// One member's list.
#[derive(Debug, Default)]
struct List {
    /// By the member's own id.
    summaries: BTreeMap<String, Value>,
    /// False when a page failed or a bound cut it.
    complete: bool,
    bytes: usize,
}

/// A list as it was read last.
#[derive(Debug)]
struct ReadList {
    list: Arc<List>,
    /// How old it is, where reading it again failed.
    outdated: Option<Duration>,
}

impl std::ops::Deref for ReadList {
    type Target = List;

    fn deref(&self) -> &List {
        &self.list
    }
}

impl List {
    /// Whether a process outside the list may exist.
    fn may_be_cut(&self) -> bool {
        !self.complete || CUT_AT.contains(&self.summaries.len())
    }
}

/// The processes of the federation.
#[derive(Debug)]
pub struct Listed {
    pub processes: Vec<Process>,
    /// Members whose list is absent or cut short.
    pub missing: Vec<MemberId>,
    /// Members whose list could not be read again, and how old it is.
    pub outdated: Vec<(MemberId, Duration)>,
    /// Whether any member gave a list.
    pub any: bool,
}

/// What a process id names.
#[derive(Debug)]
pub enum Lookup {
    /// `unread`: members that may offer it too, and whose list could not be read.
    Found { process: Process, unread: Vec<MemberId> },
    /// Nobody offers it under this id.
    Unknown(Elsewhere),
    /// It cannot be told: these members gave no answer.
    Unread { missing: Vec<MemberId>, fault: Fault },
}

impl Default for Catalogue {
    fn default() -> Self {
        let weigh = |description: &Option<Value>| description.as_ref().map_or(0, |value| value.to_string().len());
        Self {
            lists: Cache::new("process-lists", Times::METADATA, HELD_BYTES_MAX, |list: &List| list.bytes),
            descriptions: Cache::new("process-descriptions", Times::METADATA, HELD_BYTES_MAX, weigh),
        }
    }
}

impl Catalogue {
    /// Every process of every member, merged.
    pub async fn list(&self, snapshot: &Snapshot) -> Listed {
        let lists = self.lists(snapshot).await;
        let mut offers = Vec::new();
        let (mut missing, mut outdated) = (Vec::new(), Vec::new());
        for (member, list) in &lists {
            match list {
                Ok(list) => {
                    offers.extend(offers_of(member, &list.list));
                    if let Some(age) = list.outdated {
                        outdated.push((member.id.clone(), age));
                    } else if !list.complete {
                        missing.push(member.id.clone());
                    }
                }
                Err(_) => missing.push(member.id.clone()),
            }
        }
        let any = lists.iter().any(|(_, list)| list.is_ok());
        self.compare(snapshot, &mut offers).await;
        let processes = merge::merge(offers, &snapshot.federation.routing);
        for (process, differences) in merge::parted(&processes, &snapshot.federation.routing) {
            let what: Vec<&str> = differences.iter().map(|difference| difference.what.as_str()).collect();
            tracing::debug!(process = %process, ?what, "members offer unequal processes under one id");
        }
        Listed { processes, missing, outdated, any }
    }

    /// What an id names, with the descriptions of all who offer it.
    pub async fn find(&self, snapshot: &Snapshot, id: &str, caller: &Caller) -> Lookup {
        match ids::parse(&snapshot.ids, id) {
            // As segments of a path they lead elsewhere: no process can have such an id.
            Named::Pinned { native: dots, .. } | Named::Logical(dots) if matches!(dots.as_str(), "." | "..") => {
                Lookup::Unknown(Elsewhere::default())
            }
            Named::Pinned { member, native } => self.find_pinned(snapshot, &member, &native, caller).await,
            // Nobody but the member that executes gets the caller's credentials, and who that is, is not known yet.
            Named::Logical(id) => self.find_logical(snapshot, &id).await,
        }
    }

    async fn find_pinned(&self, snapshot: &Snapshot, id: &MemberId, native: &str, caller: &Caller) -> Lookup {
        let Some((member, api)) = executing(snapshot).find(|(member, _)| member.id == *id) else {
            return self.unknown(snapshot, native).await;
        };
        if !sees(member, native) {
            return self.unknown(snapshot, native).await;
        }
        let list = self.list_of(api).await;
        let summary = list.as_ref().ok().and_then(|list| list.summaries.get(native).cloned());
        match (self.described(api, native, caller).await, summary) {
            (Ok(Some(description)), summary) => {
                let summary = summary.unwrap_or_else(|| brief(&description));
                found(Process::pinned(offer(member, native, summary, Some(description))))
            }
            // Its description may need credentials; then what the list says has to do.
            (Err(_), Some(summary)) => found(Process::pinned(offer(member, native, summary, None))),
            (Ok(None), _) => self.unknown(snapshot, native).await,
            (Err(fault), None) => Lookup::Unread { missing: vec![member.id.clone()], fault },
        }
    }

    async fn find_logical(&self, snapshot: &Snapshot, id: &str) -> Lookup {
        let lists = self.lists(snapshot).await;
        let routing = &snapshot.federation.routing;
        let mut offers: Vec<Offer> = Vec::new();
        for (member, list) in &lists {
            let own = list.iter().flat_map(|list| offers_of(member, &list.list));
            offers.extend(own.filter(|offer| routing.public_id(&offer.member, &offer.native) == id));
        }
        let nobody = offers.is_empty();
        let mut unread = Vec::new();
        let asks = executing(snapshot).filter(|(member, _)| {
            let list = lists.iter().find(|(listed, _)| listed.id == member.id).and_then(|(_, list)| list.as_ref().ok());
            let listed = offers.iter().any(|offer| offer.member == member.id);
            !listed && (nobody || list.is_none_or(|list| list.may_be_cut()))
        });
        let asks = asks.filter_map(|(member, api)| {
            let native = names::native(snapshot, &member.id, id).filter(|native| sees(member, native))?;
            Some(async move { (member, self.described(api, &native, &Caller::default()).await, native) })
        });
        let asked: Vec<_> = futures::stream::iter(asks.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await;
        for (member, described, native) in asked {
            match described {
                Ok(Some(description)) => {
                    offers.push(offer(member, &native, brief(&description), Some(description)));
                }
                Ok(None) => {}
                Err(fault) => unread.push((member.id.clone(), fault)),
            }
        }
        if offers.is_empty() {
            return match unread.first() {
                Some((_, fault)) => {
                    Lookup::Unread { fault: *fault, missing: unread.into_iter().map(|(member, _)| member).collect() }
                }
                None => self.unknown(snapshot, id).await,
            };
        }
        // A list that was read whole says that its member does not offer it, whatever became of asking it by name.
        let is_whole = |id: &MemberId| {
            lists.iter().any(|(member, list)| member.id == *id && list.as_ref().is_ok_and(|list| list.complete))
        };
        let unread: Vec<MemberId> = unread.into_iter().map(|(member, _)| member).filter(|id| !is_whole(id)).collect();
        self.describe(snapshot, &mut offers).await;
        let merged = merge::merge(offers, routing);
        let elsewhere = Elsewhere::of(&merged);
        match merged.into_iter().find(|process| !process.is_pinned) {
            Some(process) => Lookup::Found { process, unread },
            None => Lookup::Unknown(elsewhere),
        }
    }

    /// An id that names nothing: who offers a process of that name, its own or its public one?
    async fn unknown(&self, snapshot: &Snapshot, name: &str) -> Lookup {
        let lists = self.lists(snapshot).await;
        let routing = &snapshot.federation.routing;
        let public = |offer: &Offer| routing.public_id(&offer.member, &offer.native).to_owned();
        let read = lists.iter().filter_map(|(member, list)| Some((member, list.as_ref().ok()?)));
        let offers: Vec<Offer> = read.flat_map(|(member, list)| offers_of(member, &list.list)).collect();
        // Whether a name is shared is decided with all who have it, also under ids of their own.
        let own = offers.iter().filter(|offer| offer.native == name).map(public);
        let names: HashSet<String> = own.chain([name.to_owned()]).collect();
        let mut offers: Vec<Offer> = offers.into_iter().filter(|offer| names.contains(&public(offer))).collect();
        self.describe(snapshot, &mut offers).await;
        Lookup::Unknown(Elsewhere::of(&merge::merge(offers, routing)))
    }

    /// Describes those offers that share their public id with others.
    async fn compare(&self, snapshot: &Snapshot, offers: &mut Vec<Offer>) {
        let routing = &snapshot.federation.routing;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for offer in offers.iter() {
            *counts.entry(routing.public_id(&offer.member, &offer.native).to_owned()).or_default() += 1;
        }
        let is_shared = |offer: &Offer| counts.get(routing.public_id(&offer.member, &offer.native)) > Some(&1);
        let (mut shared, alone): (Vec<_>, Vec<_>) = std::mem::take(offers).into_iter().partition(is_shared);
        let compared = shared.len().min(COMPARED_MAX);
        self.describe(snapshot, &mut shared[..compared]).await;
        offers.extend(alone);
        offers.extend(shared);
    }

    /// Reads the descriptions that are not there yet; what cannot be read stays away.
    async fn describe(&self, snapshot: &Snapshot, offers: &mut [Offer]) {
        let reads = offers.iter_mut().filter(|offer| offer.description.is_none()).map(|offer| async move {
            let Some(api) = snapshot.members.process_api(offer.member.as_str()) else { return };
            offer.description = self.described(api, &offer.native, &Caller::default()).await.ok().flatten();
        });
        futures::stream::iter(reads.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).collect::<()>().await;
    }

    /// The list of every executing member, in the order of the file.
    async fn lists<'a>(&self, snapshot: &'a Snapshot) -> Vec<(&'a Member, Result<ReadList, Fault>)> {
        let reads = executing(snapshot).map(|(member, api)| async move { (member, self.list_of(api).await) });
        futures::stream::iter(reads.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await
    }

    async fn list_of(&self, api: &Arc<ProcessApi>) -> Result<ReadList, Fault> {
        let reading = Arc::clone(api);
        let got = self.lists.get(at(api), || read_list(reading)).await;
        match got {
            Ok(got) => Ok(ReadList { list: got.value, outdated: got.outdated }),
            Err(unread) => Err(told(api, "process list not read", &unread)),
        }
    }

    /// A description: held where anybody may read it, else read with what the caller brought, and not held.
    async fn described(&self, api: &Arc<ProcessApi>, native: &str, caller: &Caller) -> Result<Option<Value>, Fault> {
        let (reading, id) = (Arc::clone(api), native.to_owned());
        let read = || async move { read_description(&reading, &id, &Caller::default()).await };
        match self.descriptions.get((at(api), native.to_owned()), read).await {
            Ok(got) => Ok(got.value.as_ref().clone()),
            Err(Unread::Failed(failure)) if is_denied(&failure) && api.forwards() && caller.is_authenticated() => {
                read_description(api, native, caller).await.map_err(|failure| failure.fault)
            }
            Err(unread) => Err(told(api, "process description not read", &unread)),
        }
    }
}

impl Elsewhere {
    fn of(processes: &[Process]) -> Self {
        let offers: Vec<&Offer> = processes.iter().flat_map(|process| &process.offers).collect();
        let logical = processes.iter().filter(|process| !process.is_pinned).map(|process| process.id.clone());
        Self {
            members: offers.iter().map(|offer| offer.member.clone()).collect(),
            logical: logical.collect(),
            pins: offers.iter().map(|offer| ids::pinned(&offer.member, &offer.native)).collect(),
        }
    }
}

/// One member's own process: what others offer does not matter.
fn found(process: Process) -> Lookup {
    Lookup::Found { process, unread: Vec::new() }
}

fn at(api: &ProcessApi) -> At {
    (api.member().clone(), api.base().clone())
}

fn is_denied(failure: &Failure) -> bool {
    matches!(failure.fault, Fault::Unauthorized | Fault::Forbidden)
}

fn told(api: &ProcessApi, what: &'static str, unread: &Unread<Failure>) -> Fault {
    match unread {
        Unread::Failed(failure) => {
            tracing::warn!(member = %api.member(), fault = ?failure.fault, detail = %failure.detail, "{what}");
            failure.fault
        }
        Unread::Busy | Unread::Lost => Fault::RateLimited,
    }
}

/// The enabled members that execute, in the order of the file.
fn executing(snapshot: &Snapshot) -> impl Iterator<Item = (&Member, &Arc<ProcessApi>)> {
    let apis = snapshot.members.process_apis();
    apis.filter_map(|api| Some((snapshot.federation.member(api.member().as_str())?, api)))
}

/// Whether the federation sees a process of a member.
fn sees(member: &Member, native: &str) -> bool {
    member.processes.as_ref().is_some_and(|own| own.include.matches(native) && !own.exclude.matches(native))
}

fn offers_of(member: &Member, list: &Arc<List>) -> Vec<Offer> {
    let seen = list.summaries.iter().filter(|(native, _)| sees(member, native));
    seen.map(|(native, summary)| offer(member, native, summary.clone(), None)).collect()
}

fn offer(member: &Member, native: &str, summary: Value, description: Option<Value>) -> Offer {
    Offer {
        member: member.id.clone(),
        priority: member.policy.priority,
        native: native.to_owned(),
        summary,
        description,
    }
}

/// What a list would say of a described process.
fn brief(description: &Value) -> Value {
    let mut summary = description.clone();
    if let Some(members) = summary.as_object_mut() {
        members.retain(|key, _| !matches!(key.as_str(), "inputs" | "outputs"));
    }
    summary
}

async fn read_list(api: Arc<ProcessApi>) -> Result<List, Failure> {
    let deadline = Instant::now() + DEADLINE;
    let mut list = List { complete: true, ..List::default() };
    let mut query = Some(PAGE.to_owned());
    let mut asked = HashSet::new();
    for page in 0..PAGES_MAX {
        let document = match read_page(&api, query.clone(), deadline).await {
            Ok(document) => document,
            // Some refuse a page of this size, or the parameter.
            Err(failure) if page == 0 && failure.status == Some(400) => {
                query = None;
                continue;
            }
            Err(failure) if list.summaries.is_empty() => return Err(failure),
            Err(failure) => {
                tracing::warn!(member = %api.member(), page, detail = %failure.detail, "process list ends early");
                list.complete = false;
                return Ok(list);
            }
        };
        let processes = document["processes"].as_array().into_iter().flatten();
        for process in processes.take(PROCESSES_MAX.saturating_sub(list.summaries.len())) {
            let Some(id) = process.get("id").and_then(Value::as_str) else { continue };
            list.bytes += process.to_string().len() + id.len();
            list.summaries.insert(id.to_owned(), process.clone());
        }
        asked.insert(query);
        match next(&document) {
            Some(next) if !asked.contains(&Some(next.clone())) && list.summaries.len() < PROCESSES_MAX => {
                query = Some(next);
            }
            Some(_) => {
                list.complete = false;
                return Ok(list);
            }
            None => return Ok(list),
        }
    }
    list.complete = false;
    Ok(list)
}

/// One page of a list; an answer without a list is a failure.
async fn read_page(api: &ProcessApi, query: Option<String>, deadline: Instant) -> Result<Value, Failure> {
    let request = Outgoing { query, ..Outgoing::get("processes") };
    let document = read(api, &request, &Caller::default(), PAGE_BYTES_MAX, deadline).await?;
    if document["processes"].is_array() { Ok(document) } else { Err(not_processes("answer has no list `processes`")) }
}

/// The query of the `next` link; its address counts for nothing.
fn next(document: &Value) -> Option<String> {
    let links = document.get("links")?.as_array()?;
    let next = links.iter().find(|link| link["rel"] == "next")?;
    let href = next["href"].as_str()?;
    let query = href.split('#').next()?.split_once('?')?.1;
    (query.len() <= 2048).then(|| query.to_owned())
}

async fn read_description(api: &ProcessApi, native: &str, caller: &Caller) -> Result<Option<Value>, Failure> {
    let request = Outgoing::get(format!("processes/{}", segment(native)));
    let deadline = Instant::now() + DEADLINE;
    match read(api, &request, caller, DESCRIPTION_BYTES_MAX, deadline).await {
        Ok(description) if description.get("id").is_some() => Ok(Some(description)),
        Ok(_) => Err(not_processes("answer is not a process description")),
        Err(failure) if failure.status == Some(404) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// A JSON object, whatever its media type says.
async fn read(
    api: &ProcessApi,
    request: &Outgoing,
    caller: &Caller,
    bytes_max: usize,
    deadline: Instant,
) -> Result<Value, Failure> {
    let reply = api.ask(request, caller, deadline).await.map_err(|NoReply { failure, .. }| failure)?;
    let status = reply.status.as_u16();
    if !reply.status.is_success() {
        let fault = match status {
            401 => Fault::Unauthorized,
            403 => Fault::Forbidden,
            429 => Fault::RateLimited,
            408 | 504 => Fault::Timeout,
            _ => Fault::BadResponse,
        };
        let detail = format!("member answered {status}");
        return Err(Failure { fault, detail, status: Some(status), retry_after_s: None });
    }
    let bytes = reply.document(bytes_max, deadline).await?;
    match serde_json::from_slice::<Value>(&bytes) {
        Ok(document) if document.is_object() => Ok(document),
        _ => Err(not_processes("answer is not a JSON object")),
    }
}

fn not_processes(detail: &str) -> Failure {
    Failure { fault: Fault::BadResponse, detail: detail.to_owned(), status: None, retry_after_s: None }
}
