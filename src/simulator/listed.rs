//! Pages of Items as a scripted catalogue gives them, and where its faults change them.

use std::fmt::Write as _;

use chrono::DateTime;

use crate::members::wire::Sent;

use super::answer::Document;
use super::faults::Fault;
use super::keys::By;
use super::member::{Asked, Catalogue, known_us};

impl Catalogue {
    pub fn search_document(&mut self, sent: &Sent) -> Document {
        let asked = Asked::of(sent);
        self.asked_fields += u32::from(asked.fields);
        if let Some(refused) = self.refused_search(&asked) {
            return refused;
        }
        let list = self.list(&asked);
        let size = self.page_size(&asked);
        let from = self.place(&asked, &list, size);
        let again = self.repeated(&asked, from, size);
        let mut page: Vec<usize> = list.iter().skip(from - again).take(size).copied().collect();
        let until = from - again + page.len();
        self.disturb(&asked, &mut page);
        let mut features: Vec<String> = page.iter().map(|&index| self.feature(index)).collect();
        self.intrude(&asked, &mut features);
        let mut more = until < list.len();
        more |= !more && !page.is_empty() && self.bite(Fault::TrailingEmptyPage);
        if asked.goes_on() && self.bite(Fault::EmptyPagesForEver) {
            features.clear();
            more = true;
        }
        if more && (self.bite(Fault::NextMissing) || asked.fields && self.bite(Fault::NextLostWithFields)) {
            more = false;
        }
        let mut text = r#"{"type":"FeatureCollection""#.to_owned();
        if self.habits.counts {
            let count = if self.bite(Fault::CountsLie) { 10 * list.len() + 7 } else { list.len() };
            let _ = write!(text, r#","numberMatched":{count}"#);
        }
        let _ = write!(text, r#","numberReturned":{},"features":[{}]"#, features.len(), features.join(","));
        let mut header = None;
        if more {
            let (link, by_header) = self.next(&asked, sent, until, size, &list);
            if by_header {
                header = Some(link);
            } else {
                let _ = write!(text, r#","links":[{link}]"#);
            }
        }
        text.push('}');
        let document = Document::good(text);
        let document = if let Some(link) = header { document.with("link", link) } else { document };
        if self.bite(Fault::WrongMediaType) {
            let rest = document.headers.into_iter().filter(|(name, _)| *name != "content-type");
            let headers = rest.chain([("content-type", "text/html".to_owned())]).collect();
            return Document { headers, ..document };
        }
        document
    }

    fn refused_search(&mut self, asked: &Asked) -> Option<Document> {
        let later = asked.goes_on();
        if later && self.bite(Fault::NextAnswers500) {
            return Some(Document::bad(500));
        }
        if later && asked.by_post && self.bite(Fault::PostNext405) {
            return Some(Document::bad(405));
        }
        if later && self.bite(Fault::TokenRefused) {
            return Some(Document::bad(400));
        }
        if asked.limit > 4 && self.bite(Fault::LargePage500) {
            return Some(Document::bad(500));
        }
        if asked.limit > 12 && self.bite(Fault::LargePage413) {
            return Some(Document::bad(413));
        }
        if asked.interval.is_none() && self.bite(Fault::WideQuery504) {
            return Some(Document::bad(504));
        }
        let token = asked.token.as_deref()?;
        let mut parts = token.splitn(3, '.');
        let (minted, id) = (parts.nth(1), parts.next());
        let minted = minted.and_then(|text| text.parse::<u128>().ok()).unwrap_or_default();
        let now = self.clock_ms();
        if now.saturating_sub(minted) > 3_000 && self.bite(Fault::TokenExpires) {
            return Some(Document::bad(410));
        }
        let names_span = self.things.iter().any(|thing| thing.spans && Some(thing.name().as_str()) == id);
        (names_span && self.bite(Fault::NullDatetimeToken)).then(|| Document::bad(500))
    }

    /// Milliseconds of virtual time since the first request came.
    pub fn clock_ms(&self) -> u128 {
        self.arrivals.first().map_or(0, |first| first.at.elapsed().as_millis())
    }

    fn page_size(&mut self, asked: &Asked) -> usize {
        let size = asked.limit.min(self.habits.cap);
        if size > 3 && self.bite(Fault::UnannouncedCap) {
            return 3;
        }
        let caps = [5, 20, 3];
        let cap = caps[self.searches as usize % caps.len()];
        if size > cap && self.bite(Fault::CapChanges) {
            return cap;
        }
        size.max(1)
    }

    /// Where in the list the page begins.
    fn place(&mut self, asked: &Asked, list: &[usize], size: usize) -> usize {
        let from = match (&asked.token, asked.page) {
            (Some(token), _) => {
                let mut parts = token.splitn(3, '.');
                let index = parts.next().and_then(|text| text.parse().ok()).unwrap_or(0);
                let id = parts.nth(1).unwrap_or_default();
                // behind the Item that the token names, wherever it is by now
                let is = |thing: usize| self.things[thing].name() == id;
                let named = list.get(index).is_some_and(|&thing| is(thing));
                let found = if named { Some(index) } else { list.iter().position(|&thing| is(thing)) };
                found.map_or(index, |index| index + 1)
            }
            (None, Some(page)) => page.saturating_sub(1) * size,
            (None, None) => 0,
        };
        if from > 0 && self.bite(Fault::LaterPagesAreFirst) {
            return 0;
        }
        from.min(list.len())
    }

    /// How many Items of the page before are shown again.
    fn repeated(&mut self, asked: &Asked, from: usize, size: usize) -> usize {
        if from == 0 || size < 2 {
            return 0;
        }
        if self.bite(Fault::RepeatedItems) {
            return 1;
        }
        let half = (size / 2).min(from);
        if !asked.sortby.is_empty() && half > 0 && self.bite(Fault::RepeatedItemsSorted) {
            return half;
        }
        0
    }

    /// Items of a page in another order.
    fn disturb(&mut self, asked: &Asked, page: &mut [usize]) {
        let by_time = asked.sortby.first().is_none_or(|(field, _)| By::named(field) == Some(By::Time));
        // what is a tie, and what is out of order, is said of times alone
        if !by_time || asked.sortby.iter().any(|(field, _)| By::named(field) == Some(By::Number)) {
            return;
        }
        let at = |catalogue: &Self, index: usize| catalogue.things[index].at_ms();
        if let (Some(&first), Some(&last)) = (page.first(), page.last())
            && !asked.sortby.is_empty()
            && at(self, first) != at(self, last)
            && self.bite(Fault::OrderInverted)
        {
            let end = page.len() - 1;
            page.swap(0, end);
        }
        if self.on(Fault::TieInverted) {
            let times: Vec<i64> = page.iter().map(|&index| at(self, index)).collect();
            let mut from = 0;
            while from < page.len() {
                let length = times[from..].iter().take_while(|time| **time == times[from]).count();
                if length > 1 {
                    self.bite(Fault::TieInverted);
                }
                page[from..from + length].reverse();
                from += length;
            }
        }
    }

    /// Features of a page that do not belong there.
    fn intrude(&mut self, asked: &Asked, features: &mut Vec<String>) {
        let outside = asked.interval.and_then(|(start, end)| {
            let (start, end) = (start.unwrap_or(i64::MIN), end.unwrap_or(i64::MAX));
            let first = asked.descending();
            let mut things = self.things.iter().enumerate();
            things
                .find(|(_, thing)| if first { thing.at_us > end } else { thing.at_us < start })
                .map(|(index, _)| index)
        });
        if let Some(index) = outside
            && !asked.goes_on()
            && asked.ids.is_none()
            && asked.sortby.first().is_none_or(|(field, _)| By::named(field) == Some(By::Time))
            && self.bite(Fault::WrongItems)
        {
            features.insert(0, self.feature(index));
        }
        if self.bite(Fault::InvalidItems) {
            features.insert(0, "null".to_owned());
            features.push(r#"{"type":"Feature","id":5,"properties":{}}"#.to_owned());
        }
        if self.bite(Fault::DeepItem) {
            let (open, close) = ("[".repeat(200), "]".repeat(200));
            features.push(format!(r#"{{"type":"Feature","id":"deep","collection":"c","x":{open}{close}}}"#));
        }
    }

    fn feature(&mut self, index: usize) -> String {
        let seconds = self.on(Fault::TimesInSeconds).then_some(Fault::TimesInSeconds);
        let odd = match index % 3 {
            0 => Some("ZZ"),
            1 => Some(""),
            _ => None,
        };
        let odd = odd.filter(|_| self.bite(Fault::MalformedTimes));
        let thing = &self.things[index];
        let at = written(known_us(thing, seconds.as_slice()));
        let at = odd.map_or_else(|| at.clone(), |end| at.replace('Z', end));
        let times = if thing.spans {
            format!(r#""datetime":null,"start_datetime":"{at}","end_datetime":"{at}""#)
        } else {
            format!(r#""datetime":"{at}""#)
        };
        let mut more = String::new();
        if let Some(cloud) = thing.cloud() {
            let _ = write!(more, r#","eo:cloud_cover":{cloud}"#);
        }
        if let Some(platform) = thing.platform() {
            let _ = write!(more, r#","platform":"{platform}""#);
        }
        format!(
            r#"{{"type":"Feature","stac_version":"1.0.0","id":"{}","collection":"{}","geometry":{{"type":"Point","coordinates":[10.5,54.25]}},"bbox":[10.5,54.25,10.5,54.25],"properties":{{{times}{more}}},"links":[],"assets":{{}}}}"#,
            thing.id, self.collections[thing.collection]
        )
    }
}

/// A time as catalogues write it.
pub fn written(at_us: i64) -> String {
    let at = DateTime::from_timestamp_micros(at_us).expect("a time of the script");
    at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
