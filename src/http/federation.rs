//! The members as admins and the curious see them: status, capabilities, declared policy. Never a secret: `auth`,
//! `request.headers` and addresses with credentials stay out.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{self, Path};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use url::Url;

use crate::broker::Snapshot;
use crate::collections::Known;
use crate::federation::registry::Listed;
use crate::federation::retention::{Period, Retention};
use crate::federation::{Area, Extents, Member, MemberId, Policy, interval};
use crate::members::{Health, Service, State};

use super::door::{Call, Face};
use super::features::link;
use super::items::cut;
use super::params;
use super::problem::Problem;
use super::respond::{self, JSON, Keep};

/// What is known of a member's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Online,
    Offline,
    /// Never tried.
    Unknown,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Unknown => "unknown",
        }
    }

    /// The last check decides.
    fn of(health: &Health) -> Self {
        match (health.last_check, health.last_success) {
            (None, None) => Self::Unknown,
            (Some(check), Some(success)) if success >= check => Self::Online,
            (None, Some(_)) => Self::Online,
            _ if health.last_failure.is_none() => Self::Online,
            _ => Self::Offline,
        }
    }
}

pub fn status(snapshot: &Snapshot, member: &MemberId) -> Status {
    Status::of(&health(snapshot, member))
}

fn health(snapshot: &Snapshot, member: &MemberId) -> Health {
    snapshot.members.get(member.as_str()).map(|member| member.health()).unwrap_or_default()
}

/// The map `federation` of the landing page (S23): from what is known, never by asking.
pub fn map(snapshot: &Snapshot) -> Value {
    let entry = |member: &Member| {
        let health = health(snapshot, &member.id);
        let mut entry = json!({ "url": public(&member.url), "title": member.title });
        if let status @ (Status::Online | Status::Offline) = Status::of(&health) {
            entry["status"] = json!(status.name());
        }
        if let Some(at) = health.last_check {
            entry["last_status_check"] = json!(text(at));
        }
        if let Some(at) = health.last_success {
            entry["last_successful_check"] = json!(text(at));
        }
        (member.id.to_string(), entry)
    };
    let members = snapshot.federation.members.iter().filter(|member| member.enabled);
    Value::Object(members.map(entry).collect::<Map<_, _>>())
}

/// `GET /federation/members`
pub async fn list(extract::State(face): extract::State<Arc<Face>>, Extension(call): Extension<Call>) -> Response {
    let members = call.snapshot.federation.members.iter();
    let members: Vec<_> = members.map(|member| describe(&face, &call, member)).collect();
    let links = [link("self", &call.links.to("/federation/members"), JSON), link("root", &call.links.root(), JSON)];
    respond::json(&json!({ "members": members, "links": links }), Keep::Never)
}

/// `GET /federation/members/{id}`
pub async fn one(
    extract::State(face): extract::State<Arc<Face>>,
    Extension(call): Extension<Call>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let id = params::segments(path)?;
    let member = call.snapshot.federation.members.iter().find(|member| member.id.as_str() == id);
    let member = member.ok_or_else(|| Problem::not_found(format!("no member `{}`", cut(&id))))?;
    Ok(respond::json(&describe(&face, &call, member), Keep::Never))
}

fn describe(face: &Face, call: &Call, member: &Member) -> Value {
    let snapshot = &call.snapshot;
    let health = health(snapshot, &member.id);
    let self_href = call.links.to(&format!("/federation/members/{}", member.id));
    json!({
        "id": member.id,
        "title": member.title,
        "kind": member.kind.name(),
        "url": public(&member.url),
        "enabled": member.enabled,
        "registry": snapshot.federation.registry.listed.iter().find(|of| of.member == member.id).map(listed),
        "status": if member.enabled { Status::of(&health).name() } else { "disabled" },
        "last_status_check": health.last_check.map(text),
        "last_successful_check": health.last_success.map(text),
        "last_failure": health.last_failure,
        "guard": guard(snapshot, &member.id),
        "capabilities": snapshot.members.get(member.id.as_str()).map(|member| json!(*member.capabilities())),
        "has_items": member.has_items(),
        "harvest": snapshot.members.get(member.id.as_str()).and_then(|member| member.harvest()),
        "seen": face.seen.of(&member.id),
        "policy": policy(&member.policy),
        "collections": collections(snapshot, &member.id),
        "links": [link("self", &self_href, JSON), link("root", &call.links.root(), JSON)],
    })
}

/// What a registry of sites says of a member, and whether the federation file says more.
pub fn listed(listed: &Listed) -> Value {
    json!({ "site": listed.site, "member": listed.member, "declared": listed.declared })
}

