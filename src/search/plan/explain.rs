//! The plan for people and for machines (S24).

use serde_json::{Value, json};

use crate::federation::MemberId;
use crate::members::Withheld;
use crate::search::outcome::Status;
use crate::search::request::SearchRequest;
use crate::search::stream::{SELECTIVE_PAGE_MIN, first_window};

use super::leg::sign;
use super::{Leg, Mode, Order, Plan, Refused};

/// Columns of the text; longer lines are broken between words.
const WIDTH: usize = 100;
/// Collections of one leg that the text names; JSON has them all.
const COLLECTIONS_SHOWN: usize = 12;
/// Requests per leg of a page that finds no Item (`paging.md` section 6, work allowance).
const REQUESTS_PER_LEG_MAX: usize = 12;

impl Plan {
    /// S24: the plan as JSON.
    #[must_use]
    pub fn explain(&self, request: &SearchRequest) -> Value {
        let legs: Vec<Value> = self.legs.iter().map(|leg| leg_json(leg, request)).collect();
        let pruned: Vec<Value> = self
            .pruned
            .iter()
            .map(|left| json!({ "id": left.member, "rule": left.refusal.rule.name(), "detail": left.refusal.detail }))
            .collect();
        let refused: Vec<Value> = self.refused.iter().map(refused_json).collect();
        let requests: usize = self.legs.iter().map(|leg| leg.page_requests).sum();
        let mut plan = json!({
            "order": self.order_json(),
            "legs": legs,
            "standby": self.standing_by(),
            "pruned": pruned,
            "refused": refused,
            "requests_first_page": requests,
            "requests_max": requests * REQUESTS_PER_LEG_MAX,
        });
        if !request.ignored.is_empty() {
            plan["ignored"] = json!(request.ignored);
        }
        plan
    }

    /// The plan as text that an admin can read, without colour.
    #[must_use]
    pub fn explain_text(&self, request: &SearchRequest) -> String {
        text(&self.explain(request))
    }

    /// The members that are asked for nothing, and take over when another one fails.
    fn standing_by(&self) -> Vec<&MemberId> {
        let mut members: Vec<&MemberId> = Vec::new();
        for leg in &self.standby {
            let is_pruned = self.pruned.iter().any(|left| left.member == leg.member);
            if is_pruned && !members.contains(&&leg.member) {
                members.push(&leg.member);
            }
        }
        members
    }

    /// As reports name it; where newest first cannot be had, with the members that stand in its way.
    fn order_json(&self) -> Value {
        let keys = match self.legs.as_slice() {
            [alone] if alone.mode == Mode::PassThrough => alone.sorted_by(),
            _ => self.order.keys(),
        };
        let mut order = json!({ "keys": keys, "by": self.by() });
        if !self.unsorted.is_empty() {
            order["unsorted"] = json!(self.unsorted);
        }
        order
    }

    fn by(&self) -> &'static str {
        match self.order {
            Order::Sorted(_) => "broker",
            Order::Quota if self.legs.iter().any(|leg| leg.mode == Mode::PassThrough) => "member",
            Order::Quota => "quota",
        }
    }
}

impl Order {
    /// The whole total order as reports name it (S1): the keys, then id and exposed collection; empty in the quota order.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let Self::Sorted(keys) = self else { return Vec::new() };
        let mut names: Vec<String> =
            keys.iter().map(|key| format!("{}{}", sign(key.descending), key.full_name())).collect();
        for last in ["id", "collection"] {
            if !keys.iter().any(|key| key.field == last) {
                names.push(format!("+{last}"));
            }
        }
        names
    }
}

/// `required` and `discovered` stand there only where they say something unusual.
fn leg_json(leg: &Leg, request: &SearchRequest) -> Value {
    let mut residual = leg.residual.described.clone();
    if matches!(leg.mode, Mode::Drain | Mode::Slice) {
        residual.push("sortby".to_owned());
    }
    let mut json = json!({
        "id": leg.member,
        "mode": leg.mode,
        "collections": leg.ask.collections,
        "datetime": leg.ask.datetime.map(|interval| interval.to_param()),
        "pushdown": leg.pushdown,
        "residual": residual,
        "page": first_page(leg, request),
        "reason": leg.reason,
    });
    if !leg.part.is_empty() {
        json["part"] = leg.part.as_str().into();
    }
    if let Some(share) = &leg.shared {
        json["shared"] = share.id.as_ref().into();
    }
    if leg.page_requests > 1 {
        json["requests"] = leg.page_requests.into();
    }
    if leg.required {
        json["required"] = true.into();
    }
    if !leg.discovered {
        json["discovered"] = false.into();
    }
    json
}

