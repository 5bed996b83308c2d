//! The shared HTTP clients and one member's line to the outside: deadlines, byte bounds, credentials, address checks.
//!
//! Requests are built from nothing by an allow-list and go below the configured address only. It deliberately does not
//! know what is asked or what a body means beyond its being JSON.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER, USER_AGENT, VIA};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use url::{Host, Url};

use super::memory::Memory;
use super::{Failure, Fault};
use crate::federation::{self, Auth};

/// Same-origin redirects followed on one metadata GET.
const REDIRECTS_MAX: usize = 3;
/// How long a request waits for its turn at a member.
const TURN: Duration = Duration::from_millis(100);
/// A body that gives nothing for this long is given up.
const IDLE: Duration = Duration::from_secs(5);
/// After this much time a body has to have come at `RATE_MIN`.
const RATE_GRACE: Duration = Duration::from_secs(2);
/// Bytes per second.
const RATE_MIN: f64 = 1024.0;
/// Longest pause a member can ask for.
const RETRY_AFTER_MAX_S: u32 = 300;
/// Bytes of all answer headers together.
const HEADER_BYTES_MAX: usize = 32 << 10;
/// Connections to one member that are kept for later, and for how long: each holds a read buffer of some hundred KiB.
const IDLE_CONNECTIONS_MAX: usize = 16;
const IDLE_CONNECTION_LIFE: Duration = Duration::from_secs(60);
/// Characters of a member's text that go to the log.
const QUOTE_MAX: usize = 120;

/// The clients that all members share: one for public addresses, one for members declared `internal`.
#[derive(Clone)]
pub struct Clients {
    public: Result<reqwest::Client, String>,
    internal: Result<reqwest::Client, String>,
    /// As these two, with a connection for each request: what was sent on it, and nothing else, went over it.
    once_public: Result<reqwest::Client, String>,
    once_internal: Result<reqwest::Client, String>,
    memory: Arc<Memory>,
}

impl Clients {
    /// Makes the clients that these members need: each reads the system's root certificates, which takes its time.
    pub fn new(members: &[federation::Member], limits: &federation::Limits) -> Self {
        let make = |internal: bool, once: bool| {
            let needs = |member: &&federation::Member| member.enabled && (member.processes.is_some() || !once);
            let needed = members.iter().filter(needs).any(|member| member.internal == internal);
            if !needed {
                return Err("no member needs it".to_owned());
            }
            let client = builder(limits.connect, internal);
            let client = if once { client.pool_max_idle_per_host(0).http1_only() } else { client };
            client.build().map_err(|error| super::error::causes(&error))
        };
        Self {
            public: make(false, false),
            internal: make(true, false),
            once_public: make(false, true),
            once_internal: make(true, true),
            memory: Arc::new(Memory::new(limits.buffered_bytes_max)),
        }
    }

    pub(super) fn shared(&self, internal: bool) -> &Result<reqwest::Client, String> {
        if internal { &self.internal } else { &self.public }
    }

    pub(super) fn once(&self, internal: bool) -> &Result<reqwest::Client, String> {
        if internal { &self.once_internal } else { &self.once_public }
    }

    pub(super) fn memory(&self) -> Arc<Memory> {
        Arc::clone(&self.memory)
    }
}

pub(super) fn builder(connect: Duration, internal: bool) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .connect_timeout(connect)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .pool_idle_timeout(IDLE_CONNECTION_LIFE)
        .tcp_nodelay(true)
        .dns_resolver(Resolver { internal })
}

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
}

/// Why a request is made: members can tell by `User-Agent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Search,
    Probe,
}

impl Purpose {
    pub(super) fn user_agent(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Search => concat!("stac-broker/", env!("CARGO_PKG_VERSION")),
            Self::Probe => concat!("stac-broker/", env!("CARGO_PKG_VERSION"), " (probe)"),
        })
    }
}

impl Outgoing {
    pub fn get(url: Url, accept: &'static str) -> Self {
        Self { url, body: None, headers: Vec::new(), accept, redirects: true, purpose: Purpose::Search }
    }
}

/// A good answer: status 2xx and a body that begins like JSON.
#[derive(Debug)]
pub struct Answer {
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Where it came from, after redirects.
    pub url: Url,
}

