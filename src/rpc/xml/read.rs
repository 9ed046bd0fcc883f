//! Reading documents: a pull reader and a stack of open elements, no recursion.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quick_xml::Reader;
use quick_xml::events::{BytesRef, Event};

use super::{MAX_CALL, MAX_DEPTH, MAX_RESPONSE, XmlError, allowed};
use crate::rpc::value::{Fault, Value};

/// Reads a request: method name and parameters.
///
/// # Errors
/// Anything that is no call; [`XmlError::NoMethod`] when it is one but names no method.
pub fn decode_call(document: &[u8]) -> Result<(String, Vec<Value>), XmlError> {
    let text = text_of(document, MAX_CALL)?;
    if !text.chars().all(allowed) {
        return Err(XmlError::Character);
    }
    match read(&text)? {
        Open::Call { method, params } => match method {
            Some(m) if !m.is_empty() => Ok((m, params.unwrap_or_default())),
            _ => Err(XmlError::NoMethod),
        },
        _ => Err(XmlError::Misplaced("methodResponse".into())),
    }
}

/// Reads a response: a result or a fault. Characters that XML forbids are let through, since the
/// reference's daemon sends them.
///
/// # Errors
/// Anything that is no response.
pub fn decode_response(document: &[u8]) -> Result<Result<Value, Fault>, XmlError> {
    let text = text_of(document, MAX_RESPONSE)?;
    match read(&text)? {
        Open::Response(Some(Answer::Result(value))) => Ok(Ok(value)),
        Open::Response(Some(Answer::Fault(value))) => fault_of(&value).map(Err),
        Open::Response(None) => Err(XmlError::Missing("methodResponse")),
        _ => Err(XmlError::Misplaced("methodCall".into())),
    }
}

fn fault_of(value: &Value) -> Result<Fault, XmlError> {
    let code = value.get("faultCode").and_then(Value::as_int);
    let text = value.get("faultString").and_then(Value::as_str);
    match (code.and_then(|c| i32::try_from(c).ok()), text) {
        (Some(code), Some(text)) => Ok(Fault { code, text: text.to_owned() }),
        _ => Err(XmlError::Missing("fault")),
    }
}

/// The document as text. UTF-8 is taken whatever the prolog says, as the reference does; Latin-1
/// where the prolog says so and the bytes are no UTF-8.
fn text_of(document: &[u8], most: usize) -> Result<Cow<'_, str>, XmlError> {
    if document.len() > most {
        return Err(XmlError::TooLarge(most));
    }
    let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
    if let Ok(text) = std::str::from_utf8(document) {
        return Ok(Cow::Borrowed(text));
    }
    if declares_latin1(document) {
        return Ok(Cow::Owned(document.iter().map(|b| char::from(*b)).collect()));
    }
    Err(XmlError::Encoding)
}

fn declares_latin1(document: &[u8]) -> bool {
    let head = document.strip_prefix(b"<?xml").and_then(|rest| rest.get(..rest.len().min(200)));
    let Some(head) = head else { return false };
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let Some((head, _)) = head.split_once("?>") else { return false };
    let Some((_, value)) = head.split_once("encoding") else { return false };
    let value = value.trim_start().strip_prefix('=').unwrap_or(value).trim_start();
    let name = value.trim_start_matches(['"', '\'']).split(['"', '\'']).next();
    matches!(name, Some("iso-8859-1" | "latin-1" | "latin1" | "iso_8859-1" | "l1"))
}

/// An open element and what it holds so far.
enum Open {
    Call { method: Option<String>, params: Option<Vec<Value>> },
    Response(Option<Answer>),
    MethodName,
    Params(Vec<Value>),
    Param(Option<Value>),
    Fault(Option<Value>),
    Value(Option<Value>),
    Scalar(Scalar),
    Array(Option<Vec<Value>>),
    Data(Vec<Value>),
    Struct(Vec<(String, Value)>),
    Member { name: Option<String>, value: Option<Value> },
    Name,
}

enum Answer {
    Result(Value),
    Fault(Value),
}

#[derive(Clone, Copy)]
enum Scalar {
    Int,
    Bool,
    Double,
    Str,
    DateTime,
    Base64,
    Nil,
}

