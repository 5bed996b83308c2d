//! Members from elsewhere: the files of a folder, one for each site, and a registry of sites that is asked.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{StatusCode, Uri};
use serde_json::Value;
use stac_broker::broker::{Broker, reload};
use stac_broker::federation::{Federation, load, load_text};
use stac_broker::members::gocdb;
use stac_broker::search::KeyRing;

use crate::binary::{File, Served, run, stderr, stdout};
use crate::support::{Front, Running, ScriptedMember, items};

const OWN: &str = "[federation]\nid = \"test\"\ntitle = \"Test\"\n";

fn member(member: &Running, more: &str) -> String {
    format!("[[member]]\nid = \"{}\"\nurl = \"{}\"\ninternal = true\n{more}", member.id, member.url)
}

fn ids(federation: &Federation) -> Vec<&str> {
    federation.members.iter().map(|member| member.id.as_str()).collect()
}

/// A registry that answers whatever it is told to, and keeps what it was asked.
struct Goc {
    base: String,
    says: Arc<Mutex<(StatusCode, String)>>,
    asked: Arc<Mutex<Vec<Uri>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Goc {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Goc {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base = format!("http://{}/gocdbpi/public", listener.local_addr().unwrap());
        let says = Arc::new(Mutex::new((StatusCode::OK, "<results/>".to_owned())));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, record) = (says.clone(), asked.clone());
        let router = axum::Router::new().fallback(move |uri: Uri| {
            record.lock().unwrap().push(uri);
            let answer = answer.lock().unwrap().clone();
            async move { answer }
        });
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base, says, asked, task }
    }

    /// Sites with the address of their catalogue, as GOCDB writes them.
    fn names(&self, sites: &[(&str, &str)]) {
        let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<results>\n".to_owned();
        for (number, (site, url)) in sites.iter().enumerate() {
            writeln!(
                text,
                "<SERVICE_ENDPOINT PRIMARY_KEY=\"{number}G0\"><HOSTNAME>stac.example.org</HOSTNAME>\
                 <SERVICE_TYPE>eu.c-scale.stac</SERVICE_TYPE><CORE/><IN_PRODUCTION>Y</IN_PRODUCTION><SITENAME>{site}</SITENAME>\
                 <URL/><ENDPOINTS><ENDPOINT><ID>{number}</ID><NAME>STAC</NAME><EXTENSIONS/><URL>{url}</URL>\
                 <INTERFACENAME>STAC</INTERFACENAME></ENDPOINT></ENDPOINTS><SCOPES><SCOPE>C-SCALE</SCOPE></SCOPES></SERVICE_ENDPOINT>"
            )
            .unwrap();
        }
        self.says(StatusCode::OK, &(text + "</results>"));
    }

    fn says(&self, status: StatusCode, text: &str) {
        *self.says.lock().unwrap() = (status, text.to_owned());
    }

    fn table(&self, more: &str) -> String {
        format!("[registry]\ngocdb = {{ url = \"{}\", scope = \"C-SCALE\", internal = true{more} }}\n", self.base)
    }
}

/// Asks the registry once and takes what it says, as the background does.
async fn ask(broker: &Arc<Broker>) -> Duration {
    let federation = broker.snapshot().federation.clone();
    let question = federation.registry.gocdb.as_ref().unwrap();
    let answer = gocdb::endpoints(question, &federation).await;
    broker.register(question, answer)
}

fn federation(text: &str) -> Federation {
    load_text("f.toml", text, Path::new("")).map_err(|problems| problems.to_text()).unwrap().federation
}

