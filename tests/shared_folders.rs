//! A folder that all may write to (`/tmp`) holds no traps: links, pipes and files that another user
//! has put under the names of logs and of the pid file are not used, and an administrator's links
//! work. The rules one by one are tested beside `guarded::open`.
#![allow(clippy::unwrap_used)]

mod env;

use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::PathBuf;
use std::process::Command;

use env::{TestEnv, is_root, wait_for};

/// A user id that owns nothing here.
const STRANGER: u32 = 65533;

/// A daemon to be, with a folder `tmp` that all may write to and a file `secret` of ours.
struct Trap {
    env: TestEnv,
    tmp: PathBuf,
}

impl Trap {
    fn new() -> Trap {
        let env = TestEnv::new();
        let tmp = env.path("tmp");
        std::fs::create_dir(&tmp).unwrap();
        std::fs::set_permissions(&tmp, std::fs::Permissions::from_mode(0o1777)).unwrap();
        env.write("secret", "secret");
        Trap { env, tmp }
    }

    /// A link of a stranger's.
    fn link(&self, name: &str, target: &str) {
        symlink(self.env.path(target), self.tmp.join(name)).unwrap();
        lchown(self.tmp.join(name), Some(STRANGER), None).unwrap();
    }

    fn untouched(&self) {
        assert_eq!(self.env.read("secret"), "secret");
    }
}

fn program(log: &str) -> String {
    format!(
        "[program:w]\ncommand=/bin/sh -c 'echo out; exec cat'\nstartsecs=0\nstartretries=0\n\
         stdout_logfile={log}\nstderr_logfile=NONE\n"
    )
}

#[test]
fn a_pid_file_that_another_user_linked_elsewhere_is_not_written() {
    if !is_root() {
        return;
    }
    let mut trap = Trap::new();
    trap.link("sd.pid", "secret");
    trap.env.configure_with("pidfile=@DIR@/tmp/sd.pid", "");
    // the option is there twice: the latter would be refused
    let text = trap.env.read("supervisord.conf").replacen("pidfile=", ";pidfile=", 1);
    std::fs::write(trap.env.path("supervisord.conf"), text).unwrap();
    trap.env.start(&[]);
    trap.env.wait_log("CRIT could not write pidfile", 1);
    assert_eq!(trap.env.log_with("a symbolic link of user id 65533").len(), 1);
    trap.untouched();
    assert_eq!(trap.env.stop(), Some(0));
    trap.untouched();
    assert!(trap.tmp.join("sd.pid").is_symlink(), "not ours to remove");
}

#[test]
fn a_pid_file_that_is_a_pipe_does_not_hold_up_the_start() {
    let mut env = TestEnv::new();
    env.configure("");
    let made = Command::new("mkfifo").arg(env.path("sd.pid")).status().unwrap();
    assert!(made.success());
    env.start(&[]);
    env.wait_log("CRIT could not write pidfile", 1);
}

#[test]
fn a_main_log_that_another_user_linked_elsewhere_ends_the_start() {
    if !is_root() {
        return;
    }
    let trap = Trap::new();
    trap.link("sd.log", "secret");
    trap.env.configure("");
    let out = trap.env.supervisord(&["-l", trap.tmp.join("sd.log").to_str().unwrap()]).output();
    let out = out.unwrap();
    assert_eq!(out.status.code(), Some(2));
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(text.contains("a symbolic link of user id 65533"), "{text}");
    trap.untouched();
}

#[test]
fn a_log_that_another_user_linked_elsewhere_is_no_log() {
    if !is_root() {
        return;
    }
    let mut trap = Trap::new();
    trap.link("w.log", "secret");
    trap.env.configure(&program("@DIR@/tmp/w.log"));
    trap.env.start(&[]);
    trap.env.wait_state("w", "FATAL");
    let why = trap.env.text_of("w", "spawnerr");
    assert!(why.starts_with("unknown error making dispatchers for 'w': EACCES: "), "{why}");
    assert!(
        why.ends_with(
            "w.log is a symbolic link of user id 65533, in a folder that all may write to"
        )
    );
    // nor is it read to clients
    assert_eq!(
        trap.env
            .call("supervisor.readProcessStdoutLog", vec!["w".into(), 0.into(), 0.into()])
            .map_err(|f| f.0),
        Err(30)
    );
    let tail = trap.env.raw(b"GET /logtail/w HTTP/1.0\r\n\r\n");
    assert!(tail.starts_with(b"HTTP/1.0 404"), "{}", String::from_utf8_lossy(&tail));
    trap.untouched();
}

