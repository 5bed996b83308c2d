//! Members that are not written in the federation file itself: those of sites' own files, and those that a registry of
//! sites names. Here is what `[registry]` means, and how a registry's list and the declared members become one federation.
//!
//! What is declared wins: a registry says that a site exists and where, a declaration says what it keeps and how it is
//! asked. A registry never renames anything: an id that is taken leaves the newcomer out, with a sentence that says so.

use std::collections::HashSet;
use std::time::Duration;

use url::Url;

use super::validate::{ID_BYTES_MAX, MEMBERS_MAX, plain_member};
use super::{Federation, Member, MemberId, Patterns};

/// `[registry]`, and what came of it.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// Folder with one file for each site, as written.
    pub directory: Option<String>,
    pub gocdb: Option<Gocdb>,
    /// What the registry named and is a member.
    pub listed: Vec<Listed>,
    /// What it named and is none.
    pub left_out: Vec<LeftOut>,
}

/// `registry.gocdb`: the configuration database of EGI as a source of members.
#[derive(Debug, Clone, PartialEq)]
pub struct Gocdb {
    /// Base of its public interface, without a final slash.
    pub url: Url,
    /// The tag that its services must carry.
    pub scope: String,
    pub refresh: Duration,
    /// Over the names of sites.
    pub allow: Patterns,
    pub deny: Patterns,
    /// True permits private, loopback and link-local addresses, and plain HTTP, of the registry and of what it names.
    pub internal: bool,
}

impl Gocdb {
    /// Whether both ask the same question: an answer to one is an answer to the other.
    #[must_use]
    pub fn asks_as(&self, other: &Self) -> bool {
        (&self.url, &self.scope, self.internal) == (&other.url, &other.scope, other.internal)
    }
}

/// A catalogue as the registry names it; nothing of it has been checked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    pub site: String,
    pub url: String,
}

/// A catalogue of the registry that is a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub site: String,
    pub member: MemberId,
    /// True: a `[[member]]` with this address says how; false: the registry alone names it.
    pub declared: bool,
}

/// A catalogue of the registry that is no member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    pub endpoint: Endpoint,
    /// Why, and what to do, as a clause.
    pub reason: String,
}

/// The declared federation with the members that the registry names besides.
///
/// They follow the declared ones in the order of their sites' names, so that equal answers make equal federations.
#[must_use]
pub fn joined(declared: &Federation, endpoints: &[Endpoint]) -> Federation {
    let mut federation = declared.clone();
    let Some(gocdb) = &declared.registry.gocdb else { return federation };
    let mut endpoints = endpoints.to_vec();
    endpoints.sort();
    endpoints.dedup();
    for endpoint in endpoints {
        match admitted(&federation, gocdb, &endpoint) {
            Ok(Admitted::Declared(member)) => {
                federation.registry.listed.push(Listed { site: endpoint.site, member, declared: true });
            }
            Ok(Admitted::New(member)) => {
                let listed = Listed { site: endpoint.site, member: member.id.clone(), declared: false };
                federation.registry.listed.push(listed);
                federation.members.push(*member);
            }
            Err(reason) => federation.registry.left_out.push(LeftOut { endpoint, reason }),
        }
    }
    federation
}

enum Admitted {
    Declared(MemberId),
    New(Box<Member>),
}

/// What becomes of one endpoint beside the members so far, or why it is left out.
fn admitted(federation: &Federation, gocdb: &Gocdb, endpoint: &Endpoint) -> Result<Admitted, String> {
    let site = &endpoint.site;
    if !gocdb.allow.matches(site) {
        return Err("no glob of `allow` matches the site".into());
    }
    if gocdb.deny.matches(site) {
        return Err("a glob of `deny` matches the site".into());
    }
    let place = Url::parse(&endpoint.url).ok().map(|url| place(&url));
    let here = federation.members.iter().find(|member| {
        let mut bases = std::iter::once(&member.url).chain(&member.aliases);
        bases.any(|base| Some(self::place(base)) == place)
    });
    if let Some(member) = here {
        let earlier = federation.registry.listed.iter().find(|listed| listed.member == member.id);
        return match earlier {
            None => Ok(Admitted::Declared(member.id.clone())),
            Some(earlier) => Err(format!("the site `{}` has the same address", earlier.site)),
        };
    }
    if federation.members.len() >= MEMBERS_MAX {
        return Err(format!("there are {MEMBERS_MAX} members already"));
    }
    let id = id_of(site).ok_or("its name has no letter or digit to make an id of: declare it as a `[[member]]`")?;
    if taken(federation).contains(&id.to_ascii_lowercase()) {
        return Err(format!("the id `{id}` is taken by another address: declare this one as a `[[member]]`"));
    }
    plain_member(&id, site, &endpoint.url, gocdb.internal).map(|member| Admitted::New(Box::new(member)))
}

/// Ids that members have or had, in lower case.
fn taken(federation: &Federation) -> HashSet<String> {
    let ids = federation.members.iter().flat_map(|member| {
        let earlier = member.renamed_from.iter().map(String::as_str);
        std::iter::once(member.id.as_str()).chain(earlier)
    });
    ids.map(str::to_ascii_lowercase).collect()
}

/// Where an address leads, whichever way it is written: with or without TLS, with or without a final slash.
fn place(url: &Url) -> (Option<String>, Option<u16>, String) {
    (url.host_str().map(str::to_owned), url.port(), url.path().trim_end_matches('/').to_owned())
}