/// Says in an explanation which of its legs would not be sent at this moment, and why: who is asked is the plan's word,
/// whether that can be done now is the guard's.
pub fn withhold(plan: &mut Value, withheld: impl Fn(&str) -> Option<Withheld>) {
    for leg in plan["legs"].as_array_mut().into_iter().flatten() {
        if let Some(Withheld { fault, reason, retry_after_s }) = withheld(word(leg, "id")) {
            let status = Status::from(fault).name();
            leg["withheld"] = json!({ "status": status, "reason": reason, "retry_after_s": retry_after_s });
        }
    }
}

fn refused_json(refused: &Refused) -> Value {
    let mut json = json!({ "id": refused.member, "feature": refused.feature });
    if refused.required {
        json["required"] = true.into();
    }
    json
}

/// What the first request asks for at most.
fn first_page(leg: &Leg, request: &SearchRequest) -> u32 {
    if leg.mode == Mode::Slice {
        return first_window(request.limit).min(leg.page_max);
    }
    let least = if leg.residual.selective { SELECTIVE_PAGE_MIN } else { 1 };
    request.limit.max(least).min(leg.page_max)
}

/// An explanation as text that an admin can read, without colour: of this plan, or one that another broker sent.
#[must_use]
pub fn text(plan: &Value) -> String {
    let mut text = Text::default();
    let (legs, pruned, refused) = (rows(plan, "legs"), rows(plan, "pruned"), rows(plan, "refused"));
    text.entry(0, "order", 9, &order_sentence(plan));
    let all = legs.len() + pruned.len() + refused.len();
    let requests = match legs.len() {
        0 => "nobody has anything that could match, so no request is sent".to_owned(),
        asked => format!(
            "{}; {} for the first page, at most {}",
            of_members(asked, all),
            plural(plan["requests_first_page"].as_u64().and_then(|n| n.try_into().ok()).unwrap_or(asked), "request"),
            plan["requests_max"]
        ),
    };
    text.entry(0, "asked", 9, &requests);
    for sentence in [undiscovered(legs), withheld_now(legs)].into_iter().flatten() {
        text.entry(0, "note", 9, &sentence);
    }

    let names = legs.iter().chain(pruned).chain(refused).map(|row| word(row, "id").chars().count());
    let longest = names.max().unwrap_or(0);
    for leg in legs {
        text.gap();
        leg_text(&mut text, leg, longest);
    }
    if !pruned.is_empty() {
        text.heading("left out: nothing is missing without them");
        let rule_width = pruned.iter().map(|left| word(left, "rule").len()).max().unwrap_or(0);
        for left in pruned {
            let label = format!("{:longest$}  {:rule_width$}", word(left, "id"), word(left, "rule"));
            text.entry(2, &label, longest + rule_width + 4, word(left, "detail"));
        }
    }
    if !refused.is_empty() {
        text.heading("cannot answer: the answer will be incomplete");
        for lacking in refused {
            let required = if lacking["required"] == true { "; the federation requires this member" } else { "" };
            text.entry(2, word(lacking, "id"), longest + 2, &format!("{}{required}", lack(word(lacking, "feature"))));
        }
    }
    let ignored = words(&plan["ignored"]);
    if !ignored.is_empty() {
        text.heading("not understood and ignored");
        text.entry(2, "", 0, &ignored.join(", "));
    }
    text.0
}

fn order_sentence(plan: &Value) -> String {
    match word(&plan["order"], "by") {
        "broker" => format!("{}, merged by the broker", words(&plan["order"]["keys"]).join(", ")),
        "member" if !words(&plan["order"]["keys"]).is_empty() => {
            format!("{}, as the only member that is asked orders texts", words(&plan["order"]["keys"]).join(", "))
        }
        "member" => "the member's own: only one is asked, and it cannot sort; newest first is not promised".to_owned(),
        _ => {
            let who = words(&plan["order"]["unsorted"]).join(", ");
            let who =
                if who.is_empty() { "not every one of them can sort".to_owned() } else { format!("{who} cannot sort") };
            format!("members in turn, each in its own order, because {who}")
        }
    }
}

/// What the plan takes for granted of members that were not read yet.
fn undiscovered(legs: &[Value]) -> Option<String> {
    let guessed: Vec<&str> = legs.iter().filter(|leg| leg["discovered"] == false).map(|leg| word(leg, "id")).collect();
    let whose = match guessed.len() {
        0 => return None,
        all if all == legs.len() => "the members".to_owned(),
        _ => guessed.join(", "),
    };
    Some(format!(
        "the capabilities of {whose} are not known here: unless the file says otherwise, everything but \
         filters is taken for granted, sorting too"
    ))
}

