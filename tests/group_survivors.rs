//! A program with `stopasgroup` and `killasgroup` is one with its process group: what is left of that
//! does not outlive it for ever.
#![allow(clippy::unwrap_used)]

mod env;

use env::{TestEnv, alive, kill, wait_gone};

/// A shell with a child in its group, `$1`: it ignores TERM, or writes a file on it and ends. The shell
/// itself ends at once on TERM, and on a byte in `$2` with that exit code.
const CREW: &str = "\
mkfifo go child.fifo
case $1 in
deaf) trap '' TERM ;;
esac
sh -c 'trap \"echo bye > child.bye; exit\" TERM
[ '$1' = deaf ] && trap \"\" TERM
exec 3<>child.fifo
echo $$ > child.new; mv child.new child
while :; do read x <&3; done' </dev/null >/dev/null 2>&1 &
trap 'exit 0' TERM
echo $$ > ready
read code < go
exit $code
";

fn crew(kind: &str, options: &str) -> TestEnv {
    let mut env = TestEnv::new();
    env.write("crew.sh", CREW);
    env.configure(&format!(
        "[program:x]\ncommand=/bin/sh crew.sh {kind}\ndirectory=@DIR@\nstartsecs=0\n\
         autorestart=false\n{options}"
    ));
    env.start(&[]);
    env.wait_file("ready");
    env.wait_file("child");
    env
}

fn child(env: &TestEnv) -> i32 {
    env.read("child").trim().parse().unwrap()
}

const AS_ONE: &str = "stopasgroup=true\n";

#[test]
fn who_ignores_the_stop_signal_is_killed_when_stopwaitsecs_is_over() {
    let env = crew("deaf", &format!("{AS_ONE}stopwaitsecs=1\n"));
    let child = child(&env);
    env.sup("stopProcess", &["x"]).unwrap();
    assert_eq!(env.state("x"), "STOPPED");
    assert!(alive(child), "it has the time that the program would have had");
    wait_gone(child);
    assert_eq!(env.log_with("killing the process group of 'x'").len(), 1);
}

#[test]
fn who_ends_in_time_is_not_killed() {
    let env = crew("polite", &format!("{AS_ONE}stopwaitsecs=60\n"));
    let child = child(&env);
    env.sup("stopProcess", &["x"]).unwrap();
    wait_gone(child);
    assert_eq!(env.read("child.bye"), "bye\n");
    assert!(env.log_with("killing the process group").is_empty());
}

#[test]
fn a_new_start_waits_for_nobody() {
    let env = crew("deaf", &format!("{AS_ONE}stopwaitsecs=2\n"));
    let child = child(&env);
    env.sup("stopProcess", &["x"]).unwrap();
    for file in ["ready", "child", "go", "child.fifo"] {
        std::fs::remove_file(env.path(file)).unwrap();
    }
    env.sup("startProcess", &["x"]).unwrap();
    env.wait_file("child");
    assert!(alive(child));
    wait_gone(child);
    assert_eq!(env.state("x"), "RUNNING");
    let new: i32 = env.read("child").trim().parse().unwrap();
    assert!(alive(new), "the kill went to the old group only");
}

#[test]
fn a_crash_takes_the_group_along() {
    for code in ["1", "killed"] {
        let env = crew("deaf", AS_ONE);
        let child = child(&env);
        match code {
            "killed" => kill(env.pid_of("x"), 9),
            code => std::fs::write(env.path("go"), format!("{code}\n")).unwrap(),
        }
        wait_gone(child);
        assert_eq!(env.state("x"), "EXITED", "{code}");
    }
}

#[test]
fn an_expected_end_leaves_the_group_alone() {
    let env = crew("deaf", AS_ONE);
    let child = child(&env);
    std::fs::write(env.path("go"), "0\n").unwrap();
    env.wait_state("x", "EXITED");
    assert!(alive(child));
    kill(child, 9);
}

#[test]
fn without_the_options_nothing_is_killed() {
    for options in ["", "killasgroup=true\n"] {
        let env = crew("deaf", &format!("{options}stopwaitsecs=1\n"));
        let child = child(&env);
        kill(env.pid_of("x"), 9);
        env.wait_state("x", "EXITED");
        assert!(alive(child), "{options}");
        kill(child, 9);
    }
}

#[test]
fn a_shutdown_waits_for_them() {
    let mut env = crew("deaf", &format!("{AS_ONE}stopwaitsecs=1\n"));
    let child = child(&env);
    assert_eq!(env.stop(), Some(0));
    assert!(!alive(child));
    assert_eq!(env.log_with("the process group of 'x'").len(), 2);
}
