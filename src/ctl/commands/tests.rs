//! Commands against a daemon that follows a script.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::rc::Rc;

use super::Flow;
use crate::ctl::dispatch::run_line;
use crate::ctl::error::CtlError;
use crate::ctl::input::Input;
use crate::ctl::output::Output;
use crate::ctl::session::Ctl;
use crate::ctl::target::{Origin, Target};
use crate::ctl::transport::Rpc;
use crate::rpc::faults;
use crate::rpc::value::{Fault, Value};

/// The calls that must come, as `method(params)`, and what they give.
struct Script(VecDeque<(String, Result<Value, CtlError>)>);

impl Rpc for Script {
    fn call(&mut self, _: &Target, method: &str, params: &[Value]) -> Result<Value, CtlError> {
        let params: Vec<String> = params
            .iter()
            .map(|p| match p {
                Value::Str(text) => text.clone(),
                Value::Int(n) => n.to_string(),
                other => panic!("{other:?}"),
            })
            .collect();
        let method = method.strip_prefix("supervisor.").unwrap();
        let call = format!("{method}({})", params.join(","));
        let (want, answer) =
            self.0.pop_front().unwrap_or_else(|| panic!("one call too many: {call}"));
        assert_eq!(call, want);
        answer
    }
    fn rest(&mut self) {}
}

