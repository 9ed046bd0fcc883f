//! Event listeners: what they get, in which order, and that no event is lost when one dies.
#![allow(clippy::unwrap_used)]

mod env;

use env::{TestEnv, Value, wait_for};

fn listener(name: &str, events: &str, more: &str) -> String {
    format!(
        "[eventlistener:{name}]\ncommand=/bin/sh @DIR@/listener.sh @DIR@/{name}.ev\n\
         events={events}\nstartsecs=0\nbuffer_size=100\n{more}"
    )
}

/// One event as a listener noted it.
#[derive(Debug, Clone)]
struct Seen {
    header: String,
    payload: String,
}

impl Seen {
    fn get(&self, key: &str) -> &str {
        let found =
            self.header.split(' ').find_map(|pair| pair.strip_prefix(key)?.strip_prefix(':'));
        found.unwrap_or_else(|| panic!("no {key} in {}", self.header))
    }
    fn number(&self, key: &str) -> u64 {
        self.get(key).parse().unwrap()
    }
    fn name(&self) -> &str {
        self.get("eventname")
    }
}

fn seen(env: &TestEnv, listener: &str) -> Vec<Seen> {
    let text = env.read(&format!("{listener}.ev"));
    let mut events: Vec<Seen> = Vec::new();
    // Only whole lines; payloads may have several.
    for line in text.split_inclusive('\n').filter_map(|l| l.strip_suffix('\n')) {
        match line.split_once('|').filter(|_| line.starts_with("ver:")) {
            Some((header, payload)) => {
                events.push(Seen { header: header.into(), payload: payload.into() });
            }
            None => {
                let last = events.last_mut().unwrap();
                last.payload += "\n";
                last.payload += line;
            }
        }
    }
    events
}

/// Waits for so many events about a process.
fn about(env: &TestEnv, listener: &str, process: &str, count: usize) -> Vec<Seen> {
    let word = format!("processname:{process} ");
    wait_for(&format!("{count} events about {process}"), || {
        let all: Vec<Seen> =
            seen(env, listener).into_iter().filter(|e| e.payload.starts_with(&word)).collect();
        (all.len() >= count).then_some(all)
    })
}

#[test]
fn every_change_of_state_is_told_with_its_details() {
    let env = TestEnv::started(
        &(listener("rec", "PROCESS_STATE", "")
            + "[program:cat]\ncommand=/bin/cat\nstartsecs=0\nautostart=false\n\
               [program:bad]\ncommand=/bin/sh -c 'exit 3'\nautostart=false\nstartretries=0\n"),
    );
    env.sup("startProcess", &["cat"]).unwrap();
    let pid = env.pid_of("cat");
    env.sup("stopProcess", &["cat"]).unwrap();
    let events = about(&env, "rec", "cat", 4);
    let told: Vec<(&str, &str)> = events.iter().map(|e| (e.name(), e.payload.as_str())).collect();
    let payload = |from: &str| format!("processname:cat groupname:cat from_state:{from}");
    assert_eq!(
        told,
        [
            ("PROCESS_STATE_STARTING", format!("{} tries:0", payload("STOPPED")).as_str()),
            ("PROCESS_STATE_RUNNING", &format!("{} pid:{pid}", payload("STARTING"))),
            ("PROCESS_STATE_STOPPING", &format!("{} pid:{pid}", payload("RUNNING"))),
            ("PROCESS_STATE_STOPPED", &format!("{} pid:{pid}", payload("STOPPING"))),
        ]
    );
    for event in &events {
        assert_eq!(event.get("ver"), "3.0");
        assert_eq!(event.get("server"), "supervisor");
        assert_eq!(event.get("pool"), "rec");
        assert_eq!(event.number("len"), event.payload.len() as u64);
    }

    env.sup("startProcess", &["bad"]).unwrap_err();
    let names: Vec<String> =
        about(&env, "rec", "bad", 3).iter().map(|e| e.name().to_owned()).collect();
    assert_eq!(names, ["PROCESS_STATE_STARTING", "PROCESS_STATE_BACKOFF", "PROCESS_STATE_FATAL"]);
}

