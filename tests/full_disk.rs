//! A disk without room or without inodes: what cannot be written is said and kept, programs and clients
//! notice nothing, and everything goes on by itself when there is room again.
#![allow(clippy::unwrap_used)]

mod env;

use std::fs::File;
use std::io::Write;
use std::path::Path;

use env::{TestEnv, assert_calm, wait_for};

/// Writes a numbered line every few milliseconds until a file `stop` is there; with `$MORE` behind it.
const COUNTER: &str =
    "n=0\nwhile [ ! -e stop ]; do n=$((n + 1)); echo line $n $MORE; sleep 0.02; done\n";

fn counter(options: &str) -> String {
    format!(
        "[program:w]\ncommand=/bin/sh counter.sh\ndirectory=@DIR@\nstartsecs=0\n\
         autorestart=unexpected\nstdout_logfile=@DIR@/small/w.log\nstderr_logfile=NONE\n{options}\n"
    )
}

/// Takes all the room.
fn fill(disk: &Path) {
    let mut file = File::options().append(true).create(true).open(disk.join("filler")).unwrap();
    while file.write_all(&[b'f'; 4096]).is_ok() {}
    // What is left of the last page.
    while file.write_all(b"f").is_ok() {}
}

/// Takes all names.
fn use_up_names(disk: &Path) {
    for n in 0.. {
        if File::create(disk.join(format!("name-{n}"))).is_err() {
            break;
        }
    }
}

fn free_names(disk: &Path) {
    for entry in std::fs::read_dir(disk).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("name-") {
            std::fs::remove_file(path).unwrap();
        }
    }
}

/// Lets the counter end.
fn finish(env: &TestEnv) {
    env.write("stop", "");
    env.wait_state("w", "EXITED");
}

