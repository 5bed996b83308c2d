use super::*;

use bytes::Bytes;

use crate::collections::MemberView;
use crate::federation::load_text;
use crate::members::Listing;

const FILE: &str = r#"
[federation]
id = "test"
[[member]]
id = "A"
url = "https://stac.a.example/v1"
[member.processes]
url = "https://run.a.example/ogc/"
aliases = ["http://internal:5000/oapi"]
[[member]]
id = "B"
url = "https://stac.b.example"
[member.processes]
url = "https://run.b.example"
"#;
const BASE: &str = "https://broker.example/v1";

pub struct World {
    federation: Federation,
    ids: Ids,
    view: View,
    against: Url,
}

impl World {
    pub fn made() -> Self {
        let federation = load_text("federation.toml", FILE, std::path::Path::new(".")).unwrap().federation;
        let ids = Ids::new(&federation);
        let document = serde_json::json!({
            "type": "Collection", "stac_version": "1.0.0", "id": "s2 x", "description": "d", "license": "other", "links": [],
            "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[null, null]]}},
        });
        let listing = Listing { collections: vec![Bytes::from(document.to_string())], complete: true };
        let part = MemberView::of(&federation.members[0], &ids, &listing, chrono::DateTime::default());
        let view = View::unread(&federation).with(&part);
        let against = Url::parse("https://run.a.example/ogc/processes/p/execution").unwrap();
        Self { federation, ids, view, against }
    }

    fn face(&self) -> Face<'_> {
        Face { base: BASE, federation: &self.federation, ids: &self.ids, view: &self.view }
    }

    pub fn outbound(&self) -> Outbound<'_> {
        let member = &self.federation.members[0];
        let processes = member.processes.as_ref().unwrap();
        Outbound {
            face: self.face(),
            member,
            processes,
            process_id: &|native| format!("pub:{native}"),
            against: &self.against,
        }
    }

    fn inbound(&self) -> Inbound<'_> {
        let member = &self.federation.members[0];
        let processes = member.processes.as_ref().unwrap();
        let native_process: &(dyn Fn(&str) -> Option<String> + Sync) =
            &|id| (id == "sub set").then(|| "clip".to_owned());
        Inbound { face: self.face(), member, processes, native_process }
    }
}

