//! The `fields` parameter (`stac-api.md` 6.2), applied last, on an Item's bytes.

/// What to keep of each Item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields {
    /// `None`: `include` was absent. Dotted paths below the top level.
    pub include: Option<Vec<String>>,
    pub exclude: Option<Vec<String>>,
}

impl Fields {
    /// Appends the Item, reduced to what was asked for.
    pub fn apply(&self, _item: &[u8], _out: &mut Vec<u8>) {
        todo!()
    }
}
