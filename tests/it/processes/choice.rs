//! Lists, descriptions, explanations, and executions that go to the holder of the data: the broker between catalogues and
//! process APIs.

use serde_json::{Value, json};
use stac_broker::federation::{Auth, Equated, Federation, MemberId};

use super::{check_problem, one};
use crate::support::front::sent;
use crate::support::process_stub::{Does, On, ProcessStub, Script};
use crate::support::{Front, Running, ScriptedMember, collection, federation_of, item, items};

/// Two sites with a catalogue and a process API each, and a collection of the same name at both.
struct Sites {
    stubs: [ProcessStub; 2],
    catalogues: [Running; 2],
}

impl Sites {
    async fn start(scripts: [Script; 2]) -> Self {
        let [first, second] = scripts;
        let catalogue = |id: &str, own: &str| {
            let mut all = items(own, 3);
            all.push(item("shared", &format!("of-{id}"), "2025-06-01T00:00:00Z"));
            ScriptedMember::new(id).collections(vec![collection(own), collection("shared")]).items(all).start()
        };
        Self {
            stubs: [ProcessStub::start("A", first).await, ProcessStub::start("B", second).await],
            catalogues: [catalogue("A", "ocean").await, catalogue("B", "land").await],
        }
    }

    fn federation(&self) -> Federation {
        let declared = self.catalogues.iter().zip(&self.stubs).map(|(catalogue, stub)| {
            let mut member = catalogue.declared();
            member.processes = stub.declared().processes;
            member
        });
        federation_of(declared)
    }

    fn executions(&self) -> [usize; 2] {
        [self.stubs[0].executions().len(), self.stubs[1].executions().len()]
    }
}

fn ids(list: &Value) -> Vec<&str> {
    list["processes"].as_array().unwrap().iter().map(|process| process["id"].as_str().unwrap()).collect()
}

fn differs() -> Script {
    Script { further_input: Some("unit"), ..Script::default() }
}

#[tokio::test]
async fn equal_processes_are_listed_once_and_unequal_ones_pinned() {
    let sites = Sites::start([Script::default(), Script { further_processes: 2, ..Script::default() }]).await;
    let front = Front::unread(sites.federation()).await;
    let reply = front.get("/processes").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"));
    let list = reply.json();
    assert_eq!(ids(list), ["echo", "process-0", "process-1"]);
    assert_eq!(list["processes"][0]["federation:backends"], json!(["A", "B"]));
    assert!(list["processes"][0].get("federation:differences").is_none());
    assert!(list["links"].is_array() && list.get("federation:missing").is_none());

    let sites = Sites::start([Script::default(), differs()]).await;
    let front = Front::unread(sites.federation()).await;
    assert_eq!(ids(front.get("/processes").await.json()), ["A:echo", "B:echo"]);
    let unknown = front.get("/processes/echo").await;
    check_problem(&unknown, 404, "no-such-process");
    assert_eq!(unknown.json()["offered_by"], json!(["A", "B"]));
    assert_eq!(unknown.json()["pins"], json!(["A:echo", "B:echo"]));
    assert_eq!(unknown.json()["detail"], "there is no process `echo`; ask for `A:echo` or `B:echo`");
    assert_eq!(front.get("/processes/B:echo").await.json()["inputs"].as_object().unwrap().len(), 2);
    let refused = front.post("/processes/echo/execution", &json!({"inputs": {}})).await;
    check_problem(&refused, 404, "no-such-process");
    assert_eq!(refused.json()["pins"], unknown.json()["pins"]);
    assert_eq!(refused.json()["detail"], unknown.json()["detail"]);
    assert_eq!(sites.executions(), [0, 0]);
}

#[tokio::test]
async fn a_description_has_the_broker_s_links_and_shows_differences() {
    let sites = Sites::start([Script::default(), Script::default()]).await;
    let mut federation = sites.federation();
    federation.routing.aliases =
        vec![Equated { public: "parrot".into(), processes: vec![(MemberId::new("B"), "echo".into())] }];
    let front = Front::unread(federation).await;
    assert_eq!(ids(front.get("/processes").await.json()), ["echo", "parrot"]);
    let parrot = front.get("/processes/parrot").await;
    let description = parrot.json();
    assert_eq!((&description["id"], &description["federation:backends"]), (&json!("parrot"), &json!(["B"])));
    let href = |rel: &str| {
        let links = description["links"].as_array().unwrap();
        links.iter().find(|link| link["rel"] == rel).unwrap()["href"].as_str().unwrap().to_owned()
    };
    assert_eq!(href("self"), format!("{}/processes/parrot", front.base));
    assert_eq!(
        href("http://www.opengis.net/def/rel/ogc/1.0/execute"),
        format!("{}/processes/parrot/execution", front.base)
    );
    let pinned = front.get("/processes/B:echo").await;
    assert_eq!((pinned.status, &pinned.json()["id"]), (200, &json!("B:echo")));
    for unknown in ["/processes/nothing", "/processes/B:nothing", "/processes/NOBODY:echo", "/processes/A%2Fecho"] {
        check_problem(&front.get(unknown).await, 404, "no-such-process");
    }
}