#[test]
fn events_from_before_its_start_are_kept_for_it() {
    let env = TestEnv::started(
        &(listener("rec", "EVENT", "autostart=false\n")
            + "[program:cat]\ncommand=/bin/cat\nstartsecs=0\n"),
    );
    env.wait_state("cat", "RUNNING");
    env.sup("startProcess", &["rec"]).unwrap();
    about(&env, "rec", "cat", 2);
    let events = about(&env, "rec", "rec", 2);
    assert_eq!(events[0].name(), "PROCESS_STATE_STARTING", "its own start too");
    let all = seen(&env, "rec");
    let first: Vec<&str> = all.iter().take(3).map(Seen::name).collect();
    assert_eq!(
        first,
        ["PROCESS_GROUP_ADDED", "PROCESS_GROUP_ADDED", "SUPERVISOR_STATE_CHANGE_RUNNING"]
    );
    // Serials of the pool have no gap.
    let serials: Vec<u64> = all.iter().map(|e| e.number("poolserial")).collect();
    assert!(serials.windows(2).all(|w| w[1] == w[0] + 1), "{serials:?}");
}

#[test]
fn an_event_whose_listener_dies_over_it_is_delivered_again() {
    let env = TestEnv::started(
        "[eventlistener:rec]\ncommand=/bin/sh @DIR@/listener.sh @DIR@/rec.ev PROCESS_STATE_STOPPING\n\
         events=PROCESS_STATE\nstartsecs=0\nbuffer_size=100\n\
         [program:cat]\ncommand=/bin/cat\nstartsecs=0\n",
    );
    env.wait_state("cat", "RUNNING");
    env.wait_state("rec", "RUNNING");
    env.sup("stopProcess", &["cat"]).unwrap();
    let events = about(&env, "rec", "cat", 4);
    assert!(env.path("rec.ev.died").exists(), "it did die");
    assert!(!env.log_with("exited: rec (exit status 1; not expected)").is_empty());
    let names: Vec<&str> = events.iter().map(Seen::name).collect();
    for name in ["STARTING", "RUNNING", "STOPPING", "STOPPED"] {
        let name = format!("PROCESS_STATE_{name}");
        assert_eq!(names.iter().filter(|n| **n == name).count(), 1, "{names:?}");
    }
    let at = |name: &str| names.iter().position(|n| n.ends_with(name)).unwrap();
    assert!(at("STOPPING") < at("STOPPED"), "and in its place: {names:?}");
}

#[test]
fn a_pool_delivers_each_event_to_one_listener_and_each_pool_gets_all() {
    let env = TestEnv::started(
        &(listener("one", "REMOTE_COMMUNICATION", "")
            + "[eventlistener:two]\ncommand=/bin/sh @DIR@/listener.sh @DIR@/two.ev\n\
               process_name=two_%(process_num)d\nnumprocs=3\nbuffer_size=100\n\
               events=REMOTE_COMMUNICATION\nstartsecs=0\n"),
    );
    for name in ["one", "two:two_0", "two:two_1", "two:two_2"] {
        env.wait_state(name, "RUNNING");
    }
    for n in 0..30 {
        let told = env.sup("sendRemoteCommEvent", &["hello", &format!("data {n}")]);
        assert_eq!(told, Ok(Value::Bool(true)));
    }
    for listener in ["one", "two"] {
        let events =
            wait_for("all events", || Some(seen(&env, listener)).filter(|all| all.len() >= 30));
        let mut payloads: Vec<String> = events.into_iter().map(|e| e.payload).collect();
        payloads.sort();
        let mut want: Vec<String> = (0..30).map(|n| format!("type:hello\ndata {n}")).collect();
        want.sort();
        assert_eq!(payloads, want, "{listener}");
    }
}

