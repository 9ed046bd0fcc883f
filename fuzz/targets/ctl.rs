//! supervisorctl: what is typed, and what a server of any kind may answer.

use std::io::{self, Write};

use supervisord::config::values;
use supervisord::ctl::dispatch::{run_line, words};
use supervisord::ctl::error::CtlError;
use supervisord::ctl::input::Input;
use supervisord::ctl::names::{self, Known};
use supervisord::ctl::output::Output;
use supervisord::ctl::session::Ctl;
use supervisord::ctl::target::{Endpoint, Origin, Target};
use supervisord::ctl::transport::Rpc;
use supervisord::rpc::value::{Fault, Value};
use supervisord::rpc::xml::decode_response;

/// Answers as the daemon of the configuration would, or always the same.
enum Server {
    Daemon,
    Canned(Result<Value, Fault>),
}

impl Rpc for Server {
    fn call(&mut self, _: &Target, method: &str, params: &[Value]) -> Result<Value, CtlError> {
        let answer = match (&self, method) {
            (_, "supervisor.getVersion") => Ok(Value::from("3.0")),
            (Server::Canned(answer), _) => answer.clone(),
            (Server::Daemon, _) => super::rpc::daemon().call(method, params),
        };
        answer.map_err(CtlError::Fault)
    }
    fn rest(&mut self) {}
}

/// Nobody reads it.
struct Sink;

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Ok(data.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn carry_out(line: &str, server: Server) -> u8 {
    let target = Target {
        url: "unix:///nonexistent/supervisor.sock".into(),
        origin: Origin::Default,
        username: None,
        password: None,
    };
    let out = Output::to(Box::new(Sink), Box::new(Sink), false);
    let input = Input::from(Box::new(&b"y\nn\n"[..]));
    let mut ctl = Ctl::new(target, line.len().is_multiple_of(2), out, input, Box::new(server));
    run_line(&mut ctl, line);
    ctl.exit
}

/// Whether a line would open a connection and wait for it.
fn follows(line: &str) -> bool {
    words(line).is_some_and(|(name, arg)| name == "fg" || arg.contains("-f"))
}

/// Any line is carried out or refused, and names mean what they say.
pub fn ctl_line(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for line in text.lines().take(8).filter(|line| !follows(line)) {
        carry_out(line, Server::Daemon);
        check_names(line);
    }
}

fn check_names(line: &str) {
    if let Some((name, arg)) = words(line) {
        assert!(line.contains(&name) || name == "help");
        assert!(arg.trim() == arg);
    }
    let typed: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let known = ["cat:cat", "web:web_0", "web:web_1", "a*b:a*b", "g:[x]"];
    let known = known.map(|n| n.split_once(':').unwrap_or((n, n)));
    let known = known.map(|(group, name)| Known { group: group.into(), name: name.into() });
    let expanded = names::expand(&typed, &known);
    assert!(!expanded.is_empty() || typed.is_empty());
    for name in &typed {
        if !names::is_pattern(name) {
            assert!(expanded.contains(name), "{name} is no pattern");
        }
        let spec = names::split(name);
        if let Some(process) = spec.process.as_deref().filter(|p| **p != spec.group) {
            assert_eq!(names::join(&spec.group, Some(process)), *name);
        }
        let groups = ["cat".to_owned(), "web".to_owned()];
        assert!(!names::matching_groups(name, &groups).is_empty());
    }
}

/// Any answer to any command is shown or refused. First line: the command; rest: a response.
pub fn ctl_answer(data: &[u8]) {
    let end = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    let (line, document) = data.split_at(end);
    let line = String::from_utf8_lossy(line);
    let Ok(answer) = decode_response(document.trim_ascii()) else { return };
    if !follows(&line) {
        carry_out(&line, Server::Canned(answer));
    }
}

/// A server's URL names one place, or none.
pub fn server_url(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    values::is_url(&text);
    supervisord::ctl::target::is_url(&text);
    let Ok(endpoint) = Endpoint::parse(&text) else { return };
    if let Endpoint::Tcp { .. } = endpoint {
        let again = Endpoint::parse(&format!("http://{}/", endpoint.host_header()));
        assert_eq!(again.ok(), Some(endpoint));
    }
}
