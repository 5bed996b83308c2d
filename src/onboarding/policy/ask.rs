//! The few questions about a policy that is in effect, through the member's adapter: each for one Item, one at a time.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::{Instant, timeout_at};

use crate::collections::MemberView;
use crate::federation::{self, Area, Bbox, Interval, Support};
use crate::members::{Ask, Item, Member};

/// Rules whose edges are tried; a policy with more is written by a program, which can be checked itself.
const RULES_MAX: usize = 8;
/// Collections that one question names: more have no room in an address.
const COLLECTIONS_MAX: usize = 50;
/// Items whose ids are held against the declared beginnings.
const SAMPLE: u32 = 20;
/// Boxes beside a focus are at least this wide, in degrees.
const BESIDE_MIN: f64 = 1.0;
/// Rolling edges count this much wider, as in the plan.
const MARGIN: TimeDelta = TimeDelta::hours(2);

/// What a member was found to hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Held {
    pub oldest: Option<ItemSeen>,
    pub newest: Option<ItemSeen>,
    /// Oldest and newest among the Collections of each retention rule.
    pub rules: Vec<(Option<ItemSeen>, Option<ItemSeen>)>,
    /// Items that came for what the policy says is not there, and what was asked.
    pub beyond: Vec<(String, ItemSeen)>,
    /// Ids of some Items.
    pub ids: Vec<String>,
    /// Questions that were asked, and how many got no answer.
    pub asked: usize,
    pub failed: usize,
}

/// What of an Item is compared.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemSeen {
    pub collection: String,
    pub id: String,
    pub at: Option<DateTime<Utc>>,
    pub area: Option<Area>,
}

impl ItemSeen {
    fn of(item: &Item) -> Self {
        Self {
            collection: item.collection.to_string(),
            id: item.id.to_string(),
            at: item.time_key().and_then(DateTime::from_timestamp_millis),
            area: item.bbox().map(|bbox| Area::from_boxes(&[bbox])),
        }
    }
}

struct Questions<'a> {
    member: &'a Arc<dyn Member>,
    until: Instant,
    held: Held,
}

impl Questions<'_> {
    async fn items(&mut self, ask: Ask) -> Vec<Item> {
        self.held.asked += 1;
        if let Ok(Ok(page)) = timeout_at(self.until, self.member.search(&ask, self.until)).await {
            return page.items;
        }
        self.held.failed += 1;
        Vec::new()
    }

    async fn first(&mut self, ask: Ask) -> Option<ItemSeen> {
        self.items(Ask { limit: 1, ..ask }).await.first().map(ItemSeen::of)
    }

    async fn edge(&mut self, collections: Option<&[String]>, down: bool) -> Option<ItemSeen> {
        let sortby = vec![("properties.datetime".to_owned(), down)];
        self.first(Ask { collections: collections.map(<[String]>::to_vec), sortby, ..Ask::default() }).await
    }
}

/// Asks what the policy can be compared with, until the deadline.
pub async fn ask(
    member: &Arc<dyn Member>,
    declared: &federation::Member,
    view: &MemberView,
    now: DateTime<Utc>,
    until: Instant,
) -> Held {
    let mut questions = Questions { member, until, held: Held::default() };
    let sorts = member.capabilities().sort != Support::Unsupported;
    let sample = questions.items(Ask { limit: SAMPLE, ..Ask::default() }).await;
    questions.held.ids = sample.iter().map(|item| item.id.to_string()).collect();
    if sorts {
        questions.held.oldest = questions.edge(None, false).await;
        questions.held.newest = questions.edge(None, true).await;
    }
    for rule in declared.policy.retention.iter().take(RULES_MAX) {
        let named: Vec<String> = ids(view).filter(|id| rule.collections.matches(id)).collect();
        let all = named.len() == ids(view).count();
        let mut edges = (None, None);
        if !named.is_empty() && (all || named.len() <= COLLECTIONS_MAX) {
            let within = if all { None } else { Some(named.as_slice()) };
            if sorts {
                edges = (questions.edge(within, false).await, questions.edge(within, true).await);
            }
            outside(&mut questions, within, rule.window(now)).await;
        }
        questions.held.rules.push(edges);
    }
    if let Some((focus, bbox)) = declared.policy.focus.as_ref().and_then(|focus| Some((focus, beside(focus)?))) {
        let question = format!("`bbox={}`, which the focus {} does not meet", corners(&bbox), focus.describe());
        // the first ones may be large enough to reach into the focus as well
        let items = questions.items(Ask { bbox: Some(bbox), limit: SAMPLE, ..Ask::default() }).await;
        questions.held.beyond.extend(items.iter().map(|item| (question.clone(), ItemSeen::of(item))));
    }
    questions.held
}

