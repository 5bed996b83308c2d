//! Queryables and sortables: what a `filter` can name and a `sortby` can sort by, whoever holds the data.

use serde_json::{Value, json};
use stac_broker::federation::Federation;

use crate::support::{Fails, Front, Running, ScriptedMember, collection, federation_of};

const REL: &str = "http://www.opengis.net/def/rel/ogc/1.0/queryables";
const SORTABLES_REL: &str = "http://www.opengis.net/def/rel/ogc/1.0/sortables";
const SCHEMA: &str = "application/schema+json";

fn schema(properties: &Value) -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#", "$id": "https://member.example/its/own",
        "type": "object", "title": "canary", "properties": properties, "additionalProperties": false,
    })
}

fn linked(id: &str, href: &str) -> Value {
    let mut document = collection(id);
    document["links"] = json!([{"rel": REL, "href": href, "type": SCHEMA}]);
    document
}

/// The Collection `linked` names its queryables by a relative link, `both` and `plain` have theirs at the usual path.
fn first() -> ScriptedMember {
    let cloud = json!({"eo:cloud_cover": {"type": "number", "minimum": 0}, "gsd": {"type": "number"}});
    ScriptedMember::new("A")
        .collections(vec![
            linked("linked", "./linked/my-schema"),
            collection("both"),
            collection("none"),
            collection("broken"),
        ])
        .at(
            "collections/linked/my-schema",
            200,
            schema(&json!({
                "platform": {"type": "string", "enum": ["s1"]}, "view": {"$ref": "#/$defs/view"},
                "collection": {"type": "string", "enum": ["linked"]},
            })),
        )
        .at("collections/both/queryables", 200, schema(&cloud))
        .at("collections/broken/queryables", 200, "[1]")
        .at("queryables", 200, schema(&json!({"eo:cloud_cover": {"type": "number"}, "gsd": {"type": "number"}})))
}

fn second() -> ScriptedMember {
    ScriptedMember::new("B")
        .collections(vec![collection("both"), linked("elsewhere", "https://evil.example/queryables")])
        .at("collections/both/queryables", 200, schema(&json!({
            "gsd": {"type": "number"}, "eo:cloud_cover": {"type": "number", "maximum": 100}, "own": {"type": "string"},
        })))
        .at("collections/elsewhere/queryables", 200, schema(&json!({"safe": {"type": "string"}})))
        .at("queryables", 200, schema(&json!({"gsd": {"type": "number"}, "own": {"type": "string"}})))
}

async fn both() -> (Running, Running, Front) {
    both_with(|_| {}).await
}

async fn both_with(change: impl FnOnce(&mut Federation)) -> (Running, Running, Front) {
    let (a, b) = (first().start().await, second().start().await);
    let mut federation = federation_of([a.declared(), b.declared()]);
    change(&mut federation);
    let front = Front::of(federation).await;
    (a, b, front)
}

