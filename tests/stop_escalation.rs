//! A stop is a signal, then patience for `stopwaitsecs`, then SIGKILL.
#![allow(clippy::unwrap_used)]

mod env;

use std::time::{Duration, Instant};

use env::{TestEnv, Value, alive, wait_for};

#[test]
fn who_does_not_obey_is_killed_after_stopwaitsecs() {
    let env = TestEnv::started(
        "[program:x]\ncommand=/bin/sh @DIR@/recorder.sh x -TERM\nstartsecs=0\nstopwaitsecs=1\n",
    );
    env.wait_file("x.ready");
    let pid = env.pid_of("x");
    let start = Instant::now();
    env.sup("stopProcess", &["x"]).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(995), "{:?}", start.elapsed());
    assert!(!alive(pid));
    assert_eq!(env.read("x"), "TERM\n");
    assert_eq!(env.state("x"), "STOPPED");
    assert_eq!(env.number_of("x", "exitstatus"), -1);
    let lines = env.log_lines();
    let killing = format!("WARN killing 'x' ({pid}) with SIGKILL");
    assert!(lines.contains(&killing), "{lines:?}");
    assert!(env.log_at("killing 'x'") < env.log_at("stopped: x (terminated by SIGKILL)"));
}

#[test]
fn who_obeys_is_not_killed_and_the_answer_comes_when_it_is_gone() {
    let mut env = TestEnv::new();
    // Obeys only when a file appears: as slow as a test wants it.
    env.write(
        "slow.sh",
        "trap 'echo asked > @DIR@/asked; until [ -e @DIR@/go ]; do :; done; exit 0' TERM\n\
         : > @DIR@/ready\nwhile read line; do :; done\n",
    );
    env.configure("[program:x]\ncommand=/bin/sh @DIR@/slow.sh\nstartsecs=0\nstopwaitsecs=600\n");
    env.start(&[]);
    env.wait_file("ready");
    assert_eq!(
        env.call("supervisor.stopProcess", vec!["x".into(), Value::Bool(false)]),
        Ok(Value::Bool(true)),
        "without waiting the answer comes at once"
    );
    env.wait_file("asked");
    assert_eq!(env.state("x"), "STOPPING");
    let (code, _) = env.sup("startProcess", &["x"]).unwrap_err();
    assert_eq!(code, 40, "nothing is started over a process that is still there");
    let (code, _) = env.sup("stopProcess", &["x"]).unwrap_err();
    assert_eq!(code, 70);
    env.write("go", "");
    env.wait_state("x", "STOPPED");
    assert!(env.log_with("SIGKILL").is_empty());
}

#[test]
fn each_stopsignal_is_the_one_that_is_sent() {
    let mut env = TestEnv::new();
    let signals = ["TERM", "HUP", "INT", "QUIT", "USR1", "USR2"];
    let mut sections: String = signals
        .iter()
        .map(|s| {
            format!(
                "[program:{s}]\ncommand=/bin/sh @DIR@/recorder.sh {s} TERM HUP INT QUIT USR1 USR2\n\
                 stopsignal={s}\nstartsecs=0\n"
            )
        })
        .collect();
    sections += "[program:KILL]\ncommand=/bin/cat\nstopsignal=SIGKILL\nstartsecs=0\n";
    env.configure(&sections);
    env.start(&[]);
    for s in signals {
        env.wait_file(&format!("{s}.ready"));
    }
    env.wait_state("KILL", "RUNNING");
    env.sup("stopAllProcesses", &[]).unwrap();
    for s in signals {
        assert_eq!(env.read(s), format!("{s}\n"));
        assert_eq!(env.number_of(s, "exitstatus"), 0);
    }
    assert_eq!(env.log_with("stopped: KILL"), ["WARN stopped: KILL (terminated by SIGKILL)"]);
}

#[test]
fn a_stop_while_it_starts_is_carried_out_and_told_to_who_waits_for_the_start() {
    let env = TestEnv::started("[program:x]\ncommand=/bin/cat\nstartsecs=600\nautostart=false\n");
    let start = std::thread::scope(|scope| {
        let starter = scope.spawn(|| env.sup("startProcess", &["x"]));
        env.wait_state("x", "STARTING");
        env.sup("stopProcess", &["x"]).unwrap();
        starter.join().unwrap()
    });
    assert_eq!(start, Err((40, "ABNORMAL_TERMINATION: x".to_owned())));
    assert_eq!(env.state("x"), "STOPPED");
}

#[test]
fn no_stop_is_lost_between_fork_and_exec() {
    let env = TestEnv::started(
        "[program:x]\ncommand=/bin/cat\nstartsecs=0\nstopwaitsecs=600\nautostart=false\n",
    );
    for _ in 0..30 {
        let no_wait = vec![Value::from("x"), Value::Bool(false)];
        env.call("supervisor.startProcess", no_wait).unwrap();
        wait_for("x to stop", || match env.sup("stopProcess", &["x"]) {
            Ok(_) => Some(()),
            Err((70, _)) => None,
            Err(other) => panic!("{other:?}"),
        });
        assert_eq!(env.state("x"), "STOPPED");
    }
}

#[test]
fn with_stopwaitsecs_0_the_kill_follows_at_once() {
    let env = TestEnv::started(
        "[program:x]\ncommand=/bin/sh @DIR@/recorder.sh x -TERM\nstartsecs=0\nstopwaitsecs=0\n",
    );
    env.wait_file("x.ready");
    env.sup("stopProcess", &["x"]).unwrap();
    assert_eq!(env.log_with("stopped: x"), ["WARN stopped: x (terminated by SIGKILL)"]);
}
