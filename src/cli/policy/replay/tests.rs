use super::*;
use crate::federation::load_text;
use crate::telemetry::access::{Collection, Pruned};

const FILE: &str = "[federation]\nid = \"f\"\n[[member]]\nid = \"A\"\nurl = \"https://a.example\"\n[[member]]\nid = \"B\"\nrenamed_from = [\"OLD\"]\nurl = \"https://b.example\"\n";

fn policy(more: &str) -> Policy {
    let loaded = load_text("f.toml", &format!("{FILE}{more}"), std::path::Path::new(""));
    Policy::new("f.toml".into(), loaded.map_err(|problems| problems.to_text()).unwrap().federation)
}

fn keeps(days: u32) -> Policy {
    policy(&format!("[[member.policy.retention]]\nkeep = \"P{days}D\"\n"))
}

/// A search for the second half of 2025, asked a year later, by the requests and Items of A and B.
fn line(search: &Value, a: (u32, u32), b: (u32, u32)) -> String {
    let asked = |member: &str, (requests, items): (u32, u32)| Asked {
        member: member.into(),
        status: "ok".into(),
        requests,
        items,
        took_ms: 1,
    };
    let search = Search {
        timestamp: "2026-07-01T00:00:01Z".into(),
        request_id: "r1".into(),
        started: "2026-07-01T00:00:00Z".into(),
        status: 200,
        search: search.as_object().cloned().unwrap(),
        asked: vec![asked("A", a), asked("B", b)],
        ..Search::default()
    };
    Line::Search(Box::new(search)).written()
}

fn second_half() -> Value {
    serde_json::json!({ "datetime": "2025-07-01T00:00:00Z/2025-12-31T00:00:00Z", "limit": 10 })
}

fn edited(line: &str, edit: impl FnOnce(&mut Search)) -> String {
    let Ok(Some(Line::Search(mut search))) = Line::read(line) else { panic!("{line}") };
    edit(&mut search);
    Line::Search(search).written()
}

fn replayed(policies: Vec<Policy>, lines: &[String]) -> Replay {
    let mut replay = Replay::new(policies);
    for line in lines {
        replay.line(line);
    }
    assert_eq!(replay.read.bad_shown, []);
    replay
}

fn of<'a>(replay: &'a Replay, policy: usize, member: &str) -> &'a Tally {
    &replay.policies[policy].members.iter().find(|(id, _)| id.as_str() == member).unwrap().1
}

#[test]
fn windows_roll_with_the_time_of_the_line() {
    let lines = [line(&second_half(), (1, 3), (2, 4))];
    let replay = replayed(vec![policy(""), keeps(400), keeps(90)], &lines);
    for asks in [0, 1] {
        let b = of(&replay, asks, "B");
        assert_eq!((b.asked, b.requests, b.estimated, b.saved), (1, 2, 0, 0));
    }
    let b = of(&replay, 2, "B");
    assert_eq!((b.asked, b.requests, b.saved), (0, 0, 2));
    let wrong = Wrong { pages: 1, items: 4, examples: vec!["r1".into()] };
    assert_eq!(b.wrong, BTreeMap::from([("retention".to_owned(), wrong)]));
    assert!(replay.is_wrong());
    assert_eq!(of(&replay, 2, "A").requests, 1);
    // Half a year earlier the same policy kept the half.
    let earlier = edited(&lines[0], |search| search.started = "2026-01-01T00:00:00Z".into());
    assert!(!replayed(vec![keeps(90)], &[earlier]).is_wrong());
}

#[test]
fn a_member_without_items_is_left_out_rightly() {
    let replay = replayed(vec![keeps(90)], &[line(&second_half(), (1, 3), (2, 0))]);
    let b = of(&replay, 0, "B");
    assert_eq!((b.saved, b.pruned.get("retention"), b.wrong.len()), (2, Some(&1), 0));
    assert!(!replay.is_wrong());
}

#[test]
fn what_was_left_out_then_and_is_asked_now_is_an_estimate() {
    let left_out = edited(&line(&second_half(), (1, 3), (0, 0)), |search| {
        search.asked.pop();
        search.pruned = vec![Pruned { member: "OLD".into(), rule: "retention".into() }];
    });
    let replay = replayed(vec![keeps(90), policy("")], &[left_out]);
    let (current, tried) = (of(&replay, 0, "B"), of(&replay, 1, "B"));
    assert_eq!((current.requests, current.saved), (0, 1));
    assert_eq!((tried.asked, tried.requests, tried.estimated), (1, 1, 1));
}

