//! The terminal itself: whether there is one, colours, passwords. Thread: main. Touches: `/dev/tty`.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};

use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

use super::input::Input;

/// Whether a person sits in front of both stdin and stdout.
pub fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Whether the line editor can do its work: a terminal that understands it.
pub fn can_edit() -> bool {
    is_interactive() && is_capable()
}

/// Whether output may be coloured: only on a capable terminal, never with `NO_COLOR`
/// (<https://no-color.org>).
pub fn wants_colour() -> bool {
    let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && io::stdout().is_terminal() && is_capable()
}

/// Whether a person reads both stdout and stderr.
pub fn is_watched() -> bool {
    io::stdout().is_terminal() && io::stderr().is_terminal()
}

fn is_capable() -> bool {
    match env::var("TERM") {
        Ok(term) => !matches!(term.as_str(), "" | "dumb" | "cons25" | "emacs"),
        Err(_) => false,
    }
}

/// Asks for a password on the terminal without showing it; without a terminal, on stderr and from
/// `input`.
///
/// # Errors
/// The terminal fails. None: the input ended.
pub fn password(prompt: &str, input: &mut Input) -> io::Result<Option<String>> {
    let Ok(mut tty) = OpenOptions::new().read(true).write(true).open("/dev/tty") else {
        let mut err = io::stderr();
        let _ = write!(err, "Warning: Password input may be echoed.\n{prompt}");
        return input.line();
    };
    let before = tcgetattr(&tty)?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(&tty, SetArg::TCSAFLUSH, &silent)?;
    let _ = tty.write_all(prompt.as_bytes());
    let mut line = String::new();
    let read = BufReader::new(&tty).read_line(&mut line);
    tcsetattr(&tty, SetArg::TCSAFLUSH, &before)?;
    let _ = (&tty).write_all(b"\n");
    if read? == 0 {
        return Ok(None);
    }
    Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
}
