//! How many requests one client may make: `limits.client_rate_per_s`, requests to members counted in.
//!
//! Each process counts for itself, so several of them allow several times as much. A client is an address, or for IPv6
//! the network of 64 bits that one subscriber has. Behind trusted proxies it is the address that they name.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::request::Parts;
use tokio::time::Instant;

use crate::federation::{Federation, Server};
use crate::members::Bucket;

use super::server::Peer;

/// What a client can save up, in seconds of its rate: a page with its map comes at once.
const BURST_S: f64 = 3.0;
/// Clients remembered, some MiB; what more there are share one allowance until others have gone quiet.
const CLIENTS_MAX: usize = 65_536;
/// Addresses of one `X-Forwarded-For` that are looked at: more proxies than anybody has.
const HOPS_MAX: usize = 32;

/// What clients have left.
#[derive(Debug, Default)]
pub struct Clients(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    buckets: HashMap<IpAddr, Bucket>,
    /// Of all who found no place, and the rate that all of these were made for.
    others: Option<Bucket>,
    rate: u32,
}

impl Clients {
    /// Lets a request in, or says after how many seconds it may come again. `rate` 0: everybody is let in.
    ///
    /// # Errors
    /// Seconds, at least one.
    pub fn admit(&self, client: IpAddr, rate: u32, now: Instant) -> Result<(), u32> {
        if rate == 0 {
            return Ok(());
        }
        let mut table = self.lock();
        table.bucket(client, rate, now).take(now).map_err(|wait| {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
        })
    }

