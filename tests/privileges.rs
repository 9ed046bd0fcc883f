//! What programs have of the daemon's privileges, who may open its socket at any moment, and where
//! its passwords are not to be found.
#![allow(clippy::unwrap_used)]

mod env;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use env::{TestEnv, free_port, is_root, proc_environ, proc_fds, proc_status, proc_text, wait_for};

const CATS: &str = "[program:plain]\ncommand=/bin/cat\nstartsecs=0\n";

/// Lines of a process's status that tell of privileges.
fn privileges(status: &str) -> Vec<&str> {
    let keys = ["Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
    let more = ["NoNewPrivs", "Seccomp:", "Umask", "Cpus_allowed:"];
    status.lines().filter(|l| keys.iter().chain(&more).any(|k| l.starts_with(k))).collect()
}

#[test]
fn programs_have_the_limits_and_privileges_that_the_daemon_was_started_with() {
    let mut env = TestEnv::new();
    env.configure_with("minfds=100\nminprocs=10", CATS);
    // a soft limit on core files, since the daemon has none itself
    env.start_by_shell(
        "ulimit -S -c 1000; ulimit -S -n 900; umask 027; cat /proc/self/limits > limits; \
         cat /proc/self/status > status; cat /proc/self/oom_score_adj > oom; exec nice -n 3 \"$@\"",
    );
    env.wait_state("plain", "RUNNING");
    let pid = env.pid_of("plain");
    assert_eq!(proc_text(pid, "limits"), env.read("limits"));
    assert_eq!(privileges(&proc_text(pid, "status")), privileges(&env.read("status")));
    assert_eq!(proc_text(pid, "oom_score_adj"), env.read("oom"));
    let nice = |pid: i32| env::proc_stat(pid)[16].clone();
    assert_eq!(nice(pid), nice(env.pid()));
    assert!(nice(pid).parse::<i32>().unwrap() >= 3);
    assert_eq!(proc_fds(pid), [0, 1, 2]);

    let core = proc_text(env.pid(), "limits");
    let core = core.lines().find(|l| l.starts_with("Max core file size")).unwrap().to_owned();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "no core file of the daemon: {core}");
}

#[test]
fn a_program_of_another_user_has_no_privilege_left() {
    if !is_root() {
        return;
    }
    let mut env = TestEnv::new();
    env.configure(&format!("{CATS}user=65534\n"));
    if nix::unistd::User::from_uid(65534.into()).unwrap().is_none() {
        return env::skipped("no user 65534 here");
    }
    env.start(&[]);
    env.wait_state("plain", "RUNNING");
    let pid = env.pid_of("plain");
    for key in ["CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(proc_status(pid, key), "0000000000000000", "{key}");
    }
    assert_eq!(proc_status(pid, "CapBnd"), proc_status(env.pid(), "CapBnd"));
    let groups = proc_status(pid, "Groups");
    assert!(!groups.split_whitespace().any(|g| g == "0"), "{groups}");
    // nor may it look into the daemon: its memory was lent to the child that became another user
    let looked = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "cat"])
        .arg(format!("/proc/{}/environ", env.pid()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(!looked.is_ok_and(|s| s.success()));
}

#[test]
fn the_environment_is_the_daemons_and_what_the_program_is_told_and_nothing_else() {
    let mut env = TestEnv::new();
    env.configure(CATS);
    let mut command = env.supervisord(&[]);
    command.env_clear().envs([
        ("PATH", "/bin:/usr/bin"),
        ("OWN", "kept"),
        ("NOTIFY_SOCKET", "/nonexistent/notify"),
        ("WATCHDOG_USEC", "30000000"),
        ("WATCHDOG_PID", "1"),
        ("LISTEN_FDS", "2"),
        ("LISTEN_PID", "1"),
        ("LISTEN_FDNAMES", "a:b"),
        ("SUPERVISOR_PROCESS_NAME", "another"),
    ]);
    env.start_as(command);
    env.wait_state("plain", "RUNNING");
    let url = format!("unix://{}", env.socket().display());
    let want: BTreeMap<String, String> = [
        ("PATH", "/bin:/usr/bin"),
        ("OWN", "kept"),
        ("SUPERVISOR_ENABLED", "1"),
        ("SUPERVISOR_GROUP_NAME", "plain"),
        ("SUPERVISOR_PROCESS_NAME", "plain"),
        ("SUPERVISOR_SERVER_URL", &url),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into();
    assert_eq!(proc_environ(env.pid_of("plain")), want);
}

#[test]
fn the_control_socket_is_at_no_moment_more_open_than_configured() {
    for (chmod, mode) in [("0700", 0o700), ("0600", 0o600), ("0770", 0o770)] {
        let mut env = TestEnv::new();
        env.configure("");
        let text = env.read("supervisord.conf");
        env.write(
            "supervisord.conf",
            &text.replace("s.sock\n[rpc", &format!("s.sock\nchmod={chmod}\n[rpc")),
        );
        let (socket, done) = (env.socket(), AtomicBool::new(false));
        let seen = std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let mut seen = BTreeSet::new();
                while !done.load(Ordering::Relaxed) {
                    if let Ok(meta) = std::fs::symlink_metadata(&socket) {
                        seen.insert(meta.permissions().mode() & 0o7777);
                    }
                }
                seen
            });
            for _ in 0..3 {
                env.start_by_shell("umask 0; exec \"$@\"");
                env.stop();
            }
            done.store(true, Ordering::Relaxed);
            watcher.join().unwrap()
        });
        assert_eq!(seen, BTreeSet::from([mode]), "{chmod}");
        let ours = std::fs::metadata(env.dir()).unwrap().uid();
        assert_eq!(ours, nix::unistd::geteuid().as_raw());
    }
}