/// The line to one member.
pub struct Line {
    client: Result<reqwest::Client, String>,
    base: Url,
    internal: bool,
    auth: Option<(HeaderName, HeaderValue)>,
    fixed: HeaderMap,
    turns: Semaphore,
    answer_bytes_max: usize,
    memory: Arc<Memory>,
    budget: Duration,
    /// Set by `Retry-After`: nothing is asked before.
    pause: Mutex<Option<Instant>>,
}

impl Line {
    pub fn new(member: &federation::Member, federation: &federation::Federation, clients: &Clients) -> Self {
        Self {
            client: clients.shared(member.internal).clone(),
            base: member.url.clone(),
            internal: member.internal,
            auth: credentials(&member.auth).filter(|_| member.url.scheme() == "https" || member.internal),
            fixed: fixed_headers(member, &federation.id),
            turns: Semaphore::new(member.request.concurrency_max.clamp(1, 1024)),
            answer_bytes_max: federation.limits.answer_bytes_max,
            memory: Arc::clone(&clients.memory),
            budget: member.request.deadline.unwrap_or(federation.limits.member_deadline),
            pause: Mutex::new(None),
        }
    }

    /// Sends a request and reads its whole answer.
    ///
    /// # Errors
    /// A [`Failure`] of the category that the report shows; its detail never holds a credential.
    pub async fn send(&self, request: Outgoing, deadline: Instant) -> Result<Answer, Failure> {
        let deadline = deadline.min(Instant::now() + self.budget);
        if let Some(left) = self.paused() {
            return Err(Failure {
                retry_after_s: Some(left),
                ..failure(Fault::RateLimited, "member asked for a pause")
            });
        }
        let patience = TURN.min(deadline.saturating_duration_since(Instant::now()));
        let Ok(Ok(_turn)) = timeout(patience, self.turns.acquire()).await else {
            return Err(failure(Fault::RateLimited, "all turns at this member are taken"));
        };
        match timeout_at(deadline, self.exchange(request)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(failure(Fault::Timeout, "no whole answer by the deadline")),
        }
    }

    fn paused(&self) -> Option<u32> {
        let until = (*self.pause.lock().ok()?)?;
        let left = until.checked_duration_since(Instant::now())?;
        u32::try_from(left.as_secs() + 1).ok()
    }

    async fn exchange(&self, mut request: Outgoing) -> Result<Answer, Failure> {
        for _ in 0..=REDIRECTS_MAX {
            let response = self.once(&request).await?;
            let status = response.status();
            if status.is_redirection() {
                request.url = self.redirected(&request, &response)?;
                continue;
            }
            if response.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>()
                > HEADER_BYTES_MAX
            {
                return Err(failure(Fault::TooLarge, "headers over 32 KiB"));
            }
            let headers = response.headers().clone();
            if !status.is_success() {
                return Err(self.refusal(status, &headers));
            }
            let body = self.read(response).await?;
            return sniff(&body).map(|()| Answer { headers, body, url: request.url });
        }
        Err(failure(Fault::BadResponse, "more than three redirects"))
    }

