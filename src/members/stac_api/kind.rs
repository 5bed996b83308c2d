//! What kind of server the member is: told by its landing page, else by the first answer of a search, unless the
//! federation file says it. A guess that does not hold is taken back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::HeaderMap;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::{info, warn};

use super::{StacApi, request};
use crate::federation::{self, Dialect, Method};
use crate::members::Failure;
use crate::members::capabilities::Capabilities;
use crate::members::dialect::{Seen, in_answer, in_landing};
use crate::members::line::{Outgoing, Purpose};

/// What answers gave away of the member's kind.
#[derive(Debug, Clone)]
pub(super) enum Answered {
    /// Looked at, and nothing was found.
    Nothing,
    Seen(Seen),
    /// It does not do what its kind does: it counts as `standard` until the process ends.
    Otherwise,
}

impl StacApi {
    /// What gave the member's kind away so far.
    pub(super) fn kind_of(
        &self,
        landing: &Map<String, Value>,
        links: &[Value],
        conforms_to: &[String],
        headers: &HeaderMap,
    ) -> Option<Seen> {
        match self.answered.lock().ok().and_then(|answered| answered.clone()) {
            Some(Answered::Otherwise) => None,
            Some(Answered::Seen(seen)) => in_landing(landing, links, conforms_to, headers).or(Some(seen)),
            Some(Answered::Nothing) | None => in_landing(landing, links, conforms_to, headers),
        }
    }

    /// Looks at the answer of one small search, once, where nothing is known of the member's kind.
    pub(super) async fn look_at_an_answer(&self, deadline: Instant) {
        let known = self.known.load_full();
        let looked = self.answered.lock().map_or(true, |answered| answered.is_some());
        let open = self.member.request.dialect == Dialect::Auto && known.dialect == Dialect::Standard;
        if looked || !open || known.collections_max.is_some() || !known.discovered {
            return;
        }
        let limit = [("limit".to_owned(), "1".to_owned())];
        let body = Map::from_iter([("limit".to_owned(), Value::from(1))]);
        let url = self.search_url.load_full();
        let small =
            if known.search_get { request(&url, &limit, None, None) } else { request(&url, &[], Some(&body), None) };
        let Ok(answer) = self.send(Outgoing { purpose: Purpose::Probe, ..small }, deadline).await else { return };
        let Ok(page) = serde_json::from_slice::<Map<String, Value>>(&answer.body) else { return };
        let seen = in_answer(&page, &answer.headers);
        self.answers(seen.clone().map_or(Answered::Nothing, Answered::Seen));
        if let Some(seen) = seen {
            info!(member = %self.member.id, dialect = seen.dialect.name(), sign = seen.sign, "kind of server recognised");
            self.adopt(Some(seen));
        }
    }

    /// Whether a refusal shows that the member is not of the kind it was taken for; it counts as `standard` then.
    pub(super) fn misjudged(&self, failed: &Failure) -> bool {
        let known = self.known.load_full();
        let guessed = known.dialect_seen.is_some();
        let by_post =
            !known.habits().post && self.found.load().search_post && self.member.request.method == Method::Auto;
        if !guessed || !by_post || !matches!(failed.status, Some(405 | 501)) {
            return false;
        }
        warn!(member = %self.member.id, dialect = known.dialect.name(), "refuses GET on `/search`: not of this kind");
        self.answers(Answered::Otherwise);
        self.adopt(None);
        true
    }

    /// Lets no more requests through at once than its kind of server stands, unless the federation file says how many.
    pub(super) fn hold_back(&self, known: &Capabilities) {
        let said = self.member.request.concurrency_max != federation::Request::default().concurrency_max;
        let wanted = known.habits().concurrency_max.filter(|_| !said);
        let held = self.gate_size.swap(wanted.unwrap_or(0), Ordering::Relaxed);
        if held != wanted.unwrap_or(0) {
            self.gate.store(wanted.map(|most| Arc::new(Semaphore::new(most))));
        }
    }

    fn answers(&self, what: Answered) {
        if let Ok(mut answered) = self.answered.lock() {
            *answered = Some(what);
        }
    }

    /// Makes the capabilities anew for another kind of server, from what was discovered last.
    fn adopt(&self, seen: Option<Seen>) {
        let mut found = (**self.found.load()).clone();
        found.seen = seen;
        let mut known = Capabilities::discovered(&self.member, &found);
        if self.post_refused.load(Ordering::Relaxed) && self.member.request.method != Method::Post {
            known.search_post = false;
        }
        self.hold_back(&known);
        self.found.store(Arc::new(found));
        self.declared.store(Arc::new(known.clone()));
        self.known.store(Arc::new(known));
        self.probe_due.store(true, Ordering::Relaxed);
    }
}
