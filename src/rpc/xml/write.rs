//! Writing documents, by hand into a `String`: nothing can fail, and the layout is Python's.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::allowed;
use crate::rpc::members::{Member, Members};
use crate::rpc::value::{Fault, Value};

const PROLOG: &str = "<?xml version='1.0'?>\n";
const RESULT: &str = "<methodResponse>\n<params>\n<param>\n";
const END_OF_RESULT: &str = "</param>\n</params>\n</methodResponse>\n";

/// A call of `method`.
pub fn encode_call(method: &str, params: &[Value]) -> String {
    let mut out = String::with_capacity(256);
    out.push_str(PROLOG);
    out.push_str("<methodCall>\n<methodName>");
    push_text(&mut out, method);
    out.push_str("</methodName>\n<params>\n");
    for p in params {
        out.push_str("<param>\n");
        push_value(&mut out, p);
        out.push_str("</param>\n");
    }
    out.push_str("</params>\n</methodCall>\n");
    out
}

/// The response that carries a result.
pub fn encode_response(result: &Value) -> String {
    // A log of many megabytes is not to be copied again and again while the document grows.
    let long = match result {
        Value::Str(s) => s.len(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::len).sum(),
        _ => 0,
    };
    let mut out = String::with_capacity(512 + long + long / 64);
    out.push_str(PROLOG);
    out.push_str(RESULT);
    push_value(&mut out, result);
    out.push_str(END_OF_RESULT);
    out
}

/// The response whose result is an array with a struct for each of `items`, without a [`Value`] in
/// between. `room` is about how many bytes a struct takes.
pub fn encode_structs<T>(
    items: impl ExactSizeIterator<Item = T>,
    room: usize,
    tell: impl Fn(T, &mut StructText<'_>),
) -> String {
    let mut out = String::with_capacity(items.len().saturating_mul(room).saturating_add(256));
    out.push_str(PROLOG);
    out.push_str(RESULT);
    out.push_str("<value><array><data>\n");
    for item in items {
        out.push_str("<value><struct>\n");
        tell(item, &mut StructText(&mut out));
        out.push_str("</struct></value>\n");
    }
    out.push_str("</data></array></value>\n");
    out.push_str(END_OF_RESULT);
    out
}

/// Writes the members of a struct into a document.
pub struct StructText<'a>(&'a mut String);

impl Members for StructText<'_> {
    fn text(&mut self, member: Member, value: &str) {
        self.0.push_str(member.text);
        push_text(self.0, value);
        self.0.push_str("</string></value>\n</member>\n");
    }
    fn int(&mut self, member: Member, value: i32) {
        self.0.push_str(member.int);
        push_number(self.0, value.into());
        self.0.push_str("</int></value>\n</member>\n");
    }
}

/// The response that carries a fault.
pub fn encode_fault(fault: &Fault) -> String {
    let mut out = String::with_capacity(320);
    out.push_str(PROLOG);
    out.push_str("<methodResponse>\n<fault>\n<value><struct>\n");
    push_member(&mut out, "faultCode", &Value::from(fault.code));
    push_member(&mut out, "faultString", &Value::from(fault.text.as_str()));
    out.push_str("</struct></value>\n</fault>\n</methodResponse>\n");
    out
}

/// Recursion is bounded by the value's own depth: values come from ourselves or from the reader,
/// which caps it.
fn push_value(out: &mut String, value: &Value) {
    out.push_str("<value>");
    match value {
        Value::Nil => out.push_str("<nil/>"),
        Value::Bool(b) => tagged(out, "boolean", if *b { "1" } else { "0" }),
        // `int` is 32 bits by the specification; Python would refuse to write what is larger
        Value::Int(i) if i32::try_from(*i).is_ok() => {
            out.push_str("<int>");
            push_number(out, *i);
            out.push_str("</int>");
        }
        Value::Int(i) => tagged(out, "i8", &i.to_string()),
        Value::Double(d) => {
            // writing to a String cannot fail
            let _ = write!(out, "<double>{d:?}</double>");
        }
        Value::Str(s) => tagged(out, "string", s),
        Value::DateTime(s) => tagged(out, "dateTime.iso8601", s),
        Value::Base64(bytes) => push_base64(out, bytes),
        Value::Array(items) => {
            out.push_str("<array><data>\n");
            items.iter().for_each(|v| push_value(out, v));
            out.push_str("</data></array>");
        }
        Value::Struct(members) => {
            out.push_str("<struct>\n");
            members.iter().for_each(|(n, v)| push_member(out, n, v));
            out.push_str("</struct>");
        }
    }
    out.push_str("</value>\n");
}

fn push_member(out: &mut String, name: &str, value: &Value) {
    out.push_str("<member>\n");
    tagged(out, "name", name);
    out.push('\n');
    push_value(out, value);
    out.push_str("</member>\n");
}

fn tagged(out: &mut String, tag: &str, text: &str) {
    out.push('<');
    out.push_str(tag);
    out.push('>');
    push_text(out, text);
    out.push_str("</");
    out.push_str(tag);
    out.push('>');
}

/// Lines of 76 characters, each ended by a newline, as Python's `encodebytes` makes them.
fn push_base64(out: &mut String, bytes: &[u8]) {
    out.push_str("<base64>\n");
    for line in bytes.chunks(57) {
        STANDARD.encode_string(line, out);
        out.push('\n');
    }
    out.push_str("</base64>");
}

/// Decimal digits, without the machinery of format strings: an answer for a thousand processes has
/// eight thousand numbers.
pub(in crate::rpc) fn push_number(out: &mut String, number: i64) {
    // 19 digits are the most that 64 bits make; the text is ASCII
    let mut digits = [b'0'; 20];
    let mut rest = number.unsigned_abs();
    let mut at = digits.len();
    for place in digits.iter_mut().rev() {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
        at -= 1;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push('-');
    }
    out.push_str(std::str::from_utf8(digits.get(at..).unwrap_or_default()).unwrap_or_default());
}

/// Escapes what Python escapes, and replaces what no XML 1.0 document may hold (programs log
/// escape sequences and NULs; the reference sends them raw and so breaks its clients' parsers).
fn push_text(out: &mut String, text: &str) {
    let plain = |b: u8| matches!(b, b' '..=b'~') & !matches!(b, b'&' | b'<' | b'>');
    // Nearly every text is so; no shortcut in the loop, so that it looks at many bytes at a time.
    if text.bytes().fold(true, |so_far, b| so_far & plain(b)) {
        return out.push_str(text);
    }
    let mut done = 0;
    for (at, c) in text.char_indices() {
        let put = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            c if allowed(c) => continue,
            _ => "\u{FFFD}",
        };
        out.push_str(&text[done..at]);
        out.push_str(put);
        done = at + c.len_utf8();
    }
    out.push_str(&text[done..]);
}
