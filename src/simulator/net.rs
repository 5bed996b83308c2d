//! The wire to all scripted catalogues: takes a request, lets virtual time pass, and brings an answer or none.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt};
use tokio::time::{Instant, sleep};

use crate::members::wire::{Given, Sent, Unsent, Wire};

use super::answer::{Body, End, Reply, What};
use super::member::{Arrival, Catalogue, Spell};

/// Pauses after which a request that was lost is sent again.
const AGAIN: std::ops::RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_millis(260);

pub struct Net {
    catalogues: Mutex<BTreeMap<String, Catalogue>>,
    under_way: Arc<AtomicUsize>,
    started: Instant,
    /// What happened, for whoever replays a run.
    trace: Mutex<Vec<String>>,
    pub traced: bool,
}

/// Counts a request as long as it is under way.
struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Net {
    pub fn new(catalogues: Vec<Catalogue>, traced: bool) -> Arc<Self> {
        let catalogues = catalogues.into_iter().map(|catalogue| (catalogue.id.clone(), catalogue)).collect();
        Arc::new(Self {
            catalogues: Mutex::new(catalogues),
            under_way: Arc::default(),
            started: Instant::now(),
            trace: Mutex::default(),
            traced,
        })
    }

    pub fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Catalogue>> {
        self.catalogues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn started(&self) -> Instant {
        self.started
    }

    /// Requests that nobody has given up or read to the end.
    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    pub fn with<T>(&self, id: &str, f: impl FnOnce(&mut Catalogue) -> T) -> T {
        f(self.lock().get_mut(id).expect("a catalogue of the world"))
    }

    pub fn ids(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Requests that each catalogue saw for the first time.
    pub fn firsts(&self) -> BTreeMap<String, u32> {
        self.lock().iter().map(|(id, catalogue)| (id.clone(), catalogue.firsts)).collect()
    }

    pub fn arrivals(&self, id: &str) -> usize {
        self.with(id, |catalogue| catalogue.arrivals.len())
    }

    /// From now on nothing is wrong with anybody.
    pub fn calm(&self) {
        let now = Instant::now();
        for catalogue in self.lock().values_mut() {
            for spell in &mut catalogue.spells {
                spell.until = spell.until.min(now);
                spell.from = spell.from.min(now);
            }
        }
        self.say(|| "calm".to_owned());
    }

    pub fn spell(&self, id: &str, spell: Spell) {
        self.with(id, |catalogue| catalogue.spells.push(spell));
    }

    /// Notes what happened.
    pub fn say(&self, line: impl FnOnce() -> String) {
        if self.traced {
            let at = self.started.elapsed().as_secs_f64();
            self.trace.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{at:9.3} {}", line()));
        }
    }

    pub fn trace(&self) -> Vec<String> {
        std::mem::take(&mut self.trace.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take(&self, sent: &Sent) -> Option<Reply> {
        let now = Instant::now();
        let mut catalogues = self.lock();
        let catalogue = catalogues.get_mut(sent.member.as_str())?;
        let name = format!("{} {:?}", sent.url, sent.body);
        catalogue.lost.retain(|(at, _)| now <= *at + *AGAIN.end());
        let same = |(at, lost): &(Instant, String)| *lost == name && now >= *at && AGAIN.contains(&(now - *at));
        let lost = catalogue.lost.iter().position(same);
        let again = lost.is_some();
        if let Some(index) = lost {
            catalogue.lost.remove(index);
        }
        catalogue.arrivals.push(Arrival { at: now, again });
        catalogue.firsts += u32::from(!again);
        catalogue.searches += u64::from(sent.url.path().ends_with("/search"));
        let reply = catalogue.reply(sent, self.started);
        if is_lost(&reply) {
            catalogue.lost.push((now + reply.after, name));
        }
        drop(catalogues);
        self.say(|| told(sent, again, &reply));
        Some(reply)
    }
}

/// Whether another try may mend it.
fn is_lost(reply: &Reply) -> bool {
    match &reply.what {
        What::Unsent(_) => true,
        What::Silence => false,
        What::Answer { status, headers, .. } => matches!(status, 502..=504) && !headers.contains_key("retry-after"),
    }
}

fn told(sent: &Sent, again: bool, reply: &Reply) -> String {
    let body = sent.body.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    let answer = match &reply.what {
        What::Unsent(unsent) => format!("{unsent:?}"),
        What::Silence => "silence".to_owned(),
        What::Answer { status, body, .. } => {
            let text = String::from_utf8_lossy(&body.bytes);
            let ids: Vec<&str> = text.split(r#","id":""#).skip(1).filter_map(|rest| rest.split('"').next()).collect();
            format!("{status} {:?} [{}] next {}", body.end, ids.join(" "), text.contains(r#""rel":"next""#))
        }
    };
    let again = if again { " again" } else { "" };
    let path = sent.url.path().rsplit('/').next().unwrap_or_default();
    let query = sent.url.query().unwrap_or_default();
    format!("  {}{again} {path} {query}{body} -> {:?} {answer}", sent.member, reply.after)
}

impl Wire for Net {
    fn exchange(&self, sent: Sent) -> BoxFuture<'static, Result<Given, Unsent>> {
        let reply = self.take(&sent);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let under_way = UnderWay(Arc::clone(&self.under_way));
        Box::pin(async move {
            let Some(reply) = reply else { return Err(Unsent::Unnamed) };
            sleep(reply.after).await;
            match reply.what {
                What::Unsent(unsent) => Err(unsent),
                What::Silence => std::future::pending().await,
                What::Answer { status, headers, body } => Ok(Given { status, headers, body: stream(body, under_way) }),
            }
        })
    }
}

fn stream(body: Body, under_way: UnderWay) -> BoxStream<'static, Result<Bytes, Error>> {
    let pieces = futures::stream::unfold((body, 0_usize, under_way), |(body, at, under_way)| async move {
        if !body.every.is_zero() {
            sleep(body.every).await;
        }
        let length = body.bytes.len();
        let most = match body.end {
            End::Cut(most) | End::Lost(most) => most,
            _ => length,
        };
        if body.end == End::Endless {
            let piece = Bytes::from(vec![b' '; body.piece]);
            let first = if at == 0 { body.bytes.slice(..length.min(1)) } else { piece };
            return Some((Ok(first), (body, at + 1, under_way)));
        }
        if at >= most {
            return match body.end {
                End::Lost(_) if at == most => {
                    let error = Error::new(ErrorKind::ConnectionReset, "connection lost in the body");
                    Some((Err(error), (body, at + 1, under_way)))
                }
                End::Open => std::future::pending().await,
                _ => None,
            };
        }
        let until = (at + body.piece).min(most);
        let piece = body.bytes.slice(at..until);
        Some((Ok(piece), (body, until, under_way)))
    });
    pieces.boxed()
}
