//! The pages as a client sees them.

use super::testing::{Fake, get, in_state, tcp};
use super::*;
use crate::coordinator::history::{Exit, ExitReason};
use crate::coordinator::published::{Mood, ProcView};
use crate::machine::{ExitStatus, State};
use crate::rpc::faults::{self, fault};

const NASTY: &str = "<script>alert(1)</script>\"'&";

fn answer(req: &PageRequest<'_>, control: &Fake) -> PageResponse {
    respond(req, control).unwrap()
}

fn body(req: &PageRequest<'_>, control: &Fake) -> String {
    String::from_utf8(answer(req, control).body).unwrap()
}

fn header<'a>(answer: &'a PageResponse, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())
}

/// The texts between tags, and the addresses of links, of the part of a page from `start` on.
fn facts(page: &str, start: &str) -> (Vec<String>, Vec<String>) {
    let page = &page[page.find(start).unwrap()..];
    let undo = |s: &str| {
        s.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&")
    };
    let mut texts = Vec::new();
    let mut links = Vec::new();
    for piece in page.split('<') {
        let Some((tag, text)) = piece.split_once('>') else { continue };
        if let Some((_, rest)) = tag.split_once(" href=\"") {
            links.push(undo(rest.split('"').next().unwrap()));
        }
        if !text.trim().is_empty() {
            texts.push(undo(text.trim()));
        }
    }
    (texts, links)
}

/// Texts and links of the row of a process.
fn row(page: &str, name: &str) -> (Vec<String>, Vec<String>) {
    let start = page.find(&format!("data-process=\"{name}\"")).unwrap();
    let start = page[..start].rfind("<tr").unwrap();
    let end = start + page[start..].find("</tr>").unwrap();
    facts(&page[..end], &page[start..end])
}

fn location(query: &str, control: &Fake) -> String {
    let answer = answer(&get("/index.html", query), control);
    assert_eq!(answer.status, 301, "{query}");
    header(&answer, "Location").unwrap().to_owned()
}

