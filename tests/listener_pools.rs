//! Pools of event listeners, with listeners that work, fail, die, write garbage or do not read.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod env;

use std::fs;

use env::{TestEnv, wait_for};

/// A listener in sh. It notes each event in `seen` as `NAME SERIAL POOLSERIAL LEN` and then does what
/// its argument says.
const LISTENER: &str = r#"
num() { v=${header##*" $1:"}; echo "${v%% *}"; }
while :; do
    printf 'READY\n'
    IFS= read -r header || exit 0
    serial=$(num serial) len=$(num len)
    dd bs=1 count="$len" of=/dev/null 2>/dev/null
    echo "$SUPERVISOR_PROCESS_NAME $serial $(num poolserial) $len" >> @DIR@/seen
    case $1 in
    hang) [ "$SUPERVISOR_PROCESS_NAME" = pool_0 ] && mkdir @DIR@/hung 2>/dev/null && read -r never < @DIR@/fifo ;;
    fail) mkdir "@DIR@/failed.$serial" 2>/dev/null && { printf 'RESULT 4\nFAIL'; continue; } ;;
    die) mkdir "@DIR@/died.$serial" 2>/dev/null && exit 1 ;;
    esac
    printf 'RESULT 2\nOK'
done
"#;

fn started(sections: &str) -> TestEnv {
    let mut env = TestEnv::new();
    env.write("listener", LISTENER);
    nix::unistd::mkfifo(&env.path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    env.configure(sections);
    env.start(&[]);
    env
}

fn pool(how: &str, more: &str) -> String {
    format!(
        "[eventlistener:pool]\ncommand=/bin/sh @DIR@/listener {how}\nevents=REMOTE_COMMUNICATION\n\
         startsecs=0\nautorestart=true\nbuffer_size=1000\n{more}\n"
    )
}

fn emit(env: &TestEnv, count: usize) {
    for n in 0..count {
        env.sup("sendRemoteCommEvent", &["n", &n.to_string()]).unwrap();
    }
}

/// What was noted, once there are so many lines.
fn seen(env: &TestEnv, lines: usize) -> Vec<(String, Vec<u64>)> {
    wait_for(&format!("{lines} events to be seen"), || {
        (env.read("seen").lines().count() >= lines).then_some(())
    });
    let text = env.read("seen");
    let line = |line: &str| {
        let mut words = line.split(' ');
        let name = words.next().unwrap().to_owned();
        (name, words.map(|w| w.parse().unwrap()).collect())
    };
    text.lines().map(line).collect()
}

fn serials(seen: &[(String, Vec<u64>)]) -> Vec<u64> {
    seen.iter().map(|(_, numbers)| numbers[0]).collect()
}

#[test]
fn one_listener_gets_all_in_order_and_counts_characters() {
    let env = started(&pool("", ""));
    emit(&env, 30);
    let seen = seen(&env, 30);
    assert_eq!(serials(&seen), (0..30).collect::<Vec<_>>());
    assert!(seen.iter().all(|(_, n)| n[0] == n[1]));
    // "type:n\n" and a digit or two
    assert_eq!((seen[0].1[2], seen[29].1[2]), (8, 9));
}

#[test]
fn len_is_in_bytes_for_those_who_ask() {
    let env = started(&pool("", "len_in_bytes=true"));
    for _ in 0..2 {
        env.sup("sendRemoteCommEvent", &["n", "äö€"]).unwrap();
    }
    let lens: Vec<u64> = seen(&env, 2).iter().map(|(_, n)| n[2]).collect();
    assert_eq!(lens, [14, 14]);
}

#[test]
fn the_others_of_a_pool_go_on_and_take_over_what_a_dead_one_had() {
    let more = "numprocs=3\nprocess_name=pool_%(process_num)d";
    let env = started(&pool("hang", more));
    for n in 0..3 {
        env.wait_state(&format!("pool:pool_{n}"), "RUNNING");
    }
    // Until the one that hangs has got an event.
    let mut sent = 0;
    wait_for("a listener to hang", || {
        emit(&env, 1);
        sent += 1;
        env.path("hung").exists().then_some(())
    });
    emit(&env, 40);
    sent += 40;
    // It noted its event, and the others all else.
    seen(&env, sent);
    let pid = nix::unistd::Pid::from_raw(env.pid_of("pool:pool_0"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let seen = seen(&env, sent + 1);
    let hung = seen.iter().find(|(name, _)| name == "pool_0").map(|(_, n)| n.clone()).unwrap();
    let again = seen.last().unwrap().1.clone();
    let mut all = serials(&seen);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all, (0..sent as u64).collect::<Vec<_>>());
    assert_eq!(seen.iter().filter(|(_, n)| *n == hung).count(), 2, "{seen:?}");
    assert_eq!(again, hung, "both serials stay with it");
}

#[test]
fn a_rejected_event_comes_again_before_the_next() {
    let env = started(&pool("fail", ""));
    emit(&env, 10);
    let expected: Vec<u64> = (0..10).flat_map(|n| [n, n]).collect();
    assert_eq!(serials(&seen(&env, 20)), expected);
}

#[test]
fn a_listener_that_dies_gets_its_event_again_when_it_is_back() {
    let env = started(&pool("die", ""));
    emit(&env, 10);
    let expected: Vec<u64> = (0..10).flat_map(|n| [n, n]).collect();
    assert_eq!(serials(&seen(&env, 20)), expected);
}

fn resident_kib(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_listener_that_floods_takes_no_memory_and_disturbs_no_other() {
    let flood = "[eventlistener:flood]\ncommand=/bin/sh -c \"head -c 200000000 /dev/zero; touch \
                 @DIR@/flooded; exec cat\"\nevents=EVENT\nstartsecs=0\nstdout_logfile=NONE\n\
                 autostart=false\n";
    let env = started(&format!("{flood}{}", pool("", "")));
    emit(&env, 1);
    seen(&env, 1);
    let before = resident_kib(env.pid());
    env.sup("startProcess", &["flood"]).unwrap();
    env.wait_log("flood: has entered the UNKNOWN state", 1);
    emit(&env, 20);
    assert_eq!(serials(&seen(&env, 21)).len(), 21);
    wait_for("the flood to be over", || env.path("flooded").exists().then_some(()));
    let after = resident_kib(env.pid());
    assert!(after < before + 20_000, "{before} KiB before, {after} KiB after");
    // Started anew it is listened to again.
    env.sup("stopProcess", &["flood"]).unwrap();
    env.sup("startProcess", &["flood"]).unwrap();
    env.wait_log("flood: has entered the UNKNOWN state", 2);
}

#[test]
fn a_listener_that_does_not_read_disturbs_nobody() {
    let deaf = "[eventlistener:deaf]\ncommand=/bin/sh -c \"echo READY; exec sleep 1000\"\n\
                events=REMOTE_COMMUNICATION\nstartsecs=0\nbuffer_size=5\nstopwaitsecs=1\n";
    let cat = "[program:cat]\ncommand=/bin/cat\nautostart=false\nstartsecs=0\n";
    let env = started(&format!("{deaf}{cat}{}", pool("", "")));
    env.wait_state("deaf", "RUNNING");
    // More than a pipe holds.
    let large = "x".repeat(200_000);
    env.sup("sendRemoteCommEvent", &["n", &large]).unwrap();
    emit(&env, 10);
    assert_eq!(serials(&seen(&env, 11)), (0..11).collect::<Vec<_>>());
    env.wait_log("pool deaf event buffer overflowed, discarding event ", 5);
    env.sup("startProcess", &["cat"]).unwrap();
    env.sup("stopProcess", &["deaf"]).unwrap();
    assert_eq!((env.state("cat").as_str(), env.state("deaf").as_str()), ("RUNNING", "STOPPED"));
}
