//! The plan for people and for machines (S24).

use serde_json::{Value, json};

use crate::search::request::SearchRequest;

use super::leg::sign;
use super::{Leg, Mode, Order, Plan};

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
        let refused: Vec<Value> =
            self.refused.iter().map(|refused| json!({ "id": refused.member, "feature": refused.feature })).collect();
        let mut plan = json!({
            "order": { "keys": self.order.keys(), "by": self.by() },
            "legs": legs,
            "standby": [],
            "pruned": pruned,
            "refused": refused,
            "requests_first_page": self.legs.len(),
            "requests_max": self.legs.len() * REQUESTS_PER_LEG_MAX,
        });
        if !request.ignored.is_empty() {
            plan["ignored"] = json!(request.ignored);
        }
        plan
    }

    /// The plan as text that an admin can read, without colour.
    #[must_use]
    pub fn explain_text(&self, request: &SearchRequest) -> String {
        let mut text = Text::default();
        text.entry(0, "order", 9, &self.order_sentence());
        let (asked, others) = (self.legs.len(), self.pruned.len() + self.refused.len());
        let requests = match asked {
            0 => "nobody has anything that could match, so no request is sent".to_owned(),
            _ => format!(
                "{}; {} for the first page, at most {}",
                of_members(asked, asked + others),
                plural(asked, "request"),
                asked * REQUESTS_PER_LEG_MAX
            ),
        };
        text.entry(0, "asked", 9, &requests);

        let longest = self.longest_name();
        for leg in &self.legs {
            text.gap();
            leg_text(&mut text, leg, request, longest);
        }
        if !self.pruned.is_empty() {
            text.heading("left out: nothing is missing without them");
            let rule_width = self.pruned.iter().map(|left| left.refusal.rule.name().len()).max().unwrap_or(0);
            for left in &self.pruned {
                let label = format!("{:longest$}  {:rule_width$}", left.member.as_str(), left.refusal.rule.name());
                text.entry(2, &label, longest + rule_width + 4, &left.refusal.detail);
            }
        }
        if !self.refused.is_empty() {
            text.heading("cannot answer: the answer will be incomplete");
            for refused in &self.refused {
                let required = if refused.required { "; the federation requires this member" } else { "" };
                let lacks = format!("lacks `{}`{required}", refused.feature);
                text.entry(2, refused.member.as_str(), longest + 2, &lacks);
            }
        }
        if !request.ignored.is_empty() {
            text.heading("not understood and ignored");
            text.entry(2, "", 0, &request.ignored.join(", "));
        }
        text.0
    }

    fn by(&self) -> &'static str {
        match self.order {
            Order::Sorted(_) => "broker",
            Order::Quota if self.legs.iter().any(|leg| leg.mode == Mode::PassThrough) => "member",
            Order::Quota => "quota",
        }
    }

    fn order_sentence(&self) -> String {
        match self.by() {
            "broker" => format!("{}, merged by the broker", self.order.keys().join(", ")),
            "member" => "the member's own: only one is asked, and it does not give newest first".to_owned(),
            _ => "members in turn, each in its own order: not every one of them gives newest first".to_owned(),
        }
    }

    fn longest_name(&self) -> usize {
        let pruned = self.pruned.iter().map(|left| &left.member);
        let refused = self.refused.iter().map(|refused| &refused.member);
        let legs = self.legs.iter().map(|leg| &leg.member);
        legs.chain(pruned).chain(refused).map(|member| member.as_str().len()).max().unwrap_or(0)
    }
}

impl Order {
    /// The whole total order as reports name it (S1): the keys, then id and exposed collection; empty in the quota order.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let Self::Sorted(keys) = self else { return Vec::new() };
        let mut names: Vec<String> = keys
            .iter()
            .map(|key| {
                let field = if key.field == "datetime" { "properties.datetime" } else { &key.field };
                format!("{}{field}", sign(key.descending))
            })
            .collect();
        for last in ["id", "collection"] {
            if !keys.iter().any(|key| key.field == last) {
                names.push(format!("+{last}"));
            }
        }
        names
    }
}

fn leg_json(leg: &Leg, request: &SearchRequest) -> Value {
    json!({
        "id": leg.member,
        "mode": leg.mode,
        "collections": leg.ask.collections,
        "datetime": leg.ask.datetime.map(|interval| interval.to_param()),
        "pushdown": leg.pushdown,
        "residual": leg.residual.described,
        "page": first_page(leg, request),
        "reason": leg.reason,
    })
}

/// What the first request asks for at most.
fn first_page(leg: &Leg, request: &SearchRequest) -> u32 {
    request.limit.min(leg.page_max)
}

fn leg_text(text: &mut Text, leg: &Leg, request: &SearchRequest, longest: usize) {
    let reading = match leg.mode {
        Mode::Keyset => "sorted by the member, resumed by time",
        Mode::Token => "sorted by the member, resumed by its token",
        Mode::Drain => "does not sort: read whole and sorted by the broker, if it is short",
        Mode::Quota => "its own order, its share of each page",
        Mode::PassThrough => "its own order",
    };
    let first = format!("{reading}; {} at once", plural(first_page(leg, request) as usize, "Item"));
    text.entry(2, leg.member.as_str(), longest + 2, &first);
    let mut line = |label: &str, value: &str| text.entry(longest + 4, label, 13, value);
    line("because", &leg.reason);
    if leg.required {
        line("required", "no answer without this member");
    }
    match &leg.ask.collections {
        None => line("collections", "all"),
        Some(list) => line("collections", &shortened(list)),
    }
    if let Some(interval) = leg.ask.datetime {
        line("datetime", &interval.to_param());
    }
    line("pushed down", &listed(&leg.pushdown));
    line("left to us", &listed(&leg.residual.described));
}

fn shortened(list: &[String]) -> String {
    let shown = list.iter().take(COLLECTIONS_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match list.len().saturating_sub(COLLECTIONS_SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn listed(list: &[String]) -> String {
    if list.is_empty() { "nothing".to_owned() } else { list.join("; ") }
}

fn of_members(asked: usize, all: usize) -> String {
    if asked == all {
        format!("all of {}", plural(all, "member"))
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
