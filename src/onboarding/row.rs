//! The rows of the checklist: id and what is looked at.

/// One row. Their order is the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Row {
    R1,
    R2,
    H1,
    H2,
    H3,
    L1,
    L2,
    L3,
    L4,
    L5,
    A1,
    A2,
    C1,
    C2,
    C3,
    C4,
    C5,
    C6,
    S1,
    S2,
    S3,
    S4,
    S5,
    S6,
    P1,
    P2,
    P3,
    P4,
    O1,
    O2,
    N1,
    N2,
    Q1,
    T1,
    T2,
    E1,
    X1,
    X2,
}

impl Row {
    pub const ALL: [Self; 38] = [
        Self::R1,
        Self::R2,
        Self::H1,
        Self::H2,
        Self::H3,
        Self::L1,
        Self::L2,
        Self::L3,
        Self::L4,
        Self::L5,
        Self::A1,
        Self::A2,
        Self::C1,
        Self::C2,
        Self::C3,
        Self::C4,
        Self::C5,
        Self::C6,
        Self::S1,
        Self::S2,
        Self::S3,
        Self::S4,
        Self::S5,
        Self::S6,
        Self::P1,
        Self::P2,
        Self::P3,
        Self::P4,
        Self::O1,
        Self::O2,
        Self::N1,
        Self::N2,
        Self::Q1,
        Self::T1,
        Self::T2,
        Self::E1,
        Self::X1,
        Self::X2,
    ];

    /// Its id, for example `S3`.
    #[must_use]
    pub fn id(self) -> String {
        format!("{self:?}")
    }

    /// What is looked at, in a few words.
    #[must_use]
    pub fn subject(self) -> &'static str {
        match self {
            Self::R1 => "in the federation file",
            Self::R2 => "id",
            Self::H1 => "https",
            Self::H2 => "certificate",
            Self::H3 => "no redirect",
            Self::L1 => "landing page",
            Self::L2 => "link to Collections",
            Self::L3 => "link to Item Search",
            Self::L4 => "links",
            Self::L5 => "conformance",
            Self::A1 => "open discovery",
            Self::A2 => "access to assets",
            Self::C1 => "Collections",
            Self::C2 => "valid Collections",
            Self::C3 => "Collection ids",
            Self::C4 => "links to Items",
            Self::C5 => "extents and policy",
            Self::C6 => "types of links",
            Self::S1 => "search by GET",
            Self::S2 => "search by POST",
            Self::S3 => "bbox and datetime",
            Self::S4 => "ids, collections, intersects",
            Self::S5 => "unknown Collection",
            Self::S6 => "valid Items",
            Self::P1 => "paging",
            Self::P2 => "address of next",
            Self::P3 => "page size",
            Self::P4 => "last page",
            Self::O1 => "order",
            Self::O2 => "Items without time",
            Self::N1 => "counts",
            Self::N2 => "sums of counts",
            Self::Q1 => "queryables",
            Self::T1 => "time of answers",
            Self::T2 => "rate limits",
            Self::E1 => "errors",
            Self::X1 => "size of answers",
            Self::X2 => "processes",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_listed_once_and_in_order() {
        assert!(Row::ALL.is_sorted_by(|a, b| a < b));
        assert_eq!(Row::ALL.last(), Some(&Row::X2), "a row behind it would not be listed");
        assert_eq!(Row::S3.id(), "S3");
    }
}
