//! Unmodified listeners of the package superlance from PyPI, at work. Skipped, with a line that says
//! so, where the package cannot be had.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod env;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use env::{TestEnv, free_port, wait_for};

/// What is installed; it brings the reference for its client library.
const PACKAGE: &str = "superlance==2.0.0";

/// The folder with the programs of the package and a Python, made once and kept for later runs.
fn programs() -> Option<&'static Path> {
    static PROGRAMS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match PROGRAMS.get_or_init(install) {
        Ok(folder) => Some(folder),
        Err(why) => {
            eprintln!("skipped: {PACKAGE} cannot be had: {why}");
            None
        }
    }
}

fn install() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("superlance");
    let programs = folder.join("bin");
    let complete = folder.join("complete");
    if complete.exists() {
        return Ok(programs);
    }
    let folder = folder.to_str().ok_or("the folder's name is no text")?;
    run(Command::new("python3").args(["-m", "venv", "--clear", folder]))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE];
    run(Command::new(programs.join("python")).args(pip))?;
    std::fs::write(complete, "").map_err(|e| e.to_string())?;
    Ok(programs)
}

fn run(command: &mut Command) -> Result<(), String> {
    let done: std::io::Result<Output> = command.stdin(Stdio::null()).output();
    match done {
        Ok(out) if out.status.success() => Ok(()),
        Ok(out) => {
            let text = String::from_utf8_lossy(&out.stderr).into_owned();
            Err(text.lines().last().unwrap_or("it failed without a word").to_owned())
        }
        Err(e) => Err(e.to_string()),
    }
}

#[test]
fn memmon_restarts_a_program_that_grows() {
    let Some(programs) = programs() else { return };
    if let Err(why) = run(Command::new("ps").arg("--version")) {
        return eprintln!("skipped: memmon needs ps: {why}");
    }
    let bin = programs.display();
    let env = TestEnv::started(&format!(
        "[program:grower]\ncommand={bin}/python -c \"import time; x = 'x' * 60000000; \
         time.sleep(1000)\"\nstartsecs=0\n[program:small]\ncommand=/bin/cat\nstartsecs=0\n\
         [eventlistener:memmon]\ncommand={bin}/memmon -p grower=40MB -p small=40MB\n\
         events=TICK_5\nstderr_logfile=@DIR@/memmon.err\n"
    ));
    env.wait_state("grower", "RUNNING");
    let (grower, small) = (env.pid_of("grower"), env.pid_of("small"));
    env.wait_text("memmon.err", "Restarting grower");
    wait_for("another grower", || {
        Some(env.pid_of("grower")).filter(|pid| *pid != 0 && *pid != grower)
    });
    assert_eq!(env.pid_of("small"), small);
}

#[test]
fn httpok_restarts_a_web_program_that_does_not_answer() {
    let Some(programs) = programs() else { return };
    let bin = programs.display();
    let port = free_port();
    // Dead in its first life.
    let web = format!(
        "mkdir @DIR@/first && exec sleep 1000; exec {bin}/python -m http.server --bind 127.0.0.1 \
         {port}"
    );
    let env = TestEnv::started(&format!(
        "[program:web]\ncommand=/bin/sh -c \"{web}\"\nstartsecs=0\n[eventlistener:httpok]\n\
         command={bin}/httpok -p web http://127.0.0.1:{port}/\nevents=TICK_5\n\
         stderr_logfile=@DIR@/httpok.err\n"
    ));
    env.wait_state("web", "RUNNING");
    env.wait_text("httpok.err", "web restarted");
    let answer = wait_for("the web program to answer", || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    });
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
}

#[test]
fn crashmail_mails_when_a_program_crashes() {
    let Some(programs) = programs() else { return };
    let bin = programs.display();
    let mut env = TestEnv::new();
    let sendmail =
        env.write("sendmail", "#!/bin/sh\ncat > @DIR@/mail.part\nmv @DIR@/mail.part @DIR@/mail\n");
    std::fs::set_permissions(sendmail, std::fs::Permissions::from_mode(0o755)).unwrap();
    env.configure(&format!(
        "[program:fine]\ncommand=/bin/sh -c \"exit 0\"\nautostart=false\nautorestart=false\n\
         startsecs=0\n[program:crasher]\ncommand=/bin/sh -c \"exit 7\"\nautostart=false\n\
         autorestart=false\nstartsecs=0\n[eventlistener:crashmail]\n\
         command={bin}/crashmail -a -o host -s @DIR@/sendmail -m ops@example.com\n\
         events=PROCESS_STATE_EXITED\nstderr_logfile=@DIR@/crashmail.err\n"
    ));
    env.start(&[]);
    for name in ["fine", "crasher"] {
        env.sup("startProcess", &[name]).unwrap();
        env.wait_state(name, "EXITED");
    }
    wait_for("a mail", || env.path("mail").exists().then_some(()));
    let mail = env.read("mail");
    assert!(mail.starts_with("To: ops@example.com\nSubject: host: crasher crashed at "), "{mail}");
    assert!(
        mail.contains("\n\nProcess crasher in group crasher exited unexpectedly (pid "),
        "{mail}"
    );
    assert!(mail.ends_with(" from state RUNNING"), "{mail}");
    assert_eq!(env.read("crashmail.err").matches("unexpected exit, mailing").count(), 1);
}