#[tokio::test]
async fn a_list_is_paged_and_searched() {
    let (_stub, front) = one(Script { further_processes: 4, ..Script::default() }).await;
    let mut seen: Vec<String> = Vec::new();
    let mut page = front.get("/processes?limit=2&q=PROCESS,echo").await;
    loop {
        assert!(page.json()["processes"].as_array().unwrap().len() <= 2 && page.json()["numberMatched"] == 5);
        seen.extend(ids(page.json()).into_iter().map(str::to_owned));
        let Some(next) = page.next() else { break };
        page = front.follow(&next).await;
    }
    assert_eq!(seen, ["echo", "process-0", "process-1", "process-2", "process-3"]);
    assert_eq!(ids(front.get("/processes?q=cess-3").await.json()), ["process-3"]);
    assert_eq!(ids(front.get("/processes?q=nothing").await.json()), Vec::<&str>::new());
    for bad in ["limit=0", "limit=x", "token=x"] {
        check_problem(&front.get(&format!("/processes?{bad}")).await, 400, "invalid-request");
    }
    assert_eq!(front.get("/processes?limit=10000").await.status, 200);
}

#[tokio::test]
async fn a_list_is_followed_to_its_end_and_a_process_beyond_a_cut_is_found() {
    let script = |list_next| Script { further_processes: 59, list_max: 50, list_next, ..Script::default() };
    let (stub, front) = one(script(true)).await;
    assert_eq!(front.get("/processes").await.json()["processes"].as_array().unwrap().len(), 60);
    assert_eq!(stub.count("GET", "/processes"), 2);
    front.get("/processes").await;
    assert_eq!(stub.count("GET", "/processes"), 2, "the list is held");

    let (stub, front) = one(script(false)).await;
    assert_eq!(front.get("/processes").await.json()["processes"].as_array().unwrap().len(), 50);
    assert_eq!(front.get("/processes/process-58").await.json()["id"], "process-58");
    let reply = front.post("/processes/process-58/execution", &json!({"inputs": {"text": "hello"}})).await;
    assert_eq!((reply.status, stub.executions().len()), (200, 1), "{}", reply.text);
}

#[tokio::test]
async fn a_member_that_refuses_the_size_of_a_page_is_asked_without_it() {
    let (stub, front) = one(Script { refuses_limit: true, further_processes: 1, ..Script::default() }).await;
    assert_eq!(ids(front.get("/processes").await.json()), ["echo", "process-0"]);
    assert_eq!(stub.count("GET", "/processes"), 2);
}

/// Recorded requests of other servers' clients: each is read, and every reference stands where it is said to stand.
#[test]
fn requests_of_others_are_read() {
    let Some(folder) = std::env::var_os("STAC_BROKER_TEST_DATA") else {
        eprintln!("skipped: recorded executions, since STAC_BROKER_TEST_DATA is not set");
        return;
    };
    let (mut bodies, mut found) = (0, 0);
    for entry in std::fs::read_dir(std::path::Path::new(&folder).join("processes")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(body) = serde_json::from_slice::<Value>(&std::fs::read(&path).unwrap()) else { continue };
        if body.get("inputs").is_none() {
            continue;
        }
        bodies += 1;
        let references = stac_broker::processes::references::find(&body, &std::collections::BTreeSet::new())
            .unwrap_or_else(|over| panic!("{}: {over:?}", path.display()));
        for place in references.iter().flat_map(|reference| &reference.places) {
            assert!(body.pointer(&place.pointer).is_some_and(Value::is_string), "{} {place:?}", path.display());
            found += 1;
        }
    }
    assert!(bodies >= 10 && found >= 10, "{bodies} requests, {found} references");
}

