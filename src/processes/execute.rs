//! Sends an execution to the member that was chosen, once, and reads what came of it (`processes.md` 1.1, 1.2, 2).
//!
//! The next member is tried only when no connection was made to the one before: no byte of the request can then have
//! arrived anywhere. After that, whatever happens, the request is not sent again.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::Value;
use tokio::time::{Duration, Instant};

use crate::broker::Snapshot;
use crate::federation::{Callbacks, Member, MemberId, MemberProcesses};
use crate::members::Failure;
use crate::members::process_api::{Caller, NoReply, Outgoing, ProcessApi, Reply, Sent};

use super::answers::{self, Shown};
use super::job::JobPath;
use super::names;
use super::prefer::Prefer;
use super::references::Place;
use super::relay::{self, Answer, Body};
use super::rewrite::{Face, Inbound, Outbound, segment};
use super::route::Candidate;
use super::splice::{self, Rewrite};
use super::trouble::{Kind, Trouble, Upstream};

/// For asking a member whether it makes callbacks.
const CONFORMANCE_TIME: Duration = Duration::from_secs(10);
/// Some kilobytes of classes at most.
const CONFORMANCE_BYTES_MAX: usize = 1 << 20;
const CALLBACK: &str = "/ogcapi-processes-1/1.0/conf/callback";
/// What a member is asked for when the client does not say: pygeoapi answers `*/*` with a page for browsers.
const ACCEPT: &str = "application/json, */*;q=0.1";

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// One execution, its member chosen.
pub struct Execution<'a> {
    pub snapshot: &'a Snapshot,
    /// The broker's own base, without a slash at its end.
    pub base: &'a str,
    pub caller: &'a Caller,
    /// The process id as the client wrote it.
    pub process: &'a str,
    /// The members that may execute, the best first.
    pub ranking: Vec<&'a Candidate>,
    /// Why the first of them.
    pub reason: &'a str,
    /// The recognised references in the body.
    pub places: Vec<&'a Place>,
    pub prefer: Prefer,
    pub accept: Option<HeaderValue>,
    pub media_type: HeaderValue,
    pub body: Bytes,
    /// The body, read.
    pub document: &'a Value,
}

/// One member that an execution is tried at.
struct Try<'a> {
    member: &'a Member,
    processes: &'a MemberProcesses,
    api: &'a ProcessApi,
}

/// Whether the request names an address that is to be called.
fn wishes_callbacks(document: &Value) -> bool {
    document.get("subscriber").is_some_and(|subscriber| !subscriber.is_null())
}

/// Why a member whose declaration refuses callbacks does not execute a request that wishes for them.
#[must_use]
pub fn no_callbacks(member: &Member, document: &Value) -> Option<Trouble> {
    let refuses = member.processes.as_ref().is_some_and(|processes| processes.callbacks == Callbacks::Refuse);
    let id = &member.id;
    let text = format!("`{id}` takes no callbacks here: leave `subscriber` out and ask for the job's status");
    (refuses && wishes_callbacks(document)).then(|| Trouble::new(Kind::CallbackUnsupported, id, text))
}

