//! What those who run the broker use: the admin listener of the real program, and the files of `deploy/`.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use stac_broker::telemetry::metrics::{Kind, METRICS};

use crate::binary::{File, Served};
use crate::support::{ScriptedMember, items};

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
