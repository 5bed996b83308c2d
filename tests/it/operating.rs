//! What those who run the broker use: the admin listener of the real program, and the files of `deploy/`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use stac_broker::telemetry::metrics::{Kind, METRICS};

use crate::binary::{File, Served};
use crate::support::{Fails, ScriptedMember, items};

const TOKEN: &str = "a-token-of-this-test";

async fn get(url: &str, token: Option<&str>) -> (u16, String) {
    asked(reqwest::Client::new().get(url), token).await
}

async fn asked(request: reqwest::RequestBuilder, token: Option<&str>) -> (u16, String) {
    let request = match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    };
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn the_admin_listener_counts_tells_and_reloads_for_those_who_show_the_token() {
    let a = ScriptedMember::new("A").items(items("c", 20)).start().await;
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), TOKEN).unwrap();
    let own = format!("[server]\nadmin_listen = \"127.0.0.1:0\"\nadmin_token = \"file:{}\"\n", secret.path().display());
    let file = File::with(&[&a], &own);
    let path = file.path().to_owned();
    let (served, _file) = tokio::task::spawn_blocking(move || (Served::start(&file), file)).await.unwrap();
    let admin = served.admin.clone().expect("the address is told");
    assert_eq!(get(&format!("{}/search?limit=5", served.base), None).await.0, 200);
    assert_eq!(get(&format!("{}/collections/none", served.base), None).await.0, 404);

    for wrong in [None, Some("another"), Some("")] {
        assert_eq!(get(&format!("{admin}/metrics"), wrong).await.0, 401);
    }
    let (status, text) = get(&format!("{admin}/metrics"), Some(TOKEN)).await;
    assert_eq!(status, 200);
    for line in [
        "stac_broker_requests_total{route=\"/search\",status=\"200\"} 1",
        "stac_broker_refusals_total{code=\"NotFound\"} 1",
        "stac_broker_member_items_total{member=\"A\"} 5",
        "stac_broker_reload_refused 0",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let known: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    let told: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(told.is_subset(&known), "{:?}", told.difference(&known));

    let plain = reqwest::Client::builder().no_proxy().build().unwrap();
    let lower = plain.get(format!("{admin}/admin/reload")).header("authorization", format!("bearer {TOKEN}"));
    let refused = lower.send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["allow"].to_str().unwrap()), (405, "POST"));
    assert!(refused.text().await.unwrap().contains("MethodNotAllowed"));

    std::fs::write(&path, "[federation]\nid = 3\n").unwrap();
    let reload = reqwest::Client::new().post(format!("{admin}/admin/reload"));
    let (status, text) = asked(reload, Some(TOKEN)).await;
    assert_eq!(status, 409, "{text}");
    assert!(text.contains("`federation.id`"), "{text}");
    let (_, status) = get(&format!("{admin}/admin/status"), Some(TOKEN)).await;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!((&status["federation"], &status["members"][0]["id"]), (&"test".into(), &"A".into()));
    assert!(!status.to_string().contains(TOKEN));
    for path in ["/metrics", "/admin/status"] {
        assert_eq!(get(&format!("{}{path}", served.base), Some(TOKEN)).await.0, 404, "{path} on the public address");
    }
}

/// The values of each label in a text of metrics.
fn label_values(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((_, labels)) = line.split_once('{') else { continue };
        let labels = labels.rsplit_once('}').unwrap().0.trim_end_matches('"');
        for label in labels.split("\",") {
            let (name, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            values.entry(name.to_owned()).or_default().insert(value.to_owned());
        }
    }
    values
}

