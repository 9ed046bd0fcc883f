//! The `twiddler` namespace: programs that come to an active group and leave it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod env;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use env::{TestEnv, Value, wait_for};

const TWIDDLER: &str = "[rpcinterface:twiddler]\nsupervisor.rpcinterface_factory = \
                        supervisor_twiddler.rpcinterface:make_twiddler_rpcinterface\n";
const GROUP: &str = "[group:dyn]\nprograms=fixed\n[program:fixed]\ncommand=/bin/cat\nstartsecs=0\n";

fn started() -> TestEnv {
    TestEnv::started(&format!("{TWIDDLER}{GROUP}[group:empty]\n"))
}

fn twiddle(env: &TestEnv, method: &str, params: Vec<Value>) -> Result<Value, (i32, String)> {
    env.call(&format!("twiddler.{method}"), params)
}

/// addProgramToGroup with options as in a section.
fn add(
    env: &TestEnv,
    group: &str,
    name: &str,
    options: &[(&str, &str)],
) -> Result<Value, (i32, String)> {
    let options: BTreeMap<String, Value> =
        options.iter().map(|(k, v)| ((*k).to_owned(), Value::from(*v))).collect();
    twiddle(env, "addProgramToGroup", vec![group.into(), name.into(), Value::Struct(options)])
}

fn remove(env: &TestEnv, group: &str, name: &str) -> Result<Value, (i32, String)> {
    twiddle(env, "removeProcessFromGroup", vec![group.into(), name.into()])
}

/// `group:name` of all processes.
fn names(env: &TestEnv) -> Vec<String> {
    let all = env.sup("getAllProcessInfo", &[]).unwrap();
    let text = |info: &Value, member: &str| info[member].as_str().unwrap().to_owned();
    let infos = all.as_array().unwrap().iter();
    infos.map(|info| format!("{}:{}", text(info, "group"), text(info, "name"))).collect()
}

const CAT: &[(&str, &str)] = &[("command", "/bin/cat"), ("startsecs", "0")];

