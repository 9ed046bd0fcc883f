//! Children that the daemon did not start are reaped, and never at the cost of its own.
#![allow(clippy::unwrap_used)]

mod env;

use std::process::Command;

use env::{TestEnv, wait_for};
use nix::sys::signal::Signal;

/// A daemon that has a child from before its exec, as in `sh -c 'helper & exec supervisord'`.
fn with_inherited_child(sections: &str) -> TestEnv {
    let mut env = TestEnv::new();
    env.configure(sections);
    let mut shell = Command::new("/bin/sh");
    let helper = env.write("helper", "read line < @DIR@/fifo");
    nix::unistd::mkfifo(&env.path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    shell.args(["-c", "sh \"$0\" & exec \"$@\""]).arg(helper);
    let daemon = env.supervisord(&[]);
    shell.arg(daemon.get_program()).args(daemon.get_args()).current_dir(env.dir());
    env.start_as(shell);
    env
}

/// Lets the inherited child end.
fn release(env: &TestEnv) {
    std::fs::write(env.path("fifo"), "go\n").unwrap();
}

#[test]
fn an_inherited_child_is_reaped_and_named() {
    let env = with_inherited_child("");
    release(&env);
    env.wait_log("reaped unknown pid", 1);
}

#[test]
fn after_a_restart_exit_statuses_still_reach_their_programs() {
    // Each life is an exit with a code that only its own runner can tell.
    let env = with_inherited_child(
        "[program:x]\ncommand=sh -c 'exit 3'\nexitcodes=3\nautorestart=false\nstartsecs=0\n\
         startretries=0",
    );
    env.wait_log("exited: x (exit status 3; expected)", 1);
    env.signal(Signal::SIGHUP);
    env.wait_log("supervisord started with pid", 2);
    env.wait_log("exited: x (", 2);
    for _ in 0..20 {
        env.sup("startProcess", &["x"]).unwrap();
        wait_for("x to end", || (env.state("x") == "EXITED").then_some(()));
    }
    let log = env.read("sd.log");
    assert_eq!(log.matches("exited: x (exit status 3; expected)").count(), 22, "{log}");
    assert!(!log.contains("reaped unknown"), "{log}");
    release(&env);
    env.wait_log("reaped unknown pid", 1);
}