/// What a client can fill with its own text: each of these is asked with a text of its own.
async fn flood(base: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for n in 0..12 {
        let canary = format!("canary{n}");
        for path in [
            format!("/{canary}/x"),
            format!("/search?collections={canary}&ids={canary}"),
            format!("/search?{canary}=1&sortby=properties.{canary}"),
            format!("/search?token={canary}"),
            format!("/search?filter={canary}%20%3D%20%27{canary}%27&limit=1"),
            format!("/search?limit={canary}"),
            format!("/search?datetime=2025-01-01T00:00:00Z&collections=A%7C{canary}"),
            format!("/collections/{canary}"),
            format!("/collections/{canary}/items?limit=1"),
            format!("/collections/A%7C{canary}/items/{canary}"),
            format!("/collections/{canary}/queryables"),
            format!("/collections?q={canary}"),
            format!("/federation/members/{canary}"),
            format!("/processes/{canary}"),
            format!("/jobs/{canary}"),
        ] {
            let request =
                client.get(format!("{base}{path}")).header("user-agent", &canary).header("x-request-id", &canary);
            let request = request.header("prefer", format!("handling={canary}")).header("traceparent", &canary);
            assert!(request.send().await.unwrap().status().as_u16() < 600);
        }
        for path in ["/search", "/", "/canary"] {
            let method = reqwest::Method::from_bytes(canary.to_uppercase().as_bytes()).unwrap();
            let request = client.request(method, format!("{base}{path}")).header("host", format!("{canary}.example"));
            assert!(request.send().await.is_ok());
        }
        let posted = client.post(format!("{base}/search")).body(format!("{{\"{canary}\": \"{canary}\"}}"));
        assert!(posted.send().await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn label_values_never_come_from_clients_or_members() {
    let a = ScriptedMember::new("A").items(items("c", 20)).start().await;
    let b = ScriptedMember::new("B").fails(Fails::Says("{\"canary\": 1}")).start().await;
    let file = File::with(&[&a, &b], "[server]\nadmin_listen = \"127.0.0.1:0\"\n");
    let (served, _file) = tokio::task::spawn_blocking(move || (Served::start(&file), file)).await.unwrap();
    let admin = served.admin.clone().unwrap();
    flood(&served.base).await;
    let (_, text) = get(&format!("{admin}/metrics"), None).await;
    assert!(!text.to_lowercase().contains("canary"), "{text}");

    let routes = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/routes.rs")).unwrap();
    let routes: BTreeSet<&str> =
        routes.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).chain(["other"]).collect();
    let values = label_values(&text);
    let declared: BTreeSet<&str> = METRICS.iter().flat_map(|metric| metric.labels).copied().chain(["le"]).collect();
    for (label, values) in &values {
        assert!(declared.contains(label.as_str()), "{label} is in no line of the table");
        let is_word = |value: &String| value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        let good = |value: &String| match label.as_str() {
            "member" => ["A", "B"].contains(&value.as_str()),
            "route" => routes.contains(value.as_str()),
            "status" => is_word(value) || value.parse::<u16>().is_ok_and(|status| (100..600).contains(&status)),
            "code" => value.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "le" => value == "+Inf" || value.parse::<f64>().is_ok(),
            "version" => value == env!("CARGO_PKG_VERSION"),
            _ => is_word(value),
        };
        assert!(values.iter().all(good), "{label}: {values:?}");
        assert!(values.len() <= 40, "{label}: {values:?}");
    }
    assert!(values["route"].len() >= 10 && values["code"].len() >= 4, "{values:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_a_reload_took_away_has_no_state_any_more() {
    let (a, b) = (ScriptedMember::new("A").items(items("c", 3)).start().await, ScriptedMember::new("B").start().await);
    let admin_at = "[server]\nadmin_listen = \"127.0.0.1:0\"\n";
    let (file, without) = (File::with(&[&a, &b], admin_at), File::with(&[&a], admin_at));
    let path = file.path().to_owned();
    let (served, _file) = tokio::task::spawn_blocking(move || (Served::start(&file), file)).await.unwrap();
    let admin = served.admin.clone().unwrap();
    let told = |text: &str, member: &str| text.contains(&format!("stac_broker_member_up{{member=\"{member}\"}}"));
    let (_, text) = get(&format!("{admin}/metrics"), None).await;
    assert!(told(&text, "A") && told(&text, "B"), "{text}");
    std::fs::copy(without.path(), &path).unwrap();
    let reload = reqwest::Client::new().post(format!("{admin}/admin/reload"));
    assert_eq!(asked(reload, None).await.0, 200);
    let (_, text) = get(&format!("{admin}/metrics"), None).await;
    assert!(told(&text, "A") && !told(&text, "B"), "{text}");
}

/// The metrics that a text names, without the suffixes that a histogram adds.
fn named(text: &str) -> BTreeSet<String> {
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c: char| !letters(c)).filter(|word| word.starts_with("stac_broker_"));
    let bare = |word: &str| {
        let histogram = METRICS.iter().find(|metric| {
            metric.kind == Kind::Histogram && word.strip_prefix(metric.name).is_some_and(|rest| rest == "_bucket")
        });
        histogram.map_or_else(|| word.to_owned(), |metric| metric.name.to_owned())
    };
    words.map(bare).collect()
}

#[test]
fn dashboard_alerts_and_guide_name_metrics_that_exist() {
    let read = |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let known: BTreeSet<String> = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
    let dashboard = read("deploy/grafana-dashboard.json");
    let _: Value = serde_json::from_str(&dashboard).unwrap();
    for (file, text) in [
        ("deploy/grafana-dashboard.json", dashboard),
        ("deploy/prometheus-alerts.yml", read("deploy/prometheus-alerts.yml")),
        ("docs/operating.md", read("docs/operating.md")),
    ] {
        let named = named(&text);
        assert!(named.len() > 4, "{file} names {named:?}");
        assert!(named.is_subset(&known), "{file} names {:?}", named.difference(&known));
    }
    let shown = named(&read("deploy/grafana-dashboard.json"));
    assert!(shown == known, "the dashboard does not show {:?}", known.difference(&shown));
    let told = named(&read("docs/operating.md"));
    assert!(told == known, "the guide does not tell of {:?}", known.difference(&told));
}
