//! What a program says before its end is in its log before anyone hears of its end; what its children
//! say after that is logged too.
#![allow(clippy::unwrap_used)]

mod env;

use env::{TestEnv, kill, wait_for};

fn program(name: &str, script: &str) -> String {
    format!(
        "[program:{name}]\ncommand=/bin/sh -c '{script}'\ndirectory=@DIR@\nstartsecs=0\n\
         autorestart=false\nstdout_logfile=@DIR@/{name}.out\nstderr_logfile=@DIR@/{name}.err\n"
    )
}

#[test]
fn all_output_before_the_exit_is_logged_when_the_exit_is_known() {
    let env = TestEnv::started(&program("x", "seq 1 100000; echo bye >&2; exit 0"));
    env.wait_state("x", "EXITED");
    let whole: String = (1..=100_000).map(|n| format!("{n}\n")).collect();
    assert!(env.read("x.out") == whole);
    assert_eq!(env.read("x.err"), "bye\n");
}

#[test]
fn that_holds_for_every_one_of_many_short_lives() {
    let env = TestEnv::started(
        &program("x", "seq 1 2000; echo end")
            .replace("startsecs=0", "startsecs=0\nautostart=false"),
    );
    for n in 1..=30 {
        env.sup("startProcess", &["x"]).unwrap();
        env.wait_state("x", "EXITED");
        assert_eq!(env.read("x.out").matches("end\n").count(), n);
    }
}

#[test]
fn the_words_of_a_killed_program_are_kept() {
    let env = TestEnv::started(&program("x", "seq 1 5000; echo said; kill -9 $$"));
    env.wait_state("x", "EXITED");
    assert!(env.read("x.out").ends_with("5000\nsaid\n"));
}

#[test]
fn the_answer_to_a_stop_comes_after_the_last_words() {
    let env = TestEnv::started(&program(
        "x",
        "trap \"seq 1 20000; exit 0\" TERM; : > ready; while read l; do :; done",
    ));
    env.wait_file("ready");
    env.sup("stopProcess", &["x"]).unwrap();
    assert!(env.read("x.out").ends_with("\n20000\n"));
}

#[test]
fn words_said_while_the_daemon_ends_are_kept() {
    let mut env = TestEnv::started(&program(
        "x",
        "trap \"seq 1 20000; exit 0\" TERM; : > ready; while read l; do :; done",
    ));
    env.wait_file("ready");
    assert_eq!(env.stop(), Some(0));
    assert!(env.read("x.out").ends_with("\n20000\n"));
}

#[test]
fn a_grandchild_is_heard_after_its_parent_is_gone() {
    let env = TestEnv::started(&program(
        "x",
        "mkfifo f; sh -c \"read l < f; echo late; echo late >&2\" & echo early",
    ));
    env.wait_state("x", "EXITED");
    assert_eq!(env.read("x.out"), "early\n");
    env.write("f", "go\n");
    env.wait_text("x.out", "late\n");
    env.wait_text("x.err", "late\n");
}

#[test]
fn a_grandchild_of_an_earlier_life_is_heard_beside_the_new_one() {
    let mut env = TestEnv::new();
    env.write(
        "x.sh",
        "[ -e f ] && { echo second; exec cat; }\n\
         mkfifo f; sh -c 'read l < f; echo late' &\necho first\nread l\n",
    );
    env.configure(
        "[program:x]\ncommand=/bin/sh x.sh\ndirectory=@DIR@\nstartsecs=0\n\
         stdout_logfile=@DIR@/x.out\n",
    );
    env.start(&[]);
    env.wait_text("x.out", "first\n");
    let old = env.pid_of("x");
    kill(old, 9);
    env.wait_new_pid("x", old);
    env.wait_text("x.out", "second\n");
    env.write("f", "go\n");
    env.wait_text("x.out", "late\n");
    env.sup("sendProcessStdin", &["x", "still\n"]).unwrap();
    env.wait_text("x.out", "still\n");
}

#[test]
fn a_program_that_closes_its_output_is_still_running() {
    let env = TestEnv::started(&program(
        "x",
        "echo out; echo err >&2; exec 1>&- 2>&-; : > closed; read l; : > heard; read l",
    ));
    env.wait_file("closed");
    env.wait_state("x", "RUNNING");
    wait_for("the output", || {
        (env.read("x.out") == "out\n" && env.read("x.err") == "err\n").then_some(())
    });
    env.sup("sendProcessStdin", &["x", "hello\n"]).unwrap();
    env.wait_file("heard");
    env.sup("stopProcess", &["x"]).unwrap();
}
