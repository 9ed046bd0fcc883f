//! `pidproxy` stands for a daemon: ends with its command, passes signals on by the pid file.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A folder of its own for each test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("pidproxy-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
    fn pidfile(&self) -> PathBuf {
        self.0.join("x.pid")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn pidproxy() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pidproxy"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn output(args: &[&str]) -> Output {
    pidproxy().args(args).output().unwrap()
}

/// A stand-in for a daemon: writes its pid, says which signals it gets, ends by itself after a
/// minute. QUIT and TERM end it with status 3.
const DAEMON: &str = r#"
sleep 60 & nap=$!
for s in HUP INT USR1 USR2; do trap "echo $s" $s; done
for s in QUIT TERM; do trap "echo $s; kill $nap; exit 3" $s; done
echo $$ > "$1"
echo ready
while kill -0 $nap 2>/dev/null; do wait $nap; done
"#;

/// A running pidproxy with that command, ready for signals.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    fn daemon(options: &[&str], pidfile: &Path) -> Running {
        let mut command = pidproxy();
        command.args(options).arg(pidfile).args(["/bin/sh", "-c", DAEMON, "daemon"]).arg(pidfile);
        Running::start(command)
    }
    fn start(mut command: Command) -> Running {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut running = Running { child, lines };
        assert_eq!(running.line(), "ready");
        running
    }
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }
    fn code(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

#[test]
fn wrong_arguments_give_the_usage_on_stdout_and_status_1() {
    for args in [&[][..], &["x.pid"], &["--status", "x.pid"]] {
        let out = output(args);
        assert_eq!(out.status.code(), Some(1), "{args:?}");
        assert!(String::from_utf8(out.stdout).unwrap().contains("Usage: "), "{args:?}");
        assert!(out.stderr.is_empty());
    }
}

#[test]
fn the_command_gets_its_arguments_and_our_stdout() {
    let out = output(&["x.pid", "/bin/echo", "hello", "--status", "you"]);
    assert_eq!(out.status.code(), Some(0));
    assert_eq!(out.stdout, b"hello --status you\n");
}

#[test]
fn the_end_of_the_command_is_noticed_at_once() {
    let start = Instant::now();
    assert!(output(&["x.pid", "/bin/true"]).status.success());
    // Supervisor's takes five seconds. This is no measurement, the machine may be busy.
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[test]
fn the_status_of_the_command_is_handed_on_when_asked_for() {
    let script = |options: &[&str], script: &str| {
        output(&[options, &["x.pid", "/bin/sh", "-c", script]].concat()).status.code()
    };
    assert_eq!(script(&[], "exit 7"), Some(0));
    assert_eq!(script(&["--status"], "exit 7"), Some(7));
    assert_eq!(script(&["--status"], "kill -9 $$"), Some(137));
    assert_eq!(script(&["--status"], "exit 0"), Some(0));
}

#[test]
fn a_command_that_cannot_be_run_is_reported() {
    // Not looked up in PATH: a bare name means a file here.
    for command in ["/no/such/command", "echo"] {
        let out = output(&["x.pid", command]);
        assert_eq!(out.status.code(), Some(127), "{command}");
        assert!(String::from_utf8(out.stderr).unwrap().contains(command));
    }
}

#[test]
fn signals_reach_the_process_in_the_pid_file() {
    let folder = Folder::new("signals");
    let mut proxy = Running::daemon(&[], &folder.pidfile());
    for signal in [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGHUP] {
        proxy.signal(signal);
        assert_eq!(format!("SIG{}", proxy.line()), signal.as_str());
    }
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.line(), "TERM");
    assert_eq!(proxy.code(), Some(0));
}

#[test]
fn every_stop_signal_ends_it_with_0() {
    for signal in [Signal::SIGTERM, Signal::SIGQUIT, Signal::SIGINT] {
        let folder = Folder::new(signal.as_str());
        let mut proxy = Running::daemon(&[], &folder.pidfile());
        let daemon: i32 = fs::read_to_string(folder.pidfile()).unwrap().trim().parse().unwrap();
        proxy.signal(signal);
        assert_eq!(format!("SIG{}", proxy.line()), signal.as_str());
        assert_eq!(proxy.code(), Some(0));
        // The stand-in outlives an INT, as it may: pidproxy does not wait for it.
        let _ = kill(Pid::from_raw(daemon), Signal::SIGTERM);
    }
}

#[test]
fn with_status_a_stop_waits_for_the_command() {
    let folder = Folder::new("status");
    let proxy = Running::daemon(&["--status"], &folder.pidfile());
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.code(), Some(3));
}

#[test]
fn without_a_usable_pid_file_a_signal_is_reported_and_it_goes_on() {
    let folder = Folder::new("unusable");
    let pidfile = folder.pidfile();
    let mut command = pidproxy();
    command.arg(&pidfile).args(["/bin/sh", "-c", "echo ready; read line; echo $line"]);
    let mut proxy = Running::start(command);
    let complaint = format!("Can't read child pidfile {}!", pidfile.display());
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.line(), complaint);
    // Numbers that would mean a whole group are not process ids.
    for text in ["", "x", "0", "-1", "99999999999"] {
        fs::write(&pidfile, text).unwrap();
        proxy.signal(Signal::SIGHUP);
        assert_eq!(proxy.line(), complaint, "{text:?}");
    }
    proxy.child.stdin.take().unwrap().write_all(b"bye\n").unwrap();
    assert_eq!(proxy.line(), "bye");
    assert_eq!(proxy.code(), Some(0));
}

#[test]
fn a_process_that_is_gone_ends_a_stop_with_1() {
    let folder = Folder::new("gone");
    // Above any pid_max: nobody has this one.
    fs::write(folder.pidfile(), i32::MAX.to_string()).unwrap();
    let mut command = pidproxy();
    command.arg(folder.pidfile()).args(["/bin/sh", "-c", "echo ready; read line"]);
    let proxy = Running::start(command);
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.code(), Some(1));
}
