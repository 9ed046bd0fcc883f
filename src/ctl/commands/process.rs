//! Commands that act on processes and groups: `start`, `stop`, `restart`, `signal`, `clear`.

use super::{Flow, print_help};
use crate::ctl::error::CtlError;
use crate::ctl::exit;
use crate::ctl::names::{join, split};
use crate::ctl::render::{self, Outcome};
use crate::ctl::session::Ctl;
use crate::rpc::faults;
use crate::rpc::value::Value;

/// An action that exists for one process, a group and all.
struct Verb {
    one: &'static str,
    group: &'static str,
    all: &'static str,
    /// What is said of one that worked.
    done: &'static str,
    line: fn(&Outcome) -> Result<String, CtlError>,
    /// The fault that counts as success for the exit code.
    ignored: Option<i32>,
    /// Exit code for an unknown group.
    no_group: u8,
}

const START: Verb = Verb {
    one: "startProcess",
    group: "startProcessGroup",
    all: "startAllProcesses",
    done: "started",
    line: render::started,
    ignored: Some(faults::ALREADY_STARTED.0),
    no_group: exit::INVALID_ARGS,
};

const STOP: Verb = Verb {
    one: "stopProcess",
    group: "stopProcessGroup",
    all: "stopAllProcesses",
    done: "stopped",
    line: render::stopped,
    ignored: Some(faults::NOT_RUNNING.0),
    no_group: exit::GENERIC,
};

const SIGNAL: Verb = Verb {
    one: "signalProcess",
    group: "signalProcessGroup",
    all: "signalAllProcesses",
    done: "signalled",
    line: render::signalled,
    ignored: None,
    no_group: exit::GENERIC,
};

/// `start <name> [...]`
///
/// # Errors
/// See [`Ctl::call`]; a result that a start never has.
pub fn start(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    if !ctl.upcheck()? {
        return Ok(Flow::Stay);
    }
    if arg.is_empty() {
        return Ok(no_name(ctl, "start", exit::INVALID_ARGS));
    }
    let names = ctl.names(arg)?;
    act(ctl, &START, &names, None)?;
    Ok(Flow::Stay)
}

/// `stop <name> [...]`
///
/// # Errors
/// See [`Ctl::call`]; a result that a stop never has.
pub fn stop(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    if !ctl.upcheck()? {
        return Ok(Flow::Stay);
    }
    if arg.is_empty() {
        return Ok(no_name(ctl, "stop", exit::GENERIC));
    }
    let names = ctl.names(arg)?;
    act(ctl, &STOP, &names, None)?;
    Ok(Flow::Stay)
}

/// `restart <name> [...]`: all are stopped before the first is started.
///
/// # Errors
/// See [`stop`] and [`start`].
pub fn restart(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    if !ctl.upcheck()? {
        return Ok(Flow::Stay);
    }
    if arg.is_empty() {
        return Ok(no_name(ctl, "restart", exit::GENERIC));
    }
    let names = ctl.names(arg)?;
    act(ctl, &STOP, &names, None)?;
    act(ctl, &START, &names, None)?;
    Ok(Flow::Stay)
}

/// `signal <signal> <name> [...]`
///
/// # Errors
/// See [`Ctl::call`]; a result that a signal never has.
pub fn signal(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    if !ctl.upcheck()? {
        return Ok(Flow::Stay);
    }
    let Some((signal, names)) = arg.split_once(char::is_whitespace) else {
        ctl.refuse("Error: signal requires a signal name and a process name");
        print_help(ctl, "signal");
        return Ok(Flow::Stay);
    };
    let names = ctl.names(names)?;
    act(ctl, &SIGNAL, &names, Some(signal))?;
    Ok(Flow::Stay)
}

/// `clear <name> [...]`
///
/// # Errors
/// See [`Ctl::call`]; a result that clearing never has.
pub fn clear(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    if !ctl.upcheck()? {
        return Ok(Flow::Stay);
    }
    if arg.is_empty() {
        return Ok(no_name(ctl, "clear", exit::GENERIC));
    }
    let names = ctl.names(arg)?;
    if names.iter().any(|name| name == "all") {
        let results = ctl.call_list("clearAllProcessLogs", &[])?;
        tell_all(ctl, &results, render::cleared, None)?;
        return Ok(Flow::Stay);
    }
    for name in &names {
        let spec = split(name);
        match ctl.call("clearProcessLogs", &[Value::from(name.as_str())]) {
            Ok(_) => {
                let shown = join(&spec.group, spec.process.as_deref());
                ctl.out.success(&format!("{shown}: cleared"));
            }
            Err(CtlError::Fault(fault)) => {
                let outcome = Outcome::of_fault(&spec.group, spec.process.as_deref(), &fault);
                tell(ctl, &outcome, render::cleared, None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Flow::Stay)
}

fn no_name(ctl: &mut Ctl, command: &str, code: u8) -> Flow {
    ctl.out.line(&format!("Error: {command} requires a process name"));
    ctl.exit = code;
    print_help(ctl, command);
    Flow::Stay
}

/// Acts on names one after the other, or on all at once. An outcome without words ends it.
fn act(ctl: &mut Ctl, verb: &Verb, names: &[String], signal: Option<&str>) -> Result<(), CtlError> {
    if names.iter().any(|name| name == "all") {
        let params: Vec<Value> = signal.map(Value::from).into_iter().collect();
        let results = ctl.call_list(verb.all, &params)?;
        return tell_all(ctl, &results, verb.line, verb.ignored);
    }
    for name in names {
        let spec = split(name);
        match &spec.process {
            None => act_on_group(ctl, verb, &spec.group, signal)?,
            Some(process) => {
                let result = ctl.call(verb.one, &params(name, signal));
                match result {
                    Ok(_) => {
                        let shown = join(&spec.group, Some(process));
                        ctl.out.success(&format!("{shown}: {}", verb.done));
                    }
                    Err(CtlError::Fault(fault)) => {
                        let outcome = Outcome::of_fault(&spec.group, Some(process), &fault);
                        tell(ctl, &outcome, verb.line, verb.ignored)?;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(())
}

fn act_on_group(
    ctl: &mut Ctl,
    verb: &Verb,
    group: &str,
    signal: Option<&str>,
) -> Result<(), CtlError> {
    match ctl.call_list(verb.group, &params(group, signal)) {
        Ok(results) => tell_all(ctl, &results, verb.line, verb.ignored),
        Err(CtlError::Fault(fault)) if fault.code == faults::BAD_NAME.0 => {
            ctl.out.line(&render::no_group(group));
            ctl.exit = verb.no_group;
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn params(name: &str, signal: Option<&str>) -> Vec<Value> {
    let mut params = vec![Value::from(name)];
    params.extend(signal.map(Value::from));
    params
}

type Words = fn(&Outcome) -> Result<String, CtlError>;

fn tell_all(
    ctl: &mut Ctl,
    results: &[Value],
    words: Words,
    ignored: Option<i32>,
) -> Result<(), CtlError> {
    for result in results {
        tell(ctl, &Outcome::read(result)?, words, ignored)?;
    }
    Ok(())
}

fn tell(
    ctl: &mut Ctl,
    outcome: &Outcome,
    words: Words,
    ignored: Option<i32>,
) -> Result<(), CtlError> {
    let line = words(outcome)?;
    if outcome.is_success() {
        ctl.out.success(&line);
    } else {
        ctl.out.line(&line);
    }
    ctl.exit = exit::after_result(ctl.exit, outcome.status, ignored);
    Ok(())
}
