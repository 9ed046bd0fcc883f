//! Commands that show logs: `tail`, `maintail`.

use super::watching::{self, End};
use super::{Flow, print_help};
use crate::config::pytext::{int, repr};
use crate::ctl::error::CtlError;
use crate::ctl::follow::{Follower, log_path};
use crate::ctl::interrupt;
use crate::ctl::render::{self, MAIN_LOG};
use crate::ctl::session::Ctl;
use crate::rpc::value::Value;

/// Bytes shown when nothing else is asked for.
const DEFAULT_BYTES: i64 = 1600;
/// Bytes fetched first when lines are asked for; grows until there are enough.
const FIRST_LINES_BYTES: i64 = 16 * 1024;
/// What XML-RPC integers hold.
const MOST_BYTES: i64 = i32::MAX as i64;

/// How much of a log to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Amount {
    Bytes(i64),
    Lines(usize),
    Follow,
}

/// Takes our `-n LINES` off the front of the arguments. At least `least` more must follow: what is
/// left to the reference is an error there.
fn take_lines(args: &mut Vec<&str>, least: usize) -> Option<Amount> {
    match args.as_slice() {
        ["-n", lines, rest @ ..] if rest.len() >= least => {
            let lines = lines.parse().ok()?;
            args.drain(..2);
            Some(Amount::Lines(lines))
        }
        _ => None,
    }
}

/// Takes `-f` or `-BYTES` off the front of the arguments, unless the amount is known. The error is
/// what was typed.
fn take_amount<'a>(args: &mut Vec<&'a str>, known: Option<Amount>) -> Result<Amount, &'a str> {
    if let Some(amount) = known {
        return Ok(amount);
    }
    let Some((typed, what)) = args.first().and_then(|arg| Some((*arg, arg.strip_prefix('-')?)))
    else {
        return Ok(Amount::Bytes(DEFAULT_BYTES));
    };
    args.remove(0);
    if what == "f" { Ok(Amount::Follow) } else { int(what, 10).map(Amount::Bytes).ok_or(typed) }
}

/// `tail [-f | -BYTES | -n LINES] <name> [stdout|stderr]`
///
/// # Errors
/// See [`Ctl::call`].
pub fn tail(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    if !ctl.upcheck()? {
        return Ok(Flow::Stay);
    }
    let mut args: Vec<&str> = arg.split_whitespace().collect();
    let lines = take_lines(&mut args, 1);
    let most = if lines.is_some() { 2 } else { 3 };
    if args.is_empty() || args.len() > most {
        let what = if args.is_empty() { "few" } else { "many" };
        ctl.refuse(&format!("Error: too {what} arguments"));
        print_help(ctl, "tail");
        return Ok(Flow::Stay);
    }
    let amount = take_amount(&mut args, lines);
    let Some(name) = args.first() else {
        ctl.refuse("Error: tail requires process name");
        return Ok(Flow::Stay);
    };
    let channel = match args.len() {
        1 => "stdout".to_owned(),
        _ => args.last().copied().unwrap_or_default().to_lowercase(),
    };
    let method = match channel.as_str() {
        "stdout" => "readProcessStdoutLog",
        "stderr" => "readProcessStderrLog",
        _ => {
            ctl.refuse(&format!("Error: bad channel {}", repr(&channel)));
            return Ok(Flow::Stay);
        }
    };
    match amount {
        Err(typed) => bad_argument(ctl, typed),
        Ok(Amount::Follow) => follow(ctl, &log_path(name, &channel)),
        Ok(amount) => show(ctl, name, amount, |ctl, bytes| {
            ctl.call_text(method, &[Value::from(*name), Value::Int(bytes), Value::Int(0)])
        }),
    }
}

/// `maintail [-f | -BYTES | -n LINES]`
///
/// # Errors
/// See [`Ctl::call`].
pub fn maintail(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    if !ctl.upcheck()? {
        return Ok(Flow::Stay);
    }
    let mut args: Vec<&str> = arg.split_whitespace().collect();
    let lines = take_lines(&mut args, 0);
    if args.len() > 1 {
        ctl.refuse("Error: too many arguments");
        print_help(ctl, "maintail");
        return Ok(Flow::Stay);
    }
    let amount = take_amount(&mut args, lines);
    // What is left has no dash.
    match args.first().map_or(amount, |typed| Err(typed)) {
        Err(typed) => bad_argument(ctl, typed),
        Ok(Amount::Follow) => follow(ctl, "/mainlogtail"),
        Ok(amount) => show(ctl, MAIN_LOG, amount, |ctl, bytes| {
            ctl.call_text("readLog", &[Value::Int(bytes), Value::Int(0)])
        }),
    }
}

