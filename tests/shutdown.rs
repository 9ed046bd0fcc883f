//! The end of the daemon: programs are stopped, nothing is left behind, the exit code is 0.
#![allow(clippy::unwrap_used)]

mod env;

use std::time::{Duration, Instant};

use env::{TestEnv, alive};
use nix::sys::signal::Signal;

/// A program that ends only when a file appears.
const SLOW: &str = "\
trap ': > asked; until [ -e go ]; do :; done; exit 0' TERM
: > ready
while read l; do :; done
";

fn slow() -> TestEnv {
    let mut env = TestEnv::new();
    env.write("slow.sh", SLOW);
    env.configure(
        "[program:x]\ncommand=/bin/sh slow.sh\ndirectory=@DIR@\nstartsecs=0\nstopwaitsecs=600\n",
    );
    env.start(&[]);
    env.wait_file("ready");
    env
}

#[test]
fn each_stop_signal_ends_it_with_0_and_nothing_is_left() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let mut env = TestEnv::started(
            "[program:cat]\ncommand=/bin/cat\nstartsecs=0\n\
             [program:stubborn]\ncommand=/bin/sh @DIR@/recorder.sh @DIR@/x -TERM\nstartsecs=0\n\
             stopwaitsecs=0\n[program:starting]\ncommand=/bin/cat\nstartsecs=600\n\
             [eventlistener:l]\ncommand=/bin/sh @DIR@/listener.sh @DIR@/ev\nevents=EVENT\n\
             startsecs=0\n",
        );
        env.wait_state("cat", "RUNNING");
        env.wait_file("x.ready");
        env.wait_state("starting", "STARTING");
        let pids = ["cat", "stubborn", "starting", "l"].map(|name| env.pid_of(name));
        env.signal(signal);
        assert_eq!(env.wait_exit(), Some(0));
        for pid in pids {
            assert!(!alive(pid));
        }
        assert!(!env.path("sd.pid").exists() && !env.socket().exists());
        let line = format!("WARN received {} indicating exit request", signal.as_str());
        assert!(env.log_lines().contains(&line));
        assert_eq!(env.log_with("to die").len(), 1);
        assert_eq!(env.log_with("stopped: ").len(), 4);
    }
}

#[test]
fn an_idle_daemon_ends_at_once() {
    let mut env = TestEnv::started("[program:x]\ncommand=/bin/cat\nstartsecs=0\n");
    env.wait_state("x", "RUNNING");
    let start = Instant::now();
    assert_eq!(env.stop(), Some(0));
    // No measurement, the machine may be busy; but no tick of a second goes by either.
    assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
}

#[test]
fn programs_that_wait_to_be_tried_again_do_not_hold_it_up_and_do_not_come_back() {
    let mut env = TestEnv::started("[program:x]\ncommand=/bin/false\nstartretries=100\n");
    env.wait_state("x", "BACKOFF");
    let starts = env.log_with("spawned: 'x'").len();
    assert_eq!(env.stop(), Some(0));
    assert_eq!(env.log_with("spawned: 'x'").len(), starts);
}

#[test]
fn hup_during_a_shutdown_is_refused() {
    let mut env = slow();
    env.signal(Signal::SIGTERM);
    env.wait_file("asked");
    env.signal(Signal::SIGHUP);
    env.wait_log("ignored SIGHUP indicating restart request (shutdown in progress)", 1);
    env.write("go", "");
    assert_eq!(env.wait_exit(), Some(0));
    assert_eq!(env.log_with("supervisord started").len(), 1);
}

#[test]
fn term_during_a_restart_shuts_down() {
    let mut env = slow();
    env.signal(Signal::SIGHUP);
    env.wait_file("asked");
    env.signal(Signal::SIGTERM);
    env.wait_log("received SIGTERM indicating exit request", 1);
    env.write("go", "");
    assert_eq!(env.wait_exit(), Some(0));
    assert_eq!(env.log_with("supervisord started").len(), 1);
    assert!(!env.path("sd.pid").exists());
}

#[test]
fn repeated_stop_signals_change_nothing() {
    let mut env = slow();
    for times in 1..=3 {
        env.signal(Signal::SIGTERM);
        env.wait_log("received SIGTERM indicating exit request", times);
    }
    assert!(alive(env.pid()));
    env.write("go", "");
    assert_eq!(env.wait_exit(), Some(0));
    assert!(env.log_with("SIGKILL").is_empty());
}

#[test]
fn calls_during_a_shutdown_are_told_so() {
    let mut env = slow();
    env.sup("shutdown", &[]).unwrap();
    env.wait_file("asked");
    for (method, params) in
        [("getState", &[][..]), ("startProcess", &["x"]), ("shutdown", &[]), ("reloadConfig", &[])]
    {
        let (code, text) = env.sup(method, params).unwrap_err();
        assert_eq!((code, text.as_str()), (6, "SHUTDOWN_STATE"), "{method}");
    }
    env.wait_log("waiting for x to die", 1);
    env.write("go", "");
    assert_eq!(env.wait_exit(), Some(0));
}

#[test]
fn a_program_that_ends_during_the_shutdown_is_not_started_again() {
    let mut env = TestEnv::new();
    env.write("slow.sh", SLOW);
    env.configure(
        "[program:x]\ncommand=/bin/sh slow.sh\ndirectory=@DIR@\nstartsecs=0\nstopwaitsecs=600\n\
         priority=20\n[program:y]\ncommand=/bin/cat\nstartsecs=0\nautorestart=true\npriority=10\n",
    );
    env.start(&[]);
    env.wait_file("ready");
    env.wait_state("y", "RUNNING");
    let y = env.pid_of("y");
    env.signal(Signal::SIGTERM);
    env.wait_file("asked");
    // Its turn has not come yet, but it dies.
    env::kill(y, 9);
    env.wait_log("exited: y (terminated by SIGKILL; not expected)", 1);
    env.write("go", "");
    assert_eq!(env.wait_exit(), Some(0));
    assert_eq!(env.log_with("spawned: 'y'").len(), 1);
}
