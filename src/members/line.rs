//! One member's line to the outside: deadlines and byte bounds around one request and its whole answer, and one more try
//! where that may help. Whether a request may go at all is the guard's word (`guard/`).
//!
//! Requests are built from nothing by an allow-list and go below the configured address only. It deliberately does not
//! know what is asked or what a body means beyond how it begins.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, IF_MODIFIED_SINCE, IF_NONE_MATCH, LOCATION, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use url::Url;

use super::client::{Clients, Unnamed, credentials, fixed_headers, is_private_literal};
use super::guard::flights::{Flights, Flown};
use super::guard::{Guard, Judged, Lost, Pass, RETRY_AFTER_MAX_S, Rules, Service, Trial};
use super::memory::Memory;
use super::{Failure, Fault};
use crate::federation::{self, MemberId};
use crate::telemetry::{context, metrics};

/// Same-origin redirects followed on one metadata GET.
const REDIRECTS_MAX: usize = 3;
/// Of the time for a whole answer its first byte may take so many fifths: what begins later does not end in time.
const FIRST_BYTE_FIFTHS: u32 = 4;
/// A request ends this much before its caller's deadline, so that it is seen here that it was the member that was late.
const AHEAD: Duration = Duration::from_millis(2);
/// A body that gives nothing for this long is given up.
const IDLE: Duration = Duration::from_secs(5);
/// After this much time a body has to have come at `RATE_MIN`.
const RATE_GRACE: Duration = Duration::from_secs(2);
/// Bytes per second.
const RATE_MIN: f64 = 1024.0;
/// Bytes of all answer headers together.
const HEADER_BYTES_MAX: usize = 32 << 10;
/// Characters of a member's text that go to the log.
const QUOTE_MAX: usize = 120;

/// One request, without what every request carries.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub url: Url,
    /// A body makes it a POST.
    pub body: Option<Bytes>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub accept: &'static str,
    /// Whether redirects to the same origin are followed (never on searches).
    pub redirects: bool,
    pub purpose: Purpose,
    pub expects: Expects,
}

/// What an answer must begin like, whatever its type says: members send wrong types, and HTML as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expects {
    /// An object.
    Json,
    /// Some element, declaration or comment.
    Xml,
    /// No body: it is asked for by HEAD.
    Nothing,
}

/// Why a request is made: members can tell by `User-Agent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    Search,
    Probe,
    /// The landing page, as a sign of life.
    Check,
}

impl Purpose {
    pub(super) fn user_agent(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Search => concat!("stac-broker/", env!("CARGO_PKG_VERSION")),
            Self::Probe | Self::Check => concat!("stac-broker/", env!("CARGO_PKG_VERSION"), " (probe)"),
        })
    }
}

impl Outgoing {
    /// Whether it asks only for what changed since an earlier answer (RFC 9110, 13.1).
    fn is_conditional(&self) -> bool {
        self.headers.iter().any(|(name, _)| *name == IF_NONE_MATCH || *name == IF_MODIFIED_SINCE)
    }

    /// A sign of life at the least cost for whoever gives it.
    pub fn sign_of_life(url: Url) -> Self {
        Self { purpose: Purpose::Check, expects: Expects::Nothing, ..Self::get(url, "*/*") }
    }

    pub fn get(url: Url, accept: &'static str) -> Self {
        Self {
            url,
            body: None,
            headers: Vec::new(),
            accept,
            redirects: true,
            purpose: Purpose::Search,
            expects: Expects::Json,
        }
    }
}

/// A good answer: status 2xx and a body that begins as expected; or, to a conditional request, 304 and no body.
#[derive(Debug)]
pub struct Answer {
    /// False: 304, the document is as it was.
    pub changed: bool,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Where it came from, after redirects.
    pub url: Url,
    /// Hears what reading the body comes to.
    pub trial: Trial,
}

