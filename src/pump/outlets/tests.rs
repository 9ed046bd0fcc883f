//! Logs that are open while they are written to, and few descriptors.

use super::*;
use crate::coordinator::inbox::Channel;
use crate::pump::testing::{TempDir, config, plan};
use crate::sys::alone;
use crate::sys::fds::EventFd;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs;

fn outlets(dir: &TempDir) -> Outlets {
    let (config, _) = config(dir, |_| ());
    let wake = Arc::new(EventFd::new().unwrap());
    Outlets::new(config, Arc::new(Shared::new(wake, false))).unwrap()
}

impl Outlets {
    /// A log as a child's start brings it.
    fn started(&mut self, path: &Path) -> (Token, StreamPlan) {
        let file = target::open_for_spawn(path).unwrap();
        (self.acquire(path, "w".into(), file), plan(Channel::Stdout, path))
    }
    fn say(&mut self, (token, plan): &(Token, StreamPlan), text: &str) {
        assert!(!self.write(*token, text.as_bytes(), plan, 0));
    }
}

/// Descriptors of this process with a file in this folder.
fn open_in(dir: &TempDir) -> usize {
    let links = fs::read_dir("/proc/self/fd").unwrap();
    links.filter_map(|l| fs::read_link(l.ok()?.path()).ok()).fold(0, |n, path| {
        let log = path.starts_with(dir.path()) && !path.ends_with("sd.log");
        n + usize::from(log)
    })
}

#[test]
fn a_log_is_open_while_it_is_written_to() {
    let dir = TempDir::new();
    let mut out = outlets(&dir);
    let logs: Vec<_> = (0..5).map(|n| out.started(&dir.join(&n.to_string()))).collect();
    assert_eq!((open_in(&dir), out.timers.next()), (0, None));
    out.say(&logs[0], "one");
    out.say(&logs[1], "one");
    assert_eq!(open_in(&dir), 2);
    for (used, left) in [(true, 2), (true, 1), (false, 1), (false, 0)] {
        // The one and only timer, as long as there is something to close.
        out.now = out.timers.next().unwrap();
        assert_eq!(out.timers.pop_due(out.now), Some(Timer::Rest));
        out.rest_unused();
        if used {
            out.say(&logs[0], "two");
        }
        assert_eq!(open_in(&dir), left);
    }
    assert_eq!(out.timers.next(), None);
    assert_eq!(fs::read_to_string(dir.join("0")).unwrap(), "onetwotwo");
    out.line(b"the activity log stays open\n");
    assert_eq!(out.timers.next(), None);
}

#[test]
fn the_activity_log_stays_open_for_a_program_that_logs_to_it() {
    let dir = TempDir::new();
    let mut out = outlets(&dir);
    let log = out.started(&dir.join("sd.log"));
    out.line(b"one\n");
    out.say(&log, "two\n");
    out.rest_unused();
    out.rest_unused();
    assert!(out.sinks[&log.0].sink.is_awake());
    assert_eq!(fs::read_to_string(dir.join("sd.log")).unwrap(), "one\ntwo\n");
}

#[test]
fn another_start_with_the_same_log_does_not_close_it() {
    let dir = TempDir::new();
    let mut out = outlets(&dir);
    let log = out.started(&dir.join("log"));
    out.say(&log, "one");
    for _ in 0..3 {
        out.started(&dir.join("log"));
        assert_eq!(open_in(&dir), 1);
    }
    out.rest_unused();
    assert_eq!(open_in(&dir), 1, "written to since the last time");
    out.rest_unused();
    assert_eq!(open_in(&dir), 0);
}

#[test]
fn a_log_that_waits_for_a_write_only_sets_no_timer() {
    let dir = TempDir::new();
    let mut out = outlets(&dir);
    let log = out.started(&dir.join("log"));
    out.say(&log, "one");
    fs::rename(dir.join("log"), dir.join("moved")).unwrap();
    fs::create_dir(dir.join("log")).unwrap();
    out.reopen_all();
    for _ in 0..3 {
        out.rest_unused();
    }
    assert!(!out.watching_rest && out.sinks[&log.0].sink.is_awake());
}

