//! Without `nodaemon` supervisord goes to the background: a session of its own, no terminal, a pid file
//! as long as it lives.
#![allow(clippy::unwrap_used)]

mod env;

use env::{TestEnv, alive, proc_fds, proc_link, proc_stat, proc_status, wait_for, wait_gone};
use nix::sys::signal::Signal;

fn in_background(options: &str) -> (TestEnv, i32) {
    let mut env = TestEnv::new();
    env.configure_with(
        &format!("nodaemon=false\n{options}"),
        "[program:x]\ncommand=/bin/cat\nstartsecs=0\n",
    );
    let (code, pid) = env.start_in_background(&[]);
    assert_eq!(code, Some(0), "the parent ends as soon as all that can be refused is done");
    env.wait_state("x", "RUNNING");
    (env, pid)
}

#[test]
fn the_daemon_leads_a_session_without_terminal() {
    let (env, pid) = in_background("");
    let stat = proc_stat(pid);
    assert_eq!(stat[2..5], [pid.to_string(), pid.to_string(), "0".to_owned()]);
    for fd in 0..3 {
        assert_eq!(proc_link(pid, &format!("fd/{fd}")), "/dev/null");
    }
    assert_eq!(env.read("sd.pid"), format!("{pid}\n"));
    assert_eq!(proc_status(pid, "Umask"), "0022");
    assert_eq!(proc_link(pid, "cwd"), env.dir().to_str().unwrap());
    assert_eq!((env.read("sd.out"), env.read("sd.err")), (String::new(), String::new()));
    assert!(env.log_lines().contains(&"INFO daemonizing the supervisord process".to_owned()));

    let child = env.pid_of("x");
    assert_eq!(proc_fds(child), [0, 1, 2]);
    assert_eq!(proc_stat(child)[3], pid.to_string(), "programs live in its session");
}

#[test]
fn umask_and_directory_are_taken_on_and_passed_on() {
    let (env, pid) = in_background("umask=027\ndirectory=/");
    let child = env.pid_of("x");
    for pid in [pid, child] {
        assert_eq!(proc_status(pid, "Umask"), "0027");
        assert_eq!(proc_link(pid, "cwd"), "/");
    }
    assert!(env.log_lines().contains(&"INFO set current directory: '/'".to_owned()));
}

#[test]
fn a_shutdown_leaves_neither_pid_file_nor_socket_nor_processes() {
    let (env, pid) = in_background("");
    let child = env.pid_of("x");
    env.sup("shutdown", &[]).unwrap();
    // What stop scripts do.
    wait_for("the pid file to go", || (!env.path("sd.pid").exists()).then_some(()));
    assert!(!env.socket().exists());
    assert!(!alive(child));
    wait_gone(pid);
}

#[test]
fn a_restart_keeps_the_process_and_the_pid_file() {
    let (env, pid) = in_background("");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGHUP).unwrap();
    env.wait_log("supervisord started with pid", 2);
    env.wait_state("x", "RUNNING");
    assert_eq!(env.sup("getPID", &[]).unwrap().as_i32(), Some(pid));
    assert_eq!(env.read("sd.pid"), format!("{pid}\n"));
    assert_eq!(env.log_with("daemonizing").len(), 1, "it goes to the background once");
}

#[test]
fn what_is_wrong_is_said_before_the_parent_ends() {
    let env = TestEnv::new();
    env.configure_with("nodaemon=false\nminfds=x", "");
    let out = env.supervisord(&[]).output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(out.stderr.starts_with(b"Error: "));
    assert!(!env.path("sd.pid").exists());
}

#[test]
fn the_command_line_can_keep_it_in_the_foreground() {
    let mut env = TestEnv::new();
    env.configure_with("nodaemon=false\nsilent=false", "");
    env.start(&["-n"]);
    assert_eq!(env.sup("getPID", &[]).unwrap().as_i32(), Some(env.pid()));
    env.wait_text("sd.out", "supervisord started with pid");
    assert_eq!(env.stop(), Some(0));
}
