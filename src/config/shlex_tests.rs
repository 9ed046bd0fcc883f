//! Recorded results of CPython 3.11.7, and properties.

use super::*;
use ShlexError::*;

/// `shlex.split(text)`.
#[rustfmt::skip]
const SPLIT: &[(&str, Result<&[&str], ShlexError>)] = &[
    ("", Ok(&[])),
    ("  ", Ok(&[])),
    ("a b", Ok(&["a", "b"])),
    ("a  b\t\n c", Ok(&["a", "b", "c"])),
    ("'a b' c", Ok(&["a b", "c"])),
    ("\"a b\"c", Ok(&["a bc"])),
    ("a\"b\"'c'", Ok(&["abc"])),
    ("\"\"", Ok(&[""])),
    ("''", Ok(&[""])),
    ("\"\" ''", Ok(&["", ""])),
    ("a\\ b", Ok(&["a b"])),
    ("\\\"x\\\"", Ok(&["\"x\""])),
    ("\"a\\\"b\"", Ok(&["a\"b"])),
    ("\"a\\b\"", Ok(&["a\\b"])),
    ("\"a\\\\b\"", Ok(&["a\\b"])),
    ("'a\\'", Ok(&["a\\"])),
    ("'a", Err(NoClosingQuotation)),
    ("\"a", Err(NoClosingQuotation)),
    ("a\\", Err(NoEscapedCharacter)),
    ("\"a\\", Err(NoEscapedCharacter)),
    ("#x y", Ok(&["#x", "y"])),
    ("a#b", Ok(&["a#b"])),
    ("\u{e9} \u{fc}", Ok(&["\u{e9}", "\u{fc}"])),
    ("a;b|c&d", Ok(&["a;b|c&d"])),
    ("sh -c \"exec x; y\"", Ok(&["sh", "-c", "exec x; y"])),
    ("a\"\"b", Ok(&["ab"])),
    ("\"a\\$b\"", Ok(&["a\\$b"])),
    ("\\\n", Ok(&["\n"])),
    ("a\\\nb", Ok(&["a\nb"])),
    ("\u{a0}x", Ok(&["\u{a0}x"])),
    ("a\rb", Ok(&["a", "b"])),
    ("\"a\nb\"", Ok(&["a\nb"])),
];

