//! The text spelling (OGC 21-065r2 annex B), by precedence climbing.
//!
//! Chains of one operator are loops. Only parentheses, calls, `NOT` and signs recurse, always through [`Parser::operand`],
//! which counts how deep. What stands between two operators may be a condition or a value until the operator is known,
//! so both are a [`Term`].

use crate::cql2::ast::{Arithmetic, Comparison, Edge, Expr, Value};
use crate::cql2::bounds::{self, Used};
use crate::cql2::names::{self, FUNCTIONS, Function};
use crate::cql2::wrong::Wrong;

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
        let term = parser.terms(Strength::Or)?;
        if parser.token != Token::End {
            return Err(parser.unexpected("an operator or the end"));
        }
        let at = term.at;
        let wrong = |wrong: Wrong| wrong.at(parser.lexer.character(at));
        bounds::levels(term.condition_deep()).map_err(wrong)?;
        term.condition().map_err(wrong)
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
    /// Levels of its tree as a condition: a property becomes `property = TRUE`.
    fn condition_deep(&self) -> usize {
        self.deep + usize::from(matches!(self.what, What::Value(Value::Property(_))))
    }

    fn condition(self) -> Result<Expr, Wrong> {
        match self.what {
            What::Condition(expr) => Ok(expr),
            What::Value(value) => build::condition(value),
        }
    }

    fn value(self) -> Result<Value, Wrong> {
        match self.what {
            What::Value(value) => Ok(value),
            What::Condition(Expr::Constant(constant)) => Ok(Value::Bool(constant)),
            What::Condition(_) => Err(Wrong::new("a condition where a value belongs", VALUES)),
        }
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
            Self::Arithmetic(Arithmetic::Add | Arithmetic::Subtract) => Strength::Sum,
            Self::Arithmetic(Arithmetic::Power) => Strength::Power,
            Self::Arithmetic(_) => Strength::Product,
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

pub(super) struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The token that is looked at, and the byte where it begins.
    pub(super) token: Token<'a>,
    at: usize,
    pub(super) used: Used,
    nested: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, Wrong> {
        let mut lexer = Lexer::new(text);
        let (token, at) = lexer.next()?;
        Ok(Self { lexer, token, at, used: Used::default(), nested: 0 })
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
        self.here(Wrong::new(self.token.shown(), format!("{accepted} in this place")))
    }

    /// Something wrong with what is looked at.
    fn here(&self, wrong: Wrong) -> Wrong {
        self.since(self.at, wrong)
    }

    /// Something wrong with what began at a byte.
    fn since(&self, byte: usize, wrong: Wrong) -> Wrong {
        wrong.at(self.lexer.character(byte))
    }

    /// Operands and the operators between them, down to the given strength.
    fn terms(&mut self, weakest: Strength) -> Result<Term, Wrong> {
        let mut left = self.operand()?;
        while let Some(operator) = Infix::of(&self.token).filter(|operator| operator.strength() >= weakest) {
            let (at, operator_at) = (left.at, self.at);
            self.used.node().map_err(|wrong| self.since(operator_at, wrong))?;
            left = match operator {
                Infix::Or => self.joined(left, operator, Expr::Or)?,
                Infix::And => self.joined(left, operator, Expr::And)?,
                Infix::Arithmetic(op) => self.arithmetic(left, op)?,
                Infix::Compare(op) => self.comparison(left, op)?,
                Infix::Words => self.words(left)?,
                Infix::Is => self.is_null(left)?,
            };
            left.at = at;
            bounds::levels(left.deep).map_err(|wrong| self.since(operator_at, wrong))?;
        }
        Ok(left)
    }

    /// Every further part that the same operator joins.
    fn joined(&mut self, first: Term, operator: Infix, join: fn(Vec<Expr>) -> Expr) -> Result<Term, Wrong> {
        let stronger = if operator.strength() == Strength::Or { Strength::And } else { Strength::Not };
        let mut deep = first.condition_deep();
        let mut parts = vec![self.as_condition(first)?];
        while Infix::of(&self.token).is_some_and(|next| next.strength() == operator.strength()) {
            self.take()?;
            let part = self.terms(stronger)?;
            deep = deep.max(part.condition_deep());
            parts.push(self.as_condition(part)?);
        }
        Ok(self.made(What::Condition(join(parts)), deep))
    }

    fn arithmetic(&mut self, left: Term, op: Arithmetic) -> Result<Term, Wrong> {
        let at = self.at;
        self.take()?;
        let right = match Infix::Arithmetic(op).strength() {
            Strength::Sum => self.terms(Strength::Product)?,
            Strength::Product => self.terms(Strength::Power)?,
            _ => self.operand()?,
        };
        if op == Arithmetic::Power && self.is_sign("^") {
            // The grammar has one `^` only; which of two comes first is not said.
            return Err(self.unexpected("parentheses around one of two `^`"));
        }
        let deep = left.deep.max(right.deep);
        let (left, right) = (self.as_value(left)?, self.as_value(right)?);
        let value = build::arithmetic(op, left, right).map_err(|wrong| self.since(at, wrong))?;
        Ok(self.made(What::Value(value), deep))
    }

    fn comparison(&mut self, left: Term, op: Comparison) -> Result<Term, Wrong> {
        let at = self.at;
        self.take()?;
        let right = self.terms(Strength::Sum)?;
        let deep = left.deep.max(right.deep);
        let (left, right) = (self.as_value(left)?, self.as_value(right)?);
        let expr = build::compare(op, left, right).map_err(|wrong| self.since(at, wrong))?;
        Ok(self.made(What::Condition(expr), deep))
    }

    /// `[NOT] LIKE`, `[NOT] BETWEEN`, `[NOT] IN`.
    fn words(&mut self, left: Term) -> Result<Term, Wrong> {
        let at = self.at;
        let negated = self.token.is("not");
        if negated {
            self.take()?;
        }
        let mut deep = left.deep;
        let left = self.as_value(left)?;
        let expr = if self.token.is("like") {
            self.take()?;
            let pattern = self.operand_value(&mut deep)?;
            build::like(left, pattern)
        } else if self.token.is("between") {
            self.take()?;
            let low = self.sum_value(&mut deep)?;
            if !self.token.is("and") {
                return Err(self.unexpected("`AND` between the two ends of `BETWEEN`"));
            }
            self.take()?;
            let high = self.sum_value(&mut deep)?;
            build::between(left, low, high)
        } else if self.token.is("in") {
            self.take()?;
            let list = self.list(&mut deep)?;
            build::in_list(left, list)
        } else {
            return Err(self.unexpected("`LIKE`, `BETWEEN` or `IN` after `NOT`"));
        };
        let expr = expr.map_err(|wrong| self.since(at, wrong))?;
        // `BETWEEN` of instants became two conditions.
        let deep = deep + usize::from(matches!(expr, Expr::And(_)));
        let term = self.made(What::Condition(expr), deep);
        Ok(if negated { self.negated(term)? } else { term })
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
        let deep = left.deep;
        let at = left.at;
        let value = self.as_value(left)?;
        let expr = build::is_null(value).map_err(|wrong| self.since(at, wrong))?;
        let term = self.made(What::Condition(expr), deep);
        Ok(if negated { self.negated(term)? } else { term })
    }

    fn negated(&self, term: Term) -> Result<Term, Wrong> {
        let deep = term.condition_deep();
        let expr = self.as_condition(term)?;
        Ok(self.made(What::Condition(Expr::Not(Box::new(expr))), deep))
    }

    /// One operand with what stands before it.
    fn operand(&mut self) -> Result<Term, Wrong> {
        self.used.node().map_err(|wrong| self.here(wrong))?;
        self.nested += 1;
        bounds::nested(self.nested).map_err(|wrong| self.here(wrong))?;
        let at = self.at;
        let mut term = match &self.token {
            Token::Text(_) | Token::Number(_) => self.literal()?,
            Token::Sign("(") => self.parenthesised()?,
            Token::Sign("-" | "+") => self.signed()?,
            Token::Name { quoted: false, .. } if self.token.is("not") => self.not()?,
            Token::Name { .. } => self.named()?,
            _ => return Err(self.unexpected("a property, a value, a function or `(`")),
        };
        term.at = at;
        self.nested -= 1;
        bounds::levels(term.deep).map_err(|wrong| self.since(at, wrong))?;
        Ok(term)
    }

    fn literal(&mut self) -> Result<Term, Wrong> {
        let at = self.at;
        let value = match self.take()? {
            Token::Text(text) => build::text(&text).map_err(|wrong| self.since(at, wrong))?,
            Token::Number(number) => build::number(number),
            _ => return Err(self.unexpected("a value")),
        };
        Ok(self.made(What::Value(value), 0))
    }

    fn not(&mut self) -> Result<Term, Wrong> {
        self.take()?;
        let term = self.terms(Strength::Not)?;
        self.negated(term)
    }

    /// A sign binds stronger than any operator: `-x^2` is the square of `-x` (rule `arithmeticFactor`).
    fn signed(&mut self) -> Result<Term, Wrong> {
        let at = self.at;
        let minus = self.is_sign("-");
        self.take()?;
        let term = self.operand()?;
        let deep = term.deep;
        let value = match (self.as_value(term)?, minus) {
            (Value::Number(number), true) => return Ok(self.made(What::Value(build::number(-number)), 0)),
            (value @ Value::Number(_), false) => value,
            (_, false) => return Err(self.since(at, Wrong::new("a `+` that is not before a number", VALUES))),
            (value, true) => {
                let value = build::arithmetic(Arithmetic::Multiply, Value::Number(-1.0), value);
                value.map_err(|wrong| self.since(at, wrong))?
            }
        };
        Ok(self.made(What::Value(value), deep))
    }

    /// A part in parentheses, or an array.
    fn parenthesised(&mut self) -> Result<Term, Wrong> {
        let at = self.at;
        self.take()?;
        if self.is_sign(")") {
            self.take()?;
            return Ok(self.made(What::Value(Value::Array(Vec::new())), 0));
        }
        let first = self.terms(Strength::Or)?;
        if !self.is_sign(",") {
            self.expect(")")?;
            return Ok(Term { parenthesised: true, ..first });
        }
        let mut deep = first.deep;
        let first = self.as_value(first)?;
        let entries = self.entries(first, &mut deep)?;
        let array = build::array(entries).map_err(|wrong| self.since(at, wrong))?;
        Ok(self.made(What::Value(array), deep))
    }

    /// The list behind `IN`.
    fn list(&mut self, deep: &mut usize) -> Result<Vec<Value>, Wrong> {
        self.expect("(")?;
        if self.is_sign(")") {
            self.take()?;
            return Ok(Vec::new());
        }
        let first = self.sum_value(deep)?;
        self.entries(first, deep)
    }

    /// The rest of a list, with its closing parenthesis.
    fn entries(&mut self, first: Value, deep: &mut usize) -> Result<Vec<Value>, Wrong> {
        let mut entries = vec![first];
        while self.is_sign(",") {
            self.take()?;
            bounds::entries(entries.len() + 1).map_err(|wrong| self.here(wrong))?;
            entries.push(self.sum_value(deep)?);
        }
        self.expect(")")?;
        Ok(entries)
    }

    /// A property, or something that is called.
    fn named(&mut self) -> Result<Term, Wrong> {
        let at = self.at;
        let Token::Name { name, quoted } = self.take()? else { return Err(self.unexpected("a name")) };
        if quoted {
            return self.property(name, at);
        }
        if self.is_sign("(") || wkt::has_dimension(name, &self.token) {
            return self.called(name, at);
        }
        match name.to_ascii_lowercase().as_str() {
            "true" => Ok(self.made(What::Value(Value::Bool(true)), 0)),
            "false" => Ok(self.made(What::Value(Value::Bool(false)), 0)),
            "and" | "or" | "like" | "in" | "between" | "is" | "null" | "div" => {
                let wrong = Wrong::new(
                    format!("`{name}`"),
                    "an operand in this place; names that are words of CQL2 in double quotes",
                );
                Err(self.since(at, wrong))
            }
            _ => self.property(name, at),
        }
    }

    fn property(&self, name: &str, at: usize) -> Result<Term, Wrong> {
        let name = build::property(name).map_err(|wrong| self.since(at, wrong))?;
        Ok(self.made(What::Value(Value::Property(name)), 0))
    }

    /// `name(…)`; the parenthesis is looked at.
    fn called(&mut self, name: &str, at: usize) -> Result<Term, Wrong> {
        let lower = name.to_ascii_lowercase();
        if let Some(function) = names::function(&lower) {
            return self.function(function, at);
        }
        let mut deep = 0;
        let value = match lower.as_str() {
            "casei" => self.folding("casei", Value::CaseI, &mut deep),
            "accenti" => self.folding("accenti", Value::AccentI, &mut deep),
            "timestamp" => self.moment(build::timestamp),
            "date" => self.moment(build::date),
            "interval" => self.interval(),
            _ => match wkt::geometry(self, &lower) {
                Some(geometry) => geometry,
                None => {
                    let given = format!("the unknown function {}", crate::cql2::wrong::quoted(name));
                    Err(Wrong::new(given, FUNCTIONS))
                }
            },
        };
        let value = value.map_err(|wrong| self.since(at, wrong))?;
        Ok(self.made(What::Value(value), deep))
    }

    fn function(&mut self, function: Function, at: usize) -> Result<Term, Wrong> {
        self.expect("(")?;
        let left = self.terms(Strength::Or)?;
        self.expect(",")?;
        let right = self.terms(Strength::Or)?;
        self.expect(")")?;
        let mut deep = left.deep.max(right.deep);
        let mut operands = Vec::with_capacity(2);
        for term in [left, right] {
            let alone = term.parenthesised && matches!(function, Function::Array(_));
            let value = self.as_value(term)?;
            if alone && !matches!(value, Value::Array(_)) {
                deep += 1;
                operands.push(build::array(vec![value]).map_err(|wrong| self.since(at, wrong))?);
            } else {
                operands.push(value);
            }
        }
        let (right, left) = (operands.remove(1), operands.remove(0));
        let expr = build::function(function, left, right).map_err(|wrong| self.since(at, wrong))?;
        Ok(self.made(What::Condition(expr), deep))
    }

    fn folding(&mut self, name: &str, fold: fn(Box<Value>) -> Value, deep: &mut usize) -> Result<Value, Wrong> {
        self.expect("(")?;
        let value = self.sum_value(deep)?;
        self.expect(")")?;
        build::folding(name, value, fold)
    }

    /// `TIMESTAMP('…')` and `DATE('…')`.
    fn moment(&mut self, read: fn(&str) -> Result<Value, Wrong>) -> Result<Value, Wrong> {
        self.expect("(")?;
        let Token::Text(text) = &self.token else { return Err(self.unexpected("a text in single quotes")) };
        let value = read(text).map_err(|wrong| self.here(wrong))?;
        self.take()?;
        self.expect(")")?;
        Ok(value)
    }

    fn interval(&mut self) -> Result<Value, Wrong> {
        self.expect("(")?;
        let start = self.edge()?;
        self.expect(",")?;
        let end = self.edge()?;
        self.expect(")")?;
        build::interval(start, end)
    }

    fn edge(&mut self) -> Result<Edge, Wrong> {
        let at = self.at;
        let mut deep = 0;
        let value = self.operand_value(&mut deep)?;
        build::edge_of(value).map_err(|wrong| self.since(at, wrong))
    }

    /// A value that may be arithmetic.
    fn sum_value(&mut self, deep: &mut usize) -> Result<Value, Wrong> {
        let term = self.terms(Strength::Sum)?;
        *deep = term.deep.max(*deep);
        self.as_value(term)
    }

    fn operand_value(&mut self, deep: &mut usize) -> Result<Value, Wrong> {
        let term = self.operand()?;
        *deep = term.deep.max(*deep);
        self.as_value(term)
    }

    fn as_value(&self, term: Term) -> Result<Value, Wrong> {
        let at = term.at;
        term.value().map_err(|wrong| self.since(at, wrong))
    }

    fn as_condition(&self, term: Term) -> Result<Expr, Wrong> {
        let at = term.at;
        term.condition().map_err(|wrong| self.since(at, wrong))
    }

    /// A node above parts of the given depth.
    fn made(&self, what: What, deep: usize) -> Term {
        Term { what, deep: deep + 1, at: self.at, parenthesised: false }
    }
}
