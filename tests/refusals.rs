//! What another user than root is refused is told with a reason that can be acted on.
#![allow(clippy::unwrap_used)]

mod env;

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;

use env::{TestEnv, is_root};

/// A user id that owns nothing here.
const STRANGER: u32 = 65533;

/// One of the programs, run by that user. It is copied, since he may not enter the folder of builds.
fn as_stranger(env: &TestEnv, built: &str, args: &[&str]) -> String {
    let name = built.rsplit('/').next().unwrap();
    let copy = env.path(&format!("{name}-copy"));
    // By another process: where one of ours has the copy open for writing, a child that another test makes
    // at that moment has it, too, and the kernel executes nothing that somebody may write to.
    assert!(Command::new("cp").arg(built).arg(&copy).status().unwrap().success());
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(env.dir(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let out = Command::new(copy).args(args).uid(STRANGER).gid(STRANGER).output().unwrap();
    assert!(!out.status.success());
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

#[test]
fn a_client_that_may_not_use_the_socket_hears_who_may() {
    if !is_root() {
        return;
    }
    let env = TestEnv::started("");
    let url = format!("unix://{}", env.socket().display());
    let ctl = env!("CARGO_BIN_EXE_supervisorctl");
    let text = as_stranger(&env, ctl, &["-s", &url, "status"]);
    let told = "permission denied: the socket is of user root, group root, mode 0700; use sudo, or let \
                others in with chmod= and chown= in [unix_http_server]";
    assert!(text.starts_with("error: cannot connect to ") && text.contains(told), "{text}");
    let closed = env.path("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
    let url = format!("unix://{}/deep/s.sock", closed.display());
    let text = as_stranger(&env, ctl, &["-s", &url, "status"]);
    let told = format!("the folder {} is closed to this user", closed.display());
    assert!(text.contains(&told), "{text}");
}

#[test]
fn a_daemon_names_what_it_may_not_make() {
    if !is_root() {
        return;
    }
    let env = TestEnv::new();
    let (own, roots) = (env.path("own"), env.path("roots"));
    for folder in [&own, &roots] {
        std::fs::create_dir(folder).unwrap();
    }
    chown(&own, Some(STRANGER), None).unwrap();
    let daemon = env!("CARGO_BIN_EXE_supervisord");
    let started = |log: &str, socket: &str| {
        let file = env.path("stranger.conf");
        let text = format!(
            "[supervisord]\nnodaemon=true\nlogfile={}\npidfile={}\nchildlogdir={}\n\
             [unix_http_server]\nfile={}\n[rpcinterface:supervisor]\n\
             supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n",
            env.path(log).display(),
            own.join("pid").display(),
            own.display(),
            env.path(socket).display(),
        );
        std::fs::write(&file, text).unwrap();
        as_stranger(&env, daemon, &["-c", &file.display().to_string()])
    };
    let text = started("roots/log", "own/socket");
    let told = format!("cannot open {}: Permission denied", roots.join("log").display());
    assert!(text.contains(&told), "{text}");
    let text = started("own/log", "roots/socket");
    let told = format!(
        "Error: Cannot open an HTTP server: socket.error reported errno.EACCES (13) for {} of \
         [unix_http_server]: Permission denied",
        roots.join("socket").display()
    );
    assert!(text.contains(&told), "{text}");
}

#[test]
fn a_file_that_a_reread_had_to_leave_out_is_named() {
    let env = TestEnv::started("[include]\nfiles=@DIR@/conf.d/*.conf\n");
    env.write("conf.d/a.conf", "[program:a]\ncommand=/bin/cat\nautostart=false\n");
    assert_eq!(env.ctl_text(&["reread"]).trim(), "a: available");
    // a link to itself cannot be read by root either
    std::fs::remove_file(env.path("conf.d/a.conf")).unwrap();
    std::os::unix::fs::symlink("a.conf", env.path("conf.d/a.conf")).unwrap();
    env.ctl(&["reread"]);
    env.wait_log("WARN cannot read included file", 1);
}