#[test]
fn lists_of_the_log_tell_what_a_glob_leaves_out() {
    let list = |ids: &[&str], include: &str| {
        let collections = ids.iter().map(|id| Collection { id: (*id).into(), ..Collection::default() }).collect();
        let told = Collections {
            member: "B".into(),
            complete: true,
            include: vec![include.into()],
            collections,
            ..Collections::default()
        };
        Line::Collections(told).written()
    };
    let search = line(&second_half(), (1, 3), (1, 0));
    let tried = || policy("[[member.policy.retention]]\ncollections = [\"sentinel-*\"]\nkeep = \"P90D\"\n");
    let without = replayed(vec![tried()], std::slice::from_ref(&search));
    assert_eq!(of(&without, 0, "B").asked, 1, "who knows what else it has");
    let with = replayed(vec![tried()], &[list(&["sentinel-2"], "*"), search.clone()]);
    assert_eq!(of(&with, 0, "B").pruned.get("retention"), Some(&1));
    let other = replayed(vec![tried()], &[list(&["sentinel-2", "landsat"], "*"), search.clone()]);
    assert_eq!(of(&other, 0, "B").asked, 1);
    let narrower = replayed(vec![tried()], &[list(&["sentinel-2"], "sentinel-*"), search]);
    assert_eq!(of(&narrower, 0, "B").asked, 1, "the list did not show what the policy lets in now");
}

#[test]
fn what_only_lists_and_long_parameters_tell_is_taken_from_the_log() {
    let left_out = |rule: &str, cut: &[&str]| {
        edited(&line(&second_half(), (1, 3), (0, 0)), |search| {
            search.asked.pop();
            search.pruned = vec![Pruned { member: "B".into(), rule: rule.into() }];
            search.cut = cut.iter().map(|name| (*name).to_owned()).collect();
        })
    };
    let ignoring = || policy("[member.policy]\nextents = \"ignore\"\n");
    for (policy, line, asked) in [
        (policy(""), left_out("extent-area", &[]), 0),
        (ignoring(), left_out("extent-area", &[]), 1),
        (ignoring(), left_out("collection", &[]), 0),
        (policy(""), left_out("ids", &["ids"]), 0),
        (policy(""), left_out("ids", &[]), 1),
    ] {
        assert_eq!(of(&replayed(vec![policy], &[line]), 0, "B").asked, asked);
    }
}

#[test]
fn bad_lines_are_counted_and_named_and_others_passed_over() {
    let mut replay = Replay::new(vec![policy("")]);
    let good = line(&second_half(), (1, 3), (1, 0));
    for text in [
        "2026-07-01 INFO serving",
        &good[..good.len() - 20],
        &edited(&good, |search| search.started = "yesterday".into()),
        &edited(&good, |search| drop(search.search.insert("bbox".into(), "x".into()))),
        &good,
    ] {
        replay.line(text);
    }
    replay.bad("it is not UTF-8 text");
    let read = &replay.read;
    assert_eq!((read.lines, read.searches, read.others, read.bad), (6, 1, 1, 4));
    let shown: Vec<u64> = read.bad_shown.iter().map(|(line, _)| *line).collect();
    assert_eq!(shown, [2, 3, 4, 6]);
    assert!(
        read.bad_shown[1].1.contains("`yesterday`") && read.bad_shown[2].1.contains("`bbox`"),
        "{:?}",
        read.bad_shown
    );
    assert_eq!(of(&replay, 0, "A").asked, 1, "a line that is bad counts for nobody");
}

#[test]
fn a_member_that_the_file_does_not_name_is_left_out_and_wrongly_where_it_had_items() {
    let gone =
        |items| edited(&line(&second_half(), (1, 3), (2, items)), |search| search.asked[1].member = "GONE".into());
    let tally = |replay: &Replay| {
        replay.policies[0].tallies().find(|(name, _)| *name == "GONE").map(|(_, tally)| tally.clone()).unwrap()
    };
    let wrongly = replayed(vec![policy("")], &[gone(4)]);
    let wrong = Wrong { pages: 1, items: 4, examples: vec!["r1".into()] };
    assert_eq!(tally(&wrongly).wrong, BTreeMap::from([("no-member".to_owned(), wrong)]));
    assert!(wrongly.is_wrong());
    let rightly = replayed(vec![policy("")], &[gone(0)]);
    assert_eq!((tally(&rightly).pruned.get("no-member"), tally(&rightly).saved), (Some(&1), 2));
    assert!(!rightly.is_wrong());
}

#[test]
fn what_no_policy_keeps_back_is_not_saved() {
    let left_out = |rule: &str| {
        edited(&line(&second_half(), (1, 3), (0, 0)), |search| {
            search.asked.pop();
            search.pruned = vec![Pruned { member: "B".into(), rule: rule.into() }];
        })
    };
    let collection = replayed(vec![policy("")], &[left_out("collection")]);
    let b = of(&collection, 0, "B");
    assert_eq!((b.pruned.get("collection"), b.saved), (Some(&1), 0));
    // One that is read whole beforehand is sent nothing for a search.
    let whole = |more: &str| policy(&format!("kind = \"static-stac\"\n{more}"));
    let retention = whole("[[member.policy.retention]]\nkeep = \"P90D\"\n");
    let pruned = replayed(vec![retention, whole("")], &[left_out("retention")]);
    let (left_out, asked) = (of(&pruned, 0, "B"), of(&pruned, 1, "B"));
    assert_eq!((left_out.asked, left_out.saved), (0, 0));
    assert_eq!((asked.asked, asked.requests, asked.estimated, asked.saved), (1, 0, 0, 0));
}