impl Execution<'_> {
    /// Sends it, and gives what the client gets.
    ///
    /// # Errors
    /// What went wrong, with what the client can do about it.
    pub async fn run(&self) -> Result<Answer, Trouble> {
        let mut unreached: Vec<MemberId> = Vec::new();
        for candidate in &self.ranking {
            let Some(at) = self.at(&candidate.member) else { continue };
            let sent = self.try_at(&at, candidate).await;
            match sent {
                Ok(reply) => return self.answered(&at, &candidate.native, reply).await,
                Err(Stop::Final(trouble)) => return Err(*trouble),
                Err(Stop::Unreached(no)) => {
                    let failure = &no.failure;
                    tracing::warn!(member = %candidate.member, fault = ?failure.fault, detail = %failure.detail, "no connection for an execution");
                    unreached.push(candidate.member.clone());
                }
            }
        }
        Err(self.nobody(&unreached))
    }

    fn at(&self, member: &MemberId) -> Option<Try<'_>> {
        let member = self.snapshot.federation.member(member.as_str())?;
        let api = self.snapshot.members.process_api(member.id.as_str())?;
        Some(Try { member, processes: member.processes.as_ref()?, api })
    }

    async fn try_at(&self, at: &Try<'_>, candidate: &Candidate) -> Result<Reply, Stop> {
        self.callbacks(at).await?;
        let request = self.request(at, &candidate.native);
        let within = if self.prefer.respond_async { at.processes.r#async } else { self.sync_time(at.processes) };
        let sent = at.api.execute(&request, self.caller, Instant::now() + within).await;
        sent.map_err(|no| match no.sent {
            Sent::No => Stop::Unreached(no),
            Sent::Maybe => Stop::Final(Box::new(Trouble::unknown(&at.member.id, self.process, &no))),
        })
    }

    fn sync_time(&self, processes: &MemberProcesses) -> Duration {
        // Not waiting at all would be an execution that nobody hears of.
        let wait = self.prefer.wait_s.map_or(Duration::MAX, |seconds| Duration::from_secs(seconds.max(1).into()));
        processes.sync.min(wait)
    }

    /// A wish for callbacks is passed on, or refused; never lost in silence.
    async fn callbacks(&self, at: &Try<'_>) -> Result<(), Stop> {
        if !wishes_callbacks(self.document) {
            return Ok(());
        }
        let member = &at.member.id;
        let refuse = |text: String| Err(Stop::Final(Box::new(Trouble::new(Kind::CallbackUnsupported, member, text))));
        if let Some(trouble) = no_callbacks(at.member, self.document) {
            return Err(Stop::Final(Box::new(trouble)));
        }
        let asked = at.api.ask(&Outgoing::get("conformance"), self.caller, Instant::now() + CONFORMANCE_TIME).await;
        let reply = asked.map_err(|no| match no.sent {
            Sent::No => Stop::Unreached(no),
            Sent::Maybe => Stop::unanswered(member, &no.failure),
        })?;
        let read = reply.document(CONFORMANCE_BYTES_MAX, Instant::now() + CONFORMANCE_TIME).await;
        let read = read.map_err(|failure| Stop::unanswered(member, &failure))?;
        let declared: Value = serde_json::from_slice(&read).unwrap_or_default();
        let classes = declared["conformsTo"].as_array().map(Vec::as_slice).unwrap_or_default();
        if classes.iter().filter_map(Value::as_str).any(|class| class.ends_with(CALLBACK)) {
            return Ok(());
        }
        refuse(format!(
            "`{member}` does not say that it makes callbacks: leave `subscriber` out and ask for the job's status"
        ))
    }

    fn request(&self, at: &Try<'_>, native: &str) -> Outgoing {
        let rewrites = rewrites(self.snapshot, self.base, at.member, &self.places);
        let changed = if rewrites.is_empty() { None } else { splice::replace(&self.body, &rewrites) };
        let body = changed.map_or_else(|| self.body.clone(), Bytes::from);
        let lines = self.prefer.for_member(at.processes.prefer_return);
        Outgoing {
            method: Method::POST,
            accept: accept(self.accept.as_ref()),
            headers: lines.into_iter().map(|line| (PREFER, HeaderValue::from_static(line))).collect(),
            body: Some((body, self.media_type.clone())),
            identity: true,
            ..Outgoing::get(format!("processes/{}/execution", segment(native)))
        }
    }

    fn face(&self) -> Face<'_> {
        names::face(self.snapshot, self.base)
    }

    /// What an answer means. `native` is the member's own id of the process.
    async fn answered(&self, at: &Try<'_>, native: &str, reply: Reply) -> Result<Answer, Trouble> {
        let process_id = |native: &str| names::public(self.snapshot, &at.member.id, native);
        let against = reply.url.clone();
        let (member, processes) = (at.member, at.processes);
        let out = Outbound { face: self.face(), member, processes, process_id: &process_id, against: &against };
        match reply.status.as_u16() {
            201 | 202 => self.created(&out, native, reply).await,
            200..=299 | 303 => relay::relay(&out, reply).await.map_err(|failure| {
                let no = NoReply { failure, sent: Sent::Maybe };
                Trouble::unknown(&at.member.id, self.process, &no)
            }),
            _ => Err(self.refused(&out, reply).await),
        }
    }

    /// A job was made: its address is what counts, the body is made anew.
    async fn created(&self, out: &Outbound<'_>, native: &str, reply: Reply) -> Result<Answer, Trouble> {
        let member = &out.member.id;
        let mut headers = relay::headers(out, &reply);
        for of_the_body in [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::CONTENT_ENCODING, header::ETAG] {
            headers.remove(of_the_body);
        }
        let location = reply.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let location = location.and_then(|location| reply.url.join(location).ok());
        let status = reply.status;
        let document = relay::document(reply).await.unwrap_or_default();
        let path = location.and_then(|location| JobPath::of_location(out.processes, &location));
        let Some(path) = path.or_else(|| answers::job_id(&document).and_then(JobPath::of_id)) else {
            let text = format!(
                "`{member}` accepted the execution and did not say which job it made: the job may be running there"
            );
            let trouble = Trouble::new(Kind::Contract, member, text);
            return Err(Trouble { upstream: Some(Box::new(Upstream::read(status, None))), ..trouble });
        };
        let id = path.public(out.member);
        let shown = Shown { id: &id, path: &path, out: *out };
        // The id that the job's status will say too, whatever members offer by then.
        let body = answers::created(&shown, &document, &(out.process_id)(native), self.reason);
        let location = format!("{}/jobs/{id}", self.base);
        if let Ok(location) = HeaderValue::from_str(&location) {
            headers.insert(header::LOCATION, location);
        }
        Ok(Answer { member: member.clone(), status: StatusCode::CREATED, headers, body: Body::Document(body) })
    }

    /// The member said no, or something that is not understood.
    async fn refused(&self, out: &Outbound<'_>, reply: Reply) -> Trouble {
        let member = &out.member.id;
        let status = reply.status;
        let said = reply.headers.clone();
        // pygeoapi makes a job of a synchronous run that fails, and says where it is.
        // Where a redirect leads becomes the broker's address of this very process: it helps nobody.
        let location = relay::headers(out, &reply).remove(header::LOCATION).filter(|_| !status.is_redirection());
        let document = relay::document(reply).await;
        let upstream = Upstream::read(status, document.as_ref());
        let own_words = upstream.detail.as_ref().map_or_else(String::new, |detail| format!(": {detail}"));
        let process = self.process;
        let (kind, text) = match status.as_u16() {
            404 if upstream.is("no-such-process") || document.is_none() => {
                (Kind::NoSuchProcess, format!("`{member}` has no process `{process}`"))
            }
            400..=499 => (Kind::Refused(status), format!("`{member}` refused the execution of `{process}`{own_words}")),
            503 => (Kind::Unavailable, format!("`{member}` takes no executions at the moment; try again later")),
            504 => (
                Kind::Timeout,
                format!(
                    "`{member}` gave up on the execution of `{process}`; its state is unknown; for long runs send `Prefer: respond-async`"
                ),
            ),
            300..=399 => {
                let text = "sends the execution to another address, which is not followed: an execution is sent once";
                (Kind::Contract, format!("`{member}` {text}"))
            }
            500..=599 if document.is_some() => {
                (Kind::Refused(StatusCode::BAD_GATEWAY), format!("`{process}` failed at `{member}`{own_words}"))
            }
            _ => {
                (Kind::Contract, format!("the answer of `{member}` to the execution of `{process}` is not understood"))
            }
        };
        let mut trouble = Trouble::new(kind, member, text).told(status, &said, document.as_ref());
        trouble.headers.extend(location.map(|location| (header::LOCATION, location)));
        trouble
    }

    /// No member could be reached; nothing was sent.
    fn nobody(&self, unreached: &[MemberId]) -> Trouble {
        let names = unreached.iter().map(|member| format!("`{member}`")).collect::<Vec<_>>().join(" and ");
        let process = self.process;
        let text = format!(
            "no connection could be made to {names}; the execution of `{process}` was not sent and can be repeated"
        );
        let member = unreached.first().cloned();
        let headers = vec![(header::RETRY_AFTER, HeaderValue::from_static("30"))];
        Trouble { kind: Kind::Unavailable, detail: text, member, job: None, upstream: None, headers }
    }
}

