//! Values and faults of XML-RPC, shared by daemon and client.

/// An XML-RPC value. Struct members keep their order.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `<nil/>` (extension).
    Nil,
    /// `<boolean>`
    Bool(bool),
    /// `<int>`, `<i4>`, `<i8>`
    Int(i64),
    /// `<double>`
    Double(f64),
    /// `<string>` and untyped values
    Str(String),
    /// `<dateTime.iso8601>`, as written
    DateTime(String),
    /// `<base64>`, decoded
    Base64(Vec<u8>),
    /// `<array>`
    Array(Vec<Value>),
    /// `<struct>`
    Struct(Vec<(String, Value)>),
}

/// An XML-RPC fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {text}")]
pub struct Fault {
    /// `faultCode`
    pub code: i32,
    /// `faultString`
    pub text: String,
}

impl From<&str> for Value {
    fn from(s: &str) -> Value {
        Value::Str(s.to_owned())
    }
}
impl From<String> for Value {
    fn from(s: String) -> Value {
        Value::Str(s)
    }
}
impl From<bool> for Value {
    fn from(b: bool) -> Value {
        Value::Bool(b)
    }
}
impl From<i64> for Value {
    fn from(i: i64) -> Value {
        Value::Int(i)
    }
}
impl From<i32> for Value {
    fn from(i: i32) -> Value {
        Value::Int(i64::from(i))
    }
}

impl Value {
    /// The member of a struct.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Struct(members) => members.iter().find(|(n, _)| n == name).map(|(_, v)| v),
            _ => None,
        }
    }
    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(s) => Some(s),
            _ => None,
        }
    }
    /// The number of an int.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(i) => Some(*i),
            _ => None,
        }
    }
    /// The items of an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }
}