#[test]
fn an_added_program_starts_and_is_like_any_other() {
    let env = started();
    assert_eq!(add(&env, "dyn", "more", CAT), Ok(Value::Bool(true)));
    env.wait_state("dyn:more", "RUNNING");
    assert_eq!(names(&env), ["dyn:fixed", "dyn:more"]);
    let log = env.info("dyn:more")["stdout_logfile"].as_str().unwrap().to_owned();
    assert!(log.contains("/logs/more-stdout---supervisor-"), "{log}");
    env.sup("sendProcessStdin", &["dyn:more", "hello"]).unwrap();
    wait_for("its output", || (fs::read_to_string(&log).unwrap() == "hello").then_some(()));
    let settings = env.sup("getAllConfigInfo", &[]).unwrap();
    assert_eq!(settings.as_array().unwrap().len(), 2);
    assert!(env.ctl_text(&["avail"]).contains("dyn:more "), "{}", env.ctl_text(&["avail"]));
    // It comes back when it crashes, and stops with the others.
    let pid = nix::unistd::Pid::from_raw(env.pid_of("dyn:more"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    wait_for("a new process", || {
        Some(env.pid_of("dyn:more")).filter(|new| *new != 0 && *new != pid.as_raw())
    });
    env.sup("stopProcessGroup", &["dyn"]).unwrap();
    assert_eq!(env.state("dyn:more"), "STOPPED");
}

#[test]
fn numprocs_and_autostart_count() {
    let env = started();
    let options = [
        ("command", "/bin/cat"),
        ("numprocs", "3"),
        ("process_name", "%(program_name)s_%(process_num)d"),
        ("autostart", "false"),
        ("startsecs", "0"),
    ];
    add(&env, "empty", "many", &options).unwrap();
    assert_eq!(names(&env), ["dyn:fixed", "empty:many_0", "empty:many_1", "empty:many_2"]);
    assert_eq!(env.state("empty:many_1"), "STOPPED");
    env.sup("startProcess", &["empty:many_1"]).unwrap();
    assert_eq!(env.state("empty:many_1"), "RUNNING");
    assert_eq!(add(&env, "empty", "many_2", CAT), Err((10, "BAD_NAME: many_2".into())));
}

#[test]
fn only_a_stopped_process_can_be_removed() {
    let env = started();
    add(&env, "dyn", "more", CAT).unwrap();
    env.wait_state("dyn:more", "RUNNING");
    assert_eq!(remove(&env, "dyn", "more"), Err((91, "STILL_RUNNING: more".into())));
    env.sup("stopProcess", &["dyn:more"]).unwrap();
    assert_eq!(remove(&env, "dyn", "more"), Ok(Value::Bool(true)));
    assert_eq!(names(&env), ["dyn:fixed"]);
    assert_eq!(env.state("dyn:more"), "BAD_NAME: dyn:more");
    assert_eq!(remove(&env, "dyn", "more"), Err((10, "BAD_NAME: more".into())));
    assert_eq!(remove(&env, "nope", "more"), Err((10, "BAD_NAME: group: nope".into())));
    add(&env, "dyn", "more", CAT).unwrap();
    env.wait_state("dyn:more", "RUNNING");
}

#[test]
fn bad_programs_are_refused_and_leave_nothing_behind() {
    let env = started();
    let files = || fs::read_dir(env.path("logs")).unwrap().count();
    let before = files();
    for (group, options, code, text) in [
        ("nope", CAT, 10, "BAD_NAME: group: nope"),
        ("dyn", &[][..], 2, "INCORRECT_PARAMETERS: options:0: [program:x] needs a line command="),
        ("dyn", &[("command", "x"), ("startsecs", "y")], 2, "INCORRECT_PARAMETERS: options:"),
    ] {
        let (found, why) = add(&env, group, "x", options).unwrap_err();
        assert!(found == code && why.starts_with(text), "{found} {why}");
    }
    let no_struct = twiddle(&env, "addProgramToGroup", vec!["dyn".into(), "x".into(), 5.into()]);
    assert_eq!(no_struct, Err((2, "INCORRECT_PARAMETERS".into())));
    assert_eq!((names(&env), files()), (vec!["dyn:fixed".to_owned()], before));
}

#[test]
fn update_leaves_a_group_alone_until_it_changes_in_the_file() {
    let env = started();
    add(&env, "dyn", "more", CAT).unwrap();
    env.wait_state("dyn:more", "RUNNING");
    let pids = (env.pid_of("dyn:fixed"), env.pid_of("dyn:more"));
    assert_eq!(env.ctl_text(&["update"]), "");
    assert_eq!((env.pid_of("dyn:fixed"), env.pid_of("dyn:more")), pids);
    env.configure(&format!("{TWIDDLER}{GROUP}startretries=5\n[group:empty]\n"));
    let said = env.ctl_text(&["update"]);
    assert!(said.contains("dyn: updated process group"), "{said}");
    assert_eq!(names(&env), ["dyn:fixed"]);
}

#[test]
fn only_the_states_of_processes_are_told_as_events() {
    let env = started();
    env.wait_state("dyn:fixed", "RUNNING");
    let mut stream = UnixStream::connect(env.socket()).unwrap();
    stream
        .write_all(
            b"GET /events?types=PROCESS_STATE,PROCESS_GROUP,REMOTE_COMMUNICATION HTTP/1.0\r\n\r\n",
        )
        .unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    lines.find(|line| line.starts_with(':')).unwrap();
    add(&env, "dyn", "more", CAT).unwrap();
    env.wait_state("dyn:more", "RUNNING");
    env.sup("stopProcess", &["dyn:more"]).unwrap();
    remove(&env, "dyn", "more").unwrap();
    env.sup("sendRemoteCommEvent", &["the", "end"]).unwrap();
    let kinds: Vec<String> =
        lines.filter_map(|line| line.strip_prefix("event: ").map(str::to_owned)).take(5).collect();
    let states =
        ["STARTING", "RUNNING", "STOPPING", "STOPPED"].map(|s| format!("PROCESS_STATE_{s}"));
    assert_eq!(kinds[..4], states);
    assert_eq!(kinds[4], "REMOTE_COMMUNICATION");
}

#[test]
fn a_program_in_a_pool_of_listeners_is_no_listener() {
    let env = TestEnv::started(&format!(
        "{TWIDDLER}[eventlistener:pool]\ncommand=/bin/cat\nevents=TICK_3600\nstartsecs=0\n"
    ));
    env.wait_state("pool", "RUNNING");
    let echo = [("command", "/bin/sh -c \"echo no protocol; exec cat\""), ("startsecs", "0")];
    add(&env, "pool", "plain", &echo).unwrap();
    env.wait_state("pool:plain", "RUNNING");
    let log = env.info("pool:plain")["stdout_logfile"].as_str().unwrap().to_owned();
    wait_for("its output", || (fs::read_to_string(&log).unwrap() == "no protocol\n").then_some(()));
    assert!(!env.read("sd.log").contains("UNKNOWN"));
    // A listener itself can leave its pool.
    env.sup("stopProcess", &["pool:pool"]).unwrap();
    remove(&env, "pool", "pool").unwrap();
    assert_eq!(names(&env), ["pool:plain"]);
}

#[test]
fn messages_are_logged_and_the_rest_is_told() {
    let env = started();
    twiddle(&env, "log", vec!["twiddled".into(), "WARN".into()]).unwrap();
    env.wait_log("WARN twiddled", 1);
    assert_eq!(twiddle(&env, "getAPIVersion", vec![]), Ok("1.0".into()));
    let groups = twiddle(&env, "getGroupNames", vec![]).unwrap();
    assert_eq!(groups, Value::Array(vec!["dyn".into(), "empty".into()]));
    let methods = env.call("system.listMethods", vec![]).unwrap();
    let listed = |name: &str| methods.as_array().unwrap().contains(&Value::from(name));
    assert!(listed("twiddler.addProgramToGroup") && listed("supervisor.getState"));
    assert!(env.read("sd.log").contains("RPC interface 'twiddler' initialized"));
}

#[test]
fn without_its_section_there_is_no_such_namespace() {
    let env = TestEnv::started(GROUP);
    assert_eq!(twiddle(&env, "getAPIVersion", vec![]), Err((1, "UNKNOWN_METHOD".into())));
    let methods = env.call("system.listMethods", vec![]).unwrap();
    let names = methods.as_array().unwrap().iter().filter_map(Value::as_str);
    assert!(!names.into_iter().any(|name| name.starts_with("twiddler.")));
}
