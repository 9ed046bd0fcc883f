//! The shipped example does what README says, word by word.
#![allow(clippy::unwrap_used)]

mod env;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use env::{TestEnv, kill, raw_at, wait_for};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The example, copied so that it can be run by several at a time.
fn example() -> TestEnv {
    let env = TestEnv::new();
    let done = Command::new("cp")
        .arg("-r")
        .arg(root().join("examples/quickstart/."))
        .arg(env.dir())
        .status()
        .unwrap();
    assert!(done.success());
    env
}

/// Numbers do not matter, columns do.
fn shape(line: &str) -> String {
    line.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>()
}

/// Lines of README's terminal that stand below a command.
fn promised(command: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut lines = readme.lines().skip_while(|l| *l != format!("$ {command}"));
    assert!(lines.next().is_some(), "README says {command}");
    lines.take_while(|l| !l.starts_with('$') && !l.starts_with("```")).map(str::to_owned).collect()
}

/// pids have as many digits as they like.
fn without_pid(line: &str) -> String {
    let Some((before, rest)) = line.split_once("pid ") else { return line.to_owned() };
    let after = rest.split_once(',').map_or("", |(_, after)| after);
    format!("{before}pid N,{}", shape(after))
}

#[test]
fn it_runs_heals_answers_and_ends() {
    let mut env = example();
    let mut command = Command::new(env!("CARGO_BIN_EXE_supervisord"));
    command.current_dir(env.dir()).stdin(Stdio::null());
    command.arg("-n").arg("-c").arg(env.path("supervisord.conf"));
    let out = std::fs::File::create(env.path("sd.out")).unwrap();
    env.adopt(command.stdout(out).spawn().unwrap());
    let socket = env.path("run/supervisor.sock");
    wait_for("the control socket", || socket.exists().then_some(()));

    let status =
        || -> Vec<String> { env.ctl_text(&["status"]).lines().map(str::to_owned).collect() };
    let lines = wait_for("all to run", || {
        Some(status()).filter(|s| s.len() == 3 && s.iter().all(|l| l.contains("RUNNING")))
    });
    let want: Vec<String> = promised("sctl status").iter().map(|l| without_pid(l)).collect();
    assert_eq!(lines.iter().map(|l| without_pid(l)).collect::<Vec<_>>(), want);

    // kill -9 $(sctl pid worker:worker_0)
    let pid = || env.ctl_text(&["pid", "worker:worker_0"]).trim().parse::<i32>().unwrap();
    let old = pid();
    kill(old, 9);
    let new = wait_for("a new worker", || Some(pid()).filter(|p| *p != old && *p != 0));
    assert!(env::alive(new));
    let line = env.ctl_text(&["status", "worker:worker_0"]);
    let promise = promised("sctl status worker:worker_0").remove(0);
    assert!(line.trim_end() == promise || line.contains("RUNNING"), "{line:?}, not {promise:?}");

    // curl
    let body = "<methodCall><methodName>supervisor.getState</methodName></methodCall>";
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(body), "README shows this call");
    let request = format!(
        "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\
         Content-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let answer = String::from_utf8(raw_at(&socket, request.as_bytes())).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("RUNNING") && answer.contains("</methodResponse>"), "{answer}");

    // The activity log is shown, and the programs' output is where the file says.
    env.wait_text("sd.out", "supervisord started with pid");
    env.wait_text("log/web.log", "listening\n");
    env.wait_text("log/worker_1.log", "of queue orders: job 1 begun\n");

    // Ctrl-C
    env.signal(nix::sys::signal::Signal::SIGINT);
    assert_eq!(env.wait_exit(), Some(0));
    assert!(!env::alive(new));
    assert!(!socket.exists() && !env.path("run/supervisord.pid").exists());
}

#[test]
fn the_shipped_file_is_without_fault() {
    let env = example();
    let out = env.supervisord(&["--check"]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.stderr, b"");
}
