//! What runs out comes back: without descriptors, processes, threads or memory, and with pipes that
//! nobody reads, the daemon says what is the matter, waits without turning, and goes on by itself.
//! (Full disks: `full_disk.rs`.)
#![allow(clippy::unwrap_used)]

mod env;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::chown;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use env::{TestEnv, Value, assert_calm, kill, proc_status, skipped, wait_for};
use nix::sys::signal::Signal;
use nix::unistd::User;

/// Copies lines from a FIFO to its stdout: what it writes needs no client.
const ECHO: &str = "exec 3<>$1.fifo\nwhile read -r line <&3; do echo \"$line\"; done\n";

fn echo(name: &str, options: &str) -> String {
    format!(
        "[program:{name}]\ncommand=/bin/sh @DIR@/echo.sh @DIR@/{name}\nstartsecs=0\n\
         startretries=1000\nstdout_logfile=@DIR@/{name}.log\n{options}\n"
    )
}

fn prepared(sections: &str, names: &[&str]) -> TestEnv {
    let env = TestEnv::new();
    env.write("echo.sh", ECHO);
    for name in names {
        let fifo = env.path(&format!("{name}.fifo"));
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
    }
    env.configure(sections);
    env
}

fn say(env: &TestEnv, name: &str, line: &str) {
    let fifo = env.path(&format!("{name}.fifo"));
    let mut fifo = std::fs::File::options().read(true).write(true).open(fifo).unwrap();
    fifo.write_all(format!("{line}\n").as_bytes()).unwrap();
    // Stays open: what nobody had opened yet would lose the line with its last writer.
    std::mem::forget(fifo);
}

/// Changes a limit of the daemon while it runs, such as `--nofile=3:`. False, and a line that says so,
/// where that is not possible.
fn limit(env: &TestEnv, what: &str) -> bool {
    // By its own user: root may lack the capability to do it to others.
    let ids = |key| proc_status(env.pid(), key).split_whitespace().next().unwrap().to_owned();
    let mut command = Command::new("prlimit");
    if nix::unistd::geteuid().is_root() {
        command = Command::new("setpriv");
        command.arg("--clear-groups").args(["--reuid", &ids("Uid"), "--regid", &ids("Gid")]);
        command.arg("prlimit");
    }
    let done = command.args(["--pid", &env.pid().to_string(), what]).output();
    let done = done.is_ok_and(|o| o.status.success());
    if !done {
        skipped("limits of a running process cannot be changed here (util-linux: prlimit)");
    }
    done
}

/// A connection that was made before anything ran out, so that it has its thread.
struct Line(BufReader<UnixStream>);

