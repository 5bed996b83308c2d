use super::*;
use crate::federation::{Federation, load_text};

const FILE: &str = r#"
[federation]
id = "test"
[[member]]
id = "EDITO"
renamed_from = ["OLD"]
url = "https://edito.example/stac"
enabled = false
[member.processes]
url = "https://edito.example/ogc/processes"
aliases = ["http://internal:5000/oapi/"]
[[member]]
id = "PLAIN"
url = "https://plain.example/stac"
"#;

fn federation() -> Federation {
    load_text("federation.toml", FILE, std::path::Path::new(".")).unwrap().federation
}

fn id(path: &str) -> String {
    format!("EDITO.{}", URL_SAFE_NO_PAD.encode(path))
}

#[test]
fn ids_lead_back_to_the_job() {
    let federation = federation();
    let odd = "jobs/a:b@c~d_e-f.g%20h%2Bi!$&'()*+,;=";
    for path in ["jobs/x", "jobs/123", "processes/p/jobs/x", "oapi/v1/jobs/x", odd, "jobs/jobs", "jobs/..."] {
        let job = JobPath::new(path).unwrap_or_else(|| panic!("{path}"));
        let public = job.public(&federation.members[0]);
        let read = read(&federation, &public).unwrap();
        assert_eq!((read.path.as_str(), read.member.id.as_str()), (path, "EDITO"));
        // one job has one id, the same at every broker and after every restart
        assert_eq!(public, id(path));
        assert!(public.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)));
    }
    assert_eq!(id("jobs/123"), "EDITO.am9icy8xMjM");
    let longest = format!("jobs/{}", "x".repeat(PATH_BYTES_MAX - 5));
    assert!(read(&federation, &id(&longest)).is_ok());
}

#[test]
fn a_renamed_member_keeps_its_jobs() {
    let federation = federation();
    let job = read(&federation, "OLD.am9icy8xMjM").unwrap();
    assert_eq!((job.member.id.as_str(), job.id.as_str()), ("EDITO", "OLD.am9icy8xMjM"));
}

#[test]
fn forbidden_paths_name_no_job() {
    let federation = federation();
    let too_long = format!("jobs/{}", "x".repeat(PATH_BYTES_MAX - 4));
    for path in [
        "",
        "jobs",
        "jobs/",
        "/jobs/x",
        "//evil.example/jobs/x",
        "jobs//x",
        "jobs/x/",
        "jobsx/1",
        "x",
        "processes/p",
        "collections/x",
        "../jobs/x",
        "jobs/..",
        "jobs/../x",
        "jobs/x/../../y",
        "./jobs/x",
        "jobs/.",
        "jobs/%2e%2e",
        "jobs/%2E./x",
        "jobs/.%2e/x",
        "jobs/..%2f..%2fadmin",
        "jobs/%2F",
        "jobs/%252e%252e/x",
        "jobs/%25252525252e/x",
        "jobs/a%5c..%5cb",
        "jobs/%3Fx",
        "jobs/%23",
        "https://evil.example/jobs/x",
        "http:/jobs/x",
        "javascript:jobs/x/jobs/y",
        "file:///jobs/x",
        "jobs/x?y",
        "jobs/x#y",
        "jobs\\x",
        "jobs/x\\y",
        "jobs/x\u{0}",
        "jobs/x\ny",
        "jobs/x\u{7f}",
        "jobs/%00",
        "jobs/%0d%0ahost:x",
        "jobs/a b",
        "jobs/ü",
        "jobs/%ff",
        "jobs/<x>",
        "jobs/\u{202e}x",
        "user@evil.example:80/jobs/x",
        &too_long,
    ] {
        assert_eq!(JobPath::new(path), None, "{path}");
        assert_eq!(read(&federation, &id(path)).unwrap_err(), Unknown::Undecodable, "{path}");
    }
}