/// Reads a whole document; gives its root, which is a `Call` or a `Response`.
fn read(document: &str) -> Result<Open, XmlError> {
    let mut reader = Reader::from_str(document);
    reader.config_mut().expand_empty_elements = true;
    let mut state = State { stack: Vec::new(), text: String::new(), depth: 0, root: None };
    loop {
        match reader.read_event().map_err(|e| XmlError::Syntax(short(&e.to_string())))? {
            Event::Start(tag) => state.start(tag.name().as_ref(), tag.local_name().as_ref())?,
            Event::End(_) => state.end()?,
            Event::Text(t) => state.text(&t.xml10_content())?,
            Event::CData(t) => state.text(&t.xml10_content())?,
            Event::GeneralRef(r) => {
                let c = reference(&r)?;
                state.text(c.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err(XmlError::Doctype),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::Empty(_) => {}
            Event::Eof => break,
        }
    }
    state.root.ok_or(XmlError::Incomplete)
}

fn reference(r: &BytesRef<'_>) -> Result<char, XmlError> {
    let bad = || XmlError::Entity(short(r));
    match r.as_ref() {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => match r.resolve_char_ref() {
            Ok(Some(c)) if allowed(c) => Ok(c),
            _ => Err(bad()),
        },
    }
}

struct State {
    stack: Vec<Open>,
    /// Text since the last opening tag: only elements without children have any that counts.
    text: String,
    /// Open `value` elements.
    depth: usize,
    root: Option<Open>,
}

impl State {
    fn start(&mut self, name: &str, local: &str) -> Result<(), XmlError> {
        self.text.clear();
        let misplaced = || XmlError::Misplaced(short(name));
        let open = match (self.stack.last(), name) {
            (None, _) if self.root.is_some() => return Err(misplaced()),
            (None, "methodCall") => Open::Call { method: None, params: None },
            (None, "methodResponse") => Open::Response(None),
            (Some(Open::Call { method: None, .. }), "methodName") => Open::MethodName,
            (Some(Open::Call { params: None, .. }), "params") => Open::Params(Vec::new()),
            (Some(Open::Response(None)), "params") => Open::Params(Vec::new()),
            (Some(Open::Response(None)), "fault") => Open::Fault(None),
            (Some(Open::Params(_)), "param") => Open::Param(None),
            // the reference takes values right inside `params`, too
            (Some(Open::Params(_) | Open::Data(_)), "value")
            | (Some(Open::Param(None) | Open::Fault(None)), "value")
            | (Some(Open::Member { value: None, .. }), "value") => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(XmlError::TooDeep);
                }
                Open::Value(None)
            }
            (Some(Open::Array(None)), "data") => Open::Data(Vec::new()),
            (Some(Open::Struct(_)), "member") => Open::Member { name: None, value: None },
            (Some(Open::Member { name: None, .. }), "name") => Open::Name,
            (Some(Open::Value(None)), _) => kind(local).ok_or_else(misplaced)?,
            _ => return Err(misplaced()),
        };
        self.stack.push(open);
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        match self.stack.last() {
            Some(Open::MethodName | Open::Name | Open::Scalar(_) | Open::Value(None)) => {
                self.text.push_str(text)
            }
            // the reference ignores text between elements
            Some(_) => {}
            None if text.trim_ascii().is_empty() => {}
            None => return Err(XmlError::Syntax("text outside of the root element".into())),
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), XmlError> {
        let Some(open) = self.stack.pop() else { return Err(XmlError::Incomplete) };
        let text = std::mem::take(&mut self.text);
        match open {
            Open::Call { .. } | Open::Response(_) => self.root = Some(open),
            Open::MethodName => {
                if let Some(Open::Call { method, .. }) = self.stack.last_mut() {
                    *method = Some(text);
                }
            }
            Open::Params(values) => self.end_params(values)?,
            Open::Param(value) => {
                let value = value.ok_or(XmlError::Missing("param"))?;
                if let Some(Open::Params(values)) = self.stack.last_mut() {
                    values.push(value);
                }
            }
            Open::Fault(value) => {
                let value = value.ok_or(XmlError::Missing("fault"))?;
                if let Some(Open::Response(answer)) = self.stack.last_mut() {
                    *answer = Some(Answer::Fault(value));
                }
            }
            Open::Value(value) => {
                self.depth -= 1;
                self.end_value(value.unwrap_or(Value::Str(text)));
            }
            Open::Scalar(kind) => self.fill(scalar(kind, text)?),
            Open::Array(items) => {
                let items = items.ok_or(XmlError::Missing("array"))?;
                self.fill(Value::Array(items));
            }
            Open::Data(items) => {
                if let Some(Open::Array(slot)) = self.stack.last_mut() {
                    *slot = Some(items);
                }
            }
            Open::Struct(members) => self.fill(Value::Struct(last_of_each(members))),
            Open::Member { name, value } => {
                let name = name.ok_or(XmlError::Missing("member"))?;
                let value = value.ok_or(XmlError::Missing("member"))?;
                if let Some(Open::Struct(members)) = self.stack.last_mut() {
                    members.push((name, value));
                }
            }
            Open::Name => {
                if let Some(Open::Member { name, .. }) = self.stack.last_mut() {
                    *name = Some(text);
                }
            }
        }
        Ok(())
    }

    fn end_params(&mut self, mut values: Vec<Value>) -> Result<(), XmlError> {
        match self.stack.last_mut() {
            Some(Open::Call { params, .. }) => *params = Some(values),
            Some(Open::Response(answer)) => {
                if values.len() != 1 {
                    return Err(XmlError::Missing("params"));
                }
                *answer = values.pop().map(Answer::Result);
            }
            _ => {}
        }
        Ok(())
    }

    /// Gives a finished `value` element to the element around it.
    fn end_value(&mut self, new: Value) {
        match self.stack.last_mut() {
            Some(Open::Params(values) | Open::Data(values)) => values.push(new),
            Some(Open::Param(slot) | Open::Fault(slot)) => *slot = Some(new),
            Some(Open::Member { value, .. }) => *value = Some(new),
            _ => {}
        }
    }

    /// Gives the content of a `value` element to it.
    fn fill(&mut self, new: Value) {
        if let Some(Open::Value(slot)) = self.stack.last_mut() {
            *slot = Some(new);
        }
    }
}

/// The element that a type's tag opens; none for tags that have another place. A tag that nobody
/// knows counts as string, as in the reference.
fn kind(local: &str) -> Option<Open> {
    Some(match local {
        "int" | "i4" | "i8" | "i2" | "i1" => Open::Scalar(Scalar::Int),
        "boolean" => Open::Scalar(Scalar::Bool),
        "double" | "float" => Open::Scalar(Scalar::Double),
        "dateTime.iso8601" => Open::Scalar(Scalar::DateTime),
        "base64" => Open::Scalar(Scalar::Base64),
        "nil" => Open::Scalar(Scalar::Nil),
        "array" => Open::Array(None),
        "struct" => Open::Struct(Vec::new()),
        "value" | "data" | "member" | "name" | "param" | "params" | "methodName" => return None,
        _ => Open::Scalar(Scalar::Str),
    })
}

fn scalar(kind: Scalar, text: String) -> Result<Value, XmlError> {
    let bad = |kind, text: &str| XmlError::BadValue { kind, text: short(text) };
    Ok(match kind {
        Scalar::Int => Value::Int(int(&text).ok_or_else(|| bad("int", &text))?),
        // the reference: whatever is not 1 is false
        Scalar::Bool => Value::Bool(text.trim_ascii() == "1"),
        Scalar::Double => {
            Value::Double(text.trim_ascii().parse().map_err(|_| bad("double", &text))?)
        }
        Scalar::Str => Value::Str(text),
        Scalar::DateTime => Value::DateTime(text),
        Scalar::Base64 => {
            let packed: String = text.split_ascii_whitespace().collect();
            Value::Base64(STANDARD.decode(packed).map_err(|_| bad("base64", &text))?)
        }
        Scalar::Nil => Value::Nil,
    })
}

/// As Python's `int()`: blanks around, a sign, leading zeros and single underscores between digits
/// are fine. What 64 bits cannot hold becomes the nearest that they can.
fn int(text: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let fine = digits.split('_').all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    fine.then(|| {
        digits.bytes().filter(u8::is_ascii_digit).fold(0i64, |n, b| {
            let digit = i64::from(b - b'0');
            let n = n.saturating_mul(10);
            if negative { n.saturating_sub(digit) } else { n.saturating_add(digit) }
        })
    })
}

/// Of members with the same name the last one counts, as in a Python dict.
fn last_of_each(members: Vec<(String, Value)>) -> Vec<(String, Value)> {
    let last: HashMap<&str, usize> =
        members.iter().enumerate().map(|(i, (name, _))| (name.as_str(), i)).collect();
    if last.len() == members.len() {
        return members;
    }
    let keep: Vec<bool> = members
        .iter()
        .enumerate()
        .map(|(i, (name, _))| last.get(name.as_str()) == Some(&i))
        .collect();
    members.into_iter().zip(keep).filter_map(|(m, keep)| keep.then_some(m)).collect()
}

/// The beginning of a text, for messages.
fn short(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}
