//! `supervisor.restart` is answered when the restart is under way, not before.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod env;

use env::{TestEnv, Value, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[test]
fn whoever_has_the_answer_finds_the_daemon_restarting() {
    // Until there is a file that tells it to give in, it cannot be stopped.
    let env = TestEnv::started(
        "[program:stubborn]\ncommand=/bin/sh -c \"test -e @DIR@/give_in || trap '' TERM; \
         echo ready; exec sleep 600\"\nstartsecs=0\nstopwaitsecs=600\nstdout_logfile=@DIR@/out\n",
    );
    env.wait_text("out", "ready");
    let before = env.pid_of("stubborn");
    assert_eq!(env.sup("restart", &[]), Ok(Value::from(true)));
    for method in ["getState", "restart", "shutdown"] {
        assert_eq!(env.sup(method, &[]).unwrap_err(), (6, "SHUTDOWN_STATE".to_owned()), "{method}");
    }
    let reload = env.ctl(&["reload"]);
    assert_eq!(reload.stdout, b"ERROR: already shutting down\n");
    assert_eq!(reload.status.code(), Some(1));
    env.write("give_in", "");
    kill(Pid::from_raw(before), Signal::SIGKILL).unwrap();
    wait_for("a new process", || {
        let pid = env.sup("getProcessInfo", &["stubborn"]).ok()?["pid"].as_i32()?;
        (![0, before].contains(&pid)).then_some(())
    });
}