#[test]
fn a_trap_that_is_laid_while_the_log_is_rotated_catches_nothing() {
    if !is_root() {
        return;
    }
    let mut trap = Trap::new();
    trap.env.configure(&format!(
        "{}stdout_logfile_maxbytes=100\nstdout_logfile_backups=1\n",
        program("@DIR@/tmp/w.log")
    ));
    trap.env.start(&[]);
    trap.env.wait_state("w", "RUNNING");
    trap.env.wait_text("tmp/w.log", "out\n");
    // what a rotated file would replace is a link: the name is replaced, not what it leads to
    trap.link("w.log.1", "secret");
    trap.env.sup("sendProcessStdin", &["w", &"x".repeat(200)]).unwrap();
    // of the link itself: what it leads to is a file all along
    let replaced = || trap.tmp.join("w.log.1").symlink_metadata().is_ok_and(|m| m.is_file());
    wait_for("the rotation", || replaced().then_some(()));
    wait_for("a new log", || trap.tmp.join("w.log").is_file().then_some(()));
    trap.untouched();
    // the log itself is one by the time it is opened anew
    std::fs::remove_file(trap.tmp.join("w.log")).unwrap();
    trap.link("w.log", "secret");
    trap.env.signal(nix::sys::signal::Signal::SIGUSR2);
    trap.env.wait_log("'w' stdout: cannot open", 1);
    trap.env.sup("sendProcessStdin", &["w", "more\n"]).unwrap();
    trap.untouched();
    // once the trap is gone, nothing has been lost
    std::fs::remove_file(trap.tmp.join("w.log")).unwrap();
    trap.env.wait_text("tmp/w.log", "more\n");
    // clearing removes names, too
    std::fs::remove_file(trap.tmp.join("w.log")).unwrap();
    trap.link("w.log", "secret");
    let _ = trap.env.sup("clearProcessLogs", &["w"]);
    trap.untouched();
}

#[test]
fn a_users_own_folder_does_not_lead_to_the_files_of_root() {
    if !is_root() {
        return;
    }
    let mut trap = Trap::new();
    let home = trap.env.path("home");
    std::fs::create_dir(&home).unwrap();
    symlink("../secret", home.join("w.log")).unwrap();
    for path in [home.clone(), home.join("w.log")] {
        lchown(path, Some(STRANGER), None).unwrap();
    }
    trap.env.configure(&program("@DIR@/home/w.log"));
    trap.env.start(&[]);
    trap.env.wait_state("w", "FATAL");
    assert!(trap.env.text_of("w", "spawnerr").contains("whose link leads there"));
    trap.untouched();
    // to his own it does
    chown(trap.env.path("secret"), Some(STRANGER), None).unwrap();
    trap.env.sup("startProcess", &["w"]).unwrap();
    trap.env.wait_text("secret", "secretout\n");
}

#[test]
fn an_administrators_link_works_as_before() {
    let mut env = TestEnv::new();
    std::fs::create_dir(env.path("mnt")).unwrap();
    for name in ["w.log", "sd.log", "sd.pid"] {
        symlink(format!("mnt/{name}"), env.path(name)).unwrap();
    }
    env.configure(&program("@DIR@/w.log"));
    env.start(&[]);
    env.wait_text("mnt/w.log", "out\n");
    env.wait_text("mnt/sd.log", "supervisord started with pid");
    assert_eq!(env.read("mnt/sd.pid"), format!("{}\n", env.pid()));
    let log = env.call("supervisor.readProcessStdoutLog", vec!["w".into(), 0.into(), 0.into()]);
    assert_eq!(log, Ok("out\n".into()));
}

#[test]
fn old_auto_logs_are_removed_and_not_what_they_lead_to() {
    let mut trap = Trap::new();
    symlink(trap.env.path("secret"), trap.env.path("logs/a-stdout---supervisor-abc.log")).unwrap();
    std::fs::create_dir(trap.env.path("folder")).unwrap();
    trap.env.write("folder/b-stdout---supervisor-abc.log", "kept");
    symlink(trap.env.path("folder"), trap.env.path("logs/f---supervisor-abc.log")).unwrap();
    trap.env.configure("");
    trap.env.start(&[]);
    assert_eq!(trap.env.list("logs"), [""; 0]);
    trap.untouched();
    assert_eq!(trap.env.list("folder").len(), 1);
}