const PASSWORD: &str = "geheim%%nis-7f3a";
/// As it is after the expansion of `%%`, and as it goes over the wire with the name `chef`.
const SECRETS: [&str; 4] = ["geheim%%nis-7f3a", "geheim%nis-7f3a", "Z2VoZWltJW5pcy03ZjNh", WIRE];
const WIRE: &str = "Y2hlZjpnZWhlaW0lbmlzLTdmM2E=";

fn tells_nothing(what: &str, text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{what}: {text}");
    }
}
fn output(mut command: Command) -> String {
    let out = command.output().unwrap();
    String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()
}

#[test]
fn a_password_is_told_to_nobody() {
    let mut env = TestEnv::new();
    let port = free_port();
    let inet = format!(
        "[inet_http_server]\nport=127.0.0.1:{port}\nusername=chef\npassword={PASSWORD}\n{CATS}"
    );
    env.configure_with("loglevel=trace", &inet);
    env.start(&[]);
    env.wait_state("plain", "RUNNING");
    for authorization in [WIRE, "Y2hlZjp3cm9uZw==", "!!!"] {
        for path in ["/", "/RPC2", "/metrics", "/status.json", "/process/plain", "/logtail/none"] {
            let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            let request = format!(
                "GET {path} HTTP/1.0\r\nHost: localhost\r\nAuthorization: Basic {authorization}\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            tells_nothing(path, &String::from_utf8_lossy(&answer));
        }
    }
    let body = "<methodCall><methodName>supervisor.getAllConfigInfo</methodName></methodCall>";
    let n = body.len();
    let answer =
        env.raw(format!("POST /RPC2 HTTP/1.0\r\nContent-Length: {n}\r\n\r\n{body}").as_bytes());
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.contains("stopwaitsecs"));
    tells_nothing("getAllConfigInfo", &answer);
    tells_nothing("--differences", &output(env.supervisord(&["--differences"])));
    tells_nothing("--check", &output(env.supervisord(&["--check"])));
    tells_nothing("a command line", &proc_text(env.pid(), "cmdline"));
    tells_nothing("a program's environment", &proc_text(env.pid_of("plain"), "environ"));

    // mistakes, in the very option too, on the terminal and in the log
    for (from, to) in [
        ("username=chef\n", ""),
        ("username=chef\n", "username=chef\nopen_paths=/x\n"),
        ("password=geheim%%", "password=geheim%"),
        ("password=", "password={PBKDF2-SHA256}"),
        ("[program:plain]", "[program:plain]\nnumprocs=x"),
    ] {
        env.configure_with("loglevel=trace", &inet.replace(from, to));
        for option in ["--check", "--differences"] {
            let text = output(env.supervisord(&[option]));
            assert!(text.contains("rror"), "{to}: {text}");
            tells_nothing(to, &text);
        }
        let _ = env.sup("reloadConfig", &[]).map_err(|(_, text)| tells_nothing(to, &text));
    }
    for file in ["sd.log", "sd.out", "sd.err"] {
        tells_nothing(file, &env.read(file));
    }
}

#[test]
fn supervisorctl_does_not_show_a_password_in_its_command_line() {
    let env = TestEnv::started(CATS);
    let url = format!("unix://{}", env.socket().display());
    for options in [vec!["-p", "geheim"], vec!["--password=geheim"], vec!["-pgeheim"]] {
        let mut ctl = Command::new(env!("CARGO_BIN_EXE_supervisorctl"))
            .current_dir(env.dir())
            .args(["-s", &url, "-u", "chef"])
            .args(&options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = i32::try_from(ctl.id()).unwrap();
        let line = wait_for("the password to be hidden", || {
            Some(proc_text(pid, "cmdline")).filter(|l| l.contains("xxxxxx"))
        });
        assert!(!line.contains("geheim"), "{line}");
        drop(ctl.stdin.take());
        let mut said = String::new();
        ctl.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(said.contains("RUNNING"), "it works all the same: {said}");
        ctl.wait().unwrap();
    }
}
