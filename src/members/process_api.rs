//! One member's process API: requests below its configured process base, answers as they come.
//!
//! Statuses, headers and bodies are given back whatever they are: what they mean is decided in the room `processes`.
//! Two things are promised here. A request goes below the configured base and nowhere else, with headers built from
//! nothing. And of an execution it is known whether a byte of it can have reached the member: it travels on a connection
//! of its own, is never repeated, and a failure says [`Sent`].

mod reply;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE, LOCATION, USER_AGENT, VIA};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::client::{self, Clients};
use super::guard::{Guard, Judged, Lost, Pass, Rules, Service, State, Strength};
use super::line::{self, Purpose, failure};
use super::memory::Memory;
use super::{Failure, Fault};
use crate::federation::{self, Auth, MemberId};
use crate::telemetry::context;

pub use reply::{BodyStream, Buffered, Reply};

/// Same-origin redirects followed on one GET.
const REDIRECTS_MAX: usize = 3;
/// An answer that did not begin after so long counts as the member's failure; one that was given up earlier was
/// somebody's impatience.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of all answer headers together.
const HEADER_BYTES_MAX: usize = 32 << 10;
/// Bytes of the `Via` of a request, our own entry included; longer ones are cut at the front.
const VIA_BYTES_MAX: usize = 2 << 10;

/// What of a client's request goes on to a member.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// Sent only to a member whose `auth.mode` is `forward`.
    authorization: Option<HeaderValue>,
    /// `Accept-Language`.
    carried: Vec<(HeaderName, HeaderValue)>,
    /// The `Via` so far.
    via: Option<String>,
}

impl Caller {
    /// Takes from a request what may travel on; all else stays behind.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let carried = [ACCEPT_LANGUAGE];
        let carried = carried.into_iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect();
        let authorization = headers.get(AUTHORIZATION).cloned().map(|mut value| {
            value.set_sensitive(true);
            value
        });
        let via: Vec<&str> = headers.get_all(VIA).iter().filter_map(|value| value.to_str().ok()).collect();
        let via = (!via.is_empty()).then(|| via.join(", ")).filter(|via| via.len() < VIA_BYTES_MAX);
        Self { authorization, carried, via }
    }

    /// The same without credentials: for members other than the one that is to execute.
    #[must_use]
    pub fn anonymous(&self) -> Self {
        Self { authorization: None, ..self.clone() }
    }

    /// Whether the request came with credentials.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.authorization.is_some()
    }
}

/// One request below the process base.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub method: Method,
    /// Below the base, without a slash in front and percent-encoded, for example `jobs/123/results`.
    pub path: String,
    pub query: Option<String>,
    pub accept: HeaderValue,
    /// Further headers, for example `Prefer` and `Range`; never those that every request has.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// With its media type.
    pub body: Option<(Bytes, HeaderValue)>,
    /// Ask for the bytes as they are, so that lengths and ranges hold.
    pub identity: bool,
}

impl Outgoing {
    /// A GET for a JSON document.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            query: None,
            accept: HeaderValue::from_static("application/json"),
            headers: Vec::new(),
            body: None,
            identity: false,
        }
    }
}

/// Whether a request can have reached the member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// There was no connection: no name, no TCP, no TLS.
    No,
    Maybe,
}

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{failure}")]
pub struct NoReply {
    pub failure: Failure,
    pub sent: Sent,
}

impl NoReply {
    fn before(failure: Failure) -> Self {
        Self { failure, sent: Sent::No }
    }

    fn after(failure: Failure) -> Self {
        Self { failure, sent: Sent::Maybe }
    }
}

/// The credentials of one member.
enum Credentials {
    None,
    Own(HeaderName, HeaderValue),
    Forward,
}

/// The line to one member's process API.
pub struct ProcessApi {
    member: MemberId,
    /// Shared, with connections that are kept.
    client: Result<reqwest::Client, String>,
    /// A connection for each request: executions.
    once: Result<reqwest::Client, String>,
    /// Without a slash at its end.
    base: Url,
    internal: bool,
    /// At another server than the member's catalogue.
    elsewhere: bool,
    credentials: Credentials,
    fixed: HeaderMap,
    /// The name of this federation in `Via`.
    via: String,
    guard: Arc<Guard>,
    memory: Arc<Memory>,
    /// How long a body may give nothing.
    idle: Duration,
}

