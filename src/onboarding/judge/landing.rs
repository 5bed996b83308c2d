//! H, L and what links say: the address, the landing page, its links and theirs.

use chrono::TimeDelta;
use serde_json::Value;
use url::Url;

use super::{Facts, Finding, Findings, Row, counted, degraded, error, note};
use crate::members::Item;
use crate::members::inspect::Answer;
use crate::onboarding::ask::{Asked, Landing, Processes};

/// A certificate that ends within this is told.
const CERTIFICATE_DAYS: i64 = 14;
/// Relations that a client follows through a catalogue: their addresses have to be right.
const STRUCTURE: [&str; 14] = [
    "self",
    "root",
    "parent",
    "child",
    "item",
    "items",
    "collection",
    "collections",
    "data",
    "search",
    "conformance",
    "next",
    "service-desc",
    "queryables",
];

pub fn judge(facts: &Facts<'_>, findings: &mut Findings) {
    address(facts, findings);
    let landing = &facts.landing;
    findings.add(catalog(landing, facts));
    if landing.page.is_none() {
        return;
    }
    findings.add(data(landing));
    findings.add(search(facts));
    links(facts, findings);
    assets(facts, findings);
    match &landing.processes {
        Some(processes) => findings.add(executes(processes)),
        None => findings.leave_out(Row::X2),
    }
}

fn address(facts: &Facts<'_>, findings: &mut Findings) {
    let (base, landing) = (&facts.base, &facts.landing);
    let https = base.scheme() == "https";
    findings.add(if https && landing.asked.answer().is_none() {
        Finding::unchecked(Row::H1, "nothing was answered over it")
    } else if https {
        Finding::good(Row::H1, "served over https")
    } else if facts.candidate.internal {
        Finding::good(Row::H1, "plain http, which `internal = true` allows")
    } else {
        error(
            Row::H1,
            "plain http: questions and answers can be read and changed on the way",
            "serve the catalogue over https",
        )
    });
    if !https {
        findings.leave_out(Row::H2);
    } else if landing.asked.answer().is_some() {
        findings.add(certificate(facts));
    }
    let Some(answer) = landing.asked.answer() else { return };
    findings.add(match answer.location() {
        None => Finding::good(Row::H3, "answers at the address itself"),
        Some(to) => {
            let remedy = format!("configure the final URL: {to}");
            degraded(Row::H3, format!("redirects to {to}"), remedy).by(&landing.asked.evidence)
        }
    });
}

fn certificate(facts: &Facts<'_>) -> Finding {
    let Some(ends) = facts.landing.asked.answer().and_then(|answer| answer.certificate_ends) else {
        return Finding::unchecked(Row::H2, "the end of the certificate could not be read");
    };
    let date = ends.format("%Y-%m-%d");
    if ends - facts.now > TimeDelta::days(CERTIFICATE_DAYS) {
        return Finding::good(Row::H2, format!("valid until {date}"));
    }
    note(Row::H2, format!("ends on {date}"), format!("renew the certificate before {date}"))
}

const CATALOG: &str = "the landing page must be a STAC Catalog with conformsTo";

