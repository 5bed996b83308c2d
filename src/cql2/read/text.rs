//! The text spelling (OGC 21-065r2 annex B).
//!
//! Nothing recurses, whatever is nested: what waits for its right side or its closing parenthesis lies on a stack of
//! ours, and operators are put together by how strongly they bind. What stands between two operators may be a
//! condition or a value until the operator is known, so both are a [`Term`].

use crate::cql2::ast::{Arithmetic, Comparison, Expr, Value};
use crate::cql2::bounds::{self, Used};
use crate::cql2::names::{self, FUNCTIONS, Function};
use crate::cql2::wrong::{Wrong, quoted};

use super::lex::{Lexer, Token};
use super::{build, wkt};

impl Expr {
    /// Reads the text spelling.
    ///
    /// # Errors
    /// The first thing that is wrong, with the character where it was noticed.
    pub fn from_text(text: &str) -> Result<Self, Wrong> {
        if text.len() > bounds::BYTES_MAX {
            let accepted = format!("at most {} bytes of text", bounds::BYTES_MAX);
            return Err(Wrong::new(format!("{} bytes long", text.len()), accepted));
        }
        let mut parser = Parser::new(text)?;
        let whole = parser.whole()?;
        let deep = whole.condition_deep();
        bounds::levels(deep).map_err(|wrong| parser.since(whole.at, wrong))?;
        bounds::whole(parser.condition(whole)?)
    }
}

/// How strongly operators bind, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
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

enum What {
    Condition(Expr),
    Value(Value),
}

/// A part that was read.
struct Term {
    what: What,
    /// Levels of its tree.
    deep: usize,
    /// The byte where it begins.
    at: usize,
    /// Whether it stood in parentheses: as an operand of `A_…` this is an array of one.
    parenthesised: bool,
}

impl Term {
    /// A node above parts of the given depth.
    fn made(what: What, deep: usize, at: usize) -> Self {
        Self { what, deep: deep + 1, at, parenthesised: false }
    }

    /// Levels of its tree as a condition: a property becomes `property = TRUE`.
    fn condition_deep(&self) -> usize {
        self.deep + usize::from(matches!(self.what, What::Value(Value::Property(_))))
    }
}

const VALUES: &str = "a property, a text, a number, `TRUE`, `FALSE`, `TIMESTAMP('…')`, `DATE('…')` or arithmetic";

/// An operator between or behind operands.
#[derive(Clone, Copy)]
enum Infix {
    Or,
    And,
    Compare(Comparison),
    /// `LIKE`, `BETWEEN`, `IN`, and `NOT` before one of them.
    Words,
    Is,
    Arithmetic(Arithmetic),
}

impl Infix {
    fn strength(self) -> Strength {
        match self {
            Self::Or => Strength::Or,
            Self::And => Strength::And,
            Self::Compare(_) | Self::Words | Self::Is => Strength::Compare,
            Self::Arithmetic(op) => strength(op),
        }
    }

