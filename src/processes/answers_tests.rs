use super::super::rewrite::tests::World;
use super::*;

const JOB: &str = "A.am9icy8x";

fn with_shown<T>(made: impl FnOnce(&Shown<'_>) -> T) -> T {
    let world = World::made();
    let path = JobPath::new("jobs/1").unwrap();
    made(&Shown { id: JOB, path: &path, out: world.outbound() })
}

fn info(document: Value) -> Option<Value> {
    with_shown(|shown| status_info(shown, document)).map(Value::Object)
}

#[test]
fn job_ids_are_found_under_every_name() {
    for (document, id) in [
        (json!({"jobID": "a", "id": "b"}), Some("a")),
        (json!({"id": "b"}), Some("b")),
        (json!({"jobId": "c"}), Some("c")),
        (json!({"jobID": "", "id": 7}), None),
        (json!(null), None),
        (json!([]), None),
    ] {
        assert_eq!(job_id(&document), id, "{document}");
    }
}

#[test]
fn a_status_info_needs_a_status_and_nothing_else() {
    for none in [
        json!(null),
        json!({}),
        json!({"jobID": "1"}),
        json!({"status": 7}),
        json!("running"),
        json!([{"status": "running"}]),
    ] {
        assert_eq!(info(none.clone()), None, "{none}");
    }
    let least = info(json!({"status": "running"})).unwrap();
    assert_eq!((&least["jobID"], &least["type"]), (&json!(JOB), &json!("process")));
    assert_eq!(info(json!({"status": "Successful"})).unwrap()["status"], "successful");
}

#[test]
fn status_words_outside_the_standard_do_not_pass() {
    assert_eq!(info(json!({"status": "created"})).unwrap()["status"], "accepted");
    for word in ["Pending", "Cooking", "", "success"] {
        assert_eq!(info(json!({"status": word})), None, "{word}");
    }
}

#[test]
fn progress_is_a_whole_number_or_absent() {
    for (given, shown) in [
        (json!(0), Some(0)),
        (json!(100), Some(100)),
        (json!(99.9), Some(99)),
        (json!(-1), None),
        (json!(101), None),
        (json!("50"), None),
        (json!(null), None),
        (json!(1e300), None),
    ] {
        let info = info(json!({"status": "running", "progress": given})).unwrap();
        assert_eq!(info.get("progress").and_then(Value::as_u64), shown, "{given}");
        assert_eq!(info.get("progress").is_some(), shown.is_some());
    }
}

#[test]
fn process_ids_come_in_the_kind_received() {
    let process = |id: &str| info(json!({"status": "running", "processID": id})).unwrap()["processID"].clone();
    assert_eq!(process("clip"), "pub:clip");
    assert_eq!(process("https://run.a.example/ogc/processes/clip"), "https://broker.example/v1/processes/pub:clip");
    assert_eq!(process("https://other.example/processes/clip"), "https://other.example/processes/clip");
}

#[test]
fn results_are_linked_once_they_are_there() {
    let links = |document: Value| info(document).unwrap()["links"].clone();
    let results = json!({"rel": RESULTS, "href": format!("https://broker.example/v1/jobs/{JOB}/results"), "title": "The results"});
    assert!(links(json!({"status": "successful"})).as_array().unwrap().contains(&results));
    assert!(!links(json!({"status": "running"})).as_array().unwrap().contains(&results));
    let given = json!({"status": "successful", "links": [{"rel": RESULTS, "href": "https://store.example/x"}, "odd", {"rel": "x"}]});
    let links = links(given);
    assert_eq!(links.as_array().unwrap().len(), 4, "{links}");
    assert!(!links.as_array().unwrap().contains(&results));
}

#[test]
fn addresses_in_results_are_rewritten_at_known_places_only() {
    let world = World::made();
    let at = |path: &str| format!("https://run.a.example/ogc/jobs/1/results/{path}");
    let document = format!(
        r#"{{ "a":{{"href":"{}"}}, "b":[{{"href" : "{}"}},1.0e2], "outputs":[{{"id":"c","value":{{"href":"{}"}}}}], "text":"{}",
             "deep":{{"x":{{"y":{{"z":{{"href":"{}"}}}}}}}}, "href":7 }}"#,
        at("a"),
        at("b"),
        at("c"),
        at("text"),
        at("deep")
    );
    let rewritten = results(&world.outbound(), &Bytes::from(document.clone())).unwrap();
    let own = |path: &str| format!("https://broker.example/v1/jobs/{JOB}/results/{path}");
    let expected = ["a", "b", "c"].iter().fold(document, |text, path| text.replace(&at(path), &own(path)));
    assert_eq!(String::from_utf8(rewritten).unwrap(), expected);
    for same in
        ["{}", "7", "not JSON", r#"{"a":{"href":"https://store.example/x"}}"#, r#""https://run.a.example/ogc/jobs/1""#]
    {
        assert_eq!(results(&world.outbound(), &Bytes::from(same)), None, "{same}");
    }
}

#[test]
fn outputs_are_found_in_every_form() {
    let found = |document: Value| output(&document, "a").cloned();
    assert_eq!(found(json!({"a": 1, "b": 2})), Some(json!(1)));
    assert_eq!(found(json!({"outputs": [{"id": "b", "value": 2}, {"id": "a", "value": [1]}]})), Some(json!([1])));
    assert_eq!(found(json!({"outputs": [{"id": "a", "href": "x"}]})), Some(json!({"id": "a", "href": "x"})));
    assert_eq!(found(json!({"id": "a", "value": "x"})), Some(json!("x")));
    for none in [json!({"b": 1}), json!({"outputs": []}), json!([1]), json!("a"), json!({"id": "a"})] {
        assert_eq!(found(none.clone()), None, "{none}");
    }
}

#[test]
fn an_output_that_is_cut_out_is_the_same_in_every_form() {
    let qualified = json!({"value": 1, "mediaType": "x"});
    for document in
        [json!({"a": qualified}), json!({"outputs": [{"id": "a", "value": 1}]}), json!({"id": "a", "value": 1})]
    {
        assert_eq!(output(&document, "a"), Some(&json!(1)), "{document}");
    }
}
