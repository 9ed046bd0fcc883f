//! File name patterns by Python's `glob` and `fnmatch`: `*` and `?` leave out hidden files, `[...]`
//! and `[!...]`, no `**`, no `{}`, no escapes.
//!
//! Any thread; lists folders. The crate `glob` differs: it takes `**` as "any depth" and refuses
//! patterns such as `a**b` or an unclosed `[`, which the reference accepts.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;

/// Whether the text has any special character.
fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// All existing files and folders that match an absolute pattern, sorted by name.
pub fn matching(pattern: &str) -> Vec<OsString> {
    let mut found = search(pattern, false);
    found.sort();
    found
}

fn search(pattern: &str, only_folders: bool) -> Vec<OsString> {
    let (head, base) = split(pattern);
    if !is_pattern(pattern) {
        let there = match base {
            "" => Path::new(head).is_dir(),
            _ => Path::new(pattern).symlink_metadata().is_ok(),
        };
        return if there { vec![OsString::from(pattern)] } else { Vec::new() };
    }
    let folders = match head != pattern && is_pattern(head) {
        true => search(head, true),
        false => vec![OsString::from(head)],
    };
    let mut found = Vec::new();
    for folder in folders {
        for name in names_in(&folder, base, only_folders) {
            found.push(join(&folder, &name));
        }
    }
    found
}

/// Names in a folder that match the last part of a pattern.
fn names_in(folder: &OsStr, base: &str, only_folders: bool) -> Vec<OsString> {
    if base.is_empty() {
        return if Path::new(folder).is_dir() { vec![OsString::new()] } else { Vec::new() };
    }
    if !is_pattern(base) {
        let there = Path::new(&join(folder, OsStr::new(base))).symlink_metadata().is_ok();
        return if there { vec![OsString::from(base)] } else { Vec::new() };
    }
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let tokens = tokens(base);
    entries
        .filter_map(Result::ok)
        .filter(|e| !only_folders || e.path().is_dir())
        .map(|e| e.file_name())
        .filter(|name| {
            let name = name.to_string_lossy();
            (base.starts_with('.') || !name.starts_with('.')) && fits(&tokens, &name)
        })
        .collect()
}

/// Whether a name fits the last part of a pattern, hidden files aside.
pub(super) fn takes(pattern: &str, name: &str) -> bool {
    fits(&tokens(pattern), name)
}

/// Everything before the last slash, and what follows it.
fn split(path: &str) -> (&str, &str) {
    match path.rfind('/') {
        None => ("", path),
        Some(i) => {
            let head = &path[..=i];
            let bare = head.trim_end_matches('/');
            (if bare.is_empty() { head } else { bare }, &path[i + 1..])
        }
    }
}

fn join(folder: &OsStr, name: &OsStr) -> OsString {
    let mut whole = folder.to_owned();
    if !folder.to_string_lossy().ends_with('/') {
        whole.push("/");
    }
    whole.push(name);
    whole
}

/// One piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Any,
    Many,
    One(char),
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Token::Any | Token::Many => true,
            Token::One(own) => *own == c,
            Token::Class { negated, ranges } => {
                ranges.iter().any(|(a, b)| (*a..=*b).contains(&c)) != *negated
            }
        }
    }
}

fn tokens(pattern: &str) -> Vec<Token> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut found = Vec::new();
    let mut rest = chars.as_slice();
    while let Some((c, after)) = rest.split_first() {
        rest = after;
        found.push(match c {
            '*' => Token::Many,
            '?' => Token::Any,
            '[' => match class(after) {
                Some((token, after)) => {
                    rest = after;
                    token
                }
                None => Token::One('['),
            },
            c => Token::One(*c),
        });
    }
    found
}

/// A class, its opening bracket already behind; none if it is not closed.
fn class(text: &[char]) -> Option<(Token, &[char])> {
    let negated = text.first() == Some(&'!');
    let body = if negated { &text[1..] } else { text };
    // A bracket in the first place belongs to the class.
    let end = 1 + body.get(1..)?.iter().position(|c| *c == ']')?;
    Some((Token::Class { negated, ranges: ranges(&body[..end]) }, &body[end + 1..]))
}

/// What a class holds. A dash makes a range unless it stands first, last, or within two characters
/// after another range; a range that runs backwards holds nothing.
fn ranges(body: &[char]) -> Vec<(char, char)> {
    let mut found = Vec::new();
    let mut single = vec![true; body.len()];
    let mut from = 1;
    while let Some(dash) = (from..body.len()).find(|i| body[*i] == '-') {
        if dash + 1 < body.len() {
            let (low, high) = (body[dash - 1], body[dash + 1]);
            if low <= high {
                found.push((low, high));
            }
            single[dash - 1..=dash + 1].fill(false);
        }
        from = dash + 3;
    }
    found.extend(body.iter().zip(single).filter(|(_, s)| *s).map(|(c, _)| (*c, *c)));
    found
}

/// Whether a name fits, by going back to the last `*` only.
fn fits(tokens: &[Token], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut t, mut n) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while n < name.len() {
        match tokens.get(t) {
            Some(Token::Many) => {
                back = Some((t + 1, n));
                t += 1;
            }
            Some(token) if token.takes(name[n]) => {
                t += 1;
                n += 1;
            }
            _ => match back {
                None => return false,
                Some((star, taken)) => {
                    back = Some((star, taken + 1));
                    (t, n) = (star, taken + 1);
                }
            },
        }
    }
    tokens.get(t..).is_some_and(|rest| rest.iter().all(|token| *token == Token::Many))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from Python 3.11's `fnmatch.fnmatchcase`.
    #[test]
    fn names_fit_as_in_python() {
        for (pattern, name, fit) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf~", false),
            ("a**b", "axxb", true),
            ("?", "é", true),
            ("[abc]", "b", true),
            ("[!abc]", "b", false),
            ("[!abc]", "d", true),
            ("[a-c]x", "bx", true),
            ("[c-a]", "b", false),
            ("[!c-a]", "b", true),
            ("[]]", "]", true),
            ("[!]]", "]", false),
            ("[", "[", true),
            ("[a", "[a", true),
            ("[!", "[!", true),
            ("[]", "[]", true),
            ("[a-]", "-", true),
            ("[-a]", "-", true),
            ("[a-c-e]", "-", true),
            ("[a-c-e]", "d", false),
            ("[^a]", "^", true),
            ("[^a]", "b", false),
            ("[--0]", ".", true),
            ("[\\]", "\\", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(fits(&tokens(pattern), name), fit, "{pattern:?} {name:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_pattern_is_too_odd(pattern in "[-\\[\\]!*?ab^]{0,12}", name in "[-\\]!ab^]{0,8}") {
            fits(&tokens(&pattern), &name);
        }
    }
}
