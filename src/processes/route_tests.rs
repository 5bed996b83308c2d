//! Executions of one federation, each with the member that executes it or the problem that is told.

#![expect(clippy::needless_pass_by_value, reason = "a table of literals reads better so")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::super::ids::{self, Named};
use super::super::references;
use super::*;
use crate::collections::Ids;
use crate::federation::{Auth, Federation, Routing, load_text};

const FEDERATION: &str = r#"
[federation]
id = "ocean"

# An archive of everything, and several processes.
[[member]]
id = "EODC"
url = "https://stac.eodc.example/v1"
aliases = ["http://eodc-internal:8082/stac"]
renamed_from = ["ACube"]
[member.processes]
url = "https://processes.eodc.example/oapi"
data_prefixes = ["s3://eodc/", "https://data.eodc.example/"]

# A relay around Greece that keeps one year, and is preferred.
[[member]]
id = "GRNET"
url = "https://stac.grnet.example"
[member.policy]
priority = 10
focus = { bbox = [19.0, 34.0, 30.0, 42.0] }
[[member.policy.retention]]
collections = ["sentinel-2-*"]
keep = "P1Y"
[[member.policy.retention]]
collections = ["archive"]
until = "2020-01-01T00:00:00Z"
[member.processes]
url = "https://stac.grnet.example/wps"
order_process = "retrieve"

[[member]]
id = "CREODIAS"
url = "https://creodias.example/stac"
[[member.policy.retention]]
collections = ["lake"]
keep = "P10Y"
[member.processes]
url = "https://creodias.example/ogc"
data_prefixes = ["s3://shared/", "s3://eodc/mirror/"]

[[member]]
id = "EDITO"
url = "https://api.edito.example/data"
[member.processes]
url = "https://api.edito.example/processes"
aliases = ["http://internal:5000/oapi"]
data_prefixes = ["s3://edito/", "s3://shared/"]
data_inputs = ["product"]

# It has data in a store, and one process of its own.
[[member]]
id = "EMODNET"
url = "https://emodnet.example/stac"
[member.processes]
url = "https://emodnet.example/ogc"
data_prefixes = ["s3://emodnet-zarr/"]

# It executes with the caller's own token.
[[member]]
id = "CMEMS"
url = "https://stac.cmems.example"
[member.auth]
mode = "forward"
[member.processes]
url = "https://processes.cmems.example"
data_prefixes = ["s3://cmems/"]

# A catalogue that executes nothing, and whose list of Collections is not known.
[[member]]
id = "VITO"
url = "https://vito.example/stac"

[processes]
aliases = { subset = ["EDITO:clip"] }

# One name for what two of them call differently, the data centre before the preferred relay.
[[collection]]
id = "wind-and-lakes"
holders = ["CREODIAS|wind", "EDITO|lake"]

[[collection]]
id = "scenes"
holders = ["EODC|sentinel-2-l2a", "GRNET|sentinel-2-l2a"]
"#;

/// What the members' lists say, in byte order.
const COLLECTIONS: [(&str, &[&str]); 6] = [
    ("EODC", &["landsat", "sentinel-1-grd", "sentinel-2-l2a"]),
    ("GRNET", &["archive", "sentinel-2-l2a", "sentinel-3"]),
    ("CREODIAS", &["lake", "sentinel-5p", "wind"]),
    ("EDITO", &["lake", "ocean-sst", "wind"]),
    ("EMODNET", &["bathymetry"]),
    ("CMEMS", &["ocean-sst"]),
];

/// Process, member, its own id, whether it runs asynchronously.
const OFFERS: [(&str, &str, &str, bool); 14] = [
    ("subset", "EODC", "subset", true),
    ("subset", "GRNET", "subset", false),
    ("subset", "CREODIAS", "subset", true),
    ("subset", "EDITO", "clip", true),
    ("subset", "CMEMS", "subset", true),
    ("ndvi", "EODC", "ndvi", true),
    ("ndvi", "CREODIAS", "ndvi", true),
    ("hello-world", "EODC", "hello-world", true),
    ("hello-world", "EDITO", "hello-world", true),
    ("wave", "EODC", "wave", true),
    ("wave", "EDITO", "wave", false),
    ("forecast", "EDITO", "forecast", true),
    ("depth", "EMODNET", "depth", true),
    ("login", "CMEMS", "login", true),
];

