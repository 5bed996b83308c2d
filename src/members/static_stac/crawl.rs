//! From the root to every document, level by level: what is read, what is kept from before, what is left out.
//!
//! A level is read concurrently and taken in its own order, so that two crawls of one catalogue give the same. What fails is
//! taken from the crawl before, document by document: so a branch that cannot be read stays as it was. What the server says is
//! gone is gone.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bytes::Bytes;
use futures::StreamExt;
use tokio::time::Instant;
use url::Url;

use super::address::Base;
use super::document::{self, Content};
use super::fetch::{Fetched, Lost};
use super::{Document, Documents, Facts, StaticStac, What, holders};
use crate::members::harvest::fetch::Validators;
use crate::members::harvest::{Harvested, Progress};
use crate::members::{Failure, Fault, Item, failure};

/// So many failures in a row, and the rest is not asked for: the server is not there.
const FAILURES_MAX: u32 = 20;

/// A document to be read.
struct Step {
    url: Url,
    key: String,
    item: bool,
    /// Catalogues down to this document, itself included if it is one.
    depth: u32,
    holder: Holder,
    /// The documents above.
    above: Option<Arc<Above>>,
}

/// The nearest Collection above a document, else the nearest Catalog.
#[derive(Clone)]
struct Holder {
    id: Arc<str>,
    is_collection: bool,
}

/// A document that others hang from, and what that one hangs from.
struct Above {
    key: String,
    hash: u64,
    next: Option<Arc<Above>>,
}

impl Above {
    fn any(above: Option<&Arc<Self>>, is: impl Fn(&Self) -> bool) -> bool {
        std::iter::successors(above, |above| above.next.as_ref()).any(|above| is(above))
    }
}

/// How reading a document ended.
enum Visited {
    Unchanged,
    Read(Box<Read>),
    Gone,
    /// It may be there another time: a word for people.
    Failed(Failure),
    /// It is there, and no document of a catalogue.
    Broken(String),
    /// Not asked for: a bound was reached, in words.
    Bound(String),
}

struct Read {
    content: Content,
    facts: Facts,
}

/// A crawl while it runs.
struct Crawl<'a> {
    source: &'a StaticStac,
    before: Option<&'a Harvested<Documents>>,
    progress: &'a Progress,
    deadline: Instant,
    /// Bytes of the documents so far, those included that did not change.
    held: AtomicU64,
    transferred: AtomicU64,
    failures: AtomicU32,
    seen: HashSet<String>,
    collections: HashSet<Box<str>>,
    found: Harvested<Documents>,
    /// Documents that are neither here nor from before.
    lost: u64,
    /// The first bound that was reached.
    bound: Option<String>,
}

/// Reads the whole catalogue.
///
/// # Errors
/// When its root cannot be read: then nothing is known of it.
pub async fn crawl(
    source: &StaticStac,
    before: Option<&Harvested<Documents>>,
    progress: &Progress,
    deadline: Instant,
) -> Result<Harvested<Documents>, Failure> {
    let mut crawl = Crawl {
        source,
        before,
        progress,
        deadline,
        held: AtomicU64::new(0),
        transferred: AtomicU64::new(0),
        failures: AtomicU32::new(0),
        seen: HashSet::new(),
        collections: HashSet::new(),
        found: Harvested::default(),
        lost: 0,
        bound: None,
    };
    let key = Base::key(&source.root);
    crawl.seen.insert(key.clone());
    let root = Step {
        url: source.root.clone(),
        key,
        item: false,
        depth: 1,
        holder: Holder { id: "".into(), is_collection: false },
        above: None,
    };
    let visited = crawl.visit(&root).await;
    let visited = checked_root(visited)?;
    let mut level = Vec::new();
    crawl.take(root, visited, &mut level);
    while !level.is_empty() {
        // made one by one: a visit in the making is some kilobytes, and a level can be all Items of a catalogue
        let (crawling, steps) = (&crawl, &level);
        let visits = (0..level.len()).map(|place| async move { (place, crawling.visit(&steps[place]).await) });
        let mut visited: Vec<_> =
            futures::stream::iter(visits).buffer_unordered(source.bounds.requests_max).collect().await;
        visited.sort_unstable_by_key(|(place, _)| *place);
        let mut next = Vec::new();
        for (step, (_, visited)) in level.into_iter().zip(visited) {
            crawl.take(step, visited, &mut next);
        }
        level = next;
    }
    Ok(crawl.finish())
}

