//! The manifests of `deploy/kubernetes`: each is what the Kubernetes API takes, they fit one another, and they fit the
//! program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stac_broker::federation::load_text;
use yaml_rust2::{Yaml, YamlLoader};

use crate::support::json_schema::problems;

fn place(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn as_json(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::String(text) => json!(text),
        Yaml::Integer(number) => json!(number),
        Yaml::Boolean(flag) => json!(flag),
        Yaml::Array(list) => list.iter().map(as_json).collect(),
        Yaml::Hash(table) => table
            .iter()
            .map(|(key, value)| (key.as_str().expect("keys are texts").to_owned(), as_json(value)))
            .collect(),
        other => panic!("a manifest has {other:?}"),
    }
}

/// Every document, by its kind.
fn manifests() -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(place("deploy/kubernetes")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for document in YamlLoader::load_from_str(&text).unwrap() {
            let document = as_json(&document);
            assert!(found.insert(document["kind"].as_str().unwrap().to_owned(), document).is_none());
        }
    }
    found
}

/// What is wrong with a manifest by the schema of its kind.
fn wrong(document: &Value) -> Vec<String> {
    let mut schema: Value =
        serde_json::from_str(&std::fs::read_to_string(place("tests/it/fixtures/kubernetes.schema.json")).unwrap())
            .unwrap();
    let kind = document["kind"].as_str().unwrap();
    assert!(schema["$defs"][kind].is_object(), "no schema for the kind {kind}");
    schema["$ref"] = json!(format!("#/$defs/{kind}"));
    problems(&schema, document)
}

#[test]
fn every_manifest_is_what_the_api_takes() {
    let manifests = manifests();
    for (kind, document) in &manifests {
        assert_eq!(wrong(document), [] as [String; 0], "{kind}");
    }
    let listed: Vec<_> = manifests["Kustomization"]["resources"].as_array().unwrap().iter().collect();
    for file in &listed {
        assert!(place("deploy/kubernetes").join(file.as_str().unwrap()).is_file(), "{file}");
    }
    assert_eq!(listed.len() + 1, manifests.len(), "the kustomization lists every other manifest");
}

#[test]
fn a_manifest_that_the_api_does_not_take_is_noticed() {
    let manifests = manifests();
    for (kind, pointer, value) in [
        ("Deployment", "/spec/template/spec/containers/0/readinessProbe/httpGet/port", json!(70_000)),
        ("Deployment", "/spec/template/spec/containers/0/livenesProbe", json!({})),
        ("Deployment", "/spec/template/spec/terminationGracePeriodSeconds", json!("35")),
        ("Deployment", "/spec/template/spec/containers/0/resources/limits/memory", json!("2GB")),
        ("Service", "/spec/ports/0/port", json!("http")),
        ("HorizontalPodAutoscaler", "/apiVersion", json!("autoscaling/v1")),
        ("NetworkPolicy", "/spec/policyTypes/0", json!("ingress")),
        ("ConfigMap", "/data/federation.toml", json!(1)),
    ] {
        let mut document = manifests[kind].clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        match document.pointer_mut(parent).unwrap() {
            Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
            table => table[key] = value,
        }
        assert!(!wrong(&document).is_empty(), "{kind}{pointer}");
    }
}

#[test]
fn the_manifests_fit_one_another() {
    let manifests = manifests();
    let of = |kind: &str, pointer: &str| manifests[kind].pointer(pointer).unwrap_or_else(|| panic!("{kind}{pointer}"));
    let labels = of("Deployment", "/spec/template/metadata/labels");
    for (kind, pointer) in [
        ("Deployment", "/spec/selector/matchLabels"),
        ("Service", "/spec/selector"),
        ("PodDisruptionBudget", "/spec/selector/matchLabels"),
        ("NetworkPolicy", "/spec/podSelector/matchLabels"),
    ] {
        assert_eq!(of(kind, pointer), labels, "{kind}{pointer}");
    }
    let container = of("Deployment", "/spec/template/spec/containers/0");
    let ports: BTreeMap<_, _> = container["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|port| (port["name"].as_str().unwrap(), port["containerPort"].as_u64().unwrap()))
        .collect();
    let named = |port: &Value| ports[port.as_str().unwrap()];
    assert_eq!(named(of("Service", "/spec/ports/0/targetPort")), 8080);
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert_eq!(named(&container[probe]["httpGet"]["port"]), 8080);
    }
    assert_eq!(of("HorizontalPodAutoscaler", "/spec/scaleTargetRef/name"), of("Deployment", "/metadata/name"));
    assert_eq!(of("Deployment", "/spec/template/spec/volumes/0/configMap/name"), of("ConfigMap", "/metadata/name"));
    assert_eq!(container["volumeMounts"][0]["name"], *of("Deployment", "/spec/template/spec/volumes/0/name"));
    assert_eq!(of("NetworkPolicy", "/spec/ingress/0/ports/0/port"), &json!(ports["http"]));
    assert_eq!(of("NetworkPolicy", "/spec/ingress/1/ports/0/port"), &json!(ports["admin"]));
}

#[test]
fn the_manifests_fit_the_program() {
    let manifests = manifests();
    let file = manifests["ConfigMap"]["data"]["federation.toml"].as_str().unwrap();
    let pod = &manifests["Deployment"]["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let env: Vec<_> = container["env"].as_array().unwrap().iter().map(|env| env["name"].as_str().unwrap()).collect();
    // The secrets are not here, but what refers to them is.
    let references: Vec<_> = file.split("\"env:").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(references.len(), 2);
    assert!(references.iter().all(|name| env.contains(name)), "{references:?} in {env:?}");
    assert!(
        container["env"]
            .as_array()
            .unwrap()
            .iter()
            .all(|env| env["name"] == "STAC_BROKER_LOG_FORMAT" || env["valueFrom"].is_object()),
        "secrets come by reference"
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "A".repeat(43)).unwrap();
    let mut good = file.to_owned();
    for name in references {
        good = good.replace(&format!("env:{name}"), "file:key");
    }
    let loaded = load_text("federation.toml", &good, folder.path()).map_err(|problems| problems.to_text()).unwrap();
    assert_eq!(loaded.report().to_text(), "");
    let federation = loaded.federation;
    let max = manifests["HorizontalPodAutoscaler"]["spec"]["maxReplicas"].as_u64().unwrap();
    assert_eq!(u64::from(federation.processes), max);
    assert_eq!((federation.server.listen.port(), federation.server.admin.listen.unwrap().port()), (8080, 8081));
    let mounted = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    assert_eq!(container["args"], json!(["serve", "-f", format!("{mounted}/federation.toml")]));
    // The pause before the stop, and the broker's drain of 20 seconds.
    let pause = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
    assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > pause + 20);
    let user = std::fs::read_to_string(place("deploy/Containerfile")).unwrap();
    assert!(
        user.contains(&format!(
            "USER {}:{}",
            pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]
        ))
    );
    assert!(user.contains("ENTRYPOINT [\"/usr/local/bin/stac-broker\"]"));
    for port in ["8080", "8081"] {
        assert!(user.lines().any(|line| line.starts_with("EXPOSE") && line.contains(port)));
    }
    // What the probes ask is answered: `health.rs` and its tests know these paths.
    let routes = std::fs::read_to_string(place("src/http/routes.rs")).unwrap();
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let path = container[probe]["httpGet"]["path"].as_str().unwrap();
        assert!(routes.contains(&format!("\"{path}\"")), "{path}");
    }
}