impl Line {
    fn new(env: &TestEnv) -> Line {
        let stream = UnixStream::connect(env.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut line = Line(BufReader::new(stream));
        assert!(line.call("getState", &[]).contains("RUNNING"));
        line
    }

    /// The body of the answer.
    fn call(&mut self, method: &str, params: &[&str]) -> String {
        let params: String = params
            .iter()
            .map(|p| format!("<param><value><string>{p}</string></value></param>"))
            .collect();
        let body = format!(
            "<methodCall><methodName>supervisor.{method}</methodName><params>{params}</params>\
             </methodCall>"
        );
        let head = "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml";
        let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            if let Some((_, n)) = line.split_once("Content-Length: ") {
                length = n.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        String::from_utf8(body).unwrap()
    }
}

fn count(env: &TestEnv, text: &str) -> usize {
    env.read("sd.log").matches(text).count()
}

#[test]
fn without_descriptors_nothing_starts_and_nobody_gets_in_until_there_are_some() {
    let mut env = prepared(&echo("w", ""), &["w"]);
    env.start(&[]);
    let pid = env.pid_of("w");
    if !limit(&env, "--nofile=3:") {
        return;
    }
    kill(pid, 9);
    env.wait_log("spawnerr: too many open files to spawn 'w'", 1);
    let mut clients: Vec<UnixStream> =
        (0..5).map(|_| UnixStream::connect(env.socket()).unwrap()).collect();
    env.wait_log("cannot accept all connections of [unix_http_server]", 1);
    let lines = env.read("sd.log").lines().count();
    assert_calm(&env, "without descriptors");
    assert!(env.read("sd.log").lines().count() < lines + 10, "a log that is being filled");

    limit(&env, "--nofile=1024:");
    env.wait_state("w", "RUNNING");
    for client in &mut clients {
        client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        client.write_all(b"GET /nowhere HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1."), "those who waited are served: {answer}");
    }
    assert_eq!(count(&env, "cannot accept all connections"), 1, "said once");
    say(&env, "w", "all is well");
    env.wait_text("w.log", "all is well");
}

#[test]
fn logs_that_could_not_be_opened_again_get_what_was_written_meanwhile() {
    let mut env = prepared(&echo("w", ""), &["w"]);
    env.start(&[]);
    env.wait_state("w", "RUNNING");
    say(&env, "w", "before");
    env.wait_text("w.log", "before");
    if !limit(&env, "--nofile=3:") {
        return;
    }
    std::fs::rename(env.path("w.log"), env.path("w.old")).unwrap();
    env.signal(Signal::SIGUSR2);
    // Neither the daemon's log nor the program's can be opened: what they hold can be seen later.
    let mut line = 0;
    wait_for("the old file to be left", || {
        let before = env.read("w.old").len();
        line += 1;
        say(&env, "w", &format!("line {line}"));
        std::thread::sleep(Duration::from_millis(50));
        (env.read("w.old").len() == before).then_some(())
    });
    assert_calm(&env, "with closed logs");
    assert!(!env.path("w.log").exists());

    limit(&env, "--nofile=1024:");
    env.wait_text("w.log", &format!("line {line}\n"));
    let all = env.read("w.old") + &env.read("w.log");
    let want: String = (1..=line).map(|n| format!("line {n}\n")).collect();
    assert_eq!(all, format!("before\n{want}"));
    env.wait_log("w.log works again after EMFILE, 0 bytes were lost", 1);
    env.wait_log("sd.log works again after EMFILE, 0 bytes were lost", 1);
}

/// A daemon without the rights of root, whom the limit of processes does not bind.
fn started_as_somebody(sections: &str, names: &[&str]) -> Option<TestEnv> {
    let mut env = prepared("", names);
    let mut user = String::new();
    if nix::unistd::geteuid().is_root() {
        let Some(somebody) = User::from_name("nobody").ok().flatten() else {
            skipped("no account nobody");
            return None;
        };
        let (uid, gid) = (Some(somebody.uid.as_raw()), Some(somebody.gid.as_raw()));
        let fifos = names.iter().map(|name| env.path(&format!("{name}.fifo")));
        for path in fifos.chain([env.dir().to_owned(), env.path("logs")]) {
            chown(path, uid, gid).unwrap();
        }
        user = format!("user={}", somebody.name);
    }
    env.configure_with(&user, sections);
    env.start(&[]);
    Some(env)
}

#[test]
fn without_processes_and_threads_calls_fail_and_programs_come_back_later() {
    let sections = echo("w", "") + &echo("late", "autostart=false") + &echo("bomb", "");
    let names = ["w", "late", "bomb"];
    let Some(env) = started_as_somebody(&sections, &names) else { return };
    env.wait_state("bomb", "RUNNING");
    let (mut line, pid) = (Line::new(&env), env.pid_of("w"));
    if !limit(&env, "--nproc=1:") {
        return;
    }
    kill(pid, 9);
    env.wait_log("spawnerr: Too many processes in process table to spawn 'w'", 1);
    // A program that never ran has no thread yet.
    let answer = line.call("startProcess", &["late"]);
    assert!(answer.contains("faultCode") && answer.contains("late"), "{answer}");
    env.wait_log("spawnerr: Too many processes in process table to spawn 'late'", 1);
    // Who comes now can stop the program that takes all there is.
    let done = env.ctl(&["stop", "bomb"]);
    assert!(done.status.success(), "{done:?}");
    assert_eq!(env.state("bomb"), "STOPPED");
    env.wait_log("there is no thread for each connection of [unix_http_server]", 1);
    let answer = String::from_utf8(env.raw(b"GET /mainlogtail HTTP/1.0\r\n\r\n")).unwrap();
    assert!(answer.starts_with("HTTP/1.0 503 "), "nobody keeps others waiting: {answer}");
    assert!(line.call("getState", &[]).contains("RUNNING"), "who was there before stays");
    env.signal(Signal::SIGHUP);
    env.wait_log("restart refused, everything goes on as it is: there is no thread", 1);
    let lines = env.read("sd.log").lines().count();
    assert_calm(&env, "without processes");
    assert!(env.read("sd.log").lines().count() < lines + 20, "a log that is being filled");

    limit(&env, "--nproc=10000:");
    env.wait_state("w", "RUNNING");
    env.wait_state("late", "RUNNING");
    say(&env, "late", "all is well");
    env.wait_text("late.log", "all is well");

    let pid = env.pid_of("w");
    env.signal(Signal::SIGHUP);
    env.wait_new_pid("w", pid);
    wait_for("a reserve, one", || (reserves(env.pid()) == 1).then_some(()));
}

/// Threads that are kept for connections for which there is none.
fn reserves(pid: i32) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let names = tasks.filter_map(|t| std::fs::read_to_string(t.path().join("comm")).ok());
    names.filter(|name| name.trim() == "http-reserve").count()
}

