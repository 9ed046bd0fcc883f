//! `/events` and `supervisorctl events`: what happens, as it happens, for programs that speak no
//! listener protocol.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod env;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use env::{TestEnv, Value, free_port, wait_for};
use supervisord::json::{self, Json};

const CAT: &str = "[program:cat]\ncommand=/bin/cat\nautostart=false\nstartsecs=0\n";

/// An open stream.
struct Events(BufReader<UnixStream>);

impl Events {
    /// Subscribes; whatever happens after this is in the stream.
    fn open(env: &TestEnv, query: &str) -> Events {
        let mut stream = UnixStream::connect(env.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(stream, "GET /events{query} HTTP/1.0\r\n\r\n").unwrap();
        let mut events = Events(BufReader::new(stream));
        assert_eq!(events.line(), "HTTP/1.0 200 OK");
        while !events.line().starts_with(':') {}
        events
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let n = self.0.read_line(&mut line).unwrap();
        assert!(n > 0, "the stream has ended");
        line.trim_end().to_owned()
    }

    /// Type, serial and record of the next event.
    fn next(&mut self) -> (String, String, Json) {
        let mut fields = [String::new(), String::new(), String::new()];
        loop {
            let line = self.line();
            if line.is_empty() && !fields[2].is_empty() {
                let [kind, id, data] = fields;
                return (kind, id, json::parse(&data).unwrap());
            }
            for (field, name) in fields.iter_mut().zip(["event: ", "id: ", "data: "]) {
                if let Some(value) = line.strip_prefix(name) {
                    value.clone_into(field);
                }
            }
        }
    }
}

fn member<'a>(record: &'a Json, path: &[&str]) -> &'a Json {
    path.iter().fold(record, |value, name| value.get(name).unwrap())
}

fn remote(env: &TestEnv, data: &str) {
    env.sup("sendRemoteCommEvent", &["kind", data]).unwrap();
}

#[test]
fn a_client_sees_the_life_of_a_program() {
    let env = TestEnv::started(CAT);
    let mut events = Events::open(&env, "?types=PROCESS_STATE");
    env.sup("startProcess", &["cat"]).unwrap();
    let pid = env.pid_of("cat");
    env.sup("stopProcess", &["cat"]).unwrap();
    let mut serials = Vec::new();
    for state in ["STARTING", "RUNNING", "STOPPING", "STOPPED"] {
        let (kind, id, record) = events.next();
        assert_eq!(kind, format!("PROCESS_STATE_{state}"));
        assert_eq!(record.get("type").unwrap().as_str(), Some(kind.as_str()));
        assert_eq!(member(&record, &["payload", "processname"]).as_str(), Some("cat"));
        if state != "STARTING" {
            assert_eq!(member(&record, &["payload", "pid"]).number(), Some(pid));
        }
        let serial: u64 = record.get("serial").unwrap().number().unwrap();
        assert_eq!(id, serial.to_string());
        assert!(record.get("time").unwrap().number::<f64>().unwrap() > 1e9);
        serials.push(serial);
    }
    assert!(serials.windows(2).all(|pair| pair[0] < pair[1]), "{serials:?}");
}

#[test]
fn bodies_are_in_the_record_whatever_they_hold() {
    let env = TestEnv::started("");
    let mut events = Events::open(&env, "?types=remote_communication,TICK_3600");
    remote(&env, "two\nlines, \"quotes\" and ünïcödé");
    let (kind, _, record) = events.next();
    assert_eq!(kind, "REMOTE_COMMUNICATION");
    assert_eq!(member(&record, &["payload", "type"]).as_str(), Some("kind"));
    assert_eq!(record.get("body").unwrap().as_str(), Some("two\nlines, \"quotes\" and ünïcödé"));
}

