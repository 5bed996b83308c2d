//! What may follow an operand: an operator, a comma, a closing parenthesis.

use crate::cql2::ast::Value;
use crate::cql2::bounds;
use crate::cql2::names::Function;
use crate::cql2::read::build;
use crate::cql2::wrong::Wrong;

use super::Parser;
use super::terms::{Called, Infix, Strength, Term, Wait, Waiting, What};

impl Parser<'_> {
    /// What follows an operand: `None` when another operand comes next.
    pub(super) fn behind(&mut self, term: Term) -> Result<Option<Term>, Wrong> {
        if let Some(infix) = Infix::of(&self.token) {
            let term = self.reduced(term, infix.strength())?;
            return self.infix(term, infix);
        }
        if !self.is_sign(",") && !self.is_sign(")") {
            let open = self.stack.iter().any(|waiting| waiting.what.strength().is_none());
            return Err(self.unexpected(if open { "an operator, `,` or `)`" } else { "an operator or the end" }));
        }
        let term = self.reduced(term, Strength::Or)?;
        if self.is_sign(",") { self.comma(term).map(|()| None) } else { self.close(term).map(Some) }
    }

    fn infix(&mut self, term: Term, infix: Infix) -> Result<Option<Term>, Wrong> {
        let at = self.at;
        let wait = match infix {
            Infix::Or => return self.joined(term, true),
            Infix::And => return self.joined(term, false),
            Infix::Is => return self.is_null(term).map(Some),
            Infix::Words => return self.words(term),
            Infix::Compare(op) => Wait::Compare { op, left: term },
            Infix::Arithmetic(op) => Wait::Arithmetic { op, left: term },
        };
        self.take()?;
        self.push(at, wait)?;
        Ok(None)
    }

    /// `AND` and `OR`: one more part of what the same operator joined before, or the `AND` of a `BETWEEN`.
    fn joined(&mut self, term: Term, or: bool) -> Result<Option<Term>, Wrong> {
        let at = self.at;
        self.take()?;
        if let Some(Waiting { what: Wait::Between { low: low @ None, .. }, .. }) = self.stack.last_mut() {
            *low = Some(term);
            return Ok(None);
        }
        let deep_of_part = term.part_deep(or);
        let part = self.condition(term)?;
        if let Some(Waiting { what: Wait::Joined { or: before, parts, deep }, .. }) = self.stack.last_mut()
            && *before == or
        {
            *deep = deep_of_part.max(*deep);
            parts.push(part);
            return Ok(None);
        }
        self.push(at, Wait::Joined { or, parts: vec![part], deep: deep_of_part })?;
        Ok(None)
    }

    /// `[NOT] LIKE`, `[NOT] BETWEEN`, `[NOT] IN`.
    fn words(&mut self, left: Term) -> Result<Option<Term>, Wrong> {
        let at = self.at;
        let negated = self.token.is("not");
        if negated {
            self.take()?;
        }
        if self.token.is("like") {
            self.take()?;
            self.push(at, Wait::Like { left, negated })?;
        } else if self.token.is("between") {
            self.take()?;
            self.push(at, Wait::Between { left, negated, low: None })?;
        } else if self.token.is("in") {
            self.take()?;
            self.expect("(")?;
            self.push(at, Wait::In { left, negated, entries: Vec::new() })?;
            if self.is_sign(")") {
                return self.closed().map(Some);
            }
        } else {
            return Err(self.unexpected("`LIKE`, `BETWEEN` or `IN` after `NOT`"));
        }
        Ok(None)
    }

    fn is_null(&mut self, left: Term) -> Result<Term, Wrong> {
        self.take()?;
        let negated = self.token.is("not");
        if negated {
            self.take()?;
        }
        if !self.token.is("null") {
            return Err(self.unexpected("`NULL` after `IS` or `IS NOT`"));
        }
        self.take()?;
        let (at, deep) = (left.at, left.deep);
        self.used.step().map_err(|wrong| self.since(at, wrong))?;
        let expr = build::is_null(self.value(left)?).map_err(|wrong| self.since(at, wrong))?;
        self.checked(self.negated(negated, Term::made(What::Condition(expr), deep, at))?)
    }

    /// The next entry or operand begins behind a comma.
    fn comma(&mut self, term: Term) -> Result<(), Wrong> {
        let at = self.at;
        self.take()?;
        let Some(Waiting { what, .. }) = self.stack.last_mut() else {
            return Err(self.since(at, Wrong::new("`,`", "an operator or the end in this place")));
        };
        let entries = match what {
            Wait::Call { called: Called::CaseI | Called::AccentI, .. } => {
                return Err(self.since(at, Wrong::new("`,`", "`)` in this place")));
            }
            Wait::Call { operands, .. } if !operands.is_empty() => {
                return Err(self.since(at, Wrong::new("`,`", "`)` in this place")));
            }
            Wait::Call { operands: entries, .. } | Wait::In { entries, .. } | Wait::Array { entries } => entries,
            other => {
                *other = Wait::Array { entries: vec![term] };
                return Ok(());
            }
        };
        entries.push(term);
        let count = entries.len() + 1;
        bounds::entries(count).map_err(|wrong| self.since(at, wrong))
    }

    /// What a closing parenthesis ends, with its last part.
    fn close(&mut self, term: Term) -> Result<Term, Wrong> {
        let Some(Waiting { what, at }) = self.stack.last_mut() else {
            return Err(self.unexpected("an operator or the end"));
        };
        match what {
            Wait::Call { operands: entries, .. } | Wait::In { entries, .. } | Wait::Array { entries } => {
                entries.push(term);
            }
            _ => {
                let at = *at;
                self.stack.pop();
                self.take()?;
                return Ok(Term { at, parenthesised: true, ..term });
            }
        }
        self.closed()
    }

    /// The parenthesis that is looked at closes what waits, which has all its parts.
    fn closed(&mut self) -> Result<Term, Wrong> {
        let end = self.at;
        let Some(Waiting { what, at }) = self.stack.pop() else { return Err(self.unexpected("the end")) };
        let term = match what {
            Wait::Array { entries } => {
                let (entries, deep) = self.values(entries)?;
                let array = build::array(entries).map_err(|wrong| self.since(at, wrong))?;
                Term::made(What::Value(array), deep, at)
            }
            Wait::In { left, negated, entries } => {
                let (start, left_deep) = (left.at, left.deep);
                let left = self.value(left)?;
                let (entries, deep) = self.values(entries)?;
                let expr = build::in_list(left, entries).map_err(|wrong| self.since(at, wrong))?;
                self.negated(negated, Term::made(What::Condition(expr), deep.max(left_deep), start))?
            }
            Wait::Call { called, operands } => self.call(called, operands, at, end)?,
            _ => return Err(self.unexpected("an operator or the end")),
        };
        self.take()?;
        self.checked(term)
    }

    fn values(&self, terms: Vec<Term>) -> Result<(Vec<Value>, usize), Wrong> {
        let mut deep = 0;
        let mut values = Vec::with_capacity(terms.len());
        for term in terms {
            deep = term.deep.max(deep);
            values.push(self.value(term)?);
        }
        Ok((values, deep))
    }

    fn call(&mut self, called: Called, mut operands: Vec<Term>, at: usize, end: usize) -> Result<Term, Wrong> {
        if let Called::Function(Function::Array(_)) = called {
            for operand in &mut operands {
                self.alone(operand)?;
            }
        }
        let edges = operands.iter().map(|operand| operand.at).collect::<Vec<_>>();
        let (values, deep) = self.values(operands)?;
        let mut values = values.into_iter();
        let (Some(left), right) = (values.next(), values.next()) else { return Err(self.unexpected("an operand")) };
        let value = match (called, right) {
            (Called::CaseI, _) => build::folding("casei", left, Value::CaseI),
            (Called::AccentI, _) => build::folding("accenti", left, Value::AccentI),
            (_, None) => {
                return Err(self.since(end, Wrong::new("`)`", "`,` and a second operand in this place")));
            }
            (Called::Interval, Some(right)) => {
                let edge = |value, at: usize| build::edge_of(value).map_err(|wrong| self.since(at, wrong));
                build::interval(edge(left, edges[0])?, edge(right, edges[1])?)
            }
            (Called::Function(function), Some(right)) => {
                let expr = build::function(function, left, right).map_err(|wrong| self.since(at, wrong))?;
                return Ok(Term::made(What::Condition(expr), deep, at));
            }
        };
        // The ends of an interval are no level of their own.
        let deep = if let Called::Interval = called { 0 } else { deep };
        Ok(Term::made(What::Value(value.map_err(|wrong| self.since(at, wrong))?), deep, at))
    }

    /// Makes an array of one of a value in parentheses.
    fn alone(&self, operand: &mut Term) -> Result<(), Wrong> {
        if let (true, What::Value(value)) = (operand.parenthesised, &mut operand.what)
            && !matches!(value, Value::Array(_))
        {
            let entry = std::mem::replace(value, Value::Bool(false));
            *value = build::array(vec![entry]).map_err(|wrong| self.since(operand.at, wrong))?;
            operand.deep += 1;
        }
        Ok(())
    }
}