#[test]
fn rejected_events_come_again() {
    let mut env = TestEnv::new();
    // Rejects each event the first time.
    env.write(
        "reject.sh",
        "while :; do\n echo READY\n IFS= read -r header || exit 0\n\
         payload=$(head -c ${header##*len:})\n serial=${header#*serial:}; serial=${serial%% *}\n\
         if [ -e @DIR@/seen.$serial ]; then\n  echo \"$header|$payload\" >> @DIR@/rec.ev\n  \
         printf 'RESULT 2\\nOK'\nelse\n  : > @DIR@/seen.$serial\n  printf 'RESULT 4\\nFAIL'\nfi\n\
         done\n",
    );
    env.configure(
        "[eventlistener:rec]\ncommand=/bin/sh @DIR@/reject.sh\nevents=REMOTE_COMMUNICATION\n\
         startsecs=0\nbuffer_size=100\n",
    );
    env.start(&[]);
    env.wait_state("rec", "RUNNING");
    for n in 0..3 {
        env.sup("sendRemoteCommEvent", &["t", &n.to_string()]).unwrap();
    }
    let events = wait_for("all events", || Some(seen(&env, "rec")).filter(|all| all.len() >= 3));
    let mut payloads: Vec<&str> = events.iter().map(|e| e.payload.as_str()).collect();
    payloads.sort_unstable();
    assert_eq!(payloads, ["type:t\n0", "type:t\n1", "type:t\n2"]);
    assert_eq!(env.log_with("event was rejected").len(), 3);
}

#[test]
fn when_nobody_listens_the_oldest_events_go() {
    let env = TestEnv::started(
        &listener("rec", "REMOTE_COMMUNICATION", "autostart=false\n")
            .replace("buffer_size=100", "buffer_size=3"),
    );
    for n in 0..5 {
        env.sup("sendRemoteCommEvent", &["t", &n.to_string()]).unwrap();
    }
    let lines = env.log_with("pool rec event buffer overflowed, discarding event");
    assert_eq!(lines.len(), 2, "{lines:?}");
    env.sup("startProcess", &["rec"]).unwrap();
    let events = wait_for("the rest", || Some(seen(&env, "rec")).filter(|all| all.len() >= 3));
    let payloads: Vec<&str> = events.iter().map(|e| e.payload.as_str()).collect();
    assert_eq!(payloads, ["type:t\n2", "type:t\n3", "type:t\n4"]);
}

#[test]
fn output_of_programs_becomes_events_when_asked_for() {
    let env = TestEnv::started(
        &(listener("rec", "PROCESS_LOG,PROCESS_COMMUNICATION", "")
            + "[program:log]\ncommand=/bin/cat\nstartsecs=0\nstdout_events_enabled=true\n\
               [program:comm]\ncommand=/bin/cat\nstartsecs=0\nstdout_capture_maxbytes=1MB\n\
               [program:quiet]\ncommand=/bin/cat\nstartsecs=0\n"),
    );
    for name in ["rec", "log", "comm", "quiet"] {
        env.wait_state(name, "RUNNING");
    }
    env.sup("sendProcessStdin", &["quiet", "not told\n"]).unwrap();
    env.sup("sendProcessStdin", &["log", "said\n"]).unwrap();
    let event = about(&env, "rec", "log", 1).remove(0);
    assert_eq!(event.name(), "PROCESS_LOG_STDOUT");
    let pid = env.pid_of("log");
    // The shell takes line feeds from the end of what it reads.
    let payload = format!("processname:log groupname:log pid:{pid} channel:stdout\nsaid");
    assert_eq!(event.payload, payload);

    let text = "before<!--XSUPERVISOR:BEGIN-->secret<!--XSUPERVISOR:END-->after\n";
    env.sup("sendProcessStdin", &["comm", text]).unwrap();
    let event = about(&env, "rec", "comm", 1).remove(0);
    assert_eq!(event.name(), "PROCESS_COMMUNICATION_STDOUT");
    let pid = env.pid_of("comm");
    assert_eq!(event.payload, format!("processname:comm groupname:comm pid:{pid}\nsecret"));
    assert!(!env.read("rec.ev").contains("not told"));
}