    async fn once(&self, request: &Outgoing) -> Result<reqwest::Response, Failure> {
        let client =
            self.client.as_ref().map_err(|error| failure(Fault::Unreachable, &format!("no HTTP client: {error}")))?;
        if request.url.origin() != self.base.origin() {
            return Err(failure(Fault::BadResponse, "address outside the configured origin"));
        }
        if !self.internal && is_private_literal(&request.url) {
            return Err(failure(Fault::Unreachable, "address is private and the member is not declared `internal`"));
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
        let builder = match &request.body {
            Some(body) => client.post(request.url.clone()).header(CONTENT_TYPE, "application/json").body(body.clone()),
            None => client.get(request.url.clone()),
        };
        builder.headers(headers).send().await.map_err(|error| sending(&error.without_url()))
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

    /// The category of an error status.
    fn refusal(&self, status: StatusCode, headers: &HeaderMap) -> Failure {
        let retry_after_s = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(retry_after);
        if let (Some(seconds), 429 | 503) = (retry_after_s, status.as_u16())
            && let Ok(mut pause) = self.pause.lock()
        {
            *pause = Some(Instant::now() + Duration::from_secs(seconds.into()));
        }
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

/// Whether a body begins like a JSON object, whatever its type says: members send wrong types, and HTML as JSON.
fn sniff(body: &Bytes) -> Result<(), Failure> {
    if body.trim_ascii_start().first() == Some(&b'{') {
        return Ok(());
    }
    let shown: String =
        String::from_utf8_lossy(&body[..body.len().min(QUOTE_MAX)]).chars().filter(|c| !c.is_control()).collect();
    Err(failure(Fault::BadResponse, &format!("answer is not a JSON object; it begins `{shown}`")))
}

/// Seconds of `Retry-After`, given as a number or a date.
fn retry_after(text: &str) -> Option<u32> {
    let seconds = match text.trim().parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_not_a_number) => {
            let at = chrono::DateTime::parse_from_rfc2822(text.trim()).ok()?;
            u64::try_from((at.with_timezone(&chrono::Utc) - chrono::Utc::now()).num_seconds()).ok()?
        }
    };
    Some(u32::try_from(seconds).unwrap_or(u32::MAX).min(RETRY_AFTER_MAX_S))
}

pub(super) fn fixed_headers(member: &federation::Member, federation: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &member.request.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    headers.insert(USER_AGENT, Purpose::Search.user_agent());
    // Lets a broker behind a broker notice a circle.
    if let Ok(via) = HeaderValue::from_str(&format!("1.1 stac-broker-{federation}")) {
        headers.insert(VIA, via);
    }
    headers
}

pub(super) fn credentials(auth: &Auth) -> Option<(HeaderName, HeaderValue)> {
    use base64::Engine;
    let (name, text) = match auth {
        // What a caller brings goes with that caller's executions only (`process_api.rs`).
        Auth::None | Auth::Forward => return None,
        Auth::Bearer { token } => (AUTHORIZATION, format!("Bearer {}", token.expose())),
        Auth::Basic { user, password } => {
            let pair = format!("{}:{}", user.expose(), password.expose());
            (AUTHORIZATION, format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
        }
        Auth::Header { name, value } => (HeaderName::from_bytes(name.as_bytes()).ok()?, value.expose().to_owned()),
    };
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

/// Resolves names and leaves out addresses that no public member can have, at the moment of the connection (T3).
struct Resolver {
    internal: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let internal = self.internal;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let kept: Vec<SocketAddr> = found.filter(|address| internal || is_public(address.ip())).collect();
            if kept.is_empty() {
                return Err("name leads to no public address".into());
            }
            Ok(Box::new(kept.into_iter()) as Addrs)
        })
    }
}

/// The address that a URL names without a name: a resolver is never asked about it.
fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

/// Whether a URL names, without a name, an address that no public member can have.
pub(super) fn is_private_literal(url: &Url) -> bool {
    literal(url).is_some_and(|address| !is_public(address))
}

/// Whether an address may belong to a member on the public network (IANA special-purpose registries).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        [0 | 10 | 127 | 224..=255, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4() {
        return is_public_v4(mapped);
    }
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => embedded(high, low),
        // Teredo and other protocol assignments, documentation, discard; and nothing outside global unicast.
        [0x2001, 0..=0x1ff | 0xdb8, ..] => false,
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_told_from_public_ones() {
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "193.146.1.1",
            "2a00:1450::1",
            "2001:4860::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn addresses_in_disguise_are_literals() {
        for text in [
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://[::ffff:127.0.0.1]/",
        ] {
            let address = literal(&Url::parse(text).unwrap()).unwrap();
            assert!(!is_public(address), "{text}");
        }
        assert_eq!(literal(&Url::parse("http://member.example/").unwrap()), None);
    }

    #[test]
    fn retry_after_is_bounded() {
        assert_eq!(retry_after("7"), Some(7));
        assert_eq!(retry_after("99999999999"), Some(300));
        assert_eq!(retry_after("soon"), None);
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), None);
    }

    #[test]
    fn what_does_not_begin_like_an_object_is_refused() {
        assert!(sniff(&Bytes::from_static(b" \n{}")).is_ok());
        for body in ["<html>", "", "[]", "\u{1f}\u{8b}"] {
            assert_eq!(sniff(&Bytes::from(body)).unwrap_err().fault, Fault::BadResponse);
        }
    }
}
