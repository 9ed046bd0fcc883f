//! What links and forms ask for, and doing it. Messages are those of Supervisor 4.3.0: people and
//! programs read them in the address that they are sent to.

use super::form::Form;
use super::safety::{self, Leave};
use super::{Control, PageRequest};
use crate::coordinator::published::Published;
use crate::rpc::faults;
use crate::rpc::value::{Fault, Value};
use crate::sys::clock;

/// What comes of a request for the status page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing is asked for: the page.
    Show,
    /// Nothing changes; here is the message.
    Tell(String),
    /// Do it.
    Do(Deed),
    /// Ask first, with a form.
    Ask(Deed),
    /// A page from elsewhere sent it.
    Refuse,
    /// There is no such action.
    Unknown(String),
}

/// Something that changes a process.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Stop all processes.
    StopAll,
    /// Start all processes.
    StartAll,
    /// Something with all processes of a group.
    Group(Verb, String),
    /// Stop all processes, then start all.
    RestartAll,
    /// Something with one process, named as the client named it.
    One(Verb, String),
}

/// What can be done with one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Stop it if it runs, then start it.
    Restart,
    /// Empty its logs.
    ClearLog,
}

impl Verb {
    const ALL: [Verb; 4] = [Verb::Start, Verb::Stop, Verb::Restart, Verb::ClearLog];

    /// Value of `action=`.
    pub fn action(self) -> &'static str {
        match self {
            Verb::Start => "start",
            Verb::Stop => "stop",
            Verb::Restart => "restart",
            Verb::ClearLog => "clearlog",
        }
    }

    /// Text of the link.
    pub fn label(self) -> &'static str {
        match self {
            Verb::Start => "Start",
            Verb::Stop => "Stop",
            Verb::Restart => "Restart",
            Verb::ClearLog => "Clear Log",
        }
    }
}

/// Decides what a request for the status page is to do.
pub(super) fn step(req: &PageRequest<'_>, form: &Form, published: &Published) -> Step {
    let Some(action) = form.action.as_deref() else { return Step::Show };
    let deed = match (action, form.processname.as_deref()) {
        ("refresh", _) => return Step::Tell(format!("Page refreshed at {}", moment())),
        ("stopall", _) => Deed::StopAll,
        ("restartall", _) => Deed::RestartAll,
        ("startall", _) => Deed::StartAll,
        (_, None) if form.group.is_some() => {
            let name = form.group.clone().unwrap_or_default();
            if published.structure().group(&name).is_none() {
                return Step::Tell(format!("No such group named {name}"));
            }
            let verbs = [Verb::Start, Verb::Stop, Verb::Restart];
            match verbs.into_iter().find(|verb| verb.action() == action) {
                Some(verb) => Deed::Group(verb, name),
                None => return Step::Unknown(action.to_owned()),
            }
        }
        (_, None) => return Step::Unknown(action.to_owned()),
        (_, Some(name)) if !exists(name, published) => {
            return Step::Tell(format!("No such process named {name}"));
        }
        (_, Some(name)) => match Verb::ALL.into_iter().find(|verb| verb.action() == action) {
            Some(verb) => Deed::One(verb, name.to_owned()),
            None => return Step::Unknown(action.to_owned()),
        },
    };
    match safety::leave(req) {
        Leave::Given => Step::Do(deed),
        Leave::ByForm => Step::Ask(deed),
        Leave::Denied => Step::Refuse,
    }
}

/// Whether a name stands for one process; a group does not.
fn exists(name: &str, published: &Published) -> bool {
    let (group, process) = name.split_once(':').unwrap_or((name, name));
    published.structure().group(group).is_some_and(|group| group.process(process).is_some())
}

/// Local time as C's ctime(3) shows it.
fn moment() -> String {
    clock::local(clock::wall().0, c"%a %b %e %H:%M:%S %Y")
}

