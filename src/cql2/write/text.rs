//! The text spelling.

use crate::cql2::ast::{Arithmetic, Edge, Expr, Value};
use crate::cql2::{instants, names};

use super::{number, wkt};

impl Expr {
    /// The condition in CQL2 text; it reads back to an equal one.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        expr(self, &mut out);
        out
    }
}

fn expr(whole: &Expr, out: &mut String) {
    match whole {
        Expr::Constant(constant) => out.push_str(boolean(*constant)),
        Expr::And(parts) => joined(parts, " AND ", out),
        Expr::Or(parts) => joined(parts, " OR ", out),
        Expr::Not(inner) => negated(inner, out),
        Expr::Compare { op, left, right } => {
            value(left, out);
            for part in [" ", op.name(), " "] {
                out.push_str(part);
            }
            value(right, out);
        }
        Expr::Spatial { op, left, right } => called(op.name(), left, right, out),
        Expr::Temporal { op, left, right } => called(op.name(), left, right, out),
        Expr::Array { op, left, right } => called(op.name(), left, right, out),
        words => {
            predicate(words, "", out);
        }
    }
}

/// Some parsers bind `NOT` to the first operand behind it, so whatever follows it stands in parentheses.
fn negated(inner: &Expr, out: &mut String) {
    if !predicate(inner, "NOT ", out) {
        out.push_str("NOT (");
        expr(inner, out);
        out.push(')');
    }
}

/// A condition with a word that `NOT` can stand before; false, and nothing written, for any other.
fn predicate(whole: &Expr, not: &str, out: &mut String) -> bool {
    let mut begin = |operand: &Value, word: &str| {
        value(operand, out);
        for part in [" ", not, word, " "] {
            out.push_str(part);
        }
    };
    match whole {
        Expr::Between { value: operand, low, high } => {
            begin(operand, "BETWEEN");
            value(low, out);
            out.push_str(" AND ");
            value(high, out);
        }
        Expr::Like { value: operand, pattern } => {
            begin(operand, "LIKE");
            value(pattern, out);
        }
        Expr::In { value: operand, list } => {
            begin(operand, "IN");
            entries(list, out);
        }
        Expr::IsNull(operand) => {
            value(operand, out);
            for part in [" IS ", not, "NULL"] {
                out.push_str(part);
            }
        }
        _ => return false,
    }
    true
}

fn joined(parts: &[Expr], word: &str, out: &mut String) {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            out.push_str(word);
        }
        if matches!(part, Expr::And(_) | Expr::Or(_)) {
            out.push('(');
            expr(part, out);
            out.push(')');
        } else {
            expr(part, out);
        }
    }
}

fn called(name: &str, left: &Value, right: &Value, out: &mut String) {
    out.push_str(&name.to_ascii_uppercase());
    out.push('(');
    value(left, out);
    out.push_str(", ");
    value(right, out);
    out.push(')');
}

fn value(whole: &Value, out: &mut String) {
    match whole {
        Value::Property(name) => property(name, out),
        Value::Text(text) => literal(text, out),
        Value::Number(value) => out.push_str(&number(*value).to_string()),
        Value::Bool(constant) => out.push_str(boolean(*constant)),
        Value::Timestamp(at) => {
            for part in ["TIMESTAMP('", &instants::timestamp_text(*at), "')"] {
                out.push_str(part);
            }
        }
        Value::Date(day) => {
            for part in ["DATE('", &instants::date_text(*day), "')"] {
                out.push_str(part);
            }
        }
        Value::Interval(edges) => {
            out.push_str("INTERVAL(");
            edge(&edges[0], out);
            out.push_str(", ");
            edge(&edges[1], out);
            out.push(')');
        }
        Value::Geometry(shape) => wkt::shape(shape, out),
        Value::Array(list) => entries(list, out),
        Value::Arithmetic { op, left, right } => {
            operand(left, strength(*op), *op == Arithmetic::Power, out);
            for part in [" ", op.name(), " "] {
                out.push_str(part);
            }
            operand(right, strength(*op) + 1, true, out);
        }
        Value::CaseI(inner) => folding("CASEI(", inner, out),
        Value::AccentI(inner) => folding("ACCENTI(", inner, out),
    }
}

/// An operand of arithmetic; in parentheses when it binds weaker than it must, or has a sign where one is hard to read.
fn operand(whole: &Value, needed: u8, sign_apart: bool, out: &mut String) {
    let apart = match whole {
        Value::Arithmetic { op, .. } => strength(*op) < needed || *op == Arithmetic::Power,
        Value::Number(value) => sign_apart && *value < 0.0,
        _ => false,
    };
    if apart {
        out.push('(');
        value(whole, out);
        out.push(')');
    } else {
        value(whole, out);
    }
}

fn strength(op: Arithmetic) -> u8 {
    match op {
        Arithmetic::Add | Arithmetic::Subtract => 1,
        Arithmetic::Multiply | Arithmetic::Divide | Arithmetic::Modulo | Arithmetic::IntegerDivide => 2,
        Arithmetic::Power => 3,
    }
}

fn folding(name: &str, inner: &Value, out: &mut String) {
    out.push_str(name);
    value(inner, out);
    out.push(')');
}

fn entries(list: &[Value], out: &mut String) {
    out.push('(');
    for (at, entry) in list.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        value(entry, out);
    }
    out.push(')');
}

fn edge(whole: &Edge, out: &mut String) {
    match whole {
        Edge::Open => out.push_str("'..'"),
        Edge::Timestamp(at) => literal(&instants::timestamp_text(*at), out),
        Edge::Date(day) => literal(&instants::date_text(*day), out),
        Edge::Property(name) => property(name, out),
    }
}

fn property(name: &str, out: &mut String) {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':');
    let plain = begins && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.'));
    if plain && !names::reserved(name) {
        out.push_str(name);
    } else {
        // Readers accept no name with a quote in it.
        out.push('"');
        out.push_str(name);
        out.push('"');
    }
}

/// A backslash is doubled only where it would be read as an escape: in a pattern, `\%` stays what every parser knows.
fn literal(text: &str, out: &mut String) {
    out.push('\'');
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let escape = match c {
            '\'' => Some('\''),
            '\\' => match characters.peek() {
                None | Some('\\' | '\'' | 'a' | 'b' | 't' | 'n' | 'v' | 'f' | 'r') => Some('\\'),
                Some(_) => None,
            },
            _ => None,
        };
        out.extend(escape);
        out.push(c);
    }
    out.push('\'');
}

fn boolean(constant: bool) -> &'static str {
    if constant { "TRUE" } else { "FALSE" }
}
