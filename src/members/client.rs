//! The HTTP clients that all members share, and what every request of one member carries: credentials, fixed headers,
//! address checks.
//!
//! It deliberately does not know what is asked; `line.rs` sends.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, USER_AGENT, VIA};
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::guard::{Guard, Guards, Service};
use super::line::Purpose;
use super::memory::Memory;
use crate::federation::{self, Auth};

/// Connections to one member that are kept for later, and for how long: each holds a read buffer of some hundred KiB.
const IDLE_CONNECTIONS_MAX: usize = 16;
const IDLE_CONNECTION_LIFE: Duration = Duration::from_secs(60);

/// The clients that all members share: one for public addresses, one for members declared `internal`.
#[derive(Clone)]
pub struct Clients {
    public: Result<reqwest::Client, String>,
    internal: Result<reqwest::Client, String>,
    /// As these two, with a connection for each request: what was sent on it, and nothing else, went over it.
    once_public: Result<reqwest::Client, String>,
    once_internal: Result<reqwest::Client, String>,
    memory: Arc<Memory>,
    guards: Arc<Guards>,
    #[cfg(test)]
    wire: Option<Arc<dyn super::wire::Wire>>,
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
            guards: Arc::default(),
            #[cfg(test)]
            wire: None,
        }
    }

    /// No clients: what leaves goes over this wire.
    #[cfg(test)]
    pub(super) fn over(wire: &Arc<dyn super::wire::Wire>, limits: &federation::Limits) -> Self {
        let none = || Err("no network in a simulation".to_owned());
        Self {
            public: none(),
            internal: none(),
            once_public: none(),
            once_internal: none(),
            memory: Arc::new(Memory::new(limits.buffered_bytes_max)),
            guards: Arc::default(),
            wire: Some(Arc::clone(wire)),
        }
    }

    #[cfg(test)]
    pub(super) fn wire(&self) -> Option<Arc<dyn super::wire::Wire>> {
        self.wire.clone()
    }

    /// The client that inspects one member: with each answer it keeps the certificate of who gave it.
    pub(super) fn for_inspection(member: &federation::Member, limits: &federation::Limits) -> Self {
        let client = builder(limits.connect, member.internal).tls_info(true).build();
        let client = client.map_err(|error| super::error::causes(&error));
        let unused = || Err("no member needs it".to_owned());
        Self {
            public: if member.internal { unused() } else { client.clone() },
            internal: if member.internal { client } else { unused() },
            once_public: unused(),
            once_internal: unused(),
            memory: Arc::new(Memory::new(limits.buffered_bytes_max)),
            guards: Arc::default(),
            #[cfg(test)]
            wire: None,
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

    /// The guard of one of a member's services; all that ask for it share it.
    pub(super) fn guard(&self, member: &federation::Member, service: Service) -> Arc<Guard> {
        self.guards.of(member, service)
    }

    pub(super) fn guards(&self) -> Arc<Guards> {
        Arc::clone(&self.guards)
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

/// A name that leads nowhere, told apart from a connection that is refused: asking for it again costs time.
#[derive(Debug, thiserror::Error)]
#[error("name not found: {0}")]
pub struct Unnamed(std::io::Error);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let internal = self.internal;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(Unnamed)?;
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
}
