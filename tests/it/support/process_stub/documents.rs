//! The documents of a stub: conformance, processes, statusInfo, lists.

use serde_json::{Value, json};

use super::{Asked, Job, Location, Names, Script, State};

pub(super) fn conformance(script: &Script) -> Value {
    let mut classes = vec!["core", "json", "dismiss"];
    classes.extend(script.callbacks.then_some("callback"));
    let classes: Vec<String> = classes
        .iter()
        .map(|class| format!("http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/{class}"))
        .collect();
    json!({"conformsTo": classes})
}

pub(super) fn process_of(script: &Script, id: &str) -> Option<Value> {
    let known = id == "echo"
        || id
            .strip_prefix("process-")
            .and_then(|n| n.parse().ok())
            .is_some_and(|n: usize| n < script.further_processes);
    let any = json!({"title": "any", "schema": {}});
    let mut inputs = json!({"text": any});
    if let Some(name) = script.further_input {
        inputs[name] = any.clone();
    }
    known.then(|| {
        json!({
            "id": id, "title": id, "version": "1.0.0", "jobControlOptions": ["sync-execute", "async-execute", "dismiss"],
            "outputTransmission": ["value", "reference"], "inputs": inputs, "outputs": {"text": any}, "links": [],
        })
    })
}

pub(super) fn list(state: &State, script: &Script, asked: &Asked) -> Value {
    let mut ids = vec!["echo".to_owned()];
    ids.extend((0..script.further_processes).map(|n| format!("process-{n}")));
    let from: usize =
        asked.uri.query().and_then(|query| query.strip_prefix("offset=")).and_then(|at| at.parse().ok()).unwrap_or(0);
    let summary = |id: &String| {
        let mut process = process_of(script, id)?;
        process.as_object_mut()?.retain(|key, _| !matches!(key.as_str(), "inputs" | "outputs"));
        Some(process)
    };
    let shown: Vec<Value> = ids.iter().skip(from).take(script.list_max).filter_map(summary).collect();
    let mut links = Vec::new();
    if script.list_next && from + shown.len() < ids.len() {
        links.push(json!({"rel": "next", "href": format!("{}/processes?offset={}", state.base, from + shown.len())}));
    }
    json!({"processes": shown, "links": links})
}

fn job_path(script: &Script, id: &str, process: &str) -> String {
    if script.legacy_jobs { format!("processes/{process}/jobs/{id}") } else { format!("jobs/{id}") }
}

pub(super) fn location(state: &State, script: &Script, id: &str, process: &str) -> Option<String> {
    let path = job_path(script, id, process);
    match script.location {
        Location::Absolute => Some(format!("{}/{path}", state.base)),
        Location::Relative => Some(format!("{}/{path}", script.base_path)),
        Location::WrongHost => Some(format!("http://member-internal:5000/oapi/{path}")),
        Location::WithQuery => Some(format!("{}/{path}?f=json", state.base)),
        Location::Absent => None,
        Location::Nonsense => Some("http://elsewhere.example/started".into()),
    }
}

pub(super) fn status_info(state: &State, script: &Script, id: &str, job: &Job) -> Value {
    let path = job_path(script, id, &job.process);
    let link = |rel: &str, path: &str| json!({"rel": rel, "href": format!("{}/{path}", state.base), "type": "application/json"});
    let links = json!([
        link("self", &path),
        link("http://www.opengis.net/def/rel/ogc/1.0/results", &format!("{path}/results?f=json")),
        json!({"rel": "related", "href": "https://store.example/x?sig=A%2FB"}),
    ]);
    let mut info = json!({"status": job.state, "message": "as scripted", "created": format!("2026-01-01T00:{:02}:00Z", job.minute), "links": links, "x-own": [1.50]});
    match script.names {
        Names::Standard => {
            info["jobID"] = json!(id);
            info["type"] = json!("process");
            info["processID"] = json!(job.process);
            info["progress"] = json!(5);
        }
        Names::V2 => {
            info["id"] = json!(id);
            info["processingEntityType"] = json!("process");
            info["processID"] = json!(format!("{}/processes/{}", state.base, job.process));
            info["progress"] = json!(12.7);
            if job.state == "failed" {
                info["exception"] = json!({"type": "about:blank", "detail": "as scripted"});
            }
        }
        Names::Edito => {
            info["jobId"] = json!(id);
            info["progress"] = json!("half");
        }
    }
    info
}

/// In pages, and whatever is asked for.
pub(super) fn jobs(state: &State, script: &Script, asked: &Asked) -> Value {
    let query = asked.uri.query().unwrap_or_default();
    let from: usize = query.strip_prefix("offset=").and_then(|at| at.parse().ok()).unwrap_or(0);
    let all = state.jobs.lock().unwrap();
    let page = all.iter().skip(from).take(script.jobs_per_page);
    let shown: Vec<Value> = page.map(|(id, job)| status_info(state, script, id, job)).collect();
    let mut links = Vec::new();
    if from + shown.len() < all.len() {
        links.push(json!({"rel": "next", "href": format!("{}/jobs?offset={}", state.base, from + shown.len())}));
    }
    json!({"jobs": shown, "links": links})
}
