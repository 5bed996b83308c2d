//! `Prefer` of an execution (RFC 7240, `processes.md` 1.1): what the client wants, and the one line a member gets.
//!
//! Members get one preference or none, because pygeoapi runs synchronously when `respond-async` has company.

/// What a client prefers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prefer {
    pub respond_async: bool,
    /// Seconds the client is willing to wait for a synchronous execution.
    pub wait_s: Option<u32>,
    pub returns: Option<Returns>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returns {
    Minimal,
    Representation,
}

impl Prefer {
    /// Reads every `Prefer` line. The first of several equal names counts; what is not known is left out.
    #[must_use]
    pub fn read<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut read = Self::default();
        // Semicolons separate parameters in the standard and preferences at ZOO; no parameter is known here.
        for preference in lines.flat_map(|line| line.split([',', ';'])) {
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "respond-async" => read.respond_async = true,
                "wait" => read.wait_s = read.wait_s.or_else(|| value.parse().ok()),
                "return" => read.returns = read.returns.or_else(|| Returns::read(value)),
                _ => {}
            }
        }
        read
    }

    /// The `Prefer` lines for a member.
    #[must_use]
    pub fn for_member(&self, prefer_return: bool) -> Vec<&'static str> {
        let mut lines = Vec::new();
        if self.respond_async {
            lines.push("respond-async");
        }
        match self.returns.filter(|_| prefer_return) {
            Some(Returns::Minimal) => lines.push("return=minimal"),
            Some(Returns::Representation) => lines.push("return=representation"),
            None => {}
        }
        lines
    }
}

impl Returns {
    fn read(value: &str) -> Option<Self> {
        match value.to_ascii_lowercase().as_str() {
            "minimal" => Some(Self::Minimal),
            "representation" => Some(Self::Representation),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table() {
        for (given, line, wait) in [
            (&["respond-async"][..], &["respond-async"][..], None),
            (&["respond-async, wait=10, return=minimal"], &["respond-async"], Some(10)),
            (&["respond-async;return=representation"], &["respond-async"], None),
            (&["handling=lenient", "Respond-Async"], &["respond-async"], None),
            (&[], &[], None),
            (&["respond-sync"], &[], None),
            (&["wait=7"], &[], Some(7)),
            (&["wait=\"7\", wait=9"], &[], Some(7)),
            (&["wait=soon, wait=-1"], &[], None),
            (&["return=minimal"], &[], None),
            (&["handling=strict, x=y; z"], &[], None),
            (&["respond-asynchronously"], &[], None),
        ] {
            let read = Prefer::read(given.iter().copied());
            assert_eq!(read.for_member(false), line, "{given:?}");
            assert_eq!(read.wait_s, wait, "{given:?}");
        }
    }

    #[test]
    fn return_goes_on_a_line_of_its_own_to_those_who_cope() {
        let read = Prefer::read(["respond-async, return=\"minimal\""].into_iter());
        assert_eq!(read.for_member(true), ["respond-async", "return=minimal"]);
        let read = Prefer::read(["return=representation, return=minimal"].into_iter());
        assert_eq!(read.for_member(true), ["return=representation"]);
        assert_eq!(Prefer::read(["return=x"].into_iter()).for_member(true), [""; 0]);
    }
}