#[test]
fn tampered_ids_name_no_job() {
    let federation = federation();
    for id in [
        "",
        ".",
        "EDITO",
        "EDITO.",
        "EDITO.%%%",
        "EDITO.am9icy8xMjM=",
        "EDITO.am9icy8xMjN",
        "EDITO.am9icy8xMjM.x",
        "am9icy8xMjM",
        "EDITO/am9icy8xMjM",
    ] {
        assert_eq!(read(&federation, id).unwrap_err(), Unknown::Undecodable, "{id}");
    }
    assert_eq!(
        read(&federation, &format!("EDITO.{}", URL_SAFE_NO_PAD.encode([0xff, 0xfe]))).unwrap_err(),
        Unknown::Undecodable
    );
    for member in ["NOBODY", "edito", "PLAIN", "", "EDITO "] {
        let id = format!("{member}.am9icy8xMjM");
        assert_eq!(read(&federation, &id).unwrap_err(), Unknown::Member(member.to_owned()));
    }
}

#[test]
fn tampered_ids_below_a_segment_called_jobs_are_not_asked() {
    let federation = federation();
    for path in [
        "collections/jobs/x",
        "collections/jobs/items/x",
        "collections/c/items/jobs/x",
        "processes/jobs/execution",
        "processes/jobs/jobs/x",
        "processes/p/execution/jobs/x",
        "v1/processes/jobs/x",
        "jobs/x/execution",
        "jobs/x/results",
        "jobs/jobs/x",
        "%63ollections/jobs/x",
        "jobs/x/y",
    ] {
        assert_eq!(JobPath::new(path), None, "{path}");
        assert_eq!(read(&federation, &id(path)).unwrap_err(), Unknown::Undecodable, "{path}");
    }
}

#[test]
fn no_id_leads_below_another_base() {
    // every string of these pieces either is refused or stays below the base when an address is made of it
    let pieces =
        ["jobs", "..", ".", "%2e%2e", "/", "//", "\\", "x", "?", "#", "@", ":", "%2f", "evil.example", "http:"];
    let federation = federation();
    let base = &federation.members[0].processes.as_ref().unwrap().url;
    let mut accepted = 0;
    for number in 0..pieces.len().pow(4) {
        let path: String = (0_u32..4).map(|place| pieces[number / pieces.len().pow(place) % pieces.len()]).collect();
        let Some(job) = JobPath::new(&path) else { continue };
        accepted += 1;
        let url = Url::parse(&format!("{base}/{}", job.as_str())).unwrap();
        assert_eq!(url.origin(), base.origin(), "{path}");
        assert!(
            url.path().starts_with("/ogc/processes/") && url.query().is_none() && url.fragment().is_none(),
            "{path}"
        );
        assert!(url.username().is_empty() && url.password().is_none(), "{path}");
    }
    assert!(accepted > 10, "{accepted}");
}

#[test]
fn locations_in_every_form_name_the_job() {
    let federation = federation();
    let processes = federation.members[0].processes.as_ref().unwrap();
    let asked = Url::parse("https://edito.example/ogc/processes/processes/p/execution").unwrap();
    for (location, path) in [
        ("https://edito.example/ogc/processes/jobs/123", Some("jobs/123")),
        ("http://EDITO.example/ogc/processes/jobs/123?f=json#x", Some("jobs/123")),
        ("https://edito.example/ogc/processes/jobs/123/", Some("jobs/123")),
        ("/ogc/processes/jobs/123", Some("jobs/123")),
        ("../../jobs/123", Some("jobs/123")),
        ("https://edito.example/ogc/processes/v1/jobs/123", Some("v1/jobs/123")),
        ("http://internal:5000/oapi/jobs/123", Some("jobs/123")),
        ("http://internal:5000/oapi/processes/p/jobs/x", Some("processes/p/jobs/x")),
        ("http://unknown:1/deep/jobs/jobs/7", Some("jobs/7")),
        ("http://unknown:1/api/processes/p/jobs/7", Some("processes/p/jobs/7")),
        ("http://unknown:1/api/processes/jobs/7", Some("jobs/7")),
        ("http://unknown:1/results/7", None),
        ("https://edito.example/ogc/processes/processes/p", None),
        ("/jobs/", None),
    ] {
        let location = asked.join(location).unwrap();
        assert_eq!(JobPath::of_location(processes, &location).as_ref().map(JobPath::as_str), path, "{location}");
    }
    assert_eq!(JobPath::of_id("a b/c:1").unwrap().as_str(), "jobs/a%20b%2Fc:1");
    for odd in ["..", "", "a?b", "../x", "a\nb"] {
        assert_eq!(JobPath::of_id(odd), None, "{odd}");
    }
}