/// What differs from a plain request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum With {
    Async,
    Token,
    Preferred,
    Majority,
    Reject,
    Closed(&'static str),
    Probe(&'static str, Probed),
    /// Its processes cannot be asked for.
    Unread(&'static str),
}
use With::*;

static READ: LazyLock<Federation> = LazyLock::new(|| {
    load_text("f.toml", FEDERATION, Path::new("")).map_err(|problems| problems.to_text()).unwrap().federation
});

fn routing(federation: &Federation, with: &[With]) -> Routing {
    let mut routing = federation.routing.clone();
    if with.contains(&Preferred) {
        routing.unlocated = Unlocated::Preferred;
    }
    if with.contains(&Majority) {
        routing.spread = Spread::Majority;
    }
    if with.contains(&Reject) {
        routing.ambiguous = Ambiguous::Reject;
    }
    routing
}

fn holdings<'a>(member: &'a crate::federation::Member, with: &[With]) -> Holdings<'a> {
    let executes = member.processes.as_ref();
    let listed = COLLECTIONS.iter().find(|(id, _)| *id == member.id.as_str());
    Holdings {
        id: &member.id,
        stac: std::iter::once(&member.url).chain(&member.aliases).collect(),
        processes: executes.map_or_else(Vec::new, |own| std::iter::once(&own.url).chain(&own.aliases).collect()),
        data_prefixes: executes.map_or(&[], |own| own.data_prefixes.as_slice()),
        collections: listed.map_or_else(Vec::new, |(_, ids)| ids.to_vec()),
        complete: listed.is_some(),
        policy: &member.policy,
        order_process: executes.and_then(|own| own.order_process.as_deref()),
        needs_token: matches!(member.auth, Auth::Forward),
        closed_s: with.contains(&Closed(id_of(member))).then_some(7),
    }
}

fn id_of(member: &crate::federation::Member) -> &'static str {
    COLLECTIONS.iter().map(|(id, _)| *id).find(|id| *id == member.id.as_str()).unwrap_or("VITO")
}

