//! Ctrl-C: ends `tail -f` and `fg`, leaves the shell, kills everything else. Whoever presses it again
//! does not wait for the first to be heard.
//!
//! Thread: the `ctrlc` crate's, which waits for SIGINT from the first [`watch`] or [`leave_shell`] on;
//! before that the signal has its default effect. Owns: the process-wide mode.

use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, Once, PoisonError};

use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};

use super::exit;

/// What Ctrl-C does now.
struct Mode {
    /// Someone watches: tell them, and nothing else.
    watcher: Option<PipeWriter>,
    /// They have been told, and have not come to it: what they write may wait for a reader that has
    /// stopped (`| less`). The next Ctrl-C does not wait for them.
    told: bool,
    /// In the shell: leave it.
    shell: bool,
    /// How the terminal was before the line editor changed it.
    terminal: Option<Termios>,
}

static MODE: Mutex<Mode> =
    Mutex::new(Mode { watcher: None, told: false, shell: false, terminal: None });
static HANDLER: Once = Once::new();

/// Ctrl-C is delivered here while this lives.
#[derive(Debug)]
pub struct Watch(PipeReader);

impl AsFd for Watch {
    /// Readable after Ctrl-C.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        change(|mode| mode.watcher = None);
    }
}

/// Takes Ctrl-C over until the result is dropped.
///
/// # Errors
/// No pipe could be made.
pub fn watch() -> io::Result<Watch> {
    let (reader, writer) = io::pipe()?;
    change(|mode| {
        mode.watcher = Some(writer);
        mode.told = false;
    });
    install();
    Ok(Watch(reader))
}

/// From now on Ctrl-C leaves the shell with exit code 0, as at the reference's prompt.
pub fn leave_shell() {
    change(|mode| {
        mode.shell = true;
        mode.terminal = tcgetattr(io::stdin()).ok();
    });
    install();
}

fn change(what: impl FnOnce(&mut Mode)) {
    what(&mut MODE.lock().unwrap_or_else(PoisonError::into_inner));
}

fn install() {
    HANDLER.call_once(|| {
        // It fails only where a handler exists already; Ctrl-C then keeps its default effect.
        let _ = ctrlc::set_handler(|| change(pressed));
    });
}

fn pressed(mode: &mut Mode) {
    if let Some(watcher) = mode.watcher.as_mut().filter(|_| !mode.told) {
        let _ = watcher.write_all(b"!");
        mode.told = true;
        return;
    }
    if let Some(terminal) = &mode.terminal {
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, terminal);
    }
    if mode.shell {
        let _ = io::stdout().write_all(b"\n");
        std::process::exit(i32::from(exit::SUCCESS));
    }
    std::process::exit(i32::from(exit::INTERRUPTED));
}