/// What stands between the broker and a member now: breaker, concurrency, a pause that it asked for.
pub fn guard(snapshot: &Snapshot, member: &MemberId) -> Value {
    let Some(told) = snapshot.members.guard(member.as_str(), Service::Catalogue) else { return Value::Null };
    let is_closed = told.breaker.state == State::Closed;
    json!({
        "breaker": told.breaker.state.name(),
        "reason": (!is_closed).then(|| told.breaker.to_string()),
        "retry_after_s": (!is_closed).then(|| told.breaker.left_s()),
        "openings": told.breaker.openings,
        "concurrency_limit": told.concurrency_limit,
        "in_flight": told.in_flight,
        "pause_s": told.pause.as_secs(),
    })
}

/// What the view has of the member.
fn collections(snapshot: &Snapshot, member: &MemberId) -> Value {
    let Some(view) = snapshot.view.member(member) else { return Value::Null };
    json!({
        "list": match view.known { Known::Complete => "complete", Known::Unknown => "unknown" },
        "read_at": view.read_at.map(text),
        "stale": view.stale,
        "listed": view.entries.iter().map(|entry| &entry.exposed_id).collect::<Vec<_>>(),
        "quarantined": view.quarantined,
    })
}

/// The declared policy, in the words of the file.
fn policy(policy: &Policy) -> Value {
    json!({
        "priority": policy.priority,
        "required": policy.required,
        "authoritative": policy.authoritative,
        "collections": { "include": policy.include.written, "exclude": policy.exclude.written },
        "focus": policy.focus.as_ref().map(area),
        "ids_prefixes": policy.ids_prefixes,
        "extents": match policy.extents {
            Extents::AreaAndStart => "area-and-start",
            Extents::All => "all",
            Extents::Ignore => "ignore",
        },
        "retention": policy.retention.iter().map(retention).collect::<Vec<_>>(),
    })
}

fn retention(rule: &Retention) -> Value {
    json!({
        "collections": rule.collections.written,
        "keep": rule.keep.map(duration),
        "from": rule.from.map(text),
        "until": rule.until.map(text),
        "lag": rule.lag.map(duration),
        "item_span_max": duration(rule.item_span_max),
        "focus": rule.focus.as_ref().map(area),
    })
}

/// The boxes of an area; a geometry is named only as its boxes.
fn area(area: &Area) -> Value {
    let boxes = area.boxes.iter().map(|rect| [rect.min().x, rect.min().y, rect.max().x, rect.max().y]);
    json!({ "bboxes": boxes.collect::<Vec<_>>(), "geometry": area.geometry.is_some() })
}

/// ISO 8601, in whole days where it is.
fn duration(period: Period) -> String {
    let (days, seconds) = (period.seconds / 86_400, period.seconds % 86_400);
    let part = |count: u64, unit: char| if count > 0 { format!("{count}{unit}") } else { String::new() };
    let date = part(period.months.into(), 'M') + &part(days, 'D');
    let time = if seconds > 0 { format!("T{seconds}S") } else { String::new() };
    if date.is_empty() && time.is_empty() { "P0D".into() } else { format!("P{date}{time}") }
}

/// An address without the credentials that somebody may have written into it.
pub fn public(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for addresses that cannot carry credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.to_string()
}

fn text(at: DateTime<Utc>) -> String {
    interval::text(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::members::Fault;

    #[test]
    fn the_last_check_decides_the_status() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        let health = |last_check, last_success, last_failure| Health { last_check, last_success, last_failure };
        assert_eq!(Status::of(&health(None, None, None)), Status::Unknown);
        assert_eq!(Status::of(&health(at(2), at(2), None)), Status::Online);
        assert_eq!(Status::of(&health(at(2), at(1), Some(Fault::Timeout))), Status::Offline);
        assert_eq!(Status::of(&health(at(2), None, Some(Fault::Timeout))), Status::Offline);
        assert_eq!(Status::of(&health(at(2), at(3), Some(Fault::Timeout))), Status::Online);
    }

    #[test]
    fn durations_are_iso_8601() {
        let of = |months, seconds| duration(Period { months, seconds });
        assert_eq!(of(0, 0), "P0D");
        assert_eq!(of(0, 90 * 86_400), "P90D");
        assert_eq!(of(3, 0), "P3M");
        assert_eq!(of(0, 10_800), "PT10800S");
        assert_eq!(of(1, 86_401), "P1M1DT1S");
    }

    #[test]
    fn addresses_lose_their_credentials() {
        let url = Url::parse("https://user:secret@a.example/v1?key=secret").unwrap();
        assert_eq!(public(&url), "https://a.example/v1");
    }
}
