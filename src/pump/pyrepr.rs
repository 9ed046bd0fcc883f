//! Texts as Python's `repr()` writes them, since they stand in log lines and events that people's
//! scripts read. Pure.

use std::fmt::Write;

/// `repr()` of a `bytes` object, such as `b'\xff\n'`.
pub fn bytes(data: &[u8]) -> String {
    let quote = quote_for(data.contains(&b'\''), data.contains(&b'"'));
    let mut out = format!("b{quote}");
    for &byte in data {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b if char::from(b) == quote => out.extend(['\\', quote]),
            b' '..=b'~' => out.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => _ = write!(out, "\\x{byte:02x}"),
        }
    }
    out.push(quote);
    out
}

/// `repr()` of a `str` object, such as `'web'`.
pub fn text(s: &str) -> String {
    let quote = quote_for(s.contains('\''), s.contains('"'));
    let mut out = String::from(quote);
    for c in s.chars() {
        let code = u32::from(c);
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', quote]),
            c if printable(c) => out.push(c),
            _ if code < 0x100 => _ = write!(out, "\\x{code:02x}"),
            _ if code < 0x1_0000 => _ = write!(out, "\\u{code:04x}"),
            _ => _ = write!(out, "\\U{code:08x}"),
        }
    }
    out.push(quote);
    out
}

/// Bytes as text where they are UTF-8, else `Undecodable: ` and their `repr()`, as the reference
/// shows a child's output in its debug log and in events.
pub fn decoded(data: &[u8]) -> String {
    match std::str::from_utf8(data) {
        Ok(s) => s.to_owned(),
        Err(_) => format!("Undecodable: {}", bytes(data)),
    }
}

fn quote_for(single: bool, double: bool) -> char {
    if single && !double { '"' } else { '\'' }
}

/// Near enough to Python's `str.isprintable`: the standard library's own table, except that it also
/// escapes combining marks.
fn printable(c: char) -> bool {
    c == ' '
        || c == '"'
        || c == '\''
        || !c.is_whitespace() && c.escape_debug().len() == 1
        || ('\u{300}'..='\u{36f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_look_as_in_python() {
        assert_eq!(bytes(b"\xff\n"), r"b'\xff\n'");
        assert_eq!(bytes(b"hello world\n"), r"b'hello world\n'");
        assert_eq!(bytes(b"it's"), "b\"it's\"");
        assert_eq!(bytes(b"'\""), r#"b'\'"'"#);
        assert_eq!(bytes(b"a\\b\t\r\0\x7f"), r"b'a\\b\t\r\x00\x7f'");
    }

    #[test]
    fn texts_look_as_in_python() {
        assert_eq!(text("w"), "'w'");
        assert_eq!(text("täst_öü"), "'täst_öü'");
        assert_eq!(text("it's"), "\"it's\"");
        assert_eq!(text("a'\"b\\"), r#"'a\'"b\\'"#);
        assert_eq!(
            text("\u{1}\u{a0}\u{200b}\u{10ffff}\u{301}"),
            "'\\x01\\xa0\\u200b\\U0010ffff\u{301}'"
        );
    }

    #[test]
    fn undecodable_bytes_are_shown_as_such() {
        assert_eq!(decoded("é\n".as_bytes()), "é\n");
        assert_eq!(decoded(b"\xff\n"), r"Undecodable: b'\xff\n'");
    }
}