impl Crawl<'_> {
    fn kept(&self, key: &str) -> Option<&Document> {
        self.before.and_then(|before| before.kept.0.get(key))
    }

    async fn visit(&self, step: &Step) -> Visited {
        let bounds = &self.source.bounds;
        if Instant::now() >= self.deadline {
            return Visited::Bound(format!("reading it takes longer than {} s (`time_s`)", bounds.time.as_secs()));
        }
        if self.held.load(Ordering::Relaxed) >= bounds.bytes_max as u64 {
            return Visited::Bound(format!("it has more than {} bytes (`bytes_max`)", bounds.bytes_max));
        }
        if self.failures.load(Ordering::Relaxed) >= FAILURES_MAX {
            return Visited::Failed(failure(Fault::Unreachable, "not asked for: twenty requests in a row failed"));
        }
        let before = self.kept(&step.key);
        let fetching = self.source.via.fetch(
            &self.source.base,
            &step.url,
            before.map(|document| &document.facts.validators),
            bounds.document_bytes_max,
            self.deadline,
        );
        let fetched = fetching.await;
        let answered = !matches!(fetched, Err(Lost::Failed(_)));
        if answered {
            self.failures.store(0, Ordering::Relaxed);
        } else {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        match fetched {
            Ok(Fetched::Unchanged) => {
                self.progress.add(0);
                self.held.fetch_add(before.map_or(0, |document| document.facts.bytes) as u64, Ordering::Relaxed);
                Visited::Unchanged
            }
            Ok(Fetched::Changed { bytes, url, validators }) => {
                self.progress.add(bytes.len());
                self.held.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                self.transferred.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                self.read(step, &bytes, &url, validators)
            }
            Err(Lost::Gone) => Visited::Gone,
            Err(Lost::Failed(failed)) if failed.fault == Fault::TooLarge => Visited::Bound(format!(
                "one of its documents has more than {} bytes (`document_bytes_max`)",
                bounds.document_bytes_max
            )),
            Err(Lost::Failed(failed)) => Visited::Failed(failed),
        }
    }

    fn read(&self, step: &Step, bytes: &Bytes, url: &Url, validators: Validators) -> Visited {
        let base = &self.source.base;
        let Ok(url) = base.resolve(url, "") else {
            return Visited::Broken("it was moved outside the catalogue's own address".to_owned());
        };
        match document::read(bytes, &url, base) {
            Ok((content, links)) => {
                let mut hash = DefaultHasher::new();
                bytes.hash(&mut hash);
                let moved_to = (url != step.url).then(|| url.as_str().into());
                let facts = Facts { validators, hash: hash.finish(), bytes: bytes.len(), moved_to, links };
                Visited::Read(Box::new(Read { content, facts }))
            }
            Err(why) => Visited::Broken(why),
        }
    }

    /// Takes a document in, and puts what it leads to into the next level.
    fn take(&mut self, step: Step, visited: Visited, next: &mut Vec<Step>) {
        self.found.tally.documents += 1;
        let name = self.source.base.name(&step.url);
        match visited {
            Visited::Read(read) => self.place(step, *read, next),
            Visited::Unchanged => {
                self.found.tally.unchanged += 1;
                self.again(step, next);
            }
            Visited::Gone => {
                let folder = self.source.base.is_folder();
                let where_to = if folder { "no such file is in the folder" } else { "it is not there" };
                self.found.left_out.add(&name, &format!("a link leads to it, but {where_to}"));
            }
            Visited::Failed(failed) => {
                tracing::debug!(document = %name, fault = ?failed.fault, detail = %failed.detail, "document not read");
                let why = format!("it could not be read ({})", word(&failed));
                self.keep(step, next, &name, &why, |crawl| crawl.lost += 1);
            }
            Visited::Broken(why) => {
                let item = step.item;
                // an Item that is none is dropped, as in a page of Items; below a Collection that is none may be anything
                self.keep(step, next, &name, &why, |crawl| crawl.lost += u64::from(!item));
            }
            Visited::Bound(why) => {
                let told = why.clone();
                self.keep(step, next, &name, &why, |crawl| {
                    crawl.bound.get_or_insert(told);
                });
            }
        }
    }

    /// What was read before takes the place of what cannot be read now; else it is lost.
    fn keep(&mut self, step: Step, next: &mut Vec<Step>, name: &str, why: &str, lose: impl FnOnce(&mut Self)) {
        if self.kept(&step.key).is_some() {
            self.found.tally.kept += 1;
            self.found.left_out.add(name, &format!("{why}; what was read of it before stays"));
            self.again(step, next);
        } else {
            self.found.left_out.add(name, why);
            lose(self);
        }
    }

    /// A document as it was in the crawl before.
    fn again(&mut self, step: Step, next: &mut Vec<Step>) {
        let Some(before) = self.before else { return };
        let Some(Document { what, facts }) = before.kept.0.get(&step.key) else { return };
        let what = match what {
            What::Item(place) => {
                let Some(item) = before.items.get(*place) else { return };
                self.item(&step, Arc::clone(item))
            }
            _ if self.goes_round(&step, facts.hash) => return,
            What::Catalog(named) => What::Catalog(named.clone()),
            What::Collection(id, place) => {
                let bytes = place.and_then(|place| before.collections.get(place)).cloned();
                self.collection(&step, id.clone(), bytes)
            }
        };
        self.settle(step, Document { what, facts: facts.clone() }, next);
    }

    /// Puts what was read among what was found.
    fn place(&mut self, step: Step, read: Read, next: &mut Vec<Step>) {
        let Read { content, mut facts } = read;
        let what = match content {
            Content::Item(item) => self.item(&step, Arc::new(*item)),
            _ if self.goes_round(&step, facts.hash) => return,
            Content::Catalog(named) => What::Catalog(named),
            Content::Collection { id, bytes } => self.collection(&step, id, Some(bytes)),
        };
        if matches!(what, What::Collection(_, None)) {
            // nothing of it is kept, so it has to come whole next time
            facts.validators = Validators::default();
        }
        self.settle(step, Document { what, facts }, next);
    }

    /// A catalogue that is what one above it is, under another address: a folder that contains itself.
    fn goes_round(&mut self, step: &Step, hash: u64) -> bool {
        let round = Above::any(step.above.as_ref(), |above| above.hash == hash);
        if round {
            let name = self.source.base.name(&step.url);
            self.found.left_out.add(&name, "it is the same document as one above it");
        }
        round
    }

    fn collection(&mut self, step: &Step, id: Box<str>, bytes: Option<Bytes>) -> What {
        let Some(bytes) = bytes else { return What::Collection(id, None) };
        if !self.collections.insert(id.clone()) {
            let name = self.source.base.name(&step.url);
            self.found.left_out.add(&name, &format!("another document is the Collection `{id}` already"));
            return What::Collection(id, None);
        }
        self.found.collections.push(bytes);
        What::Collection(id, Some(self.found.collections.len() - 1))
    }

    /// An Item that names no Collection is one of the Collection above it.
    fn item(&mut self, step: &Step, mut item: Arc<Item>) -> What {
        let unnamed = item.spans.collection.end == 0 || item.slice(&item.spans.collection) == b"null";
        if unnamed && *item.collection != *step.holder.id {
            Arc::make_mut(&mut item).collection = (&*step.holder.id).into();
        }
        self.found.items.push(item);
        What::Item(self.found.items.len() - 1)
    }

    /// Remembers a document for the next crawl, and follows its links.
    fn settle(&mut self, step: Step, document: Document, next: &mut Vec<Step>) {
        if !matches!(document.what, What::Item(_)) {
            self.follow(&step, &document, next);
        }
        self.found.kept.0.insert(step.key, document);
    }

    fn follow(&mut self, step: &Step, document: &Document, next: &mut Vec<Step>) {
        let moved = document.facts.moved_to.as_deref().and_then(|moved| Url::parse(moved).ok());
        let from = moved.as_ref().unwrap_or(&step.url);
        let holder = match &document.what {
            What::Collection(id, _) => Holder { id: (&**id).into(), is_collection: true },
            What::Catalog(named) if !step.holder.is_collection => {
                Holder { id: (&*named.id).into(), is_collection: false }
            }
            _ => step.holder.clone(),
        };
        let above = Arc::new(Above {
            key: step.key.clone(),
            hash: document.facts.hash,
            next: step.above.as_ref().map(Arc::clone),
        });
        let bounds = &self.source.bounds;
        for link in &document.facts.links {
            let url = match self.source.base.resolve(from, &link.href) {
                Ok(url) => url,
                Err(why) => {
                    self.found.left_out.add(&link.href, why);
                    continue;
                }
            };
            let key = Base::key(&url);
            if self.seen.contains(&key) {
                if Above::any(Some(&above), |above| above.key == key) {
                    self.found.left_out.add(
                        &self.source.base.name(&url),
                        "it was read; a link that leads back to it from below was passed over",
                    );
                }
                continue;
            }
            let depth = step.depth + u32::from(!link.item);
            let full = self.seen.len() >= bounds.documents_max;
            if full || depth > bounds.depth_max {
                let why = if full {
                    format!("it has more than {} documents (`documents_max`)", bounds.documents_max)
                } else {
                    format!("its catalogues are more than {} levels deep (`depth_max`)", bounds.depth_max)
                };
                self.found.left_out.add(&self.source.base.name(&url), &why);
                self.bound.get_or_insert(why);
                continue;
            }
            self.seen.insert(key.clone());
            let (holder, above) = (holder.clone(), Some(Arc::clone(&above)));
            next.push(Step { url, key, item: link.item, depth, holder, above });
        }
    }

    fn finish(self) -> Harvested<Documents> {
        let mut found = self.found;
        found.tally.bytes = self.transferred.into_inner();
        let lost = match self.lost {
            0 => None,
            1 => Some("one document of its catalogue could not be read".to_owned()),
            count => Some(format!("{count} documents of its catalogue could not be read")),
        };
        let reasons: Vec<String> = self.bound.into_iter().chain(lost).collect();
        found.incomplete = (!reasons.is_empty()).then(|| reasons.join("; "));
        holders::complete(&mut found, &self.collections, &self.source.root);
        found.collections.shrink_to_fit();
        found.items.shrink_to_fit();
        found
    }
}

/// The root has to be there, and to be a catalogue.
fn checked_root(visited: Visited) -> Result<Visited, Failure> {
    let refuse = |fault, text: &str| Err(failure(fault, text));
    match visited {
        Visited::Gone => refuse(Fault::BadResponse, "the root document is not there"),
        Visited::Failed(failed) => {
            Err(Failure { detail: format!("the root document cannot be read: {}", failed.detail), ..failed })
        }
        Visited::Broken(why) => refuse(Fault::BadResponse, &format!("the root document is no catalogue: {why}")),
        Visited::Bound(why) => refuse(Fault::TooLarge, &why),
        Visited::Read(read) if matches!(read.content, Content::Item(_)) => {
            refuse(Fault::BadResponse, "the root document is an Item, no catalogue")
        }
        good => Ok(good),
    }
}

/// The category of a failure in the words of reports.
fn word(failed: &Failure) -> String {
    let fault = serde_json::to_value(failed.fault).ok();
    fault.as_ref().and_then(serde_json::Value::as_str).unwrap_or("failed").to_owned()
}
