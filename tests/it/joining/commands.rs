//! `member check`, `member add` and the admin listener, as people use them.

use serde_json::Value;
use stac_broker::demo::Demo;

use super::bent::{Bent, reply};
use super::url_of;
use crate::binary::{File, Served, run, stderr, stdout};
use crate::support::{ScriptedMember, items};

const HEAD: &str = "# a comment   \n[federation] # another\n\tid='f'\n\n[[ member ]]\nurl = \"http://127.0.0.1:9/\"  # first\nid = \"A\"\ninternal=true\n# the end, without a line break";

#[tokio::test(flavor = "multi_thread")]
async fn check_ends_with_0_1_or_2() {
    let demo = Demo::start().await.unwrap();
    let url = url_of(&demo, "EODC");
    let good = run(&["member", "check", &url, "--internal"]).await;
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    for part in ["It can join.", "30 Items on 3 pages, no repeats", " requests in ", "\nnotes\n"] {
        assert!(stdout(&good).contains(part), "{part} in {}", stdout(&good));
    }
    assert!(
        stdout(&good).lines().all(|line| line.chars().count() <= 100 || line.contains("asked")),
        "{}",
        stdout(&good)
    );
    let json = run(&["member", "check", &url, "--internal", "--format", "json"]).await;
    assert_eq!((json.status.code(), stderr(&json)), (Some(0), ""));
    let report: Value = serde_json::from_str(stdout(&json)).unwrap();
    let first = &report["findings"][0];
    for key in ["member", "check", "severity", "seen", "remedy", "evidence"] {
        assert!(first.get(key).is_some(), "{key} in {first}");
    }
    assert_eq!(report["may_join"], true);

    let bent = Bent::of(
        &url,
        reply(|asked, reply| {
            if asked.path.is_empty() {
                reply.without_link("data");
            }
        }),
    )
    .await;
    let bad = run(&["member", "check", &bent.url, "--internal"]).await;
    assert_eq!(bad.status.code(), Some(1), "{bad:?}");
    assert!(stdout(&bad).contains("It cannot join yet: 1 finding is in the way."), "{}", stdout(&bad));

    for wrong in [
        &["member", "check", &url][..],
        &["member", "check", "no address"],
        &["member", "check"],
        &["member", "check", &url, "--kind", "files"],
        &["member", "check", &url, "--internal", "-f", "no-such-file.toml"],
    ] {
        let output = run(wrong).await;
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""), "{wrong:?}");
        assert!(!stderr(&output).is_empty());
    }
    let refused = run(&["member", "check", &url]).await;
    assert!(stderr(&refused).contains("--internal"), "{}", stderr(&refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn add_keeps_every_byte_of_the_file_and_writes_what_passes() {
    let demo = Demo::start().await.unwrap();
    let url = url_of(&demo, "GRNET-OPENSTACK");
    let file = File::of(HEAD);
    let add = ["member", "add", &url, "--internal", "--id", "NORTH", "-f", file.path()];
    let with = |more: &[&'static str]| -> Vec<String> { add.iter().chain(more).map(|arg| (*arg).to_owned()).collect() };
    let run_with = async |more: &[&'static str]| {
        let args = with(more);
        run(&args.iter().map(String::as_str).collect::<Vec<_>>()).await
    };

    let nobody = run_with(&[]).await;
    assert_eq!(nobody.status.code(), Some(2), "{nobody:?}");
    assert!(stderr(&nobody).contains("--yes"), "{nobody:?}");
    let dry = run_with(&["--dry-run"]).await;
    assert_eq!(dry.status.code(), Some(0), "{dry:?}");
    for line in
        ["\n+++ ", "\n+id = \"NORTH\"", "\n+page_items_max = 100", "\n+# [[member.policy.retention]]", "\n-# the end"]
    {
        assert!(stdout(&dry).contains(line), "{line} in {}", stdout(&dry));
    }
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), HEAD);

    let added = run_with(&["--yes"]).await;
    assert_eq!(added.status.code(), Some(0), "{added:?}");
    assert!(stderr(&added).contains("takes it within seconds, without a restart"), "{added:?}");
    let text = std::fs::read_to_string(file.path()).unwrap();
    assert!(text.starts_with(HEAD), "every byte before the addition is as it was: {text}");
    let check = run(&["check", "-f", file.path()]).await;
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    assert!(stdout(&check).contains("of 2 members"), "{check:?}");

    let again = run_with(&["--yes"]).await;
    assert_eq!(again.status.code(), Some(2), "{again:?}");
    assert!(
        stderr(&again).contains("member `NORTH`") && stderr(&again).contains("has this address already"),
        "{again:?}"
    );
    let taken = url_of(&demo, "CMEMS");
    for (id, says) in [("north", "taken by member `NORTH`"), ("A|B", "separates member and collection ids")] {
        let output = run(&["member", "add", &taken, "--internal", "--id", id, "-f", file.path(), "--yes"]).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr(&output).contains(says), "{output:?}");
    }
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn add_refuses_what_cannot_join_and_what_would_spoil_the_file() {
    let demo = Demo::start().await.unwrap();
    let bent = Bent::of(
        &url_of(&demo, "EODC"),
        reply(|asked, reply| {
            if asked.path.is_empty() {
                reply.without_link("data");
            }
        }),
    )
    .await;
    let file = File::of(HEAD);
    let add = ["member", "add", &bent.url, "--internal", "--id", "B", "-f", file.path(), "--yes"];
    let refused = run(&add).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(stderr(&refused).contains("--force"), "{refused:?}");
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), HEAD);
    let forced = run(&add.iter().copied().chain(["--force"]).collect::<Vec<_>>()).await;
    assert_eq!(forced.status.code(), Some(0), "{forced:?}");
    assert_ne!(std::fs::read_to_string(file.path()).unwrap(), HEAD);

    // members in one array: a table behind it would be no TOML
    let array = "member = [{ id = \"A\", url = \"https://a.example\" }]\n[federation]\nid = \"f\"\n";
    let file = File::of(array);
    let url = url_of(&demo, "EODC");
    let spoilt = run(&["member", "add", &url, "--internal", "--id", "B", "-f", file.path(), "--yes"]).await;
    assert_eq!(spoilt.status.code(), Some(2), "{spoilt:?}");
    assert!(stderr(&spoilt).contains("nothing is written"), "{spoilt:?}");
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), array);
    let missing = run(&["member", "add", &url, "--internal", "--id", "B", "-f", "no-such-file.toml", "--yes"]).await;
    assert_eq!(missing.status.code(), Some(2), "{missing:?}");
}

