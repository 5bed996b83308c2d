//! Lists that go on by the number of the page, counted here: for members whose `next` links are of no use. Pure.

use crate::members::Token;
use crate::members::dialect::{Habits, Paging};
use crate::members::item::Split;
use crate::members::next_link::{Delta, Unusable};

/// The token of the next page. Only an empty page is the end, or a first one that holds as many as are counted: its cap
/// may be lower than what was asked for, and then a page is short and a number times a limit says nothing.
pub(super) fn next(
    name: &str,
    delta: Option<&Delta>,
    split: &Split,
    limit: u32,
    mark: Option<u32>,
) -> Result<Option<Token>, Unusable> {
    let page = number(name, delta);
    let counted_out = page == 1 && split.matched.is_some_and(|matched| matched <= u64::from(split.received));
    if split.received == 0 || counted_out {
        return Ok(None);
    }
    let pairs = [(name, page.saturating_add(1)), ("limit", limit)];
    let query = pairs.map(|(name, value)| (name.to_owned(), value.to_string())).to_vec();
    Delta { query, mark, ..Delta::default() }.seal().map(Some)
}

/// Whether the page is the deepest that the member serves of one list.
pub(super) fn is_last(habits: &Habits, delta: Option<&Delta>) -> bool {
    let Paging::Numbered(name) = habits.paging else { return false };
    habits.pages_max.is_some_and(|most| number(name, delta) >= most)
}

/// Whether a page lies in the deeper half of what the member serves of one list.
pub(super) fn is_halfway(habits: &Habits, delta: Option<&Delta>) -> bool {
    let Paging::Numbered(name) = habits.paging else { return false };
    habits.pages_max.is_some_and(|most| number(name, delta) >= most / 2)
}

/// The number of a page, from 1 on.
fn number(name: &str, delta: Option<&Delta>) -> u32 {
    let given = delta.and_then(|delta| delta.query.iter().find(|(own, _)| own == name));
    given.and_then(|(_, value)| value.parse().ok()).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::Dialect;

    fn page(number: u32) -> Delta {
        Delta { query: vec![("page".to_owned(), number.to_string())], ..Delta::default() }
    }

    fn split(received: u32, matched: Option<u64>) -> Split {
        Split { received, matched, ..Split::default() }
    }

    #[test]
    fn pages_are_counted_until_one_is_empty_or_the_first_holds_all() {
        let follows = |delta: Option<&Delta>, received, matched| {
            let token = next("page", delta, &split(received, matched), 20, None).unwrap();
            token.map(|token| Delta::open(&token).unwrap().query)
        };
        let second = Some(vec![("page".to_owned(), "2".to_owned()), ("limit".to_owned(), "20".to_owned())]);
        assert_eq!(follows(None, 20, None), second);
        assert_eq!(follows(None, 7, None), second, "its cap may be lower than the limit");
        assert_eq!(follows(None, 7, Some(7)), None);
        assert_eq!(follows(Some(&page(3)), 0, None), None);
        assert!(follows(Some(&page(3)), 7, Some(47)).is_some(), "three pages of seven, if seven is its cap");
    }

    #[test]
    fn the_deepest_page_is_the_last() {
        let habits = Habits::of(Dialect::Page);
        assert!(!is_last(habits, None) && !is_last(habits, Some(&page(99))));
        assert!(is_last(habits, Some(&page(100))) && is_last(habits, Some(&page(101))));
        assert!(!is_last(Habits::of(Dialect::Standard), Some(&page(100))));
    }
}
