//! The federation file is changed while the broker serves: what is good takes effect, what is bad changes nothing.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use stac_broker::broker::{Broker, reload};
use stac_broker::federation::{Federation, load};
use stac_broker::search::KeyRing;

use crate::support::{Front, Running, ScriptedMember, collection, items};

/// A serving broker over a file, which is looked at again.
struct Stage {
    front: Front,
    file: PathBuf,
    folder: tempfile::TempDir,
    watching: tokio::task::JoinHandle<()>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

/// A federation file of these members; `extra` stands below the first of them.
fn text(members: &[&Running], extra: &str) -> String {
    let mut text = "[federation]\nid = \"reloaded\"\n".to_owned();
    for (index, member) in members.iter().enumerate() {
        let (id, url) = (member.declared().id, member.declared().url);
        writeln!(text, "\n[[member]]\nid = \"{id}\"\nkind = \"stac-api\"\nurl = \"{url}\"\ninternal = true").unwrap();
        if index == 0 {
            text += extra;
        }
    }
    text
}

impl Stage {
    async fn of(content: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("federation.toml");
        std::fs::write(&file, content).unwrap();
        let loaded = load(&file).unwrap();
        let keys = Arc::new(KeyRing::from_federation(&loaded.federation).unwrap());
        let broker = Broker::start(loaded.federation);
        broker.settled(Duration::from_secs(10)).await;
        let renewed = Arc::clone(&keys);
        let renew = move |federation: &Federation| renewed.renew(federation);
        let watched = reload::look_again(Arc::clone(&broker), file.clone(), loaded.files, renew);
        let watching = tokio::spawn(watched);
        Self { front: Front::over(broker, keys).await, file, folder, watching }
    }

    /// Puts another file in its place by renaming, and has it looked at.
    async fn put(&self, content: &str) -> reload::Told {
        let new = self.folder.path().join("new.toml");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(&new, &self.file).unwrap();
        self.front.broker.reloads.look_now().await
    }