    fn of(token: &Token<'_>) -> Option<Self> {
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

fn strength(op: Arithmetic) -> Strength {
    match op {
        Arithmetic::Add | Arithmetic::Subtract => Strength::Sum,
        Arithmetic::Multiply | Arithmetic::Divide | Arithmetic::Modulo | Arithmetic::IntegerDivide => Strength::Product,
        Arithmetic::Power => Strength::Power,
    }
}

/// What is called with operands.
#[derive(Clone, Copy)]
enum Called {
    Function(Function),
    CaseI,
    AccentI,
    Interval,
}

/// Waits on the stack, with the byte where it began.
struct Waiting {
    what: Wait,
    at: usize,
}

/// What waits, and for what.
enum Wait {
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
    fn strength(&self) -> Option<Strength> {
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

pub(super) struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The token that is looked at, and the byte where it begins.
    pub(super) token: Token<'a>,
    at: usize,
    pub(super) used: Used,
    stack: Vec<Waiting>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, Wrong> {
        let mut lexer = Lexer::new(text);
        let (token, at) = lexer.next()?;
        Ok(Self { lexer, token, at, used: Used::default(), stack: Vec::new() })
    }

    /// Takes the token that is looked at.
    pub(super) fn take(&mut self) -> Result<Token<'a>, Wrong> {
        let (next, at) = self.lexer.next()?;
        self.at = at;
        Ok(std::mem::replace(&mut self.token, next))
    }

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        matches!(self.token, Token::Sign(found) if found == sign)
    }

    pub(super) fn expect(&mut self, sign: &str) -> Result<(), Wrong> {
        if !self.is_sign(sign) {
            return Err(self.unexpected(&format!("`{sign}`")));
        }
        self.take().map(drop)
    }

    pub(super) fn unexpected(&self, accepted: &str) -> Wrong {
        self.since(self.at, Wrong::new(self.token.shown(), format!("{accepted} in this place")))
    }

    /// Something wrong with what began at a byte.
    fn since(&self, byte: usize, wrong: Wrong) -> Wrong {
        wrong.at(self.lexer.character(byte))
    }

    /// Everything up to the end.
    fn whole(&mut self) -> Result<Term, Wrong> {
        loop {
            // An operand, unless something was opened that needs one.
            let mut behind = self.operand()?;
            while let Some(term) = behind {
                if self.token == Token::End {
                    let term = self.reduced(term, Strength::Or)?;
                    return if self.stack.is_empty() { Ok(term) } else { Err(self.unexpected("`)`")) };
                }
                behind = self.behind(term)?;
            }
        }
    }

    /// Puts on the stack what waits.
    fn push(&mut self, at: usize, what: Wait) -> Result<(), Wrong> {
        self.used.step().map_err(|wrong| self.since(at, wrong))?;
        self.stack.push(Waiting { what, at });
        Ok(())
    }

    /// What begins an operand: all of it, or `None` when its operand comes next.
    fn operand(&mut self) -> Result<Option<Term>, Wrong> {
        let at = self.at;
        match &self.token {
            Token::Text(_) | Token::Number(_) => self.literal().map(Some),
            Token::Sign("(") => {
                self.take()?;
                if self.is_sign(")") {
                    self.take()?;
                    return Ok(Some(Term::made(What::Value(Value::Array(Vec::new())), 0, at)));
                }
                self.push(at, Wait::Parenthesis)?;
                Ok(None)
            }
            Token::Sign(sign @ ("-" | "+")) => {
                let minus = *sign == "-";
                self.take()?;
                self.push(at, Wait::Sign { minus })?;
                Ok(None)
            }
            Token::Name { quoted: false, .. } if self.token.is("not") => {
                self.take()?;
                self.push(at, Wait::Not)?;
                Ok(None)
            }
            Token::Name { .. } => self.named(),
            _ => Err(self.unexpected("a property, a value, a function or `(`")),
        }
    }

    fn literal(&mut self) -> Result<Term, Wrong> {
        let at = self.at;
        self.used.step().map_err(|wrong| self.since(at, wrong))?;
        let value = match self.take()? {
            Token::Text(text) => build::text(&text).map_err(|wrong| self.since(at, wrong))?,
            Token::Number(number) => build::number(number),
            _ => return Err(self.unexpected("a value")),
        };
        Ok(Term::made(What::Value(value), 0, at))
    }

    /// A property, or something that is called.
    fn named(&mut self) -> Result<Option<Term>, Wrong> {
        let at = self.at;
        let Token::Name { name, quoted } = self.take()? else { return Err(self.unexpected("a name")) };
        if !quoted && (self.is_sign("(") || wkt::has_dimension(name, &self.token)) {
            return self.called(name, at);
        }
        self.used.step().map_err(|wrong| self.since(at, wrong))?;
        let lower = name.to_ascii_lowercase();
        let value = match lower.as_str() {
            "true" if !quoted => Value::Bool(true),
            "false" if !quoted => Value::Bool(false),
            "and" | "or" | "like" | "in" | "between" | "is" | "null" | "div" if !quoted => {
                let accepted = "an operand in this place; names that are words of CQL2 in double quotes";
                return Err(self.since(at, Wrong::new(format!("`{name}`"), accepted)));
            }
            _ => Value::Property(build::property(name).map_err(|wrong| self.since(at, wrong))?),
        };
        Ok(Some(Term::made(What::Value(value), 0, at)))
    }

    /// `name(…)`; the parenthesis is looked at.
    fn called(&mut self, name: &str, at: usize) -> Result<Option<Term>, Wrong> {
        let lower = name.to_ascii_lowercase();
        let called = match lower.as_str() {
            "casei" => Some(Called::CaseI),
            "accenti" => Some(Called::AccentI),
            "interval" => Some(Called::Interval),
            _ => names::function(&lower).map(Called::Function),
        };
        if let Some(called) = called {
            self.take()?;
            self.push(at, Wait::Call { called, operands: Vec::new() })?;
            return Ok(None);
        }
        self.used.step().map_err(|wrong| self.since(at, wrong))?;
        let value = match lower.as_str() {
            "timestamp" => self.moment(build::timestamp),
            "date" => self.moment(build::date),
            _ => wkt::geometry(self, &lower)
                .unwrap_or_else(|| Err(Wrong::new(format!("the unknown function {}", quoted(name)), FUNCTIONS))),
        };
        let value = value.map_err(|wrong| self.since(at, wrong))?;
        Ok(Some(Term::made(What::Value(value), 0, at)))
    }

    /// What follows an operand: `None` when another operand comes next.
    fn behind(&mut self, term: Term) -> Result<Option<Term>, Wrong> {
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
        let deep_of_part = term.condition_deep();
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

    /// The term with everything before it that binds at least as strongly; parentheses end it.
    fn reduced(&mut self, mut term: Term, weakest: Strength) -> Result<Term, Wrong> {
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
                let deep = right.condition_deep().max(deep);
                parts.push(self.condition(right)?);
                let expr = if or { Expr::Or(parts) } else { Expr::And(parts) };
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

    fn negated(&self, negated: bool, term: Term) -> Result<Term, Wrong> {
        if !negated {
            return Ok(term);
        }
        let (at, deep) = (term.at, term.condition_deep());
        let expr = self.condition(term)?;
        Ok(Term::made(What::Condition(Expr::Not(Box::new(expr))), deep, at))
    }

    fn checked(&self, term: Term) -> Result<Term, Wrong> {
        bounds::levels(term.deep).map_err(|wrong| self.since(term.at, wrong))?;
        Ok(term)
    }

    fn value(&self, term: Term) -> Result<Value, Wrong> {
        match term.what {
            What::Value(value) => Ok(value),
            What::Condition(Expr::Constant(constant)) => Ok(Value::Bool(constant)),
            What::Condition(_) => Err(self.since(term.at, Wrong::new("a condition where a value belongs", VALUES))),
        }
    }

    fn condition(&self, term: Term) -> Result<Expr, Wrong> {
        match term.what {
            What::Condition(expr) => Ok(expr),
            What::Value(value) => build::condition(value).map_err(|wrong| self.since(term.at, wrong)),
        }
    }

    /// `TIMESTAMP('…')` and `DATE('…')`.
    fn moment(&mut self, read: fn(&str) -> Result<Value, Wrong>) -> Result<Value, Wrong> {
        self.expect("(")?;
        let Token::Text(text) = &self.token else { return Err(self.unexpected("a text in single quotes")) };
        let value = read(text).map_err(|wrong| self.since(self.at, wrong))?;
        self.take()?;
        self.expect(")")?;
        Ok(value)
    }
}
