//! `echo_supervisord_conf` prints the sample configuration, whatever its arguments.
#![allow(clippy::unwrap_used)]

use std::fs::OpenOptions;
use std::process::{Command, Output};

fn echo(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_echo_supervisord_conf")).args(args).output().unwrap()
}

#[test]
fn prints_the_sample_and_nothing_else() {
    let out = echo(&[]);
    assert!(out.status.success());
    assert_eq!(String::from_utf8(out.stdout).unwrap(), supervisord::config::sample::text());
    assert!(out.stderr.is_empty());
}

#[test]
fn takes_no_notice_of_arguments() {
    let out = echo(&["-h", "x"]);
    assert!(out.status.success());
    assert!(out.stdout.starts_with(b"; Sample supervisor config file.\n"));
}

#[test]
fn fails_when_the_sample_cannot_be_written() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_echo_supervisord_conf"))
        .stdout(full)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(!out.stderr.is_empty());
}

#[test]
fn an_independent_parser_reads_the_settings_in_force() {
    let mut ini = configparser::ini::Ini::new();
    ini.set_inline_comment_symbols(Some(&[';']));
    ini.read(String::from_utf8(echo(&[]).stdout).unwrap()).unwrap();
    let get = |section, key| ini.get(section, key).unwrap_or_default();
    assert_eq!(get("unix_http_server", "file"), "/tmp/supervisor.sock");
    assert_eq!(get("supervisord", "logfile_maxbytes"), "50MB");
    assert_eq!(get("supervisord", "minprocs"), "200");
    assert_eq!(get("supervisorctl", "serverurl"), "unix:///tmp/supervisor.sock");
    assert_eq!(
        get("rpcinterface:supervisor", "supervisor.rpcinterface_factory"),
        "supervisor.rpcinterface:make_main_rpcinterface"
    );
    assert_eq!(ini.sections().len(), 4, "only these sections are in force");
}
