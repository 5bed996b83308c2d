//! The access log of the real program, and `policy replay` on it: its counts are the members' counts.

use std::time::Duration;

use serde_json::{Value, json};

use crate::binary::{File, Served, run};
use crate::support::{Fails, NextForm, Running, ScriptedMember, collection, items};

/// A walk ends long before.
const PAGES_MAX: usize = 100;

fn member(id: &str) -> ScriptedMember {
    let name = id.to_lowercase();
    ScriptedMember::new(id).items(items(&name, 60)).collections(vec![collection(&name)])
}

/// A file of these members, each with its policy.
fn file(members: &[&Running], head: &str, policies: [&str; 3]) -> File {
    let member = |(member, policy): (&&Running, &str)| {
        format!("[[member]]\nid = \"{}\"\nurl = \"{}\"\ninternal = true\n{policy}\n", member.id, member.url)
    };
    let members: String = members.iter().zip(policies).map(member).collect();
    File::of(&format!(
        "[federation]\nid = \"test\"\ntitle = \"Test\"\n[limits]\nmember_deadline_ms = 3000\n{head}{members}"
    ))
}

async fn asked(request: reqwest::RequestBuilder) -> Value {
    let text = request.send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Walks to the end; true when every page was complete.
async fn walk(client: &reqwest::Client, first: &str) -> bool {
    let (mut url, mut complete) = (first.to_owned(), true);
    for _ in 0..PAGES_MAX {
        let page = asked(client.get(&url)).await;
        complete &= page["federation:report"]["complete"] == true;
        let next = page["links"].as_array().into_iter().flatten().find(|link| link["rel"] == "next");
        match next {
            Some(next) => next["href"].as_str().unwrap().clone_into(&mut url),
            None => return complete,
        }
    }
    panic!("the walk does not end");
}

struct Replayed {
    status: Option<i32>,
    json: Value,
}

impl Replayed {
    fn of(&self, policy: usize, member: &str) -> &Value {
        let members = self.json["policies"][policy]["members"].as_array().unwrap();
        members.iter().find(|tally| tally["id"] == member).unwrap()
    }
}

async fn replayed(args: &[&str]) -> Replayed {
    let output = run(&[&["policy", "replay", "--format", "json"], args].concat()).await;
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    Replayed { status: output.status.code(), json }
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_counts_what_the_members_counted() {
    let a = member("A").start().await;
    let b = member("B").page_cap(7).next_form(NextForm::GetAfterPost).start().await;
    let c = member("C").get_only().fails_from(9, Fails::Status(500, None)).start().await;
    let members = [&a, &b, &c];
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let log = log.to_str().unwrap();
    let head = format!("[telemetry]\naccess_log = \"{log}\"\n");
    let keeps = "[[member.policy.retention]]\nfrom = \"2025-01-01T00:30:00Z\"";
    let served_file = file(&members, &head, ["", keeps, ""]);
    let (mut served, served_file) =
        tokio::task::spawn_blocking(move || (Served::start(&served_file), served_file)).await.unwrap();

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let base = served.base.clone();
    assert!(walk(&client, &format!("{base}/search?limit=25&collections=b")).await);
    for query in
        ["limit=5", "datetime=../2025-01-01T00:20:00Z&limit=4", "ids=a-0003,c-0004", "bbox=10,54,11,55&limit=3"]
    {
        asked(client.get(format!("{base}/search?{query}"))).await;
    }
    let body =
        json!({"filter": "datetime < TIMESTAMP('2025-01-01T00:10:00Z')", "filter-lang": "cql2-text", "limit": 3});
    asked(client.post(format!("{base}/search")).body(body.to_string())).await;
    assert!(!walk(&client, &format!("{base}/search?limit=20")).await, "C fails in the middle of it");
    asked(client.get(format!("{base}/collections/a/items?limit=2"))).await;
    asked(client.get(format!("{base}/search?limit=0"))).await;
    served.terminate();
    tokio::task::spawn_blocking(move || served.ended(Duration::from_secs(60))).await.unwrap();

    let current = replayed(&["--log", log, "-f", served_file.path()]).await;
    assert_eq!(current.status, Some(0), "{:#}", current.json);
    assert_eq!((&current.json["log"]["bad"], &current.json["log"]["cut"]), (&json!(0), &json!(0)));
    let mut left_out = 0;
    for member in members {
        let counted = json!(member.searches());
        let tally = current.of(0, &member.id);
        assert_eq!(
            (&current.json["log"]["requests"][&member.id], &tally["requests"]),
            (&counted, &counted),
            "{}",
            member.id
        );
        assert_eq!(tally["estimated"], 0, "{tally}");
        left_out += tally["pruned"].as_object().unwrap().len();
    }
    assert!(left_out >= 2, "{:#}", current.json);

    // A policy that says less than C has.
    let tried = file(&members, "", ["", keeps, "[[member.policy.retention]]\nfrom = \"2025-06-01T00:00:00Z\""]);
    let both = replayed(&["--log", log, "-f", served_file.path(), "--with", tried.path()]).await;
    assert_eq!(both.status, Some(1));
    let (before, now) = (both.of(0, "C"), both.of(1, "C"));
    let wrong = now["wrong"].as_array().unwrap();
    let retention = wrong.iter().find(|wrong| wrong["rule"] == "retention").unwrap_or_else(|| panic!("{now}"));
    assert!(!retention["examples"].as_array().unwrap().is_empty(), "{now}");
    assert!(wrong.iter().filter_map(|wrong| wrong["items"].as_u64()).sum::<u64>() >= 3, "{now}");
    let number = |tally: &Value, name: &str| tally[name].as_u64().unwrap();
    assert!(number(now, "requests") < number(before, "requests"));
    assert_eq!(number(now, "saved") - number(before, "saved"), number(before, "requests") - number(now, "requests"));
    for untouched in ["A", "B"] {
        assert_eq!(both.of(0, untouched), both.of(1, untouched));
    }
    let text = run(&["policy", "replay", "--log", log, "-f", served_file.path(), "--with", tried.path()]).await;
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("C: `retention` leaves it out of ") && text.contains("(tried)"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_no_cursor_no_credential_and_no_address() {
    let a = member("A").start().await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let head = format!("[telemetry]\naccess_log = \"{}\"\n", log.display());
    let file = file(&[&a], &head, [""; 3]);
    let (mut served, _file) = tokio::task::spawn_blocking(move || (Served::start(&file), file)).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = |url: &str| {
        client.get(url).header("authorization", "Bearer canary-token").header("x-forwarded-for", "203.0.113.77")
    };
    let page = asked(ask(&format!("{}/search?limit=5&canary=1", served.base))).await;
    let next = page["links"].as_array().unwrap().iter().find(|link| link["rel"] == "next").unwrap()["href"].clone();
    let next = next.as_str().unwrap();
    assert_eq!(asked(ask(next).header("x-request-id", "second-page")).await["features"].as_array().unwrap().len(), 5);
    served.terminate();
    tokio::task::spawn_blocking(move || served.ended(Duration::from_secs(60))).await.unwrap();
    let text = std::fs::read_to_string(&log).unwrap();
    let cursor = next.split_once("token=").unwrap().1;
    for secret in ["canary", "203.0.113.77", "127.0.0.1", &cursor[..30]] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let searches: Vec<&Value> = lines.iter().filter(|line| line["message"] == "search").collect();
    assert_eq!(searches.len(), 2);
    assert_eq!((&searches[1]["request_id"], &searches[1]["continued"]), (&json!("second-page"), &json!(true)));
    assert_eq!(searches[1]["started"], searches[0]["started"], "one walk");
    assert_eq!((&searches[0]["items"], &searches[0]["search"]), (&json!(5), &json!({"limit": 5})));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_read_are_told() {
    let a = member("A").start().await;
    let file = file(&[&a], "", [""; 3]);
    let none = run(&["policy", "replay", "--log", "nowhere.log", "-f", file.path()]).await;
    assert_eq!((none.status.code(), none.stdout.len()), (Some(2), 0));
    assert!(String::from_utf8(none.stderr).unwrap().contains("`nowhere.log`"));
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    std::fs::write(&log, "{\"target\":\"access\"\nINFO serving\n\u{1}\n{\"target\":\"access\",\"message\":\"search\"}")
        .unwrap();
    let log = log.to_str().unwrap();
    let bad = run(&["policy", "replay", "--log", log, "-f", file.path(), "--with", "nowhere.toml"]).await;
    assert_eq!((bad.status.code(), bad.stdout.len()), (Some(2), 0));
    let bad = replayed(&["--log", log, "-f", file.path()]).await;
    let read = &bad.json["log"];
    assert_eq!(
        (bad.status, &read["bad"], &read["others"], &read["searches"]),
        (Some(0), &json!(2), &json!(2), &json!(0))
    );
    assert_eq!((&read["bad_first"][0]["line"], &read["bad_first"][1]["line"]), (&json!(1), &json!(4)));
    std::fs::write(log, "INFO serving\n").unwrap();
    let other = run(&["policy", "replay", "--log", log, "-f", file.path()]).await;
    assert_eq!((other.status.code(), other.stdout.len()), (Some(2), 0), "a table of zeros would look good to a script");
}
