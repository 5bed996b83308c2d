use super::super::rewrite::tests::World;
use super::*;

fn rewritten_text(body: &str) -> Option<String> {
    let world = World::made();
    rewritten(&world.outbound(), body.as_bytes(), "x y").map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn boundaries_are_found() {
    assert_eq!(boundary("multipart/related; type=\"text/plain\"; boundary=\"x y\""), Some("x y"));
    assert_eq!(boundary("Multipart/Mixed;Boundary=abc"), Some("abc"));
    for none in [
        "multipart/related",
        "application/json; boundary=x",
        "multipart/related; boundary=",
        "multipart/related; xboundary=a",
        "",
    ] {
        assert_eq!(boundary(none), None, "{none}");
    }
    assert_eq!(boundary(&format!("multipart/related; boundary={}", "x".repeat(71))), None);
}

#[test]
fn content_locations_of_parts_are_rewritten_and_nothing_else() {
    let member = "https://run.a.example/ogc/jobs/1";
    let own = "https://broker.example/v1/jobs/A.am9icy8x";
    let body = |href: &str| {
        format!(
            "preamble\r\n--x y\r\nContent-Type: text/plain\r\ncontent-location:{href}/results/a\r\n\r\n{member} --x y\r\nContent-Location: {member}\r\n\
             --x y \r\nContent-Location: https://store.example/x\r\n\r\n\r\n--x y\r\n\r\nContent-Location: {member}\r\n--x y--\r\n"
        )
    };
    assert_eq!(rewritten_text(&body(member)).unwrap(), body(&format!(" {own}")));
    assert_eq!(rewritten_text(&body("https://store.example")), None);
}

#[test]
fn what_is_cut_or_odd_stays_as_it_is() {
    let location = "Content-Location: https://run.a.example/ogc/jobs/1";
    for body in [
        String::new(),
        "--x y".into(),
        format!("--x y\r\n{location}"),
        format!("--x y\r\n{location}\r\n"),
        format!("text --x y\r\n{location}\r\n\r\n"),
        format!("--x y\r\n{}{location}\r\n\r\n", "A: b\r\n".repeat(4000)),
        "--x y\r\nno header\r\n\r\n".into(),
    ] {
        assert_eq!(rewritten_text(&body), None, "{}", body.len());
    }
    // lines that end without a carriage return
    assert!(rewritten_text(&format!("--x y\n{location}\n\nx\n--x y--")).unwrap().contains("A.am9icy8x\n\nx"));
}
