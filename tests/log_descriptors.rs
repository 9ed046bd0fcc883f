//! Descriptors are a budget: a program takes four at most, its logs are open only while it writes, and
//! wherever they are meanwhile, nothing that it writes is lost.
#![allow(clippy::unwrap_used)]

mod env;

use std::io::{Read, Write};
use std::time::Duration;

use env::{TestEnv, free_port, proc_fds, wait_for};
use nix::sys::signal::Signal;

/// Waits until the daemon has so many descriptors.
fn wait_open(env: &TestEnv, number: usize, when: &str) {
    wait_for(&format!("{number} descriptors {when}, not {}", proc_fds(env.pid()).len()), || {
        (proc_fds(env.pid()).len() == number).then_some(())
    });
}

fn say(env: &TestEnv, name: &str, text: &str) {
    env.sup("sendProcessStdin", &[name, text]).unwrap();
}

#[test]
fn a_program_takes_four_descriptors_at_most() {
    let kinds = [
        (
            "both",
            "stderr_logfile=@DIR@/%(process_num)d.err\nstdout_logfile=@DIR@/%(process_num)d",
            4,
        ),
        ("auto", "", 4),
        ("merged", "redirect_stderr=true", 3),
        ("syslog", "stdout_logfile=NONE\nstderr_logfile=NONE\nstdout_syslog=true", 3),
        ("none", "stdout_logfile=NONE\nstderr_logfile=NONE", 2),
    ];
    let sections: String = kinds
        .iter()
        .map(|(name, options, _)| {
            format!(
                "[program:{name}]\ncommand=/bin/cat\nnumprocs=10\nautostart=false\n\
                 process_name=%(process_num)d\n{options}\n"
            )
        })
        .collect();
    let env = TestEnv::started(&sections);
    let mut open = wait_for("a quiet daemon", || {
        let before = proc_fds(env.pid()).len();
        env.settle();
        (proc_fds(env.pid()).len() == before).then_some(before)
    });
    for (name, _, each) in kinds {
        env.sup("startProcessGroup", &[name]).unwrap();
        open += 10 * each;
        wait_open(&env, open, name);
    }
    for (name, _, each) in kinds {
        env.sup("stopProcessGroup", &[name]).unwrap();
        open -= 10 * each;
        wait_open(&env, open, name);
    }
}

#[test]
fn few_descriptors_do_for_many_programs_that_all_write() {
    let mut env = TestEnv::new();
    env.write("twice.sh", "while read -r line; do echo \"$line\"; echo \"$line\" >&2; done\n");
    env.configure_with(
        "minfds=340\n",
        "[program:p]\ncommand=/bin/sh @DIR@/twice.sh\nnumprocs=60\nprocess_name=%(process_num)d\n\
         startsecs=0\nstdout_logfile=@DIR@/%(process_num)d.out\n\
         stderr_logfile=@DIR@/%(process_num)d.err\n",
    );
    // Four for each, and 80 for the daemon. With their logs open there would have to be 440.
    env.start_by_shell("ulimit -n 340; exec \"$@\"");
    let mut text = String::new();
    for line in ["one\n", "two\n", "three\n"] {
        text += line;
        for n in 0..60 {
            say(&env, &format!("p:{n}"), line);
        }
        for n in 0..60 {
            env.wait_text(&format!("{n}.out"), &text);
            env.wait_text(&format!("{n}.err"), &text);
        }
    }
    for n in 0..60 {
        assert_eq!(
            (env.read(&format!("{n}.out")), env.read(&format!("{n}.err"))),
            (text.clone(), text.clone())
        );
    }
    for trouble in ["open files", "cannot", "WARN"] {
        let lines = env.log_with(trouble);
        assert!(lines.is_empty(), "{lines:?}");
    }
}

#[test]
fn a_log_that_was_moved_or_deleted_meanwhile_loses_nothing() {
    let env = TestEnv::started(
        "[program:cat]\ncommand=/bin/cat\nstartsecs=0\nstdout_logfile=@DIR@/log\n",
    );
    env.wait_state("cat", "RUNNING");
    let (log, moved) = (env.path("log"), env.path("moved"));
    std::fs::rename(&log, &moved).unwrap();
    say(&env, "cat", "one\n");
    // In the same file where the kernel opens files by handle for us, else in a new one.
    let file = wait_for("the first line", || {
        ["moved", "log"]
            .into_iter()
            .find(|name| env.path(name).exists() && env.read(name) == "one\n")
    });
    assert_eq!(log.exists(), file == "log");
    env.signal(Signal::SIGUSR2);
    env.wait_file("log");
    say(&env, "cat", "two\n");
    env.wait_text("log", "two\n");

    env.sup("stopProcess", &["cat"]).unwrap();
    env.sup("startProcess", &["cat"]).unwrap();
    std::fs::remove_file(&log).unwrap();
    say(&env, "cat", "three\n");
    env.wait_text("log", "three\n");
    assert_eq!(env.read("log"), "three\n");
}