/// Whose Items a search at this moment would miss, though they are asked for.
fn withheld_now(legs: &[Value]) -> Option<String> {
    let away: Vec<&str> = legs.iter().filter(|leg| leg["withheld"].is_object()).map(|leg| word(leg, "id")).collect();
    let what = if away.len() == 1 { "its Items" } else { "their Items" };
    (!away.is_empty())
        .then(|| format!("at this moment nothing is sent to {}: {what} would be missing", away.join(", ")))
}

/// What a member lacks, for admins.
fn lack(feature: &str) -> String {
    if let Some(field) = feature.strip_prefix("string-order: ") {
        return format!(
            "lacks `{feature}`: nothing says that it orders `{field}` by bytes; if it does, declare `string_order = \"bytes\"`"
        );
    }
    match feature.strip_prefix("null-filter: ") {
        Some(field) => format!("lacks `{feature}`: its Items without `{field}` cannot be asked for"),
        None => format!("lacks `{feature}`"),
    }
}

fn leg_text(text: &mut Text, leg: &Value, longest: usize) {
    let reading = match word(leg, "mode") {
        "keyset" => "sorted by the member, resumed by a bound on the first key",
        "token" => "sorted by the member, resumed by its token",
        "slice" => "does not sort: read by windows of time, each sorted by the broker",
        "drain" => "does not sort: read whole and sorted by the broker, if it is short",
        "quota" => "its own order, its share of each page",
        _ => "its own order",
    };
    let page = usize::try_from(leg["page"].as_u64().unwrap_or_default()).unwrap_or_default();
    text.entry(2, word(leg, "id"), longest + 2, &format!("{reading}; {} at once", plural(page, "Item")));
    let mut line = |label: &str, value: &str| text.entry(longest + 4, label, 13, value);
    line("because", word(leg, "reason"));
    if leg["withheld"].is_object() {
        line("not now", &format!("{}: {}", word(&leg["withheld"], "status"), word(&leg["withheld"], "reason")));
    }
    if leg["required"] == true {
        line("required", "no answer without this member");
    }
    if let Some(shared) = leg["shared"].as_str() {
        line("shared", shared);
    }
    match leg["collections"].as_array() {
        None => line("collections", "all"),
        Some(_) => line("collections", &shortened(&words(&leg["collections"]))),
    }
    if let Some(interval) = leg["datetime"].as_str() {
        line("datetime", interval);
    }
    line("pushed down", &listed(&words(&leg["pushdown"])));
    line("left to us", &listed(&words(&leg["residual"])));
}

fn rows<'a>(plan: &'a Value, name: &str) -> &'a [Value] {
    plan[name].as_array().map_or(&[], Vec::as_slice)
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn shortened(list: &[&str]) -> String {
    let shown = list.iter().take(COLLECTIONS_SHOWN).copied().collect::<Vec<_>>().join(", ");
    match list.len().saturating_sub(COLLECTIONS_SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn listed(list: &[&str]) -> String {
    if list.is_empty() { "nothing".to_owned() } else { list.join("; ") }
}

fn of_members(asked: usize, all: usize) -> String {
    if asked == all {
        if all == 1 { "the one member".to_owned() } else { format!("all {all} members") }
    } else {
        format!("{asked} of {}", plural(all, "member"))
    }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Lines of labels and wrapped values.
#[derive(Default)]
struct Text(String);

impl Text {
    fn gap(&mut self) {
        self.0.push('\n');
    }

    fn heading(&mut self, heading: &str) {
        self.gap();
        self.0.push_str(heading);
        self.gap();
    }

    /// A label and its value; further lines of the value stand below its first word.
    fn entry(&mut self, indent: usize, label: &str, label_width: usize, value: &str) {
        let margin = indent + label_width;
        let mut line = format!("{:indent$}{label:label_width$}", "");
        let mut used = line.chars().count();
        let mut fresh = true;
        for word in value.split_whitespace() {
            let length = word.chars().count();
            if !fresh && used + 1 + length > WIDTH {
                self.0.push_str(line.trim_end());
                self.gap();
                line = " ".repeat(margin);
                used = margin;
                fresh = true;
            }
            if !fresh {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += length;
            fresh = false;
        }
        self.0.push_str(line.trim_end());
        self.gap();
    }
}