/// What makes two requests equal.
type Key = (Purpose, Expects, Url, Option<Bytes>, &'static str, Vec<(HeaderName, HeaderValue)>);

/// What others get of an answer.
#[derive(Debug, Clone)]
struct Shared {
    changed: bool,
    headers: HeaderMap,
    body: Bytes,
    url: Url,
}

/// Why there is no good answer, and whether another try may help.
struct Ended {
    failed: Failure,
    lost: Option<Lost>,
    /// The time of whoever asked was over; not a bound of ours on how slow a member may be.
    by_caller: bool,
}

impl From<Failure> for Ended {
    fn from(failed: Failure) -> Self {
        let lost = failed.status.and_then(|status| Lost::of_status(status, failed.retry_after_s));
        Self { failed, lost, by_caller: false }
    }
}

/// An answer of any status, as it came.
#[derive(Debug)]
pub(super) struct Whole {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The member's certificate (DER), where the client keeps it.
    pub certificate: Option<Vec<u8>>,
}

/// The line to one member.
pub struct Line {
    member: MemberId,
    client: Result<reqwest::Client, String>,
    base: Url,
    internal: bool,
    auth: Option<(HeaderName, HeaderValue)>,
    fixed: HeaderMap,
    answer_bytes_max: usize,
    memory: Arc<Memory>,
    budget: Duration,
    guard: Arc<Guard>,
    flights: Flights<Key, Result<Shared, Failure>>,
    #[cfg(test)]
    wire: Option<Arc<dyn super::wire::Wire>>,
}

impl Line {
    pub fn new(member: &federation::Member, federation: &federation::Federation, clients: &Clients) -> Self {
        Self {
            member: member.id.clone(),
            client: clients.shared(member.internal).clone(),
            base: member.url.clone(),
            internal: member.internal,
            auth: credentials(&member.auth).filter(|_| member.url.scheme() == "https" || member.internal),
            fixed: fixed_headers(member, &federation.id),
            answer_bytes_max: federation.limits.answer_bytes_max,
            memory: clients.memory(),
            budget: member.request.deadline.unwrap_or(federation.limits.member_deadline),
            guard: clients.guard(member, Service::Catalogue),
            flights: Flights::default(),
            #[cfg(test)]
            wire: clients.wire(),
        }
    }

    /// The same line with another bound on one answer.
    pub fn with_answer_bytes_max(mut self, bytes_max: usize) -> Self {
        self.answer_bytes_max = bytes_max;
        self
    }

    /// Sends a request and reads its whole answer, or takes that of an equal one under way: nothing that is sent here
    /// depends on who asks the broker.
    ///
    /// # Errors
    /// A [`Failure`] of the category that the report shows; its detail never holds a credential.
    pub async fn send(&self, request: Outgoing, deadline: Instant) -> Result<Answer, Failure> {
        let now = Instant::now();
        let deadline = deadline.min(now + self.budget);
        let deadline = deadline.checked_sub(AHEAD).unwrap_or(deadline);
        if deadline <= now {
            // Nothing is sent that cannot be answered: the member is neither asked nor judged.
            return Err(failure(Fault::Timeout, "no time is left to ask it"));
        }
        // Before joining an equal one: that may be the one that tries whether the member is back, for as long as that takes.
        self.guard.closed()?;
        let Outgoing { purpose, expects, url, body, accept, headers, .. } = &request;
        let key = (*purpose, *expects, url.clone(), body.clone(), *accept, headers.clone());
        match self.flights.fly(key, deadline, shared, || self.sent(request, deadline)).await {
            Flown::Led(outcome) => outcome,
            Flown::Joined(outcome) => {
                metrics::coalesced(self.guard.member().as_str());
                outcome.map(|Shared { changed, headers, body, url }| Answer {
                    changed,
                    headers,
                    body,
                    url,
                    trial: Trial::default(),
                })
            }
            Flown::Late => Err(failure(Fault::Timeout, "no whole answer by the deadline")),
        }
    }

    /// What was asked for came larger than it may, whatever its size was.
    pub fn endless(&self) {
        self.guard.endless();
    }

    /// Asks for a sign of life. An answer is one, whatever it says: servers that know no HEAD refuse it.
    ///
    /// # Errors
    /// When no answer came, or nothing was sent because of what came before.
    pub async fn sign_of_life(&self, url: Url, deadline: Instant) -> Result<(), Failure> {
        match self.send(Outgoing::sign_of_life(url), deadline).await {
            Err(failed) if failed.status.is_none_or(|status| status >= 500) => Err(failed),
            _ => Ok(()),
        }
    }

    /// Sends a request once and gives whatever answer comes, redirects and error statuses included: for those who judge
    /// the answer itself. A `Retry-After` is theirs to honour.
    ///
    /// # Errors
    /// When no whole answer came within the bounds.
    pub(super) async fn whole(&self, request: &Outgoing, deadline: Instant) -> Result<Whole, Failure> {
        let exchange = async {
            let response = self.once(request).await.map_err(|ended| ended.failed)?;
            let tls = response.extensions().get::<reqwest::tls::TlsInfo>();
            let certificate = tls.and_then(|tls| tls.peer_certificate()).map(<[u8]>::to_vec);
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = without_mark(self.read(response).await?);
            Ok(Whole { status, headers, body, certificate })
        };
        timeout_at(deadline, exchange)
            .await
            .unwrap_or_else(|_elapsed| Err(failure(Fault::Timeout, "no whole answer by the deadline")))
    }

    /// Sends, once more where that may help.
    async fn sent(&self, request: Outgoing, deadline: Instant) -> Result<Answer, Failure> {
        // What a server makes of HEAD says little of what it makes of other requests.
        let lenient = request.purpose == Purpose::Probe || request.expects == Expects::Nothing;
        let rules = if lenient { Rules::Probe } else { Rules::Catalogue };
        let pass = self.guard.enter(deadline).await?;
        self.guard.asked();
        let ended = match self.attempt(&request, deadline).await {
            Ok(answer) => return Ok(good(pass, answer)),
            Err(ended) => ended,
        };
        let pause = ended.lost.filter(|_| pass.may_go_again()).and_then(|lost| self.guard.again(lost, deadline));
        let Some(pause) = pause else { return Err(self.bad(pass, ended, rules)) };
        // What another try may mend is not held against the member yet.
        pass.failed(ended.failed.fault, Judged::Nothing, Rules::strength(&ended.failed));
        sleep(pause).await;
        let pass = self.guard.enter(deadline).await?;
        match self.attempt(&request, deadline).await {
            Ok(answer) => Ok(good(pass, answer)),
            Err(ended) => Err(self.bad(pass, ended, rules)),
        }
    }

    fn bad(&self, pass: Pass, ended: Ended, rules: Rules) -> Failure {
        let Ended { failed, lost, by_caller } = ended;
        if let (Some(seconds), Some(429 | 503)) = (failed.retry_after_s, failed.status) {
            self.guard.pause(seconds);
        }
        if lost == Some(Lost::Connect { slowly: true }) {
            self.guard.unreachable();
        }
        let patient = !by_caller || pass.began().elapsed() >= self.budget / 2;
        let (judged, strength) = (rules.judge(&failed, patient), Rules::strength(&failed));
        pass.failed(failed.fault, judged, strength);
        failed
    }

    async fn attempt(&self, request: &Outgoing, deadline: Instant) -> Result<Answer, Ended> {
        match timeout_at(deadline, self.exchange(request.clone())).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => {
                let failed = failure(Fault::Timeout, "no whole answer by the deadline");
                Err(Ended { failed, lost: None, by_caller: true })
            }
        }
    }

    async fn exchange(&self, mut request: Outgoing) -> Result<Answer, Ended> {
        let first_byte = self.budget * FIRST_BYTE_FIFTHS / 5;
        for _ in 0..=REDIRECTS_MAX {
            let Ok(response) = timeout(first_byte, self.once(&request)).await else {
                return Err(failure(Fault::Timeout, "no answer began in time").into());
            };
            let response = response?;
            let status = response.status();
            if status == StatusCode::NOT_MODIFIED && request.is_conditional() {
                let headers = response.headers().clone();
                let (body, trial) = (Bytes::new(), Trial::default());
                return Ok(Answer { changed: false, headers, body, url: request.url, trial });
            }
            if status.is_redirection() {
                request.url = self.redirected(&request, &response)?;
                continue;
            }
            if response.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>()
                > HEADER_BYTES_MAX
            {
                return Err(failure(Fault::TooLarge, "headers over 32 KiB").into());
            }
            let headers = response.headers().clone();
            if !status.is_success() {
                return Err(refusal(status, &headers).into());
            }
            let body = if request.expects == Expects::Nothing {
                Bytes::new()
            } else {
                without_mark(self.read(response).await?)
            };
            sniff(&body, request.expects)?;
            return Ok(Answer { changed: true, headers, body, url: request.url, trial: Trial::default() });
        }
        Err(failure(Fault::BadResponse, "more than three redirects").into())
    }

    async fn once(&self, request: &Outgoing) -> Result<reqwest::Response, Ended> {
        if request.url.origin() != self.base.origin() {
            return Err(failure(Fault::BadResponse, "address outside the configured origin").into());
        }
        if !self.internal && is_private_literal(&request.url) {
            let text = "address is private and the member is not declared `internal`";
            return Err(failure(Fault::Unreachable, text).into());
        }
        let mut headers = self.fixed.clone();
        headers.insert(ACCEPT, HeaderValue::from_static(request.accept));
        headers.insert(USER_AGENT, request.purpose.user_agent());
        for (name, value) in &request.headers {
            if !headers.contains_key(name) {
                headers.insert(name.clone(), value.clone());
            }
        }
        if let Some((name, value)) = &self.auth {
            headers.insert(name.clone(), value.clone());
        }
        let method = match (&request.body, request.expects) {
            (Some(_), _) => Method::POST,
            (None, Expects::Nothing) => Method::HEAD,
            (None, _) => Method::GET,
        };
        let mut leaving = context::leaving(self.member.as_str(), &method);
        if let Some(leaving) = &leaving {
            leaving.mark(&mut headers);
        }
        #[cfg(test)]
        if let Some(wire) = &self.wire {
            return self.by_wire(wire.as_ref(), request, headers).await;
        }
        let client =
            self.client.as_ref().map_err(|error| failure(Fault::Unreachable, &format!("no HTTP client: {error}")))?;
        let builder = match &request.body {
            Some(body) => client.post(request.url.clone()).header(CONTENT_TYPE, "application/json").body(body.clone()),
            None => client.request(method, request.url.clone()),
        };
        let sent = builder.headers(headers).send().await;
        if let (Some(leaving), Ok(response)) = (&mut leaving, &sent) {
            leaving.answered(response.status().as_u16());
        }
        sent.map_err(|error| {
            let lost = lost(&error);
            Ended { failed: sending(&error.without_url()), lost, by_caller: false }
        })
    }

    /// The same over a wire that is no network.
    #[cfg(test)]
    async fn by_wire(
        &self,
        wire: &dyn super::wire::Wire,
        request: &Outgoing,
        headers: HeaderMap,
    ) -> Result<reqwest::Response, Ended> {
        let (url, body) = (request.url.clone(), request.body.clone());
        let sent = super::wire::Sent { member: self.member.clone(), url, headers, body };
        let given = wire.exchange(sent).await;
        given.map(super::wire::Given::into_response).map_err(|unsent| {
            let (failed, lost) = unsent.told();
            Ended { failed, lost: Some(lost), by_caller: false }
        })
    }

    fn redirected(&self, request: &Outgoing, response: &reqwest::Response) -> Result<Url, Failure> {
        let status = Some(response.status().as_u16());
        let refuse = |text: &str| Failure { status, ..failure(Fault::BadResponse, text) };
        if !request.redirects || request.body.is_some() {
            return Err(refuse("redirect on a search"));
        }
        let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let target =
            target.and_then(|text| request.url.join(text).ok()).ok_or_else(|| refuse("redirect to nowhere"))?;
        if target.origin() == self.base.origin() { Ok(target) } else { Err(refuse("redirect to another origin")) }
    }

    /// Reads a body, counting bytes after decompression.
    async fn read(&self, mut response: reqwest::Response) -> Result<Bytes, Failure> {
        let too_large = || failure(Fault::TooLarge, "answer over the bound on bytes");
        let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        if announced > self.answer_bytes_max {
            return Err(too_large());
        }
        let mut turn = self.memory.reading().await;
        let mut body = self.memory.hold(announced);
        let began = Instant::now();
        loop {
            let chunk = match timeout(IDLE, response.chunk()).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => return Ok(body.keep()),
                Ok(Err(error)) => return Err(sending(&error.without_url())),
                Err(_elapsed) => return Err(failure(Fault::Timeout, "body stopped")),
            };
            if body.len() + chunk.len() > self.answer_bytes_max {
                return Err(too_large());
            }
            turn.pass_on();
            if !body.push(&chunk) {
                return Err(failure(Fault::RateLimited, "the broker holds as many bytes of members as it may"));
            }
            let elapsed = began.elapsed();
            #[expect(clippy::cast_precision_loss, reason = "bodies are far below 2^52 bytes")]
            if elapsed > RATE_GRACE && (body.len() as f64) < RATE_MIN * elapsed.saturating_sub(RATE_GRACE).as_secs_f64()
            {
                return Err(failure(Fault::Timeout, "body comes slower than 1 KiB/s"));
            }
        }
    }
}

