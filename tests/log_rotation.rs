//! Logs are rotated at `maxbytes`, `backups` old ones are kept, and nothing is lost on the way.
#![allow(clippy::unwrap_used)]

mod env;

use env::{TestEnv, wait_for};
use nix::sys::signal::Signal;

/// Lines of forty bytes, each written by itself: the log is checked after each write.
fn line(n: usize) -> String {
    format!("{n:<39}\n")
}

fn lines(range: std::ops::RangeInclusive<usize>) -> String {
    range.map(line).collect()
}

/// Feeds lines and waits for each to arrive, somewhere.
fn feed(env: &TestEnv, range: std::ops::RangeInclusive<usize>) {
    for n in range {
        env.sup("sendProcessStdin", &["w", &line(n)]).unwrap();
        wait_for(&format!("line {n}"), || {
            let here = env.read("log/w.log");
            let old = env.read("log/w.log.1");
            let end = line(n);
            (here.ends_with(&end) || old.ends_with(&end)).then_some(())
        });
    }
}

fn in_folder() -> TestEnv {
    let env = TestEnv::new();
    std::fs::create_dir(env.path("log")).unwrap();
    env
}

fn started(limits: &str) -> TestEnv {
    let mut env = in_folder();
    env.configure(&format!(
        "[program:w]\ncommand=/bin/cat\nstartsecs=0\nstdout_logfile=@DIR@/log/w.log\n{limits}"
    ));
    env.start(&[]);
    env.wait_state("w", "RUNNING");
    env
}

#[test]
fn a_full_log_moves_on_and_the_oldest_goes() {
    let env = started("stdout_logfile_maxbytes=100\nstdout_logfile_backups=2\n");
    feed(&env, 1..=10);
    assert_eq!(env.list("log"), ["w.log", "w.log.1", "w.log.2"]);
    assert_eq!(env.read("log/w.log"), lines(10..=10));
    assert_eq!(env.read("log/w.log.1"), lines(7..=9));
    assert_eq!(env.read("log/w.log.2"), lines(4..=6));
}

#[test]
fn without_backups_a_full_log_starts_again_empty() {
    let env = started("stdout_logfile_maxbytes=100\nstdout_logfile_backups=0\n");
    feed(&env, 1..=2);
    env.sup("sendProcessStdin", &["w", &line(3)]).unwrap();
    wait_for("the log to be emptied", || env.read("log/w.log").is_empty().then_some(()));
    feed(&env, 4..=5);
    assert_eq!(env.list("log"), ["w.log"]);
    assert_eq!(env.read("log/w.log"), lines(4..=5));
}

#[test]
fn with_maxbytes_0_a_log_grows_for_ever() {
    let env = started("stdout_logfile_maxbytes=0\nstdout_logfile_backups=2\n");
    feed(&env, 1..=10);
    assert_eq!(env.list("log"), ["w.log"]);
    assert_eq!(env.read("log/w.log"), lines(1..=10));
}

#[test]
fn the_size_of_a_log_from_earlier_counts() {
    let mut env = in_folder();
    env.write("log/w.log", &lines(1..=2));
    env.configure(
        "[program:w]\ncommand=/bin/cat\nstartsecs=0\nstdout_logfile=@DIR@/log/w.log\n\
         stdout_logfile_maxbytes=100\nstdout_logfile_backups=2\n",
    );
    env.start(&[]);
    env.wait_state("w", "RUNNING");
    feed(&env, 3..=4);
    assert_eq!(env.read("log/w.log.1"), lines(1..=3));
    assert_eq!(env.read("log/w.log"), lines(4..=4));
}

#[test]
fn nothing_is_lost_while_a_program_writes_at_full_speed() {
    let mut env = in_folder();
    let program = |name: &str, what: &str, log: &str| {
        format!(
            "[program:{name}]\ncommand=/bin/sh -c '{what}'\nstartsecs=0\nautorestart=false\n\
             stdout_logfile=@DIR@/log/{log}\nstderr_logfile=@DIR@/log/{log}\n\
             stdout_logfile_maxbytes=50KB\nstdout_logfile_backups=100\n\
             stderr_logfile_maxbytes=50KB\nstderr_logfile_backups=100\n"
        )
    };
    env.configure(
        &[
            program("one", "seq 1 100000", "one"),
            // Both streams of a process in one file, rotated as one.
            program("both", "seq 1 50000; seq 50001 100000 >&2", "both"),
        ]
        .concat(),
    );
    env.start(&[]);
    let whole: String = (1..=100_000).map(|n| format!("{n}\n")).collect();
    for name in ["one", "both"] {
        env.wait_state(name, "EXITED");
        let mut text = String::new();
        for n in (1..=100).rev() {
            text += &env.read(&format!("log/{name}.{n}"));
        }
        text += &env.read(&format!("log/{name}"));
        if name == "both" {
            // The two streams are read in turns, so only the set of lines is promised.
            let mut numbers: Vec<u32> = text.lines().map(|l| l.parse().unwrap()).collect();
            numbers.sort_unstable();
            assert!(numbers.iter().copied().eq(1..=100_000));
        } else {
            assert!(text == whole, "{} bytes instead of {}", text.len(), whole.len());
        }
        assert!(env.path(&format!("log/{name}.2")).exists());
    }
}

#[test]
fn the_activity_log_is_rotated_too() {
    let mut env = TestEnv::new();
    env.configure_with(
        "logfile_maxbytes=1KB\nlogfile_backups=1",
        "[program:w]\ncommand=/bin/cat\nstartsecs=0\n",
    );
    env.start(&[]);
    env.wait_state("w", "RUNNING");
    wait_for("a rotated activity log", || {
        env.signal(Signal::SIGUSR2);
        env.path("sd.log.1").exists().then_some(())
    });
    assert!(env.read("sd.log.1").len() >= 1024);
    assert!(env.read("sd.log.1").ends_with('\n'));
    assert!(!env.path("sd.log.2").exists());
}

#[test]
fn a_rotation_that_is_not_possible_is_said_and_the_log_goes_on() {
    let mut env = in_folder();
    // A folder in the place of the rotated file.
    std::fs::create_dir_all(env.path("log/w.log.1/x")).unwrap();
    env.configure(
        "[program:w]\ncommand=/bin/cat\nstartsecs=0\nstdout_logfile=@DIR@/log/w.log\n\
         stdout_logfile_maxbytes=100\nstdout_logfile_backups=1\n",
    );
    env.start(&[]);
    env.wait_state("w", "RUNNING");
    feed(&env, 1..=6);
    assert_eq!(env.read("log/w.log"), lines(1..=6));
    let log = env.path("log/w.log");
    let said = format!("WARN 'w' stdout: cannot rotate {} (EISDIR)", log.display());
    env.wait_log(&said, 1);
}
