//! What is shown of members that are read whole.

use metrics::gauge;

use super::table::{HARVEST_AGE, HARVEST_BYTES, HARVEST_COMPLETE, HARVEST_ITEMS, HARVEST_LEFT_OUT, HARVEST_RUNNING};

/// The snapshot of a member, and the harvest that runs.
#[derive(Debug, Clone, Copy)]
pub struct Harvested {
    /// Absent: there is no snapshot yet.
    pub age_s: Option<i64>,
    pub items: usize,
    pub complete: bool,
    pub left_out: u64,
    pub bytes: u64,
    /// Documents of the running harvest.
    pub running: u64,
}

/// The state of a member that is read whole.
pub fn harvest(member: &str, seen: &Harvested) {
    let set = |name: &'static str, value: f64| gauge!(name, "member" => member.to_owned()).set(value);
    #[expect(clippy::cast_precision_loss, reason = "counts for a graph")]
    let number = |count: u64| count as f64;
    if let Some(age_s) = seen.age_s {
        set(HARVEST_AGE, number(age_s.unsigned_abs()));
    }
    set(HARVEST_ITEMS, number(seen.items as u64));
    set(HARVEST_COMPLETE, if seen.complete { 1.0 } else { 0.0 });
    set(HARVEST_LEFT_OUT, number(seen.left_out));
    set(HARVEST_BYTES, number(seen.bytes));
    set(HARVEST_RUNNING, number(seen.running));
}