/// A whole answer, which has yet to be read.
fn good(pass: Pass, mut answer: Answer) -> Answer {
    answer.trial = pass.answered(if answer.changed { "ok" } else { "not-modified" }, answer.body.len());
    answer
}

/// What others get of an outcome. That the leader's time was over is its own matter.
fn shared(outcome: &Result<Answer, Failure>) -> Option<Result<Shared, Failure>> {
    match outcome {
        Ok(answer) => Some(Ok(Shared {
            changed: answer.changed,
            headers: answer.headers.clone(),
            body: answer.body.clone(),
            url: answer.url.clone(),
        })),
        Err(Failure { fault: Fault::Timeout, status: None, .. }) => None,
        Err(failed) => Some(Err(failed.clone())),
    }
}

/// The category of an error status.
fn refusal(status: StatusCode, headers: &HeaderMap) -> Failure {
    let retry_after_s = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(retry_after);
    let fault = match status.as_u16() {
        401 | 407 => Fault::Unauthorized,
        403 => Fault::Forbidden,
        429 => Fault::RateLimited,
        408 | 504 => Fault::Timeout,
        405 | 501 => Fault::Unsupported,
        _ => Fault::BadResponse,
    };
    let detail = format!("member answered {}", status.as_u16());
    Failure { fault, detail, status: Some(status.as_u16()), retry_after_s }
}