#[derive(Clone, Default)]
struct Screen(Rc<RefCell<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(buf);
        Ok(buf.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Screen {
    fn take(&self) -> String {
        String::from_utf8(self.0.take()).unwrap()
    }
}

#[derive(Default)]
struct Run {
    calls: Vec<(&'static str, Result<Value, CtlError>)>,
    typed: &'static str,
    interactive: bool,
    quiet: bool,
}

/// What a line did: exit code, stdout, stderr.
type Seen = (u8, String, String);

impl Run {
    fn of(calls: Vec<(&'static str, Result<Value, CtlError>)>) -> Run {
        Run { calls, ..Run::default() }
    }

    fn line(self, line: &str) -> Seen {
        let (out, err) = (Screen::default(), Screen::default());
        let target = Target {
            url: "unix:///s".into(),
            origin: Origin::Option,
            username: None,
            password: None,
        };
        let script: VecDeque<_> =
            self.calls.into_iter().map(|(call, answer)| (call.to_owned(), answer)).collect();
        let mut ctl = Ctl::new(
            target,
            self.interactive,
            Output::to(Box::new(out.clone()), Box::new(err.clone()), self.quiet),
            Input::from(Box::new(self.typed.as_bytes())),
            Box::new(Script(script)),
        );
        assert_eq!(run_line(&mut ctl, line), Flow::Stay);
        (ctl.exit, out.take(), err.take())
    }
}

fn up() -> (&'static str, Result<Value, CtlError>) {
    ("getVersion()", Ok(Value::from("3.0")))
}

fn fault(kind: (i32, &str)) -> Result<Value, CtlError> {
    Err(CtlError::Fault(Fault { code: kind.0, text: format!("{}: x", kind.1) }))
}

fn yes() -> Result<Value, CtlError> {
    Ok(Value::Bool(true))
}

fn process(group: &str, name: &str, state: i64, statename: &str) -> Value {
    let text = |n: &str, v: &str| (n.to_owned(), Value::from(v));
    let number = |n: &str, v: i64| (n.to_owned(), Value::Int(v));
    Value::Struct(vec![
        text("group", group),
        text("name", name),
        number("state", state),
        text("statename", statename),
        text("description", "d"),
        number("pid", 0),
        number("start", 0),
        number("stop", 0),
        number("now", 9),
        number("exitstatus", 0),
        text("spawnerr", ""),
        text("stdout_logfile", ""),
        text("stderr_logfile", ""),
    ])
}

fn processes() -> Result<Value, CtlError> {
    Ok(Value::Array(vec![
        process("web", "w0", 20, "RUNNING"),
        process("web", "w1", 20, "RUNNING"),
        process("up", "up", 20, "RUNNING"),
        process("off", "off", 0, "STOPPED"),
    ]))
}

fn out(seen: &Seen) -> (u8, &str) {
    (seen.0, seen.1.as_str())
}

#[test]
fn starting_what_runs_is_no_failure_but_dead_programs_are() {
    let seen = Run::of(vec![
        up(),
        ("startProcess(a)", fault(faults::ALREADY_STARTED)),
        ("startProcess(g:b)", yes()),
    ])
    .line("start a g:b");
    assert_eq!(out(&seen), (0, "a: ERROR (already started)\ng:b: started\n"));
    let seen = Run::of(vec![up(), ("startProcess(a)", fault(faults::SPAWN_ERROR))]).line("start a");
    assert_eq!(out(&seen), (7, "a: ERROR (spawn error)\n"));
}

#[test]
fn unknown_groups_give_2_for_start_and_1_for_stop() {
    let seen = Run::of(vec![up(), ("startProcessGroup(g)", fault(faults::BAD_NAME))]);
    assert_eq!(out(&seen.line("start g:*")), (2, "g: ERROR (no such group)\n"));
    let seen = Run::of(vec![up(), ("stopProcessGroup(g)", fault(faults::BAD_NAME))]);
    assert_eq!(out(&seen.line("stop g:*")), (1, "g: ERROR (no such group)\n"));
}

#[test]
fn a_fault_without_words_ends_the_command() {
    let seen = Run::of(vec![up(), ("stopProcess(a)", fault(faults::SHUTDOWN_STATE))]);
    let seen = seen.line("stop a b");
    assert_eq!(seen.0, 1);
    assert!(seen.1.starts_with("error: ") && seen.1.ends_with("(SHUTDOWN_STATE: x)\n"), "{seen:?}");
}

#[test]
fn patterns_act_on_what_status_shows() {
    let seen = Run::of(vec![
        up(),
        ("getAllProcessInfo()", processes()),
        ("signalProcess(web:w0,HUP)", yes()),
        ("signalProcess(web:w1,HUP)", yes()),
        ("signalProcess(up,HUP)", yes()),
    ])
    .line("signal HUP w*:w? up");
    assert_eq!(out(&seen), (0, "web:w0: signalled\nweb:w1: signalled\nup: signalled\n"));
}

#[test]
fn quiet_leaves_out_success_only() {
    let run = Run {
        quiet: true,
        ..Run::of(vec![
            up(),
            ("stopProcess(a)", yes()),
            ("stopProcess(b)", fault(faults::BAD_NAME)),
        ])
    };
    assert_eq!(out(&run.line("stop a b")), (1, "b: ERROR (no such process)\n"));
}

#[test]
fn status_gives_3_for_stopped_and_4_for_unknown() {
    let infos = || vec![up(), ("getAllProcessInfo()", processes())];
    let seen = Run::of(infos()).line("status web:*");
    let line = |name: &str| format!("{name:<33}RUNNING   d\n");
    assert_eq!(seen, (0, line("web:w0") + &line("web:w1"), String::new()));
    assert_eq!(Run::of(infos()).line("status off nope").0, 3);
    let seen = Run::of(infos()).line("status nope nope:*");
    let want = "nope: ERROR (no such process)\nnope: ERROR (no such group)\n";
    assert_eq!(out(&seen), (4, want));
}

#[test]
fn json_alone_is_on_stdout() {
    let seen = Run::of(vec![up(), ("getAllProcessInfo()", processes())]);
    let seen = seen.line("status --json off nope");
    assert!(
        seen.1.starts_with("[\n  {\"group\": \"off\"") && seen.1.ends_with("}\n]\n"),
        "{seen:?}"
    );
    assert_eq!((seen.0, seen.2.as_str()), (3, "nope: ERROR (no such process)\n"));
}

#[test]
fn an_absent_daemon_is_worded_by_kind() {
    let down = |kind: io::ErrorKind| {
        let error = CtlError::Connect { target: "unix:///s (t)".into(), why: kind.into() };
        Run::of(vec![("getVersion()", Err(error))])
    };
    let (missing, refused) = (io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused);
    assert_eq!(out(&down(missing).line("start a")), (7, "unix:///s no such file\n"));
    assert_eq!(out(&down(refused).line("start a")), (4, "unix:///s refused connection\n"));
    assert_eq!(down(missing).line("status").0, 4);
    let seen = down(io::ErrorKind::PermissionDenied).line("stop a");
    assert_eq!(out(&seen), (1, "error: cannot connect to unix:///s (t): permission denied\n"));
}

#[test]
fn a_daemon_that_does_not_fit_is_told() {
    let seen = Run::of(vec![("getVersion()", fault(faults::UNKNOWN_METHOD))]).line("pid");
    assert_eq!(seen.0, 3);
    let seen = Run::of(vec![("getVersion()", Ok(Value::from("9")))]).line("pid");
    assert_eq!(seen.0, 5);
    assert!(seen.1.contains("API version 3.0, but the remote version is 9."), "{seen:?}");
}

#[test]
fn credentials_are_missed_in_two_lines() {
    let error = CtlError::Http { target: "u".into(), status: 401, reason: "Unauthorized".into() };
    let seen = Run::of(vec![("getVersion()", Err(error))]).line("version");
    let want =
        "Server requires authentication\nerror: u answered with HTTP status 401 Unauthorized\n";
    assert_eq!(out(&seen), (1, want));
}

#[test]
fn drastic_commands_ask_in_the_shell() {
    let asked = "Really shut the remote supervisord process down y/N? ";
    let run = |typed, calls| Run { interactive: true, typed, ..Run::of(calls) };
    let seen = run("Yes\n", vec![("shutdown()", yes())]).line("shutdown");
    assert_eq!(out(&seen), (0, format!("{asked}Shut down\n").as_str()));
    assert_eq!(out(&run("n\n", vec![]).line("shutdown")), (0, asked));
    let seen = run("", vec![]).line("reload");
    assert_eq!(seen.0, 1);
    assert!(seen.1.contains("y/N? error: "), "{seen:?}");
}

#[test]
fn update_acts_on_removed_changed_and_added_groups_in_turn() {
    let list = |names: &[&str]| Value::Array(names.iter().map(|n| Value::from(*n)).collect());
    let changes =
        Value::Array(vec![Value::Array(vec![list(&["new"]), list(&["chg"]), list(&["old"])])]);
    let none = || Ok(Value::Array(Vec::new()));
    let seen = Run::of(vec![
        ("reloadConfig()", Ok(changes.clone())),
        ("stopProcessGroup(old)", none()),
        ("removeProcessGroup(old)", yes()),
        ("stopProcessGroup(chg)", none()),
        ("removeProcessGroup(chg)", yes()),
        ("addProcessGroup(chg)", yes()),
        ("addProcessGroup(new)", yes()),
    ])
    .line("update");
    let want = "old: stopped\nold: removed process group\nchg: stopped\nchg: updated process group\n\
                new: added process group\n";
    assert_eq!(out(&seen), (0, want));
    let seen = Run::of(vec![
        ("reloadConfig()", Ok(changes)),
        ("getAllProcessInfo()", processes()),
        ("addProcessGroup(new)", yes()),
    ])
    .line("update new nope");
    assert_eq!(out(&seen), (1, "ERROR: no such group: nope\nnew: added process group\n"));
}

#[test]
fn tail_by_lines_asks_for_more_until_there_are_enough() {
    let seen = Run::of(vec![
        up(),
        ("readProcessStdoutLog(a,-16384,0)", Ok(Value::from("x\ny\n"))),
        ("readProcessStdoutLog(a,-131072,0)", Ok(Value::from("w\nx\ny\n"))),
    ])
    .line("tail -n 2 a");
    assert_eq!(out(&seen), (0, "x\ny\n"));
}

#[test]
fn numbers_that_cannot_be_sent_are_an_error() {
    let seen = Run::of(vec![up()]).line("tail -99999999999 a");
    assert_eq!(out(&seen), (1, "error: the number 99999999999 is too large\n"));
}

#[test]
fn logs_that_cannot_be_read_are_worded() {
    let read = "readProcessStderrLog(a,-1600,0)";
    let seen = Run::of(vec![up(), (read, fault(faults::NO_FILE))]).line("tail a stderr");
    assert_eq!(out(&seen), (1, "a: ERROR (no log file)\n"));
    let seen = Run::of(vec![up(), ("readLog(-1600,0)", fault(faults::FAILED))]).line("maintail");
    assert_eq!(out(&seen), (1, "supervisord: ERROR (unknown error reading log)\n"));
}

#[test]
fn faults_in_the_foreground_are_shown_as_python_shows_them() {
    let seen = Run::of(vec![up(), ("getProcessInfo(a)", fault(faults::FAILED))]).line("fg a");
    assert_eq!(out(&seen), (0, "ERROR: <Fault 30: 'FAILED: x'>\n"));
}

#[test]
fn help_lists_the_commands_in_columns() {
    let seen = Run::default().line("?");
    let want = "\ndefault commands (type help <topic>):\n=====================================\n\
                add    exit      open  reload  restart   start   tail   \n\
                avail  fg        pid   remove  shutdown  status  update \n\
                clear  maintail  quit  reread  signal    stop    version\n\n";
    assert_eq!(out(&seen), (0, want));
    assert_eq!(out(&Run::default().line("nope x")), (1, "*** Unknown syntax: nope x\n"));
}
