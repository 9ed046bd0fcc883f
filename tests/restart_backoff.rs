//! A program that does not stay up for `startsecs` is tried again after growing pauses, and given up
//! after `startretries`.
#![allow(clippy::unwrap_used)]

mod env;

use env::{TestEnv, Value};

#[test]
fn pauses_grow_by_a_second_until_the_tries_are_used_up() {
    let env = TestEnv::started(
        "[program:none]\ncommand=/bin/sh -c 'exit 3'\nstartretries=0\n\
         [program:two]\ncommand=/bin/sh -c 'exit 4'\nstartretries=2\n",
    );
    env.wait_state("none", "FATAL");
    env.wait_state("two", "FATAL");
    assert_eq!(env.log_with("spawned: 'none'").len(), 1);
    let gave_up = |name| {
        format!("INFO gave up: {name} entered FATAL state, too many start retries too quickly")
    };
    assert_eq!(env.log_with("exited: none"), ["WARN exited: none (exit status 3; not expected)"]);
    assert_eq!(env.log_with("gave up: none"), [gave_up("none")]);
    assert_eq!(env.log_with("gave up: two"), [gave_up("two")]);
    assert_eq!(env.log_with("exited: two").len(), 3);
    assert!(env.log_with("entered RUNNING").is_empty());

    let starts = env.log_times("spawned: 'two'");
    let pauses: Vec<f64> = starts.windows(2).map(|w| w[1] - w[0]).collect();
    assert_eq!(pauses.len(), 2, "{starts:?}");
    for (pause, least) in pauses.iter().zip([1.0, 2.0]) {
        // Stamps are cut to milliseconds; the upper bound only tells 1 from 2 from 3.
        assert!(*pause > least - 0.002 && *pause < least + 0.9, "{pauses:?}");
    }
    let text = "Exited too quickly (process log may have details)";
    assert_eq!(env.text_of("two", "spawnerr"), text);
    assert_eq!(env.number_of("two", "pid"), 0);
}

#[test]
fn a_stop_in_backoff_calls_the_tries_off() {
    let env = TestEnv::started("[program:x]\ncommand=/bin/false\nstartretries=100\n");
    env.wait_state("x", "BACKOFF");
    let (code, _) = env.sup("startProcess", &["x"]).unwrap_err();
    assert_eq!(code, 60, "a start in BACKOFF finds it already started");
    env.sup("stopProcess", &["x"]).unwrap();
    assert_eq!(env.state("x"), "STOPPED");
    let (code, _) = env.sup("stopProcess", &["x"]).unwrap_err();
    assert_eq!(code, 70);
}

#[test]
fn a_program_that_gets_well_in_time_runs_and_its_tries_are_forgotten() {
    let env = TestEnv::new();
    env.write("x.sh", "[ -e @DIR@/well ] && exec cat\n: > @DIR@/well\nexit 1\n");
    env.configure("[program:x]\ncommand=/bin/sh @DIR@/x.sh\nstartretries=1\n");
    let mut env = env;
    env.start(&[]);
    env.wait_state("x", "RUNNING");
    assert_eq!(env.log_with("spawned: 'x'").len(), 2);
    let up = "INFO success: x entered RUNNING state, process has stayed up for > than 1 seconds \
              (startsecs)";
    assert_eq!(env.log_with("success"), [up]);

    // The next failure has the full number of tries again.
    std::fs::remove_file(env.path("well")).unwrap();
    env.sup("stopProcess", &["x"]).unwrap();
    env.sup("startProcess", &["x"]).unwrap_err();
    env.wait_state("x", "RUNNING");
}

#[test]
fn a_fatal_program_can_be_started_when_the_cause_is_gone() {
    let mut env = TestEnv::new();
    env.write("x.sh", "[ -e @DIR@/well ] || exit 1\nexec cat\n");
    env.configure("[program:x]\ncommand=/bin/sh @DIR@/x.sh\nstartretries=0\n");
    env.start(&[]);
    env.wait_state("x", "FATAL");
    let (code, text) = env.sup("startProcess", &["x"]).unwrap_err();
    assert_eq!((code, text.as_str()), (50, "SPAWN_ERROR: x"));
    env.write("well", "");
    assert_eq!(env.sup("startProcess", &["x"]).unwrap(), Value::Bool(true));
    assert_eq!(env.state("x"), "RUNNING");
}

#[test]
fn an_exit_exactly_within_startsecs_counts_as_too_early() {
    let env = TestEnv::started(
        "[program:x]\ncommand=/bin/sh -c 'read line; exit 0'\nstartsecs=600\nstartretries=0\n",
    );
    env.pid_of("x");
    assert_eq!(env.state("x"), "STARTING");
    env.sup("sendProcessStdin", &["x", "go\n"]).unwrap();
    env.wait_state("x", "FATAL");
    assert_eq!(env.log_with("exited: x"), ["WARN exited: x (exit status 0; not expected)"]);
}
