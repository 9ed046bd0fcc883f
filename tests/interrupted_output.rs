//! Ctrl-C ends a supervisorctl that follows something, also when nobody reads what it writes.
#![allow(clippy::unwrap_used)]

mod env;

use std::io::Read;
use std::process::{Command, Stdio};

use env::{TestEnv, kill, wait_for};

const SIGINT: i32 = 2;

#[test]
fn a_second_ctrl_c_does_not_wait_for_a_reader_that_has_stopped() {
    let env = TestEnv::started("");
    let mut child = Command::new(env!("CARGO_BIN_EXE_supervisorctl"))
        .arg("-c")
        .arg(env.path("supervisord.conf"))
        .args(["events", "REMOTE_COMMUNICATION"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = child.stdout.take().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    std::thread::scope(|scope| {
        // Far more than a pipe takes; once its first byte is here the rest is being written.
        let reader = scope.spawn(|| output.read_exact(&mut [0]).unwrap());
        let data = "x".repeat(300_000);
        wait_for("its first byte", || {
            env.sup("sendRemoteCommEvent", &["much", &data]).unwrap();
            reader.is_finished().then_some(())
        });
    });
    assert!(child.try_wait().unwrap().is_none());
    let status = wait_for("supervisorctl to end", || {
        let ended = child.try_wait().unwrap();
        if ended.is_none() {
            kill(pid, SIGINT);
        }
        ended
    });
    assert_eq!(status.code(), Some(130));
}
