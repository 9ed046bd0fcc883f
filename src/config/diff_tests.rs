use super::super::testing::Folder;
use super::*;

const BASE: &str =
    "[program:p]\ncommand=/bin/cat\n[program:q]\ncommand=/bin/cat\nstdout_logfile=q.log\n";

fn names(old: &str, new: &str) -> Changes {
    let dir = Folder::new();
    let groups = |text: &str| dir.load(text).unwrap().groups;
    diff(&groups(old), &groups(new))
}

fn changed(by: &str) -> Vec<String> {
    names(BASE, &format!("{BASE}{by}\n")).1
}

#[test]
fn groups_come_and_go_by_name() {
    let (added, changed, removed) = names(
        "[program:b]\ncommand=x\n[program:a]\ncommand=x\n[program:c]\ncommand=x\n",
        "[group:g]\nprograms=a,b\n[program:a]\ncommand=x\n[program:b]\ncommand=x\n[program:c]\ncommand=x\n",
    );
    assert_eq!((added, changed), (vec!["g".to_owned()], vec![]));
    assert_eq!(removed, ["a", "b"]);
    let (added, _, _) =
        names("[group:g]\nprograms=a\n[program:a]\ncommand=x\n", "[program:a]\ncommand=x\n");
    assert_eq!(added, ["a"]);
}

/// Recorded from the reference's reloadConfig.
#[test]
fn edits_that_count_are_those_of_the_reference() {
    for edit in [
        "priority=998",
        "startsecs=2",
        "startretries=4",
        "stopsignal=INT",
        "stopwaitsecs=11",
        "exitcodes=0,1",
        "environment=A=\"1\"",
        "umask=022",
        "directory=/",
        "user=root",
        "serverurl=http://x:1",
        "redirect_stderr=true",
        "stopasgroup=true",
        "autorestart=true",
        "numprocs=2\nprocess_name=%(process_num)s",
        "process_name=other",
        "stderr_logfile=NONE",
        "stdout_logfile_backups=9",
        "stdout_capture_maxbytes=1KB",
        "stderr_events_enabled=true",
        "command=/bin/cat -u",
        "stdout_logfile=other.log",
        "stdout_syslog=true",
        "autostart=false",
        "killasgroup=true",
        "stdout_logfile=NONE",
    ] {
        assert_eq!(changed(edit), ["q"], "{edit}");
    }
    for edit in ["", "; x", "startsecs=1", "unknown=1", "stdout_logfile=AUTO", "exitcodes= 0"] {
        assert!(changed(edit).is_empty(), "{edit}");
    }
}

#[test]
fn the_daemons_environment_counts_for_every_program() {
    let with = format!("environment=Z=\"1\"\n{BASE}");
    assert_eq!(names(BASE, &with).1, ["p", "q"]);
    let (a, b) = ("environment=A=\"1\",B=\"2\"\n", "environment=B=\"2\",A=\"1\"\n");
    assert!(names(&format!("{a}{BASE}"), &format!("{b}{BASE}")).1.is_empty());
}

#[test]
fn of_a_socket_only_its_address_counts() {
    let fcgi = |more: &str| format!("[fcgi-program:f]\ncommand=x\n{more}\n");
    let unix = "socket=unix:///tmp/f.sock";
    let same = format!("{unix}\nsocket_mode=0777\nsocket_owner=root\nsocket_backlog=5");
    assert!(names(&fcgi(unix), &fcgi(&same)).1.is_empty());
    assert_eq!(names(&fcgi(unix), &fcgi("socket=tcp://localhost:1")).1, ["f"]);
    assert!(names(&fcgi("socket=tcp://a:1"), &fcgi("socket=tcp://A:01")).1.is_empty());
    assert_eq!(names(&fcgi(unix), "[program:f]\ncommand=x\n").1, ["f"]);
}

#[test]
fn of_a_pool_the_set_of_events_counts() {
    let pool = |more: &str| format!("[eventlistener:l]\ncommand=x\n{more}\n");
    let old = pool("events=TICK_5,EVENT");
    assert!(names(&old, &pool("events=event,tick_5")).1.is_empty());
    assert_eq!(names(&old, &pool("events=EVENT")).1, ["l"]);
    assert_eq!(names(&old, &pool("events=TICK_5,EVENT\nbuffer_size=9")).1, ["l"]);
}