/// The decision about one request, given to `look` with the facts it was made from.
fn decided<T>(process: &str, body: &Value, with: &[With], look: impl FnOnce(&Facts<'_>, &Decision) -> T) -> T {
    let federation = &*READ;
    let (ids, routing) = (Ids::new(federation), routing(federation, with));
    let facts = Facts {
        bases: vec!["https://broker.example/v1".parse().unwrap()],
        ids: &ids,
        routing: &routing,
        members: federation.members.iter().map(|member| holdings(member, with)).collect(),
        now: "2026-11-20T12:00:00Z".parse().unwrap(),
    };
    let (pinned, native) = match ids::parse(&ids, process) {
        Named::Pinned { member, native } => (Some(member), native),
        Named::Logical(id) => (None, id),
    };
    let offers = OFFERS.iter().filter(|(public, member, own, _)| match &pinned {
        Some(pinned) => *member == pinned.as_str() && *own == native,
        None => *public == native,
    });
    let offers: Vec<Candidate> = offers
        .filter(|(_, member, ..)| !with.contains(&Unread(member)))
        .map(|(_, member, own, runs_async)| Candidate {
            member: MemberId::new(member),
            native: (*own).to_owned(),
            runs_async: *runs_async,
        })
        .collect();
    let elsewhere =
        OFFERS.iter().filter(|(_, _, own, _)| *own == native).map(|(_, member, own, _)| (MemberId::new(member), *own));
    let probed = with.iter().filter_map(|one| match one {
        Probe(member, probed) => Some((MemberId::new(member), *probed)),
        _ => None,
    });
    let asked = Asked {
        pinned,
        offers,
        elsewhere: Elsewhere {
            pins: elsewhere.clone().map(|(member, own)| ids::pinned(&member, own)).collect(),
            members: elsewhere.map(|(member, _)| member).collect(),
            logical: Vec::new(),
        },
        unread: with
            .iter()
            .filter_map(|one| if let Unread(id) = one { Some(MemberId::new(id)) } else { None })
            .collect(),
        references: references::find(body, &BTreeSet::from(["product".to_owned()])).unwrap(),
        wants_async: with.contains(&Async),
        has_token: with.contains(&Token),
        probed: probed.collect(),
        having: BTreeMap::new(),
    };
    look(&facts, &decide(&facts, &asked))
}

/// `EODC item-url then GRNET`, or the name of the problem.
fn outcome(process: &str, body: &Value, with: &[With]) -> String {
    decided(process, body, with, |_, decision| match &decision.outcome {
        Err(refused) => refused.name().to_owned(),
        Ok(reason) => {
            let mut order = decision.ranking.iter().map(|ranked| ranked.candidate.member.as_str());
            let first = format!("{} {}", order.next().unwrap(), reason.name());
            let rest: Vec<&str> = order.collect();
            if rest.is_empty() { first } else { format!("{first} then {}", rest.join(" ")) }
        }
    })
}

const B: &str = "https://broker.example/v1";

fn at(path: &str) -> String {
    format!("{B}{path}")
}

fn inputs(inputs: Value) -> Value {
    json!({ "inputs": inputs })
}

/// An input that carries one text.
fn one(text: impl Into<String>) -> Value {
    inputs(json!({ "data": text.into() }))
}

fn collection(id: &str) -> Value {
    inputs(json!({ "collection": id }))
}

fn timed(id: &str, datetime: &str) -> Value {
    inputs(json!({ "collection": id, "datetime": datetime }))
}

/// An Item by value with these members over the least.
fn item(more: Value) -> Value {
    let mut item = json!({ "type": "Feature", "stac_version": "1.0.0", "id": "i", "geometry": null, "properties": { "datetime": "2026-06-01T00:00:00Z" }, "links": [], "assets": {} });
    item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    inputs(json!({ "image": { "value": item, "mediaType": "application/geo+json" } }))
}

type Case = (&'static str, &'static str, Value, &'static [With], &'static str);

/// The worked cases of the design come first.
fn worked() -> Vec<Case> {
    let year = "2016-01-01/2016-12-31";
    vec![
        (
            "an Item of the broker",
            "subset",
            one(at("/collections/GRNET%7Csentinel-2-l2a/items/S2A_1")),
            &[],
            "GRNET item-url",
        ),
        (
            "a collection of two, the year before one's retention",
            "subset",
            timed("sentinel-2-l2a", year),
            &[],
            "EODC collection",
        ),
        (
            "the same today: the higher priority",
            "subset",
            timed("sentinel-2-l2a", "2026-11-01/2026-11-10"),
            &[],
            "GRNET collection then EODC",
        ),
        (
            "Items of two members",
            "ndvi",
            inputs(
                json!({ "items": [at("/collections/EODC|sentinel-2-l2a/items/a"), at("/collections/CREODIAS|sentinel-5p/items/b")] }),
            ),
            &[],
            "data-spread",
        ),
        ("no data, two members", "hello-world", inputs(json!({ "name": "Ada" })), &[], "data-location-unknown"),
        ("no data, one member", "forecast", inputs(json!({ "name": "Ada" })), &[], "EDITO only-candidate"),
        (
            "a store whose holder does not offer it",
            "forecast",
            one("s3://emodnet-zarr/x.zarr"),
            &[],
            "process-not-near-data",
        ),
        ("a store that several list", "forecast", one("s3://shared/x.zarr"), &[], "EDITO prefix"),
        ("a pinned process", "EDITO:hello-world", inputs(json!({ "name": "Ada" })), &[], "EDITO pin"),
        ("results of a job of the broker", "subset", one(at("/jobs/EDITO.am9icy8xMjM/results")), &[], "EDITO job"),
        ("data past every retention", "subset", timed("GRNET|sentinel-2-l2a", year), &[], "data-expired"),
        ("a shared collection, the highest holder", "subset", collection("scenes"), &[], "EODC collection then GRNET"),
        ("a shared collection's address", "subset", one(at("/collections/scenes")), &[], "EODC collection then GRNET"),
        (
            "its order is declared, so nothing is ambiguous",
            "subset",
            collection("scenes"),
            &[Reject],
            "EODC collection then GRNET",
        ),
        ("of its holders the one that offers it", "hello-world", collection("wind-and-lakes"), &[], "EDITO collection"),
        ("its highest holder is not asked now", "subset", collection("scenes"), &[Closed("EODC")], "GRNET collection"),
        ("past the retention of one holder", "subset", timed("scenes", year), &[], "EODC collection"),
    ]
}

/// Every shape in which a request speaks of data.
fn shapes() -> Vec<Case> {
    vec![
        (
            "L: a link",
            "subset",
            inputs(json!({ "image": { "href": at("/collections/EODC|landsat/items/a"), "type": "image/tiff" } })),
            &[],
            "EODC item-url",
        ),
        (
            "L: a link in a list",
            "subset",
            inputs(json!({ "image": [{ "href": "s3://edito/a.nc" }] })),
            &[],
            "EDITO prefix",
        ),
        (
            "L: a link of an asset",
            "subset",
            inputs(json!({ "image": { "href": "https://data.eodc.example/x/a.tif" } })),
            &[],
            "EODC prefix",
        ),
        (
            "Q: an Item by value with its own address",
            "subset",
            item(
                json!({ "collection": "x", "links": [{ "rel": "self", "href": at("/collections/EODC|landsat/items/a") }] }),
            ),
            &[],
            "EODC item-url",
        ),
        (
            "Q: a canonical address at the member",
            "subset",
            item(
                json!({ "links": [{ "rel": "canonical", "href": "https://stac.eodc.example/v1/collections/landsat/items/a" }] }),
            ),
            &[],
            "EODC item-url",
        ),
        ("Q: its collection", "subset", item(json!({ "collection": "sentinel-3" })), &[], "GRNET collection"),
        (
            "Q: its assets",
            "subset",
            item(json!({ "assets": { "b": { "href": "s3://edito/b.tif" } } })),
            &[],
            "EDITO prefix",
        ),
        (
            "Q: an ItemCollection",
            "subset",
            inputs(
                json!({ "images": { "value": { "type": "FeatureCollection", "features": [{ "type": "Feature", "collection": "landsat" }, { "type": "Feature", "collection": "sentinel-1-grd" }] } } }),
            ),
            &[],
            "EODC collection",
        ),
        (
            "Q: a feature that is no Item",
            "subset",
            inputs(
                json!({ "collection": "landsat", "aoi": { "type": "Feature", "geometry": null, "properties": {} } }),
            ),
            &[],
            "EODC collection",
        ),
        (
            "C: a collection id",
            "subset",
            inputs(json!({ "images": { "collection": "landsat" } })),
            &[],
            "EODC collection",
        ),
        (
            "C: a qualified id",
            "subset",
            inputs(json!({ "images": { "collection": "EODC|sentinel-2-l2a" } })),
            &[],
            "EODC collection",
        ),
        (
            "C: an address of a collection",
            "subset",
            inputs(
                json!({ "images": { "collection": at("/collections/EODC|landsat"), "filter": "eo:cloud_cover < 5" } }),
            ),
            &[],
            "EODC collection",
        ),
        ("C: in a list", "subset", inputs(json!({ "images": [{ "collection": "landsat" }] })), &[], "EODC collection"),
        (
            "U: an address as text",
            "subset",
            one("https://stac.eodc.example/v1/collections/landsat/items/a"),
            &[],
            "EODC item-url",
        ),
        (
            "U: addresses in a list",
            "subset",
            inputs(
                json!({ "stac_items": [at("/collections/EODC|landsat/items/a"), at("/collections/EODC|landsat/items/b")] }),
            ),
            &[],
            "EODC item-url",
        ),
        (
            "U: an address in a value",
            "subset",
            inputs(json!({ "x": { "value": "https://data.eodc.example/a.nc" } })),
            &[],
            "EODC prefix",
        ),
        ("S: a store", "subset", one("s3://cmems/x.zarr"), &[Token], "CMEMS prefix"),
        ("S: the longest prefix", "subset", one("s3://eodc/mirror/a.zarr"), &[], "CREODIAS prefix"),
        ("S: a bucket whose name only begins alike", "ndvi", one("s3://eodc2/a.zarr"), &[], "data-location-unknown"),
        ("I: an input called collection", "subset", collection("landsat"), &[], "EODC collection"),
        (
            "I: inputs called collections",
            "subset",
            inputs(json!({ "collections": ["landsat", "sentinel-1-grd"] })),
            &[],
            "EODC collection",
        ),
        ("I: a declared name", "subset", inputs(json!({ "product": "landsat" })), &[], "EODC collection"),
        ("I: the same text in any other input says nothing", "ndvi", one("landsat"), &[], "data-location-unknown"),
        (
            "J: a job at its member",
            "subset",
            one("https://processes.eodc.example/oapi/jobs/1/results"),
            &[],
            "EODC job",
        ),
        ("J: by an alias", "subset", one("http://internal:5000/oapi/jobs/1"), &[], "EDITO job"),
        (
            "J: of the old kind of address",
            "subset",
            one("https://api.edito.example/processes/processes/clip/jobs/7"),
            &[],
            "EDITO job",
        ),
        ("F: a time beside it", "subset", timed("sentinel-2-l2a", "2016-06-01T00:00:00Z"), &[], "EODC collection"),
        (
            "F: an area that one does not keep",
            "subset",
            inputs(json!({ "collection": "sentinel-2-l2a", "bbox": [5, 58, 12, 64] })),
            &[],
            "EODC collection",
        ),
        (
            "F: an area that it keeps",
            "subset",
            inputs(json!({ "collection": "sentinel-2-l2a", "bbox": [20, 35, 25, 40] })),
            &[],
            "GRNET collection then EODC",
        ),
        (
            "P: a nested process of one member",
            "subset",
            inputs(json!({ "x": { "process": at("/processes/EDITO:clip"), "inputs": {} } })),
            &[],
            "EDITO pin",
        ),
        (
            "as EDITO writes inputs",
            "subset",
            json!({ "metadata": {}, "processInputs": { "collection": "landsat" } }),
            &[],
            "EODC collection",
        ),
        (
            "inputs as a list",
            "subset",
            json!({ "inputs": [{ "id": "collection", "data": "landsat" }] }),
            &[],
            "EODC collection",
        ),
        (
            "where results go does not count",
            "hello-world",
            json!({ "inputs": {}, "outputs": { "o": { "href": "s3://edito/o" } }, "subscriber": { "successUri": "https://processes.eodc.example/oapi/x" } }),
            &[],
            "data-location-unknown",
        ),
    ]
}

/// Addresses that lead to members, and addresses that only look as if.
fn addresses() -> Vec<Case> {
    vec![
        ("a collection of the broker", "subset", one(at("/collections/EODC|sentinel-2-l2a")), &[], "EODC collection"),
        (
            "its items with a time in the address",
            "subset",
            one(at("/collections/sentinel-2-l2a/items?datetime=2016-01-01T00:00:00Z")),
            &[],
            "EODC collection",
        ),
        (
            "an Item of a bare id at two members",
            "subset",
            one(at("/collections/sentinel-2-l2a/items/a")),
            &[],
            "GRNET collection then EODC",
        ),
        (
            "a member under its earlier id",
            "subset",
            one(at("/collections/ACube|landsat/items/a")),
            &[],
            "EODC item-url",
        ),
        (
            "an alias of a catalogue",
            "subset",
            one("http://eodc-internal:8082/stac/collections/landsat/items/a"),
            &[],
            "EODC item-url",
        ),
        ("the nearer of two bases", "subset", one("https://stac.grnet.example/wps/jobs/1"), &[], "GRNET job"),
        (
            "the same host without its base",
            "ndvi",
            one("https://creodias.example/licence.html"),
            &[],
            "data-location-unknown",
        ),
        (
            "a host that only begins alike",
            "ndvi",
            one("https://stac.eodc.example.evil/v1/collections/landsat"),
            &[],
            "data-location-unknown",
        ),
        (
            "another port",
            "ndvi",
            one("https://stac.eodc.example:8443/v1/collections/landsat"),
            &[],
            "data-location-unknown",
        ),
        ("a search of the broker names no member", "ndvi", one(at("/search?limit=1")), &[], "data-location-unknown"),
        ("a job of nobody", "ndvi", one(at("/jobs/NOBODY.am9icy8x")), &[], "data-location-unknown"),
        (
            "a licence beside the data",
            "subset",
            inputs(json!({ "collection": "landsat", "licence": "https://licences.example/by" })),
            &[],
            "EODC collection",
        ),
        (
            "data of a catalogue that executes nothing",
            "subset",
            one("https://vito.example/stac/collections/x/items/a"),
            &[],
            "process-not-near-data",
        ),
        ("a collection of such a catalogue", "subset", collection("VITO|x"), &[], "process-not-near-data"),
    ]
}

/// What settings, credentials, priority and failures do.
fn choices() -> Vec<Case> {
    let both =
        || inputs(json!({ "a": "s3://eodc/a", "b": "s3://creodias/b", "c": at("/collections/CREODIAS|wind/items/c") }));
    vec![
        ("a process of nobody", "nothing", collection("landsat"), &[], "no-such-process"),
        ("pinned to a member that does not offer it", "GRNET:ndvi", collection("landsat"), &[], "no-such-process"),
        ("a member that is none", "NOBODY:ndvi", collection("landsat"), &[], "no-such-process"),
        ("pinned under an earlier id", "ACube:ndvi", collection("landsat"), &[], "EODC pin"),
        ("pinned although the data lies elsewhere", "CREODIAS:ndvi", collection("landsat"), &[], "CREODIAS pin"),
        (
            "pinned although the data expired",
            "GRNET:subset",
            timed("GRNET|sentinel-2-l2a", "2016-01-01/2016-12-31"),
            &[],
            "GRNET pin",
        ),
        ("pinned by the member's own id of an alias", "EDITO:clip", collection("landsat"), &[], "EDITO pin"),
        ("an equated process", "subset", collection("EDITO|wind"), &[], "EDITO collection"),
        ("an unknown collection", "ndvi", collection("no-such"), &[], "data-location-unknown"),
        ("an unknown collection, one member", "forecast", collection("no-such"), &[], "EDITO only-candidate"),
        ("a collection its member does not have", "ndvi", collection("EODC|no-such"), &[], "data-location-unknown"),
        ("unlocated, the preferred one", "hello-world", inputs(json!({})), &[Preferred], "EDITO preferred then EODC"),
        ("unlocated and no body to speak of", "hello-world", Value::Null, &[], "data-location-unknown"),
        ("preferred never overrules data", "hello-world", collection("EDITO|wind"), &[Preferred], "EDITO collection"),
        (
            "spread, the majority",
            "subset",
            inputs(json!({ "a": ["s3://eodc/a", "s3://eodc/b"], "b": "s3://cmems/x" })),
            &[Majority, Token],
            "EODC prefix then CMEMS",
        ),
        (
            "spread, as many here as there: the one with the Item",
            "subset",
            both(),
            &[Majority],
            "CREODIAS item-url then EODC",
        ),
        (
            "spread, and nobody with a part offers it",
            "forecast",
            inputs(json!({ "a": "s3://eodc/a", "b": "s3://cmems/x" })),
            &[Majority],
            "process-not-near-data",
        ),
        (
            "spread over collections",
            "subset",
            inputs(json!({ "collections": ["landsat", "sentinel-3"] })),
            &[],
            "data-spread",
        ),
        (
            "two collections that one member has both",
            "subset",
            inputs(json!({ "collections": ["wind", "ocean-sst"] })),
            &[],
            "EDITO collection",
        ),
        (
            "several alike are refused where wanted",
            "subset",
            collection("sentinel-2-l2a"),
            &[Reject],
            "ambiguous-data-location",
        ),
        ("one is not several", "subset", collection("landsat"), &[Reject], "EODC collection"),
        (
            "an Item tells them apart",
            "subset",
            inputs(json!({ "collection": "sentinel-2-l2a", "item": at("/collections/EODC|sentinel-2-l2a/items/a") })),
            &[Reject],
            "EODC item-url",
        ),
        (
            "a probe tells them apart",
            "subset",
            collection("sentinel-2-l2a"),
            &[Reject, Probe("EODC", Probed::Some)],
            "EODC collection then GRNET",
        ),
        (
            "a probe comes before priority",
            "subset",
            collection("sentinel-2-l2a"),
            &[Probe("GRNET", Probed::None)],
            "EODC collection then GRNET",
        ),
        (
            "asynchronous where it is offered",
            "subset",
            collection("sentinel-2-l2a"),
            &[Async],
            "EODC collection then GRNET",
        ),
        ("equal in all: the smaller id", "subset", collection("wind"), &[], "CREODIAS collection then EDITO"),
        ("more days kept come before the id", "subset", collection("lake"), &[], "EDITO collection then CREODIAS"),
        ("a token is needed and there is none", "login", inputs(json!({})), &[], "credentials-not-forwardable"),
        ("a token is needed and there is one", "login", inputs(json!({})), &[Token], "CMEMS only-candidate"),
        ("pinned without the token", "CMEMS:login", inputs(json!({})), &[], "credentials-not-forwardable"),
        ("the holder that needs none", "subset", collection("ocean-sst"), &[], "EDITO collection"),
        ("both holders with a token", "subset", collection("ocean-sst"), &[Token], "CMEMS collection then EDITO"),
        ("the holder is down", "subset", collection("landsat"), &[Closed("EODC")], "member-unavailable"),
        ("one of two holders is down", "subset", collection("sentinel-2-l2a"), &[Closed("GRNET")], "EODC collection"),
        ("pinned to a member that is down", "EODC:ndvi", inputs(json!({})), &[Closed("EODC")], "member-unavailable"),
        ("preferred, but down", "hello-world", inputs(json!({})), &[Preferred, Closed("EDITO")], "EODC preferred"),
        ("later than all that is kept", "subset", timed("archive", "2024-01-01/2024-02-01"), &[], "data-not-kept"),
        ("a part that is kept is enough", "subset", timed("archive", "2019-01-01/2024-02-01"), &[], "GRNET collection"),
        (
            "an Item that is named is never past",
            "subset",
            one(at("/collections/GRNET|archive/items/of-2024")),
            &[],
            "GRNET item-url",
        ),
        (
            "one of two references is kept by nobody",
            "subset",
            inputs(json!({ "collections": ["archive", "landsat"], "datetime": "2024-01-01/2024-02-01" })),
            &[],
            "data-not-kept",
        ),
        (
            "an open start reaches too far back",
            "subset",
            timed("sentinel-2-l2a", "../2026-11-10"),
            &[],
            "GRNET collection then EODC",
        ),
    ]
}

#[test]
fn every_request_goes_where_the_table_says() {
    let cases: Vec<Case> = [worked(), shapes(), addresses(), choices()].into_iter().flatten().collect();
    assert!(cases.len() >= 60, "{}", cases.len());
    let mut wrong = Vec::new();
    for (name, process, body, with, expected) in &cases {
        let got = outcome(process, body, with);
        if got != *expected {
            wrong.push(format!("{name}: expected `{expected}`, got `{got}`"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A row of numbers that is the same on every run (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % count as u64).unwrap()
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// The same value with the members of every object the other way round.
fn turned(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            Value::Object(members.iter().rev().map(|(key, value)| (key.clone(), turned(value))).collect())
        }
        Value::Array(values) => Value::Array(values.iter().map(turned).collect()),
        other => other.clone(),
    }
}

#[test]
fn no_order_in_the_body_changes_the_choice_and_nobody_executes_what_it_does_not_offer() {
    let texts = [
        "s3://eodc/a".to_owned(),
        "s3://shared/b.zarr".to_owned(),
        "s3://elsewhere/c".to_owned(),
        at("/collections/EODC|landsat/items/a"),
        at("/collections/sentinel-2-l2a/items/a"),
        at("/jobs/EDITO.am9icy8x/results"),
        "https://creodias.example/stac/collections/wind".to_owned(),
        "not a reference".to_owned(),
    ];
    let collections = ["landsat", "sentinel-2-l2a", "wind", "lake", "archive", "ocean-sst", "GRNET|archive", "nothing"];
    let times = ["2016-01-01/2016-12-31", "2026-11-01/2026-11-10", "../2019-01-01", "soon"];
    let settings =
        [Async, Token, Preferred, Majority, Reject, Closed("EODC"), Closed("EDITO"), Probe("EODC", Probed::Some)];
    let processes = ["subset", "ndvi", "hello-world", "wave", "forecast", "EDITO:clip", "EODC:subset", "GRNET:ndvi"];
    let mut dice = Dice(0x5eed);
    let (mut chosen, mut refused) = (0, 0);
    for _ in 0..3000 {
        let mut inputs = serde_json::Map::new();
        for index in 0..dice.below(3) {
            inputs.insert(format!("x{index}"), json!(dice.one(&texts)));
        }
        if dice.below(2) == 0 {
            inputs.insert("collection".into(), json!(dice.one(&collections)));
        }
        if dice.below(3) == 0 {
            inputs.insert("datetime".into(), json!(dice.one(&times)));
        }
        let with: Vec<With> = settings.iter().copied().filter(|_| dice.below(4) == 0).collect();
        let process = dice.one(&processes);
        let body = json!({ "inputs": inputs, "response": "document" });
        let first = outcome(process, &body, &with);
        assert_eq!(first, outcome(process, &turned(&body), &with), "{process} {body} {with:?}");
        decided(process, &body, &with, |_, decision| {
            let native = process.split_once(':').map_or(process, |(_, native)| native);
            for ranked in &decision.ranking {
                let offered = OFFERS.iter().any(|(public, member, own, _)| {
                    let named = *public == native || *own == native;
                    named && *member == ranked.candidate.member.as_str() && *own == ranked.candidate.native
                });
                assert!(offered, "{process} {body} {with:?} {ranked:?}");
            }
            match decision.chosen() {
                Some(_) => chosen += 1,
                None => refused += 1,
            }
        });
    }
    assert!(chosen > 500 && refused > 500, "{chosen} {refused}");
}

fn told(process: &str, body: &Value, with: &[With]) -> String {
    decided(process, body, with, |facts, decision| {
        let refused = decision.outcome.as_ref().unwrap_err();
        super::super::refusal::sentence(facts, decision, refused, process)
    })
}

#[test]
fn pins_are_of_members_that_have_some_of_the_data_and_no_others() {
    let proposed = |process: &str, body: &Value, with: &[With]| {
        decided(process, body, with, |_, decision| {
            super::super::refusal::proposed(decision, decision.outcome.as_ref().unwrap_err())
        })
    };
    let spread = inputs(json!({ "collections": ["landsat", "sentinel-3"] }));
    assert_eq!(proposed("subset", &spread, &[]), ["GRNET:subset", "EODC:subset"]);
    assert_eq!(proposed("subset", &collection("wind"), &[Reject]), ["CREODIAS:subset", "EDITO:clip"]);
}

#[test]
fn of_two_collections_an_unknown_one_is_not_passed_over() {
    let two = inputs(json!({ "collections": ["landsat", "EODC|nope"] }));
    assert_eq!(outcome("subset", &two, &[]), "data-location-unknown");
    let text = told("subset", &two, &[]);
    assert!(text.contains("(`EODC|nope`: `EODC` has no such collection)"), "{text}");
}

#[test]
fn a_long_address_is_told_whole_and_a_pinned_id_is_a_reference_with_a_text() {
    let long = format!("s3://elsewhere/{}", "x".repeat(200));
    decided("EODC:subset", &one(long.clone()), &[], |_, decision| {
        let references = super::super::explain::references(&decision.located);
        assert_eq!((&references[0]["text"], &references[0]["pointer"]), (&json!("EODC:subset"), &Value::Null));
        assert_eq!((&references[1]["text"], &references[1]["pointer"]), (&json!(long), &json!("/inputs/data")));
    });
}

#[test]
fn data_that_was_never_there_is_not_said_to_have_expired() {
    let coming = timed("archive", "2031-01-01/2031-12-31");
    assert_eq!(outcome("subset", &coming, &[]), "data-not-kept");
    let text = told("subset", &coming, &[]);
    assert!(text.starts_with("no member keeps data of that time. `GRNET` keeps ") && !text.contains("back"), "{text}");
}

#[test]
fn a_member_that_could_not_be_asked_is_not_said_to_offer_nothing() {
    let hello = inputs(json!({}));
    let eodc = collection("EODC|landsat");
    let down = &[Unread("EODC")][..];
    for (body, with, expected) in [
        // The holder may offer it.
        (&eodc, down, "member-unavailable"),
        (&collection("sentinel-3"), down, "process-not-near-data"),
        // It would not be the only one.
        (&hello, down, "member-unavailable"),
        (&hello, &[Unread("EODC"), Preferred], "EDITO preferred"),
        // Who can be chosen without it is chosen.
        (&collection("EDITO|wind"), down, "EDITO collection"),
    ] {
        assert_eq!(outcome("hello-world", body, with), expected, "{body}");
    }
    assert_eq!(outcome("subset", &collection("sentinel-2-l2a"), down), "GRNET collection");
    assert_eq!(outcome("EDITO:hello-world", &eodc, down), "EDITO pin");
    decided("hello-world", &eodc, down, |_, decision| {
        let rules: Vec<_> = decision.eliminated.iter().map(|one| (one.member.as_str(), one.rule)).collect();
        assert_eq!(rules, [("EDITO", "holds-not-all"), ("EODC", "unread")]);
    });
    let text = told("hello-world", &eodc, down);
    assert!(text.contains("`EODC` may offer it") && text.contains("`EDITO:hello-world`"), "{text}");
}

#[test]
fn every_refusal_says_what_was_seen_and_how_to_go_on() {
    let hello = inputs(json!({ "name": "Ada" }));
    assert_eq!(
        told("hello-world", &hello, &[]),
        "`hello-world` is offered by 2 members and the request does not say where its data lies; name the data by its address or its collection, or choose a member: `EDITO:hello-world`, `EODC:hello-world`"
    );
    let unknown = told("ndvi", &collection("no-such"), &[]);
    assert!(
        unknown
            .contains("(`no-such`: no member lists such a collection, and the list of `VITO` could not be read whole)"),
        "{unknown}"
    );
    let items = json!({ "items": [at("/collections/EODC|landsat/items/a"), at("/collections/CREODIAS|wind/items/b")] });
    let spread = told("ndvi", &inputs(items), &[]);
    assert!(spread.contains("/collections/EODC|landsat/items/a` lies at `EODC`, `"), "{spread}");
    assert!(spread.contains("`CREODIAS:ndvi`, `EODC:ndvi`"), "{spread}");
    assert_eq!(
        told("subset", &timed("GRNET|sentinel-2-l2a", "2016-01-01/2016-12-31"), &[]),
        "no member keeps data of that time. `GRNET` keeps the last 1 year (the request ends 2016-12-31). It can be brought back with the process `GRNET:retrieve`"
    );
    assert_eq!(
        told("forecast", &one("s3://emodnet-zarr/x.zarr"), &[]),
        "the data lies at `EMODNET`, and `forecast` is offered by `EDITO` only; to have the data fetched from there, name the member in the process id: `EDITO:forecast`"
    );
    assert_eq!(
        told("nothing", &hello, &[]),
        "no member offers a process `nothing`; `/processes` lists those that are offered"
    );
    assert_eq!(
        told("GRNET:ndvi", &hello, &[]),
        "`GRNET` does not offer `ndvi`; ask for `EODC:ndvi` or `CREODIAS:ndvi`"
    );
    let alike = told("subset", &collection("sentinel-2-l2a"), &[Reject]);
    assert!(
        alike.contains("lies at `GRNET` and `EODC` alike") && alike.contains("`GRNET:subset`, `EODC:subset`"),
        "{alike}"
    );
    let token = told("login", &hello, &[]);
    assert!(token.starts_with("`CMEMS` executes only with your own credentials"), "{token}");
    let down = told("subset", &collection("landsat"), &[Closed("EODC")]);
    assert!(down.starts_with("`EODC` holds the data and cannot be reached"), "{down}");
}
