//! Signal names, and the thread that turns signals into messages.

use std::borrow::Cow;
use std::io;

use signal_hook::iterator::{Handle, Signals};

/// Name of a signal as the reference logs it: `SIGTERM`, or `signal 40` for one without a name.
pub fn name(signal: i32) -> Cow<'static, str> {
    let known = match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGSTKFLT => "SIGSTKFLT",
        libc::SIGCHLD => "SIGCHLD",
        libc::SIGCONT => "SIGCONT",
        libc::SIGSTOP => "SIGSTOP",
        libc::SIGTSTP => "SIGTSTP",
        libc::SIGTTIN => "SIGTTIN",
        libc::SIGTTOU => "SIGTTOU",
        libc::SIGURG => "SIGURG",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        libc::SIGVTALRM => "SIGVTALRM",
        libc::SIGPROF => "SIGPROF",
        libc::SIGWINCH => "SIGWINCH",
        // The reference's table has both names for 29; the later one wins there.
        libc::SIGIO => "SIGPOLL",
        libc::SIGPWR => "SIGPWR",
        libc::SIGSYS => "SIGSYS",
        34 => "SIGRTMIN",
        64 => "SIGRTMAX",
        other => return Cow::Owned(format!("signal {other}")),
    };
    Cow::Borrowed(known)
}

/// Lets every signal through to this thread and those it starts: who started us may have blocked
/// some, and a daemon that cannot hear SIGTERM can only be killed.
///
/// # Errors
/// None that the system documents for these arguments.
pub fn unblock() -> io::Result<()> {
    Ok(nix::sys::signal::SigSet::empty().thread_set_mask()?)
}

/// Starts the thread that calls `each` with every signal that asks the daemon for something.
///
/// # Errors
/// No thread or no handler could be had.
pub fn start(
    signals: &[i32],
    mut each: impl FnMut(i32) -> bool + Send + 'static,
) -> io::Result<Handle> {
    let mut incoming = Signals::new(signals)?;
    let handle = incoming.handle();
    std::thread::Builder::new().name("signals".into()).stack_size(64 * 1024).spawn(move || {
        for signal in incoming.forever() {
            if !each(signal) {
                break;
            }
        }
    })?;
    Ok(handle)
}

/// Ignores signals whose default would end the daemon for what one log or client does: SIGPIPE, and
/// SIGXFSZ when a log meets RLIMIT_FSIZE. Writing then fails with EPIPE or EFBIG. Children get the
/// defaults back.
///
/// # Errors
/// The kernel refuses (it does not for these two).
pub fn ignore_write_signals() -> io::Result<()> {
    for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
        // SAFETY: SIG_IGN runs no code of ours.
        if unsafe { libc::signal(signal, libc::SIG_IGN) } == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
