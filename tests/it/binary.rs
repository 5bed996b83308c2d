//! The program as people run it: exit statuses, what goes to standard output and what to standard error, and a server
//! that starts, answers and stops.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::process_stub::{Does, On, ProcessStub, Script};
use crate::support::{Fails, Running, ScriptedMember, collection, items};

pub fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_stac-broker"));
    program
        .env_remove("STAC_BROKER_FEDERATION")
        .env_remove("STAC_BROKER_LOG")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    program
}

/// Runs to its end; the members go on serving meanwhile.
pub async fn run(args: &[&str]) -> Output {
    let mut program = program();
    program.args(args);
    tokio::task::spawn_blocking(move || program.output().unwrap()).await.unwrap()
}

pub fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

pub fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A federation file in a folder of its own.
pub struct File {
    _folder: TempDir,
    path: PathBuf,
}

impl File {
    pub fn of(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("federation.toml");
        std::fs::write(&path, text).unwrap();
        Self { _folder: folder, path }
    }

    fn members(members: &[&Running]) -> Self {
        Self::with(members, "")
    }

    /// The same, with further tables.
    pub fn with(members: &[&Running], more: &str) -> Self {
        let member = |member: &&Running| {
            format!("[[member]]\nid = \"{}\"\nurl = \"{}\"\ninternal = true\n", member.id, member.url)
        };
        let members: String = members.iter().map(member).collect();
        Self::of(&format!(
            "[federation]\nid = \"test\"\ntitle = \"Test\"\n[limits]\nmember_deadline_ms = 3000\n{more}{members}"
        ))
    }

