//! JSON text: writing of strings, and a small reader. Pure.
//!
//! What the daemon writes is flat and documented where it is made; the reader is for supervisorctl,
//! which shows it. It takes all of RFC 8259, with a limit on depth.

use std::fmt::Write as _;

/// Objects and arrays inside each other that are read.
const DEPTH: usize = 32;

/// A value that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it was written, so that no digit is lost.
    Number(String),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object, its members in order.
    Object(Vec<(String, Json)>),
}

/// Appends a text as a JSON string, with its quotes.
pub fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' || c == '\u{7f}' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A text as a JSON string, with its quotes.
pub fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_string(&mut out, text);
    out
}

/// Reads a document. None: it is not JSON, or too deep.
pub fn parse(text: &str) -> Option<Json> {
    let mut reader = Reader { rest: text };
    let value = reader.value(DEPTH)?;
    reader.blanks();
    reader.rest.is_empty().then_some(value)
}

impl Json {
    /// A member of an object.
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.iter().find(|(n, _)| n == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number, if it is of that type.
    pub fn number<T: std::str::FromStr>(&self) -> Option<T> {
        match self {
            Json::Number(text) => text.parse().ok(),
            _ => None,
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn take(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(token)?;
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        self.blanks();
        match self.rest.chars().next()? {
            'n' => self.take("null").map(|()| Json::Null),
            't' => self.take("true").map(|()| Json::Bool(true)),
            'f' => self.take("false").map(|()| Json::Bool(false)),
            '"' => self.text().map(Json::Text),
            '[' => self.list(depth.checked_sub(1)?).map(Json::List),
            '{' => self.object(depth.checked_sub(1)?).map(Json::Object),
            _ => self.number().map(|n| Json::Number(n.to_owned())),
        }
    }

    /// What stands between two marks, with commas between.
    fn items<T>(
        &mut self,
        (open, close): (&str, &str),
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.take(open)?;
        let mut items = Vec::new();
        self.blanks();
        if self.take(close).is_some() {
            return Some(items);
        }
        loop {
            items.push(item(self)?);
            self.blanks();
            if self.take(close).is_some() {
                return Some(items);
            }
            self.take(",")?;
        }
    }

    fn list(&mut self, depth: usize) -> Option<Vec<Json>> {
        self.items(("[", "]"), |r| r.value(depth))
    }

    fn object(&mut self, depth: usize) -> Option<Vec<(String, Json)>> {
        self.items(("{", "}"), |r| {
            r.blanks();
            let name = r.text()?;
            r.blanks();
            r.take(":")?;
            Some((name, r.value(depth)?))
        })
    }

    fn digits(&self, at: usize) -> usize {
        self.rest.bytes().skip(at).take_while(u8::is_ascii_digit).count()
    }

    fn number(&mut self) -> Option<&'a str> {
        let byte = |at: usize| self.rest.as_bytes().get(at).copied();
        let mut end = usize::from(byte(0) == Some(b'-'));
        let whole = self.digits(end);
        if whole == 0 || whole > 1 && byte(end) == Some(b'0') {
            return None;
        }
        end += whole;
        if byte(end) == Some(b'.') {
            let digits = self.digits(end + 1);
            end += 1 + (digits > 0).then_some(digits)?;
        }
        if matches!(byte(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(byte(end + 1), Some(b'+' | b'-')));
            let digits = self.digits(end + 1 + sign);
            end += 1 + sign + (digits > 0).then_some(digits)?;
        }
        let (number, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(number)
    }

    fn text(&mut self) -> Option<String> {
        self.take("\"")?;
        let mut out = String::new();
        loop {
            let plain = self.rest.find(|c| matches!(c, '"' | '\\') || c < ' ')?;
            let (before, rest) = self.rest.split_at_checked(plain)?;
            out.push_str(before);
            self.rest = rest;
            if self.take("\"").is_some() {
                return Some(out);
            }
            self.take("\\")?;
            out.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        Some(match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.code_point(),
            _ => return None,
        })
    }

    /// After `\u`: a character, or the first half of a pair that must go on. Half a pair becomes
    /// U+FFFD.
    fn code_point(&mut self) -> Option<char> {
        let first = self.four_digits()?;
        if let Some(c) = char::from_u32(first) {
            return Some(c);
        }
        let after = self.rest;
        if first < 0xdc00 && self.take("\\u").is_some() {
            let second = self.four_digits()?;
            if (0xdc00..0xe000).contains(&second) {
                return char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
            }
            self.rest = after;
        }
        Some(char::REPLACEMENT_CHARACTER)
    }

    fn four_digits(&mut self) -> Option<u32> {
        let (digits, rest) = self.rest.split_at_checked(4)?;
        self.rest = rest;
        // from_str_radix would take a sign.
        digits
            .bytes()
            .all(|b| b.is_ascii_hexdigit())
            .then(|| u32::from_str_radix(digits, 16).ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_of_all_kinds_are_read() {
        let text =
            r#" {"a": [1, -2.5e+3, true, null], "b": {"c": "x\"\u00e9\ud83d\ude00\n"}, "d": []} "#;
        let read = parse(text).unwrap();
        let a = read.get("a").unwrap();
        let number = |n: &str| Json::Number(n.into());
        assert_eq!(
            *a,
            Json::List(vec![number("1"), number("-2.5e+3"), Json::Bool(true), Json::Null])
        );
        let c = read.get("b").and_then(|b| b.get("c")).unwrap();
        assert_eq!(c.as_str(), Some("x\"\u{e9}\u{1f600}\n"));
        assert_eq!(read.get("d"), Some(&Json::List(Vec::new())));
        assert_eq!(number("42").number::<u64>(), Some(42));
        assert_eq!(read.get("nope"), None);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for bad in [
            "",
            "{",
            "[1,]",
            "{\"a\"}",
            "{a:1}",
            "01",
            "1.",
            "-",
            "+1",
            "1e",
            "\"a",
            "\"\n\"",
            "nul",
            "1 2",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u+123\"",
            "{\"a\":1,}",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
        assert_eq!(parse(&"[".repeat(10_000)), None);
    }

    #[test]
    fn half_a_pair_is_replaced() {
        assert_eq!(parse(r#""\ud800x""#), Some(Json::Text("\u{fffd}x".into())));
        assert_eq!(parse(r#""\ud800\u0041""#), Some(Json::Text("\u{fffd}A".into())));
        assert_eq!(parse(r#""\udc00""#), Some(Json::Text("\u{fffd}".into())));
    }

    proptest! {
        #[test]
        fn strings_come_back_as_they_were(text in any::<String>()) {
            let written = string(&text);
            prop_assert!(!written.contains('\n'));
            prop_assert_eq!(parse(&written), Some(Json::Text(text)));
        }

        #[test]
        fn nothing_makes_the_reader_panic(text in "[\\[\\]{}\",:0-9eE+.truefalsn\\\\ud é-]{0,40}") {
            let _ = parse(&text);
        }
    }
}
