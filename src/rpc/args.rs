//! Parameters of a call as the types a method needs. Pure.
//!
//! Upstream hands parameters to Python code as they are, which is lenient (a number may come as a
//! string, anything can be true) or ends as HTTP 500. The lenient part is kept; the rest is the
//! fault INCORRECT_PARAMETERS.

use std::borrow::Cow;

use super::faults::{BAD_NAME, INCORRECT_PARAMETERS, fault};
use super::value::{Fault, Value};
use crate::config::pytext::int;

/// The parameters of one call, whose number has been checked.
#[derive(Clone, Copy)]
pub struct Args<'a>(pub &'a [Value]);

impl<'a> Args<'a> {
    /// A string. Base64 counts as its bytes.
    ///
    /// # Errors
    /// INCORRECT_PARAMETERS for any other type.
    pub fn text(self, index: usize) -> Result<Cow<'a, str>, Fault> {
        match self.0.get(index) {
            Some(Value::Str(s)) => Ok(Cow::Borrowed(s)),
            Some(Value::Base64(b)) => Ok(String::from_utf8_lossy(b)),
            _ => Err(fault(INCORRECT_PARAMETERS, None)),
        }
    }
    /// The name of a group. A scalar of another type is a name that no group has, as upstream.
    ///
    /// # Errors
    /// INCORRECT_PARAMETERS, or BAD_NAME for such a scalar.
    pub fn group(self, index: usize) -> Result<Cow<'a, str>, Fault> {
        match self.0.get(index) {
            Some(Value::Nil) => Err(fault(BAD_NAME, None)),
            Some(v @ (Value::Bool(_) | Value::Int(_) | Value::Double(_))) => {
                Err(fault(BAD_NAME, shown(v).as_deref()))
            }
            _ => self.text(index),
        }
    }
    /// A whole number; like Python's `int()` it takes numbers in strings, and cuts fractions off.
    ///
    /// # Errors
    /// INCORRECT_PARAMETERS for what is no number.
    pub fn int(self, index: usize) -> Result<i64, Fault> {
        let number = match self.0.get(index) {
            Some(Value::Int(i)) => Some(*i),
            Some(Value::Bool(b)) => Some(i64::from(*b)),
            Some(Value::Double(d)) if d.is_finite() => Some(*d as i64),
            Some(Value::Str(s)) => int(s, 10),
            _ => None,
        };
        number.ok_or_else(|| fault(INCORRECT_PARAMETERS, None))
    }
    /// A truth value, by Python's rules: zero and empty are false.
    pub fn truth(self, index: usize, default: bool) -> bool {
        match self.0.get(index) {
            None => default,
            Some(Value::Nil) => false,
            Some(Value::Bool(b)) => *b,
            Some(Value::Int(i)) => *i != 0,
            Some(Value::Double(d)) => *d != 0.0,
            Some(Value::Str(s)) => !s.is_empty(),
            Some(Value::DateTime(_)) => true,
            Some(Value::Base64(b)) => !b.is_empty(),
            Some(Value::Array(a)) => !a.is_empty(),
            Some(Value::Struct(s)) => !s.is_empty(),
        }
    }
    /// What to write to a process: a string, or the very bytes of a base64 value.
    ///
    /// # Errors
    /// INCORRECT_PARAMETERS with the value, as upstream shows it where that is not Python syntax.
    pub fn bytes(self, index: usize) -> Result<Vec<u8>, Fault> {
        match self.0.get(index) {
            Some(Value::Str(s)) => Ok(s.as_bytes().to_vec()),
            Some(Value::Base64(b)) => Ok(b.clone()),
            other => Err(fault(INCORRECT_PARAMETERS, other.and_then(shown).as_deref())),
        }
    }
    /// A text for an event, where upstream takes any scalar and shows it.
    ///
    /// # Errors
    /// INCORRECT_PARAMETERS for all else.
    pub fn scalar(self, index: usize) -> Result<String, Fault> {
        match self.0.get(index) {
            Some(v @ (Value::Bool(_) | Value::Int(_) | Value::Double(_))) => {
                Ok(shown(v).unwrap_or_default())
            }
            _ => self.text(index).map(Cow::into_owned),
        }
    }
    /// A signal as it was written, a number or a name.
    ///
    /// # Errors
    /// INCORRECT_PARAMETERS for what is neither.
    pub fn signal(self, index: usize) -> Result<String, Fault> {
        match self.0.get(index) {
            Some(Value::Int(i)) => Ok(i.to_string()),
            _ => self.text(index).map(Cow::into_owned),
        }
    }
}

/// A value in a fault text; none for nil, which upstream leaves out.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Nil => None,
        Value::Bool(b) => Some(b.to_string()),
        Value::Int(i) => Some(i.to_string()),
        Value::Double(d) => Some(format!("{d:?}")),
        Value::Str(s) | Value::DateTime(s) => Some(s.clone()),
        Value::Base64(_) => Some("base64".to_owned()),
        Value::Array(_) => Some("array".to_owned()),
        Value::Struct(_) => Some("struct".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_come_in_strings_and_other_types() {
        let values = [
            Value::Int(-3),
            Value::Bool(true),
            Value::Double(-1.9),
            Value::from(" +1_000 "),
            Value::from("-99999999999999999999"),
        ];
        let got: Vec<i64> = (0..values.len()).map(|i| Args(&values).int(i).unwrap()).collect();
        assert_eq!(got, [-3, 1, -1, 1000, -i64::MAX]);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for value in [
            Value::from("a"),
            Value::from(""),
            Value::from("1__0"),
            Value::from("_1"),
            Value::from("--1"),
            Value::Nil,
            Value::Double(f64::NAN),
            Value::Double(f64::INFINITY),
            Value::Array(vec![]),
            Value::Struct(vec![]),
        ] {
            let refused = Args(std::slice::from_ref(&value)).int(0).unwrap_err();
            assert_eq!(refused.text, "INCORRECT_PARAMETERS", "{value:?}");
        }
    }

    #[test]
    fn truth_is_pythons() {
        for (value, want) in [
            (Value::from("0"), true),
            (Value::from(""), false),
            (Value::Int(0), false),
            (Value::Int(-1), true),
            (Value::Nil, false),
            (Value::Array(vec![]), false),
            (Value::Double(0.0), false),
        ] {
            assert_eq!(Args(&[value]).truth(0, !want), want);
        }
        assert!(Args(&[]).truth(0, true));
    }

    #[test]
    fn faults_for_stdin_show_scalars() {
        for (value, text) in [
            (Value::Int(1), "INCORRECT_PARAMETERS: 1"),
            (Value::Bool(true), "INCORRECT_PARAMETERS: true"),
            (Value::Double(2.0), "INCORRECT_PARAMETERS: 2.0"),
            (Value::Nil, "INCORRECT_PARAMETERS"),
            (Value::Array(vec![]), "INCORRECT_PARAMETERS: array"),
        ] {
            assert_eq!(Args(&[value]).bytes(0).unwrap_err().text, text);
        }
    }

    #[test]
    fn a_scalar_is_a_group_name_that_nobody_has() {
        for (value, text) in [
            (Value::Int(1), "BAD_NAME: 1"),
            (Value::Nil, "BAD_NAME"),
            (Value::Array(vec![]), "INCORRECT_PARAMETERS"),
        ] {
            assert_eq!(Args(&[value]).group(0).unwrap_err().text, text);
        }
    }
}
