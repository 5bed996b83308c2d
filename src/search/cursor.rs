//! The cursor: where to go on, sealed (`paging.md` section 9).

/// The keys that seal and open cursors: the first seals, all open.
pub struct KeyRing {
    _keys: Vec<()>,
}
