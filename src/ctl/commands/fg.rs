//! `fg`: a process's output and input on this terminal.

use std::io;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Flow, print_help};
use crate::config::pytext::repr;
use crate::ctl::error::CtlError;
use crate::ctl::follow::{Follower, log_path};
use crate::ctl::interrupt::{self, Watch};
use crate::ctl::render;
use crate::ctl::session::Ctl;
use crate::rpc::faults;
use crate::rpc::value::{Fault, Value};

/// State number of a running process.
const RUNNING: i64 = 20;

/// `fg <process>`
///
/// # Errors
/// See [`Ctl::call`].
pub fn fg(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    if !ctl.upcheck()? {
        return Ok(Flow::Stay);
    }
    let mut names = arg.split_whitespace();
    let Some(name) = names.next() else {
        ctl.refuse("ERROR: no process name supplied");
        print_help(ctl, "fg");
        return Ok(Flow::Stay);
    };
    if names.next().is_some() {
        ctl.refuse("ERROR: too many process names supplied");
        return Ok(Flow::Stay);
    }
    match state(ctl, name) {
        Ok(RUNNING) => attach(ctl, name)?,
        Ok(_) => ctl.refuse("ERROR: process not running"),
        Err(CtlError::Fault(fault)) if fault.code == faults::BAD_NAME.0 => {
            ctl.refuse("ERROR: bad process name supplied");
        }
        // Keeps the exit code there.
        Err(CtlError::Fault(fault)) => ctl.out.line(&error(&fault)),
        Err(error) => return Err(error),
    }
    Ok(Flow::Stay)
}

fn state(ctl: &mut Ctl, name: &str) -> Result<i64, CtlError> {
    render::number(&ctl.call("getProcessInfo", &[Value::from(name)])?, "state")
}

/// A fault as Python shows it.
fn error(fault: &Fault) -> String {
    format!("ERROR: <Fault {}: {}>", fault.code, repr(&fault.text))
}

fn attach(ctl: &mut Ctl, name: &str) -> Result<(), CtlError> {
    ctl.out.line("==> Press Ctrl-C to exit <==");
    let watch = interrupt::watch().map_err(CtlError::Terminal)?;
    let mut streams = Vec::with_capacity(2);
    for channel in ["stdout", "stderr"] {
        streams.push(Follower::open(&ctl.target, &log_path(name, channel))?);
    }
    loop {
        while let Some(line) = ctl.input.held_line() {
            if !send(ctl, name, &line)? {
                return Ok(());
            }
        }
        let ready = wait(&watch, &streams)?;
        if ready.pressed {
            break;
        }
        show(ctl, &mut streams, &ready.streams);
        if ready.typed && !ctl.input.fill().map_err(CtlError::Terminal)? {
            // A last line without an end counts before the end of input does.
            if let Some(line) = ctl.input.rest()
                && !send(ctl, name, &line)?
            {
                return Ok(());
            }
            break;
        }
    }
    ctl.out.line("Exiting foreground");
    Ok(())
}

/// Sends a line; false if that was the end, which has been said then.
fn send(ctl: &mut Ctl, name: &str, line: &str) -> Result<bool, CtlError> {
    let sent = ctl.call("sendProcessStdin", &[Value::from(name), Value::from(format!("{line}\n"))]);
    match sent {
        Ok(_) if state(ctl, name)? == RUNNING => return Ok(true),
        Ok(_) => ctl.out.line("Process got killed"),
        Err(CtlError::Fault(fault)) if fault.code == faults::NOT_RUNNING.0 => {
            ctl.out.line("Process got killed");
        }
        Err(CtlError::Fault(fault)) => ctl.out.line(&error(&fault)),
        Err(error) => return Err(error),
    }
    ctl.out.line("Exiting foreground");
    Ok(false)
}

/// What can be read now.
struct Ready {
    pressed: bool,
    typed: bool,
    streams: Vec<bool>,
}

fn wait(watch: &Watch, streams: &[Follower]) -> Result<Ready, CtlError> {
    let stdin = io::stdin();
    let mut fds = vec![
        PollFd::new(watch.as_fd(), PollFlags::POLLIN),
        PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
    ];
    for stream in streams {
        fds.push(PollFd::new(stream.as_fd(), PollFlags::POLLIN));
    }
    loop {
        match poll(&mut fds, PollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(CtlError::Terminal(io::Error::from(e))),
            Ok(_) => break,
        }
    }
    let mut ready = fds.iter().map(|fd| fd.any().unwrap_or(false));
    Ok(Ready {
        pressed: ready.next().unwrap_or(false),
        typed: ready.next().unwrap_or(false),
        streams: ready.collect(),
    })
}

fn show(ctl: &mut Ctl, streams: &mut Vec<Follower>, ready: &[bool]) {
    for (stream, ready) in streams.iter_mut().zip(ready) {
        if !ready {
            continue;
        }
        let progress = stream.advance();
        if !progress.text.is_empty() {
            ctl.out.text(&progress.text);
        }
        if let Some(complaint) = progress.complaint {
            ctl.out.complain(&complaint);
        }
    }
    // A closed socket would be reported for ever.
    streams.retain(|stream| !stream.is_done());
}