#[tokio::test]
async fn members_whose_list_fails_are_named() {
    let mut sites = Sites::start([Script::default(), Script::default()]).await;
    sites.stubs[1].now(|script| script.goes_wrong = Some((On::Everything, Does::Html(500))));
    let front = Front::unread(sites.federation()).await;
    let reply = front.get("/processes").await;
    assert_eq!((reply.status, ids(reply.json())), (200, vec!["echo"]));
    assert_eq!(reply.json()["federation:missing"], json!(["B"]));
    assert_eq!((reply.header("federation-missing"), reply.header("cache-control")), ("B", "no-store"));

    sites.stubs[0].refuse().await;
    let front = Front::unread(sites.federation()).await;
    let reply = front.get("/processes").await;
    check_problem(&reply, 503, "member-unavailable");
    assert!(!reply.header("retry-after").is_empty());
    let reply = front.get("/processes/echo").await;
    assert_eq!(reply.status, 503, "{}", reply.text);
}

#[tokio::test]
async fn an_empty_body_executes_nothing() {
    let (stub, front) = one(Script::default()).await;
    for path in ["/processes/echo/execution", "/processes/echo/execution/explain"] {
        let refused = sent(front.request("POST", path)).await;
        check_problem(&refused, 400, "invalid-request");
        assert!(refused.json()["detail"].as_str().unwrap().contains("no body"), "{}", refused.text);
    }
    assert!(stub.executions().is_empty());
}

#[tokio::test]
async fn a_description_that_needs_credentials_says_so() {
    let script = || Script {
        hides_descriptions: true,
        further_processes: 59,
        list_max: 50,
        list_next: false,
        ..Script::default()
    };
    let (_stub, front) = one(script()).await;
    for id in ["process-58", "A:process-58"] {
        let refused = front.get(&format!("/processes/{id}")).await;
        check_problem(&refused, 401, "member-refused");
        assert!(!refused.header("www-authenticate").is_empty() && refused.header("retry-after").is_empty());
    }
}

#[tokio::test]
async fn an_id_of_dots_asks_nobody() {
    let (stub, front) = one(Script::default()).await;
    for id in ["%2e%2e", "A:%2e%2e", "A:%2e"] {
        let request = format!("GET /processes/{id} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let (answer, _) = front.raw(request.as_bytes(), std::time::Duration::from_secs(5)).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{id}: {answer}");
    }
    assert!(stub.asked().is_empty(), "{:?}", stub.asked());
}

#[tokio::test]
async fn an_equated_process_is_found_by_its_own_name() {
    let sites = Sites::start([Script::default(), Script::default()]).await;
    let mut federation = sites.federation();
    let equated = |member: &str| (MemberId::new(member), "echo".to_owned());
    federation.routing.aliases = vec![Equated { public: "parrot".into(), processes: vec![equated("A"), equated("B")] }];
    let front = Front::unread(federation).await;
    let unknown = front.get("/processes/echo").await;
    check_problem(&unknown, 404, "no-such-process");
    assert_eq!(unknown.json()["offered_by"], json!(["A", "B"]));
    assert_eq!(unknown.json()["detail"], "there is no process `echo`; ask for `parrot`, `A:echo` or `B:echo`");
}

#[tokio::test]
async fn an_unreadable_list_of_one_member_does_not_decide_who_executes() {
    let mut sites = Sites::start([Script::default(), Script::default()]).await;
    sites.stubs[0].refuse().await;
    let front = Front::of(sites.federation()).await;
    for inputs in [json!({"bbox": [0, 0, 1, 1]}), json!({"collection": "A|ocean"})] {
        let body = json!({ "inputs": inputs });
        let refused = front.post("/processes/echo/execution", &body).await;
        check_problem(&refused, 503, "member-unavailable");
        assert!(!refused.header("retry-after").is_empty() && refused.json()["members"] == json!(["A"]));
        let explained = front.post("/processes/echo/execution/explain", &body).await;
        let left = explained.json()["eliminated"].as_array().unwrap().clone();
        assert!(left.iter().any(|one| one["member"] == "A" && one["rule"] == "unread"), "{}", explained.text);
    }
    assert_eq!(sites.executions(), [0, 0]);
    let reply = front.post("/processes/echo/execution", &json!({"inputs": {"collection": "B|land"}})).await;
    assert_eq!((reply.status, sites.executions()), (200, [0, 1]), "{}", reply.text);
}

