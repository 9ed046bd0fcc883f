//! Signals on request of a client, and what is said of a death by any signal, real-time ones included.
#![allow(clippy::unwrap_used)]

mod env;

use env::{TestEnv, Value, kill};

#[test]
fn clients_send_signals_by_name_or_number() {
    let env = TestEnv::started(
        "[program:x]\ncommand=/bin/sh @DIR@/recorder.sh @DIR@/x -HUP -USR1 -USR2 -INT\n\
         startsecs=0\n[program:off]\ncommand=/bin/cat\nautostart=false\n",
    );
    env.wait_file("x.ready");
    let pid = env.pid_of("x");
    let mut want = String::new();
    for (given, name) in
        [("HUP", "HUP"), ("SIGUSR1", "USR1"), ("12", "USR2"), ("int", "INT"), ("1", "HUP")]
    {
        assert_eq!(env.sup("signalProcess", &["x", given]), Ok(Value::Bool(true)), "{given}");
        want += &format!("{name}\n");
        env.wait_text("x", &want);
    }
    assert_eq!(env.pid_of("x"), pid, "none of these is meant to end it");

    let code = |args: &[&str]| env.sup("signalProcess", args).unwrap_err().0;
    assert_eq!(code(&["x", "NOPE"]), 11);
    assert_eq!(code(&["off", "HUP"]), 70);
    assert_eq!(code(&["nobody", "HUP"]), 10);
    assert_eq!(code(&["off", "NOPE"]), 11, "a bad signal is found before the state");
}

#[test]
fn a_death_by_any_signal_is_named() {
    let signals =
        [("kill", 9, "SIGKILL"), ("usr2", 12, "SIGUSR2"), ("rt", 40, "signal 40"), ("top", 64, "")];
    let sections: String = signals
        .iter()
        .map(|(n, ..)| format!("[program:{n}]\ncommand=/bin/cat\nstartsecs=0\nautorestart=false\n"))
        .collect();
    let env = TestEnv::started(&sections);
    for (name, number, word) in signals {
        env.wait_state(name, "RUNNING");
        kill(env.pid_of(name), number);
        env.wait_state(name, "EXITED");
        let lines = env.log_with(&format!("exited: {name} "));
        let how = format!("WARN exited: {name} (terminated by {word}");
        assert!(lines[0].starts_with(&how) && lines[0].ends_with("; not expected)"), "{lines:?}");
        assert_eq!(env.number_of(name, "exitstatus"), -1);
    }
}

#[test]
fn a_real_time_signal_ends_a_stop_too() {
    let env = TestEnv::started(
        "[program:x]\ncommand=/bin/sh @DIR@/recorder.sh @DIR@/x -TERM\nstartsecs=0\n\
         stopwaitsecs=600\n",
    );
    env.wait_file("x.ready");
    let pid = env.pid_of("x");
    env.call("supervisor.stopProcess", vec!["x".into(), Value::Bool(false)]).unwrap();
    env.wait_text("x", "TERM");
    kill(pid, 35);
    env.wait_state("x", "STOPPED");
    assert!(env.log_with("stopped: x (terminated by ").len() == 1);
}

#[test]
fn a_stopped_clock_of_a_program_is_no_exit() {
    let env = TestEnv::started("[program:x]\ncommand=/bin/cat\nstartsecs=0\n");
    env.wait_state("x", "RUNNING");
    let pid = env.pid_of("x");
    for signal in ["STOP", "CONT"] {
        env.sup("signalProcess", &["x", signal]).unwrap();
    }
    env.sup("sendProcessStdin", &["x", "still here\n"]).unwrap();
    env::wait_for("the echo", || {
        let log = env.sup("readProcessStdoutLog", &["x"]);
        let log = log.or_else(|_| {
            env.call("supervisor.readProcessStdoutLog", vec!["x".into(), 0.into(), 100.into()])
        });
        log.unwrap().as_str().unwrap().contains("still here").then_some(())
    });
    assert_eq!(env.pid_of("x"), pid);
    assert_eq!(env.state("x"), "RUNNING");
}

#[test]
fn groups_and_all_can_be_signalled_at_once() {
    let sections: String = ["a", "b"]
        .map(|n| {
            format!(
                "[program:{n}]\ncommand=/bin/sh @DIR@/recorder.sh @DIR@/{n} -USR1\nstartsecs=0\n"
            )
        })
        .concat();
    let env = TestEnv::started(&(sections + "[group:g]\nprograms=a,b\n"));
    for name in ["a.ready", "b.ready"] {
        env.wait_file(name);
    }
    // Two of a kind may arrive as one when they come together.
    let each_has = |text: &str| ["a", "b"].iter().for_each(|name| env.wait_text(name, text));
    let answer = env.sup("signalProcessGroup", &["g", "USR1"]).unwrap();
    assert_eq!(answer.as_array().unwrap().len(), 2);
    each_has("USR1\n");
    env.sup("signalAllProcesses", &["USR1"]).unwrap();
    each_has("USR1\nUSR1\n");
}