fn catalog(landing: &Landing, facts: &Facts<'_>) -> Finding {
    let asked = landing.last();
    let wrong = |seen: String, remedy: &str| error(Row::L1, seen, remedy).by(&asked.evidence);
    let Some(answer) = asked.good() else {
        let seen = no_page(asked, &facts.base);
        let remedy = match asked.answer() {
            None => "check the address, and that the catalogue runs and can be reached from here",
            Some(answer) if answer.location().is_some() => "give the address that it leads to",
            Some(answer) if matches!(answer.status, 401 | 403) => {
                "open the landing page to anonymous reading; protect assets only"
            }
            Some(answer) if answer.status >= 500 => "see the catalogue's own log",
            Some(_) => "give the address of the landing page",
        };
        return wrong(seen, remedy);
    };
    let Some(page) = &landing.page else {
        let seen = if answer.body.trim_ascii_start().starts_with(b"<") {
            "answers a page for people (HTML or XML) where a STAC Catalog in JSON was asked for"
        } else {
            "answers something that is no JSON object"
        };
        return wrong(seen.to_owned(), "give the address of the API's landing page; it must answer JSON");
    };
    if page["type"] != "Catalog" {
        let given = page["type"].as_str().map_or("missing".to_owned(), |kind| format!("`{kind}`"));
        return wrong(format!("`type` is {given}, not `Catalog`"), CATALOG);
    }
    if !page["links"].is_array() {
        return wrong("has no `links`".to_owned(), CATALOG);
    }
    let classes = landing.found.conforms_to.len();
    match &landing.conformance {
        _ if classes == 0 => wrong("declares no conformance classes".to_owned(), CATALOG),
        Some(conformance) => degraded(
            Row::L1,
            format!("`conformsTo` is missing; {} found at /conformance", counted(classes, "class")),
            "repeat conformsTo in the landing page, where STAC API wants it",
        )
        .by(&conformance.evidence),
        None => Finding::good(Row::L1, format!("a STAC Catalog with {classes} conformance classes")),
    }
}

/// What came instead of a landing page, as a sentence.
fn no_page(asked: &Asked, base: &Url) -> String {
    let host = base.host_str().unwrap_or("the address");
    match (asked.answer(), asked.unanswered()) {
        (Some(answer), _) => match (answer.location(), answer.status) {
            (Some(to), status) => format!("answered {status} and leads to {to}, which is another site"),
            (None, 404) => "answered 404: there is nothing at this address".to_owned(),
            (None, status) => format!("answered {status}"),
        },
        (None, Some(why)) => format!("no landing page from `{host}`: {why}"),
        (None, None) => format!("no landing page from `{host}`"),
    }
}

fn data(landing: &Landing) -> Finding {
    let json = |link: &&Value| link["type"].as_str().is_none_or(|media| media.contains("json"));
    let found = landing.links().filter(json).find(|link| link["rel"] == "data" || link["rel"] == "child");
    match found {
        Some(link) => Finding::good(Row::L2, format!("rel={}", link["rel"].as_str().unwrap_or_default())),
        None => error(
            Row::L2,
            "the landing page links neither to `data` nor to a `child` of a JSON type",
            "add a link rel=data to /collections",
        )
        .by(&landing.last().evidence),
    }
}

fn search(facts: &Facts<'_>) -> Finding {
    let landing = &facts.landing;
    let links: Vec<&Value> = landing.links().filter(|link| link["rel"] == "search").collect();
    let media = |link: &&&Value| link["type"].as_str().is_some_and(|media| media.contains("geo+json"));
    if links.iter().any(|link| media(&link)) {
        return Finding::good(Row::L3, "rel=search with application/geo+json");
    }
    if landing.found.search_link {
        let seen = "the `search` link has no type, or not application/geo+json";
        return degraded(Row::L3, seen, "give the `search` link the type application/geo+json")
            .by(&landing.last().evidence);
    }
    let there = facts.search.as_ref().is_some_and(|search| search.works() && !search.items_only);
    let (seen, remedy) = if there {
        ("there is no `search` link, though /search answers", "add rel=search")
    } else {
        ("there is no `search` link", "add rel=search; until then each collection costs one request")
    };
    degraded(Row::L3, seen, remedy).by(&landing.last().evidence)
}

