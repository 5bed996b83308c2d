//! The text spelling (OGC 21-065r2 annex B).
//!
//! Nothing recurses, whatever is nested: what waits for its right side or its closing parenthesis lies on a stack of
//! ours, and operators are put together by how strongly they bind. What stands between two operators may be a
//! condition or a value until the operator is known, so both are a [`Term`]. `terms.rs` has what lies on the stack,
//! `behind.rs` what may follow an operand, `combine.rs` how operators are put together.

mod terms;
mod behind;
mod combine;

use crate::cql2::ast::{Expr, Value};
use crate::cql2::bounds::{self, Used};
use crate::cql2::names::{self, FUNCTIONS};
use crate::cql2::wrong::{Wrong, quoted};

use super::lex::{Lexer, Token};
use super::{build, wkt};
use terms::{Called, Strength, Term, Wait, Waiting, What};

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
                let accepted = match lower.as_str() {
                    "null" => "an operand in this place; to test for a missing value write `a IS NULL`",
                    _ => "an operand in this place; names that are words of CQL2 in double quotes",
                };
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