/// Found by a reviewer: a file without a member was refused for having none.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_member_of_a_federation_can_be_added() {
    let demo = Demo::start().await.unwrap();
    let url = url_of(&demo, "EODC");
    let file = File::of("[federation]\nid = \"first\"\n");
    let added = run(&["member", "add", &url, "--internal", "--id", "EODC", "-f", file.path(), "--yes"]).await;
    assert_eq!(added.status.code(), Some(0), "{added:?}");
    let check = run(&["check", "-f", file.path()]).await;
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    let bad = File::of("[federation]\nid = \"first\"\ntitel = 1\n");
    let refused = run(&["member", "add", &url, "--internal", "--id", "EODC", "-f", bad.path(), "--yes"]).await;
    assert_eq!(refused.status.code(), Some(2), "another problem is told: {refused:?}");
    assert!(stderr(&refused).contains("`federation.titel` is not a known key"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_broker_takes_the_member_that_was_added() {
    let demo = Demo::start().await.unwrap();
    let a = ScriptedMember::new("A").items(items("c", 20)).start().await;
    let file = File::with(&[&a], "");
    let path = file.path().to_owned();
    let (served, _file) = tokio::task::spawn_blocking(move || (Served::start(&file), file)).await.unwrap();
    let url = url_of(&demo, "EODC");
    let added = run(&["member", "add", &url, "--internal", "--id", "NORTH", "-f", &path, "--yes"]).await;
    assert_eq!(added.status.code(), Some(0), "{added:?}");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let answer =
            reqwest::get(format!("{}/search?collections=NORTH%7Csentinel-2-l2a&limit=3", served.base)).await.unwrap();
        let page: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        if page["features"].as_array().is_some_and(|found| found.len() == 3) {
            break;
        }
        assert!(std::time::Instant::now() < until, "{page}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_have_a_catalogue_checked_and_nobody_else_does() {
    const TOKEN: &str = "a-token-of-this-test";
    let demo = Demo::start().await.unwrap();
    let url = url_of(&demo, "GRNET-OPENSTACK");
    let a = ScriptedMember::new("A").items(items("c", 20)).start().await;
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), TOKEN).unwrap();
    let token = format!("admin_token = \"file:{}\"\n", secret.path().display());
    for with_token in [true, false] {
        let own = format!("[server]\nadmin_listen = \"127.0.0.1:0\"\n{}", if with_token { &token } else { "" });
        let file = File::with(&[&a], &own);
        let (served, _file) = tokio::task::spawn_blocking(move || (Served::start(&file), file)).await.unwrap();
        let admin = served.admin.clone().unwrap();
        let client = reqwest::Client::new();
        let post = async |base: &str, kind: &str, body: String| {
            let request = client.post(format!("{base}/admin/members/check")).header("content-type", kind);
            let answer = request.header("authorization", format!("Bearer {TOKEN}")).body(body).send().await.unwrap();
            let status = answer.status().as_u16();
            (status, serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap_or_default())
        };
        let internal = serde_json::json!({"url": url, "internal": true}).to_string();
        let (status, report) = post(&admin, "application/json", internal.clone()).await;
        if with_token {
            assert_eq!((status, &report["may_join"]), (200, &true.into()), "{report}");
            assert!(report["findings"].as_array().unwrap().len() > 25);
            assert_eq!(report["findings"][0]["check"], "R1");
        } else {
            assert_eq!(status, 403, "the own network is for those who show a token: {report}");
        }
        for (kind, body, wanted) in [
            ("text/plain", internal.clone(), 415),
            ("application/json", serde_json::json!({"url": url}).to_string(), 400),
            ("application/json", "{".to_owned(), 400),
            ("application/json", serde_json::json!({"url": url, "kind": "files"}).to_string(), 400),
            ("application/json", serde_json::json!({"address": url}).to_string(), 400),
            ("application/json", " ".repeat(5_000), 413),
        ] {
            assert_eq!(post(&admin, kind, body.clone()).await.0, wanted, "{body}");
        }
        assert_eq!(post(&served.base, "application/json", internal).await.0, 404, "not on the public address");
    }
}