#[test]
fn the_status_page_is_at_three_addresses_and_never_kept() {
    let fake = Fake::new(&[("a", &["a"])]);
    for path in ["/", "//", "/index.html", "//index.html"] {
        let answer = answer(&get(path, ""), &fake);
        assert_eq!((answer.status, answer.content_type), (200, "text/html;charset=utf-8"));
        for (name, value) in [
            ("Pragma", "no-cache"),
            ("Cache-Control", "no-cache"),
            ("Expires", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("X-Frame-Options", "DENY"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "same-origin"),
        ] {
            assert_eq!(header(&answer, name), Some(value), "{name}");
        }
        let policy = header(&answer, "Content-Security-Policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        let page = String::from_utf8(answer.body).unwrap();
        assert!(page.contains("<title>Supervisor Status</title>"));
        assert!(page.contains(env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn what_is_no_page_is_left_to_the_caller() {
    let fake = Fake::new(&[]);
    for (method, path) in [
        ("GET", "/nothing"),
        ("GET", "/index.htm"),
        ("GET", "/INDEX.html"),
        ("GET", "/index.html/"),
        ("GET", "/../options.py"),
        ("GET", "/images/index.html"),
        ("GET", "/stylesheets/"),
        ("HEAD", "/"),
        ("PUT", "/"),
        ("DELETE", "/index.html"),
        ("POST", "/stylesheets/supervisor.css"),
        ("POST", "/stylesheets"),
    ] {
        let req = PageRequest { method, ..get(path, "") };
        assert_eq!(respond(&req, &fake), None, "{method} {path}");
    }
}

#[test]
fn rows_offer_what_the_state_allows() {
    let fake = Fake::new(&[("p", &["p"])]);
    let tails = ["logtail/p", "logtail/p/stderr"];
    for (state, description, actions) in [
        (State::Running, "pid 0, uptime 0:00:00", &[("Restart", "restart"), ("Stop", "stop")][..]),
        (State::Stopped, "Not started", &[("Start", "start")]),
        (State::Exited, "Not started", &[("Start", "start")]),
        (State::Fatal, "no luck", &[("Start", "start")]),
        (State::Backoff, "no luck", &[]),
        (State::Starting, "", &[]),
        (State::Stopping, "", &[]),
        (State::Unknown, "", &[]),
    ] {
        let started = Some(crate::sys::clock::Mono::now());
        fake.set("p", ProcView { spawnerr: Some("no luck".into()), started, ..in_state(state) });
        let (texts, links) = row(&body(&get("/", ""), &fake), "p");
        let mut expected = vec![view::word(state), description, "p"];
        expected.retain(|t| !t.is_empty());
        expected.extend(actions.iter().map(|(label, _)| label));
        expected.extend(["Clear Log", "Tail -f Stdout", "Tail -f Stderr"]);
        assert_eq!(texts, expected, "{state:?}");
        let mut expected = vec!["tail.html?processname=p".to_owned()];
        let all = actions.iter().map(|(_, action)| *action).chain(["clearlog"]);
        expected.extend(all.map(|a| format!("index.html?processname=p&action={a}")));
        expected.extend(tails.map(str::to_owned));
        assert_eq!(links, expected, "{state:?}");
    }
}

#[test]
fn names_of_groups_and_strange_names_are_quoted_in_links() {
    let fake = Fake::new(&[("grp", &["w"]), ("x&y<z", &["x&y<z"]), ("été", &["été"])]);
    let page = body(&get("/", ""), &fake);
    assert_eq!(row(&page, "grp:w").1[0], "tail.html?processname=grp%3Aw");
    let (texts, links) = row(&page, "x&amp;y&lt;z");
    assert_eq!(texts[2], "x&y<z");
    assert_eq!(links[1], "index.html?processname=x%26y%3Cz&action=start");
    assert_eq!(row(&page, "été").1[4], "logtail/%C3%A9t%C3%A9/stderr");
}

#[test]
fn all_processes_have_three_actions() {
    let (_, links) = facts(&body(&get("/", ""), &Fake::new(&[])), "<nav");
    assert_eq!(
        links,
        ["index.html?action=refresh", "index.html?action=restartall", "index.html?action=stopall"]
    );
}

#[test]
fn without_programs_the_page_says_so() {
    assert!(body(&get("/", ""), &Fake::new(&[])).contains("No programs to manage"));
    assert!(!body(&get("/", ""), &Fake::new(&[("a", &["a"])])).contains("No programs to manage"));
}

#[test]
fn the_page_tells_when_supervisord_is_going() {
    let fake = Fake::new(&[("a", &["a"])]);
    assert!(!body(&get("/", ""), &fake).contains("shutting down"));
    fake.published().set_mood(Mood::Shutdown);
    assert!(body(&get("/", ""), &fake).contains("supervisord is shutting down."));
}

#[test]
fn nothing_from_outside_is_markup() {
    let fake = Fake::answering(&[(NASTY, &[NASTY])], |_| Ok(NASTY.into()));
    fake.set(NASTY, ProcView { spawnerr: Some(NASTY.into()), ..in_state(State::Fatal) });
    let quoted = "%3Cscript%3Ealert%281%29%3C%2Fscript%3E%22%27%26";
    for (path, query) in [
        ("/", format!("message={quoted}")),
        ("/", format!("action={quoted}")),
        ("/", format!("action=start&processname={quoted}")),
        ("/tail.html", format!("processname={quoted}&limit={quoted}")),
        ("/tail.html", String::new()),
        ("/process.html", format!("processname={quoted}")),
        ("/process.html", "processname=%3Cscript%3E".to_owned()),
        ("/", format!("filter={quoted}&state={quoted}")),
        ("/", format!("action=stop&group={quoted}")),
    ] {
        for via in [Via::Unix, tcp(true, false)] {
            for host in ["localhost", NASTY] {
                let req = PageRequest { via, host: Some(host), ..get(path, &query) };
                let page = body(&req, &fake);
                assert!(!page.contains("<script>") && !page.contains("\"'&\""), "{path} {query}");
            }
        }
    }
    let page = body(&get("/", &format!("message={quoted}")), &fake);
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;</p>"), "{page}");
}

#[test]
fn messages_are_shown_and_empty_ones_are_not() {
    let fake = Fake::new(&[]);
    assert!(body(&get("/", "message=a%20b%2Bc"), &fake).contains(">a b+c</p>"));
    for query in ["", "message=", "other=hello"] {
        assert!(!body(&get("/", query), &fake).contains("class=\"message\""), "{query}");
    }
}

#[test]
fn actions_call_and_tell() {
    let fake = Fake::new(&[("up", &["up"]), ("grp", &["w"])]);
    for (query, calls, message) in [
        ("action=start&processname=up", &["startProcess(up)"][..], "Process%20up%20started"),
        ("action=stop&processname=grp:w", &["stopProcess(grp:w)"], "Process%20grp%3Aw%20stopped"),
        (
            "action=restart&processname=up",
            &["stopProcess(up)", "startProcess(up)"],
            "Process%20up%20restarted",
        ),
        ("action=clearlog&processname=up", &["clearProcessLogs(up)"], "Log%20for%20up%20cleared"),
        ("action=stopall", &["stopAllProcesses()"], "All%20stopped%20at%20"),
        (
            "action=restartall",
            &["stopAllProcesses()", "startAllProcesses()"],
            "All%20restarted%20at%20",
        ),
        ("action=refresh", &[], "Page%20refreshed%20at%20"),
        ("action=start&processname=nope", &[], "No%20such%20process%20named%20nope"),
        ("action=stop&processname=grp:nope", &[], "No%20such%20process%20named%20grp%3Anope"),
        ("action=stop&processname=grp", &[], "No%20such%20process%20named%20grp"),
        ("action=stop&processname=grp:*", &[], "No%20such%20process%20named%20grp%3A%2A"),
        ("action=stop&processname=w", &[], "No%20such%20process%20named%20w"),
        ("action=explode&processname=nope", &[], "No%20such%20process%20named%20nope"),
    ] {
        fake.calls.lock().unwrap().clear();
        let to = location(query, &fake);
        assert!(to.starts_with(&format!("http://localhost/?message={message}")), "{query}: {to}");
        let calls: Vec<String> = calls.iter().map(|c| format!("supervisor.{c}")).collect();
        assert_eq!(fake.calls(), calls, "{query}");
    }
}

#[test]
fn times_in_messages_are_those_of_ctime() {
    let to = location("action=refresh", &Fake::new(&[]));
    let time = to.rsplit_once("at%20").unwrap().1.replace("%20", " ").replace("%3A", ":");
    // Sun Nov 22 15:12:48 2026
    assert_eq!(time.len(), 24, "{time}");
    assert_eq!((time.as_bytes()[3], &time[13..14], &time[19..20]), (b' ', ":", " "), "{time}");
}

#[test]
fn faults_become_messages() {
    for (action, fault, message) in [
        ("start", fault(faults::NO_FILE, Some("x")), "ERROR: Process p: no such file"),
        ("start", fault(faults::NOT_EXECUTABLE, None), "ERROR: Process p: file not executable"),
        ("start", fault(faults::ALREADY_STARTED, None), "ERROR: Process p: already started"),
        ("start", fault(faults::SPAWN_ERROR, None), "ERROR: Process p: spawn error"),
        (
            "start",
            fault(faults::ABNORMAL_TERMINATION, None),
            "ERROR: Process p: abnormal termination",
        ),
        (
            "start",
            fault(faults::FAILED, Some("p")),
            "ERROR: Process p: unexpected rpc fault [30] FAILED: p",
        ),
        ("stop", fault(faults::NOT_RUNNING, Some("p")), "unexpected rpc fault [70] NOT_RUNNING: p"),
        ("clearlog", fault(faults::FAILED, Some("p")), "unexpected rpc fault [30] FAILED: p"),
        ("restart", fault(faults::FAILED, Some("p")), "Process p restarted"),
    ] {
        let fake = Fake::answering(&[("p", &["p"])], move |_| Err(fault.clone()));
        let mut expected = "http://localhost/?message=".to_owned();
        render::quote(message, &mut expected);
        assert_eq!(location(&format!("processname=p&action={action}"), &fake), expected);
    }
    let fake = Fake::answering(&[], |_| Err(fault(faults::SHUTDOWN_STATE, None)));
    let to = location("action=stopall", &fake);
    assert!(to.ends_with("=unexpected%20rpc%20fault%20%5B6%5D%20SHUTDOWN_STATE"), "{to}");
}

#[test]
fn an_action_without_sense_does_nothing() {
    let fake = Fake::new(&[("up", &["up"])]);
    for query in ["action=explode&processname=up", "action=start", "action=start&processname="] {
        for via in [Via::Unix, tcp(false, false), tcp(false, true)] {
            let answer = answer(&PageRequest { via, ..get("/", query) }, &fake);
            assert_eq!((answer.status, header(&answer, "Location")), (400, None), "{query}");
        }
    }
    assert_eq!(answer(&get("/", "processname=up&action="), &fake).status, 200);
    assert_eq!(fake.calls(), Vec::<String>::new());
}

#[test]
fn a_form_does_what_a_link_does() {
    let fake = Fake::new(&[("up", &["up"])]);
    let req = PageRequest {
        method: "POST",
        body: b"action=stop&processname=up",
        host: Some("localhost:9001"),
        origin: Some("http://localhost:9001"),
        via: tcp(false, false),
        ..get("/index.html", "")
    };
    let done = answer(&req, &fake);
    assert_eq!(done.status, 301);
    let to = "http://localhost:9001/?message=Process%20up%20stopped";
    assert_eq!(header(&done, "Location"), Some(to));
    assert_eq!(header(&done, "Cache-Control"), Some("no-cache"));
    assert_eq!(fake.calls(), ["supervisor.stopProcess(up)"]);
    let foreign = PageRequest { origin: Some("http://evil"), ..req };
    assert_eq!(answer(&foreign, &fake).status, 403);
    assert_eq!(fake.calls().len(), 1);
}

#[test]
fn a_link_over_tcp_asks_for_a_form() {
    let fake = Fake::new(&[("up", &["up"])]);
    for (query, heading, field) in [
        ("action=stop&processname=up", "Stop up?", "name=\"processname\" value=\"up\""),
        ("action=clearlog&processname=up", "Clear the log of up?", "value=\"clearlog\""),
        ("action=stopall", "Stop all processes?", "name=\"action\" value=\"stopall\""),
        ("action=restartall", "Restart all processes?", "value=\"restartall\""),
    ] {
        let req = PageRequest { via: tcp(false, false), ..get("/index.html", query) };
        let refused = answer(&req, &fake);
        assert_eq!((refused.status, header(&refused, "Allow")), (405, Some("POST")));
        let page = String::from_utf8(refused.body).unwrap();
        for text in [heading, field, "method=\"post\"", "get_actions=true"] {
            assert!(page.contains(text), "{query}: {text}");
        }
    }
    assert_eq!(fake.calls(), Vec::<String>::new());
    let switched_on = PageRequest { via: tcp(false, true), ..get("/", "action=stopall") };
    assert_eq!(answer(&switched_on, &fake).status, 301);
    let harmless = PageRequest { via: tcp(false, false), ..get("/", "action=refresh") };
    assert_eq!(answer(&harmless, &fake).status, 301);
}

#[test]
fn an_unknown_host_sees_no_page_but_ok() {
    let fake = Fake::new(&[("up", &["up"])]);
    for (path, status) in
        [("/", 403), ("/tail.html", 403), ("/ok.html", 200), ("/images/icon.png", 200)]
    {
        let req = PageRequest {
            host: Some("evil.example"),
            via: tcp(false, false),
            ..get(path, "processname=up")
        };
        assert_eq!(answer(&req, &fake).status, status, "{path}");
        let unix = PageRequest { via: Via::Unix, ..req };
        assert_eq!(answer(&unix, &fake).status, 200, "{path}");
    }
}

#[test]
fn the_tail_shows_the_end_of_the_log() {
    let fake = Fake::answering(&[("w", &["w"])], |_| Ok("\n<b>last line\n".into()));
    let page = body(&get("/tail.html", "processname=w"), &fake);
    assert!(page.contains("<title>Supervisor tail of process w</title>"));
    assert!(
        page.contains(
            "<pre tabindex=\"0\" data-log=\"logtail/w/stdout\">\n\n&lt;b&gt;last line\n</pre>"
        ),
        "{page}"
    );
    assert!(page.contains("\"tail.html?processname=w&amp;limit=1024\""));
    let page = body(&get("/tail.html", "processname=grp:w&limit=5000"), &fake);
    assert!(page.contains("\"tail.html?processname=grp%3Aw&amp;limit=5000\""));
    let call = "supervisor.readProcessStdoutLog";
    assert_eq!(
        fake.calls(),
        [format!("{call}(w, Int(-1024), Int(0))"), format!("{call}(grp:w, Int(-5000), Int(0))")]
    );
}

#[test]
fn the_tail_says_why_there_is_none() {
    let fake = Fake::new(&[]);
    for query in ["", "processname=", "limit=5000"] {
        let page = body(&get("/tail.html", query), &fake);
        assert!(page.contains("<title>Supervisor tail of process None</title>"), "{query}");
        assert!(page.contains("No process name found"), "{query}");
        assert!(!page.contains("tail.html"), "{query}");
    }
    let none = Fake::answering(&[], |_| Err(fault(faults::NO_FILE, None)));
    assert!(body(&get("/tail.html", "processname=n"), &none).contains("\nNo file for n<"));
    let bad = Fake::answering(&[], |_| Err(fault(faults::BAD_NAME, Some("n"))));
    let text = "ERROR: unexpected rpc fault [10] BAD_NAME: n<";
    assert!(body(&get("/tail.html", "processname=n"), &bad).contains(text));
}

#[test]
fn ok_is_ok() {
    let answer = answer(&get("/ok.html", ""), &Fake::new(&[]));
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"OK"[..]));
    assert_eq!(answer.content_type, "text/plain");
}

#[test]
fn a_thousand_rows_fit_the_room_that_is_made_for_them() {
    let names: Vec<String> = (0..1000).map(|n| format!("process-number-{n:04}")).collect();
    let groups: Vec<(&str, [&str; 1])> = names.iter().map(|n| (n.as_str(), [n.as_str()])).collect();
    let groups: Vec<(&str, &[&str])> = groups.iter().map(|(g, m)| (*g, &m[..])).collect();
    let fake = Fake::new(&groups);
    for name in &names {
        fake.set(name, in_state(State::Running));
    }
    let page = answer(&get("/", ""), &fake).body;
    assert_eq!(page.capacity(), 1000 * 768 + 4096, "{} bytes", page.len());
}

#[test]
fn groups_have_buttons_of_their_own() {
    let fake = Fake::new(&[("g", &["a", "b"]), ("c", &["c"])]);
    let page = body(&get("/", ""), &fake);
    let (texts, _) = facts(&page, "<h2>Groups");
    assert_eq!(texts[..3], ["Groups", "g", "0 of 2 running"].map(str::to_owned));
    assert!(page.contains("name=\"group\" value=\"g\"") && !page.contains("value=\"c\""));
    assert!(location("group=g&action=restart", &fake).ends_with("message=Group%20g%20restarted"));
    assert!(location("group=x&action=stop", &fake).contains("No%20such%20group"));
    assert_eq!(
        fake.calls(),
        ["supervisor.stopProcessGroup(g)", "supervisor.startProcessGroup(g)"].map(str::to_owned)
    );
}

#[test]
fn over_tcp_a_link_for_a_group_asks_first() {
    let fake = Fake::new(&[("g", &["a", "b"])]);
    let req = PageRequest { via: tcp(true, false), ..get("/", "group=g&action=stop") };
    let page = body(&req, &fake);
    assert!(page.contains("name=\"group\" value=\"g\"") && fake.calls().is_empty(), "{page}");
}

#[test]
fn a_page_that_is_there_already_gets_the_message_alone() {
    let fake = Fake::new(&[("a", &["a"])]);
    let req = PageRequest {
        method: "POST",
        body: b"processname=a&action=stop&quiet=1",
        ..get("/index.html", "")
    };
    let told = answer(&req, &fake);
    assert_eq!((told.status, told.content_type), (200, "text/plain"));
    assert_eq!(told.body, b"Process a stopped");
}

#[test]
fn rows_can_be_filtered_by_name_and_state() {
    let fake = Fake::new(&[("alpha", &["alpha"]), ("beta", &["beta"])]);
    fake.set("beta", in_state(State::Running));
    for (query, shown) in [
        ("", "alpha beta"),
        ("filter=ALP", "alpha"),
        ("state=running", "beta"),
        ("filter=alp&state=running", ""),
    ] {
        let page = body(&get("/", query), &fake);
        let found: Vec<&str> = ["alpha", "beta"]
            .into_iter()
            .filter(|n| page.contains(&format!("data-process=\"{n}\"")))
            .collect();
        assert_eq!(found.join(" "), shown, "{query}");
        assert!(page.contains("id=\"filter\""), "{query}");
    }
}

#[test]
fn the_page_of_a_process_tells_what_happened() {
    let fake = Fake::answering(&[("w", &["w"])], |_| Ok("oh <no>\n".into()));
    let slot = fake.published().structure().group("w").unwrap().process("w").unwrap().clone();
    slot.remember(|h| {
        h.ended(Exit {
            time: 0,
            status: ExitStatus::Signal { signal: 9, core: false },
            reason: ExitReason::Signal,
            ran: std::time::Duration::from_secs(3_661),
        });
    });
    let page = body(&get("/process.html", "processname=w"), &fake);
    for text in ["signal SIGKILL", "killed", "1:01:01", "oh &lt;no&gt;", "<dt>command</dt>"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert_eq!(answer(&get("/process.html", "processname=x"), &fake).status, 404);
}