#[test]
fn addresses_of_the_member_become_the_brokers() {
    let world = World::made();
    let job = |path: &str| {
        use base64::Engine;
        format!("{BASE}/jobs/A.{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(path))
    };
    for (given, expected) in [
        ("https://run.a.example/ogc/jobs/1", job("jobs/1")),
        ("https://run.a.example/ogc/jobs/1?f=html", job("jobs/1")),
        ("https://run.a.example/ogc/jobs/1/results?f=json#x", format!("{}/results?f=json#x", job("jobs/1"))),
        ("https://run.a.example/ogc/jobs/1/results/out", format!("{}/results/out", job("jobs/1"))),
        ("HTTP://RUN.a.example/ogc/jobs/1", job("jobs/1")),
        ("http://internal:5000/oapi/jobs/1", job("jobs/1")),
        ("https://run.a.example/ogc/processes/p/jobs/1/results", format!("{}/results", job("processes/p/jobs/1"))),
        ("/ogc/jobs/1", job("jobs/1")),
        ("../../jobs/1", job("jobs/1")),
        ("https://run.a.example/ogc/jobs", format!("{BASE}/jobs")),
        ("https://run.a.example/ogc/processes/", format!("{BASE}/processes")),
        ("https://run.a.example/ogc/processes/a%20b", format!("{BASE}/processes/pub:a%20b")),
        ("https://run.a.example/ogc/processes/p/execution?x=1", format!("{BASE}/processes/pub:p/execution?x=1")),
        ("https://run.a.example/ogc/collections/s2%20x", format!("{BASE}/collections/A%7Cs2%20x")),
        ("https://run.a.example/ogc/collections/s2%20x/items/i", format!("{BASE}/collections/A%7Cs2%20x/items/i")),
        // not exposed, or nothing the broker has: absolute on the configured base
        ("http://internal:5000/oapi/collections/x", "https://run.a.example/ogc/collections/x".into()),
        ("http://internal:5000/oapi/files/1.nc?t=2#f", "https://run.a.example/ogc/files/1.nc?t=2#f".into()),
        ("../../files/1.nc", "https://run.a.example/ogc/files/1.nc".into()),
        // relative and outside: absolute, or it would lead to the broker
        ("/other/1.nc", "https://run.a.example/other/1.nc".into()),
        ("//cdn.example/x", "https://cdn.example/x".into()),
        // a job path that no id can carry is no job
        ("https://run.a.example/ogc/jobs/%2e%2e%2fx", "https://run.a.example/ogc/jobs/%2e%2e%2fx".into()),
    ] {
        let got = world.outbound().href(given).unwrap_or_else(|| given.to_owned());
        assert_eq!(got, expected, "{given}");
    }
}

#[test]
fn links_to_what_the_broker_does_not_have_below_a_job_lead_to_the_member() {
    let world = World::made();
    for rest in ["logs", "inputs?f=json", "results/a/b", "resultsx"] {
        let own = format!("https://run.a.example/ogc/jobs/1/{rest}");
        assert_eq!(world.outbound().href(&own), None, "{rest}");
        assert_eq!(world.outbound().href(&format!("http://internal:5000/oapi/jobs/1/{rest}")), Some(own.clone()));
        assert_eq!(world.outbound().href(&format!("../../jobs/1/{rest}")), Some(own));
    }
}

#[test]
fn addresses_of_others_stay_letter_for_letter() {
    let world = World::made();
    for given in [
        "https://store.example/bucket/x?X-Amz-Signature=A%2FB&b=+",
        "s3://bucket/x",
        "https://run.a.example:8443/ogc/jobs/1",
        "https://run.a.example.evil/ogc/jobs/1",
        "https://evil-run.a.example/ogc/jobs/1",
        "https://run.a.example/ogcx/jobs/1",
        "https://run.a.example/ogc/files/x",
        "https://run.b.example/jobs/1",
        "data:text/plain,x",
        "urn:ogc:x",
        "ftp://run.a.example/ogc/jobs/1",
        "http://[bad",
    ] {
        assert_eq!(world.outbound().href(given), None, "{given}");
    }
}

#[test]
fn link_headers_keep_their_parameters() {
    let world = World::made();
    let given = r#"<https://run.a.example/ogc/jobs/1>; rel=monitor; title="a, <b>; c", </ogc/processes>;rel="up",<https://x.example/>; rel=x"#;
    let expected = r#"<https://broker.example/v1/jobs/A.am9icy8x>; rel=monitor; title="a, <b>; c", <https://broker.example/v1/processes>;rel="up",<https://x.example/>; rel=x"#;
    assert_eq!(world.outbound().link_header(given), expected);
    for odd in ["", "nonsense", "<unclosed", "a>b<c"] {
        assert_eq!(world.outbound().link_header(odd), odd);
    }
}

#[test]
fn collections_that_were_made_are_found_at_the_broker_if_exposed() {
    let world = World::made();
    let outbound = world.outbound();
    assert_eq!(outbound.collection("/ogc/collections/s2%20x"), format!("{BASE}/collections/A%7Cs2%20x"));
    assert_eq!(
        outbound.collection("https://stac.a.example/v1/collections/s2%20x"),
        format!("{BASE}/collections/A%7Cs2%20x")
    );
    assert_eq!(outbound.collection("/ogc/collections/new"), "https://run.a.example/ogc/collections/new");
    assert_eq!(
        outbound.collection("https://elsewhere.example/collections/s2"),
        "https://elsewhere.example/collections/s2"
    );
}

#[test]
fn addresses_of_the_broker_become_the_members() {
    let world = World::made();
    for (given, expected) in [
        (
            "https://broker.example/v1/collections/A%7Cs2%20x/items/i%2F1?x=1",
            "https://stac.a.example/v1/collections/s2%20x/items/i%2F1?x=1",
        ),
        ("https://broker.example/v1/collections/A|s2%20x", "https://stac.a.example/v1/collections/s2%20x"),
        ("http://BROKER.example/v1/collections/s2%20x/", "https://stac.a.example/v1/collections/s2%20x"),
        (
            "https://broker.example/v1/jobs/A.am9icy8x/results?outputs=a",
            "https://run.a.example/ogc/jobs/1/results?outputs=a",
        ),
        ("https://broker.example/v1/processes/sub%20set", "https://run.a.example/ogc/processes/clip"),
    ] {
        assert_eq!(world.inbound().address(given).as_deref(), Some(expected), "{given}");
    }
    for given in [
        "https://broker.example/v1/collections/B%7Cx",
        "https://broker.example/v1/collections/unknown",
        "https://broker.example/v1/jobs/B.am9icy8x",
        "https://broker.example/v1/jobs/A.Li4vLi4v",
        "https://broker.example/v1/processes/other",
        "https://broker.example/v1/search?x",
        "https://broker.example/v1",
        "https://broker.example/collections/A%7Cs2%20x",
        "https://broker.example.evil/v1/collections/A%7Cs2%20x",
        "https://stac.a.example/v1/collections/s2%20x",
        "not an address",
    ] {
        assert_eq!(world.inbound().address(given), None, "{given}");
    }
}

#[test]
fn collection_ids_become_the_members_own() {
    let world = World::made();
    assert_eq!(world.inbound().collection("A|s2 x").as_deref(), Some("s2 x"));
    assert_eq!(world.inbound().collection("A%7Canything").as_deref(), Some("anything"));
    for id in ["s2 x", "B|s2 x", "other"] {
        assert_eq!(world.inbound().collection(id), None, "{id}");
    }
}
