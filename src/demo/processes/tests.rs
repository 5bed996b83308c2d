//! The process services as a client sees them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::demo::Demo;

struct Site {
    demo: Demo,
    /// Landing page of EODC's process service, and of its catalogue.
    url: String,
    stac: String,
}

async fn site() -> Site {
    let demo = Demo::start().await.unwrap();
    let eodc = demo.member("EODC").unwrap();
    let (url, stac) = (eodc.processes.as_ref().unwrap().0.clone(), eodc.url.clone());
    Site { demo, url, stac }
}

async fn call(method: &str, url: &str, prefer: Option<&str>, body: &Value) -> (u16, Option<String>, Value) {
    let mut request = reqwest::Client::new().request(method.parse().unwrap(), url);
    if method == "POST" {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    if let Some(prefer) = prefer {
        request = request.header("prefer", prefer);
    }
    let answer = request.send().await.unwrap();
    let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), location, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

#[tokio::test]
async fn statistics_are_computed_from_the_items_of_a_collection() {
    let site = site().await;
    let execution = format!("{}/processes/statistics/execution", site.url);
    let body = json!({ "inputs": { "collection": "sentinel-2-l2a", "datetime": "2023-09-01T00:00:00Z/2023-09-30T23:59:59Z" } });
    let (status, _, found) = call("POST", &execution, None, &body).await;
    let query = "collections=sentinel-2-l2a&datetime=2023-09-01T00:00:00Z/2023-09-30T23:59:59Z";
    let held = site.demo.matching(query).unwrap();
    // what the relay has of that month, the archive has too
    let own = held.len();
    assert!(own > 0);
    assert_eq!((status, found["items"].as_u64()), (200, Some(own as u64)), "{found}");
    assert_eq!(found["per_year"], json!({ "2023": own }));
    assert_eq!(found["bbox"].as_array().unwrap().len(), 4);
    assert!(found["cloud_cover"]["mean"].as_f64().unwrap() >= 0.0);
}

#[tokio::test]
async fn intervals_of_dates_are_whole_days() {
    let site = site().await;
    let execution = format!("{}/processes/statistics/execution", site.url);
    let mut answers = Vec::new();
    for datetime in ["2023-09-01/2023-09-30", "2023-09-01T00:00:00Z/2023-09-30T23:59:59.999999999Z"] {
        let body = json!({ "inputs": { "collection": "sentinel-2-l2a", "datetime": datetime } });
        let (status, _, found) = call("POST", &execution, None, &body).await;
        assert!(status == 200 && found["items"].as_u64().unwrap() > 0, "{datetime}: {found}");
        answers.push(found);
    }
    assert_eq!(answers[0], answers[1]);
    let body = json!({ "inputs": { "collection": "sentinel-2-l2a", "datetime": "2023-09-31" } });
    assert_eq!(call("POST", &execution, None, &body).await.0, 400);
}

#[tokio::test]
async fn an_item_elsewhere_and_an_unknown_input_are_refused() {
    let site = site().await;
    let execution = format!("{}/processes/subset/execution", site.url);
    for (inputs, told) in [
        (json!({ "items": ["https://elsewhere.example/collections/x/items/y"] }), "addresses of Items below"),
        (json!({ "items": [format!("{}/collections/sentinel-2-l2a/items/none", site.stac)] }), "no Item `none`"),
        (json!({ "collection": "none" }), "no Collection `none`"),
        (json!({ "colour": "red" }), "`colour` is no input"),
        (json!({}), "neither `items` nor `collection`"),
    ] {
        let (status, _, refused) = call("POST", &execution, None, &json!({ "inputs": inputs })).await;
        assert_eq!(status, 400, "{inputs}");
        assert!(refused["detail"].as_str().unwrap().contains(told), "{refused}");
    }
}

#[tokio::test]
async fn a_job_runs_and_gives_the_items_that_were_named() {
    let site = site().await;
    let (_, id) = site.demo.ids_of("EODC").into_iter().find(|(of, _)| of == "EODC|sentinel-2-l2a").unwrap();
    let item = format!("{}/collections/sentinel-2-l2a/items/{id}", site.stac);
    let body = json!({ "inputs": { "items": [{ "href": item, "type": "application/geo+json" }] } });
    let execution = format!("{}/processes/subset/execution", site.url);
    let (status, location, begun) = call("POST", &execution, Some("respond-async"), &body).await;
    let location = location.unwrap();
    assert_eq!((status, begun["status"].as_str()), (201, Some("running")));
    let (early, _, refused) = call("GET", &format!("{location}/results"), None, &Value::Null).await;
    assert_eq!(early, 404);
    assert!(refused["type"].as_str().unwrap().ends_with("/result-not-ready"));
    for _ in 0..400 {
        let (_, _, now) = call("GET", &location, None, &Value::Null).await;
        if now["status"] == "successful" {
            let (_, _, results) = call("GET", &format!("{location}/results"), None, &Value::Null).await;
            assert_eq!(results["items"]["features"][0]["id"], json!(id));
            let (_, _, gone) = call("DELETE", &location, None, &Value::Null).await;
            assert_eq!(gone["status"], "dismissed");
            let (status, _, _) = call("GET", &location, None, &Value::Null).await;
            assert_eq!(status, 404);
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the job did not end");
}