fn lines(text: &str) -> Vec<usize> {
    let number = |line: &str| {
        let (word, rest) = line.split_once(' ').unwrap();
        assert_eq!(word, "line");
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    text.lines().map(number).collect()
}

#[test]
fn without_room_output_is_kept_and_written_when_there_is_some() {
    let mut env = TestEnv::new();
    env.write("counter.sh", COUNTER);
    // A page of the disk takes some seventy lines.
    env.configure(&counter(&format!("environment=MORE={}", "x".repeat(50))));
    let Some(disk) = env.start_with_disk("size=256k", "") else { return };
    let log = disk.join("w.log");
    let text = || std::fs::read_to_string(&log).unwrap_or_default();
    wait_for("output", || text().contains("line 3 ").then_some(()));
    fill(&disk);
    env.wait_log("'w' stdout: cannot write to", 1);
    assert_calm(&env, "without room");
    assert_eq!(env.log_with("small/w.log").len(), 1, "said once: {:?}", env.log_with("w.log"));
    std::fs::remove_file(disk.join("filler")).unwrap();
    env.wait_log("small/w.log works again after ENOSPC, 0 bytes were lost", 1);
    finish(&env);
    let lines = lines(&text());
    assert!(lines.len() > 50 && lines.iter().copied().eq(1..=lines.len()), "{lines:?}");
}

#[test]
fn without_room_for_the_activity_log_everything_else_works() {
    let mut env = TestEnv::new();
    env.configure("[program:cat]\ncommand=/bin/cat\nstartsecs=0\nautostart=false\n");
    let log = format!("-l '{}/small/sd.log'", env.dir().display());
    let Some(disk) = env.start_with_disk("size=64k", &log) else { return };
    let text = || std::fs::read_to_string(disk.join("sd.log")).unwrap_or_default();
    wait_for("its first lines", || text().contains("supervisord started with pid").then_some(()));
    fill(&disk);
    // Up to the end of a page there may still be room.
    for _ in 0..60 {
        env.sup("startProcess", &["cat"]).unwrap();
        env.sup("stopProcess", &["cat"]).unwrap();
    }
    assert!(text().matches("spawned: 'cat'").count() < 60);
    assert_calm(&env, "without room for the activity log");
    std::fs::remove_file(disk.join("filler")).unwrap();
    wait_for("the log to go on", || {
        text().contains("sd.log works again after ENOSPC, 0 bytes were lost").then_some(())
    });
    assert_eq!(text().matches("spawned: 'cat'").count(), 60, "nothing is missing");
}

#[test]
fn without_inodes_a_rotation_waits_and_a_start_fails_until_there_are_some() {
    let mut env = TestEnv::new();
    env.write("counter.sh", COUNTER);
    env.configure(
        &(counter("stdout_logfile_maxbytes=300\nstdout_logfile_backups=200")
            + "[program:late]\ncommand=/bin/cat\nautostart=false\nstartsecs=0\nstartretries=1000\n\
               stdout_logfile=@DIR@/small/late.log\nstderr_logfile=NONE\n"),
    );
    let Some(disk) = env.start_with_disk("size=4m,nr_inodes=400", "") else { return };
    wait_for("a rotation", || disk.join("w.log.1").exists().then_some(()));
    use_up_names(&disk);
    env.wait_log("'w' stdout: cannot open", 1);
    env.sup("startProcess", &["late"]).unwrap_err();
    env.wait_log("spawnerr: unknown error making dispatchers for 'late': ENOSPC", 1);
    // Programs that run do so on, and write.
    let newest = || std::fs::read_to_string(disk.join("w.log.1")).unwrap();
    let before = newest().len();
    wait_for("output into the old file", || (newest().len() > before).then_some(()));
    assert_calm(&env, "without inodes");
    assert_eq!(env.log_with("cannot open").len(), 1, "said once");

    free_names(&disk);
    env.wait_state("late", "RUNNING");
    env.wait_log("small/w.log works again after ENOSPC, 0 bytes were lost", 1);
    finish(&env);
    let mut all = String::new();
    for n in (1..=200).rev() {
        all += &std::fs::read_to_string(disk.join(format!("w.log.{n}"))).unwrap_or_default();
    }
    all += &std::fs::read_to_string(disk.join("w.log")).unwrap();
    let lines = lines(&all);
    assert!(lines.len() > 50 && lines.iter().copied().eq(1..=lines.len()), "{lines:?}");
}

#[test]
fn without_inodes_a_restart_and_new_groups_are_no_end() {
    let mut env = TestEnv::new();
    env.configure(
        "[program:cat]\ncommand=/bin/cat\nstartsecs=0\nstdout_logfile=@DIR@/small/cat.log\n",
    );
    let conf = env.read("supervisord.conf").replace(
        &format!("childlogdir={}/logs", env.dir().display()),
        &format!("childlogdir={}/small", env.dir().display()),
    );
    env.write("supervisord.conf", &conf);
    let Some(disk) = env.start_with_disk("size=4m,nr_inodes=30", "") else { return };
    env.wait_state("cat", "RUNNING");
    use_up_names(&disk);
    // A program whose AUTO log cannot be made is refused, and the others stay.
    env.write(
        "supervisord.conf",
        &(conf.clone() + "[program:more]\ncommand=/bin/cat\nstartsecs=0\n"),
    );
    env.sup("reloadConfig", &[]).unwrap();
    let (code, text) = env.sup("addProcessGroup", &["more"]).unwrap_err();
    assert!(text.contains("more") || text.contains("small"), "{code} {text}");
    assert_eq!(env.state("cat"), "RUNNING");
    // Over a restart the logs of old make room for the same again, but not for more.
    env.signal(nix::sys::signal::Signal::SIGHUP);
    env.wait_log("the new configuration cannot be put in force, going on with the one before", 1);
    env.wait_state("cat", "RUNNING");
    assert_calm(&env, "without inodes");
    free_names(&disk);
    env.signal(nix::sys::signal::Signal::SIGHUP);
    env.wait_state("more", "RUNNING");
    env.wait_state("cat", "RUNNING");
}
