use super::*;

/// The tree of a whole document.
fn read(text: &str) -> Result<Element, Wrong> {
    let mut reader = Reader::new(text.as_bytes())?;
    let Step::Start(root) = reader.step()? else { return Err(Wrong::Unclosed) };
    let tree = reader.tree(*root)?.map_err(Wrong::Over)?;
    match reader.step()? {
        Step::Over => Ok(tree),
        _ => Err(Wrong::Unclosed),
    }
}

const GMD: &str = "http://www.isotc211.org/2005/gmd";

#[test]
fn names_count_by_namespace_and_not_by_prefix() {
    let text =
        format!(r#"<x:a xmlns:x="{GMD}" xmlns:y="urn:other"><x:b k="1">one</x:b><y:b>two</y:b><b>three</b></x:a>"#);
    let root = read(&text).unwrap();
    assert_eq!((root.ns, &*root.name), (Ns::Iso, "a"));
    let texts: Vec<&str> = root.at(&["b"]).into_iter().map(|element| element.text.as_str()).collect();
    assert_eq!(texts, ["one"]);
    assert_eq!(root.child("b").and_then(|b| b.attribute("k")), Some("1"));
    let default = read(&format!(r#"<a xmlns="{GMD}"><b xmlns="">x</b></a>"#)).unwrap();
    assert_eq!((default.ns, default.children[0].ns), (Ns::Iso, Ns::Other));
}

#[test]
fn texts_are_put_together_and_entities_of_xml_are_read() {
    let root = read("<a>x &amp; y<!-- no -->&#233;<![CDATA[<b>]]><c>not mine</c>&lt;</a>").unwrap();
    assert_eq!(root.text, "x & yé<b><");
}

#[test]
fn a_document_type_is_refused_before_anything_in_it() {
    let laughs = r#"<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;">]><lolz>&lol2;</lolz>"#;
    assert_eq!(read(laughs), Err(Wrong::DocType));
    let external = r#"<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>"#;
    assert_eq!(read(external), Err(Wrong::DocType));
    assert_eq!(read("<a>&xxe;</a>"), Err(Wrong::Entity("xxe".to_owned())));
    assert!(matches!(read(r#"<a k="&xxe;"/>"#), Err(Wrong::Malformed { .. })));
}

#[test]
fn encodings_other_than_utf8_are_refused_with_words() {
    let latin = r#"<?xml version="1.0" encoding="ISO-8859-1"?><a/>"#;
    let told = read(latin).unwrap_err().to_string();
    assert_eq!(told, "in the encoding `ISO-8859-1`; only UTF-8 is read");
    assert!(read(r#"<?xml version="1.0" encoding="utf-8"?><a/>"#).is_ok());
    assert!(matches!(Reader::new(b"<a>\xe9</a>"), Err(Wrong::NotUtf8(3))));
}

#[test]
fn what_is_cut_or_crossed_is_refused() {
    for text in ["", "<a>", "<a><b></a>", "<a></b>", "<a/><b/>", "<a", "<a k=\"", "</a>", "<a>&#0;</a>"] {
        assert!(read(text).is_err(), "{text}");
    }
    for end in 1..40 {
        let whole = format!(r#"<a xmlns="{GMD}"><b k="v">t</b></a>"#);
        assert!(read(&whole[..whole.len() - end]).is_err());
    }
}

#[test]
fn an_element_over_a_bound_is_read_past() {
    let deep = format!("{}{}", "<d>".repeat(5_000), "</d>".repeat(5_000));
    let wide = "<d/>".repeat(ELEMENTS_MAX + 1);
    let long = "x".repeat(TEXT_BYTES_MAX + 1);
    let attribute = format!("<d k=\"{}\"/>", "x".repeat(ATTRIBUTE_BYTES_MAX + 1));
    let attributes =
        format!("<d {}/>", (0..=ATTRIBUTES_MAX).map(|n| format!("a{n}=\"\"")).collect::<Vec<_>>().join(" "));
    for (inner, over) in [
        (deep, Over::Depth),
        (wide, Over::Elements),
        (long, Over::Text),
        (attribute, Over::Attributes),
        (attributes, Over::Attributes),
    ] {
        let text = format!("<all><one>{inner}</one><two>good</two></all>");
        let mut reader = Reader::new(text.as_bytes()).unwrap();
        assert!(matches!(reader.step(), Ok(Step::Start(_))));
        let Ok(Step::Start(one)) = reader.step() else { panic!("the first element begins") };
        assert_eq!(reader.tree(*one).unwrap(), Err(over));
        let Ok(Step::Start(two)) = reader.step() else { panic!("the second element begins after {over}") };
        assert_eq!(reader.tree(*two).unwrap().unwrap().text, "good");
        assert!(matches!(reader.step(), Ok(Step::End)));
        assert!(matches!(reader.step(), Ok(Step::Over)));
    }
}

#[test]
fn depth_is_bounded_outside_of_trees_too() {
    let text = "<d>".repeat(DEPTH_MAX + 1);
    let mut reader = Reader::new(text.as_bytes()).unwrap();
    let last = (0..=DEPTH_MAX).map(|_| reader.step()).last().unwrap();
    assert_eq!(last.unwrap_err(), Wrong::Over(Over::Depth));
}

#[test]
fn namespaces_are_bounded() {
    let many = (0..200).map(|n| format!("xmlns:n{n}=\"urn:{n}\"")).collect::<Vec<_>>().join(" ");
    assert!(matches!(read(&format!("<a {many}/>")), Err(Wrong::Malformed { .. })));
}

#[test]
fn no_cut_or_changed_document_panics() {
    let text = format!(
        r#"<?xml version="1.0"?><g:a xmlns:g="{GMD}"><g:b k='v&amp;'>t&#x41;<![CDATA[x]]></g:b><!-- c --><?p i?></g:a>"#
    );
    for at in 0..text.len() {
        let _ = read(&text[..at]);
        for byte in [b'<', b'>', b'&', b'"', b'/', b'!', b'?', b']', 0] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = byte;
            let _ = read(&String::from_utf8(bytes).unwrap());
        }
    }
}
