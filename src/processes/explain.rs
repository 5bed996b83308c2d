//! A choice as a document (`processes.md` 6.6): what was seen, who could execute, who was left out and why.

use serde_json::{Value, json};

use super::choose::Choice;
use super::holders::Located;
use super::references::Code;
use super::refusal::{pins, pointer, text};
use super::route::{Probed, Ranked};
use super::splice::Rewrite;

/// The explanation, without the problem that an execution would answer: that is written by whoever knows statuses.
#[must_use]
pub fn explanation(process: &str, choice: &Choice, rewrites: &[Rewrite]) -> Value {
    let decision = &choice.decision;
    let eliminated: Vec<Value> = decision
        .eliminated
        .iter()
        .map(|one| json!({ "member": one.member, "rule": one.rule, "reason": one.detail }))
        .collect();
    let mut document = json!({
        "process": process,
        "references": references(&decision.located),
        "candidates": decision.candidates.iter().map(|one| &one.member).collect::<Vec<_>>(),
        "pins": pins(&decision.candidates),
        "eliminated": eliminated,
        "ranking": decision.ranking.iter().map(ranked).collect::<Vec<_>>(),
        "rewrites": rewrites,
    });
    if let (Some(chosen), Ok(reason)) = (decision.chosen(), &decision.outcome) {
        document["chosen"] = json!({ "member": chosen.member, "process": chosen.native, "reason": reason.name() });
    }
    document
}

/// References with their holders; problem documents list them too.
#[must_use]
pub fn references(located: &[Located]) -> Value {
    located.iter().map(reference).collect()
}

fn reference(located: &Located) -> Value {
    let mut document = json!({
        // A pinned id stands in the path and nowhere in the body.
        "pointer": (located.reference.code != Code::P || !pointer(located).is_empty()).then(|| pointer(located)),
        "code": located.reference.code,
        "text": text(located),
        "holders": located.holders.iter().map(|holder| &holder.member).collect::<Vec<_>>(),
        "why": located.why,
    });
    if let Some(how) = located.how {
        document["located_by"] = json!(how);
    }
    let filter = &located.reference.filter;
    if !filter.is_empty() {
        let area = filter.area.as_ref().map(crate::federation::Area::describe);
        document["filter"] =
            json!({ "datetime": filter.time.map(|time| time.to_param()), "area": area, "ids": filter.ids });
    }
    if !located.left.is_empty() {
        let left = located.left.iter();
        let left = left.map(|left| json!({ "member": left.member, "rule": left.rule.name(), "reason": left.detail }));
        document["left"] = left.collect();
    }
    document
}

fn ranked(ranked: &Ranked) -> Value {
    let scores = &ranked.scores;
    let probed = match scores.probed {
        Probed::Some => "some",
        Probed::Unknown => "unknown",
        Probed::None => "none",
    };
    json!({
        "member": ranked.candidate.member,
        "process": ranked.candidate.native,
        "scores": {
            "references": scores.held,
            "explicit": scores.explicit,
            "probed": probed,
            "mode_fits": scores.mode_fits,
            "place": scores.place.0,
            "priority": scores.priority,
            "headroom_days": scores.headroom_days,
        },
    })
}