/// One Item from before a rule's window, one from behind it.
async fn outside(questions: &mut Questions<'_>, within: Option<&[String]>, window: Interval) {
    let before = window.start.and_then(|start| start.checked_sub_signed(MARGIN));
    let behind = window.end.and_then(|end| end.checked_add_signed(MARGIN));
    for interval in [
        before.map(|end| Interval { start: None, end: Some(end) }),
        behind.map(|start| Interval { start: Some(start), end: None }),
    ]
    .into_iter()
    .flatten()
    {
        let ask = Ask { collections: within.map(<[String]>::to_vec), datetime: Some(interval), ..Ask::default() };
        if let Some(item) = questions.first(ask).await {
            questions.held.beyond.push((format!("`datetime={}`", interval.to_param()), item));
        }
    }
}

/// All Collections of the member by their own ids.
pub(super) fn ids(view: &MemberView) -> impl Iterator<Item = String> + '_ {
    let listed = view.entries.iter().map(|entry| entry.native_id.clone());
    listed.chain(view.quarantined.iter().map(|found| found.native_id.clone())).filter(|id| !id.is_empty())
}

/// The widest box beside a focus: above, below, left or right of it; `None` where it leaves no room.
fn beside(focus: &Area) -> Option<Bbox> {
    let edges = |pick: fn(&geo::Rect<f64>) -> f64| focus.boxes.iter().map(pick).collect::<Vec<f64>>();
    let low = |values: Vec<f64>| values.into_iter().fold(f64::INFINITY, f64::min);
    let high = |values: Vec<f64>| values.into_iter().fold(f64::NEG_INFINITY, f64::max);
    let (west, south) = (low(edges(|rect| rect.min().x)), low(edges(|rect| rect.min().y)));
    let (east, north) = (high(edges(|rect| rect.max().x)), high(edges(|rect| rect.max().y)));
    let gap = BESIDE_MIN;
    // not to the poles, where all meridians meet
    let (lowest, highest) = (gap - 90.0, 90.0 - gap);
    let boxes = [
        (-180.0, north + gap, 180.0, highest),
        (-180.0, lowest, 180.0, south - gap),
        (-180.0, lowest, west - gap, highest),
        (east + gap, lowest, 180.0, highest),
    ];
    let size = |(west, south, east, north): &(f64, f64, f64, f64)| (east - west).min(north - south);
    let wide = boxes.into_iter().filter(|corners| size(corners) >= gap);
    let (west, south, east, north) = wide.max_by(|a, b| size(a).total_cmp(&size(b)))?;
    Some(Bbox { west, south, east, north, elevation: None })
}

fn corners(bbox: &Bbox) -> String {
    bbox.corners().iter().map(f64::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_beside_a_focus_does_not_touch_it() {
        let bbox = |west, south, east, north| Bbox { west, south, east, north, elevation: None };
        for focus in [bbox(4.0, 50.0, 7.0, 53.0), bbox(-75.1, 10.9, 73.0, 90.0), bbox(-180.0, -90.0, 180.0, 0.0)] {
            let focus = Area::from_boxes(&[focus]);
            let away = beside(&focus).unwrap();
            assert!(!focus.touches(&Area::from_boxes(&[away])), "{away:?}");
        }
        assert_eq!(beside(&Area::from_boxes(&[bbox(-180.0, -90.0, 180.0, 90.0)])), None);
    }
}
