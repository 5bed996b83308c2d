//! The Collections, through the pages of their listing, and the queryables of one.

use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Asked, Asker};

/// Pages of the listing that are read.
const PAGES_MAX: usize = 20;
/// Collections that are judged.
const COLLECTIONS_MAX: usize = 5_000;

/// What a member lists.
#[derive(Debug, Default)]
pub struct Listing {
    pub pages: Vec<Asked>,
    /// Each as it came.
    pub documents: Vec<Bytes>,
    pub collections: Vec<Listed>,
    pub matched: Option<u64>,
    /// The last page had no next one.
    pub ended: bool,
    /// Why a page could not be read or its `next` not be followed.
    pub broken: Option<String>,
    /// The queryables of the first Collection that links to some.
    pub queryables: Option<Asked>,
}

/// What of a Collection's document is looked at here.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    pub id: String,
    pub links: Vec<Value>,
    pub extensions: Vec<String>,
}

impl Listed {
    pub fn link(&self, wanted: impl Fn(&str) -> bool) -> Option<&Value> {
        self.links.iter().find(|link| link["rel"].as_str().is_some_and(&wanted))
    }
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    collections: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    links: Option<&'a RawValue>,
    #[serde(default, rename = "numberMatched")]
    matched: Option<u64>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    links: Value,
    #[serde(default)]
    stac_extensions: Value,
}

impl Asker<'_> {
    pub async fn listing(&mut self) -> Listing {
        let mut listing = Listing::default();
        let mut question = Some(self.inspector.below(&["collections"]));
        while let Some(now) = question.take() {
            let asked = self.ask(&now).await;
            let Some(answer) = asked.good() else {
                listing.broken = Some(asked.clause());
                listing.pages.push(asked);
                break;
            };
            let before = listing.documents.len();
            let links = match take(&answer.body, &mut listing) {
                Ok(links) => links,
                Err(wrong) => {
                    listing.broken = Some(format!("answered something that is no list of Collections: {wrong}"));
                    listing.pages.push(asked);
                    break;
                }
            };
            let next = now.next(answer, links.map(|range| &answer.body[range]));
            listing.pages.push(asked);
            match next {
                Ok(None) => listing.ended = true,
                Ok(Some(_)) if listing.documents.len() == before => {
                    listing.broken = Some("gave a page without any Collection that has a `next`".to_owned());
                }
                Ok(Some(_)) if listing.pages.len() == PAGES_MAX || listing.documents.len() >= COLLECTIONS_MAX => {}
                Ok(next) => question = next,
                Err(wrong) => listing.broken = Some(format!("gave a `next` link that cannot be used: {wrong}")),
            }
        }
        listing.queryables = self.queryables(&listing).await;
        listing
    }

    async fn queryables(&mut self, listing: &Listing) -> Option<Asked> {
        let linked = listing.collections.iter().find_map(|collection| collection.link(is_queryables))?;
        let from = &listing.pages.first()?.answer()?.url;
        let question = self.inspector.linked(from, linked["href"].as_str()?)?;
        Some(self.ask(&question).await)
    }
}

/// Both spellings of the relation are in use.
pub fn is_queryables(rel: &str) -> bool {
    rel == "queryables" || rel.ends_with("/rel/ogc/1.0/queryables")
}

/// Appends the Collections of one page; gives the place of its links.
fn take(body: &Bytes, listing: &mut Listing) -> Result<Option<Range<usize>>, String> {
    let page: Page<'_> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let room = COLLECTIONS_MAX.saturating_sub(listing.documents.len());
    for raw in page.collections.into_iter().take(room) {
        listing.documents.push(body.slice_ref(raw.get().as_bytes()));
        // what is no Collection is told as such when it is judged
        let Ok(document) = serde_json::from_str::<Document>(raw.get()) else { continue };
        let texts = |value: Value| match value {
            Value::Array(list) => list,
            _ => Vec::new(),
        };
        listing.collections.push(Listed {
            id: document.id.as_str().unwrap_or_default().to_owned(),
            links: texts(document.links),
            extensions: texts(document.stac_extensions).iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        });
    }
    listing.matched = listing.matched.or(page.matched);
    Ok(page.links.map(|raw| {
        let start = raw.get().as_ptr() as usize - body.as_ptr() as usize;
        start..start + raw.get().len()
    }))
}