#[tokio::test]
async fn a_job_names_a_process_that_exists() {
    for other in [Script::default(), differs()] {
        let sites = Sites::start([Script::default(), other]).await;
        let front = Front::of(sites.federation()).await;
        let request = front.request("POST", "/processes/A:echo/execution").header("prefer", "respond-async");
        let body = json!({"inputs": {"text": "x"}}).to_string();
        let created = sent(request.header("content-type", "application/json").body(body)).await;
        let status = front.get(&super::job_of(&front, &created)).await;
        assert_eq!((&created.json()["processID"], &status.json()["processID"]), (&json!("A:echo"), &json!("A:echo")));
        assert_eq!(front.get("/processes/A:echo").await.status, 200);
    }
}

#[tokio::test]
async fn an_execution_goes_to_the_holder_of_an_item_in_that_member_s_own_words() {
    let sites = Sites::start([Script::default(), Script::default()]).await;
    let front = Front::of(sites.federation()).await;
    let href = format!("{}/collections/B%7Cland/items/land-0001", front.base);
    let body = json!({"inputs": {"text": {"href": href, "type": "application/geo+json"}, "n": 1.50}});
    let explained = front.post("/processes/echo/execution/explain", &body).await;
    let explanation = explained.json();
    assert_eq!(
        explanation["chosen"],
        json!({"member": "B", "process": "echo", "reason": "item-url"}),
        "{}",
        explained.text
    );
    assert_eq!(explanation["references"][0]["pointer"], "/inputs/text/href");
    assert_eq!(explanation["candidates"], json!(["A", "B"]));
    assert_eq!(explanation["eliminated"][0]["member"], "A");
    let own = format!("{}/collections/land/items/land-0001", sites.catalogues[1].url.as_str().trim_end_matches('/'));
    assert_eq!(explanation["rewrites"], json!([{"pointer": "/inputs/text/href", "before": href, "after": own}]));
    assert_eq!(sites.executions(), [0, 0], "an explanation executes nothing");

    let reply = front.post("/processes/echo/execution", &body).await;
    assert_eq!((reply.status, reply.header("federation-member")), (200, "B"), "{}", reply.text);
    assert_eq!(sites.executions(), [0, 1]);
    let received = String::from_utf8(sites.stubs[1].executions()[0].body.to_vec()).unwrap();
    assert_eq!(received, body.to_string().replace(&href, &own));
}

