//! New configurations: SIGHUP and `restart` start everything over, `reread` and `update` change what has
//! changed; a bad file changes nothing.
#![allow(clippy::unwrap_used)]

mod env;

use env::{TestEnv, Value, wait_gone};
use nix::sys::signal::Signal;

fn cats(names: &[&str]) -> String {
    names.iter().map(|n| format!("[program:{n}]\ncommand=/bin/cat\nstartsecs=0\n")).collect()
}

fn processes(env: &TestEnv) -> Vec<String> {
    let all = env.sup("getAllProcessInfo", &[]).unwrap();
    all.as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn hup_starts_over_with_the_new_file() {
    let env = TestEnv::started(&cats(&["a", "old"]));
    env.wait_state("a", "RUNNING");
    env.wait_state("old", "RUNNING");
    let pids = [env.pid_of("a"), env.pid_of("old")];
    env.configure_with("identifier=second", &cats(&["a", "new"]));
    env.signal(Signal::SIGHUP);
    env.wait_log("supervisord started with pid", 2);
    env.wait_state("a", "RUNNING");
    env.wait_state("new", "RUNNING");
    for pid in pids {
        wait_gone(pid);
    }
    assert_eq!(processes(&env), ["a", "new"]);
    assert_eq!(env.sup("getPID", &[]).unwrap().as_i32(), Some(env.pid()), "the same daemon");
    assert_eq!(env.sup("getIdentification", &[]), Ok(Value::from("second")));
    assert!(env.path("sd.pid").exists());
    assert_eq!(env.log_with("WARN received SIGHUP indicating restart request").len(), 1);
}

#[test]
fn hup_with_a_bad_file_is_an_error_in_the_log_and_nothing_else() {
    let mut env = TestEnv::started(&cats(&["a"]));
    env.wait_state("a", "RUNNING");
    let pid = env.pid_of("a");
    env.configure_with("minfds=x", &cats(&["b"]));
    env.signal(Signal::SIGHUP);
    env.wait_log("restart refused", 1);
    let line = env.log_with("restart refused").remove(0);
    assert!(line.starts_with("ERRO ") && line.contains("minfds"), "{line}");
    assert_eq!((env.pid_of("a"), env.state("a").as_str()), (pid, "RUNNING"));

    // Not even there.
    std::fs::remove_file(env.path("supervisord.conf")).unwrap();
    env.signal(Signal::SIGHUP);
    env.wait_log("restart refused", 2);
    assert_eq!(env.pid_of("a"), pid);

    env.configure(&cats(&["b"]));
    env.signal(Signal::SIGHUP);
    env.wait_state("b", "RUNNING");
    assert_eq!(processes(&env), ["b"]);
    assert_eq!(env.stop(), Some(0));
}

/// A port that is taken and a log that cannot be opened read well, and would be found only when all
/// programs are down.
#[test]
fn hup_with_a_file_that_cannot_be_carried_out_is_refused_while_all_still_runs() {
    let env = TestEnv::started(&cats(&["a"]));
    env.wait_state("a", "RUNNING");
    let pid = env.pid_of("a");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    env.configure(&format!("[inet_http_server]\nport=127.0.0.1:{port}\n{}", cats(&["b"])));
    env.signal(Signal::SIGHUP);
    env.wait_log("restart refused", 1);
    let line = env.log_with("restart refused").remove(0);
    assert!(line.contains("[inet_http_server] Another program is already listening"), "{line}");

    env.configure(&format!("[unix_http_server]\nfile=@DIR@/nodir/s.sock\n{}", cats(&["b"])));
    env.signal(Signal::SIGHUP);
    env.wait_log("restart refused", 2);
    assert_eq!(env.pid_of("a"), pid);

    drop(taken);
    env.configure(&format!("[inet_http_server]\nport=127.0.0.1:{port}\n{}", cats(&["b"])));
    env.signal(Signal::SIGHUP);
    env.wait_state("b", "RUNNING");
    // The same port again, which is ours now.
    env.signal(Signal::SIGHUP);
    env.wait_log("supervisord started with pid", 3);
    env.wait_state("b", "RUNNING");
}

#[test]
fn a_restart_by_call_does_the_same() {
    let env = TestEnv::started(&cats(&["a"]));
    env.wait_state("a", "RUNNING");
    let pid = env.pid_of("a");
    env.configure(&cats(&["a", "b"]));
    assert_eq!(env.ctl_text(&["reload"]), "Restarted supervisord\n");
    env.wait_log("supervisord started with pid", 2);
    env.wait_state("b", "RUNNING");
    env.wait_state("a", "RUNNING");
    assert_ne!(env.pid_of("a"), pid);
}

#[test]
fn reread_and_update_touch_only_what_changed() {
    let env = TestEnv::started(&cats(&["same", "changed", "gone"]));
    for name in ["same", "changed", "gone"] {
        env.wait_state(name, "RUNNING");
    }
    let same = env.pid_of("same");
    let others = [env.pid_of("changed"), env.pid_of("gone")];
    let sections = cats(&["same", "changed"]) + "environment=A=\"new\"\n" + &cats(&["added"]);
    env.configure(&sections);

    assert_eq!(
        env.ctl_text(&["reread"]),
        "added: available\nchanged: changed\ngone: disappeared\n"
    );
    assert_eq!(processes(&env), ["changed", "gone", "same"], "reread only looks");

    let out = env.ctl_text(&["update"]);
    let mut lines: Vec<&str> = out.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "added: added process group",
            "changed: stopped",
            "changed: updated process group",
            "gone: removed process group",
            "gone: stopped",
        ]
    );
    env.wait_state("added", "RUNNING");
    env.wait_state("changed", "RUNNING");
    assert_eq!(processes(&env), ["added", "changed", "same"]);
    assert_eq!(env.pid_of("same"), same);
    for pid in others {
        wait_gone(pid);
    }
    assert_eq!(env::proc_environ(env.pid_of("changed"))["A"], "new");
    assert_eq!(env.ctl_text(&["reread"]), "No config updates to processes\n");
}

