//! `exitcodes=` decides whether an exit is expected: in the log, in events and in what clients see.
#![allow(clippy::unwrap_used)]

mod env;

use env::{TestEnv, wait_for};

const ONCE: &str = "startsecs=0\nautorestart=false\n";

#[test]
fn log_events_and_info_agree() {
    let mut env = TestEnv::new();
    let program = |name: &str, end: &str, more: &str| {
        format!("[program:{name}]\ncommand=/bin/sh -c '{end}'\n{ONCE}{more}")
    };
    env.configure(
        &[
            "[eventlistener:rec]\ncommand=/bin/sh @DIR@/listener.sh @DIR@/ev\nstartsecs=0\n\
             events=PROCESS_STATE_EXITED\nbuffer_size=100\n"
                .to_owned(),
            program("zero", "exit 0", ""),
            program("two", "exit 2", "exitcodes=0,2\n"),
            program("bad", "exit 3", "exitcodes=0,2\n"),
            program("notzero", "exit 0", "exitcodes=5\n"),
            program("term", "kill -TERM $$", "exitcodes=0,15,143\n"),
        ]
        .concat(),
    );
    env.start(&[]);
    let expected = |name: &str| {
        env.wait_state(name, "EXITED");
        let end = env.log_with(&format!("exited: {name}")).remove(0);
        let event = wait_for("the event", || {
            env.read("ev").lines().find(|l| l.contains(&format!("processname:{name} "))).map(|l| {
                assert!(l.contains("eventname:PROCESS_STATE_EXITED"), "{l}");
                l.contains("expected:1")
            })
        });
        (end, event, env.number_of(name, "exitstatus"), env.text_of(name, "spawnerr"))
    };
    let case = |line: &str, event, code, err: &str| (line.to_owned(), event, code, err.to_owned());
    assert_eq!(expected("zero"), case("INFO exited: zero (exit status 0; expected)", true, 0, ""));
    assert_eq!(expected("two"), case("INFO exited: two (exit status 2; expected)", true, 2, ""));
    assert_eq!(
        expected("bad"),
        case("WARN exited: bad (exit status 3; not expected)", false, 3, "Bad exit code 3")
    );
    assert_eq!(
        expected("notzero"),
        case("WARN exited: notzero (exit status 0; not expected)", false, 0, "Bad exit code 0")
    );
    // Death by a signal has no code that a list could hold.
    assert_eq!(
        expected("term"),
        case(
            "WARN exited: term (terminated by SIGTERM; not expected)",
            false,
            -1,
            "Bad exit code -1"
        )
    );
}

#[test]
fn a_stop_is_logged_as_a_warning_unless_the_code_is_expected() {
    let env = TestEnv::started(
        "[program:fine]\ncommand=/bin/sh @DIR@/recorder.sh fine TERM\nstartsecs=0\n\
         [program:other]\ncommand=/bin/cat\nstartsecs=0\n",
    );
    env.wait_file("fine.ready");
    env.wait_state("other", "RUNNING");
    for name in ["fine", "other"] {
        env.sup("stopProcess", &[name]).unwrap();
    }
    assert_eq!(
        env.log_with("stopped:"),
        ["INFO stopped: fine (exit status 0)", "WARN stopped: other (terminated by SIGTERM)"]
    );
    assert_eq!(env.text_of("other", "spawnerr"), "");
}
