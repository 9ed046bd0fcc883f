//! `--differences` tells what would be different from Python Supervisor, with places and exit codes.
#![allow(clippy::unwrap_used)]

mod env;

use env::TestEnv;

fn differences(sections: &str) -> (Option<i32>, String) {
    let env = TestEnv::new();
    env.configure(sections);
    let out = env.supervisord(&["--differences"]).output().unwrap();
    let dir = env.dir().to_str().unwrap();
    let text = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    (out.status.code(), text.replace(dir, "@DIR@"))
}

#[test]
fn nothing_is_said_when_nothing_differs() {
    let (code, text) = differences("[program:x]\ncommand=cat\n");
    assert_eq!(code, Some(0));
    assert!(text.starts_with("nothing: "), "{text}");
}

#[test]
fn a_server_on_tcp_and_a_plug_in_differ() {
    let (code, text) = differences(
        "[inet_http_server]\nport=127.0.0.1:1\nusername=a\npassword=b\n\
         [rpcinterface:x]\nsupervisor.rpcinterface_factory=a.b:c\n",
    );
    assert_eq!(code, Some(1));
    assert!(
        text.contains("[rpcinterface:x] supervisor.rpcinterface_factory=a.b:c: a plug-in"),
        "{text}"
    );
    assert!(text.contains("[inet_http_server]: links of the web page"), "{text}");
    let (code, text) =
        differences("[inet_http_server]\nport=127.0.0.1:1\nusername=a\npassword=b\n");
    assert_eq!(code, Some(1));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("supervisord.conf:") && text.contains("get_actions=true"), "{text}");
}

#[test]
fn a_file_at_the_name_of_the_socket_is_told_of_and_left_alone() {
    let env = TestEnv::new();
    env.configure("");
    env.write("s.sock", "precious");
    let out = env.supervisord(&["--differences"]).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stdout).contains("is no socket"));
    assert_eq!(env.read("s.sock"), "precious");
}

#[test]
fn a_mistake_is_a_mistake_and_no_difference() {
    let (code, text) = differences("[program:x]\ncommand=cat\nnumprocs=many\n");
    assert_eq!(code, Some(2));
    assert!(text.starts_with("Error: "), "{text}");
}

#[test]
fn a_group_that_is_stopped_as_one_is_told_of() {
    let (code, text) = differences("[program:x]\ncommand=/bin/cat\nstopasgroup=true\n");
    assert_eq!(code, Some(1));
    assert!(
        text.contains("[program:x] stopasgroup=true: what is left of its process group"),
        "{text}"
    );
    let (code, _) = differences("[program:x]\ncommand=/bin/cat\nstopasgroup=false\n");
    assert_eq!(code, Some(0));
}