#[test]
fn reread_of_a_bad_file_says_what_is_wrong_and_changes_nothing() {
    let env = TestEnv::started(&cats(&["a"]));
    env.wait_state("a", "RUNNING");
    env.configure("[program:a]\ncommand=/bin/cat\nautorestart=perhaps\n");
    let (code, text) = env.sup("reloadConfig", &[]).unwrap_err();
    assert_eq!(code, 92);
    assert!(text.starts_with("CANT_REREAD: ") && text.contains("perhaps"), "{text}");
    let out = env.ctl_text(&["reread"]);
    assert!(out.starts_with("ERROR: CANT_REREAD: "), "{out}");
    assert_eq!(env.state("a"), "RUNNING");
}

#[test]
fn a_log_in_a_folder_that_is_not_there_refuses_a_restart() {
    let env = TestEnv::started(&cats(&["a"]));
    env.wait_state("a", "RUNNING");
    let pid = env.pid_of("a");
    env.configure_with("logfile=@DIR@/no/such/folder/sd.log", &cats(&["a"]));
    env.signal(Signal::SIGHUP);
    env.wait_log("restart refused", 1);
    assert_eq!(env.pid_of("a"), pid);
}

#[test]
fn the_control_socket_stays_over_a_restart() {
    let env = TestEnv::started(&cats(&["a"]));
    env.wait_state("a", "RUNNING");
    let inode = |env: &TestEnv| {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(env.socket()).unwrap().ino()
    };
    let before = inode(&env);
    for turn in 2..5 {
        assert_eq!(env.sup("restart", &[]), Ok(Value::from(true)));
        // Connections wait in between; one that was just let in by the server of the life before may
        // be closed, but none is refused.
        while env.log_with("supervisord started with pid").len() < turn {
            std::os::unix::net::UnixStream::connect(env.socket()).unwrap();
        }
        assert_eq!(inode(&env), before);
    }
}