#[test]
fn a_program_that_never_wrote_finds_its_log_again_after_it_was_cleared_and_reopened() {
    let env = TestEnv::started(
        "[program:cat]\ncommand=/bin/cat\nstartsecs=0\nstdout_logfile=@DIR@/log\n",
    );
    env.wait_state("cat", "RUNNING");
    env.sup("clearProcessLogs", &["cat"]).unwrap();
    env.wait_file("log");
    std::fs::rename(env.path("log"), env.path("moved")).unwrap();
    env.signal(Signal::SIGUSR2);
    env.wait_file("log");
    std::fs::write(env.path("log"), "before\n").unwrap();
    say(&env, "cat", "one\n");
    env.wait_text("log", "before\none\n");
    assert_eq!(env.read("moved"), "");
}

#[test]
fn idle_connections_leave_descriptors_for_logs_and_for_control() {
    let mut env = TestEnv::new();
    let port = free_port();
    env.configure_with(
        "minfds=200\n",
        &format!(
            "[program:p]\ncommand=/bin/cat\nnumprocs=25\nprocess_name=%(process_num)d\n\
             startsecs=0\nredirect_stderr=true\nstdout_logfile=@DIR@/%(process_num)d.out\n\
             stdout_logfile_maxbytes=50\n[inet_http_server]\nport=127.0.0.1:{port}\n"
        ),
    );
    // Three for each and 80: connections take all they can get.
    env.start_by_shell("ulimit -n 200; exec \"$@\"");
    env.wait_state("p:24", "RUNNING");
    let flood: Vec<_> =
        (0..400).map(|_| std::net::TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    wait_for("a full table", || (proc_fds(env.pid()).len() > 145).then_some(()));
    let line = format!("{}\n", "x".repeat(60));
    for turn in 1..=3 {
        for n in 0..25 {
            say(&env, &format!("p:{n}"), &line);
        }
        for n in 0..25 {
            env.wait_text(&format!("{n}.out.{turn}"), &line);
        }
    }
    drop(flood);
    let trouble = env.log_with("Too many open files");
    assert!(trouble.is_empty() && env.log_with("EMFILE").is_empty(), "{:?}", env.log_lines());
}

#[test]
fn those_who_follow_logs_and_events_leave_descriptors_for_control_and_for_programs() {
    let mut env = TestEnv::new();
    let port = free_port();
    env.configure_with(
        "minfds=150\n",
        &format!(
            "[program:cat]\ncommand=/bin/cat\nstartsecs=0\nstartretries=0\n\
             [program:late]\ncommand=/bin/cat\nstartsecs=0\nautostart=false\n\
             [inet_http_server]\nport=127.0.0.1:{port}\n"
        ),
    );
    env.start_by_shell("ulimit -n 150; exec \"$@\"");
    let pid = env.pid_of("cat");
    let follow = |path: &str| {
        let mut client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.write_all(request.as_bytes()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut head = [0; 12];
        client.read_exact(&mut head).unwrap();
        (client, String::from_utf8(head.to_vec()).unwrap())
    };
    let crowd: Vec<_> = (0..150)
        .map(|n| follow(["/mainlogtail", "/logtail/cat", "/events"][n / 50]))
        .inspect(|(_, head)| assert!(["HTTP/1.1 200", "HTTP/1.1 503"].contains(&head.as_str())))
        .collect();
    assert!(crowd.iter().filter(|(_, head)| head.ends_with("200")).count() > 100);
    assert!(proc_fds(env.pid()).len() > 100, "a full table");

    env::kill(pid, 9);
    env.wait_new_pid("cat", pid);
    let done = env.ctl(&["start", "late"]);
    assert!(done.status.success(), "{done:?}");
    let done = env.ctl(&["reread"]);
    assert!(done.status.success(), "{done:?}");
    say(&env, "cat", "line\n");
    for trouble in ["open files", "EMFILE", "spawnerr"] {
        let lines = env.log_with(trouble);
        assert!(lines.is_empty(), "{lines:?}");
    }
    drop(crowd);
    wait_for("the crowd to be gone", || (proc_fds(env.pid()).len() < 60).then_some(()));
}
