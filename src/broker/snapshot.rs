//! Federation + member registry + collections view, immutable.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::collections::{Ids, View};
use crate::federation::Federation;
use crate::members::Registry;

/// What one request runs with.
#[derive(Clone)]
pub struct Snapshot {
    pub federation: Arc<Federation>,
    pub members: Arc<Registry>,
    pub view: Arc<View>,
    pub ids: Arc<Ids>,
}

/// Holds the current Snapshot and the tasks that keep it fresh.
pub struct Broker {
    current: ArcSwap<Snapshot>,
}

impl Broker {
    /// Makes the members and starts their refresh in the background. Waits for nobody.
    #[must_use]
    pub fn start(_federation: Federation) -> Arc<Self> {
        todo!()
    }

    /// Waits until every member was tried once, or until the time is over.
    pub async fn settled(&self, _at_most: std::time::Duration) {
        todo!()
    }

    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }
}
