//! Every input of the fuzzers' corpora keeps the promises that its fuzzer looks at.
//!
//! What a fuzzer finds becomes a file in `fuzz/corpus/`, and so a test for good.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

#[path = "../fuzz/targets/mod.rs"]
mod targets;

fn corpus() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus"))
}

/// Runs a target with its corpus. Names are told before, so that the output ends with the culprit.
fn run(target: &str) {
    let mut files: Vec<PathBuf> =
        fs::read_dir(corpus().join(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{target} has no corpus");
    for file in files {
        println!("{}", file.display());
        targets::run(target, &fs::read(&file).unwrap());
    }
}

#[test]
fn every_target_has_a_corpus_and_a_fuzzer_and_nothing_else_has() {
    let names = |folder: &str| {
        let entries = fs::read_dir(corpus().parent().unwrap().join(folder)).unwrap();
        let stem =
            |e: std::io::Result<fs::DirEntry>| e.unwrap().path().file_stem().unwrap().to_owned();
        entries.map(|e| stem(e).into_string().unwrap()).collect::<BTreeSet<_>>()
    };
    let all = targets::ALL.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(names("corpus"), all);
    assert_eq!(names("fuzz_targets"), all);
}

#[test]
fn basic_auth() {
    run("basic_auth");
}

#[test]
fn capture_tokens() {
    run("capture_tokens");
}

#[test]
fn config_file() {
    run("config_file");
}

#[test]
fn config_values() {
    run("config_values");
}

#[test]
fn ctl_answer() {
    run("ctl_answer");
}

#[test]
fn ctl_line() {
    run("ctl_line");
}

#[test]
fn environment_list() {
    run("environment_list");
}

#[test]
fn expand() {
    run("expand");
}

#[test]
fn http_answer() {
    run("http_answer");
}

#[test]
fn http_connection() {
    run("http_connection");
}

#[test]
fn http_head() {
    run("http_head");
}

#[test]
fn ini() {
    run("ini");
}

#[test]
fn listener_protocol() {
    run("listener_protocol");
}

#[test]
fn rpc_service() {
    run("rpc_service");
}

#[test]
fn server_url() {
    run("server_url");
}

#[test]
fn shlex() {
    run("shlex");
}

#[test]
fn strip_ansi() {
    run("strip_ansi");
}

#[test]
fn url_form() {
    run("url_form");
}

#[test]
fn web_page() {
    run("web_page");
}

#[test]
fn xmlrpc_call() {
    run("xmlrpc_call");
}

#[test]
fn xmlrpc_response() {
    run("xmlrpc_response");
}