#[test]
fn without_descriptors_logs_are_made_anew_and_come_back_by_the_reserve() {
    let name = "pump::outlets::tests::\
                without_descriptors_logs_are_made_anew_and_come_back_by_the_reserve";
    if alone::was_run(name) {
        return;
    }
    let dir = TempDir::new();
    let mut out = outlets(&dir);
    let logs: Vec<_> = (0..5).map(|n| out.started(&dir.join(&n.to_string()))).collect();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 64, hard).unwrap();
    let fill = || std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect::<Vec<_>>();
    let text = |n: usize| fs::read_to_string(dir.join(&n.to_string())).unwrap();

    let full = fill();
    for n in 0..5 {
        fs::rename(dir.join(&n.to_string()), dir.join(&format!("{n}.moved"))).unwrap();
    }
    out.reopen_all();
    assert!((0..5).all(|n| text(n).is_empty()), "made anew");
    out.say_notes();
    assert!(out.clear(logs[0].0) && out.clear_main());
    drop(full);

    // Somebody takes all that comes free, the reserve too: nothing can be opened any more.
    out.rest_all(Sink::rest);
    out.reserve.clear();
    let mut full = fill();
    logs.iter().for_each(|log| out.say(log, "one"));
    assert!(logs.iter().all(|(token, _)| !out.sinks[token].sink.is_awake()));
    // What comes free again may lie in the reserve: it is theirs.
    full.truncate(full.len() - RESERVE);
    out.rest_unused();
    assert_eq!(out.reserve.len(), RESERVE);
    for _ in 0..3 {
        out.now = out.now.after(Duration::from_secs(10));
        logs.iter().for_each(|log| out.say(log, "two"));
    }
    assert!((0..5).all(|n| text(n) == "onetwotwotwo"));
}

#[test]
fn with_few_descriptors_logs_take_turns_and_nothing_is_lost() {
    let name = "pump::outlets::tests::with_few_descriptors_logs_take_turns_and_nothing_is_lost";
    if alone::was_run(name) {
        return;
    }
    let dir = TempDir::new();
    let mut out = outlets(&dir);
    let logs: Vec<_> = (0..100).map(|n| out.started(&dir.join(&n.to_string()))).collect();
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    let set = |soft| setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    let full = || std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect::<Vec<_>>();

    // Programs need most of them.
    out.of_programs = 1000;
    set(1000 + OTHERS as u64 + 20);
    for turn in 0..3 {
        for log in &logs {
            out.say(log, &turn.to_string());
            assert!((1..=20).contains(&open_in(&dir)), "{}", open_in(&dir));
        }
    }
    // Somebody else has taken many: the last ones are left to others, all but one.
    out.rest_all(Sink::rest);
    let limit = open() as u64 + 40;
    set(limit);
    out.of_programs = 0;
    for turn in 3..6 {
        for log in &logs {
            out.say(log, &turn.to_string());
            let left = full().len() as u64;
            assert!(left + 1 >= table::kept_from_logs(limit), "{left} of {limit}");
        }
    }
    // There are none: all but one of the logs make room, and at first the reserve.
    out.rest_all(Sink::rest);
    set(open() as u64 + 10);
    let full = full();
    for turn in 6..9 {
        for log in &logs {
            out.say(log, &turn.to_string());
        }
    }
    drop(full);
    set(soft);
    for n in 0..100 {
        assert_eq!(fs::read_to_string(dir.join(&n.to_string())).unwrap(), "012345678");
    }
    out.say_notes();
    assert_eq!(fs::read_to_string(dir.join("sd.log")).unwrap(), "");
    out.rest_unused();
    assert_eq!(out.reserve.len(), RESERVE);
}