#[tokio::test]
async fn collections_decide_and_ids_become_the_member_s_own() {
    let sites = Sites::start([Script::default(), Script::default()]).await;
    let front = Front::of(sites.federation()).await;
    for (collection, member, received) in [("land", 1, "land"), ("A|ocean", 0, "ocean")] {
        let body = json!({"inputs": {"text": "x", "collection": collection}});
        let reply = front.post("/processes/echo/execution", &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let executions = sites.stubs[member].executions();
        let body: Value = serde_json::from_slice(&executions.last().unwrap().body).unwrap();
        assert_eq!(body["inputs"]["collection"], received);
    }
    assert_eq!(sites.executions(), [1, 1]);
}

#[tokio::test]
async fn refusals_are_told_alike_by_execution_and_explanation() {
    let sites = Sites::start([Script::default(), Script::default()]).await;
    let front = Front::of(sites.federation()).await;
    let item_of = |member: &str, own: &str| format!("{}/collections/{member}|{own}/items/{own}-0000", front.base);
    for (inputs, kind) in [
        (json!({"name": "Ada"}), "data-location-unknown"),
        (json!({"a": item_of("A", "ocean"), "b": item_of("B", "land")}), "data-spread"),
    ] {
        let body = json!({"inputs": inputs});
        let refused = front.post("/processes/echo/execution", &body).await;
        check_problem(&refused, 422, kind);
        assert_eq!(refused.json()["pins"], json!(["A:echo", "B:echo"]));
        let detail = refused.json()["detail"].as_str().unwrap();
        assert!(detail.contains("`A:echo`") && detail.contains("`B:echo`"), "{detail}");
        let explained = front.post("/processes/echo/execution/explain", &body).await;
        assert_eq!((explained.status, explained.json().get("chosen")), (200, None));
        assert_eq!(explained.json()["problem"]["detail"], refused.json()["detail"]);
        assert_eq!(explained.json()["problem"]["type"], refused.json()["type"]);
    }
    let pinned = front.post("/processes/B:echo/execution", &json!({"inputs": {"text": "Ada"}})).await;
    assert_eq!((pinned.status, sites.executions()), (200, [0, 1]), "{}", pinned.text);
    let explained = front.post("/processes/A:nothing/execution/explain", &json!({})).await;
    assert_eq!(explained.json()["problem"]["status"], 404, "{}", explained.text);
}

#[tokio::test]
async fn bodies_that_are_no_execution_or_too_much_reach_nobody() {
    let sites = Sites::start([Script::default(), Script::default()]).await;
    let mut federation = sites.federation();
    federation.limits.request_body_bytes_max = 100_000;
    let front = Front::unread(federation).await;
    for path in ["/processes/A:echo/execution", "/processes/A:echo/execution/explain"] {
        check_problem(&front.post_text(path, "{").await, 400, "invalid-request");
        check_problem(&front.post_text(path, "[]").await, 400, "invalid-request");
        let many = json!({"inputs": {"x": vec!["s3://a/b"; 501]}});
        let refused = front.post(path, &many).await;
        check_problem(&refused, 413, "body-too-large");
        assert_eq!(refused.json()["bound"], json!({"what": "references", "max": 500}));
        check_problem(&front.post_text(path, &" ".repeat(100_001)).await, 413, "body-too-large");
        let form = front.request("POST", path).header("content-type", "application/x-www-form-urlencoded").body("a=b");
        check_problem(&sent(form).await, 415, "unsupported-media-type");
    }
    check_problem_type(&front.request("PUT", "/processes/A:echo"), 405).await;
    assert_eq!(sites.executions(), [0, 0]);
}

/// An error without a type of its own.
async fn check_problem_type(request: &reqwest::RequestBuilder, status: u16) {
    let reply = sent(request.try_clone().unwrap()).await;
    assert_eq!((reply.status, reply.header("content-type")), (status, "application/problem+json"));
    assert_eq!(reply.json()["type"], "about:blank");
    assert!(!reply.header("allow").is_empty());
}

#[tokio::test]
async fn members_are_asked_for_an_item_where_the_settings_want_it() {
    let sites = Sites::start([Script::default(), Script::default()]).await;
    let body = |id: &str| json!({"inputs": {"data": {"collection": "shared", "ids": [id]}}});
    let chosen = async |federation: Federation, id: &str| {
        let front = Front::of(federation).await;
        let reply = front.post("/processes/echo/execution/explain", &body(id)).await;
        reply.json()["chosen"]["member"].as_str().unwrap_or_else(|| panic!("{}", reply.text)).to_owned()
    };
    assert_eq!(chosen(sites.federation(), "of-B").await, "A", "the smaller id, where nothing else tells them apart");
    for (id, member) in [("of-A", "A"), ("of-B", "B")] {
        let mut federation = sites.federation();
        federation.routing.probe = true;
        assert_eq!(chosen(federation, id).await, member);
    }
}

#[tokio::test]
async fn a_bare_address_of_an_item_leads_to_the_member_that_has_it() {
    let sites = Sites::start([Script::default(), Script::default()]).await;
    let front = Front::of(sites.federation()).await;
    let href = |id: &str| format!("{}/collections/shared/items/{id}", front.base);
    for (id, member) in [("of-A", "A"), ("of-B", "B")] {
        let reply = front.post("/processes/echo/execution/explain", &json!({"inputs": {"item": href(id)}})).await;
        assert_eq!(reply.json()["chosen"]["member"], member, "{}", reply.text);
        assert_eq!(reply.json()["references"][0]["holders"], json!([member]));
    }
    let body = json!({"inputs": {"item": href("of-nobody")}});
    let refused = front.post("/processes/echo/execution", &body).await;
    check_problem(&refused, 422, "data-location-unknown");
}

#[tokio::test]
async fn members_that_were_not_asked_for_an_item_are_not_said_to_have_one() {
    let sites = Sites::start([Script::default(), Script::default()]).await;
    let mut federation = sites.federation();
    federation.routing.probe = true;
    federation.routing.unlocated = stac_broker::federation::Unlocated::Preferred;
    let front = Front::of(federation).await;
    let reply = front.post("/processes/echo/execution/explain", &json!({"inputs": {"text": "x"}})).await;
    let probed = |index: usize| reply.json()["ranking"][index]["scores"]["probed"].clone();
    assert_eq!((probed(0), probed(1)), (json!("unknown"), json!("unknown")), "{}", reply.text);
}

#[tokio::test]
async fn a_caller_s_token_reaches_only_the_member_that_executes() {
    let sites = Sites::start([Script { hides_descriptions: true, ..Script::default() }, Script::default()]).await;
    let mut federation = sites.federation();
    for member in &mut federation.members {
        member.auth = Auth::Forward;
    }
    let front = Front::of(federation).await;
    assert_eq!(ids(front.get("/processes").await.json()), ["echo"], "listed with what the list gave");
    let described = front.get("/processes/A:echo").await;
    assert_eq!((described.status, described.json().get("inputs")), (200, None));
    let body = json!({"inputs": {"text": "x", "collection": "A|ocean"}});
    let refused = front.post("/processes/echo/execution", &body).await;
    check_problem(&refused, 401, "credentials-not-forwardable");
    assert_eq!(refused.header("www-authenticate"), "Bearer");

    let with = |method: &str, path: &str| {
        front.request(method, path).header("authorization", "Bearer of-ada").header("content-type", "application/json")
    };
    let described = sent(with("GET", "/processes/A:echo")).await;
    assert!(described.json()["inputs"].is_object(), "{}", described.text);
    assert_eq!(described.header("cache-control"), "private, no-store");
    assert_eq!(front.get("/processes/A:echo").await.json().get("inputs"), None, "what a token opened is not held");
    let reply = sent(with("POST", "/processes/echo/execution").body(body.to_string())).await;
    assert_eq!((reply.status, reply.header("federation-member")), (200, "A"), "{}", reply.text);
    assert_eq!(sites.stubs[0].executions()[0].headers["authorization"], "Bearer of-ada");
    let leaked = |asked: &crate::support::process_stub::Asked| asked.headers.contains_key("authorization");
    assert!(!sites.stubs[1].asked().iter().any(leaked), "another member saw the token");
    let searched = sites.catalogues.iter().flat_map(Running::recorded);
    assert!(searched.into_iter().all(|asked| !asked.headers.contains_key("authorization")));
}

#[tokio::test]
async fn processes_are_advertised_only_where_a_member_executes() {
    let (_stub, front) = one(Script::default()).await;
    let landing = front.get("/").await;
    let rels = |reply: &crate::support::front::Reply| {
        let links = reply.json()["links"].as_array().unwrap().clone();
        links.iter().map(|link| link["rel"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(rels(&landing).contains(&"http://www.opengis.net/def/rel/ogc/1.0/processes".to_owned()));
    let classes = |reply: &crate::support::front::Reply| reply.json()["conformsTo"].to_string();
    let conformance = front.get("/conformance").await;
    assert!(classes(&conformance).contains("ogcapi-processes-1/1.0/conf/core"));
    assert_eq!(classes(&conformance), classes(&landing));
    let api = front.get("/api").await;
    assert!(api.json()["paths"].get("/jobs").is_none(), "a list that nobody allows is not described");
    assert!(api.json()["paths"]["/processes/{processId}/execution"]["post"].is_object());

    let member = ScriptedMember::new("A").start().await;
    let front = Front::unread(federation_of([member.declared()])).await;
    assert!(rels(&front.get("/").await).iter().all(|rel| !rel.contains("processes")));
    assert!(!front.get("/conformance").await.text.contains("processes"));
    assert!(front.get("/api").await.json()["paths"].get("/processes").is_none());
    assert_eq!(front.get("/processes").await.json()["processes"], json!([]));
    check_problem(&front.get("/processes/echo").await, 404, "no-such-process");
}

/// Explain said `chosen` where the execution was refused.
#[tokio::test]
async fn explain_knows_that_callbacks_are_refused() {
    let a = ProcessStub::start("A", Script::default()).await;
    let mut declared = a.declared();
    declared.processes.as_mut().unwrap().callbacks = stac_broker::federation::Callbacks::Refuse;
    let front = Front::of(federation_of([declared])).await;
    let body = json!({ "inputs": {}, "subscriber": { "successUri": "https://client.example/done" } });
    let told = front.post("/processes/echo/execution/explain", &body).await;
    assert!(told.json().get("chosen").is_none(), "{}", told.text);
    assert!(told.json()["problem"]["type"].as_str().unwrap().ends_with("callback-unsupported"), "{}", told.text);
    assert_eq!(front.post("/processes/echo/execution", &body).await.status, 422);
    assert_eq!(
        front.post("/processes/echo/execution/explain", &json!({ "inputs": {} })).await.json()["chosen"]["member"],
        "A"
    );
}
