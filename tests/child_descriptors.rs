//! What a program inherits besides its environment: three descriptors, a process group of its own in
//! supervisord's session, default signals. All of it is read from /proc, so any program will do.
#![allow(clippy::unwrap_used)]

mod env;

use env::{TestEnv, free_port, kill, proc_fds, proc_link, proc_stat, proc_status};

/// Some cats, and as many kinds of descriptors in the daemon as there are.
fn configured() -> TestEnv {
    let env = TestEnv::new();
    env.configure(&format!(
        "[program:plain]\ncommand=/bin/cat\nstartsecs=0\n\
         [program:redir]\ncommand=/bin/cat\nstartsecs=0\nredirect_stderr=true\n\
         [program:nolog]\ncommand=/bin/cat\nstartsecs=0\n\
         stdout_logfile=NONE\nstderr_logfile=NONE\n\
         [inet_http_server]\nport=127.0.0.1:{}\n",
        free_port()
    ));
    env
}

#[test]
fn a_program_has_three_pipes_and_nothing_else() {
    let mut env = configured();
    // Whatever the daemon was born with is not for its programs.
    env.start_by_shell("exec 7</dev/null 8>&1 \"$@\"");
    for name in ["plain", "redir", "nolog"] {
        env.wait_state(name, "RUNNING");
        let pid = env.pid_of(name);
        assert_eq!(proc_fds(pid), [0, 1, 2], "{name}");
        let pipes: Vec<String> = (0..3).map(|fd| proc_link(pid, &format!("fd/{fd}"))).collect();
        assert!(pipes.iter().all(|p| p.starts_with("pipe:")), "{name}: {pipes:?}");
        assert_ne!(pipes[0], pipes[1]);
        assert_eq!(pipes[1] == pipes[2], name == "redir", "{name}: {pipes:?}");
    }
}

#[test]
fn a_program_leads_its_process_group_in_the_session_of_the_daemon() {
    let mut env = configured();
    env.start(&[]);
    env.wait_state("plain", "RUNNING");
    let pid = env.pid_of("plain");
    let stat = proc_stat(pid);
    assert_eq!(stat[1], env.pid().to_string());
    assert_eq!(stat[2], pid.to_string());
    assert_eq!(stat[3], proc_stat(env.pid())[3]);
}

#[test]
fn signals_have_their_default_effect_whatever_the_daemon_ignores() {
    let mut env = configured();
    env.start_by_shell("trap '' PIPE USR1 HUP XFSZ; exec \"$@\"");
    env.wait_state("plain", "RUNNING");
    let pid = env.pid_of("plain");
    for key in ["SigBlk", "SigIgn", "SigCgt"] {
        assert_eq!(proc_status(pid, key), "0000000000000000", "{key}");
    }
}

#[test]
fn an_inherited_signal_mask_is_not_passed_on() {
    let tool = ["env", "--block-signal=USR1", "--block-signal=TERM", "true"];
    let able = std::process::Command::new(tool[0])
        .args(&tool[1..])
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|s| s.success());
    if !able {
        return env::skipped("env(1) cannot block signals here");
    }
    let mut env = configured();
    env.start_by_shell("exec env --block-signal=USR1 --block-signal=TERM \"$@\"");
    env.wait_state("plain", "RUNNING");
    assert_eq!(proc_status(env.pid_of("plain"), "SigBlk"), "0000000000000000");
    env.sup("stopProcess", &["plain"]).unwrap();
    assert_eq!(env.stop(), Some(0), "the daemon hears its own signals too");
}

#[test]
fn a_broken_pipe_ends_a_pipeline_as_in_a_shell() {
    let env = TestEnv::started(
        "[program:x]\ncommand=/bin/sh -c 'yes | head -n 1; echo done'\nstartsecs=0\n\
         autorestart=false\nstdout_logfile=@DIR@/x.out\nstderr_logfile=@DIR@/x.err\n",
    );
    env.wait_state("x", "EXITED");
    assert_eq!(env.read("x.out"), "y\ndone\n");
    assert_eq!(env.read("x.err"), "", "with SIGPIPE ignored, yes complains");
}

#[test]
fn the_umask_and_directory_of_a_program_are_its_own() {
    let mut env = TestEnv::new();
    std::fs::create_dir(env.path("sub")).unwrap();
    env.configure(
        "[program:plain]\ncommand=/bin/cat\nstartsecs=0\n\
         [program:set]\ncommand=/bin/cat\nstartsecs=0\numask=0127\ndirectory=@DIR@/sub\n",
    );
    env.start_by_shell("umask 077; exec \"$@\"");
    let of = |name: &str| {
        env.wait_state(name, "RUNNING");
        let pid = env.pid_of(name);
        (proc_status(pid, "Umask"), proc_link(pid, "cwd"))
    };
    let dir = env.dir().to_str().unwrap().to_owned();
    assert_eq!(of("plain"), ("0077".into(), dir.clone()), "in the foreground both are inherited");
    assert_eq!(of("set"), ("0127".into(), format!("{dir}/sub")));
}

#[test]
fn programs_that_come_and_go_leave_no_descriptor_in_the_daemon() {
    let mut env = configured();
    env.start(&[]);
    let names = ["plain", "redir", "nolog"];
    let cycle = || {
        for name in names {
            env.wait_state(name, "RUNNING");
            env.sup("stopProcess", &[name]).unwrap();
        }
        // Nothing follows that the pump would be woken for.
        let stopped = proc_fds(env.pid()).len();
        for name in names {
            env.sup("startProcess", &[name]).unwrap();
            // Also those that end by themselves, and are made again at once.
            let pid = env.pid_of(name);
            kill(pid, 9);
            env.wait_new_pid(name, pid);
        }
        stopped
    };
    cycle();
    let before = cycle();
    for round in 0..4 {
        let now = cycle();
        assert!(now <= before, "{before} descriptors without programs, {now} in round {round}");
    }
}
