//! A service manager such as systemd is told how the daemon is, and may hand over its sockets.
#![allow(clippy::unwrap_used)]

mod env;

use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::Command;
use std::time::Duration;

use env::{TestEnv, proc_environ};
use nix::sys::signal::Signal;

/// The manager's end of the notifications.
struct Manager(UnixDatagram);

impl Manager {
    fn new(env: &TestEnv) -> Manager {
        let socket = UnixDatagram::bind(env.path("notify")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Manager(socket)
    }

    /// The next message that has such a line.
    fn hears(&self, line: &str) -> Vec<String> {
        let mut buf = [0; 4096];
        loop {
            let n = self.0.recv(&mut buf).unwrap_or_else(|e| panic!("no {line}: {e}"));
            let text = String::from_utf8_lossy(&buf[..n]).into_owned();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            if lines.iter().any(|l| l.starts_with(line)) {
                return lines;
            }
        }
    }
}

fn managed(sections: &str) -> (TestEnv, Manager) {
    let mut env = TestEnv::new();
    env.configure(sections);
    let manager = Manager::new(&env);
    let mut command = env.supervisord(&[]);
    command.env("NOTIFY_SOCKET", env.path("notify"));
    env.start_as(command);
    (env, manager)
}

const SLEEPER: &str = "[program:x]\ncommand=sleep 1000\nstartsecs=0\n";

#[test]
fn readiness_reload_and_end_are_told_in_this_order() {
    let (mut env, manager) = managed(SLEEPER);
    let ready = manager.hears("READY=1");
    assert!(ready.contains(&format!("MAINPID={}", env.pid())), "{ready:?}");
    assert!(ready.contains(&"STATUS=Supervising 1 processes in 1 groups".to_owned()), "{ready:?}");

    env.signal(Signal::SIGHUP);
    let reload = manager.hears("RELOADING=1");
    assert!(reload.iter().any(|l| l.starts_with("MONOTONIC_USEC=")), "{reload:?}");
    manager.hears("READY=1");

    env.signal(Signal::SIGTERM);
    manager.hears("STOPPING=1");
    // A manager must not cut short what stopwaitsecs allows.
    manager.hears("EXTEND_TIMEOUT_USEC=");
    assert_eq!(env.wait_exit(), Some(0));
}

#[test]
fn a_refused_restart_ends_the_reload_and_says_why() {
    let (env, manager) = managed(SLEEPER);
    manager.hears("READY=1");
    env.write("supervisord.conf", "[supervisord]\nloglevel=loud\n");
    env.signal(Signal::SIGHUP);
    manager.hears("RELOADING=1");
    let refused = manager.hears("STATUS=Restart refused");
    assert_eq!(refused[0], "READY=1", "{refused:?}");
    assert!(refused[1].contains("supervisord.conf:2"), "{refused:?}");
}

#[test]
fn programs_do_not_inherit_what_is_between_the_manager_and_the_daemon() {
    let mut env = TestEnv::new();
    env.configure(&format!(
        "{SLEEPER}[program:told]\ncommand=sleep 1000\nstartsecs=0\n\
         environment=NOTIFY_SOCKET=\"%(ENV_NOTIFY_SOCKET)s\""
    ));
    let manager = Manager::new(&env);
    let mut command = env.supervisord(&[]);
    command.env("NOTIFY_SOCKET", env.path("notify"));
    command.env("WATCHDOG_USEC", "600000000").env("INVOCATION_ID", "kept");
    env.start_as(command);
    manager.hears("READY=1");
    env.wait_state("x", "RUNNING");
    env.wait_state("told", "RUNNING");
    let inherited = proc_environ(env.pid_of("x"));
    assert!(!inherited.contains_key("NOTIFY_SOCKET") && !inherited.contains_key("WATCHDOG_USEC"));
    assert_eq!(inherited.get("INVOCATION_ID").map(String::as_str), Some("kept"));
    let told = proc_environ(env.pid_of("told"));
    assert_eq!(told.get("NOTIFY_SOCKET"), Some(&env.path("notify").display().to_string()));
}

#[test]
fn the_watchdog_is_fed_as_long_as_the_daemon_turns() {
    let mut env = TestEnv::new();
    env.configure("");
    let manager = Manager::new(&env);
    let mut command = env.supervisord(&[]);
    command.env("NOTIFY_SOCKET", env.path("notify")).env("WATCHDOG_USEC", "200000");
    env.start_as(command);
    for _ in 0..5 {
        manager.hears("WATCHDOG=1");
    }
}

/// A daemon with the control socket as descriptor 3, as a manager hands it over.
fn activated(names: &str, socket: &str) -> (TestEnv, UnixListener) {
    let mut env = TestEnv::new();
    env.configure(SLEEPER);
    let listener = UnixListener::bind(env.path(socket)).unwrap();
    let mut shell = Command::new("/bin/bash");
    // The pid of the shell becomes that of the daemon.
    let script = format!(
        "exec 3<&$0; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={names}; exec \"$@\""
    );
    let daemon = env.supervisord(&[]);
    shell.arg("-c").arg(script).arg(listener.as_raw_fd().to_string());
    shell.arg(daemon.get_program()).args(daemon.get_args()).current_dir(env.dir());
    let flags = nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty());
    nix::fcntl::fcntl(&listener, flags).unwrap();
    env.start_as(shell);
    (env, listener)
}

#[test]
fn a_control_socket_that_was_handed_over_serves_and_outlives_restart_and_end() {
    let (mut env, _listener) = activated("", "s.sock");
    env.signal(Signal::SIGHUP);
    env.wait_log("supervisord started with pid", 2);
    env.wait_state("x", "RUNNING");
    assert!(!proc_environ(env.pid_of("x")).contains_key("LISTEN_FDS"));
    assert_eq!(env.stop(), Some(0));
    assert!(env.path("s.sock").exists(), "the file is the manager's");
}

#[test]
fn a_socket_that_no_section_asks_for_is_named_in_the_log() {
    let (env, _listener) = activated("telephone", "other.sock");
    env.wait_log("socket 3 (telephone) from the service manager belongs to no section", 1);
}
