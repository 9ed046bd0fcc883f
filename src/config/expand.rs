//! Python's `text % names`: the expansion language of option values.
//!
//! Pure; any thread. The rules are CPython's for a mapping on the right side, so `%(name)s` with
//! flags, width, precision and any conversion, `%%`, and nothing else without a name.

use std::collections::{BTreeMap, BTreeSet};

use super::near::nearest;
use super::pytext::{ascii, repr};

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number: only `process_num` and `numprocs` are.
    Int(i64),
}

/// Names and what they stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<String, Value>);

impl Names {
    /// Sets a text.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), Value::Text(value.into()));
    }
    /// Sets a number.
    pub fn set_int(&mut self, name: &str, value: i64) {
        self.0.insert(name.to_owned(), Value::Int(value));
    }
    /// Sets the name under which an environment variable is known, `ENV_` and its own.
    pub fn set_env(&mut self, variable: &str, value: impl Into<String>) {
        self.0.insert(format!("ENV_{variable}"), Value::Text(value.into()));
    }
    /// Keeps only the names for which the test holds.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|name, _| keep(name));
    }
    /// Whether a name is known.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// Layers of names, the nearest first.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a>(pub &'a [&'a Names]);

impl<'a> Scope<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.iter().find_map(|layer| layer.0.get(name))
    }
    /// The names that could have been used instead of this one, for a message: of the environment,
    /// which can be long, only what was probably meant.
    fn known(&self, wrong: &str) -> String {
        let names: BTreeSet<&str> =
            self.0.iter().flat_map(|layer| layer.0.keys().map(String::as_str)).collect();
        let (env, own): (Vec<&str>, Vec<&str>) =
            names.into_iter().partition(|name| name.starts_with("ENV_"));
        let mut shown: Vec<String> = match env.len() {
            0..=ENV_SHOWN => env.iter().map(|&name| name.to_owned()).collect(),
            _ => nearest(wrong, env.iter().copied()).into_iter().map(str::to_owned).collect(),
        };
        shown.truncate(ENV_SHOWN);
        let more = env.len() - shown.len();
        shown.extend(own.into_iter().map(str::to_owned));
        if more > 0 {
            shown.push(format!("and {more} of the environment"));
        }
        shown.join(", ")
    }
}

/// Why a text cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// A name nobody set.
    #[error(
        "nothing is known by the name {name:?} here; names that are: {known} (a plain percent \
         sign is written {percent})"
    )]
    Unknown {
        /// The name.
        name: String,
        /// Names that could have been used, with commas.
        known: String,
        /// How a percent sign is written there.
        percent: &'static str,
    },
    /// A `%` that is no valid format.
    #[error("bad format at character {at}: {why} (a plain percent sign is written {percent})")]
    Format {
        /// Where, in characters from 1.
        at: usize,
        /// What is wrong with it.
        why: &'static str,
        /// How a percent sign is written there.
        percent: &'static str,
    },
}

/// A percent sign in a value that is expanded once.
const ONCE: &str = "%%";
/// Names of the environment that a message holds.
const ENV_SHOWN: usize = 3;

impl ExpandError {
    /// The same about a value that is expanded twice, where a percent sign takes four.
    #[must_use]
    pub fn of_two(mut self) -> ExpandError {
        match &mut self {
            ExpandError::Unknown { percent, .. } | ExpandError::Format { percent, .. } => {
                *percent = "%%%%";
            }
        }
        self
    }
}

/// Widths beyond this are taken for a mistake; CPython would try to find the memory.
const WIDEST: usize = 1_000_000;

/// Expands a text.
pub fn expand(text: &str, scope: Scope<'_>) -> Result<String, ExpandError> {
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let chars: Vec<char> = text.chars().collect();
    let mut machine = Machine { chars: &chars, at: 0, scope, pending: Pending::All };
    let mut out = String::with_capacity(text.len() + 32);
    while let Some(c) = machine.next() {
        if c == '%' { machine.format(&mut out)? } else { out.push(c) }
    }
    Ok(out)
}

/// What a conversion without a name of its own would take.
#[derive(Clone, Copy)]
enum Pending<'a> {
    /// The whole mapping: nothing was taken yet.
    All,
    /// The value of the last name, not yet taken.
    One(&'a Value),
    /// Nothing any more.
    Nothing,
}

#[derive(Default)]
struct Spec {
    left: bool,
    plus: bool,
    blank: bool,
    zero: bool,
    alt: bool,
    width: usize,
    precision: Option<usize>,
}

struct Machine<'a> {
    chars: &'a [char],
    at: usize,
    scope: Scope<'a>,
    pending: Pending<'a>,
}

