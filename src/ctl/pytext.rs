//! Spellings of Python that clients of the reference see: `repr` of texts and bytes, `int()`. Pure.

use std::fmt::Write as _;

/// A text as Python's `repr` shows it (`'it'`, `"it's"`).
pub fn repr(text: &str) -> String {
    let quote = quote_for(text.contains('\''), text.contains('"'));
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// Bytes as Python's `repr` shows them (`b'\xff\n'`).
pub fn repr_bytes(bytes: &[u8]) -> String {
    let quote = quote_for(bytes.contains(&b'\''), bytes.contains(&b'"'));
    let mut out = String::with_capacity(bytes.len() + 3);
    out.push('b');
    out.push(quote);
    for &b in bytes {
        match b {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b if char::from(b) == quote => {
                out.push('\\');
                out.push(quote);
            }
            0x20..=0x7e => out.push(char::from(b)),
            _ => {
                let _ = write!(out, "\\x{b:02x}");
            }
        }
    }
    out.push(quote);
    out
}

/// Double quotes only where that saves escaping single ones.
fn quote_for(single: bool, double: bool) -> char {
    if single && !double { '"' } else { '\'' }
}

/// A whole number as Python's `int()` reads it: sign, blanks around, `_` between digits.
pub fn int(text: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let grouped = digits.split('_').all(|part| !part.is_empty());
    if !grouped || !digits.chars().all(|c| c.is_ascii_digit() || c == '_') {
        return None;
    }
    let digits: String = digits.chars().filter(|c| *c != '_').collect();
    // Beyond 64 bits Python goes on; nothing that large can be sent, so the limit serves as well.
    let value = digits.parse::<i64>().unwrap_or(i64::MAX);
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_python_does() {
        assert_eq!(repr("nope"), "'nope'");
        assert_eq!(repr("it's"), "\"it's\"");
        assert_eq!(repr("a'b\"c"), "'a\\'b\"c'");
        assert_eq!(repr("a\\\n\x1bé"), "'a\\\\\\n\\x1bé'");
    }

    #[test]
    fn bytes_are_quoted_as_python_does() {
        assert_eq!(repr_bytes(b"\xff\n"), "b'\\xff\\n'");
        assert_eq!(repr_bytes(b"it's"), "b\"it's\"");
    }

    #[test]
    fn numbers_are_read_as_python_does() {
        assert_eq!(int("25"), Some(25));
        assert_eq!(int(" +4 "), Some(4));
        assert_eq!(int("-1_000"), Some(-1000));
        for bad in ["", "x", "1_", "_1", "1__0", "1.5", "--1", "+-1", "- 1"] {
            assert_eq!(int(bad), None, "{bad}");
        }
    }
}
