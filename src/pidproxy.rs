//! pidproxy: runs a command in the foreground on behalf of a daemon that puts itself into the
//! background, and passes signals on to the process named in the daemon's pid file.
//!
//! One thread, the caller's. Owns the command it started; touches that pid file and nothing else.
//!
//! Compared with Supervisor's: the end of the command is noticed at once, not within five seconds.
//! The exit status stays 0 there whatever the command's was; `--status` hands the command's on.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

/// Exit status after wrong arguments, and when a stop signal could not be passed on.
const FAILED: u8 = 1;
/// Exit status when the command could not be run, as of a shell.
const NOT_RUN: u8 = 127;

const PASSED_ON: [i32; 6] = [SIGTERM, SIGHUP, SIGINT, SIGUSR1, SIGUSR2, SIGQUIT];

/// What the arguments ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Job {
    /// End with the command's status, also after a stop signal.
    hand_on_status: bool,
    pidfile: PathBuf,
    /// As typed; the command sees it as its name.
    command: OsString,
    args: Vec<OsString>,
}

/// Runs with the given arguments, program name first, and gives the exit status.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let mut args = args.into_iter();
    let argv0 = args.next().unwrap_or_else(|| "pidproxy".into());
    let Some(job) = job(args) else {
        say(&usage(&argv0.to_string_lossy()));
        return FAILED;
    };
    // Before the start, so that neither a signal nor the end of the command can slip through.
    let mut signals = match Signals::new(PASSED_ON.iter().chain([&SIGCHLD])) {
        Ok(signals) => signals,
        Err(e) => return complain(FAILED, &format!("cannot receive signals: {e}")),
    };
    match start(&job) {
        Ok(mut child) => watch(&job, &mut child, &mut signals),
        Err(e) => complain(NOT_RUN, &format!("cannot run {}: {e}", job.command.to_string_lossy())),
    }
}

fn usage(argv0: &str) -> String {
    format!(
        "pidproxy: keeps a command in the foreground and hands signals to the process in a pid file\n\
         \n\
         Usage: {argv0} [--status] PIDFILE COMMAND [ARGUMENT...]\n\
         \n\
         Runs COMMAND, by its path, and ends when it ends. HUP, INT, QUIT, TERM, USR1 and USR2 go to\n\
         the process whose id is in PIDFILE; after INT, QUIT and TERM pidproxy ends, too.\n\
         \n\
         --status  end with the exit status of COMMAND (128 and the number of the signal that\n\
        \x20         killed it), and wait for it even after INT, QUIT and TERM\n"
    )
}

fn job(args: impl Iterator<Item = OsString>) -> Option<Job> {
    let mut args = args.peekable();
    let hand_on_status = args.next_if(|a| a == "--status").is_some();
    let pidfile = args.next()?.into();
    let command = args.next()?;
    Some(Job { hand_on_status, pidfile, command, args: args.collect() })
}

/// Supervisor's pidproxy does not search PATH: a bare name is a file in the current folder.
fn start(job: &Job) -> io::Result<Child> {
    let path = std::path::absolute(&job.command)?;
    Command::new(path).arg0(&job.command).args(&job.args).spawn()
}

/// Sleeps until signals come, and handles them until there is an exit status.
fn watch(job: &Job, child: &mut Child, signals: &mut Signals) -> u8 {
    for signal in signals.forever() {
        let done = if signal == SIGCHLD { ended(job, child) } else { pass_on(job, signal) };
        if let Some(code) = done {
            return code;
        }
    }
    FAILED
}

/// The exit status, when the command has ended. A child that only stopped sends SIGCHLD as well.
fn ended(job: &Job, child: &mut Child) -> Option<u8> {
    match child.try_wait() {
        Ok(None) => None,
        Ok(Some(status)) => Some(if job.hand_on_status { code(status) } else { 0 }),
        Err(e) => Some(complain(FAILED, &format!("cannot wait for the command: {e}"))),
    }
}

/// A status as shells give it.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or(status.signal().map(|n| 128 + n));
    code.and_then(|c| u8::try_from(c).ok()).unwrap_or(u8::MAX)
}

/// Sends a signal to the process in the pid file. Gives an exit status when this was the end.
fn pass_on(job: &Job, signal: i32) -> Option<u8> {
    let Some(pid) = read_pid(&job.pidfile) else {
        // Supervisor's line. It stays, as the daemon may not have got as far as its pid file.
        say(&format!("Can't read child pidfile {}!\n", job.pidfile.display()));
        return None;
    };
    let is_stop = matches!(signal, SIGTERM | SIGINT | SIGQUIT);
    match Signal::try_from(signal).and_then(|s| kill(pid, s)) {
        Ok(()) => (is_stop && !job.hand_on_status).then_some(0),
        Err(e) => {
            let code = complain(FAILED, &format!("cannot signal process {pid}: {}", e.desc()));
            is_stop.then_some(code)
        }
    }
}

/// The process in the file. Zero and negative numbers would address whole groups: not taken.
fn read_pid(file: &Path) -> Option<Pid> {
    let text = std::fs::read_to_string(file).ok()?;
    text.trim().parse().ok().filter(|pid| *pid > 0).map(Pid::from_raw)
}

/// To stdout. Nobody may be reading it: no reason to fail.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// To stderr; gives `code` back.
fn complain(code: u8, message: &str) -> u8 {
    let _ = writeln!(io::stderr(), "pidproxy: {message}");
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Option<Job> {
        job(args.iter().map(OsString::from))
    }

    #[test]
    fn needs_a_pid_file_and_a_command() {
        for args in [&[][..], &["x.pid"], &["--status"], &["--status", "x.pid"]] {
            assert_eq!(parsed(args), None, "{args:?}");
        }
    }

    #[test]
    fn everything_after_the_command_is_the_commands() {
        let plain = parsed(&["x.pid", "/bin/x", "--status", "-h"]).unwrap();
        assert!(!plain.hand_on_status);
        assert_eq!(plain.args, ["--status", "-h"]);
        let with_status = parsed(&["--status", "x.pid", "/bin/x"]).unwrap();
        assert!(with_status.hand_on_status && with_status.args.is_empty());
        assert_eq!(with_status.pidfile, Path::new("x.pid"));
    }

    #[test]
    fn statuses_are_those_of_a_shell() {
        for (raw, expected) in [(0, 0), (7 << 8, 7), (255 << 8, 255), (9, 137), (64, 192)] {
            assert_eq!(code(ExitStatus::from_raw(raw)), expected, "{raw}");
        }
    }
}
