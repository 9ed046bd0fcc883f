//! What a shell offers behind `supervisorctl` comes from the running daemon.
#![allow(clippy::unwrap_used)]

mod env;

use std::path::Path;
use std::process::Command;

use env::{TestEnv, skipped};

const SECTIONS: &str = "[program:web]\ncommand=sleep 1000\nstartsecs=0\n\
    [program:worker]\ncommand=sleep 1000\nnumprocs=2\nprocess_name=w_%(process_num)d\nstartsecs=0\n";

/// The folder with our programs before all others.
fn path() -> String {
    let ours = Path::new(env!("CARGO_BIN_EXE_supervisorctl")).parent().unwrap();
    format!("{}:{}", ours.display(), std::env::var("PATH").unwrap())
}

fn file(name: &str) -> String {
    format!("{}/packaging/completions/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn offered(mut command: Command) -> Vec<String> {
    let out = command.env("PATH", path()).env("HOME", "/nonexistent").output().unwrap();
    let mut words: Vec<String> = String::from_utf8_lossy(&out.stdout)
        .lines()
        .map(|l| l.split('\t').next().unwrap_or_default().to_owned())
        .collect();
    words.sort();
    words
}

/// What bash offers for a line whose last word is being typed.
fn bash(env: &TestEnv, typed: &[&str]) -> Vec<String> {
    let mut command = Command::new("bash");
    command.current_dir(env.dir()).args(["--norc", "-c"]).arg(
        ". \"$0\"; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _supervisorctl; \
         printf '%s\\n' \"${COMPREPLY[@]}\"",
    );
    command.arg(file("supervisorctl.bash")).args(["supervisorctl", "-c", "supervisord.conf"]);
    command.args(typed);
    offered(command)
}

#[test]
fn bash_offers_actions_and_the_names_of_the_running_daemon() {
    let env = TestEnv::started(SECTIONS);
    assert_eq!(bash(&env, &["sta"]), ["start", "status"]);
    assert_eq!(bash(&env, &["start", "w"]), ["web", "worker:*", "worker:w_0", "worker:w_1"]);
    assert_eq!(bash(&env, &["signal", "US"]), ["USR1", "USR2"]);
    assert_eq!(bash(&env, &["signal", "HUP", "we"]), ["web"]);
    assert_eq!(bash(&env, &["update", ""]), ["all", "web", "worker"]);
    assert_eq!(bash(&env, &["tail", "worker:w_1", "std"]), ["stderr", "stdout"]);
    assert_eq!(bash(&env, &["--pass"]), ["--password"]);
}

#[test]
fn without_a_daemon_there_are_no_names() {
    let env = TestEnv::new();
    env.configure("");
    assert_eq!(bash(&env, &["fg", ""]), [""]);
}

#[test]
fn fish_offers_them_too() {
    if Command::new("fish").arg("--version").output().is_err() {
        return skipped("fish is not installed");
    }
    let env = TestEnv::started(SECTIONS);
    let fish = |typed: &str| {
        let mut command = Command::new("fish");
        command.current_dir(env.dir()).arg("-c").arg(format!(
            "source {}; complete -C 'supervisorctl -c supervisord.conf {typed}'",
            file("supervisorctl.fish")
        ));
        offered(command)
    };
    assert_eq!(fish("sta"), ["start", "status"]);
    assert_eq!(fish("start w"), ["web", "worker:*", "worker:w_0", "worker:w_1"]);
}
