//! Metadata records as Collections and Items (`members.md` section 1.2), and members of the kind `ogc-records`.
//!
//! A catalogue of records is not a STAC API: it says of each data set what and where it is, in the words of ISO 19115 or
//! of OGC API - Records. Both are first read into one [`Record`], and the mapping to STAC is written once, from there.
//! Nothing is invented: what a record lacks stays absent, and is counted in [`Notes`]. This room's part knows neither
//! how records are fetched of a CSW nor what a client asks. Start reading at [`record`], then
//! [`collection`]; `pages.rs` is how a catalogue is read whole, `api.rs` how OGC API - Records is.

pub mod record;
pub mod notes;
pub mod moments;
pub mod places;
pub mod licence;
pub mod reach;
pub mod parties;
pub mod ids;
pub mod collection;
pub mod item;
pub mod geojson;
mod fetch;
pub mod build;
pub mod pages;
pub mod api;

pub use api::RecordsApi;
pub use fetch::{Validators, ask, fingerprint};
pub use notes::{Note, Notes};
pub use record::Record;