fn names(schema: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

const MINIMUM: [&str; 4] = ["collection", "datetime", "geometry", "id"];

fn with_minimum(more: &[&'static str]) -> Vec<&'static str> {
    let mut names = [&MINIMUM[..], more].concat();
    names.sort_unstable();
    names
}

/// The schema behind the link of a relation, whose `$id` is that link.
async fn behind(front: &Front, document: &Value, rel: &str) -> Value {
    let links = document["links"].as_array().unwrap();
    let found: Vec<&Value> = links.iter().filter(|link| link["rel"] == rel).collect();
    assert_eq!(found.len(), 1, "{rel}: {links:?}");
    assert_eq!(found[0]["type"], SCHEMA);
    let href = found[0]["href"].as_str().unwrap();
    let reply = front.get(href).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, SCHEMA), "{href}");
    let schema = reply.json().clone();
    assert_eq!(schema["$id"], *href, "$id is the link");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2019-09/schema");
    assert_eq!(schema["type"], "object");
    assert!(!reply.text.contains("canary") && !reply.text.contains("member.example"), "{}", reply.text);
    schema
}

#[tokio::test]
async fn every_link_leads_to_a_schema_that_names_itself() {
    let (_a, _b, front) = both().await;
    for path in [
        "/",
        "/collections",
        "/collections/A%7Clinked",
        "/collections/A|both",
        "/collections/both",
        "/collections/linked",
    ] {
        let document = front.get(path).await.json().clone();
        let queryables = behind(&front, &document, REL).await;
        assert_eq!(queryables["additionalProperties"], true, "{path}");
        let sortables = behind(&front, &document, SORTABLES_REL).await;
        assert_eq!(sortables["additionalProperties"], false, "{path}");
    }
}

#[tokio::test]
async fn a_collection_has_its_members_queryables_cleaned() {
    let (a, _b, front) = both().await;
    let reply = front.get("/collections/A%7Clinked/queryables").await;
    let schema = reply.json();
    assert_eq!(names(schema), with_minimum(&["platform", "view"]));
    assert_eq!(schema["properties"]["platform"], json!({"type": "string", "enum": ["s1"]}));
    assert_eq!(schema["properties"]["view"], json!({}), "a reference into a document that is not here");
    assert_eq!(schema["properties"]["collection"]["enum"], json!(["A|linked"]), "the id as clients write it");
    assert_eq!(schema["additionalProperties"], true);
    // Held: the member is not asked again.
    let asked =
        |member: &Running| member.recorded().iter().filter(|request| request.uri.path().contains("my-schema")).count();
    assert_eq!(front.get("/collections/A|linked/queryables").await.json(), schema);
    assert_eq!(asked(&a), 1);
}

#[tokio::test]
async fn a_link_to_somewhere_else_is_never_followed() {
    let (_a, b, front) = both().await;
    let reply = front.get("/collections/B%7Celsewhere/queryables").await;
    assert_eq!(names(reply.json()), with_minimum(&["safe"]), "asked below its own base");
    assert!(b.recorded().iter().any(|request| request.uri.path() == "/stac/collections/elsewhere/queryables"));
}

#[tokio::test]
async fn a_bare_id_has_what_all_its_holders_have() {
    let (_a, _b, front) = both().await;
    let schema = front.get("/collections/both/queryables").await.json().clone();
    assert_eq!(names(&schema), with_minimum(&["eo:cloud_cover", "gsd"]));
    assert_eq!(
        schema["properties"]["eo:cloud_cover"],
        json!({"type": "number"}),
        "bounds of one are wrong for the other"
    );
    assert_eq!(schema["properties"]["collection"]["enum"], json!(["A|both", "B|both"]));
}

#[tokio::test]
async fn the_root_has_what_every_member_offers() {
    let (_a, _b, front) = both().await;
    let schema = front.get("/queryables").await.json().clone();
    assert_eq!(names(&schema), with_minimum(&["gsd"]));
    assert!(schema["properties"]["collection"].get("enum").is_none());
}

#[tokio::test]
async fn without_queryables_there_is_the_minimum_and_it_says_so() {
    let (_a, _b, front) = both().await;
    let reply = front.get("/collections/A%7Cnone/queryables").await;
    assert_eq!(names(reply.json()), MINIMUM);
    let text = reply.json()["description"].as_str().unwrap();
    assert!(text.contains("what every Item has") && text.contains("Without a list of their own: A."), "{text}");
    assert_eq!(reply.missing(), Vec::<String>::new());
    assert_eq!(reply.header("cache-control"), "max-age=300");
}

#[tokio::test]
async fn a_failing_member_is_named_and_not_asked_by_every_request() {
    let (a, _b, front) = both().await;
    a.breaks(Fails::Status(500, None));
    for _ in 0..3 {
        let reply = front.get("/collections/A%7Cboth/queryables").await;
        assert_eq!((reply.status, names(reply.json())), (200, MINIMUM.to_vec()));
        assert_eq!((reply.missing(), reply.header("federation-missing")), (vec!["A".to_owned()], "A"));
        assert_eq!(reply.header("cache-control"), "no-store");
        assert!(reply.json()["description"].as_str().unwrap().contains("Could not be read just now: A."));
    }
    let path = "/stac/collections/both/queryables";
    assert_eq!(a.recorded().iter().filter(|request| request.uri.path() == path).count(), 1);
    // What is no schema is a failure too.
    let broken = front.get("/collections/A%7Cbroken/queryables").await;
    assert_eq!((broken.missing(), names(broken.json())), (vec!["A".to_owned()], MINIMUM.to_vec()));
}

#[tokio::test]
async fn a_member_that_does_not_answer_holds_nobody_up_for_long() {
    let slow = ScriptedMember::new("A").slow(std::time::Duration::from_millis(50)).collections(vec![collection("c")]);
    let member = slow.at("queryables", 200, schema(&json!({"gsd": {}}))).start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    let many = (0..20).map(|_| front.get("/queryables"));
    let replies = futures::future::join_all(many).await;
    assert!(replies.iter().all(|reply| names(reply.json()) == with_minimum(&["gsd"])));
    assert_eq!(member.recorded().iter().filter(|request| request.uri.path() == "/stac/queryables").count(), 1);
}

#[tokio::test]
async fn sortables_are_what_a_search_accepts() {
    // Members that order texts by bytes: others are missing from a search that is sorted by texts, and it is refused
    // where no member is left.
    let bytes = |federation: &mut Federation| {
        federation.members.iter_mut().for_each(|member| member.capabilities.string_order_bytes = true);
    };
    let (_a, _b, front) = both_with(bytes).await;
    for path in ["/sortables", "/collections/A%7Cboth/sortables"] {
        let reply = front.get(path).await;
        let known = ["collection", "created", "datetime", "eo:cloud_cover", "gsd", "id", "platform"];
        assert!(known.iter().all(|name| names(reply.json()).contains(name)), "{path}: {}", reply.text);
        for name in names(reply.json()) {
            let reply = front.get(&format!("/search?limit=1&sortby=-{}", name.replace(':', "%3A"))).await;
            assert_eq!(reply.status, 200, "{name}: {}", reply.text);
        }
    }
    assert_eq!(front.get("/search?sortby=nobody:has_it").await.status, 400);
    let sortables = front.get("/collections-sortables").await.json().clone();
    assert_eq!(names(&sortables), ["created", "datetime", "id", "title", "updated"]);
    for name in names(&sortables) {
        assert_eq!(front.get(&format!("/collections?sortby=-{name}")).await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn unknown_collections_have_no_queryables() {
    let (_a, _b, front) = both().await;
    for path in ["/collections/A%7Cx/queryables", "/collections/x/sortables", "/collections/Z%7Cboth/queryables"] {
        let reply = front.get(path).await;
        assert_eq!((reply.status, &reply.json()["code"]), (404, &json!("NotFound")), "{path}");
    }
}

#[tokio::test]
async fn paths_of_our_own_names_work_below_a_prefix() {
    let (_a, _b, front) = both_with(|federation| {
        federation.public_url = Some("https://stac.example/queryables/".parse().unwrap());
    })
    .await;
    assert_eq!(front.get("/queryables").await.json()["$id"], "https://stac.example/queryables/queryables");
    assert_eq!(front.get("/queryables/").await.json()["type"], "Catalog");
}
