//! Putting operands and operators together, the stronger ones first.

use crate::cql2::ast::{Arithmetic, Expr, Value};
use crate::cql2::bounds;
use crate::cql2::read::build;
use crate::cql2::wrong::Wrong;

use super::Parser;
use super::terms::{Infix, Strength, Term, VALUES, Wait, Waiting, What};

impl Parser<'_> {
    /// The term with everything before it that binds at least as strongly; parentheses end it.
    pub(super) fn reduced(&mut self, mut term: Term, weakest: Strength) -> Result<Term, Wrong> {
        while let Some(waiting) = self.stack.last() {
            let Some(found) = waiting.what.strength().filter(|found| *found >= weakest) else { break };
            match &waiting.what {
                // One more part of the same `AND` or `OR` follows.
                Wait::Joined { .. } if found == weakest && Infix::of(&self.token).is_some() => break,
                Wait::Between { low: None, .. } if self.token.is("and") => break,
                Wait::Between { low: None, .. } => {
                    return Err(self.unexpected("`AND` between the two ends of `BETWEEN`"));
                }
                // The grammar has one `^` only; which of two comes first is not said.
                Wait::Arithmetic { op: Arithmetic::Power, .. } if self.is_sign("^") => {
                    return Err(self.unexpected("parentheses around one of two `^`"));
                }
                _ => {}
            }
            let Some(Waiting { what, at }) = self.stack.pop() else { break };
            let start = match &what {
                Wait::Compare { left, .. }
                | Wait::Arithmetic { left, .. }
                | Wait::Like { left, .. }
                | Wait::Between { left, .. } => left.at,
                _ => at,
            };
            term = self.combined(what, at, term)?;
            term.at = start;
            term = self.checked(term)?;
        }
        Ok(term)
    }

    /// What waited, with its right side.
    fn combined(&self, what: Wait, at: usize, right: Term) -> Result<Term, Wrong> {
        let wrong = |wrong| self.since(at, wrong);
        let deep = right.deep;
        match what {
            Wait::Not => self.negated(true, right),
            Wait::Sign { minus } => self.signed(minus, at, right),
            Wait::Joined { or, mut parts, deep } => {
                let deep = right.part_deep(or).max(deep);
                parts.push(self.condition(right)?);
                let expr = build::joined(parts, or).map_err(wrong)?;
                Ok(Term::made(What::Condition(expr), deep, at))
            }
            Wait::Compare { op, left } => {
                let deep = left.deep.max(deep);
                let expr = build::compare(op, self.value(left)?, self.value(right)?).map_err(wrong)?;
                Ok(Term::made(What::Condition(expr), deep, at))
            }
            Wait::Arithmetic { op, left } => {
                let deep = left.deep.max(deep);
                let value = build::arithmetic(op, self.value(left)?, self.value(right)?).map_err(wrong)?;
                Ok(Term::made(What::Value(value), deep, at))
            }
            Wait::Like { left, negated } => {
                let deep = left.deep.max(deep);
                let expr = build::like(self.value(left)?, self.value(right)?).map_err(wrong)?;
                self.negated(negated, Term::made(What::Condition(expr), deep, at))
            }
            Wait::Between { left, negated, low: Some(low) } => {
                let deep = left.deep.max(low.deep).max(deep);
                let expr = build::between(self.value(left)?, self.value(low)?, self.value(right)?).map_err(wrong)?;
                // `BETWEEN` of instants became two conditions.
                let deep = deep + usize::from(matches!(expr, Expr::And(_)));
                self.negated(negated, Term::made(What::Condition(expr), deep, at))
            }
            // These wait for a parenthesis, or for the `AND` that `reduced` asks for.
            _ => Err(self.unexpected("an operator")),
        }
    }

    fn signed(&self, minus: bool, at: usize, right: Term) -> Result<Term, Wrong> {
        let deep = right.deep;
        let value = match (self.value(right)?, minus) {
            (Value::Number(number), true) => return Ok(Term::made(What::Value(build::number(-number)), 0, at)),
            (value @ Value::Number(_), false) => return Ok(Term::made(What::Value(value), 0, at)),
            (_, false) => return Err(self.since(at, Wrong::new("a `+` that is not before a number", VALUES))),
            (value, true) => build::arithmetic(Arithmetic::Multiply, Value::Number(-1.0), value),
        };
        Ok(Term::made(What::Value(value.map_err(|wrong| self.since(at, wrong))?), deep, at))
    }

    pub(super) fn negated(&self, negated: bool, term: Term) -> Result<Term, Wrong> {
        if !negated {
            return Ok(term);
        }
        let (at, deep) = (term.at, term.condition_deep());
        let expr = self.condition(term)?;
        Ok(Term::made(What::Condition(Expr::Not(Box::new(expr))), deep, at))
    }

    pub(super) fn checked(&self, term: Term) -> Result<Term, Wrong> {
        bounds::levels(term.deep).map_err(|wrong| self.since(term.at, wrong))?;
        Ok(term)
    }

    pub(super) fn value(&self, term: Term) -> Result<Value, Wrong> {
        match term.what {
            What::Value(value) => Ok(value),
            What::Condition(Expr::Constant(constant)) => Ok(Value::Bool(constant)),
            What::Condition(_) => Err(self.since(term.at, Wrong::new("a condition where a value belongs", VALUES))),
        }
    }

    pub(super) fn condition(&self, term: Term) -> Result<Expr, Wrong> {
        match term.what {
            What::Condition(expr) => Ok(expr),
            What::Value(value) => build::condition(value).map_err(|wrong| self.since(term.at, wrong)),
        }
    }
}
