//! Item and Collection bytes -> what clients get (`members.md` section 5): identity and structural links by splicing, nothing else.

use super::item::Item;

/// What the broker writes into an Item.
#[derive(Debug)]
pub struct ItemRewrite<'a> {
    /// Qualified or shared collection id.
    pub collection: &'a str,
    /// Address of the Item at the broker.
    pub self_href: &'a str,
    /// Address of its Collection at the broker.
    pub collection_href: &'a str,
    pub root_href: &'a str,
    /// The member's landing page (ends without slash) and further bases it prints: for `canonical` and relative hrefs.
    pub member_bases: &'a [&'a str],
    /// `federation:backends`.
    pub backends: &'a [&'a str],
}

/// Appends the Item to `out` as clients get it. Returns how many dangerous hrefs were dropped.
pub fn write_item(_item: &Item, _rewrite: &ItemRewrite<'_>, _out: &mut Vec<u8>) -> u32 {
    todo!()
}
