//! What a member receives, and what becomes of its answer to an execution: `processes.md` 1, 1.1, 2 and 3.

use serde_json::json;
use stac_broker::federation::{Auth, Callbacks, Secret};

use super::{check_problem, execute, execute_with, job_of, one, public};
use crate::support::front::sent;
use crate::support::process_stub::{Created, Does, Location, Names, On, ProcessStub, Results, Script};
use crate::support::{Front, federation_of};

#[tokio::test]
async fn one_clean_prefer_reaches_the_member() {
    let stub = ProcessStub::start("A", Script::default()).await;
    let mut copes = stub.declared();
    copes.id = stac_broker::federation::MemberId::new("R");
    copes.processes.as_mut().unwrap().prefer_return = true;
    let front = Front::unread(federation_of([stub.declared(), copes])).await;
    for (process, given, arrives, status) in [
        ("A:echo", Some("respond-async"), &["respond-async"][..], 201),
        ("A:echo", Some("respond-async, wait=10, handling=lenient; return=minimal"), &["respond-async"], 201),
        ("A:echo", None, &[], 200),
        ("A:echo", Some("respond-sync"), &[], 200),
        ("A:echo", Some("wait=20"), &[], 200),
        ("A:echo", Some("return=minimal"), &[], 200),
        ("R:echo", Some("return=minimal"), &["return=minimal"], 200),
        ("R:echo", Some("respond-async, return=representation"), &["respond-async", "return=representation"], 200),
    ] {
        let path = format!("/processes/{process}/execution");
        let mut request = front.request("POST", &path).header("content-type", "application/json");
        if let Some(given) = given {
            request = request.header("prefer", given);
        }
        let reply = sent(request.body(r#"{"inputs":{}}"#)).await;
        assert_eq!(reply.status, status, "{given:?}: {}", reply.text);
        let last = stub.executions().pop().unwrap();
        let lines: Vec<&str> = last.headers.get_all("prefer").iter().map(|line| line.to_str().unwrap()).collect();
        assert_eq!(lines, arrives, "{given:?}");
        assert_eq!(reply.header("preference-applied"), if status == 201 { "respond-async" } else { "" });
    }
}

#[tokio::test]
async fn headers_to_members_are_built_from_nothing() {
    let (stub, front) = one(Script::default()).await;
    let request =
        front.request("POST", "/processes/echo/execution").header("content-type", "application/json; charset=utf-8");
    let hostile = [
        ("cookie", "canary"),
        ("authorization", "Bearer canary"),
        ("x-forwarded-for", "1.2.3.4"),
        ("forwarded", "for=1.2.3.4"),
        ("te", "trailers"),
        ("x-api-key", "canary"),
        ("accept-language", "de"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("via", "1.1 proxy"),
        ("accept", "*/*"),
    ];
    let request = hostile.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    assert_eq!(sent(request.body(r#"{"inputs":{}}"#)).await.status, 200);
    let last = stub.executions().pop().unwrap();
    let mut names: Vec<&str> = last.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let expected = [
        "accept",
        "accept-encoding",
        "accept-language",
        "content-length",
        "content-type",
        "host",
        "traceparent",
        "user-agent",
        "via",
    ];
    assert_eq!(names, expected);
    let value = |name: &str| last.headers[name].to_str().unwrap().to_owned();
    assert_eq!(value("accept"), "application/json, */*;q=0.1");
    assert_eq!(value("accept-encoding"), "identity");
    assert_eq!(value("content-type"), "application/json; charset=utf-8");
    assert_eq!(value("via"), "1.1 proxy, 1.1 stac-broker-test");
    assert_eq!(value("host"), format!("{}:{}", stub.base.host_str().unwrap(), stub.base.port().unwrap()));
    let own =
        front.request("POST", "/processes/echo/execution").header("accept", "image/tiff").body(r#"{"inputs":{}}"#);
    sent(own).await;
    assert_eq!(stub.executions().pop().unwrap().headers["accept"], "image/tiff");
}

#[tokio::test]
async fn credentials_go_by_the_members_mode() {
    let stub = ProcessStub::start("A", Script::default()).await;
    let with = |id: &str, auth: Auth| {
        let mut member = stub.declared();
        (member.id, member.auth) = (stac_broker::federation::MemberId::new(id), auth);
        member
    };
    let own = Auth::Bearer { token: Secret::new("own".into()) };
    let mut plain = with("P", Auth::Forward);
    // a member on the public network without TLS gets no credentials, and a private address not even a request
    plain.internal = false;
    let front =
        Front::unread(federation_of([with("N", Auth::None), with("O", own), with("F", Auth::Forward), plain])).await;
    for (member, given, arrives) in [
        ("N", Some("Bearer canary"), None),
        ("O", Some("Bearer canary"), Some("Bearer own")),
        ("O", None, Some("Bearer own")),
        ("F", Some("Bearer canary"), Some("Bearer canary")),
    ] {
        let path = format!("/processes/{member}:echo/execution");
        let request = front.request("POST", &path).body(r#"{"inputs":{}}"#);
        let request = given.into_iter().fold(request, |request, given| request.header("authorization", given));
        let reply = sent(request).await;
        assert_eq!(reply.status, 200, "{member}: {}", reply.text);
        let last = stub.executions().pop().unwrap();
        assert_eq!(last.headers.get("authorization").map(|value| value.to_str().unwrap()), arrives, "{member}");
        if given.is_some() {
            assert_eq!(reply.header("cache-control"), "private, no-store");
        }
    }
    let count = stub.executions().len();
    check_problem(
        &front.post("/processes/F:echo/execution", &json!({"inputs": {}})).await,
        401,
        "credentials-not-forwardable",
    );
    let request = front.request("POST", "/processes/P:echo/execution").header("authorization", "Bearer canary");
    assert!(sent(request.body("{}")).await.status >= 400);
    assert_eq!(stub.executions().len(), count);
}

#[tokio::test]
async fn locations_in_every_form_become_the_brokers() {
    let job = public("jobs/job-1");
    for location in [Location::Absolute, Location::Relative, Location::WrongHost, Location::WithQuery] {
        let (stub, front) = one(Script { location, created: Created::Null, ..Script::default() }).await;
        let reply = execute(&front, Some("respond-async")).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        assert_eq!(reply.header("location"), format!("{}/jobs/{job}", front.base), "{location:?}");
        let status = front.get(&job_of(&front, &reply)).await;
        assert_eq!((status.status, &status.json()["jobID"]), (200, &json!(job)), "{location:?}");
        assert_eq!(stub.count("GET", "/jobs/job-1"), 1);
    }
    // legacy jobs below their process, also where the host is wrong
    for location in [Location::Absolute, Location::WrongHost] {
        let (stub, front) = one(Script { location, legacy_jobs: true, ..Script::default() }).await;
        let reply = execute(&front, Some("respond-async")).await;
        assert_eq!(reply.json()["jobID"], public("processes/echo/jobs/job-1"));
        stub.all_jobs_are("successful");
        assert_eq!(front.get(&format!("{}/results", job_of(&front, &reply))).await.json()["text"], "hello");
    }
    // EDITO: the base itself is called `processes`
    let (_stub, front) = one(Script { base_path: "/processes", ..Script::default() }).await;
    let reply = execute(&front, Some("respond-async")).await;
    assert_eq!(reply.json()["jobID"], job);
    assert_eq!(front.get(&job_of(&front, &reply)).await.status, 200);
}

#[tokio::test]
async fn without_a_location_the_id_in_the_body_counts() {
    for (location, created, leads) in [
        (Location::Absent, Created::StatusInfo, true),
        (Location::Absent, Created::Id, true),
        (Location::Absent, Created::JobId, true),
        (Location::Nonsense, Created::JobId, true),
        (Location::Absent, Created::Null, false),
        (Location::Absent, Created::EmptyObject, false),
        (Location::Absent, Created::Empty, false),
        (Location::Nonsense, Created::Html, false),
    ] {
        let (stub, front) = one(Script { location, created, ..Script::default() }).await;
        let reply = execute(&front, Some("respond-async")).await;
        if leads {
            assert_eq!((reply.status, &reply.json()["jobID"]), (201, &json!(public("jobs/job-1"))), "{created:?}");
        } else {
            check_problem(&reply, 502, "upstream-contract");
            assert!(reply.json()["detail"].as_str().unwrap().contains("may be running"), "{}", reply.text);
            assert_eq!(reply.json()["upstream"]["status"], 201);
        }
        assert_eq!(stub.executions().len(), 1);
    }
    let (_stub, front) = one(Script { location: Location::Absent, names: Names::Edito, ..Script::default() }).await;
    assert_eq!(execute(&front, Some("respond-async")).await.json()["jobID"], public("jobs/job-1"));
}

#[tokio::test]
async fn the_body_of_a_201_is_made_anew() {
    for (created, status) in [
        (Created::StatusInfo, "accepted"),
        (Created::Null, "accepted"),
        (Created::EmptyObject, "accepted"),
        (Created::Empty, "accepted"),
        (Created::Html, "accepted"),
        (Created::Id, "running"),
        (Created::JobId, "accepted"),
    ] {
        let (stub, front) = one(Script { created, ..Script::default() }).await;
        let reply = execute(&front, Some("respond-async")).await;
        let job = public("jobs/job-1");
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!((reply.header("federation-member"), reply.header("cache-control")), ("A", "no-store"));
        let mut body = reply.json().clone();
        let links = body.as_object_mut().unwrap().shift_remove("links").unwrap();
        let expected = json!({
            "jobID": job, "type": "process", "processID": "echo", "status": status,
            "federation:backends": ["A"], "federation:reason": "only-candidate",
        });
        assert_eq!(body, expected, "{created:?}");
        let href =
            |rel: &str| links.as_array().unwrap().iter().find(|link| link["rel"] == rel).unwrap()["href"].clone();
        assert_eq!(href("self"), format!("{}/jobs/{job}", front.base));
        assert_eq!(href("via"), format!("{}/jobs/job-1", stub.base));
    }
    let (_stub, front) = one(Script::default()).await;
    let reply =
        front.request("POST", "/processes/A:echo/execution").header("prefer", "respond-async").body(r#"{"inputs":{}}"#);
    let reply = sent(reply).await;
    assert_eq!(
        (&reply.json()["federation:reason"], &reply.json()["processID"]),
        (&json!("pin"), &json!("echo")),
        "as the job's status says it"
    );
}

#[tokio::test]
async fn synchronous_answers_say_their_job_too() {
    let (_stub, front) =
        one(Script { location_of_sync: true, location: Location::WrongHost, ..Script::default() }).await;
    let reply = execute(&front, None).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, r#"{"text":"hello"}"#));
    assert_eq!(front.get(&job_of(&front, &reply)).await.json()["status"], "successful");
    let (_stub, front) = one(Script { results: Results::Links, location: Location::Absent, ..Script::default() }).await;
    let reply = execute(&front, None).await;
    assert_eq!((reply.status, reply.text.as_str()), (204, ""));
    let other = format!("<{}/jobs/{}/results/text>; rel=\"other\"", front.base, public("jobs/job-1"));
    assert!(reply.header("link").ends_with(&other), "{}", reply.header("link"));
}

#[tokio::test]
async fn collections_that_were_made_are_followed_by_the_client() {
    let (_stub, front) = one(Script { results: Results::SeeOther("/ogc/collections/new"), ..Script::default() }).await;
    let request = front.request("POST", "/processes/echo/execution").body(r#"{"inputs":{}}"#);
    // the client of the tests would follow it
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let reply = sent(reqwest::RequestBuilder::from_parts(client, request.build().unwrap())).await;
    assert_eq!(reply.status, 303);
    assert!(reply.header("location").ends_with("/ogc/collections/new"), "{}", reply.header("location"));
}

#[tokio::test]
async fn bodies_are_forwarded_as_they_came() {
    let (stub, front) = one(Script::default()).await;
    for body in [
        "{\"inputs\" : {\"text\":\"h\\u00e9\", \"n\": 1.50e+00, \"n\": 2}, \"x-own\":[ ] }\n",
        r#"{"metadata": {}, "processInputs": {"text": "hello"}}"#,
        r#"{"inputs": {"text": "see https://example.org/x"}, "response": "document", "outputs": {"text": {}}}"#,
    ] {
        let reply = front.post_text("/processes/echo/execution", body).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(stub.executions().pop().unwrap().body, body);
    }
}

#[tokio::test]
async fn addresses_of_the_broker_become_the_members_where_data_is_named() {
    let (stub, front) = one(Script::default()).await;
    let base = &front.base;
    let job = public("jobs/job-9");
    let body = format!(
        r#"{{ "inputs":{{"items": ["{base}/collections/A%7Cc%201/items/i?x=1"], "collection":"A|c 1" , "link":{{"href":"{base}/jobs/{job}/results"}},"text":"A|c 1 at {base}/collections/A%7Cc","n":1.50}}}}"#
    );
    let reply = front.post_text("/processes/A:echo/execution", &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let expected = body
        .replace(
            &format!("\"{base}/collections/A%7Cc%201/items/i?x=1\""),
            "\"http://127.0.0.1:9/stac/collections/c%201/items/i?x=1\"",
        )
        .replace("\"collection\":\"A|c 1\"", "\"collection\":\"c 1\"")
        .replace(&format!("{base}/jobs/{job}/results"), &format!("{}/jobs/job-9/results", stub.base));
    assert_eq!(stub.executions().pop().unwrap().body, expected);
}

#[tokio::test]
async fn callbacks_are_passed_on_or_refused_never_lost() {
    let body = json!({"inputs": {}, "subscriber": {"successUrl": "http://client.example/ok"}});
    let (stub, front) = one(Script { callbacks: true, ..Script::default() }).await;
    assert_eq!(execute_with(&front, &body, None).await.status, 200);
    assert_eq!(stub.executions().pop().unwrap().body, body.to_string());

    let (stub, front) = one(Script::default()).await;
    check_problem(&execute_with(&front, &body, None).await, 422, "callback-unsupported");
    assert_eq!(stub.executions().len(), 0);

    let stub = ProcessStub::start("A", Script { callbacks: true, ..Script::default() }).await;
    let mut member = stub.declared();
    member.processes.as_mut().unwrap().callbacks = Callbacks::Refuse;
    let front = Front::unread(federation_of([member])).await;
    check_problem(&execute_with(&front, &body, None).await, 422, "callback-unsupported");
    let none = json!({"inputs": {}, "subscriber": null});
    assert_eq!(execute_with(&front, &none, None).await.status, 200);
    assert_eq!(stub.executions().len(), 1);
}

#[tokio::test]
async fn refusals_keep_their_status_and_what_helps() {
    for (does, status, kind, header, value) in [
        (Does::Says(400, &[], r#"{"title":"bad","detail":"bbox is wrong"}"#), 400, "member-refused", "", ""),
        (
            Does::Says(401, &[("www-authenticate", "Bearer realm=\"m\"")], ""),
            401,
            "member-refused",
            "www-authenticate",
            "Bearer realm=\"m\"",
        ),
        (Does::Says(403, &[], "{}"), 403, "member-refused", "", ""),
        (Does::Says(404, &[], r#"{"code":"NoSuchProcess"}"#), 404, "no-such-process", "", ""),
        (Does::Says(404, &[], r#"{"detail":"no such collection"}"#), 404, "member-refused", "", ""),
        (Does::Says(409, &[], "{}"), 409, "member-refused", "", ""),
        (Does::Says(413, &[], "{}"), 413, "member-refused", "", ""),
        (Does::Says(415, &[], "{}"), 415, "member-refused", "", ""),
        (Does::Says(422, &[], "{}"), 422, "member-refused", "", ""),
        (Does::Says(429, &[("retry-after", "17")], ""), 429, "member-refused", "retry-after", "17"),
        (Does::Says(503, &[("retry-after", "18")], ""), 503, "member-unavailable", "retry-after", "18"),
        (Does::Says(500, &[], r#"{"detail":"division by zero"}"#), 502, "member-refused", "", ""),
        (Does::Html(500), 502, "upstream-contract", "", ""),
        (Does::Html(404), 404, "no-such-process", "", ""),
        (Does::Redirect(302, "http://127.0.0.1:9/".into()), 502, "upstream-contract", "", ""),
    ] {
        let (stub, front) = one(Script { goes_wrong: Some((On::Execution, does.clone())), ..Script::default() }).await;
        let reply = execute(&front, None).await;
        check_problem(&reply, status, kind);
        assert_eq!(reply.json()["upstream"]["member"], "A", "{does:?}");
        assert_eq!(
            reply.json()["upstream"]["status"],
            match does {
                Does::Says(said, ..) | Does::Html(said) | Does::Redirect(said, _) => said,
                _ => 0,
            }
        );
        assert_eq!(reply.header("federation-member"), "A");
        if !header.is_empty() {
            assert_eq!(reply.header(header), value);
        }
        assert_eq!(stub.executions().len(), 1);
    }
}

#[tokio::test]
async fn a_members_words_are_cut_and_cleaned() {
    const LONG: &str = r#"{"type":"https://m.example/e","detail":"at http://10.0.0.1/secret\u0000\r\nSet-Cookie: x \u202e the canary xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx end"}"#;
    let (_stub, front) =
        one(Script { goes_wrong: Some((On::Execution, Does::Says(400, &[], LONG))), ..Script::default() }).await;
    let reply = execute(&front, None).await;
    let detail = reply.json()["upstream"]["detail"].as_str().unwrap();
    assert!(detail.starts_with("at … Set-Cookie: x") && detail.chars().count() <= 200, "{detail}");
    assert!(
        !detail.contains("10.0.0.1") && !detail.contains("end") && !detail.chars().any(char::is_control),
        "{detail}"
    );
    assert!(reply.json()["upstream"].get("type").is_none());
}

#[tokio::test]
async fn requests_that_are_none_reach_nobody() {
    let (stub, front) = one(Script::default()).await;
    for (body, pointer) in [
        ("{", ""),
        ("[]", ""),
        ("\"x\"", ""),
        (r#"{"inputs":7}"#, "/inputs"),
        (r#"{"inputs":{},"subscriber":"x"}"#, "/subscriber"),
    ] {
        let reply = front.post_text("/processes/echo/execution", body).await;
        check_problem(&reply, 400, "invalid-request");
        assert_eq!(reply.json()["pointer"], pointer, "{body}");
    }
    let text = front.request("POST", "/processes/echo/execution").header("content-type", "text/xml").body("<x/>");
    check_problem(&sent(text).await, 415, "unsupported-media-type");
    let large = format!("{{\"inputs\":{{\"text\":\"{}\"}}}}", "x".repeat(2 << 20));
    check_problem(&front.post_text("/processes/echo/execution", &large).await, 413, "body-too-large");
    let deep = format!("{{\"inputs\":{}1{}}}", "{\"a\":".repeat(30), "}".repeat(30));
    check_problem(&front.post_text("/processes/echo/execution", &deep).await, 413, "body-too-large");
    check_problem(&front.post("/processes/other/execution", &json!({"inputs": {}})).await, 404, "no-such-process");
    let hops = (0..5).map(|n| format!("1.1 stac-broker-f{n}")).collect::<Vec<_>>().join(", ");
    let looped = front.request("POST", "/processes/echo/execution").header("via", hops).body("{}");
    check_problem(&sent(looped).await, 508, "forwarding-loop");
    let own = front.request("POST", "/processes/echo/execution").header("via", "1.1 stac-broker-test").body("{}");
    check_problem(&sent(own).await, 508, "forwarding-loop");
    assert_eq!(stub.executions().len(), 0);
}

#[tokio::test]
async fn methods_that_do_not_exist_say_which_do() {
    let (stub, front) = one(Script::default()).await;
    let job = format!("/jobs/{}", public("jobs/x"));
    for (method, path, allow) in [
        ("GET", "/processes/echo/execution", "POST"),
        ("PUT", "/processes/echo/execution", "POST"),
        ("POST", &job, "DELETE"),
        ("PATCH", &job, "DELETE"),
        ("POST", &format!("{job}/results"), "GET"),
    ] {
        let reply = sent(front.request(method, path)).await;
        assert_eq!(reply.status, 405, "{method} {path}");
        assert!(
            reply.header("allow").contains(allow) && reply.header("allow").contains("OPTIONS"),
            "{}",
            reply.header("allow")
        );
    }
    for path in ["/processes/echo/execution", &job] {
        let reply = sent(front.request("OPTIONS", path).header("origin", "https://app.example")).await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (204, "*"));
        assert!(reply.header("access-control-allow-methods").contains("DELETE"));
    }
    assert_eq!(stub.asked().len(), 0);
    let reply = execute(&front, Some("respond-async")).await;
    for name in ["location", "link", "federation-member", "preference-applied", "retry-after", "www-authenticate"] {
        assert!(reply.header("access-control-expose-headers").contains(name), "{name}");
    }
}
