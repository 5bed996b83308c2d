//! What a condition may cost at most: one set of bounds for both spellings, counted while reading.

use super::ast::Expr;
use super::wrong::Wrong;

/// Bytes of the text spelling: [`VERTICES_MAX`] positions of twenty-some digits each.
pub(super) const BYTES_MAX: usize = 256 * 1024;
/// Levels of the tree. Reading, writing, evaluating and dropping it recurse this deep and no deeper; conditions that
/// people and programs write have less than ten. `AND` inside `AND` and `OR` inside `OR` are one level, however they were
/// nested; each term of a sum is one, since sums are no lists in the standard.
pub(super) const LEVELS_MAX: usize = 24;
/// Operators and operands together. Each is evaluated on each Item that a member could not judge itself.
pub(super) const NODES_MAX: usize = 5_000;
/// Operators, operands, parentheses and signs while reading; writing a tree takes less than two for each node.
const STEPS_MAX: usize = 4 * NODES_MAX;
/// Entries of one `IN` list or array: as many names as clients put into one request in practice, a few times over.
pub(super) const LIST_MAX: usize = 2_000;
/// Positions of all geometries: a test of one Item stays within a millisecond.
pub(super) const VERTICES_MAX: usize = 10_000;
/// Bytes of one text: longer than any id, title or address that is compared.
pub(super) const TEXT_BYTES_MAX: usize = 1_024;
/// Bytes of a property's name.
pub(super) const NAME_BYTES_MAX: usize = 256;

/// What one condition has used up.
#[derive(Debug, Default)]
pub(super) struct Used {
    steps: usize,
    vertices: usize,
}

impl Used {
    pub(super) fn step(&mut self) -> Result<(), Wrong> {
        self.steps += 1;
        within(self.steps, STEPS_MAX, "operators, operands and parentheses")
    }

    pub(super) fn vertex(&mut self) -> Result<(), Wrong> {
        self.vertices += 1;
        within(self.vertices, VERTICES_MAX, "positions in geometries")
    }
}

/// A whole condition that was read.
pub(super) fn whole(expr: Expr) -> Result<Expr, Wrong> {
    within(expr.nodes(), NODES_MAX, "operators and operands")?;
    Ok(expr)
}

pub(super) fn entries(count: usize) -> Result<(), Wrong> {
    within(count, LIST_MAX, "entries in a list")
}

pub(super) fn levels(deep: usize) -> Result<(), Wrong> {
    within(deep, LEVELS_MAX, "levels inside one another")
}

fn within(count: usize, max: usize, of: &str) -> Result<(), Wrong> {
    if count > max {
        return Err(Wrong::new(format!("more than {max} {of}"), format!("at most {max}")));
    }
    Ok(())
}