/// How a request was lost, where another try may help.
fn lost(error: &reqwest::Error) -> Option<Lost> {
    let mut unnamed = false;
    let mut reset = false;
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        unnamed |= inner.is::<Unnamed>();
        reset |= inner.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message);
        reset |= inner
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));
        cause = inner.source();
    }
    if error.is_connect() {
        Some(Lost::Connect { slowly: unnamed || error.is_timeout() })
    } else {
        reset.then_some(Lost::Reset)
    }
}

/// A failure without an answer.
pub fn failure(fault: Fault, detail: &str) -> Failure {
    Failure { fault, detail: detail.to_owned(), status: None, retry_after_s: None }
}

pub(super) fn sending(error: &reqwest::Error) -> Failure {
    let fault = if error.is_timeout() && !error.is_connect() {
        Fault::Timeout
    } else if error.is_body() || error.is_decode() {
        Fault::BadResponse
    } else {
        Fault::Unreachable
    };
    failure(fault, &super::error::causes(error))
}

/// The byte order mark that some servers put before UTF-8 says nothing.
fn without_mark(body: Bytes) -> Bytes {
    if body.starts_with(b"\xef\xbb\xbf") { body.slice(3..) } else { body }
}

/// Whether a body begins as expected.
fn sniff(body: &Bytes, expects: Expects) -> Result<(), Failure> {
    let (first, wanted) = match expects {
        Expects::Json => (b'{', "a JSON object"),
        Expects::Xml => (b'<', "XML"),
        Expects::Nothing => return Ok(()),
    };
    if body.trim_ascii_start().first() == Some(&first) {
        return Ok(());
    }
    let shown: String =
        String::from_utf8_lossy(&body[..body.len().min(QUOTE_MAX)]).chars().filter(|c| !c.is_control()).collect();
    Err(failure(Fault::BadResponse, &format!("answer is not {wanted}; it begins `{shown}`")))
}

/// Seconds of `Retry-After`, given as a number or a date.
pub(super) fn retry_after(text: &str) -> Option<u32> {
    let seconds = match text.trim().parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_not_a_number) => {
            let at = chrono::DateTime::parse_from_rfc2822(text.trim()).ok()?;
            u64::try_from((at.with_timezone(&chrono::Utc) - chrono::Utc::now()).num_seconds()).ok()?
        }
    };
    Some(u32::try_from(seconds).unwrap_or(u32::MAX).min(RETRY_AFTER_MAX_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_bounded() {
        assert_eq!(retry_after("7"), Some(7));
        assert_eq!(retry_after("99999999999"), Some(300));
        assert_eq!(retry_after("soon"), None);
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), None);
    }

    #[test]
    fn what_does_not_begin_like_an_object_is_refused() {
        assert!(sniff(&Bytes::from_static(b" \n{}"), Expects::Json).is_ok());
        for body in ["<html>", "", "[]", "\u{1f}\u{8b}"] {
            assert_eq!(sniff(&Bytes::from(body), Expects::Json).unwrap_err().fault, Fault::BadResponse);
        }
    }
}
