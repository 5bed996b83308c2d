//! Lists longer than the deepest page, where nobody asked for an order: they are read newest first, and cut by time before
//! they get too deep.
//!
//! The cut is made where a new time begins, between two pages or on one: Items of that time are left for the list that
//! begins with them, so that none is given twice and none is left out. Where half of the depth is of one time, the list goes
//! on to its deepest page and ends there as cut, which the search declares.

use chrono::{DateTime, TimeDelta};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{StacApi, numbered};
use crate::federation::{Interval, Support};
use crate::members::capabilities::Capabilities;
use crate::members::line::failure;
use crate::members::next_link::{Delta, TOKEN_BYTES_MAX};
use crate::members::{Ask, Failure, Fault, Item, Page, Token};

/// Where such a list goes on.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    /// Items up to this millisecond are in the list; `None`: all.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
    /// The member's own place in it; `None`: its beginning.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    delta: Option<String>,
    /// The last time of the page before.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    last: Option<i64>,
}

impl Place {
    fn open(token: &Token) -> Result<Self, Failure> {
        let refused = |text: &str| failure(Fault::TokenRefused, text);
        let place: Self =
            serde_json::from_str(&token.0).map_err(|_foreign| refused("token of another kind of list"))?;
        let timely = place.until.is_none_or(|until| DateTime::from_timestamp_millis(until).is_some());
        if timely { Ok(place) } else { Err(refused("place outside of all times")) }
    }

    fn seal(&self) -> Result<Token, Failure> {
        let text = serde_json::to_string(self).unwrap_or_default();
        if text.len() > TOKEN_BYTES_MAX {
            return Err(failure(Fault::BadResponse, "place in a list over the bound on bytes"));
        }
        Ok(Token(text.into()))
    }

    /// The ask for the list that the place is in.
    fn ask(&self, ask: &Ask) -> Ask {
        // Items cut to the last millisecond may lie up to 999 µs behind it
        let end = |until: i64| DateTime::from_timestamp_millis(until)?.checked_add_signed(TimeDelta::microseconds(999));
        let asked = ask.datetime.unwrap_or_default();
        let datetime = match self.until.and_then(end) {
            None => ask.datetime,
            Some(end) => Some(Interval { end: Some(asked.end.map_or(end, |asked| asked.min(end))), ..asked }),
        };
        let token = self.delta.as_deref().map(|delta| Token(delta.into()));
        Ask { datetime, token, sortby: vec![("properties.datetime".to_owned(), true)], ..ask.clone() }
    }
}

/// Whether an ask gets a list that may be longer than the member can be paged through.
pub(super) fn needed(known: &Capabilities, ask: &Ask) -> bool {
    known.habits().pages_max.is_some() && known.sort == Support::Exact && ask.sortby.is_empty() && ask.ids.is_none()
}

impl StacApi {
    /// One page of such a list.
    pub(super) async fn deep(&self, ask: &Ask, deadline: Instant) -> Result<Page, Failure> {
        let place = ask.token.as_ref().map_or_else(|| Ok(Place::default()), Place::open)?;
        let inner = place.ask(ask);
        let delta = inner.token.as_ref().and_then(|token| Delta::open(token).ok());
        let halfway = numbered::is_halfway(self.known.load().habits(), delta.as_ref());
        let mut page = self.listed_page(&inner, deadline).await?;
        let mut until = place.until;
        if halfway && let Some(begins) = begins(&page, place.last) {
            let anew = Place { until: Some(begins), ..Place::default() };
            page = self.listed_page(&anew.ask(ask), deadline).await?;
            until = anew.until;
        } else if halfway
            && (page.next.is_some() || page.cut)
            && let Some(last) = cut_by_time(&mut page)
        {
            let anew = Place { until: Some(last), ..Place::default() };
            return Ok(Page { next: Some(anew.seal()?), cut: false, matched: None, ..page });
        }
        if until.is_some() {
            // a count of what is left is no count
            page.matched = None;
        }
        let last = page.items.last().and_then(Item::time_key).or(place.last);
        page.next = match page.next {
            Some(token) => Some(Place { until, delta: Some(token.0.into()), last }.seal()?),
            None => None,
        };
        Ok(page)
    }
}

/// The time that a page begins with, if the page before has nothing of it and the page is in order.
fn begins(page: &Page, before: Option<i64>) -> Option<i64> {
    let times: Vec<i64> = page.items.iter().map(Item::time_key).collect::<Option<_>>()?;
    let first = *times.first()?;
    (before? > first && times.is_sorted_by(|a, b| a >= b)).then_some(first)
}

/// Leaves out the Items of the page's last time, if they begin on it and it is in order; gives that time.
fn cut_by_time(page: &mut Page) -> Option<i64> {
    let times: Vec<i64> = page.items.iter().map(Item::time_key).collect::<Option<_>>()?;
    let (first, last) = (*times.first()?, *times.last()?);
    if first == last || !times.is_sorted_by(|a, b| a >= b) {
        return None;
    }
    page.items.truncate(times.iter().position(|at| *at == last)?);
    page.received = u32::try_from(page.items.len()).unwrap_or(page.received);
    Some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(times: &[&str]) -> Page {
        let item = |(n, at): (usize, &&str)| {
            let text = format!(
                r#"{{"type":"Feature","id":"{n}","collection":"c","geometry":null,"properties":{{"datetime":"{at}"}},"links":[],"assets":{{}}}}"#
            );
            Item::new(bytes::Bytes::from(text)).unwrap()
        };
        let items: Vec<Item> = times.iter().enumerate().map(item).collect();
        Page { received: u32::try_from(items.len()).unwrap(), items, ..Page::default() }
    }

    #[test]
    fn a_page_is_cut_where_its_last_time_begins() {
        let mut three =
            page(&["2025-01-03T00:00:00Z", "2025-01-02T00:00:00Z", "2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z"]);
        assert_eq!(cut_by_time(&mut three), Some(1_735_689_600_000));
        assert_eq!((three.items.len(), three.received), (2, 2));
        for whole in [
            page(&["2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z"]),
            page(&["2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z"]),
            page(&[]),
        ] {
            let mut cut = whole.clone();
            assert_eq!(cut_by_time(&mut cut), None);
            assert_eq!(cut.items.len(), whole.items.len());
        }
    }

    #[test]
    fn a_page_begins_a_time_that_the_page_before_has_not() {
        let two = page(&["2025-01-01T00:00:00Z", "2024-01-01T00:00:00Z"]);
        let newest = 1_735_689_600_000;
        assert_eq!(begins(&two, Some(newest + 1)), Some(newest));
        assert_eq!(begins(&two, Some(newest)), None, "some of it may be on the page before");
        assert_eq!(begins(&two, None), None);
        assert_eq!(begins(&page(&[]), Some(newest)), None);
    }

    #[test]
    fn a_place_is_read_back_and_narrows_the_interval() {
        let place = Place { until: Some(1_735_689_600_000), delta: Some("{}".to_owned()), last: Some(3) };
        assert_eq!(Place::open(&place.seal().unwrap()).unwrap(), place);
        assert!(Place::open(&Token("{\"q\":[]}".into())).is_err());
        let ask = place.ask(&Ask::default());
        assert_eq!(ask.datetime.unwrap().to_param(), "../2025-01-01T00:00:00.000999Z");
        let earlier = Interval { start: None, end: "2024-01-01T00:00:00Z".parse().ok() };
        assert_eq!(place.ask(&Ask { datetime: Some(earlier), ..Ask::default() }).datetime, Some(earlier));
    }
}