/// Addresses and types of all links that were seen.
fn links(facts: &Facts<'_>, findings: &mut Findings) {
    let mut wrong = Vec::new();
    let (mut seen, mut untyped) = (0, 0);
    for (place, asked, links) in all_links(facts) {
        let structure = |link: &&Value| link["rel"].as_str().is_some_and(|rel| STRUCTURE.contains(&rel));
        let odd: Vec<String> = links.iter().filter(structure).filter_map(|link| oddness(link, &facts.base)).collect();
        if let Some(first) = odd.first() {
            let seen = format!("{place}: {} of {}: {first}", odd.len(), counted(links.len(), "link"));
            wrong.push(degraded(Row::L4, seen, "use absolute links with the public host name").by(&asked.evidence));
        }
        seen += links.len();
        untyped += links.iter().filter(|link| link["type"].as_str().is_none()).count();
    }
    if seen == 0 {
        for row in [Row::L4, Row::C6] {
            findings.add(Finding::unchecked(row, "no links came"));
        }
        return;
    }
    findings.add_all(Row::L4, wrong, || {
        Finding::good(Row::L4, format!("{} absolute, at this site", counted(seen, "link")))
    });
    findings.add(if untyped == 0 {
        Finding::good(Row::C6, format!("all {} have one", counted(seen, "link")))
    } else {
        note(
            Row::C6,
            format!("{untyped} of {} have no `type`", counted(seen, "link")),
            "set `type` on links and assets",
        )
    });
}

/// What is wrong with the address of a link; `None`: nothing.
fn oddness(link: &Value, base: &Url) -> Option<String> {
    let (rel, href) = (link["rel"].as_str()?, link["href"].as_str()?);
    match Url::parse(href) {
        Err(_relative) => Some(format!("rel={rel} is relative: {href}")),
        Ok(url) if url.origin() != base.origin() => {
            Some(format!("rel={rel} leads to {}", url.origin().ascii_serialization()))
        }
        Ok(_) => None,
    }
}

/// Links by the document that they were seen in.
fn all_links<'a>(facts: &'a Facts<'_>) -> Vec<(&'static str, &'a Asked, Vec<Value>)> {
    let mut all = vec![("landing page", facts.landing.last(), facts.landing.links().cloned().collect())];
    if let Some((listing, page)) = facts.listing.as_ref().and_then(|listing| Some((listing, listing.pages.first()?))) {
        let links = listing.collections.iter().flat_map(|collection| collection.links.iter().cloned());
        all.push(("Collections", page, links.collect()));
    }
    if let Some(search) = &facts.search {
        let items = search.sample().items().iter().flat_map(item_links);
        all.push(("Items", &search.sample().asked, items.collect()));
    }
    all
}

fn item_links(item: &Item) -> Vec<Value> {
    serde_json::from_slice(item.slice(&item.spans.links)).unwrap_or_default()
}

/// A2: whether anything says how assets are reached.
fn assets(facts: &Facts<'_>, findings: &mut Findings) {
    let Some(search) = facts.search.as_ref().filter(|search| !search.sample().items().is_empty()) else { return };
    let listed = facts.listing.iter().flat_map(|listing| &listing.collections);
    let mut extensions = listed.flat_map(|collection| &collection.extensions);
    let in_items = search.sample().items().iter().any(|item| {
        memchr::memmem::find(&item.bytes, b"/authentication/").is_some()
            || memchr::memmem::find(&item.bytes, b"\"auth:").is_some()
    });
    let declared = in_items || extensions.any(|name| name.contains("/authentication/"));
    findings.add(if declared {
        Finding::good(Row::A2, "declared with the authentication extension")
    } else {
        note(
            Row::A2,
            "nothing says whether assets need a token",
            "if they do, declare it with the authentication extension",
        )
    });
}

fn executes(processes: &Processes) -> Finding {
    let Processes { href, list, description } = processes;
    let remedy = "see docs/processes.md, or remove the link";
    if list.good().and_then(Answer::json).is_none_or(|page| !page["processes"].is_array()) {
        let seen = format!("the list of processes at {href} {}", list.clause());
        return degraded(Row::X2, seen, remedy).by(&list.evidence);
    }
    match description {
        Some(asked) if asked.good().and_then(Answer::json).is_none_or(|page| !page["id"].is_string()) => {
            degraded(Row::X2, format!("the description of a process {}", asked.clause()), remedy).by(&asked.evidence)
        }
        Some(_) => Finding::good(Row::X2, "processes are listed and described"),
        None => Finding::good(Row::X2, "the list of processes is there"),
    }
}