impl ProcessApi {
    /// The process API of a member that has one.
    #[must_use]
    pub(super) fn new(
        member: &federation::Member,
        federation: &federation::Federation,
        clients: &Clients,
    ) -> Option<Self> {
        let declared = member.processes.as_ref()?;
        let mut base = declared.url.clone();
        base.set_query(None);
        base.set_fragment(None);
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&path);
        let safe = base.scheme() == "https" || member.internal;
        let credentials = match &member.auth {
            _ if !safe => Credentials::None,
            Auth::Forward => Credentials::Forward,
            auth => client::credentials(auth).map_or(Credentials::None, |(name, value)| Credentials::Own(name, value)),
        };
        let mut fixed = client::fixed_headers(member, &federation.id);
        fixed.remove(VIA);
        Some(Self {
            member: member.id.clone(),
            client: clients.shared(member.internal).clone(),
            once: clients.once(member.internal).clone(),
            elsewhere: base.origin() != member.url.origin(),
            base,
            internal: member.internal,
            credentials,
            fixed,
            via: format!("1.1 stac-broker-{}", federation.id),
            guard: clients.guard(member, Service::Processes),
            memory: clients.memory(),
            idle: reply::IDLE,
        })
    }

    #[must_use]
    pub fn member(&self) -> &MemberId {
        &self.member
    }

    /// The process base, without a slash at its end.
    #[must_use]
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Whether the caller's own token is what this member wants.
    #[must_use]
    pub fn forwards(&self) -> bool {
        matches!(self.credentials, Credentials::Forward)
    }

    /// Sends a GET or DELETE and gives the answer when its headers are there. A GET is repeated once when no answer came.
    ///
    /// # Errors
    /// When no answer came by the deadline.
    pub async fn ask(&self, request: &Outgoing, caller: &Caller, deadline: Instant) -> Result<Reply, NoReply> {
        let url = self.url(&request.path, request.query.as_deref()).map_err(NoReply::before)?;
        let pass = self.guard.enter(deadline).await.map_err(NoReply::before)?;
        self.guard.asked();
        let no = match self.by(request, &url, caller, deadline).await {
            Ok(reply) => return Ok(answered(pass, reply)),
            Err(no) => no,
        };
        let lost = match no.sent {
            Sent::No => Lost::Connect { slowly: false },
            Sent::Maybe => Lost::Reset,
        };
        let again = request.method == Method::GET && no.failure.fault == Fault::Unreachable && pass.may_go_again();
        let pause = again.then_some(lost).and_then(|lost| self.guard.again(lost, deadline));
        let Some(pause) = pause else { return Err(failed(pass, no)) };
        pass.failed(no.failure.fault, Judged::Nothing, Strength::Unknown);
        tokio::time::sleep(pause).await;
        let pass = self.guard.enter(deadline).await.map_err(NoReply::before)?;
        match self.by(request, &url, caller, deadline).await {
            Ok(reply) => Ok(answered(pass, reply)),
            Err(no) => Err(failed(pass, no)),
        }
    }

    /// Asks for a sign of life where somebody may want one: of a server that the catalogue's own sign does not speak for,
    /// or while the breaker is not closed, so that no execution has to try whether the member is back.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn check(&self, deadline: Instant) -> Result<(), Failure> {
        if !self.elsewhere && self.guard.told().breaker.state == State::Closed {
            return Ok(());
        }
        let accept = HeaderValue::from_static("*/*");
        let request = Outgoing { method: Method::HEAD, accept, ..Outgoing::get("") };
        self.ask(&request, &Caller::default(), deadline).await.map(drop).map_err(|no| no.failure)
    }

    /// Sends an execution: once, on a connection of its own, whatever happens.
    ///
    /// # Errors
    /// When no answer came by the deadline; `sent` says whether the member can have seen any of it.
    pub async fn execute(&self, request: &Outgoing, caller: &Caller, deadline: Instant) -> Result<Reply, NoReply> {
        let url = self.url(&request.path, request.query.as_deref()).map_err(NoReply::before)?;
        let pass = self.guard.enter(deadline).await.map_err(NoReply::before)?;
        self.guard.asked();
        let once = self.once(&self.once, request, &url, caller);
        // Over while still connecting is `Maybe` too: the clock does not say in which phase it struck.
        match timeout_at(deadline, once).await.unwrap_or_else(|_elapsed| Err(NoReply::after(late()))) {
            Ok(reply) => Ok(answered(pass, reply)),
            // A run may take longer than anybody waits for it: that says nothing about the member.
            Err(no) if no.sent == Sent::Maybe => {
                pass.failed(no.failure.fault, Judged::Nothing, Strength::Unknown);
                Err(no)
            }
            Err(no) => Err(failed(pass, no)),
        }
    }

    async fn by(&self, request: &Outgoing, url: &Url, caller: &Caller, deadline: Instant) -> Result<Reply, NoReply> {
        let asked = self.followed(request, url.clone(), caller);
        timeout_at(deadline, asked).await.unwrap_or_else(|_elapsed| Err(NoReply::after(late())))
    }

    /// The address of a path below the base, and of nothing else.
    fn url(&self, path: &str, query: Option<&str>) -> Result<Url, Failure> {
        let base = self.base.path().trim_end_matches('/');
        let wanted = format!("{base}/{path}");
        let mut url = self.base.clone();
        url.set_path(&wanted);
        url.set_query(query.filter(|query| !query.is_empty()));
        // What a parser changes (dots, backslashes, question marks) was not a plain path below the base.
        let plain = url.path() == wanted && self.is_own(&url);
        if plain {
            Ok(url)
        } else {
            Err(failure(Fault::BadResponse, "path that is not plainly below the process base"))
        }
    }

    fn is_own(&self, url: &Url) -> bool {
        let base = self.base.path().trim_end_matches('/');
        let below = url.path().strip_prefix(base).is_some_and(|rest| rest.starts_with('/'));
        url.origin() == self.base.origin() && below && url.username().is_empty() && url.password().is_none()
    }

    /// Follows redirects of a GET that stay below the base; any other redirect is an answer like others.
    async fn followed(&self, request: &Outgoing, mut url: Url, caller: &Caller) -> Result<Reply, NoReply> {
        for _ in 0..REDIRECTS_MAX {
            let reply = self.once(&self.client, request, &url, caller).await?;
            let moved = matches!(reply.status.as_u16(), 301 | 302 | 303 | 307 | 308) && request.method == Method::GET;
            let target = reply.headers.get(LOCATION).and_then(|value| value.to_str().ok());
            match target.and_then(|target| url.join(target).ok()).filter(|target| moved && self.is_own(target)) {
                Some(target) => url = target,
                None => return Ok(reply),
            }
        }
        Err(NoReply::after(failure(Fault::BadResponse, "more than three redirects")))
    }

    async fn once(
        &self,
        client: &Result<reqwest::Client, String>,
        request: &Outgoing,
        url: &Url,
        caller: &Caller,
    ) -> Result<Reply, NoReply> {
        let no_client =
            |error: &String| NoReply::before(failure(Fault::Unreachable, &format!("no HTTP client: {error}")));
        let client = client.as_ref().map_err(no_client)?;
        if !self.internal && client::is_private_literal(url) {
            let text = "address is private and the member is not declared `internal`";
            return Err(NoReply::before(failure(Fault::Unreachable, text)));
        }
        let mut headers = self.headers(request, caller);
        let mut leaving = context::leaving(self.member.as_str(), &request.method);
        if let Some(leaving) = &leaving {
            leaving.mark(&mut headers);
        }
        let mut builder = client.request(request.method.clone(), url.clone()).headers(headers);
        if let Some((body, media_type)) = &request.body {
            builder = builder.header(CONTENT_TYPE, media_type.clone()).body(body.clone());
        }
        let response = builder.send().await.map_err(|error| {
            let sent = if error.is_connect() { Sent::No } else { Sent::Maybe };
            NoReply { failure: line::sending(&error.without_url()), sent }
        })?;
        if let Some(leaving) = &mut leaving {
            leaving.answered(response.status().as_u16());
        }
        let headers = response.headers();
        if headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>() > HEADER_BYTES_MAX {
            return Err(NoReply::after(failure(Fault::TooLarge, "headers over 32 KiB")));
        }
        Ok(Reply::new(response, url.clone(), Arc::clone(&self.memory), self.idle))
    }

    /// Built from nothing: what is not named here does not reach a member.
    fn headers(&self, request: &Outgoing, caller: &Caller) -> HeaderMap {
        let mut headers = self.fixed.clone();
        for (name, value) in &caller.carried {
            headers.insert(name.clone(), value.clone());
        }
        headers.insert(ACCEPT, request.accept.clone());
        if request.identity {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        for (name, value) in &request.headers {
            headers.append(name.clone(), value.clone());
        }
        let via = caller.via.as_ref().map_or_else(|| self.via.clone(), |before| format!("{before}, {}", self.via));
        if let Ok(via) = HeaderValue::from_str(&via) {
            headers.insert(VIA, via);
        }
        match (&self.credentials, &caller.authorization) {
            (Credentials::Own(name, value), _) => drop(headers.insert(name.clone(), value.clone())),
            (Credentials::Forward, Some(value)) => drop(headers.insert(AUTHORIZATION, value.clone())),
            _ => {}
        }
        headers.insert(USER_AGENT, Purpose::Search.user_agent());
        headers
    }
}

/// An answer began: what its status says of the member.
fn answered(pass: Pass, reply: Reply) -> Reply {
    let status = reply.status.as_u16();
    if matches!(status, 429 | 502..=504) {
        let refused = Failure { status: Some(status), ..failure(Fault::BadResponse, "") };
        pass.failed(Fault::BadResponse, Rules::Processes.judge(&refused, true), Rules::strength(&refused));
    } else {
        // Its body is passed on as it comes; whether it is good is not known here.
        drop(pass.answered("ok", 0));
    }
    reply
}

fn failed(pass: Pass, no: NoReply) -> NoReply {
    let patient = pass.began().elapsed() >= PATIENCE;
    pass.failed(no.failure.fault, Rules::Processes.judge(&no.failure, patient), Rules::strength(&no.failure));
    no
}

fn late() -> Failure {
    failure(Fault::Timeout, "no answer by the deadline")
}
