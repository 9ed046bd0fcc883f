//! A socket that somebody listens on is refused and left alone; a stale one is taken over; any other
//! file is never removed.
#![allow(clippy::unwrap_used)]

mod env;

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Output;

use env::{TestEnv, kill, wait_for};

const IN_USE: &str = "Error: Another program is already listening on a port that one of our HTTP \
                      servers is configured to use.  Shut this program down first before starting \
                      supervisord.\n";

fn text(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

#[test]
fn a_second_daemon_is_refused_and_the_first_keeps_all_that_is_its_own() {
    let env = TestEnv::started(
        "[program:x]\ncommand=/bin/cat\nstartsecs=0\n\
         [fcgi-program:f]\ncommand=/bin/sleep 60\nstartsecs=0\nsocket=unix://@DIR@/f.sock\n",
    );
    env.wait_state("x", "RUNNING");
    env.wait_state("f", "RUNNING");
    let inode = |name: &str| std::fs::symlink_metadata(env.path(name)).unwrap().ino();
    let before = (inode("s.sock"), inode("f.sock"), env.list("logs"), env.read("sd.pid"));

    let out = env.supervisord(&["-l", "two.log"]).output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out).starts_with(IN_USE), "{}", text(&out));
    assert!(text(&out).ends_with(" -h\n"));

    assert_eq!((inode("s.sock"), inode("f.sock"), env.list("logs"), env.read("sd.pid")), before);
    UnixStream::connect(env.path("f.sock")).unwrap();
    assert_eq!(env.state("x"), "RUNNING");
}

#[test]
fn a_port_in_use_is_refused_too() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let env = TestEnv::new();
    let port = taken.local_addr().unwrap().port();
    env.configure(&format!("[inet_http_server]\nport=127.0.0.1:{port}\n"));
    let out = env.supervisord(&[]).output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out).starts_with(IN_USE), "{}", text(&out));
    assert!(!env.socket().exists(), "the other socket of the refused start is gone too");
    assert!(!env.path("sd.pid").exists());
}

#[test]
fn a_stale_socket_is_taken_over() {
    let mut env = TestEnv::new();
    drop(UnixListener::bind(env.socket()).unwrap());
    env.configure("");
    env.start(&[]);
    let said = format!("Unlinking stale socket {}\n", env.socket().display());
    assert_eq!(env.read("sd.err"), said);
}

#[test]
fn after_a_crash_the_next_start_just_works() {
    let mut env = TestEnv::started("[program:x]\ncommand=/bin/cat\nstartsecs=0\n");
    env.wait_state("x", "RUNNING");
    kill(env.pid(), 9);
    assert_eq!(env.wait_exit(), None);
    assert!(env.socket().exists() && env.path("sd.pid").exists());
    env.start(&[]);
    env.wait_state("x", "RUNNING");
    assert_eq!(env.read("sd.pid"), format!("{}\n", env.pid()));
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let env = TestEnv::new();
    env.write("s.sock", "somebody's data");
    env.configure("");
    let out = env.supervisord(&[]).output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    let said = text(&out);
    assert!(said.starts_with("Error: ") && said.contains(env.socket().to_str().unwrap()), "{said}");
    assert_eq!(env.read("s.sock"), "somebody's data");
}

#[test]
fn a_socket_file_that_is_removed_comes_back() {
    let env = TestEnv::started("");
    std::fs::remove_file(env.socket()).unwrap();
    wait_for("the daemon to answer again", || env.sup("getState", &[]).ok());
    let meta = std::fs::symlink_metadata(env.socket()).unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.mode() & 0o777, 0o700);
}