async fn asked(front: &Front) -> Vec<String> {
    let report = front.get("/search?limit=100").await.report();
    report["members"].as_array().unwrap().iter().map(|member| member["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn files_of_a_folder_are_read_by_name_and_name_themselves_in_problems() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("federation.toml");
    let sites = folder.path().join("members.d");
    std::fs::create_dir(&sites).unwrap();
    std::fs::write(
        &file,
        format!("{OWN}[registry]\ndirectory = \"members.d\"\n[[member]]\nid = \"Z\"\nurl = \"https://z.example\"\n"),
    )
    .unwrap();
    let site = |id: &str| format!("[[member]]\nid = \"{id}\"\nurl = \"https://{id}.example\"\n");
    std::fs::write(sites.join("b.toml"), site("b1") + &site("b2")).unwrap();
    std::fs::write(sites.join("a.toml"), site("a")).unwrap();
    std::fs::write(sites.join(".c.toml"), site("c")).unwrap();
    std::fs::write(sites.join("d.toml~"), site("d")).unwrap();
    let loaded = load(&file).map_err(|problems| problems.to_text()).unwrap();
    assert_eq!(ids(&loaded.federation), ["Z", "a", "b1", "b2"]);
    assert_eq!(loaded.files, std::slice::from_ref(&sites));

    std::fs::write(sites.join("c.toml"), site("c") + "colour = 1\n").unwrap();
    let problems = load(&file).unwrap_err();
    let place = format!("{}:4", sites.join("c.toml").display());
    assert_eq!(problems.lines(), [format!("{place}: member `c`: `colour` is not a known key")]);
    assert!(problems.to_text().contains(&format!("{place}: member `c`: ")), "{}", problems.to_text());
    assert!(problems.to_text().contains("  4 | colour = 1"), "{}", problems.to_text());
    let json: Value = serde_json::from_str(&problems.to_json()).unwrap();
    let problem = json.as_array().unwrap().iter().find(|problem| problem["severity"] == "error").unwrap();
    assert_eq!((problem["file"].as_str(), problem["line"].as_u64()), (sites.join("c.toml").to_str(), Some(4)));
}

#[test]
fn an_empty_folder_is_a_warning_when_there_are_members_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sites")).unwrap();
    let own = format!("{OWN}[registry]\ndirectory = \"sites\"\n");
    let with = own.clone() + "[[member]]\nid = \"Z\"\nurl = \"https://z.example\"\n";
    let loaded = load_text("f.toml", &with, folder.path()).map_err(|problems| problems.to_text()).unwrap();
    assert!(
        loaded
            .report()
            .to_text()
            .contains("f.toml:5: warning: `registry.directory` is \"sites\", a folder without a TOML file"),
        "{}",
        loaded.report().to_text()
    );
    assert!(load_text("f.toml", &own, folder.path()).is_err(), "nobody at all");
}

#[tokio::test]
async fn files_of_a_folder_take_effect_when_they_come_change_and_go() {
    let a = ScriptedMember::new("A").items(items("c", 5)).start().await;
    let b = ScriptedMember::new("B").items(items("d", 5)).start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("federation.toml");
    let site = folder.path().join("members.d/b.toml");
    std::fs::create_dir(folder.path().join("members.d")).unwrap();
    std::fs::write(&file, format!("{OWN}[registry]\ndirectory = \"members.d\"\n{}", member(&a, ""))).unwrap();
    let loaded = load(&file).unwrap();
    let keys = Arc::new(KeyRing::from_federation(&loaded.federation).unwrap());
    let broker = Broker::start(loaded.federation);
    let renewed = Arc::clone(&keys);
    let watching = tokio::spawn(reload::look_again(broker.clone(), file, loaded.files, move |now: &Federation| {
        renewed.renew(now)
    }));
    let front = Front::over(broker.clone(), keys).await;
    assert_eq!(asked(&front).await, ["A"]);

    std::fs::write(&site, member(&b, "")).unwrap();
    broker.reloads.look_now().await;
    assert_eq!(asked(&front).await, ["A", "B"]);

    std::fs::write(&site, member(&b, "colour = 1\n")).unwrap();
    let told = broker.reloads.look_now().await;
    assert_eq!((told.good, told.bad, told.problems.len()), (1, 1, 1));
    assert!(
        told.problems[0].ends_with("members.d/b.toml:5: member `B`: `colour` is not a known key"),
        "{:?}",
        told.problems
    );
    assert_eq!(asked(&front).await, ["A", "B"]);

    std::fs::write(&site, member(&b, "enabled = false\n")).unwrap();
    broker.reloads.look_now().await;
    assert_eq!(asked(&front).await, ["A"]);

    std::fs::remove_file(&site).unwrap();
    let told = broker.reloads.look_now().await;
    assert_eq!((told.good, told.bad, broker.snapshot().federation.members.len()), (3, 1, 1));
    watching.abort();
}

#[tokio::test]
async fn a_file_that_comes_into_the_folder_is_noticed_without_being_told() {
    let a = ScriptedMember::new("A").items(items("c", 5)).start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("federation.toml");
    std::fs::create_dir(folder.path().join("sites")).unwrap();
    std::fs::write(&file, format!("{OWN}[registry]\ndirectory = \"sites\"\n{}", member(&a, ""))).unwrap();
    let loaded = load(&file).unwrap();
    let broker = Broker::start(loaded.federation);
    let watching = tokio::spawn(reload::look_again(broker.clone(), file, loaded.files, |_: &Federation| Ok(())));
    // It looks for the first time before the file comes.
    tokio::task::yield_now().await;
    std::fs::write(
        folder.path().join("sites/new.toml"),
        "[[member]]\nid = \"NEW\"\nurl = \"https://new.example\"\nenabled = false\n",
    )
    .unwrap();
    for _ in 0..100 {
        if ids(&broker.snapshot().federation) == ["A", "NEW"] {
            return watching.abort();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the new file was not noticed");
}

#[tokio::test]
async fn members_of_the_registry_come_change_and_stay_when_it_fails() {
    let a = ScriptedMember::new("A").items(items("c", 5)).start().await;
    let b = ScriptedMember::new("SITE-B").items(items("d", 5)).start().await;
    let goc = Goc::start().await;
    let text = format!("{OWN}{}{}", goc.table(""), member(&a, ""));
    let front = Front::of(federation(&text)).await;
    let broker = &front.broker;
    assert_eq!(asked(&front).await, ["A"]);

    goc.names(&[("Site A", a.url.as_str()), ("SITE B", b.url.as_str()), ("x", "https://10.0.0.1/stac?k=1")]);
    assert_eq!(ask(broker).await, Duration::from_secs(3600));
    assert_eq!(
        goc.asked.lock().unwrap()[0].to_string(),
        "/gocdbpi/public/?method=get_service&scope=C-SCALE&scope_match=all"
    );
    assert_eq!(asked(&front).await, ["A", "SITE-B"]);
    assert_eq!(front.get("/search?limit=100").await.names().len(), 10);
    let listed = front.get("/federation/members").await.json()["members"].clone();
    assert_eq!(listed[0]["registry"], serde_json::json!({ "site": "Site A", "member": "A", "declared": true }));
    assert_eq!(listed[1]["registry"], serde_json::json!({ "site": "SITE B", "member": "SITE-B", "declared": false }));
    assert_eq!((&listed[1]["title"], &listed[1]["kind"]), (&"SITE B".into(), &"stac-api".into()));
    assert_eq!(broker.snapshot().federation.registry.left_out.len(), 1);

    // Whatever is no list of members changes nothing, and is told.
    let adapter = broker.snapshot().members.get("SITE-B").unwrap().clone();
    for (status, text, problem) in [
        (StatusCode::OK, "<results/>", "names no endpoint `STAC`"),
        (StatusCode::OK, "<html><body>Maintenance</body></html>", "not a list of `results`"),
        (StatusCode::OK, "{\"results\": []}", "gave no answer"),
        (StatusCode::OK, "<!DOCTYPE results []><results/>", "document type"),
        (StatusCode::INTERNAL_SERVER_ERROR, "<results/>", "member answered 500"),
        (StatusCode::FOUND, "", "redirect"),
    ] {
        goc.says(status, text);
        assert_eq!(ask(broker).await, Duration::from_secs(60), "{text}: it is asked again soon");
        let told = broker.joining.told();
        assert!(told.problem.as_ref().is_some_and(|told| told.contains(problem)), "{text}: {told:?}");
        assert_eq!(asked(&front).await, ["A", "SITE-B"], "{text}");
    }
    let told = broker.joining.told();
    assert_eq!((told.good, told.empty, told.failed), (1, 1, 5));
    assert!(told.answered_at < told.asked_at);
    assert!(Arc::ptr_eq(&adapter, broker.snapshot().members.get("SITE-B").unwrap()), "its connections stay");

    // A site that goes while others stay is gone.
    goc.names(&[("Site A", a.url.as_str())]);
    ask(broker).await;
    assert_eq!((asked(&front).await, broker.joining.told().problem), (vec!["A".to_owned()], None));
}

#[tokio::test]
async fn a_reload_keeps_the_registry_s_members_and_lists_take_effect_at_once() {
    let a = ScriptedMember::new("A").items(items("c", 5)).start().await;
    let b = ScriptedMember::new("B").items(items("d", 5)).start().await;
    let goc = Goc::start().await;
    goc.names(&[("B", b.url.as_str())]);
    let text = |more: &str, members: &str| format!("{OWN}{}{}{members}", goc.table(more), member(&a, ""));
    let front = Front::of(federation(&text("", ""))).await;
    let broker = &front.broker;
    ask(broker).await;
    broker.replace(federation(&text(", refresh_s = 60", "")));
    assert_eq!(asked(&front).await, ["A", "B"]);
    broker.replace(federation(&text(", deny = [\"B\"]", "")));
    assert_eq!(asked(&front).await, ["A"]);
    // A declaration with the same address takes the member over, under its own id.
    let own =
        format!("[[member]]\nid = \"OURS\"\nurl = \"{}/\"\ninternal = true\n", b.url.as_str().trim_end_matches('/'));
    broker.replace(federation(&text("", &own)));
    assert_eq!(asked(&front).await, ["A", "OURS"]);
    // Another question: what was said to the last one no longer counts.
    broker.replace(federation(&text("", "").replace("C-SCALE", "EGI")));
    assert_eq!((asked(&front).await, broker.joining.told().good), (vec!["A".to_owned()], 0));
    // An answer to a question that nobody asks any more is dropped.
    let old = federation(&text("", ""));
    let question = old.registry.gocdb.as_ref().unwrap();
    broker.register(question, gocdb::endpoints(question, &old).await);
    assert_eq!(asked(&front).await, ["A"]);
    broker.replace(federation(&format!("{OWN}{}", member(&a, ""))));
    assert_eq!(asked(&front).await, ["A"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_starts_without_its_registry_and_says_so() {
    let a = ScriptedMember::new("A").items(items("c", 5)).start().await;
    let b = ScriptedMember::new("B").items(items("d", 5)).start().await;
    let goc = Goc::start().await;
    goc.says(StatusCode::SERVICE_UNAVAILABLE, "");
    let file = File::of(&format!("{OWN}[server]\nadmin_listen = \"127.0.0.1:0\"\n{}{}", goc.table(""), member(&a, "")));
    let (served, _file) = tokio::task::spawn_blocking(move || (Served::start(&file), file)).await.unwrap();
    let admin = served.admin.clone().unwrap();
    let get = |path: String| async move { reqwest::get(path).await.unwrap().text().await.unwrap() };
    let status = |ready: fn(&Value) -> bool| {
        let path = format!("{admin}/admin/status");
        async move {
            for _ in 0..200 {
                let status: Value = serde_json::from_str(&get(path.clone()).await).unwrap();
                if ready(&status["registry"]) {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            panic!("the registry's state did not come");
        }
    };
    let told = status(|registry| registry["problem"].is_string()).await;
    assert_eq!((&told["registry"]["scope"], &told["registry"]["listed"]), (&"C-SCALE".into(), &serde_json::json!([])));
    goc.names(&[("B", b.url.as_str()), ("C", "no address")]);
    reqwest::Client::new().post(format!("{admin}/admin/reload")).send().await.unwrap();
    let told = status(|registry| registry["problem"].is_null()).await;
    assert_eq!(told["registry"]["listed"][0]["member"], "B", "{told}");
    assert!(told["registry"]["left_out"][0]["reason"].as_str().unwrap().contains("not an absolute address"), "{told}");
    let metrics = get(format!("{admin}/metrics")).await;
    for line in ["stac_broker_registry_members 1", "stac_broker_registry_answers_total{result=\"good\"} 1"] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    let answer = get(format!("{}/search?limit=100", served.base)).await;
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["numberReturned"], 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_asks_the_registry_only_when_it_may_ask() {
    let a = ScriptedMember::new("A").items(items("c", 5)).start().await;
    let b = ScriptedMember::new("B").items(items("d", 5)).start().await;
    let goc = Goc::start().await;
    goc.names(&[("SITE A", a.url.as_str()), ("B", b.url.as_str()), ("A", "https://other.example")]);
    let file = File::of(&format!("{OWN}{}{}", goc.table(""), member(&a, "")));
    let output = run(&["check", "-f", file.path()]).await;
    assert_eq!((output.status.code(), goc.asked.lock().unwrap().len()), (Some(0), 0));
    let output = run(&["check", "--probe", "-f", file.path()]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for line in ["SITE A: declared as `A`", "B: is the member `B`", "A: left out: the id `A` is taken"] {
        assert!(stderr(&output).contains(line), "{line} is not in {}", stderr(&output));
    }
    assert!(stdout(&output).contains("B "), "the registry's members are asked too: {}", stdout(&output));
    goc.says(StatusCode::BAD_GATEWAY, "");
    let output = run(&["check", "--probe", "-f", file.path()]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("gave no answer"), "{}", stderr(&output));
}
