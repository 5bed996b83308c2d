//! A CSW as pages: `GetRecords` from the first record on, as far as the catalogue says that it goes on.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, ready};
use tokio::time::Instant;
use url::Url;

use super::answer::{self, Answer};
use super::request;
use crate::federation::{Federation, Member};
use crate::members::client::Clients;
use crate::members::line::{Expects, Line, Outgoing};
use crate::members::records::pages::{Came, Content, Known, Pages, Place};
use crate::members::records::{Validators, ask, fingerprint};
use crate::members::{Failure, Fault, failure};

const XML: &str = "application/xml, text/xml;q=0.9";

/// A member that is a Catalogue Service.
pub struct Csw {
    line: Line,
    url: Url,
}

impl Csw {
    pub fn new(member: &Member, federation: &Federation, clients: &Clients) -> Self {
        let line = Line::new(member, federation, clients).with_answer_bytes_max(member.crawl.document_bytes_max);
        Self { line, url: member.url.clone() }
    }

    async fn read(&self, place: &Place, size: u32, before: Option<&Known>, deadline: Instant) -> Result<Came, Failure> {
        let start = place.token.as_deref().and_then(|token| token.parse().ok()).unwrap_or(1_u64);
        let url = request::page(&self.url, start, size);
        let outgoing = Outgoing { expects: Expects::Xml, ..Outgoing::get(url, XML) };
        let answered = ask(&self.line, outgoing, before.map(|known| &known.validators), deadline).await?;
        if !answered.changed {
            return Ok(Came::Unchanged);
        }
        let (body, base) = (answered.body.clone(), self.url.clone());
        let read = tokio::task::spawn_blocking(move || answer::read(&body, &base)).await;
        let read = read.map_err(|error| failure(Fault::BadResponse, &error.to_string()))?;
        let read = read.map_err(|refused| failure(Fault::BadResponse, &refused.to_string()))?;
        if read.received > 0
            && read.records.is_empty()
            && read.left_out.iter().all(|(_, why)| why.contains("ISO 19139"))
        {
            return Err(failure(
                Fault::BadResponse,
                "the catalogue gives no records of ISO 19139, though asked for them",
            ));
        }
        let next = following(start, &read).map(|start| start.to_string().into());
        let next = next.map(|token| Place { catalogue: place.catalogue.clone(), token: Some(token) });
        let page = Known {
            next,
            validators: Validators::of(&answered.headers),
            fingerprint: fingerprint(said(&answered.body)),
            content: Arc::new(content(read)),
        };
        Ok(Came::Page { page, bytes: answered.body.len() })
    }
}

impl Pages for Csw {
    fn catalogues(&self, _deadline: Instant) -> BoxFuture<'_, Result<Vec<Place>, Failure>> {
        Box::pin(ready(Ok(vec![Place { catalogue: self.url.clone(), token: None }])))
    }

    fn page<'a>(
        &'a self,
        place: &'a Place,
        size: u32,
        before: Option<&'a Known>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Came, Failure>> {
        Box::pin(self.read(place, size, before, deadline))
    }

    fn sign_of_life(&self, deadline: Instant) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.line.sign_of_life(self.url.clone(), deadline))
    }
}

/// The first record of the next page: `nextRecord` until it is 0, above what matched, or not larger than before. A server
/// that leaves it out goes on behind what it gave, while there is more.
fn following(start: u64, answer: &Answer) -> Option<u64> {
    let next = answer.next.unwrap_or_else(|| start.saturating_add(answer.received));
    let more = match (answer.matched, answer.next) {
        (Some(matched), _) => next <= matched,
        // nothing says how many there are: only what the server names itself is asked for
        (None, named) => named.is_some(),
    };
    (more && next > start && answer.received > 0).then_some(next)
}

/// The part of an answer that changes only when the records do: `SearchStatus`, before it, has the time of day.
fn said(body: &Bytes) -> &[u8] {
    memchr::memmem::find(body, b"SearchResults").map_or(body, |at| &body[at..])
}

fn content(answer: Answer) -> Content {
    let Answer { matched, records, received, left_out, notes, .. } = answer;
    Content { records, received, matched, left_out, notes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_ends_where_the_catalogue_says_so() {
        let answer = |matched, next, received| Answer { matched, next, received, ..Answer::default() };
        for (start, given, next) in [
            (1, answer(Some(250), Some(101), 100), Some(101)),
            (201, answer(Some(250), Some(0), 50), None),
            (201, answer(Some(250), Some(251), 50), None),
            (101, answer(Some(250), Some(101), 100), None),
            (101, answer(Some(250), Some(1), 100), None),
            (1, answer(Some(250), None, 100), Some(101)),
            (201, answer(Some(250), None, 50), None),
            (1, answer(None, None, 100), None),
            (1, answer(None, Some(101), 100), Some(101)),
            (1, answer(Some(250), Some(101), 0), None),
            (u64::MAX, answer(Some(u64::MAX), None, 100), None),
        ] {
            assert_eq!(following(start, &given), next, "{given:?}");
        }
    }

    #[test]
    fn the_time_of_day_changes_no_fingerprint() {
        let page =
            |time: &str| Bytes::from(format!("<r><SearchStatus timestamp=\"{time}\"/><SearchResults n=\"1\"/></r>"));
        assert_eq!(said(&page("1")), said(&page("2")));
        assert_eq!(said(&Bytes::from_static(b"<x/>")), b"<x/>");
    }
}