impl<'a> Machine<'a> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn error<T>(&self, why: &'static str) -> Result<T, ExpandError> {
        Err(ExpandError::Format { at: self.at, why, percent: ONCE })
    }

    /// Reads one format, the `%` already behind, and writes what it stands for.
    fn format(&mut self, out: &mut String) -> Result<(), ExpandError> {
        match self.peek() {
            // Only right behind the other: `%5%` is an error.
            Some('%') => {
                self.at += 1;
                out.push('%');
                return Ok(());
            }
            Some('(') => {
                self.at += 1;
                self.name()?;
            }
            _ => {}
        }
        let mut spec = Spec::default();
        while let Some(c) = self.peek() {
            match c {
                '-' => spec.left = true,
                '+' => spec.plus = true,
                ' ' => spec.blank = true,
                '0' => spec.zero = true,
                '#' => spec.alt = true,
                _ => break,
            }
            self.at += 1;
        }
        self.width(&mut spec)?;
        if self.peek() == Some('.') {
            self.at += 1;
            spec.precision = Some(match self.starred()? {
                Some(n) => usize::try_from(n).unwrap_or(0),
                None => self.number()?.unwrap_or(0),
            });
        }
        if spec.width > WIDEST || spec.precision.is_some_and(|p| p > WIDEST) {
            return self.error("the width is too big");
        }
        if matches!(self.peek(), Some('h' | 'l' | 'L')) {
            self.at += 1;
        }
        match self.next() {
            None => self.error("the format is incomplete"),
            Some(conversion) => self.convert(conversion, &spec, out),
        }
    }

    /// Reads a name up to its closing bracket; brackets inside it nest.
    fn name(&mut self) -> Result<(), ExpandError> {
        let mut name = String::new();
        let mut depth = 1;
        loop {
            let Some(c) = self.next() else { return self.error("the name has no closing bracket") };
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            name.push(c);
        }
        match self.scope.get(&name) {
            Some(value) => {
                self.pending = Pending::One(value);
                Ok(())
            }
            None => {
                let known = self.scope.known(&name);
                Err(ExpandError::Unknown { name, known, percent: ONCE })
            }
        }
    }

    fn width(&mut self, spec: &mut Spec) -> Result<(), ExpandError> {
        match self.starred()? {
            Some(n) => {
                spec.left |= n < 0;
                spec.width = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
            }
            None => spec.width = self.number()?.unwrap_or(0),
        }
        Ok(())
    }

    /// `*`: the pending value is the number.
    fn starred(&mut self) -> Result<Option<i64>, ExpandError> {
        if self.peek() != Some('*') {
            return Ok(None);
        }
        self.at += 1;
        match std::mem::replace(&mut self.pending, Pending::Nothing) {
            Pending::One(Value::Int(n)) => Ok(Some(*n)),
            _ => self.error("there is no number for *"),
        }
    }

    fn number(&mut self) -> Result<Option<usize>, ExpandError> {
        let mut found = None;
        while let Some(d) = self.peek().and_then(|c| c.to_digit(10)) {
            let n: usize = found.unwrap_or(0);
            found = Some(n.saturating_mul(10).saturating_add(d as usize));
            self.at += 1;
        }
        Ok(found)
    }

    fn convert(&mut self, c: char, spec: &Spec, out: &mut String) -> Result<(), ExpandError> {
        let value = std::mem::replace(&mut self.pending, Pending::Nothing);
        match (c, value) {
            ('s' | 'r' | 'a', value) => {
                let text = match (c, value) {
                    (_, Pending::Nothing) => return self.error("this format needs a name"),
                    // There the text of the whole mapping comes in, environment and all; nobody
                    // can want that, and it may hold secrets.
                    (_, Pending::All) => "{...}".to_owned(),
                    (_, Pending::One(Value::Int(n))) => n.to_string(),
                    ('s', Pending::One(Value::Text(t))) => t.clone(),
                    ('r', Pending::One(Value::Text(t))) => repr(t),
                    (_, Pending::One(Value::Text(t))) => ascii(t),
                };
                let text: String = match spec.precision {
                    Some(p) => text.chars().take(p).collect(),
                    None => text,
                };
                pad("", &text, spec, false, out);
            }
            ('c', Pending::One(Value::Int(n))) => {
                match u32::try_from(*n).ok().map(char::from_u32) {
                    Some(Some(ch)) => pad("", &ch.to_string(), spec, false, out),
                    _ => return self.error("%c needs the number of a character"),
                }
            }
            ('c', Pending::One(Value::Text(t))) if t.chars().count() == 1 => {
                pad("", t, spec, false, out);
            }
            ('c', _) => return self.error("%c needs a single character"),
            ('d' | 'i' | 'u' | 'x' | 'X' | 'o', Pending::One(Value::Int(n))) => {
                integer(c, *n, spec, out);
            }
            ('e' | 'E' | 'f' | 'F' | 'g' | 'G', Pending::One(Value::Int(n))) => {
                float(c, *n, spec, out);
            }
            (
                'd' | 'i' | 'u' | 'x' | 'X' | 'o' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G',
                Pending::One(Value::Text(_)),
            ) => return self.error("this format needs a number, use %(...)s"),
            ('d' | 'i' | 'u' | 'x' | 'X' | 'o' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G', _) => {
                return self.error("this format needs a name, as in %(process_num)d");
            }
            _ => return self.error("no such format, use %(...)s or %(...)d"),
        }
        Ok(())
    }
}