    /// Takes what a request turned out to cost beyond itself.
    pub fn charge(&self, client: IpAddr, rate: u32, count: u32, now: Instant) {
        if rate > 0 && count > 0 {
            self.lock().bucket(client, rate, now).charge(now, count);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn bucket(&mut self, client: IpAddr, rate: u32, now: Instant) -> &mut Bucket {
        if self.rate != rate {
            *self = Self { rate, ..Self::default() };
        }
        let new = || Bucket::new(rate.into(), BURST_S * f64::from(rate), now);
        let client = subscriber(client);
        if self.buckets.len() >= CLIENTS_MAX && !self.buckets.contains_key(&client) {
            // A full bucket is as good as none.
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
            if self.buckets.len() >= CLIENTS_MAX {
                return self.others.get_or_insert_with(new);
            }
        }
        self.buckets.entry(client).or_insert_with(new)
    }
}

/// The address that stands for a client: within its 64 bits an IPv6 subscriber can take any.
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// Whose request it is: the peer, or what trusted proxies say. Read from the end, since each proxy adds the address that
/// it saw; the first that is no trusted proxy is the client, and what stands before it may be its invention.
pub fn client(federation: &Federation, request: &Parts) -> Option<IpAddr> {
    let mut client = request.extensions.get::<Peer>()?.0;
    for hop in hops(request).into_iter().take(HOPS_MAX) {
        if !is_trusted(&federation.server, client) {
            break;
        }
        match hop {
            Some(address) => client = address,
            // What cannot be read ends the chain at the last address that is known.
            None => break,
        }
    }
    Some(client)
}

fn is_trusted(server: &Server, address: IpAddr) -> bool {
    server.trusted_proxies.iter().any(|network| network.contains(&address))
}

/// The addresses that proxies name, the nearest first.
fn hops(request: &Parts) -> Vec<Option<IpAddr>> {
    let list = |name: &str| -> Vec<String> {
        let values = request.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let entries = values.flat_map(|value| value.split(',').map(|entry| entry.trim().to_owned()));
        entries.collect()
    };
    let standard = list("forwarded");
    let named: Vec<Option<IpAddr>> = if standard.is_empty() {
        list("x-forwarded-for").iter().map(|entry| address(entry)).collect()
    } else {
        standard.iter().map(|element| of_element(element)).collect()
    };
    named.into_iter().rev().collect()
}

/// `for` of one element of `Forwarded` (RFC 7239).
fn of_element(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    address(value.trim().trim_matches('"'))
}

/// An address, with or without a port, in brackets or not.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.split_once(']')?.0.parse().ok();
    let with_port = || Some(text.parse::<std::net::SocketAddr>().ok()?.ip());
    text.parse().ok().or_else(with_port).or_else(bare).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::routes::tests::federation;
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn three_seconds_worth_at_once_and_then_the_rate() {
        let (clients, start) = (Clients::default(), Instant::now());
        let admitted = |now| (0..100).filter(|_| clients.admit(ip("192.0.2.1"), 5, now).is_ok()).count();
        assert_eq!(admitted(start), 15);
        assert_eq!(clients.admit(ip("192.0.2.1"), 5, start), Err(1));
        assert!(clients.admit(ip("192.0.2.2"), 5, start).is_ok(), "another client");
        assert_eq!(admitted(start + Duration::from_secs(1)), 5);
        assert!(clients.admit(ip("192.0.2.1"), 0, start).is_ok(), "off");
    }

    #[test]
    fn requests_to_members_are_counted_in() {
        let (clients, start) = (Clients::default(), Instant::now());
        clients.admit(ip("192.0.2.1"), 10, start).unwrap();
        clients.charge(ip("192.0.2.1"), 10, 40, start);
        assert_eq!(clients.admit(ip("192.0.2.1"), 10, start), Err(2), "eleven too many, and one for itself");
        assert!(clients.admit(ip("192.0.2.1"), 10, start + Duration::from_millis(1_300)).is_ok());
    }

    #[test]
    fn the_table_has_an_end() {
        let (clients, start) = (Clients::default(), Instant::now());
        let at = |n: u32| IpAddr::from(n.to_be_bytes());
        for n in 0..u32::try_from(CLIENTS_MAX).unwrap() {
            clients.admit(at(n), 1, start).unwrap();
        }
        let more: Vec<_> = (1 << 24..(1 << 24) + 10).map(|n| clients.admit(at(n), 1, start).is_ok()).collect();
        assert_eq!(more.iter().filter(|admitted| **admitted).count(), 3, "they share one allowance");
        assert_eq!(clients.lock().buckets.len(), CLIENTS_MAX);
        let later = start + Duration::from_secs(10);
        clients.admit(at(1 << 25), 1, later).unwrap();
        assert_eq!(clients.lock().buckets.len(), 1, "those who were quiet are forgotten");
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_client() {
        assert_eq!(subscriber(ip("2001:db8:1:2::5")), subscriber(ip("2001:db8:1:2:ffff::1")));
        assert_ne!(subscriber(ip("2001:db8:1:2::5")), subscriber(ip("2001:db8:1:3::5")));
        assert_eq!(subscriber(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
    }

    #[test]
    fn the_client_is_whom_trusted_proxies_name() {
        let mut proxied = federation();
        proxied.server.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        for (peer, name, value, expected) in [
            ("192.0.2.9", "x-forwarded-for", "192.0.2.1", "192.0.2.9"),
            ("10.0.0.1", "x-forwarded-for", "192.0.2.1", "192.0.2.1"),
            ("10.0.0.1", "x-forwarded-for", "8.8.8.8, 192.0.2.1, 10.0.0.7", "192.0.2.1"),
            ("10.0.0.1", "x-forwarded-for", "192.0.2.1:4711", "192.0.2.1"),
            ("10.0.0.1", "forwarded", "for=8.8.8.8, for=\"[2001:db8::1]:4711\";proto=https", "2001:db8::1"),
            ("10.0.0.1", "forwarded", "for=unknown", "10.0.0.1"),
            ("10.0.0.1", "x-forwarded-for", "192.0.2.1, nonsense", "10.0.0.1"),
            ("10.0.0.1", "x-other", "192.0.2.1", "10.0.0.1"),
        ] {
            let request = http::Request::builder().header(name, value).body(()).unwrap();
            let (mut parts, ()) = request.into_parts();
            parts.extensions.insert(Peer(ip(peer)));
            assert_eq!(client(&proxied, &parts), Some(ip(expected)), "{peer} {value}");
        }
    }
}
