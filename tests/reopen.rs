//! Logs that others rotate: SIGUSR2 opens all of them anew, and a log that is truncated in place goes on
//! at its new end.
#![allow(clippy::unwrap_used)]

mod env;

use env::{TestEnv, Value};
use nix::sys::signal::Signal;

fn cat() -> TestEnv {
    let env = TestEnv::started(
        "[program:cat]\ncommand=/bin/cat\nstartsecs=0\nstdout_logfile=@DIR@/cat.out\n\
         stderr_logfile=@DIR@/cat.err\n",
    );
    env.wait_state("cat", "RUNNING");
    env
}

fn say(env: &TestEnv, text: &str) {
    env.sup("sendProcessStdin", &["cat", text]).unwrap();
}

#[test]
fn usr2_opens_the_logs_anew() {
    let env = cat();
    say(&env, "one\n");
    env.wait_text("cat.out", "one\n");
    for name in ["cat.out", "cat.err", "sd.log"] {
        std::fs::rename(env.path(name), env.path(&format!("{name}.moved"))).unwrap();
    }
    // Until told, all goes to the files that are open.
    say(&env, "two\n");
    env.wait_text("cat.out.moved", "two\n");

    env.signal(Signal::SIGUSR2);
    for name in ["cat.out", "cat.err", "sd.log"] {
        env.wait_file(name);
    }
    say(&env, "three\n");
    env.wait_text("cat.out", "three\n");
    assert_eq!(env.read("cat.out"), "three\n");
    assert_eq!(env.read("cat.out.moved"), "one\ntwo\n");
    env.wait_text("sd.log.moved", "received SIGUSR2 indicating log reopen request\n");
    env.sup("stopProcess", &["cat"]).unwrap();
    assert_eq!(env.log_with("stopped: cat").len(), 1, "the activity log goes on in the new file");
}

#[test]
fn usr2_with_nothing_moved_changes_nothing() {
    let env = cat();
    say(&env, "one\n");
    env.wait_text("cat.out", "one\n");
    env.signal(Signal::SIGUSR2);
    env.wait_log("received SIGUSR2", 1);
    say(&env, "two\n");
    env.wait_text("cat.out", "two\n");
    assert_eq!(env.read("cat.out"), "one\ntwo\n");
}

#[test]
fn a_log_truncated_in_place_goes_on_without_a_hole() {
    let env = cat();
    say(&env, "before\n");
    env.wait_text("cat.out", "before\n");
    for name in ["cat.out", "sd.log"] {
        std::fs::OpenOptions::new().write(true).truncate(true).open(env.path(name)).unwrap();
    }
    say(&env, "after\n");
    env.wait_text("cat.out", "after\n");
    assert_eq!(env.read("cat.out"), "after\n");
    env.sup("stopProcess", &["cat"]).unwrap();
    assert!(!env.read("sd.log").contains('\0'));
    assert!(env.read("sd.log").contains("stopped: cat"));
}

#[test]
fn a_cleared_log_begins_anew() {
    let env = cat();
    say(&env, "before\n");
    env.wait_text("cat.out", "before\n");
    assert_eq!(env.sup("clearProcessLogs", &["cat"]), Ok(Value::Bool(true)));
    assert_eq!(env.read("cat.out"), "");
    say(&env, "after\n");
    env.wait_text("cat.out", "after\n");
    assert_eq!(env.read("cat.out"), "after\n");

    assert_eq!(env.sup("clearLog", &[]), Ok(Value::Bool(true)));
    assert!(!env.read("sd.log").contains("supervisord started"));
    env.sup("stopProcess", &["cat"]).unwrap();
    env.wait_log("stopped: cat", 1);
}