/// A site's name as an id: characters that ids do not have become `-`.
fn id_of(site: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let id: String = site.chars().map(|c| if fits(c) { c } else { '-' }).collect();
    let id = id.trim_start_matches(['-', '_']).trim_end_matches('-');
    let id: String = id.chars().take(ID_BYTES_MAX).collect();
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::federation::load_text;

    fn declared(gocdb: &str, members: &str) -> Federation {
        let text = format!(
            "[federation]\nid = \"f\"\n[registry]\ngocdb = {{ url = \"https://goc.example/pi\", scope = \"S\"{gocdb} }}\n{members}"
        );
        load_text("f.toml", &text, Path::new("")).map_err(|problems| problems.to_text()).unwrap().federation
    }

    fn endpoint(site: &str, url: &str) -> Endpoint {
        Endpoint { site: site.into(), url: url.into() }
    }

    fn ids(federation: &Federation) -> Vec<&str> {
        federation.members.iter().map(|member| member.id.as_str()).collect()
    }

    #[test]
    fn members_of_the_registry_follow_the_declared_ones_by_name_of_site() {
        let declared = declared("", "[[member]]\nid = \"Z\"\nurl = \"https://z.example\"\n");
        let endpoints = [endpoint("C C", "https://c.example/v1"), endpoint("B", "https://b.example/v1")];
        let federation = joined(&declared, &endpoints);
        assert_eq!(ids(&federation), ["Z", "B", "C-C"]);
        let member = &federation.members[2];
        assert_eq!(
            (member.title.as_str(), member.url.as_str(), member.internal),
            ("C C", "https://c.example/v1", false)
        );
        assert_eq!(member.policy, crate::federation::Policy::default());
        let turned: Vec<_> = endpoints.iter().rev().cloned().collect();
        assert_eq!(joined(&declared, &turned).members, federation.members);
        assert!(joined(&declared, &[]).members.len() == 1, "nothing named, nothing added");
    }

    #[test]
    fn a_declared_address_wins_however_it_is_written() {
        let declared = declared(
            "",
            "[[member]]\nid = \"OURS\"\nurl = \"https://a.example/v1\"\naliases = [\"https://old.example:8443/\"]\nenabled = false\n",
        );
        for url in ["https://a.example/v1/", "http://A.example/v1", "https://old.example:8443"] {
            let federation = joined(&declared, &[endpoint("SITE", url)]);
            assert_eq!(ids(&federation), ["OURS"], "{url}");
            assert!(!federation.members[0].enabled, "what is switched off stays off");
            let listed = Listed { site: "SITE".into(), member: MemberId::new("OURS"), declared: true };
            assert_eq!(federation.registry.listed, [listed]);
        }
        assert_eq!(ids(&joined(&declared, &[endpoint("SITE", "https://a.example/v2")])), ["OURS", "SITE"]);
    }

    #[test]
    fn what_cannot_be_a_member_is_left_out_with_its_reason() {
        let declared = declared(
            ", allow = [\"A*\", \"B\", \"…\"], deny = [\"AX\"]",
            "[[member]]\nid = \"a1\"\nrenamed_from = [\"A9\"]\nurl = \"https://a.example\"\n",
        );
        for (site, url, reason) in [
            ("C", "https://c.example", "no glob of `allow`"),
            ("AX", "https://x.example", "a glob of `deny`"),
            ("A1", "https://other.example", "the id `A1` is taken"),
            ("A9", "https://other.example", "the id `A9` is taken"),
            ("…", "https://other.example", "no letter or digit"),
            ("A2", "a2.example/stac", "not an absolute address"),
            ("A2", "ftp://a2.example/stac", "neither `https` nor `http`"),
            ("A2", "http://a2.example/stac", "has no TLS"),
            ("A2", "https://10.1.2.3/stac", "a private, loopback or link-local address"),
            ("A2", "https://me:secret@a2.example/stac", "a user or a password"),
            ("A2", "https://a2.example/?k=1", "with a query"),
        ] {
            let federation = joined(&declared, &[endpoint(site, url)]);
            assert_eq!((federation.members.len(), federation.registry.left_out.len()), (1, 1), "{site} {url}");
            let told = &federation.registry.left_out[0].reason;
            assert!(told.contains(reason) && !told.contains("secret"), "{site} {url}: {told}");
        }
    }

    #[test]
    fn two_names_for_one_place_are_one_member() {
        let endpoints = [
            endpoint("A", "https://a.example"),
            endpoint("B", "https://a.example/"),
            endpoint("A", "https://a.example"),
        ];
        let federation = joined(&declared("", ""), &endpoints);
        assert_eq!(ids(&federation), ["A"]);
        assert_eq!(federation.registry.left_out[0].reason, "the site `A` has the same address");
    }

    #[test]
    fn a_registry_does_not_bring_more_members_than_a_federation_may_have() {
        let endpoints: Vec<_> =
            (0..300).map(|n| endpoint(&format!("S{n}"), &format!("https://s{n}.example"))).collect();
        let federation = joined(&declared("", ""), &endpoints);
        assert_eq!((federation.members.len(), federation.registry.left_out.len()), (MEMBERS_MAX, 300 - MEMBERS_MAX));
    }

    #[test]
    fn ids_are_made_of_names() {
        assert_eq!(id_of("INFN-CLOUD BARI").as_deref(), Some("INFN-CLOUD-BARI"));
        assert_eq!(id_of("-_é Übersee").as_deref(), Some("bersee"));
        assert_eq!(id_of(&"x".repeat(100)).map(|id| id.len()), Some(ID_BYTES_MAX));
        assert_eq!(id_of("…"), None);
    }
}
