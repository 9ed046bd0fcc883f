//! A start that hangs, as on a dead file server, is in nobody's way: others start, the hung one can be
//! stopped, and the daemon ends. The dead file server is a FUSE mount that nobody serves.
#![allow(clippy::unwrap_used)]

mod env;

use std::fs::File;
use std::process::Command;
use std::time::Instant;

use env::{TestEnv, is_root, skipped, wait_for, wait_gone};
use nix::sys::signal::Signal;

/// A daemon for which `@DIR@/dead` is such a mount, and the end that nobody serves. None, and a line that
/// says so, where that is not possible.
fn with_dead_server(sections: &str) -> Option<(TestEnv, File)> {
    if !is_root() {
        return None;
    }
    let mut env = TestEnv::new();
    env.configure(sections);
    std::fs::create_dir(env.path("dead")).unwrap();
    let Ok(fuse) = File::options().read(true).write(true).open("/dev/fuse") else {
        skipped("there is no FUSE here");
        return None;
    };
    let mount = format!(
        "mount -i -t fuse -o fd=0,rootmode=40000,user_id=0,group_id=0 none '{}'",
        env.path("dead").display()
    );
    let unshare = |script: String| {
        let mut command = Command::new("unshare");
        command.args(["-m", "/bin/sh", "-c", &script, "sh"]).current_dir(env.dir());
        command
    };
    let other = File::options().read(true).write(true).open("/dev/fuse").unwrap();
    if !unshare(mount.clone()).stdin(other).output().is_ok_and(|o| o.status.success()) {
        skipped("no FUSE can be mounted here");
        return None;
    }
    let daemon = env.supervisord(&[]);
    let mut command = unshare(format!("{mount} && exec \"$@\" </dev/null"));
    command.arg(daemon.get_program()).args(daemon.get_args());
    command.stdin(fuse.try_clone().unwrap());
    env.start_as(command);
    Some((env, fuse))
}

/// What hangs between its birth and its exec.
fn hung(name: &str, options: &str) -> String {
    format!(
        "[program:{name}]\ncommand=/bin/cat\ndirectory=@DIR@/dead/x\nstartsecs=0\n\
         stopwaitsecs=1\npriority=1\n{options}\n"
    )
}

#[test]
fn a_start_that_hangs_holds_up_no_other_and_can_be_stopped() {
    let sections = hung("hung", "") + "[program:web]\ncommand=/bin/cat\nstartsecs=0\n";
    let Some((env, _dead)) = with_dead_server(&sections) else { return };
    env.wait_state("web", "RUNNING");
    env.wait_log("the start of 'hung' takes long (pid ", 1);
    let pid = env.pid_of("hung");
    assert_ne!(pid, 0);
    env.sup("stopProcess", &["hung"]).unwrap();
    assert_eq!(env.state("hung"), "STOPPED");
    wait_gone(pid);
    // Once more, by signal and by `update`.
    env.sup("startProcess", &["hung"]).unwrap();
    let again = env.wait_new_pid("hung", pid);
    env.sup("signalProcess", &["hung", "KILL"]).unwrap();
    env.wait_new_pid("hung", again);
    env.configure("[program:web]\ncommand=/bin/cat\nstartsecs=0\n");
    assert!(env.ctl_text(&["update"]).contains("hung: removed process group"));
    assert_eq!(env.state("web"), "RUNNING");
}

#[test]
fn many_that_hang_hold_up_the_restart_of_another_for_less_than_their_sum() {
    let many: String = (0..12).map(|n| hung(&format!("hung{n}"), "autostart=false")).collect();
    let sections = many + "[program:web]\ncommand=/bin/cat\nstartsecs=0\n";
    let Some((env, _dead)) = with_dead_server(&sections) else { return };
    env.wait_state("web", "RUNNING");
    let before = env.pid_of("web");
    // The client reads until the connection ends, which no hung child may keep open.
    env.call("supervisor.startAllProcesses", vec![env::Value::Bool(false)]).unwrap();
    env::kill(before, 9);
    let start = Instant::now();
    env.wait_new_pid("web", before);
    assert!(start.elapsed().as_secs() < 4, "12 times half a second");
}

#[test]
fn a_daemon_with_a_start_that_hangs_ends() {
    // The second hangs before there is a process, where its command is looked for.
    let lost = "[program:lost]\ncommand=@DIR@/dead/prog\npriority=2\n";
    let sections = hung("hung", "") + lost + "[program:web]\ncommand=/bin/cat\nstartsecs=0\n";
    let Some((mut env, _dead)) = with_dead_server(&sections) else { return };
    env.wait_state("web", "RUNNING");
    let pid = env.pid_of("hung");
    assert_eq!(env.state("lost"), "STARTING");
    env.sup("stopProcess", &["lost"]).unwrap();
    assert_eq!(env.state("lost"), "STOPPED");
    env.signal(Signal::SIGTERM);
    assert_eq!(env.wait_exit(), Some(0));
    wait_gone(pid);
}

#[test]
fn a_start_that_hung_is_like_any_other_when_the_server_is_back() {
    let Some((env, dead)) = with_dead_server(&hung("hung", "autorestart=false")) else { return };
    env.wait_log("the start of 'hung' takes long (pid ", 1);
    // Those who wait get an error now: the folder cannot be entered, so the start ends with 127.
    drop(dead);
    env.wait_log("exited: hung (exit status 127; not expected)", 1);
    wait_for("its last words", || {
        let log = env.text_of("hung", "stderr_logfile");
        std::fs::read_to_string(log).ok().filter(|text| text.contains("couldn't chdir"))
    });
}
