//! The few rules of Python's text type that the configuration language rests on.
//!
//! Pure; any thread. Only what a user can see in a file is here: white space, whole numbers and
//! the quoted form of a text.

/// White space as Python's `str.strip`, `str.split` and `\s` see it: Unicode's, and the four
/// information separators.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// The text without white space at its ends.
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// The longest number of digits Python converts; longer ones are an error there, too.
const MOST_DIGITS: usize = 4300;

/// Python's `int(text, radix)` for radix 8 and 10: white space around, a sign, single underscores
/// between digits, `0o` before octal ones. Numbers beyond `i64` are kept at its ends.
pub fn int(text: &str, radix: u32) -> Option<i64> {
    let text = strip(text);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = match radix {
        8 => match digits.strip_prefix("0o").or_else(|| digits.strip_prefix("0O")) {
            Some(rest) => rest.strip_prefix('_').unwrap_or(rest),
            None => digits,
        },
        _ => digits,
    };
    let mut value: i64 = 0;
    let mut count = 0;
    for group in digits.split('_') {
        // An empty group is an underscore at an end, or two in a row.
        if group.is_empty() {
            return None;
        }
        for c in group.chars() {
            let digit = i64::from(c.to_digit(radix)?);
            value = value.saturating_mul(i64::from(radix)).saturating_add(digit);
            count += 1;
        }
    }
    if count > MOST_DIGITS {
        return None;
    }
    Some(if negative { -value } else { value })
}

/// Python's `repr` of a text: in single quotes, unless it holds some and no double ones.
pub fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
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
            c if c == ' ' || !(c.is_control() || is_space(c)) => out.push(c),
            c => out.push_str(&escaped(c)),
        }
    }
    out.push(quote);
    out
}

/// Python's `ascii` of a text: [`repr`] with every other character escaped.
pub fn ascii(text: &str) -> String {
    repr(text).chars().map(|c| if c.is_ascii() { c.to_string() } else { escaped(c) }).collect()
}

fn escaped(c: char) -> String {
    match u32::from(c) {
        n @ 0..=0xff => format!("\\x{n:02x}"),
        n @ 0x100..=0xffff => format!("\\u{n:04x}"),
        n => format!("\\U{n:08x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_as_python_reads_them() {
        for (text, value) in [
            ("0", Some(0)),
            (" 007 ", Some(7)),
            ("+4", Some(4)),
            ("-1", Some(-1)),
            ("1_000", Some(1000)),
            ("\u{a0}5\u{2003}", Some(5)),
            ("1__0", None),
            ("_1", None),
            ("1_", None),
            ("", None),
            (" ", None),
            ("1.5", None),
            ("- 1", None),
            ("--1", None),
            ("0x10", None),
            ("1e3", None),
            ("99999999999999999999", Some(i64::MAX)),
            ("-99999999999999999999", Some(-i64::MAX)),
        ] {
            assert_eq!(int(text, 10), value, "{text:?}");
        }
        for (text, value) in [
            ("022", Some(18)),
            ("0o22", Some(18)),
            ("0O_22", Some(18)),
            ("0_22", Some(18)),
            (" 22 ", Some(18)),
            ("-1", Some(-1)),
            ("8", None),
            ("0o", None),
            ("rwx", None),
            ("", None),
        ] {
            assert_eq!(int(text, 8), value, "{text:?}");
        }
    }

    #[test]
    fn texts_are_quoted_as_python_quotes_them() {
        assert_eq!(repr("a"), "'a'");
        assert_eq!(repr("it's"), "\"it's\"");
        assert_eq!(repr("it's \"x\""), "'it\\'s \"x\"'");
        assert_eq!(repr("a\\b\n\t\u{1}é\u{a0}"), "'a\\\\b\\n\\t\\x01é\\xa0'");
        assert_eq!(ascii("é\u{2028}😀"), "'\\xe9\\u2028\\U0001f600'");
    }
}
