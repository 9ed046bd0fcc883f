//! FastCGI programs: fd 0 is a listening socket that all processes of the group share.
#![allow(clippy::unwrap_used)]

mod env;

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;

use env::{TestEnv, free_port, proc_link};

fn two() -> TestEnv {
    let env = TestEnv::started(
        "[fcgi-program:f]\ncommand=/bin/sleep 60\n\
         process_name=f%(process_num)d\nnumprocs=2\nsocket=unix://@DIR@/f.sock\n\
         socket_mode=0660\nstartsecs=0\n",
    );
    for name in ["f:f0", "f:f1"] {
        env.wait_state(name, "RUNNING");
    }
    env
}

#[test]
fn all_processes_have_the_same_socket_as_fd_0() {
    let env = two();
    let sockets = ["f:f0", "f:f1"].map(|name| proc_link(env.pid_of(name), "fd/0"));
    assert!(sockets[0].starts_with("socket:["), "{sockets:?}");
    assert_eq!(sockets[0], sockets[1]);
    let meta = std::fs::symlink_metadata(env.path("f.sock")).unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.mode() & 0o777, 0o660);
    // It listens, whoever accepts.
    UnixStream::connect(env.path("f.sock")).unwrap();
    let (code, _) = env.sup("sendProcessStdin", &["f:f0", "x"]).unwrap_err();
    assert_eq!(code, 20, "there is no pipe to its stdin");
}

#[test]
fn the_socket_lives_from_the_first_start_to_the_last_stop() {
    let env = two();
    let url = format!("unix://{}", env.path("f.sock").display());
    let created = format!("INFO Creating socket {url}");
    let closed = format!("INFO Closing socket {url}");
    // Once at the start to see whether it can be made.
    assert_eq!(env.log_with(" socket unix:"), [created.as_str(), &closed, &created]);
    env.sup("stopProcess", &["f:f0"]).unwrap();
    UnixStream::connect(env.path("f.sock")).unwrap();
    env.sup("stopProcess", &["f:f1"]).unwrap();
    env.wait_log(&closed, 2);
    assert!(UnixStream::connect(env.path("f.sock")).is_err());
    assert!(env.path("f.sock").exists(), "the file stays, as it does in the reference");

    env.sup("startProcess", &["f:f0"]).unwrap();
    env.wait_log(&created, 3);
    UnixStream::connect(env.path("f.sock")).unwrap();
}

#[test]
fn a_restarted_process_keeps_the_socket_of_the_others() {
    let env = two();
    let before = proc_link(env.pid_of("f:f1"), "fd/0");
    let old = env.pid_of("f:f0");
    env::kill(old, 9);
    let new = env.wait_new_pid("f:f0", old);
    assert_eq!(proc_link(new, "fd/0"), before);
}

#[test]
fn tcp_sockets_work_the_same_way() {
    let port = free_port();
    let env = TestEnv::started(&format!(
        "[fcgi-program:t]\ncommand=/bin/sleep 60\n\
         socket=tcp://127.0.0.1:{port}\nstartsecs=0\n"
    ));
    env.wait_state("t", "RUNNING");
    assert!(proc_link(env.pid_of("t"), "fd/0").starts_with("socket:["));
    std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert_eq!(env.log_with(&format!("Creating socket tcp://127.0.0.1:{port}")).len(), 2);
}

#[test]
fn a_socket_that_cannot_be_made_refuses_the_start() {
    let env = TestEnv::new();
    env.configure(
        "[fcgi-program:f]\ncommand=/bin/cat\nsocket=unix://@DIR@/no/such/folder/f.sock\n",
    );
    let out = env.supervisord(&[]).output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(text.contains("Could not create FastCGI socket"), "{text}");
    assert!(!env.socket().exists(), "the control socket is taken away again");
}
