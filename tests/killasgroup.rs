//! `killasgroup` sends SIGKILL, when it comes to that, to the whole process group.
#![allow(clippy::unwrap_used)]

mod env;

use env::{TestEnv, alive, kill, wait_gone};

/// Ignores TERM, and has a child in its group that holds on to nothing of it.
const STUBBORN: &str = "\
mkfifo $1.fifo
sh -c 'echo $$ > '$1'.child; exec 3<>'$1'.fifo; read x <&3' </dev/null >/dev/null 2>&1 &
until [ -s $1.child ]; do :; done
. ./recorder.sh
";

fn stubborn(options: &str) -> TestEnv {
    let mut env = TestEnv::new();
    env.write("stubborn.sh", STUBBORN);
    env.configure(&format!(
        "[program:x]\ncommand=/bin/sh stubborn.sh x -TERM\ndirectory=@DIR@\nstartsecs=0\n\
         stopwaitsecs=0\n{options}"
    ));
    env.start(&[]);
    env.wait_file("x.ready");
    env
}

fn child(env: &TestEnv) -> i32 {
    env.read("x.child").trim().parse().unwrap()
}

#[test]
fn with_it_the_whole_group_is_killed() {
    let env = stubborn("killasgroup=true\n");
    let child = child(&env);
    env.sup("stopProcess", &["x"]).unwrap();
    wait_gone(child);
    assert_eq!(env.log_with("stopped: x"), ["WARN stopped: x (terminated by SIGKILL)"]);
}

#[test]
fn without_it_only_the_program_is_killed() {
    let env = stubborn("");
    let child = child(&env);
    env.sup("stopProcess", &["x"]).unwrap();
    assert_eq!(env.log_with("stopped: x"), ["WARN stopped: x (terminated by SIGKILL)"]);
    assert!(alive(child));
    kill(child, 9);
}