#[test]
fn unknown_types_are_refused_with_those_that_there_are() {
    let env = TestEnv::started("");
    let answer = |query: &str| {
        let request = format!("GET /events{query} HTTP/1.0\r\n\r\n");
        String::from_utf8(env.raw(request.as_bytes())).unwrap()
    };
    let refused = answer("?types=TICK_5,TICK_6");
    assert!(refused.starts_with("HTTP/1.0 400 "), "{refused}");
    assert!(refused.contains("\"TICK_6\"") && refused.contains("TICK_3600"), "{refused}");
    let post = env.raw(b"POST /events HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
    assert!(post.starts_with(b"HTTP/1.0 400 "));
}

#[test]
fn http_1_1_gets_chunks() {
    let env = TestEnv::started("");
    let mut stream = UnixStream::connect(env.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
        .write_all(b"GET /events?types=REMOTE_COMMUNICATION HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut seen = String::new();
    let mut until = |text: &str| {
        let mut buf = [0; 4096];
        while !seen.contains(text) {
            let n = stream.read(&mut buf).unwrap();
            assert!(n > 0, "ended after {seen}");
            seen.push_str(std::str::from_utf8(&buf[..n]).unwrap());
        }
        seen.clone()
    };
    let head = until(": REMOTE_COMMUNICATION\n\n\r\n");
    assert!(head.contains("Transfer-Encoding: chunked\r\n"), "{head}");
    assert!(head.contains("Content-Type: text/event-stream\r\n"), "{head}");
    remote(&env, "x");
    until("\"body\": \"x\"}\n\n\r\n");
}

#[test]
fn the_stream_ends_with_the_daemon_and_tells_of_its_end() {
    let mut env = TestEnv::started(CAT);
    env.sup("startProcess", &["cat"]).unwrap();
    let mut events = Events::open(&env, "?types=SUPERVISOR_STATE_CHANGE,PROCESS_STATE");
    assert_eq!(env.stop(), Some(0));
    let kinds: Vec<String> = (0..3).map(|_| events.next().0).collect();
    let stopped = ["PROCESS_STATE_STOPPING", "PROCESS_STATE_STOPPED"];
    assert_eq!(kinds[0], "SUPERVISOR_STATE_CHANGE_STOPPING");
    assert_eq!(kinds[1..], stopped);
    let mut rest = String::new();
    events.0.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

#[test]
fn a_client_that_leaves_costs_nothing_any_more() {
    let env = TestEnv::started("");
    let threads =
        || std::fs::read_dir(format!("/proc/{}/task", env.pid())).map(Iterator::count).unwrap_or(0);
    let before = wait_for("threads", || Some(threads()).filter(|n| *n > 0));
    let streams: Vec<Events> = (0..5).map(|_| Events::open(&env, "")).collect();
    // The thread of a call from before may have been counted, too.
    assert!(threads() >= before + 4);
    drop(streams);
    // A thread whose connection has just ended may have been counted.
    wait_for("the threads of gone clients to end", || (threads() <= before).then_some(()));
}

#[test]
fn a_client_that_does_not_read_holds_nobody_up_and_is_told_what_it_missed() {
    let env = TestEnv::started(
        "[program:flood]\ncommand=/bin/sh -c \"head -c 30000000 /dev/zero | tr '\\\\000' x; touch \
         @DIR@/done; exec cat\"\nautostart=false\nstartsecs=0\nstdout_logfile=NONE\n\
         stdout_events_enabled=true\n",
    );
    let mut events = Events::open(&env, "?types=PROCESS_LOG");
    env.sup("startProcess", &["flood"]).unwrap();
    wait_for("the flood to be over", || env.path("done").exists().then_some(()));
    let mut bytes = 0;
    let missing: u64 = loop {
        let (kind, _, record) = events.next();
        match kind.as_str() {
            "dropped" => break record.get("count").unwrap().number().unwrap(),
            _ => bytes += record.get("body").unwrap().as_str().unwrap().len(),
        }
    };
    assert!(missing > 0 && bytes < 30_000_000, "{missing} {bytes}");
    assert_eq!(env.state("flood"), "RUNNING");
}

fn status(port: u16, headers: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "GET /events?types=TICK_3600 HTTP/1.0\r\n{headers}\r\n").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn the_rules_of_the_other_pages_hold() {
    let (open, closed) = (free_port(), free_port());
    let _env = TestEnv::started(&format!(
        "[inet_http_server:open]\nport=127.0.0.1:{open}\n\
         [inet_http_server:closed]\nport=127.0.0.1:{closed}\nusername=u\npassword=p\n"
    ));
    assert_eq!(status(closed, ""), "401");
    assert_eq!(status(closed, "Authorization: Basic dTpw\r\n"), "200");
    assert_eq!(status(open, "Host: localhost\r\n"), "200");
    assert_eq!(status(open, "Host: evil.example\r\n"), "403");
}

/// supervisorctl with its output piped.
fn ctl(env: &TestEnv, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_supervisorctl"))
        .arg("-c")
        .arg(env.path("supervisord.conf"))
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Sends events until the program ends; gives its exit code and what it printed.
fn until_it_ends(env: &TestEnv, mut child: Child) -> (Option<i32>, String) {
    wait_for("supervisorctl to end", || {
        remote(env, "a\nb");
        child.try_wait().unwrap()
    });
    let out = child.wait_with_output().unwrap();
    (out.status.code(), String::from_utf8(out.stdout).unwrap())
}

#[test]
fn supervisorctl_prints_so_many_events() {
    let env = TestEnv::started("");
    let child = ctl(&env, &["events", "-f", "-n", "2", "REMOTE_COMMUNICATION"]);
    let (code, text) = until_it_ends(&env, child);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((code, lines.len()), (Some(0), 2), "{text}");
    for line in lines {
        assert!(line.ends_with(" REMOTE_COMMUNICATION type:kind \"a\\nb\""), "{line}");
    }
}

#[test]
fn supervisorctl_prints_json_lines() {
    let env = TestEnv::started("");
    let child = ctl(&env, &["events", "--json", "-n", "1", "remote_communication"]);
    let (code, text) = until_it_ends(&env, child);
    assert_eq!(code, Some(0));
    let record = json::parse(text.trim_end()).unwrap();
    assert_eq!(record.get("body").unwrap().as_str(), Some("a\nb"));
}

#[test]
fn supervisorctl_ends_with_ctrl_c_and_fails_with_the_daemon() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    let mut env = TestEnv::started("");
    let mut children: Vec<(Child, BufReader<_>)> = (0..2)
        .map(|_| {
            let mut child = ctl(&env, &["events", "REMOTE_COMMUNICATION"]);
            let out = BufReader::new(child.stdout.take().unwrap());
            (child, out)
        })
        .collect();
    // Readers that saw an event are there to see their end.
    let (sender, seen) = std::sync::mpsc::channel();
    let mut outs = Vec::new();
    for (child, mut out) in children.drain(..) {
        let sender = sender.clone();
        outs.push((
            child,
            std::thread::spawn(move || {
                let mut line = String::new();
                out.read_line(&mut line).unwrap();
                sender.send(()).unwrap();
                // What else comes must be read, lest the other end is gone.
                let _ = std::io::copy(&mut out, &mut std::io::sink());
            }),
        ));
    }
    let mut missing = outs.len();
    wait_for("both to see an event", || {
        remote(&env, "x");
        missing -= seen.try_iter().count();
        (missing == 0).then_some(())
    });
    let (mut pressed, reader) = outs.remove(0);
    kill(Pid::from_raw(pressed.id() as i32), Signal::SIGINT).unwrap();
    assert_eq!(pressed.wait().unwrap().code(), Some(0));
    reader.join().unwrap();
    let (left, reader) = outs.remove(0);
    assert_eq!(env.stop(), Some(0));
    let ended = left.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(ended.stderr, b"supervisord has ended the stream\n");
    reader.join().unwrap();
}

#[test]
fn supervisorctl_says_what_it_does_not_understand() {
    let env = TestEnv::started("");
    let out = env.ctl(&["events", "NOPE"]);
    assert_eq!(out.status.code(), Some(1));
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(
        text.starts_with("Error: there is no type of events \"NOPE\"; there are EVENT, "),
        "{text}"
    );
    assert!(env.ctl_text(&["help", "events"]).starts_with("events\t"));
    assert!(!env.ctl_text(&["help"]).contains("events"));
    let value = env.call("supervisor.getState", vec![]).unwrap();
    assert_eq!(value["statecode"], Value::Int(1));
}
