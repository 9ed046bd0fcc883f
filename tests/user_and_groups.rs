//! `user=` changes user, group and supplementary groups, of a program or of the whole daemon, and
//! nothing else.
#![allow(clippy::unwrap_used)]

mod env;

use std::os::unix::fs::{MetadataExt, chown};

use env::{TestEnv, is_root, proc_environ, proc_status, skipped};
use nix::unistd::{User, getgrouplist};

/// An ordinary account of this machine; one that is in more groups than its own, if there is such.
fn somebody() -> Option<User> {
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let members = groups.lines().filter_map(|l| l.rsplit(':').next()).flat_map(|m| m.split(','));
    members
        .chain(["nobody", "daemon"])
        .filter_map(|name| User::from_name(name).ok().flatten())
        .find(|user| !user.uid.is_root())
}

fn groups_of(user: &User) -> Vec<u32> {
    let name = std::ffi::CString::new(user.name.as_str()).unwrap();
    let mut groups: Vec<u32> =
        getgrouplist(&name, user.gid).unwrap().into_iter().map(|g| g.as_raw()).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

fn numbers(text: &str) -> Vec<u32> {
    let mut numbers: Vec<u32> = text.split_whitespace().map(|n| n.parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

fn assert_is(pid: i32, user: &User) {
    assert_eq!(numbers(&proc_status(pid, "Uid")), [user.uid.as_raw(); 4]);
    assert_eq!(numbers(&proc_status(pid, "Gid")), [user.gid.as_raw(); 4]);
    assert_eq!(numbers(&proc_status(pid, "Groups")), groups_of(user));
}

#[test]
fn a_program_gets_the_ids_of_its_user_and_keeps_the_environment() {
    if !is_root() {
        return;
    }
    let Some(user) = somebody() else { return skipped("no ordinary account here") };
    let mut env = TestEnv::new();
    env.configure(&format!(
        "[program:x]\ncommand=/bin/cat\nuser={}\nstartsecs=0\numask=027\ndirectory=/\n\
         [program:byid]\ncommand=/bin/cat\nuser={}\nstartsecs=0\n\
         [program:root]\ncommand=/bin/cat\nuser=root\nstartsecs=0\n",
        user.name, user.uid
    ));
    let mut command = env.supervisord(&[]);
    command.env("HOME", "/callers/home").env("USER", "caller").env("LOGNAME", "caller");
    env.start_as(command);
    for name in ["x", "byid"] {
        env.wait_state(name, "RUNNING");
        assert_is(env.pid_of(name), &user);
    }
    let pid = env.pid_of("x");
    let vars = proc_environ(pid);
    assert_eq!(
        [&vars["HOME"], &vars["USER"], &vars["LOGNAME"]],
        ["/callers/home", "caller", "caller"]
    );
    assert_eq!(proc_status(pid, "Umask"), "0027");
    assert_eq!(proc_status(pid, "CapEff"), "0000000000000000", "nothing of root is left");
    env.wait_state("root", "RUNNING");
    assert_eq!(
        proc_status(env.pid_of("root"), "Groups"),
        proc_status(env.pid(), "Groups"),
        "who is that user already stays as it is"
    );
    // Stopping works across users.
    env.sup("stopProcess", &["x"]).unwrap();
}

#[test]
fn a_folder_that_the_user_may_not_enter_is_a_spawn_failure() {
    if !is_root() {
        return;
    }
    let Some(user) = somebody() else { return skipped("no ordinary account here") };
    let mut env = TestEnv::new();
    std::fs::create_dir(env.path("private")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(env.path("private"), mode).unwrap();
    env.configure(&format!(
        "[program:x]\ncommand=/bin/cat\nuser={}\ndirectory=@DIR@/private\nstartretries=0\n\
         stderr_logfile=@DIR@/x.err\n",
        user.name
    ));
    env.start(&[]);
    env.wait_state("x", "FATAL");
    let expected = format!(
        "supervisor: couldn't chdir to {}: EACCES\nsupervisor: child process was not spawned\n",
        env.path("private").display()
    );
    assert_eq!(env.read("x.err"), expected);
}

#[test]
fn the_daemon_itself_can_become_another_user() {
    if !is_root() {
        return;
    }
    let Some(user) = somebody() else { return skipped("no ordinary account here") };
    let mut env = TestEnv::new();
    let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
    for folder in [env.dir().to_owned(), env.path("logs")] {
        chown(folder, Some(uid), Some(gid)).unwrap();
    }
    env.configure_with(
        &format!("user={}", user.name),
        "[program:x]\ncommand=/bin/cat\nstartsecs=0\n\
         [program:up]\ncommand=/bin/cat\nuser=root\nstartretries=0\nstderr_logfile=@DIR@/up.err\n",
    );
    env.start(&[]);
    env.wait_state("x", "RUNNING");
    assert_is(env.pid(), &user);
    assert_is(env.pid_of("x"), &user);
    assert_eq!(std::fs::metadata(env.socket()).unwrap().uid(), uid);
    let line = format!("INFO Set uid to user {uid} succeeded");
    assert!(env.log_lines().contains(&line), "{:?}", env.log_lines());
    assert!(env.log_with("running as root").is_empty());

    // Nobody can be raised again.
    env.wait_state("up", "FATAL");
    assert_eq!(
        env.read("up.err"),
        "supervisor: couldn't setuid to 0: Can't drop privilege as nonroot user\n\
         supervisor: child process was not spawned\n"
    );
}

#[test]
fn unknown_users_are_refused_when_the_file_is_read() {
    let env = TestEnv::new();
    env.configure("[program:x]\ncommand=/bin/cat\nuser=no-such-user-here\n");
    let out = env.supervisord(&[]).output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(text.starts_with("Error: ") && text.contains("no-such-user-here"), "{text}");
}
