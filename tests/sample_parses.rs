//! The sample that `echo_supervisord_conf` prints is a valid configuration, it gives the defaults, and
//! the defaults it names are those in force.
#![allow(clippy::unwrap_used)]

mod env;

use std::process::Command;

use env::TestEnv;
use supervisord::config::load;
use supervisord::config::model::{Config, Overrides};

fn sample() -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_echo_supervisord_conf")).output().unwrap();
    String::from_utf8(out.stdout).unwrap()
}

fn loaded(env: &TestEnv, name: &str, text: &str) -> Config {
    let file = env.write(name, text);
    let configuration = Some(file.to_str().unwrap().to_owned());
    load::load(&Overrides { configuration, ..Overrides::default() })
        .unwrap_or_else(|e| panic!("{e}\n{text}"))
}

#[test]
fn the_sample_is_checked_without_complaint() {
    let env = TestEnv::new();
    env.write("supervisord.conf", &sample());
    let out = env.supervisord(&["--check"]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.stderr, b"");
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.ends_with(": no errors, 0 groups with 0 processes\n"), "{text}");
}

#[test]
fn the_sample_gives_the_defaults() {
    let env = TestEnv::new();
    let sample = loaded(&env, "sample.conf", &sample());
    let bare = loaded(
        &env,
        "bare.conf",
        "[supervisord]\nlogfile=/tmp/supervisord.log\npidfile=/tmp/supervisord.pid\n\
         [unix_http_server]\nfile=/tmp/supervisor.sock\n[rpcinterface:supervisor]\n\
         supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n",
    );
    assert_eq!(format!("{:?}", sample.daemon), format!("{:?}", bare.daemon));
    assert_eq!(sample.servers, bare.servers);
    assert_eq!(sample.rpc_interfaces, bare.rpc_interfaces);
    assert_eq!(sample.groups, bare.groups);
}

/// Settings of a section that are shown with a value which their comment calls the default.
fn shown_defaults(section: &str) -> Vec<(String, String)> {
    let text = sample();
    let mut lines = text.lines().skip_while(|l| l.trim_start_matches(';') != section);
    assert!(lines.next().is_some(), "{section}");
    lines
        .take_while(|l| !l.trim_start_matches(';').starts_with('['))
        .filter_map(|l| {
            let (setting, comment) = l.trim_start_matches(';').split_once(" ;")?;
            let (key, value) = setting.split_once('=')?;
            let value = value.trim();
            comment.contains(&format!("(default {value})")).then(|| (key.into(), value.into()))
        })
        .collect()
}

/// Loads a section with only what it must have, and with each named default spelled out.
fn same_with_defaults(section: &str, required: &str, least: usize) {
    let env = TestEnv::new();
    let defaults = shown_defaults(section);
    assert!(defaults.len() >= least, "{section}: {defaults:?}");
    let head = if section == "[supervisord]" { "" } else { "[supervisord]\n" };
    let bare = loaded(&env, "bare.conf", &format!("{head}{section}\n{required}"));
    // A listener's -1 is the default of its group; spelled out it holds for the process as well.
    let differs = |key: &str| key == "priority" && section.contains("eventlistener");
    for (key, value) in defaults.into_iter().filter(|(key, _)| !differs(key)) {
        let text = format!("{head}{section}\n{required}{key}={value}\n");
        let with = loaded(&env, "bare.conf", &text);
        assert_eq!(format!("{:?}", with.daemon), format!("{:?}", bare.daemon), "{key}");
        assert_eq!(with.groups, bare.groups, "{key}");
        assert_eq!(with.servers, bare.servers, "{key}");
    }
}

#[test]
fn the_defaults_that_comments_name_are_those_in_force() {
    same_with_defaults("[supervisord]", "", 8);
    same_with_defaults("[program:theprogramname]", "command=/bin/cat\n", 15);
    same_with_defaults(
        "[eventlistener:theeventlistenername]",
        "command=/bin/cat\nevents=EVENT\n",
        15,
    );
    same_with_defaults("[unix_http_server]", "file=/tmp/supervisor.sock\n", 1);
}

#[test]
fn every_setting_it_shows_can_be_put_in_force() {
    let env = TestEnv::new();
    let all: String = sample()
        .lines()
        .filter_map(|l| {
            let bare = l.strip_prefix(';').unwrap_or(l);
            let setting = bare.starts_with('[')
                || bare.split_once('=').is_some_and(|(key, _)| {
                    key.trim_end().chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '.')
                });
            setting.then(|| format!("{bare}\n"))
        })
        .collect();
    // Names that a machine need not have.
    let all = all
        .replace("nobody:nogroup", "root:root")
        .replace("user=chrism", "user=root")
        .replace("user=supervisord ", "user=root ")
        .replace("/a/path", env.path("x.log").to_str().unwrap())
        .replace("progname1,progname2", "theprogramname");
    let config = loaded(&env, "all.conf", &all);
    assert_eq!(config.groups.len(), 2);
    assert_eq!(config.servers.len(), 2);
}
