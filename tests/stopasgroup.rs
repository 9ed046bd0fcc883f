//! `stopasgroup` sends the stop signal to the program's whole process group, not only to the program.
#![allow(clippy::unwrap_used)]

mod env;

use env::{TestEnv, alive, wait_gone};

/// A recorder with another recorder in its process group; both read the same stdin.
const FAMILY: &str = "\
exec 3<&0
/bin/sh recorder.sh $1.child TERM <&3 &
. ./recorder.sh
";

fn family(options: &str) -> TestEnv {
    let mut env = TestEnv::new();
    env.write("family.sh", FAMILY);
    env.configure(&format!(
        "[program:x]\ncommand=/bin/sh family.sh x TERM\ndirectory=@DIR@\nstartsecs=0\n{options}"
    ));
    env.start(&[]);
    env.wait_file("x.ready");
    env.wait_file("x.child.ready");
    env
}

fn child(env: &TestEnv) -> i32 {
    env.read("x.child.ready").trim().parse().unwrap()
}

#[test]
fn with_it_the_whole_group_gets_the_signal() {
    let env = family("stopasgroup=true\n");
    let child = child(&env);
    env.sup("stopProcess", &["x"]).unwrap();
    wait_gone(child);
    assert_eq!((env.read("x"), env.read("x.child")), ("TERM\n".into(), "TERM\n".into()));
}

#[test]
fn without_it_only_the_program_gets_the_signal() {
    let env = family("");
    let child = child(&env);
    env.sup("stopProcess", &["x"]).unwrap();
    assert_eq!(env.read("x"), "TERM\n");
    // Its stdin has ended with the program, so it goes by itself; but nothing was sent to it.
    wait_gone(child);
    assert_eq!(env.read("x.child"), "");
}

#[test]
fn the_shutdown_of_the_daemon_respects_it_too() {
    let mut env = family("stopasgroup=true\n");
    let child = child(&env);
    assert!(alive(child));
    assert_eq!(env.stop(), Some(0));
    wait_gone(child);
    assert_eq!(env.read("x.child"), "TERM\n");
}

#[test]
fn a_stop_as_group_without_a_kill_as_group_is_refused() {
    let env = TestEnv::new();
    env.configure("[program:x]\ncommand=/bin/cat\nstopasgroup=true\nkillasgroup=false\n");
    let out = env.supervisord(&[]).output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(text.contains("stopasgroup") && text.contains("killasgroup"), "{text}");
}
