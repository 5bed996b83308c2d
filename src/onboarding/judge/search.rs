//! S, L5 and E1: searches by method, by parameter, and what classes promise of them.

use super::{Facts, Finding, Findings, Row, counted, degraded, error, note};
use crate::federation::Support;
use crate::members::Item;
use crate::onboarding::ask::{Asked, PageSeen, Probe, Search};

const LESS: &str = "as Item Search says; until then the broker filters itself, and fetches more";

pub fn judge(facts: &Facts<'_>, search: &Search, findings: &mut Findings) {
    methods(search, findings);
    if !search.works() {
        return;
    }
    if search.known.is_none() {
        let why = "no search gave an Item to ask about";
        for row in [Row::S3, Row::S4, Row::S5, Row::S6] {
            findings.add(Finding::unchecked(row, why));
        }
    } else {
        parameters(search, findings);
        stranger(search, findings);
        findings.add_all(Row::S6, invalid(search), || {
            Finding::good(Row::S6, format!("{} of the first page", counted(search.sample().items().len(), "Item")))
        });
    }
    conformance(facts, search, findings);
    errors(search, findings);
}

fn methods(search: &Search, findings: &mut Findings) {
    let get = &search.get;
    let post_works = search.post.as_ref().is_some_and(PageSeen::is_page);
    findings.add(if search.items_only && get.is_page() {
        note(
            Row::S1,
            "no Item Search: Items were asked of one Collection at its own address",
            "offer /search; until then each collection costs one request",
        )
    } else if get.is_page() {
        Finding::good(Row::S1, format!("answers {}", counted(get.items().len(), "Item")))
    } else if post_works {
        note(Row::S1, format!("GET search {}", get.clause()), "POST is used; offer GET too, every client knows it")
    } else if !get.asked.was_put() {
        Finding::unchecked(Row::S1, get.asked.unanswered().unwrap_or_default())
    } else if let Some(unanswered) = get.asked.unanswered() {
        error(Row::S1, format!("GET search: {unanswered}"), "make /search answer").by(&get.asked.evidence)
    } else {
        error(Row::S1, format!("GET search {}", get.clause()), "make /search answer a FeatureCollection")
            .by(&get.asked.evidence)
    });
    match &search.post {
        None => findings.leave_out(Row::S2),
        Some(post) if post.is_page() => findings.add(Finding::good(Row::S2, "answers")),
        Some(post) if !post.asked.was_put() => {
            findings.add(Finding::unchecked(Row::S2, post.asked.unanswered().unwrap_or_default()));
        }
        Some(post) => findings.add(
            note(
                Row::S2,
                format!("POST search {}", post.clause()),
                "offer POST; until then long geometries are sent as their boxes",
            )
            .by(&post.asked.evidence),
        ),
    }
}

fn parameters(search: &Search, findings: &mut Findings) {
    for (row, names) in [(Row::S3, &["bbox", "datetime"][..]), (Row::S4, &["ids", "collections", "intersects"])] {
        let probes: Vec<&Probe> = search.probes.iter().filter(|probe| names.contains(&probe.parameter)).collect();
        let mut wrong: Vec<Finding> = probes.iter().filter_map(|probe| wrong_parameter(row, probe)).collect();
        if row == Row::S4 {
            wrong.extend(search.item.as_ref().and_then(|asked| item_by_path(asked, search)));
        }
        let proven: Vec<&str> =
            probes.iter().filter(|probe| probe.support == Some(Support::Exact)).map(|probe| probe.parameter).collect();
        if wrong.is_empty() && proven.is_empty() {
            findings.add(Finding::unchecked(row, "no Item that tells inside from outside was found"));
        } else {
            let untried: Vec<&str> = names.iter().filter(|name| !proven.contains(name)).copied().collect();
            let but = if untried.is_empty() {
                String::new()
            } else {
                format!("; no Item tells inside from outside by {}", untried.join(", "))
            };
            let good = || {
                Finding::good(
                    row,
                    format!("a known Item is found inside and not outside by {}{but}", proven.join(", ")),
                )
            };
            findings.add_all(row, wrong, good);
        }
    }
}

fn wrong_parameter(row: Row, probe: &Probe) -> Option<Finding> {
    let name = probe.parameter;
    let (seen, page) = match probe.support? {
        Support::Exact => return None,
        Support::Inexact => (format!("`{name}` gives Items that do not match it"), &probe.outside),
        Support::Unsupported if !probe.inside.is_page() => {
            (format!("a search with `{name}` {}", probe.inside.clause()), &probe.inside)
        }
        Support::Unsupported if !probe.outside.is_page() => {
            (format!("a search with `{name}` {}", probe.outside.clause()), &probe.outside)
        }
        Support::Unsupported if name == "ids" && !probe.outside.items().is_empty() => {
            ("`ids` with an id that no Item has gives Items".to_owned(), &probe.outside)
        }
        Support::Unsupported => (format!("`{name}` does not find an Item that matches it"), &probe.inside),
    };
    Some(degraded(row, seen, format!("answer `{name}` {LESS}")).by(&page.asked.evidence))
}

fn item_by_path(asked: &Asked, search: &Search) -> Option<Finding> {
    if asked.unanswered().is_some() {
        return None;
    }
    let known = search.known.as_ref()?;
    let found = asked.good().and_then(|answer| Item::new(answer.body.clone()).ok());
    if found.is_some_and(|item| *item.id == *known.id) {
        return None;
    }
    let seen = format!("the address of Item `{}` {}", known.id, asked.clause());
    let remedy = "serve each Item at /collections/{collection}/items/{item}";
    Some(degraded(Row::S4, seen, remedy).by(&asked.evidence))
}

