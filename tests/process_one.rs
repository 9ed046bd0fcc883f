//! As process 1, that of a container.
#![allow(clippy::unwrap_used)]

mod env;

use std::process::Command;

use env::{TestEnv, is_root, skipped, wait_for};
use nix::sys::signal::Signal;

/// A daemon without `nodaemon=` that is process 1 of a pid namespace of its own; unshare is its parent.
fn contained(sections: &str) -> Option<(TestEnv, Command)> {
    let possible = Command::new("unshare").args(["-p", "-f", "-m", "true"]).status();
    if !is_root() || !possible.is_ok_and(|s| s.success()) {
        skipped("no pid namespaces here");
        return None;
    }
    let env = TestEnv::new();
    env.configure_with("nodaemon=false\nlogfile=@DIR@/main.log\n", sections);
    let mut command = Command::new("unshare");
    command.args(["-p", "-f", "--mount-proc", "--kill-child"]).current_dir(env.dir());
    let daemon = env.supervisord(&[]);
    command.arg(daemon.get_program()).args(daemon.get_args());
    Some((env, command))
}

/// The daemon itself, seen from outside.
fn inner(env: &TestEnv) -> i32 {
    let children = format!("/proc/{0}/task/{0}/children", env.pid());
    std::fs::read_to_string(children).unwrap().trim().parse().unwrap()
}

#[test]
fn process_one_stays_in_the_foreground_and_says_so_and_ends_with_success() {
    let sections = "[program:x]\ncommand=sh -c 'echo to the container; exec sleep 1000'\nstartsecs=0\n\
                    stdout_logfile=/dev/stdout\n";
    let Some((mut env, command)) = contained(sections) else { return };
    env.start_as(command);
    env.wait_text("main.log", "is process 1 and stays in the foreground");
    env.wait_state("x", "RUNNING");
    // Without a size for a log that cannot be rotated.
    env.wait_text("sd.out", "to the container");
    let daemon = nix::unistd::Pid::from_raw(inner(&env));
    nix::sys::signal::kill(daemon, Signal::SIGHUP).unwrap();
    wait_for("the next life", || {
        (env.read("main.log").matches("supervisord started with pid 1").count() == 2).then_some(())
    });
    nix::sys::signal::kill(daemon, Signal::SIGTERM).unwrap();
    assert_eq!(env.wait_exit(), Some(0));
}

#[test]
fn process_one_reaps_what_programs_leave_behind() {
    let sections = "[program:x]\ncommand=sh -c '(sh -c \"sleep 0.1 && exit 3\" &) && exec sleep 1000'\n\
                    startsecs=0\n";
    let Some((mut env, command)) = contained(sections) else { return };
    env.start_as(command);
    env.wait_text("main.log", "reaped unknown pid");
    let daemon = nix::unistd::Pid::from_raw(inner(&env));
    nix::sys::signal::kill(daemon, Signal::SIGTERM).unwrap();
    assert_eq!(env.wait_exit(), Some(0));
}
