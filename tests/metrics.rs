//! Status for machines: what Prometheus, load balancers and scripts ask for.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod env;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use env::{TestEnv, free_port, skipped, wait_for};
use supervisord::json::{self, Json};

const PROGRAMS: &str = "[program:cat]\ncommand=/bin/cat\nstartsecs=0\n\
    [program:manual]\ncommand=/bin/cat\nautostart=false\n\
    [program:late]\ncommand=/bin/cat\nstartsecs=60\n\
    [program:bad]\ncommand=/bin/sh -c 'exit 3'\nstartsecs=0\nautorestart=false\nautostart=false\n";

/// Status, head and body of an answer.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

fn exchange(mut stream: impl Read + Write, path: &str, headers: &str) -> Answer {
    write!(stream, "GET {path} HTTP/1.0\r\n{headers}\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

fn get(env: &TestEnv, path: &str) -> Answer {
    let stream = UnixStream::connect(env.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    exchange(stream, path, "")
}

/// The value of a sample; none when it is not there.
fn sample(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.parse().ok()
}

#[test]
fn what_happens_is_counted() {
    let env = TestEnv::started(PROGRAMS);
    let value = |name: &str| sample(&get(&env, "/metrics").body, name);
    let of = |metric: &str, labels: &str| value(&format!("{metric}{{{labels}}}"));
    let cat = "name=\"cat\",group=\"cat\"";
    wait_for("cat", || (of("node_supervisord_up", cat)? == 1.0).then_some(()));
    assert_eq!(of("node_supervisord_state", cat), Some(20.0));
    assert!(of("node_supervisord_start_time_seconds", cat).unwrap() > 1e9);
    assert_eq!(of("node_supervisord_up", "name=\"manual\",group=\"manual\""), Some(0.0));
    env.ctl(&["restart", "cat"]);
    env.ctl(&["signal", "KILL", "cat"]);
    let restarts = "supervisord_process_restarts_total";
    wait_for("a restart", || (of(restarts, cat)? == 1.0).then_some(()));
    let reason = |metric: &str, reason: &str| {
        of(&format!("supervisord_process_{metric}_total"), &format!("{cat},reason=\"{reason}\""))
    };
    assert_eq!(reason("starts", "wanted"), Some(2.0));
    assert_eq!(reason("starts", "restart"), Some(1.0));
    assert_eq!(reason("exits", "signal"), Some(1.0));
    assert_eq!(reason("exits", "stopped"), Some(1.0));
    env.ctl(&["start", "bad"]);
    let bad = "name=\"bad\",group=\"bad\",reason=\"unexpected\"";
    wait_for("bad", || (of("supervisord_process_exits_total", bad)? == 1.0).then_some(()));
    let stopped = "name=\"manual\",group=\"manual\",state=\"STOPPED\"";
    assert!(of("supervisord_process_state_seconds_total", stopped).unwrap() > 0.0);
    for name in [
        "supervisord_log_bytes_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "supervisord_rpc_duration_seconds_count",
    ] {
        assert!(value(name).unwrap() > 0.0, "{name}");
    }
    for name in ["supervisord_log_lost_bytes_total", "supervisord_event_stream_dropped_total"] {
        assert_eq!(value(name), Some(0.0), "{name}");
    }
}

#[test]
fn prometheus_accepts_metrics_and_rules() {
    let version = Command::new("promtool").arg("--version").stdout(Stdio::null()).status();
    if version.is_err() {
        return skipped("promtool is not installed (Debian: prometheus)");
    }
    let env = TestEnv::started(PROGRAMS);
    let mut check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let text = get(&env, "/metrics").body;
    check.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/prometheus/supervisord.rules.yml");
    let output = Command::new("promtool").args(["check", "rules", rules]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn openmetrics_is_given_to_those_who_ask_for_it() {
    let env = TestEnv::started(PROGRAMS);
    let stream = UnixStream::connect(env.socket()).unwrap();
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let answer = exchange(stream, "/metrics", accept);
    let want = "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(answer.head.contains(want), "{}", answer.head);
    assert!(answer.body.contains("# TYPE supervisord_process_starts counter\n"));
    assert!(answer.body.ends_with("# EOF\n"));
    let plain = get(&env, "/metrics");
    assert!(plain.head.contains("Content-Type: text/plain; version=0.0.4"), "{}", plain.head);
    assert!(plain.body.contains("# TYPE supervisord_process_starts_total counter\n"));
}

#[test]
fn names_with_quotes_stay_inside_their_labels() {
    let env = TestEnv::started("[program:a\"b\\c]\ncommand=/bin/cat\n");
    let text = get(&env, "/metrics").body;
    assert!(text.contains("node_supervisord_up{name=\"a\\\"b\\\\c\",group="), "{text}");
}

#[test]
fn health_and_readiness_are_told_by_status_code() {
    let env = TestEnv::started(PROGRAMS);
    let health = get(&env, "/healthz");
    assert_eq!((health.status, health.body.as_str()), (200, "ok\n"));
    let text = "not ready: 1 of 2 processes\nlate STARTING\n";
    wait_for("cat", || (get(&env, "/readyz").body == text).then_some(()));
    assert_eq!(get(&env, "/readyz").status, 503);
}

#[test]
fn all_that_start_by_themselves_make_it_ready() {
    let env = TestEnv::started("[program:cat]\ncommand=/bin/cat\nstartsecs=0\n");
    wait_for("ready", || (get(&env, "/readyz").status == 200).then_some(()));
}

#[test]
fn programs_that_run_once_do_not_keep_it_unready() {
    let env = TestEnv::started(
        "[program:migrate]\ncommand=/bin/true\nstartsecs=0\nautorestart=unexpected\n\
         [program:setup]\ncommand=/bin/sh -c 'exit 3'\nstartsecs=0\nautorestart=false\nexitcodes=3\n",
    );
    let text = "ready: 0 processes run, 2 ended as expected\n";
    wait_for("ready", || (get(&env, "/readyz").body == text).then_some(()));
    assert_eq!(get(&env, "/readyz").status, 200);
}

#[test]
fn the_status_document_is_that_of_supervisorctl() {
    let env = TestEnv::started("[program:m]\ncommand=/bin/cat\nautostart=false\n");
    let answer = get(&env, "/status.json");
    assert!(answer.head.contains("Content-Type: application/json"), "{}", answer.head);
    let printed = env.ctl(&["status", "--json"]).stdout;
    let printed = String::from_utf8_lossy(&printed).into_owned();
    let names = |text: &str| match json::parse(text) {
        Some(Json::List(items)) => match items.into_iter().next() {
            Some(Json::Object(members)) => {
                members.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    assert_eq!(names(&answer.body), names(&printed));
}

#[test]
fn usage_is_that_of_the_whole_tree() {
    let env = TestEnv::started(
        "[program:tree]\ncommand=/bin/sh -c 'sleep 100 & sleep 100 & wait'\nstopasgroup=true\n",
    );
    let document = wait_for("the tree", || {
        let document = json::parse(&get(&env, "/usage.json").body).unwrap();
        let Some(Json::List(processes)) = document.get("processes") else { return None };
        (processes.first()?.get("count")?.number::<u32>()? == 3).then_some(document)
    });
    let Some(Json::List(samples)) = document.get("samples") else { panic!("{document:?}") };
    let Some(Json::List(rss)) = samples[0].get("rss") else { panic!("{document:?}") };
    assert!(rss[0].number::<u64>().unwrap() > 4096);
}

#[test]
fn a_password_guards_all_of_it_but_what_is_opened() {
    let port = free_port();
    let env = TestEnv::started(&format!(
        "[inet_http_server]\nport=127.0.0.1:{port}\nusername=u\npassword=p\n\
         open_paths=/metrics, /healthz\n"
    ));
    let ask = |path: &str, headers: &str| {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        exchange(stream, path, headers).status
    };
    for (path, status) in
        [("/metrics", 200), ("/healthz", 200), ("/readyz", 401), ("/status.json", 401), ("/", 401)]
    {
        assert_eq!(ask(path, ""), status, "{path}");
        assert_eq!(ask(path, "Authorization: Basic dTpw\r\n"), 200, "{path}");
    }
    drop(env);
}

#[test]
fn without_a_password_foreign_names_are_refused() {
    let port = free_port();
    let _env = TestEnv::started(&format!(
        "[inet_http_server]\nport=127.0.0.1:{port}\nopen_paths=/healthz\n"
    ));
    for (path, status) in [("/healthz", 200), ("/metrics", 403), ("/status.json", 403)] {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert_eq!(exchange(stream, path, "Host: evil.example\r\n").status, status, "{path}");
    }
}

#[test]
fn a_salted_hash_of_a_password_can_be_made_and_used() {
    let mut ctl = Command::new(env!("CARGO_BIN_EXE_supervisorctl"))
        .arg("hash_password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    ctl.stdin.take().unwrap().write_all(b"password\n").unwrap();
    let port = free_port();
    // "password" with fewer iterations than a new hash has, for the sake of unoptimized builds
    let hash = "{PBKDF2-SHA256}1000$c2FsdA==$YywoEuRtRgQQK6dhjp1tfS+BKPYma0oDJk0qBGC33LM=";
    let _env = TestEnv::started(&format!(
        "[inet_http_server]\nport=127.0.0.1:{port}\nusername=u\npassword={hash}\n"
    ));
    let ask = |pair: &str| {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let code = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pair);
        exchange(stream, "/", &format!("Authorization: Basic {code}\r\n")).status
    };
    assert_eq!(ask("u:password"), 200);
    assert_eq!(ask("u:password"), 200);
    assert_eq!(ask("u:passwor"), 401);
    assert_eq!(ask(&format!("u:{hash}")), 401);
    let output = ctl.wait_with_output().unwrap();
    let made = String::from_utf8(output.stdout).unwrap();
    assert!(made.starts_with("{PBKDF2-SHA256}600000$") && made.lines().count() == 1, "{made}");
}

#[test]
fn a_salted_hash_that_is_none_is_refused_with_the_file() {
    let env = TestEnv::new();
    let port = free_port();
    env.configure(&format!(
        "[inet_http_server]\nport=127.0.0.1:{port}\nusername=u\npassword={{PBKDF2-SHA256}}x\n"
    ));
    let output = env.supervisord(&["--check"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("password=(not shown)") && text.contains("hash_password"), "{text}");
}

#[test]
fn top_prints_one_table_into_a_pipe() {
    let env = TestEnv::started("[program:cat]\ncommand=/bin/cat\nstartsecs=0\n");
    let output = env.ctl(&["top"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let row = text.lines().find(|line| line.starts_with("cat ")).unwrap();
    assert!(text.contains("CPU%") && row.contains("RUNNING") && row.contains('M'), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
}
