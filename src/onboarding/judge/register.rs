//! R: is it in the federation file, and can its id be taken?

use super::{Facts, Finding, Findings, Row, error, note};

pub fn judge(facts: &Facts<'_>, findings: &mut Findings) {
    let Some(registered) = &facts.candidate.registered else {
        findings.leave_out(Row::R1);
        findings.leave_out(Row::R2);
        return;
    };
    let file = &registered.file;
    match (&registered.member, &facts.candidate.id) {
        (Some((id, _)), _) => findings.add(Finding::good(Row::R1, format!("it is member `{id}` of {file}"))),
        // about to be added
        (None, Some(_)) => findings.leave_out(Row::R1),
        (None, None) => findings.add(note(
            Row::R1,
            format!("no member of {file} has this address"),
            "add it with `stac-broker member add`, or configure its URL",
        )),
    }
    let Some(id) = &facts.candidate.id else {
        findings.leave_out(Row::R2);
        return;
    };
    findings.add(match &registered.id_refused {
        Some(why) => error(Row::R2, why.clone(), "choose an id of letters, digits, `-` and `_` that no member has"),
        None => Finding::good(Row::R2, format!("`{id}` can be taken")),
    });
}