impl Deed {
    /// Value of `action=`.
    pub fn action(&self) -> &'static str {
        match self {
            Deed::StopAll => "stopall",
            Deed::RestartAll => "restartall",
            Deed::StartAll => "startall",
            Deed::Group(verb, _) | Deed::One(verb, _) => verb.action(),
        }
    }

    /// Value of `processname=`.
    pub fn process(&self) -> Option<&str> {
        match self {
            Deed::StartAll | Deed::StopAll | Deed::RestartAll | Deed::Group(..) => None,
            Deed::One(_, name) => Some(name),
        }
    }

    /// Value of `group=`.
    pub fn group(&self) -> Option<&str> {
        match self {
            Deed::Group(_, name) => Some(name),
            _ => None,
        }
    }

    /// What is done, and to what.
    pub fn words(&self) -> (&'static str, &str) {
        match self {
            Deed::StopAll => ("Stop", "all processes"),
            Deed::RestartAll => ("Restart", "all processes"),
            Deed::StartAll => ("Start", "all processes"),
            Deed::Group(verb, name) => (verb.label(), name),
            Deed::One(Verb::ClearLog, name) => ("Clear the log of", name),
            Deed::One(verb, name) => (verb.label(), name),
        }
    }

    /// Does it, waits until it is done, and tells how it went.
    pub fn carry_out(&self, control: &dyn Control) -> String {
        match self {
            Deed::StopAll => match control.call("supervisor.stopAllProcesses", &[]) {
                Ok(_) => format!("All stopped at {}", moment()),
                Err(fault) => unexpected(&fault),
            },
            Deed::RestartAll => {
                // As in the reference, what the single calls say is not looked at, here and in the
                // restart of one process: a process that did not run has nothing to stop, and how
                // the start went is to be seen in the table.
                let _ = control.call("supervisor.stopAllProcesses", &[]);
                let _ = control.call("supervisor.startAllProcesses", &[]);
                format!("All restarted at {}", moment())
            }
            Deed::StartAll => match control.call("supervisor.startAllProcesses", &[]) {
                Ok(_) => format!("All started at {}", moment()),
                Err(fault) => unexpected(&fault),
            },
            Deed::Group(verb, name) => verb.carry_out_group(name, control),
            Deed::One(verb, name) => verb.carry_out(name, control),
        }
    }
}

impl Verb {
    fn carry_out_group(self, name: &str, control: &dyn Control) -> String {
        let call = |method| control.call(method, &[Value::from(name)]);
        let stop = || call("supervisor.stopProcessGroup");
        let start = || call("supervisor.startProcessGroup");
        let (done, result) = match self {
            Verb::Start => ("started", start()),
            Verb::Stop => ("stopped", stop()),
            Verb::Restart | Verb::ClearLog => ("restarted", stop().and_then(|_| start())),
        };
        result.map_or_else(|fault| unexpected(&fault), |_| format!("Group {name} {done}"))
    }

    fn carry_out(self, name: &str, control: &dyn Control) -> String {
        let call = |method| control.call(method, &[Value::from(name)]);
        match self {
            Verb::Start => match call("supervisor.startProcess") {
                Ok(_) => format!("Process {name} started"),
                Err(fault) => format!("ERROR: Process {name}: {}", not_started(&fault)),
            },
            Verb::Stop => match call("supervisor.stopProcess") {
                Ok(_) => format!("Process {name} stopped"),
                Err(fault) => unexpected(&fault),
            },
            Verb::Restart => {
                let _ = call("supervisor.stopProcess");
                let _ = call("supervisor.startProcess");
                format!("Process {name} restarted")
            }
            Verb::ClearLog => match call("supervisor.clearProcessLogs") {
                Ok(_) => format!("Log for {name} cleared"),
                Err(fault) => unexpected(&fault),
            },
        }
    }
}

fn not_started(fault: &Fault) -> String {
    const KNOWN: [((i32, &str), &str); 5] = [
        (faults::NO_FILE, "no such file"),
        (faults::NOT_EXECUTABLE, "file not executable"),
        (faults::ALREADY_STARTED, "already started"),
        (faults::SPAWN_ERROR, "spawn error"),
        (faults::ABNORMAL_TERMINATION, "abnormal termination"),
    ];
    let known = KNOWN.iter().find(|((code, _), _)| *code == fault.code);
    known.map_or_else(|| unexpected(fault), |(_, text)| (*text).to_owned())
}

fn unexpected(fault: &Fault) -> String {
    format!("unexpected rpc fault [{}] {}", fault.code, fault.text)
}