    pub fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

async fn member(id: &str) -> Running {
    let name = id.to_lowercase();
    ScriptedMember::new(id).items(items(&name, 60)).collections(vec![collection(&name)]).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_that_a_good_file_is_good() {
    let (a, b) = (member("A").await, member("B").await);
    let file = File::members(&[&a, &b]);
    let output = run(&["check", "-f", file.path()]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stdout(&output).contains("good; federation `test` of 2 members"), "{output:?}");
    assert!(stderr(&output).contains("warning: there is no cursor key"), "{output:?}");
    let output = run(&["check", "-f", file.path(), "--format", "json"]).await;
    assert_eq!(output.status.code(), Some(0));
    let problems: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert!(problems.as_array().unwrap().iter().all(|problem| problem["severity"] == "warning"), "{problems}");
    assert_eq!(stderr(&output), "");
    assert_eq!(a.recorded().len(), 0, "nobody is asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_prints_every_problem_of_a_bad_file() {
    let file = File::of(
        "[federation]\nid = \"Test\"\nx = 1\n[[member]]\nid = \"A|B\"\nurl = \"ftp://a.example\"\n[member.policy]\nretention = [{ keep = \"90 days\" }]\n",
    );
    let output = run(&["check", "-f", file.path()]).await;
    assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""), "{output:?}");
    for part in [
        ":2:",
        ":3:",
        ":5:",
        ":6:",
        ":8:",
        "\"90 days\", not an ISO 8601 duration",
        "hint: write `keep = \"P90D\"`",
        "^^^",
    ] {
        assert!(stderr(&output).contains(part), "{part} in {}", stderr(&output));
    }
    let output = run(&["check", "-f", file.path(), "--format", "json"]).await;
    assert_eq!((output.status.code(), stderr(&output)), (Some(2), ""));
    let problems: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert!(problems.as_array().unwrap().len() >= 5, "{problems}");
    for command in ["serve", "explain", "search"] {
        let output = run(&[command, "-f", file.path()]).await;
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""), "{command}");
        assert!(stderr(&output).contains("90 days"), "{command}");
    }
    for path in ["nowhere/federation.toml", "/"] {
        let output = run(&["check", "-f", path]).await;
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""), "{output:?}");
        assert!(stderr(&output).contains(path), "{output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_asks_every_member() {
    let (a, mut b) = (member("A").await, member("B").await);
    let file = File::members(&[&a, &b]);
    let output = run(&["check", "--probe", "-f", file.path(), "--format", "json"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let findings: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(findings.as_array().unwrap().len(), 2);
    b.refuse().await;
    let output = run(&["check", "--probe", "-f", file.path()]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stdout(&output).contains("unreachable"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_tells_holders_of_shared_collections_that_lack_what_is_shared() {
    let listed = ScriptedMember::new("A").collections(vec![collection("c")]).start().await;
    let lacking = ScriptedMember::new("B").collections(vec![collection("other")]).start().await;
    let spoilt = serde_json::json!({"type": "Collection", "id": "c", "links": []});
    let unlisted = ScriptedMember::new("C").collections(vec![spoilt]).start().await;
    let mut away = ScriptedMember::new("D").collections(vec![collection("c")]).start().await;
    away.refuse().await;
    let members = [&listed, &lacking, &unlisted, &away];
    let table =
        |member: &&Running| format!("[[member]]\nid = \"{}\"\nurl = \"{}\"\ninternal = true\n", member.id, member.url);
    let tables: String = members.iter().map(table).collect();
    let shared = "[[collection]]\nid = \"shared\"\nholders = [\"A|c\", \"B|c\", \"C|c\", \"D|c\"]\n";
    let file = File::of(&format!("[federation]\nid = \"f\"\n{tables}{shared}"));
    let output = run(&["check", "--probe", "-f", file.path()]).await;
    assert_eq!(output.status.code(), Some(1), "one does not answer: {output:?}");
    let text = stdout(&output);
    let told = "B: the shared collection `shared` names `c` here, which it does not have: it is left out as a holder";
    assert!(text.contains(told), "{text}");
    let told = "C: the shared collection `shared` names `c` here, which is searched but cannot be listed";
    assert!(text.contains(told), "{text}");
    assert_eq!(text.matches("the shared collection").count(), 2, "nothing of A, and of D nobody knows: {text}");
    let output = run(&["check", "--probe", "-f", file.path(), "--format", "json"]).await;
    let findings: Value = serde_json::from_str(stdout(&output)).unwrap();
    let of_b = findings.as_array().unwrap().iter().find(|one| one["member"] == "B").unwrap();
    assert!(
        of_b["warnings"].as_array().unwrap().iter().any(|one| one.as_str().unwrap().contains("`shared`")),
        "{of_b}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_tells_in_what_the_processes_of_members_differ() {
    let (a, b) = (member("A").await, member("B").await);
    let unlike = Script { further_input: Some("unit"), ..Script::default() };
    let stubs = [ProcessStub::start("A", Script::default()).await, ProcessStub::start("B", unlike).await];
    let declared = |catalogue: &Running, stub: &ProcessStub| {
        let (id, url, base) = (&catalogue.id, &catalogue.url, &stub.base);
        format!("[[member]]\nid = \"{id}\"\nurl = \"{url}\"\ninternal = true\n[member.processes]\nurl = \"{base}\"\n")
    };
    let text = format!("[federation]\nid = \"f\"\n{}{}", declared(&a, &stubs[0]), declared(&b, &stubs[1]));
    let file = File::of(&text);
    let output = run(&["check", "--probe", "-f", file.path()]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = "B: process `echo` is offered under pinned ids only, as members differ in `inputs` (here [\"text\",\"unit\"]), `required` (here ";
    assert!(stdout(&output).contains(told), "{output:?}");
    assert_eq!(stdout(&output).matches("offered under pinned ids only").count(), 2, "one line per member: {output:?}");
    stubs[1].now(|script| script.goes_wrong = Some((On::Everything, Does::Html(500))));
    let output = run(&["check", "--probe", "-f", file.path(), "--format", "json"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let findings: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(findings[0]["processes"], serde_json::json!({"offered": 1, "complete": true}));
    assert_eq!(findings[1]["processes"]["complete"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_new_and_alone_on_its_line() {
    let (one, other) = (run(&["key"]).await, run(&["key"]).await);
    assert_eq!((one.status.code(), stderr(&one)), (Some(0), ""));
    assert_eq!(stdout(&one).len(), 44);
    assert_ne!(stdout(&one), stdout(&other));
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_prints_the_plan_and_asks_nobody() {
    let (a, b) = (member("A").await, member("B").await);
    let file = File::members(&[&a, &b]);
    let output = run(&["explain", "-f", file.path(), "--collections", "A|a"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stdout(&output).contains("not-requested"), "{}", stdout(&output));
    let output = run(&["explain", "-f", file.path(), "--collections", "A|a", "--format", "json"]).await;
    let plan: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!((&plan["legs"][0]["id"], &plan["pruned"][0]["id"]), (&"A".into(), &"B".into()));
    let output = run(&["explain", "-f", file.path(), "--datetime", "yesterday"]).await;
    assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""));
    assert!(stderr(&output).contains("`datetime`"), "{output:?}");
    assert_eq!(a.recorded().len() + b.recorded().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn search_prints_items_and_ends_as_the_answer_is() {
    let (a, b) = (member("A").await, member("B").await);
    let file = File::members(&[&a, &b]);
    let output = run(&["search", "-f", file.path(), "--limit", "7"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["id"], &lines[0]["collection"]), (120, &"a-0059".into(), &"A|a".into()));
    assert!(stderr(&output).contains("120 items of 120"), "{output:?}");

    let output =
        run(&["search", "-f", file.path(), "--max-items", "5", "--format", "geojson", "--sortby", "datetime"]).await;
    let list: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!((list["type"].as_str(), list["features"].as_array().unwrap().len()), (Some("FeatureCollection"), 5));
    let output = run(&["search", "-f", file.path(), "--max-items", "3", "--format", "table"]).await;
    assert_eq!(stdout(&output).lines().count(), 4, "{output:?}");

    b.breaks(Fails::Html);
    let output = run(&["search", "-f", file.path()]).await;
    assert_eq!((output.status.code(), stdout(&output).lines().count()), (Some(1), 60), "{output:?}");
    assert!(stderr(&output).contains("incomplete: missing B"), "{output:?}");
    a.breaks(Fails::Status(500, None));
    let output = run(&["search", "-f", file.path()]).await;
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""), "{output:?}");
    assert!(stderr(&output).contains("bad-response"), "{output:?}");

    for wrong in [
        &["--sortby", "-id"][..],
        &["--bbox", "1,2,3"],
        &["--datetime", "x"],
        &["--sortby", "cloud"],
        &["--limit", "0"],
        &["--nothing", "x"],
        &["--intersects", "nowhere.json"],
    ] {
        let output = run(&[&["search", "-f", file.path()], wrong].concat()).await;
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""), "{wrong:?}: {output:?}");
        assert!(!stderr(&output).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_got_everything_after_all_is_complete() {
    let a = ScriptedMember::new("A").items(items("a", 60)).no_sort().start().await;
    let b = ScriptedMember::new("B").items(items("b", 60)).no_sort().start().await;
    let file = File::members(&[&a, &b]);
    let search = tokio::spawn({
        let path = file.path().to_owned();
        async move { run(&["search", "-f", &path, "--limit", "4"]).await }
    });
    // B fails on one page in the middle and keeps its place
    while b.searches() < 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    b.breaks(Fails::Html);
    let broken_from = b.searches();
    while b.searches() <= broken_from {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    b.heals();
    let output = search.await.unwrap();
    assert_eq!((stdout(&output).lines().count(), output.status.code()), (120, Some(0)), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn help_is_data_and_misuse_is_not() {
    let output = run(&["--help"]).await;
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    for command in ["serve", "demo", "check", "explain", "search", "key"] {
        assert!(stdout(&output).contains(command), "{command}");
    }
    for wrong in [&[][..], &["nothing"], &["serve", "--listen", "x"]] {
        let output = run(wrong).await;
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""), "{wrong:?}");
    }
}

/// A running `serve`.
pub struct Served {
    child: Child,
    pub base: String,
    /// Address of the admin listener, where there is one.
    pub admin: Option<String>,
}

impl Served {
    /// Waits until it prints its address; goes on reading what else it says.
    pub fn start(file: &File) -> Self {
        Self::of(program(), file)
    }

    /// The same of a program that somebody names.
    pub fn of(mut program: Command, file: &File) -> Self {
        let mut child = program
            .args(["serve", "-f", file.path(), "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut admin = None;
        let base = loop {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).unwrap() > 0, "it ended before it printed an address");
            if let Some((_, rest)) = line.split_once("for admins at ") {
                admin = rest.split_once("/metrics").map(|(base, _)| base.to_owned());
            }
            if let Some((_, rest)) = line.split_once("Test at ") {
                break rest.trim().trim_end_matches('/').to_owned();
            }
        };
        std::thread::spawn(move || lines.read_to_end(&mut Vec::new()));
        Self { child, base, admin }
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }

    pub fn terminate(&self) {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// The status and what it wrote to standard output.
    pub fn ended(&mut self, within: Duration) -> (Option<i32>, String) {
        let started = Instant::now();
        while started.elapsed() < within {
            if let Some(status) = self.child.try_wait().unwrap() {
                let mut out = String::new();
                self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
                return (status.code(), out);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it did not end within {within:?}");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // it has usually ended already
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn serve_starts_answers_and_drains() {
    let (a, b) = (member("A").await, member("B").await);
    let file = File::members(&[&a, &b]);
    let mut served = tokio::task::spawn_blocking(move || Served::start(&file)).await.unwrap();
    let base = served.base.clone();
    let get = async |path: &str| reqwest::get(format!("{base}{path}")).await.unwrap();
    assert_eq!(get("/health/live").await.status(), 200);
    // members are read in the background: an order does not wait for that
    let body: Value =
        serde_json::from_str(&get("/search?limit=2&sortby=-datetime").await.text().await.unwrap()).unwrap();
    assert_eq!(body["features"].as_array().unwrap().len(), 2, "{body}");

    let url = base.clone();
    let output = run(&["search", "--url", &url, "--limit", "50"]).await;
    assert_eq!((output.status.code(), stdout(&output).lines().count()), (Some(0), 120), "{output:?}");
    let output = run(&["search", "--url", &url, "--bbox", "1,2"]).await;
    assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""), "{output:?}");
    let output = run(&["explain", "--url", &url, "--collections", "B|b"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stdout(&output).contains("not-requested"), "{output:?}");

    a.breaks(Fails::Late(Duration::from_millis(1_500)));
    let in_flight = tokio::spawn(reqwest::get(format!("{base}/search?limit=100&sortby=-datetime")));
    tokio::time::sleep(Duration::from_millis(400)).await;
    served.terminate();
    let answer = in_flight.await.unwrap().unwrap();
    assert_eq!(answer.status(), 200, "a request in flight is finished");
    let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!((body["numberReturned"].as_u64(), &body["federation:missing"]), (Some(100), &Value::Null), "{body}");
    let (status, out) = tokio::task::spawn_blocking(move || served.ended(Duration::from_secs(10))).await.unwrap();
    assert_eq!((status, out.as_str()), (Some(0), ""));
    assert!(reqwest::get(format!("{base}/")).await.is_err(), "nobody listens any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_says_when_its_address_is_taken() {
    let a = member("A").await;
    let file = File::members(&[&a]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["serve", "-f", file.path(), "--listen", &address]).await;
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
    assert!(stderr(&output).contains(&address) && stderr(&output).contains("--listen"), "{output:?}");
}
