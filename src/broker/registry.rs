//! The registry of sites again and again: asked -> joined with what is declared -> swapped, or the last good answer kept.
//!
//! Nothing is kept over a restart: a process that starts while the registry is away begins with the declared members and
//! says so.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use crate::federation::Federation;
use crate::federation::registry::{Endpoint, Gocdb, joined};
use crate::members::{Failure, gocdb};

use super::Broker;

/// After an answer that was none, the registry is asked again so soon, unless it is asked more often anyway.
const RETRY: Duration = Duration::from_secs(60);

/// What is declared, what the registry said last, and how asking it went.
#[derive(Debug)]
pub struct Joining {
    base: Mutex<Base>,
    /// Wakes the loop before its time.
    now: Notify,
}

#[derive(Debug)]
struct Base {
    /// The federation of the file alone.
    declared: Arc<Federation>,
    /// The last good answer, and the question it answers.
    last: Option<(Gocdb, Vec<Endpoint>)>,
    told: Asked,
}

/// What admins are told of the registry.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Answers that took effect, answers without any endpoint, and answers that were none.
    pub good: u64,
    pub empty: u64,
    pub failed: u64,
    pub asked_at: Option<DateTime<Utc>>,
    /// When the list in effect was given.
    pub answered_at: Option<DateTime<Utc>>,
    /// Why the last answer changed nothing.
    pub problem: Option<String>,
}

impl Joining {
    pub(super) fn of(declared: Arc<Federation>) -> Self {
        let base = Base { declared, last: None, told: Asked::default() };
        Self { base: Mutex::new(base), now: Notify::new() }
    }

    /// How asking the registry went.
    #[must_use]
    pub fn told(&self) -> Asked {
        self.lock().told.clone()
    }

    /// Has the registry asked again at once.
    pub fn ask_now(&self) {
        self.now.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Base> {
        // Only whole values are put in, so a panic elsewhere leaves nothing half done.
        self.base.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Base {
    /// What is declared and what the registry said to the question that is declared now.
    fn joined(&self) -> Federation {
        let asks = self.declared.registry.gocdb.as_ref();
        match (&self.last, asks) {
            (Some((question, endpoints)), Some(asks)) if asks.asks_as(question) => joined(&self.declared, endpoints),
            _ => Federation::clone(&self.declared),
        }
    }
}

impl Broker {
    /// Puts another file's federation in the place of the current one, with the members that the registry named last;
    /// requests in flight end with the one they began with.
    pub fn replace(self: &Arc<Self>, federation: Federation) {
        // Held until the swap: an answer of the registry and a reload must not overtake one another.
        let mut base = self.joining.lock();
        let asks_another = match (&base.declared.registry.gocdb, &federation.registry.gocdb) {
            (Some(before), Some(now)) => !before.asks_as(now),
            (before, now) => before.is_some() || now.is_some(),
        };
        base.declared = Arc::new(federation);
        if asks_another {
            (base.last, base.told) = (None, Asked::default());
            self.joining.ask_now();
        }
        self.swap(base.joined());
    }

    /// Takes what the registry said, and gives how long to wait before it is asked again.
    pub fn register(self: &Arc<Self>, question: &Gocdb, answer: Result<Vec<Endpoint>, Failure>) -> Duration {
        let mut base = self.joining.lock();
        let asks = base.declared.registry.gocdb.as_ref().is_some_and(|asks| asks.asks_as(question));
        if !asks {
            // The file asks another question by now; the loop has been woken for it.
            return RETRY;
        }
        base.told.asked_at = Some(Utc::now());
        let had = base.last.as_ref().is_some_and(|(_, endpoints)| !endpoints.is_empty());
        let problem = match answer {
            Ok(endpoints) if !endpoints.is_empty() => {
                base.told.good += 1;
                base.told.answered_at = base.told.asked_at;
                base.told.problem = None;
                base.last = Some((question.clone(), endpoints));
                self.join(&base);
                return question.refresh;
            }
            Ok(_empty) => {
                base.told.empty += 1;
                format!("the registry names no endpoint `STAC` in the scope `{}`", question.scope)
            }
            Err(failure) => {
                base.told.failed += 1;
                format!("the registry gave no answer: {}", failure.detail)
            }
        };
        tracing::warn!(%problem, kept = had, "registry not taken, what it said last stays in effect");
        base.told.problem = Some(problem);
        question.refresh.min(RETRY)
    }

    /// Swaps when the answer changes who is a member, or what is told of that.
    fn join(self: &Arc<Self>, base: &Base) {
        let (before, now) = (self.snapshot(), base.joined());
        let (old, new) = (&before.federation.registry, &now.registry);
        if before.federation.members == now.members && old.listed == new.listed && old.left_out == new.left_out {
            return;
        }
        for left in new.left_out.iter().filter(|left| !old.left_out.contains(left)) {
            tracing::warn!(site = %left.endpoint.site, reason = %left.reason, "catalogue of the registry left out");
        }
        tracing::info!(members = now.members.len(), listed = new.listed.len(), "registry taken");
        self.swap(now);
    }
}

/// Asks the registry that the file names, as long as it names one. Never ends by itself.
pub async fn keep_asking(broker: Arc<Broker>) {
    loop {
        let federation = Arc::clone(&broker.snapshot().federation);
        let Some(question) = &federation.registry.gocdb else {
            broker.joining.now.notified().await;
            continue;
        };
        let answer = gocdb::endpoints(question, &federation).await;
        let pause = broker.register(question, answer);
        // Over is as good as woken: it is time to ask.
        let _ = tokio::time::timeout(pause, broker.joining.now.notified()).await;
    }
}
