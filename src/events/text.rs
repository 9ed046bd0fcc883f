//! Bytes of processes as text for events and log lines, the way Python spells them.
//!
//! Pure; any thread.

use std::borrow::Cow;
use std::fmt::Write;

/// The bytes as text; where they are no UTF-8, `Undecodable: ` and Python's `repr` of them, which is
/// what the reference puts into payloads and warnings.
pub fn readable(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(format!("Undecodable: {}", python_bytes(bytes))),
    }
}

/// `repr` of a Python bytes object, such as `b'\xff\n'`. Double quotes stand around it only when it
/// has single ones in it and no double ones.
pub fn python_bytes(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut out = String::with_capacity(bytes.len() + 3);
    out.push('b');
    out.push(quote);
    for &byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\'' if quote == '\'' => out.push_str("\\'"),
            b' '..=b'~' => out.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(out, "\\x{byte:02x}")),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_as_it_is() {
        assert_eq!(readable("ok ü\n".as_bytes()), "ok ü\n");
        assert_eq!(readable(b""), "");
    }

    #[test]
    fn other_bytes_are_spelled_as_python_does() {
        assert_eq!(readable(b"\xff\xfe\n"), "Undecodable: b'\\xff\\xfe\\n'");
        // A surrogate in UTF-8 is refused by both.
        assert_eq!(readable(b"\xed\xa0\x80"), "Undecodable: b'\\xed\\xa0\\x80'");
        assert_eq!(python_bytes(b"a'b\xff"), "b\"a'b\\xff\"");
        assert_eq!(python_bytes(b"a'\"b"), "b'a\\'\"b'");
        assert_eq!(python_bytes(b"\"\t\r\n\\\0\x1b\x7f~ "), "b'\"\\t\\r\\n\\\\\\x00\\x1b\\x7f~ '");
    }
}
