//! From a typed line to a command, and from a command's failure to a line and an exit code.
//! Thread: main. Owns and touches nothing of its own.

use super::commands::{self, Flow};
use super::error::CtlError;
use super::session::Ctl;
use super::tty;

/// A line, taken apart as Python's `cmd` module does.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    /// Nothing was typed.
    Empty,
    /// A word of letters, digits and `_`, and the rest without blanks around.
    Command(&'a str, &'a str),
    /// It does not start with a word.
    Unknown,
}

/// Carries out a line. Every failure has been reported when this returns.
pub fn run_line(ctl: &mut Ctl, line: &str) -> Flow {
    let line = normal(line);
    let (flow, again) = match parse(&line) {
        Line::Empty => (Flow::Stay, false),
        Line::Unknown => (unknown(ctl, &line), false),
        Line::Command(name, arg) => match commands::find(name) {
            Some(run) => match run(ctl, arg) {
                Ok(flow) => (flow, false),
                Err(error) => (Flow::Stay, failed(ctl, &error)),
            },
            None => (unknown(ctl, &line), false),
        },
    };
    ctl.out.document = false;
    ctl.rest();
    if again { run_line(ctl, &line) } else { flow }
}

fn unknown(ctl: &mut Ctl, line: &str) -> Flow {
    ctl.refuse(&format!("*** Unknown syntax: {line}"));
    Flow::Stay
}

/// Reports a failure; true if the line is worth another try, with new credentials.
fn failed(ctl: &mut Ctl, error: &CtlError) -> bool {
    if matches!(error, CtlError::Http { status: 401, .. }) {
        ctl.out.line("Server requires authentication");
        if ctl.interactive {
            match ask_credentials(ctl) {
                Ok(()) => return true,
                Err(error) => {
                    ctl.refuse(&error.line());
                    return false;
                }
            }
        }
    }
    ctl.refuse(&error.line());
    false
}

fn ask_credentials(ctl: &mut Ctl) -> Result<(), CtlError> {
    let username = ctl.ask("Username:")?;
    let password = tty::password("Password:", &mut ctl.input)
        .map_err(CtlError::Terminal)?
        .ok_or(CtlError::NoInput)?;
    ctl.out.line("");
    let mut target = ctl.target.clone();
    target.username = Some(username);
    target.password = Some(password);
    ctl.retarget(target);
    Ok(())
}

/// Without blanks around, and with `?` spelled out.
fn normal(line: &str) -> String {
    let line = line.trim();
    match line.strip_prefix('?') {
        Some(rest) => format!("help {rest}"),
        None => line.to_owned(),
    }
}

/// Command and argument of a line, for the fuzz targets; none where [`run_line`] knows no command.
#[doc(hidden)]
pub fn words(line: &str) -> Option<(String, String)> {
    match parse(&normal(line)) {
        Line::Command(name, arg) => Some((name.to_owned(), arg.to_owned())),
        Line::Empty | Line::Unknown => None,
    }
}

fn parse(line: &str) -> Line<'_> {
    if line.is_empty() {
        return Line::Empty;
    }
    let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(line.len());
    match line.split_at(end) {
        ("", _) => Line::Unknown,
        (name, arg) => Line::Command(name, arg.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_word_and_the_rest() {
        assert_eq!(parse("status a  b"), Line::Command("status", "a  b"));
        assert_eq!(parse("status;pid"), Line::Command("status", ";pid"));
        assert_eq!(parse("status--json"), Line::Command("status", "--json"));
        assert_eq!(parse("!ls"), Line::Unknown);
        assert_eq!(parse(""), Line::Empty);
    }

    #[test]
    fn a_question_mark_is_help() {
        assert_eq!(normal(" ? "), "help ");
        assert_eq!(normal("?tail"), "help tail");
        assert_eq!(normal("  a b "), "a b");
    }
}