    async fn asked(&self) -> Vec<String> {
        let answer = self.front.get("/search?limit=100").await;
        let members = answer.report()["members"].as_array().unwrap().clone();
        members.iter().map(|member| member["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// How often the member was asked for its Collections; what is probed in the background does not count.
fn lists_read(member: &Running) -> usize {
    member.recorded().iter().filter(|request| request.uri.path().ends_with("/collections")).count()
}

#[tokio::test]
async fn a_good_file_takes_effect_and_a_bad_one_changes_nothing() {
    let a = ScriptedMember::new("A").items(items("c", 5)).start().await;
    let b = ScriptedMember::new("B").items(items("d", 5)).start().await;
    let stage = Stage::of(&text(&[&a], "")).await;
    assert_eq!(stage.asked().await, ["A"]);

    let told = stage.put(&text(&[&a, &b], "")).await;
    assert_eq!((told.good, told.bad, told.problems.len()), (1, 0, 0));
    assert_eq!(stage.asked().await, ["A", "B"]);

    let told = stage.put("[federation]\nid = \"reloaded\"\ncolour = 1\n[[member]]\nid = \"A\"\n").await;
    assert_eq!((told.good, told.bad), (1, 1));
    assert!(told.problems.iter().any(|problem| problem.contains("`federation.colour`")), "{:?}", told.problems);
    assert!(told.refused_at.is_some());
    assert_eq!(stage.asked().await, ["A", "B"]);

    let told = stage.put(&text(&[&b], "")).await;
    assert_eq!((told.good, told.bad, told.problems.len(), told.refused_at), (2, 1, 0, None));
    assert_eq!(stage.asked().await, ["B"]);
}

#[tokio::test]
async fn a_restart_is_needed_until_the_file_says_what_it_said_at_start() {
    let a = ScriptedMember::new("A").items(items("c", 5)).start().await;
    let start = text(&[&a], "");
    let stage = Stage::of(&start).await;
    let moved = format!("{start}[server]\nadmin_listen = \"127.0.0.1:9\"\n");
    assert_eq!(stage.put(&moved).await.restart_needed, ["server.admin_listen and admin_token"]);
    let told = stage.put(&format!("{moved}# a comment\n")).await;
    assert_eq!((told.good, told.restart_needed), (2, vec!["server.admin_listen and admin_token"]));
    let told = stage.put(&start).await;
    assert_eq!((told.good, told.restart_needed), (3, vec![]));
}

#[tokio::test]
async fn a_member_that_did_not_change_is_not_asked_anew_and_its_collections_stay() {
    let a = ScriptedMember::new("A").items(items("c", 5)).collections(vec![collection("c")]).start().await;
    let b = ScriptedMember::new("B").items(items("d", 5)).start().await;
    let stage = Stage::of(&text(&[&a], "")).await;
    let before = (stage.front.broker.snapshot(), lists_read(&a));
    stage.put(&text(&[&a, &b], "")).await;
    let now = stage.front.broker.snapshot();
    assert!(Arc::ptr_eq(before.0.members.get("A").unwrap(), now.members.get("A").unwrap()));
    assert_eq!(now.view.members[0].entries.len(), 1);
    stage.front.broker.settled(Duration::from_secs(10)).await;
    assert_eq!(lists_read(&a), before.1, "A was asked again");
    // Another policy: the same adapter, its list read again, since another policy sees other Collections.
    stage.put(&text(&[&a, &b], "[member.policy]\ncollections = { exclude = [\"c\"] }\n")).await;
    let now = stage.front.broker.snapshot();
    assert!(Arc::ptr_eq(before.0.members.get("A").unwrap(), now.members.get("A").unwrap()));
    stage.front.broker.settled(Duration::from_secs(10)).await;
    assert!(lists_read(&a) > before.1);
    assert_eq!(stage.front.get("/search").await.json()["numberReturned"], 5);
}

#[tokio::test]
async fn a_walk_goes_on_over_a_reload() {
    let a = ScriptedMember::new("A").items(items("c", 30)).start().await;
    let stage = Stage::of(&text(&[&a], "")).await;
    let first = stage.front.get("/search?sortby=-datetime&limit=10").await;
    stage.put(&text(&[&a], "title = \"Another\"\n")).await;
    let second = stage.front.follow(&first.next().unwrap()).await;
    assert_eq!((second.status, second.names().len()), (200, 10), "{}", second.text);
}

#[tokio::test]
async fn a_file_that_the_federation_names_is_a_part_of_it() {
    let a = ScriptedMember::new("A").items(items("c", 5)).start().await;
    let stage = Stage::of(&text(&[&a], "")).await;
    let area = stage.folder.path().join("area.geojson");
    let polygon =
        |east: f64| format!(r#"{{"type":"Polygon","coordinates":[[[0,0],[{east},0],[{east},80],[0,80],[0,0]]]}}"#);
    std::fs::write(&area, polygon(5.0)).unwrap();
    stage.put(&text(&[&a], "[member.policy]\nfocus = { geometry = \"area.geojson\" }\n")).await;
    let pruned = stage.front.get("/search?bbox=10,50,11,60").await.report()["pruned"].clone();
    assert_eq!(pruned[0]["rule"], "focus-area");
    std::fs::write(&area, polygon(50.0)).unwrap();
    for _ in 0..100 {
        if stage.asked().await == ["A"] && stage.front.broker.reloads.told().good == 2 {
            assert_eq!(stage.front.get("/search?bbox=10,50,11,60").await.json()["numberReturned"], 5);
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the changed area was not noticed");
}

/// A thousand on demand: `RELOADS=1000`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_load_fail_no_request() {
    let reloads: usize = std::env::var("RELOADS").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let a = ScriptedMember::new("A").items(items("c", 50)).start().await;
    let b = ScriptedMember::new("B").items(items("d", 50)).start().await;
    let stage = Arc::new(Stage::of(&text(&[&a, &b], "")).await);
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stage, stop, asked) = (stage.clone(), stop.clone(), asked.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let answer = stage.front.get("/search?collections=A%7Cc&sortby=-datetime&limit=5").await;
                    assert_eq!((answer.status, answer.names().len()), (200, 5), "{}", answer.text);
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for n in 0..reloads {
        let content = match n % 10 {
            9 => "[federation]\nid = 7\n".to_owned(),
            odd if odd % 2 == 1 => text(&[&a], &format!("title = \"Number {n}\"\n")),
            _ => text(&[&a, &b], &format!("[member.policy]\npriority = {n}\n")),
        };
        stage.put(&content).await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let told = stage.front.broker.reloads.told();
    assert_eq!((told.good, told.bad), ((reloads - reloads / 10) as u64, (reloads / 10) as u64));
    assert!(asked.load(Ordering::Relaxed) > reloads / 10, "{asked:?} requests only");
}
