//! The list of deliberate mistakes that `tests/mutants/run` makes: it must fit the sources.

#[path = "../mutants/list.rs"]
mod list;

use std::collections::BTreeSet;

use crate::house::sources;

/// Fewer would be a list that was lost.
const MUTANTS_MIN: usize = 60;

#[test]
fn every_snippet_of_a_mutant_is_in_the_sources_once() {
    let all = sources();
    let lists = all.iter().filter(|file| file.path.starts_with("tests/mutants/") && file.path.ends_with(".mutants"));
    let mut mutants = Vec::new();
    for file in lists {
        mutants.extend(list::read(&file.text).unwrap_or_else(|why| panic!("{}: {why}", file.path)));
    }
    let library: Vec<(String, String)> = all
        .iter()
        .filter(|file| file.path.starts_with("src/"))
        .map(|file| (file.path.clone(), file.text.clone()))
        .collect();
    let found = list::locate(&mutants, &library).unwrap_or_else(|why| panic!("{why}"));
    for (path, text) in &library {
        if let Some(places) = found.get(path) {
            let rewritten = list::rewrite(text, places.clone()).unwrap_or_else(|why| panic!("{path}: {why}"));
            assert!(rewritten.matches("crate::mutant(").count() >= places.len(), "{path}");
        }
    }
    let names: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.name.as_str()).collect();
    assert!(names.len() >= MUTANTS_MIN, "only {} mutants", names.len());
}

#[test]
fn a_mutant_is_switched_where_it_stands() {
    let mutants = list::read(
        "# two at one place, one around them, a statement\n\
         mutant: one\nfile: x\nmeans: -\nwas: f(«a + b»)\nbecomes: a\n\n\
         mutant: two\nfile: x\nmeans: -\nwas:\n    f( «a\n    +b» )\nbecomes: b\n\n\
         mutant: outer\nfile: x\nmeans: -\nwas: «f(a + b)» ;\nbecomes: 0\n\n\
         mutant: statement\nfile: x\nmeans: -\nwas: «g();»\nbecomes:\n",
    )
    .unwrap();
    let text = "let c = f(a +\n  b);\ng();\n";
    let found = list::locate(&mutants, &[("x.rs".into(), text.into())]).unwrap();
    let rewritten = list::rewrite(text, found["x.rs"].clone()).unwrap();
    let inner = "(if crate::mutant(\"one\") { a } else { (if crate::mutant(\"two\") { b } else { a +\n  b }) })";
    let outer = format!("(if crate::mutant(\"outer\") {{ 0 }} else {{ f({inner}) }})");
    assert_eq!(rewritten, format!("let c = {outer};\nif crate::mutant(\"statement\") {{  }} else {{ g(); }}\n"));
    let twice = list::locate(&mutants[3..], &[("x.rs".into(), "g(); g();".into())]).unwrap_err();
    assert!(twice.contains("`statement`: its snippet is 2 times"), "{twice}");
    let overlapping = list::read(
        "mutant: a\nfile: x\nmeans: -\nwas: «f(a»\nbecomes: b\n\nmutant: b\nfile: x\nmeans: -\nwas: «a + b»\nbecomes: b\n",
    )
    .unwrap();
    let found = list::locate(&overlapping, &[("x.rs".into(), text.into())]).unwrap();
    assert!(list::rewrite(text, found["x.rs"].clone()).unwrap_err().contains("overlaps"));
}