#[test]
fn a_log_too_long_for_the_memory_is_refused_and_the_daemon_lives() {
    const SIZE: usize = 12 << 20;
    let mut env = prepared(&echo("w", ""), &["w"]);
    std::fs::write(env.path("w.log"), vec![b'x'; SIZE]).unwrap();
    env.start(&[]);
    let pid = env.pid_of("w");
    let vm = proc_status(env.pid(), "VmSize");
    let vm: u64 = vm.trim_end_matches(" kB").trim().parse().unwrap();
    if !limit(&env, &format!("--as={}:", (vm << 10) + (32 << 20))) {
        return;
    }
    let read = || {
        let params = vec![Value::from("w"), Value::Int(0), Value::Int(0)];
        env.call("supervisor.readProcessStdoutLog", params)
    };
    for _ in 0..3 {
        let (code, text) = read().unwrap_err();
        assert_eq!(code, 30);
        assert!(text.contains("not enough memory"), "{text}");
    }
    env.wait_log("w.log is not shown to a client: there is not enough memory", 3);
    // What waits for a program that does not read is limited by the memory, too.
    let block = "y".repeat(900_000);
    let refused = (0..100).find(|_| env.sup("sendProcessStdin", &["w", &block]).is_err());
    assert!(refused.is_some_and(|n| n > 5), "{refused:?}");
    env.wait_log("'w' stdin: ", 1);
    assert_calm(&env, "without memory");
    assert_eq!(env.pid_of("w"), pid);

    limit(&env, "--as=unlimited:");
    assert_eq!(read().unwrap().as_str().map(str::len), Some(SIZE));
}

#[test]
fn a_program_that_does_not_read_its_input_holds_up_nobody_and_gets_all_of_it() {
    const BLOCK: usize = 500_000;
    let mut env = TestEnv::new();
    env.configure(
        "[program:slow]\ncommand=/bin/sh -c 'while [ ! -e go ]; do sleep 0.05; done; exec cat'\n\
         directory=@DIR@\nstartsecs=0\nstdout_logfile=@DIR@/slow.log\nstdout_logfile_maxbytes=0\n\
         [program:deaf]\ncommand=/bin/sh -c 'exec sleep 1000'\nstartsecs=0\n",
    );
    env.start(&[]);
    env.wait_state("slow", "RUNNING");
    env.wait_state("deaf", "RUNNING");
    let mut sent = String::new();
    for n in 0..8 {
        let block: String = char::from(b'a' + n).to_string().repeat(BLOCK);
        env.sup("sendProcessStdin", &["slow", &block]).unwrap();
        sent += &block;
    }
    assert_calm(&env, "with input that waits");
    // A client cannot fill the memory with what nobody reads.
    let block = "z".repeat(1_000_000);
    let refused = (0..100).find(|_| env.sup("sendProcessStdin", &["deaf", &block]).is_err());
    assert!(refused.is_some(), "100 MB are kept for a program that does not read");
    assert!(env.sup("sendProcessStdin", &["deaf", &block]).is_err());
    let said = env.log_with("'deaf' stdin: ");
    assert!(said.len() == 1 && said[0].contains("more is refused until"), "{said:?}");
    assert_calm(&env, "with input that nobody reads");
    env.write("go", "");
    wait_for("all of it to come out again", || (env.read("slow.log") == sent).then_some(()));
}

#[test]
fn a_listener_that_stops_reading_costs_nothing() {
    let mut env = TestEnv::new();
    env.configure(
        "[eventlistener:deaf]\ncommand=/bin/sh -c 'echo READY; exec sleep 1000'\nstartsecs=0\n\
         events=REMOTE_COMMUNICATION\nbuffer_size=3\n",
    );
    env.start(&[]);
    env.wait_state("deaf", "RUNNING");
    let data = "x".repeat(300_000);
    for n in 0..10 {
        let params = vec![Value::from(format!("t{n}")), Value::from(data.as_str())];
        env.call("supervisor.sendRemoteCommEvent", params).unwrap();
    }
    // One is on its way, three wait.
    env.wait_log("event buffer overflowed, discarding event", 6);
    assert_calm(&env, "with a deaf listener");
    assert_eq!(count(&env, "event buffer overflowed"), 6);
    env.sup("stopProcess", &["deaf:deaf"]).unwrap();
}

#[test]
fn a_restart_that_finds_its_folder_gone_is_tried_again_until_it_is_there() {
    let mut env = TestEnv::new();
    std::fs::create_dir(env.path("var")).unwrap();
    // What the rehearsal found in order breaks while programs are being stopped.
    env.write(
        "breaker.sh",
        "trap 'mv var gone; exit 0' TERM\n: > ready\nwhile :; do sleep 1; done\n",
    );
    env.configure(
        "[program:breaker]\ncommand=/bin/sh breaker.sh\ndirectory=@DIR@\nstopasgroup=true\n\
         startsecs=0\n",
    );
    let log = env.path("var/sd.log");
    env.start(&["-l", log.to_str().unwrap()]);
    env.wait_file("ready");
    std::fs::remove_file(env.path("ready")).unwrap();
    env.signal(Signal::SIGHUP);
    env.wait_file("gone");
    assert_calm(&env, "without a folder");
    assert!(env::alive(env.pid()), "the end would help nobody");
    std::fs::rename(env.path("gone"), env.path("var")).unwrap();
    env.wait_state("breaker", "RUNNING");
    let text = "restart failed, tried again: cannot open ";
    env.wait_text("var/sd.log", text);
    env.wait_file("ready");

    // A signal that asks for the end is heard between two tries.
    env.signal(Signal::SIGHUP);
    env.wait_file("gone");
    wait_for("the socket to be gone", || (!env.socket().exists()).then_some(()));
    assert_eq!(env.stop(), Some(0));
}
