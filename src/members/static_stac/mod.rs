//! The kind `static-stac`: a catalogue of files, on a web server or in a folder, read by its `child` and `item` links.
//!
//! `address.rs` says which document a link means, and whether it belongs to the catalogue; `fetch.rs` brings a document, if it
//! changed; `document.rs` reads it; `crawl.rs` goes from one to the next within the bounds; `holders.rs` makes Collections of Catalogs
//! that hold Items. Searches are not its business: they
//! are answered over the snapshot (`harvest`).

mod address;
mod crawl;
mod document;
mod fetch;
mod holders;

use std::collections::HashMap;

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::Failure;
use super::client::Clients;
use super::harvest::fetch::Validators;
use super::harvest::{Harvested, Progress, Source};
use super::line::Line;
use crate::federation::{self, Crawl, Federation};

use address::Base;
use document::Named;
use fetch::Via;

/// A catalogue of files.
pub struct StaticStac {
    base: Base,
    root: url::Url,
    via: Via,
    bounds: Crawl,
}

impl StaticStac {
    pub fn new(member: &federation::Member, federation: &Federation, clients: &Clients) -> Self {
        let via = match &member.folder {
            Some(folder) => Via::Folder(folder.clone()),
            None => Via::Web(Box::new(
                Line::new(member, federation, clients).with_answer_bytes_max(member.crawl.document_bytes_max),
            )),
        };
        let base = Base::of(member);
        Self { root: Base::root(&member.url), base, via, bounds: member.crawl.clone() }
    }
}

impl Source for StaticStac {
    type Kept = Documents;

    fn read<'a>(
        &'a self,
        before: Option<&'a Harvested<Documents>>,
        progress: &'a Progress,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Harvested<Documents>, Failure>> {
        Box::pin(crawl::crawl(self, before, progress, deadline))
    }

    fn sign_of_life(&self, deadline: Instant) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.via.sign_of_life(&self.base, &self.root, deadline))
    }
}

/// What the next crawl wants to know of the documents of this one, by what their addresses come down to.
#[derive(Debug, Default)]
pub struct Documents(HashMap<String, Document>);

/// One document as it was read.
#[derive(Debug, Clone)]
struct Document {
    what: What,
    facts: Facts,
}

/// What is kept of every document, whatever it is.
#[derive(Debug, Clone)]
struct Facts {
    validators: Validators,
    /// Of its content: tells a catalogue that contains itself.
    hash: u64,
    bytes: usize,
    /// Where it came from, if not from its own address.
    moved_to: Option<Box<str>>,
    links: Box<[Link]>,
}

/// What it is: its place among what was harvested.
#[derive(Debug, Clone)]
enum What {
    Catalog(Box<Named>),
    /// With its id; no place when another document has that id.
    Collection(Box<str>, Option<usize>),
    Item(usize),
}

/// A link to another document of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    href: Box<str>,
    /// `item`, else `child`.
    item: bool,
}
