//! `autorestart=` decides what follows an exit from RUNNING, and it follows at once.
#![allow(clippy::unwrap_used)]

mod env;

use env::{TestEnv, kill, wait_for};
use nix::sys::signal::Signal;

/// A program that counts its starts in a file, ends twice with a code and then stays.
const COUNTED: &str = "\
echo x >> $1
[ $(wc -l < $1) -ge 3 ] && exec cat
exit $2
";

#[test]
fn what_restarts_depends_on_the_exit_code() {
    let mut env = TestEnv::new();
    env.write("n.sh", COUNTED);
    let cases = [
        ("t0", "true", 0, 3),
        ("t1", "true", 1, 3),
        ("f0", "false", 0, 1),
        ("f1", "false", 1, 1),
        ("u0", "unexpected", 0, 1),
        ("u1", "UNEXPECTED", 1, 3),
    ];
    let sections: String = cases
        .iter()
        .map(|(name, form, code, _)| {
            format!(
                "[program:{name}]\ncommand=/bin/sh @DIR@/n.sh {name} {code}\nautorestart={form}\n\
                 startsecs=0\n"
            )
        })
        .collect();
    env.configure(&sections);
    env.start(&[]);
    for (name, _, _, starts) in cases {
        if starts == 3 {
            env.wait_log(&format!("spawned: '{name}'"), 3);
            env.wait_state(name, "RUNNING");
        } else {
            env.wait_state(name, "EXITED");
        }
    }
    for (name, _, _, starts) in cases {
        assert_eq!(env.log_with(&format!("spawned: '{name}'")).len(), starts, "{name}");
    }
}

#[test]
fn a_killed_program_is_back_at_once() {
    let env = TestEnv::started("[program:x]\ncommand=/bin/cat\nstartsecs=1\n");
    env.wait_state("x", "RUNNING");
    let old = env.pid_of("x");
    kill(old, 9);
    let new = env.wait_new_pid("x", old);
    assert!(env::alive(new));
    let gone = env.log_times("exited: x (terminated by SIGKILL; not expected)");
    let back = env.log_times("spawned: 'x'");
    // The promise is milliseconds; the bound leaves room for a busy machine but not for a tick.
    assert!(back[1] - gone[0] < 0.5, "{gone:?} {back:?}");
}

#[test]
fn a_stopped_program_stays_stopped() {
    let env = TestEnv::started(
        "[program:x]\ncommand=/bin/sh @DIR@/recorder.sh x TERM\nautorestart=true\nstartsecs=0\n",
    );
    env.wait_file("x.ready");
    env.sup("stopProcess", &["x"]).unwrap();
    assert_eq!(env.state("x"), "STOPPED");
    // Another whole life of another program goes by without it coming back.
    env.sup("reloadConfig", &[]).unwrap();
    assert_eq!(env.log_with("spawned: 'x'").len(), 1);
    assert_eq!(env.state("x"), "STOPPED");
}

#[test]
fn a_program_that_ends_at_once_for_ever_is_slowed_down() {
    let env = TestEnv::started(
        "[program:x]\ncommand=/bin/true\nautorestart=true\nstartsecs=0\nautostart=false\n",
    );
    env.sup("startProcess", &["x"]).unwrap();
    env.wait_log("spawned: 'x'", 8);
    let times = env.log_times("spawned: 'x'");
    // Pauses of 10, 20, 40, 80, 160 ms lie before the eighth start.
    assert!(times[7] - times[0] >= 0.3, "{times:?}");
    // A stop calls a restart that is due off.
    let _ = env.sup("stopProcess", &["x"]);
    let state = wait_for("x to rest", || {
        let _ = env.sup("stopProcess", &["x"]);
        Some(env.state("x")).filter(|s| s == "STOPPED" || s == "EXITED")
    });
    let starts = env.log_with("spawned: 'x'").len();
    env.sup("getState", &[]).unwrap();
    assert_eq!((env.state("x"), env.log_with("spawned: 'x'").len()), (state, starts));
}

#[test]
fn programs_without_autostart_wait_to_be_asked_also_after_a_restart() {
    let mut env = TestEnv::started(
        "[program:a]\ncommand=/bin/cat\nautostart=false\nstartsecs=0\n\
         [program:b]\ncommand=/bin/cat\nstartsecs=0\n",
    );
    env.wait_state("b", "RUNNING");
    assert_eq!(env.state("a"), "STOPPED");
    env.sup("startProcess", &["a"]).unwrap();
    env.sup("stopProcess", &["b"]).unwrap();
    env.signal(Signal::SIGHUP);
    env.wait_log("supervisord started with pid", 2);
    env.wait_up();
    env.wait_state("b", "RUNNING");
    assert_eq!(env.state("a"), "STOPPED");
}