/// `list(shlex.shlex(text))` with `/.+-():` added to its word characters.
#[rustfmt::skip]
const TOKENS: &[(&str, Result<&[&str], ShlexError>)] = &[
    ("", Ok(&[])),
    ("A=\"1\",B=\"2\"", Ok(&["A", "=", "\"1\"", ",", "B", "=", "\"2\""])),
    ("A='x y',B=\"p,q\"", Ok(&["A", "=", "'x y'", ",", "B", "=", "\"p,q\""])),
    ("A=1,B=2", Ok(&["A", "=", "1", ",", "B", "=", "2"])),
    ("A=/a/b.c-d:e+f,B=(x)", Ok(&["A", "=", "/a/b.c-d:e+f", ",", "B", "=", "(x)"])),
    ("A=\"a=b\",B=\"\"", Ok(&["A", "=", "\"a=b\"", ",", "B", "=", "\"\""])),
    ("A=\"1\",B=\"2\",", Ok(&["A", "=", "\"1\"", ",", "B", "=", "\"2\"", ","])),
    ("A = \"1\" , B = \"2\"", Ok(&["A", "=", "\"1\"", ",", "B", "=", "\"2\""])),
    ("A=\"it's\",B='say \"hi\"'", Ok(&["A", "=", "\"it's\"", ",", "B", "=", "'say \"hi\"'"])),
    ("A=\"a;b\",B=\"c#d\"", Ok(&["A", "=", "\"a;b\"", ",", "B", "=", "\"c#d\""])),
    ("A", Ok(&["A"])),
    ("A=", Ok(&["A", "="])),
    ("A=1,B", Ok(&["A", "=", "1", ",", "B"])),
    ("A=\"x", Err(NoClosingQuotation)),
    ("A=1 B=2", Ok(&["A", "=", "1", "B", "=", "2"])),
    ("=1", Ok(&["=", "1"])),
    (",A=1", Ok(&[",", "A", "=", "1"])),
    ("A==1", Ok(&["A", "=", "=", "1"])),
    ("A=x y", Ok(&["A", "=", "x", "y"])),
    ("A=1,A=2,B=3", Ok(&["A", "=", "1", ",", "A", "=", "2", ",", "B", "=", "3"])),
    ("A=1,\nB=2", Ok(&["A", "=", "1", ",", "B", "=", "2"])),
    ("A=1,\n\nB=2,\n", Ok(&["A", "=", "1", ",", "B", "=", "2", ","])),
    ("A=b#c\nD,E=1", Ok(&["A", "=", "bD", ",", "E", "=", "1"])),
    ("#c\nA=1", Ok(&["A", "=", "1"])),
    ("A=\u{e9}", Ok(&["A", "=", "\u{e9}"])),
    ("A=\u{e9}a", Ok(&["A", "=", "\u{e9}", "a"])),
    ("A=a\"b c\"", Ok(&["A", "=", "a\"b", "c\""])),
    ("A=\"a\"b", Ok(&["A", "=", "\"a\"", "b"])),
    ("\"A\"=1", Ok(&["\"A\"", "=", "1"])),
    ("A=1;B=2", Ok(&["A", "=", "1", ";", "B", "=", "2"])),
    ("A=\"\"'x'\"\"", Ok(&["A", "=", "\"\"", "'x'", "\"\""])),
    ("A='\"x\"'", Ok(&["A", "=", "'\"x\"'"])),
    ("A=$x", Ok(&["A", "=", "$", "x"])),
    ("A=a$x", Ok(&["A", "=", "a", "$", "x"])),
    ("A=1,,B=2", Ok(&["A", "=", "1", ",", ",", "B", "=", "2"])),
    ("A=@,B=2", Ok(&["A", "=", "@", ",", "B", "=", "2"])),
    ("A=x/y:z", Ok(&["A", "=", "x/y:z"])),
    ("A=1,B=2 C", Ok(&["A", "=", "1", ",", "B", "=", "2", "C"])),
    ("A=~/x", Ok(&["A", "=", "~", "/x"])),
    ("A=a\\b", Ok(&["A", "=", "a", "\\", "b"])),
];

fn owned(recorded: &Result<&[&str], ShlexError>) -> Result<Vec<String>, ShlexError> {
    recorded.map(|words| words.iter().map(|w| (*w).to_owned()).collect())
}

#[test]
fn command_lines_are_split_as_python_splits_them() {
    for (text, recorded) in SPLIT {
        assert_eq!(shlex_split(text), owned(recorded), "{text:?}");
    }
}

#[test]
fn tokens_are_those_of_python() {
    for (text, recorded) in TOKENS {
        assert_eq!(shlex_tokens(text), owned(recorded), "{text:?}");
    }
}

#[test]
fn errors_have_pythons_texts() {
    assert_eq!(NoClosingQuotation.to_string(), "No closing quotation");
    assert_eq!(NoEscapedCharacter.to_string(), "No escaped character");
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_odd(text in "(\\PC|[ \\t\\n\"'\\\\#])*") {
        let _ = shlex_split(&text);
        let _ = shlex_tokens(&text);
    }

    #[test]
    fn quoted_words_are_split_back(words in proptest::collection::vec("\\PC*", 0..6)) {
        let quoted: Vec<String> =
            words.iter().map(|w| format!("'{}'", w.replace('\'', "'\"'\"'"))).collect();
        proptest::prop_assert_eq!(shlex_split(&quoted.join(" ")), Ok(words));
    }
}