/// Writes sign or prefix and body, filled up to the width.
fn pad(lead: &str, body: &str, spec: &Spec, numeric: bool, out: &mut String) {
    let fill = spec.width.saturating_sub(lead.chars().count() + body.chars().count());
    let (before, zeros, after) = match (spec.left, numeric && spec.zero) {
        (true, _) => (0, 0, fill),
        (false, true) => (0, fill, 0),
        (false, false) => (fill, 0, 0),
    };
    out.extend(std::iter::repeat_n(' ', before));
    out.push_str(lead);
    out.extend(std::iter::repeat_n('0', zeros));
    out.push_str(body);
    out.extend(std::iter::repeat_n(' ', after));
}

fn sign(negative: bool, spec: &Spec) -> &'static str {
    match (negative, spec.plus, spec.blank) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    }
}

fn integer(c: char, n: i64, spec: &Spec, out: &mut String) {
    let u = n.unsigned_abs();
    let (prefix, digits) = match c {
        'x' => ("0x", format!("{u:x}")),
        'X' => ("0X", format!("{u:X}")),
        'o' => ("0o", format!("{u:o}")),
        _ => ("", u.to_string()),
    };
    let zeros = spec.precision.unwrap_or(0).saturating_sub(digits.len());
    let body = "0".repeat(zeros) + &digits;
    let lead = format!("{}{}", sign(n < 0, spec), if spec.alt { prefix } else { "" });
    pad(&lead, &body, spec, true, out);
}

/// Floating point formats. The value is always whole, so all digits after the point are zeros.
fn float(c: char, n: i64, spec: &Spec, out: &mut String) {
    let value = n.unsigned_abs() as f64;
    let precision = spec.precision.unwrap_or(6);
    let body = match c.to_ascii_lowercase() {
        'f' => with_point(&format!("{value:.0}"), precision, spec.alt),
        'e' => scientific(value, precision, spec.alt),
        _ => general(value, precision.max(1), spec.alt),
    };
    let body = if c.is_ascii_uppercase() { body.to_uppercase() } else { body };
    pad(sign(n < 0, spec), &body, spec, true, out);
}

fn with_point(digits: &str, zeros: usize, alt: bool) -> String {
    let point = if zeros > 0 || alt { "." } else { "" };
    format!("{digits}{point}{}", "0".repeat(zeros))
}

/// Mantissa digits a 64-bit whole number can have; Rust's own limit is far above.
const MANTISSA: usize = 20;

fn scientific(value: f64, precision: usize, alt: bool) -> String {
    let short = precision.min(MANTISSA);
    let text = format!("{value:.short$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let more = precision - short;
    let point = if alt && precision == 0 { "." } else { "" };
    format!("{mantissa}{point}{}e+{exponent:0>2}", "0".repeat(more))
}

fn general(value: f64, precision: usize, alt: bool) -> String {
    let sci = scientific(value, precision - 1, false);
    let (mantissa, exponent) = sci.split_once("e+").unwrap_or((&sci, "00"));
    let exponent_value: usize = exponent.parse().unwrap_or(0);
    if exponent_value < precision {
        let digits = format!("{value:.0}");
        return if alt {
            with_point(&digits, precision - 1 - exponent_value, true)
        } else {
            digits
        };
    }
    if alt {
        let point = if mantissa.contains('.') { "" } else { "." };
        return format!("{mantissa}{point}e+{exponent}");
    }
    let short = match mantissa.contains('.') {
        true => mantissa.trim_end_matches('0').trim_end_matches('.'),
        false => mantissa,
    };
    format!("{short}e+{exponent}")
}

#[cfg(test)]
#[path = "expand_tests.rs"]
mod tests;