fn stranger(search: &Search, findings: &mut Findings) {
    let Some(page) = &search.stranger else {
        findings.leave_out(Row::S5);
        return;
    };
    findings.add(match page.asked.unanswered() {
        Some(unanswered) => Finding::unchecked(Row::S5, unanswered),
        None if page.items().is_empty() => Finding::good(Row::S5, "gives no Items"),
        None => error(
            Row::S5,
            "a search for an unknown collection returned Items",
            "answer an empty FeatureCollection: else every search of the federation gets Items that nobody asked for",
        )
        .by(&page.asked.evidence),
    });
}

/// S6: Items that would be dropped, or lack what the specification wants.
fn invalid(search: &Search) -> Vec<Finding> {
    let sample = search.sample();
    let wrong = |seen: String, remedy: &str| degraded(Row::S6, seen, remedy).by(&sample.asked.evidence);
    let mut list = Vec::new();
    if let Ok(split) = &sample.split {
        list.extend(split.invalid.reasons.iter().map(|reason| wrong(reason.clone(), "mend the Item; it is dropped")));
    }
    for item in sample.items() {
        let (id, remedy) = (&item.id, "mend the Item: it is passed on, but clients may refuse it");
        if item.collection.is_empty() {
            list.push(wrong(format!("item `{id}`: no `collection`"), remedy));
        }
        let geometry = item.slice(&item.spans.geometry);
        if !matches!(geometry, b"" | b"null") && item.bbox().is_none() {
            list.push(wrong(format!("item `{id}`: a geometry, but no valid `bbox`"), remedy));
        }
        if geometry.is_empty() {
            list.push(wrong(format!("item `{id}`: no `geometry`, which may be null but not absent"), remedy));
        }
    }
    list
}

/// L5: each advertised class passes its probe. Order is judged with O1 and told here.
fn conformance(facts: &Facts<'_>, search: &Search, findings: &mut Findings) {
    let declared = &facts.landing.declared;
    let untrue = |class: &str, what: &str, page: &PageSeen| {
        degraded(
            Row::L5,
            format!("`{class}` is advertised, but {what} failed"),
            format!("`{class}` is advertised but {what} failed; remove it or fix it"),
        )
        .by(&page.asked.evidence)
    };
    let mut wrong = Vec::new();
    let mut kept = Vec::new();
    if facts.landing.found.has("item-search") {
        if search.items_only {
            wrong.push(untrue("item-search", "/search", &search.get));
        } else {
            kept.push("item-search");
        }
    }
    for spoken in &search.spoken {
        match spoken.support {
            Some(Support::Exact) => kept.push(spoken.class),
            Some(_) => {
                let page = if spoken.inside.items().is_empty() { &spoken.inside } else { &spoken.outside };
                wrong.push(untrue(spoken.class, &spoken.what, page));
            }
            None => {}
        }
    }
    if let Some(order) = facts.order.as_ref().filter(|_| declared.sort != Support::Unsupported) {
        match super::order::verdict(order) {
            super::order::Sorts::Yes => kept.push("item-search#sort"),
            super::order::Sorts::No { by, page, .. } => {
                wrong.push(untrue("item-search#sort", &format!("`sortby={by}`"), page));
            }
            super::order::Sorts::Unknown(_) => {}
        }
    }
    if let Some(page) = &search.fields {
        let reduced = page.items().iter().all(|item| {
            let properties: serde_json::Value =
                serde_json::from_slice(item.slice(&item.spans.properties)).unwrap_or_default();
            properties.as_object().is_none_or(|properties| properties.len() <= 2)
        });
        if page.items().is_empty() && !reads_fields(page) || !reduced {
            wrong.push(untrue("item-search#fields", "`fields`", page));
        } else {
            kept.push("item-search#fields");
        }
    }
    kept.dedup();
    let mut unproven =
        if kept.is_empty() { "no class that can be tried is advertised".to_owned() } else { kept.join(", ") };
    if let Some(seen) = &facts.landing.dialect {
        unproven = format!("speaks {} (seen: {}), asked as one; {unproven}", seen.dialect.name(), seen.sign);
    }
    findings.add_all(Row::L5, wrong, || Finding::good(Row::L5, unproven));
}

/// An answer whose Features were reduced so far that they are no Items any more still honours `fields`.
fn reads_fields(page: &PageSeen) -> bool {
    page.split.as_ref().is_ok_and(|split| split.received > 0)
}

const REMEDY: &str = "answer errors as JSON with code and description";

/// E1: what is wrong is answered as such.
fn errors(search: &Search, findings: &mut Findings) {
    let Some(asked) = &search.wrong else {
        findings.add(Finding::unchecked(Row::E1, "no search gave an Item to ask about"));
        return;
    };
    let Some(answer) = asked.answer() else {
        findings.add(Finding::unchecked(Row::E1, asked.unanswered().unwrap_or_default()));
        return;
    };
    let json = answer.json();
    let text = |name: &str| json.as_ref().is_some_and(|json| json[name].is_string() || json[name].is_number());
    let seen = match answer.status {
        200..=299 => Some("a search with `bbox=1,2,3` is answered as if it were right".to_owned()),
        500.. => Some(format!("a search with `bbox=1,2,3` is answered {}, as if the server were wrong", answer.status)),
        _ if !text("code") || !text("description") => {
            Some(format!("{} without `code` and `description`", answer.status))
        }
        _ => None,
    };
    findings.add(match seen {
        Some(seen) => note(Row::E1, seen, REMEDY).by(&asked.evidence),
        None => Finding::good(Row::E1, format!("{} with code and description", answer.status)),
    });
}