fn bad_argument(ctl: &mut Ctl, typed: &str) -> Result<Flow, CtlError> {
    ctl.refuse(&format!("Error: bad argument {typed}"));
    Ok(Flow::Stay)
}

/// Prints the end of a log; `read` takes a negative offset as the RPC does.
fn show(
    ctl: &mut Ctl,
    name: &str,
    amount: Amount,
    read: impl Fn(&mut Ctl, i64) -> Result<String, CtlError>,
) -> Result<Flow, CtlError> {
    let text = match amount {
        Amount::Lines(lines) => read_lines(ctl, lines, read),
        Amount::Bytes(bytes) if bytes.abs() > MOST_BYTES => return Err(CtlError::TooLarge(bytes)),
        Amount::Bytes(bytes) => read(ctl, -bytes),
        Amount::Follow => Ok(String::new()),
    };
    match text {
        Ok(text) => ctl.out.line(&text),
        Err(CtlError::Fault(fault)) => match render::log_error(name, &fault) {
            Some(line) => ctl.refuse(&line),
            None => return Err(CtlError::Fault(fault)),
        },
        Err(error) => return Err(error),
    }
    Ok(Flow::Stay)
}

/// The last `lines` lines, without the last line end.
fn read_lines(
    ctl: &mut Ctl,
    lines: usize,
    read: impl Fn(&mut Ctl, i64) -> Result<String, CtlError>,
) -> Result<String, CtlError> {
    let mut bytes = FIRST_LINES_BYTES;
    let mut before = 0;
    loop {
        let text = read(ctl, -bytes)?;
        // A log that did not grow with the request was read from its start.
        if let Some(tail) = last_lines(&text, lines, text.len() <= before || bytes == MOST_BYTES) {
            return Ok(tail.to_owned());
        }
        before = text.len();
        bytes = bytes.saturating_mul(8).min(MOST_BYTES);
    }
}

/// The last lines of a text; none if it may hold too few because its start is missing.
fn last_lines(text: &str, lines: usize, whole: bool) -> Option<&str> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    if lines == 0 {
        return Some("");
    }
    match text.rmatch_indices('\n').nth(lines - 1) {
        Some((at, _)) => text.get(at + 1..),
        None => whole.then_some(text),
    }
}

/// Prints a log as it grows, until Ctrl-C or its end.
fn follow(ctl: &mut Ctl, path: &str) -> Result<Flow, CtlError> {
    ctl.out.line("==> Press Ctrl-C to exit <==");
    let watch = interrupt::watch().map_err(CtlError::Terminal)?;
    let mut follower = Follower::open(&ctl.target, path)?;
    let end = watching::watch(ctl, &watch, &mut follower, |ctl, progress| {
        if !progress.text.is_empty() {
            ctl.out.text(&progress.text);
        }
        if let Some(complaint) = progress.complaint {
            ctl.out.complain(&complaint);
        }
        true
    })?;
    if end == End::Pressed {
        ctl.out.line("");
    }
    Ok(Flow::Stay)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str, least: usize) -> (Result<Amount, &str>, Vec<&str>) {
        let mut args: Vec<&str> = text.split_whitespace().collect();
        let lines = take_lines(&mut args, least);
        (take_amount(&mut args, lines), args)
    }

    #[test]
    fn amounts_are_bytes_lines_or_all_that_comes() {
        assert_eq!(taken("w", 1), (Ok(Amount::Bytes(1600)), vec!["w"]));
        assert_eq!(taken("-25 w", 1), (Ok(Amount::Bytes(25)), vec!["w"]));
        assert_eq!(taken("-f w", 1), (Ok(Amount::Follow), vec!["w"]));
        assert_eq!(taken("-n 3 w", 1), (Ok(Amount::Lines(3)), vec!["w"]));
        assert_eq!(taken("-n 3", 0), (Ok(Amount::Lines(3)), vec![]));
    }

    #[test]
    fn what_the_reference_refuses_stays_refused() {
        assert_eq!(taken("-x w", 1), (Err("-x"), vec!["w"]));
        assert_eq!(taken("- w", 1).0, Err("-"));
        assert_eq!(taken("-n 3", 1), (Err("-n"), vec!["3"]));
        assert_eq!(taken("-n x w", 1), (Err("-n"), vec!["x", "w"]));
    }

    #[test]
    fn last_lines_count_whole_lines() {
        assert_eq!(last_lines("a\nb\nc\n", 2, false), Some("b\nc"));
        assert_eq!(last_lines("a\nb", 1, false), Some("b"));
        assert_eq!(last_lines("a\nb\n", 2, false), None);
        assert_eq!(last_lines("a\nb\n", 2, true), Some("a\nb"));
        assert_eq!(last_lines("", 5, true), Some(""));
        assert_eq!(last_lines("a\n", 0, false), Some(""));
    }
}
