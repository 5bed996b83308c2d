//! Members of the kind `csw`: OGC Catalogue Service 2.0.2 with records of ISO 19139, as GeoNetwork has them.
//!
//! `xml.rs` reads XML within bounds, `answer.rs` a page of `GetRecords` or the exception in its place, `iso.rs` one record;
//! `pages.rs` asks for one page after the other.
//! What a record becomes is not known here: see `members/records`.

pub mod xml;
pub mod iso;
pub mod answer;
pub mod request;
mod pages;

pub use pages::Csw;
