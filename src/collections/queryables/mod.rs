//! What conditions on Items can name: the queryables of members, held for a while (`stac-api.md` 5.8 and 7.5).
//!
//! Members are asked one Collection at a time, and only when a client wants to know. What one of them fails to say is
//! missing from the answer, never invented. It does not know what a condition is: any property can be named in one,
//! listed or not. Start reading at [`Queryables`]; `schema.rs` makes the schemas.

mod schema;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::view::Entry;
use crate::cache::{Cache, Times};
use crate::federation::{Federation, MemberId};
use crate::members::{Failure, Member, Registry};

pub use schema::{Schema, common, minimum};

/// Bytes of all schemas that are held: some thousand Collections of usual size.
const HELD_BYTES_MAX: u64 = 32 << 20;
/// A member may take so long for one schema; a request waits less, and the next one finds it read.
const READING_TIME: Duration = Duration::from_secs(20);
/// How long a request waits for schemas that are not held yet.
const WAIT: Duration = Duration::from_secs(5);

/// The queryables of all members, as far as somebody asked for them.
#[derive(Clone)]
pub struct Queryables {
    cache: Cache<Subject, Option<Schema>, Failure>,
}

/// Whose queryables: a member's, or those of one of its Collections.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Subject {
    member: MemberId,
    /// Its address: a member that moved is asked anew.
    url: String,
    native_id: Option<String>,
}

/// What is known of a member's queryables.
#[derive(Debug)]
pub struct Said {
    pub member: MemberId,
    pub offered: Offered,
    /// How old that is, where the member could not be asked again.
    pub outdated: Option<Duration>,
}

/// What a member says of its queryables.
#[derive(Debug)]
pub enum Offered {
    Schema(Schema),
    /// It has none.
    Nothing,
    /// It cannot be asked at the moment.
    Unread,
}

impl Default for Queryables {
    fn default() -> Self {
        Self {
            cache: Cache::new("queryables", Times::METADATA, HELD_BYTES_MAX, |schema: &Option<Schema>| {
                schema.as_ref().map_or(0, Schema::bytes)
            }),
        }
    }
}

impl Queryables {
    /// What the holders of a Collection offer for it, in their order.
    pub async fn of_collection(
        &self,
        federation: &Federation,
        members: &Registry,
        entries: &[Arc<Entry>],
    ) -> Vec<Said> {
        let asked = entries.iter().filter_map(|entry| {
            let member = members.get(entry.member.as_str())?;
            Some(self.of(federation, member, Some((entry.native_id.clone(), entry.queryables_link()))))
        });
        futures::future::join_all(asked).await
    }

    /// What every member offers for all it has, in the order of the file.
    pub async fn of_members(&self, federation: &Federation, members: &Registry) -> Vec<Said> {
        futures::future::join_all(members.iter().map(|member| self.of(federation, member, None))).await
    }

    async fn of(
        &self,
        federation: &Federation,
        member: &Arc<dyn Member>,
        collection: Option<(String, Option<String>)>,
    ) -> Said {
        let (member, id) = (Arc::clone(member), member.id().clone());
        let url = federation.member(id.as_str()).map(|declared| declared.url.to_string()).unwrap_or_default();
        let native_id = collection.as_ref().map(|(native_id, _)| native_id.clone());
        let subject = Subject { member: id.clone(), url, native_id };
        let read = move || async move {
            let of = collection.as_ref().map(|(native_id, link)| (native_id.as_str(), link.as_deref()));
            let outcome = match member.queryables(of, Instant::now() + READING_TIME).await {
                Ok(Some(bytes)) => Schema::read(&bytes).map(Some),
                Ok(None) => Ok(None),
                Err(failure) => Err(failure),
            };
            if let Err(failure) = &outcome {
                tracing::warn!(member = %member.id(), fault = ?failure.fault, detail = %failure.detail, "queryables not read");
            }
            outcome
        };
        // The reading goes on when the wait is over.
        let Ok(Ok(got)) = tokio::time::timeout(WAIT, self.cache.get(subject, read)).await else {
            return Said { member: id, offered: Offered::Unread, outdated: None };
        };
        let offered = got.value.as_ref().as_ref().map_or(Offered::Nothing, |schema| Offered::Schema(schema.clone()));
        Said { member: id, offered, outdated: got.outdated }
    }
}
