//! What the parser has in its hands and on its stack.

use crate::cql2::ast::{Arithmetic, Comparison, Expr, Value};
use crate::cql2::names::{self, Function};
use crate::cql2::read::lex::Token;

/// How strongly operators bind, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    Or,
    And,
    Not,
    Compare,
    Sum,
    Product,
    Power,
    /// A sign binds stronger than any operator: `-x^2` is the square of `-x` (rule `arithmeticFactor`).
    Sign,
}

pub(super) enum What {
    Condition(Expr),
    Value(Value),
}

/// A part that was read.
pub(super) struct Term {
    pub(super) what: What,
    /// Levels of its tree.
    pub(super) deep: usize,
    /// The byte where it begins.
    pub(super) at: usize,
    /// Whether it stood in parentheses: as an operand of `A_…` this is an array of one.
    pub(super) parenthesised: bool,
}

impl Term {
    /// A node above parts of the given depth.
    pub(super) fn made(what: What, deep: usize, at: usize) -> Self {
        Self { what, deep: deep + 1, at, parenthesised: false }
    }

    /// Levels of its tree as a condition: a property becomes `property = TRUE`.
    pub(super) fn condition_deep(&self) -> usize {
        self.deep + usize::from(matches!(self.what, What::Value(Value::Property(_))))
    }

    /// Levels of its tree as a part of an `OR` or `AND`: the same in parentheses becomes one with it.
    pub(super) fn part_deep(&self, or: bool) -> usize {
        let same = match &self.what {
            What::Condition(Expr::Or(_)) => or,
            What::Condition(Expr::And(_)) => !or,
            _ => false,
        };
        self.condition_deep() - usize::from(same)
    }
}

pub(super) const VALUES: &str =
    "a property, a text, a number, `TRUE`, `FALSE`, `TIMESTAMP('…')`, `DATE('…')` or arithmetic";

/// An operator between or behind operands.
#[derive(Clone, Copy)]
pub(super) enum Infix {
    Or,
    And,
    Compare(Comparison),
    /// `LIKE`, `BETWEEN`, `IN`, and `NOT` before one of them.
    Words,
    Is,
    Arithmetic(Arithmetic),
}

impl Infix {
    pub(super) fn strength(self) -> Strength {
        match self {
            Self::Or => Strength::Or,
            Self::And => Strength::And,
            Self::Compare(_) | Self::Words | Self::Is => Strength::Compare,
            Self::Arithmetic(op) => strength(op),
        }
    }

    pub(super) fn of(token: &Token<'_>) -> Option<Self> {
        match token {
            Token::Sign(sign) => {
                let comparison = names::comparison(sign).map(Self::Compare);
                comparison.or_else(|| names::arithmetic(sign).map(Self::Arithmetic))
            }
            Token::Name { name, quoted: false } => match name.to_ascii_lowercase().as_str() {
                "or" => Some(Self::Or),
                "and" => Some(Self::And),
                "like" | "between" | "in" | "not" => Some(Self::Words),
                "is" => Some(Self::Is),
                "div" => Some(Self::Arithmetic(Arithmetic::IntegerDivide)),
                _ => None,
            },
            _ => None,
        }
    }
}

pub(super) fn strength(op: Arithmetic) -> Strength {
    match op {
        Arithmetic::Add | Arithmetic::Subtract => Strength::Sum,
        Arithmetic::Multiply | Arithmetic::Divide | Arithmetic::Modulo | Arithmetic::IntegerDivide => Strength::Product,
        Arithmetic::Power => Strength::Power,
    }
}

/// What is called with operands.
#[derive(Clone, Copy)]
pub(super) enum Called {
    Function(Function),
    CaseI,
    AccentI,
    Interval,
}

/// Waits on the stack, with the byte where it began.
pub(super) struct Waiting {
    pub(super) what: Wait,
    pub(super) at: usize,
}

/// What waits, and for what.
pub(super) enum Wait {
    // for its right side
    Not,
    Sign { minus: bool },
    Joined { or: bool, parts: Vec<Expr>, deep: usize },
    Compare { op: Comparison, left: Term },
    Arithmetic { op: Arithmetic, left: Term },
    Like { left: Term, negated: bool },
    Between { left: Term, negated: bool, low: Option<Term> },
    // for its closing parenthesis
    Parenthesis,
    Array { entries: Vec<Term> },
    In { left: Term, negated: bool, entries: Vec<Term> },
    Call { called: Called, operands: Vec<Term> },
}

impl Wait {
    /// `None` for what waits for its closing parenthesis.
    pub(super) fn strength(&self) -> Option<Strength> {
        match self {
            Self::Not => Some(Strength::Not),
            Self::Sign { .. } => Some(Strength::Sign),
            Self::Joined { or: true, .. } => Some(Strength::Or),
            Self::Joined { or: false, .. } => Some(Strength::And),
            Self::Compare { .. } | Self::Like { .. } | Self::Between { .. } => Some(Strength::Compare),
            Self::Arithmetic { op, .. } => Some(strength(*op)),
            Self::Parenthesis | Self::Array { .. } | Self::In { .. } | Self::Call { .. } => None,
        }
    }
}