/// Why a member was not asked to the end.
enum Stop {
    /// Nothing was sent: the next member may be tried.
    Unreached(NoReply),
    Final(Box<Trouble>),
}

impl Stop {
    /// A member that was reached and did not say whether it makes callbacks: no other may take its place.
    fn unanswered(member: &MemberId, failure: &Failure) -> Self {
        let mut trouble = Trouble::silent(member, failure);
        trouble.detail = format!(
            "`{member}` did not say whether it makes callbacks; the execution was not sent and can be repeated, or sent without `subscriber`"
        );
        Self::Final(Box::new(trouble))
    }
}

/// What a member is asked for. `*/*` alone says nothing.
#[must_use]
pub fn accept(given: Option<&HeaderValue>) -> HeaderValue {
    let says_nothing = |value: &&HeaderValue| value.to_str().is_ok_and(|text| matches!(text.trim(), "" | "*/*"));
    match given {
        Some(value) if !says_nothing(&value) => value.clone(),
        _ => HeaderValue::from_static(ACCEPT),
    }
}

/// What of a body is written differently for this member: the broker's addresses and ids become the member's own.
#[must_use]
pub fn rewrites(snapshot: &Snapshot, base: &str, member: &Member, places: &[&Place]) -> Vec<Rewrite> {
    let Some(processes) = member.processes.as_ref() else { return Vec::new() };
    let native_process = |id: &str| names::native(snapshot, &member.id, id);
    let inbound = Inbound { face: names::face(snapshot, base), member, processes, native_process: &native_process };
    places.iter().filter_map(|place| inbound.rewrite(place)).collect()
}
