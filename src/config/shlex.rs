//! Python 3.11's `shlex`: the splitting of command lines and of `environment=`.
//!
//! Pure; any thread. The two modes differ more than their names say: the command line follows the
//! shell's quoting, the list of variables keeps quotes in its words and breaks at any character
//! that is not known to belong to a word.

/// A text that ends too early. The texts are those of Python, which clients may have seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShlexError {
    /// A quote is open at the end.
    #[error("No closing quotation")]
    NoClosingQuotation,
    /// A backslash stands at the end.
    #[error("No escaped character")]
    NoEscapedCharacter,
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// What the splitter is inside of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    Word,
    Quote(char),
    /// After a backslash; what comes back after it.
    Escape(Option<char>),
}

/// `shlex.split(text)`: words as a POSIX shell quotes them, without comments.
pub fn shlex_split(text: &str) -> Result<Vec<String>, ShlexError> {
    let mut words = Vec::new();
    let mut word = String::new();
    // `""` is a word, though an empty one.
    let mut quoted = false;
    let mut inside = Inside::Nothing;
    for c in text.chars() {
        inside = match inside {
            Inside::Nothing | Inside::Word if is_blank(c) => {
                if !word.is_empty() || quoted {
                    words.push(std::mem::take(&mut word));
                    quoted = false;
                }
                Inside::Nothing
            }
            Inside::Nothing | Inside::Word => match c {
                '\\' => Inside::Escape(None),
                '\'' | '"' => Inside::Quote(c),
                _ => {
                    word.push(c);
                    Inside::Word
                }
            },
            Inside::Quote(open) => {
                quoted = true;
                if c == open {
                    Inside::Word
                } else if c == '\\' && open == '"' {
                    Inside::Escape(Some(open))
                } else {
                    word.push(c);
                    Inside::Quote(open)
                }
            }
            Inside::Escape(back) => {
                // Inside double quotes only the quote and the backslash can be escaped.
                if back.is_some_and(|open| c != '\\' && c != open) {
                    word.push('\\');
                }
                word.push(c);
                back.map_or(Inside::Word, Inside::Quote)
            }
        };
    }
    match inside {
        Inside::Quote(_) => return Err(ShlexError::NoClosingQuotation),
        Inside::Escape(_) => return Err(ShlexError::NoEscapedCharacter),
        Inside::Nothing | Inside::Word => {}
    }
    if !word.is_empty() || quoted {
        words.push(word);
    }
    Ok(words)
}

/// Tokens of `shlex.shlex(text)` in its own, older mode with `/.+-():` added to the characters of
/// a word: quotes stay in the token, a lone other character is a token, `#` begins a comment.
pub fn shlex_tokens(text: &str) -> Result<Vec<String>, ShlexError> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if is_blank(c) => {}
            '#' => skip_comment(&mut chars),
            '\'' | '"' => {
                let mut token = String::from(c);
                loop {
                    let Some(next) = chars.next() else {
                        return Err(ShlexError::NoClosingQuotation);
                    };
                    token.push(next);
                    if next == c {
                        break;
                    }
                }
                tokens.push(token);
            }
            c if in_word(c) => {
                let mut token = String::from(c);
                while let Some(next) = chars.peek().copied() {
                    match next {
                        // A comment does not end the word: it goes on in the next line.
                        '#' => {
                            chars.next();
                            skip_comment(&mut chars);
                        }
                        '\'' | '"' => {
                            token.push(next);
                            chars.next();
                        }
                        next if in_word(next) => {
                            token.push(next);
                            chars.next();
                        }
                        _ => break,
                    }
                }
                tokens.push(token);
            }
            c => tokens.push(c.to_string()),
        }
    }
    Ok(tokens)
}

fn skip_comment(chars: &mut impl Iterator<Item = char>) {
    for c in chars {
        if c == '\n' {
            break;
        }
    }
}

fn in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_/.+-():".contains(c)
}

#[cfg(test)]
#[path = "shlex_tests.rs"]
mod tests;
