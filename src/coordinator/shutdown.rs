//! Signals to the daemon, and the end: groups stop one after the other, from the highest priority
//! number down; a group is asked only when the one before it is gone.

use std::sync::Arc;
use std::time::Duration;

use super::calls::CallId;
use super::inbox::{Msg, ProcId, Reply, Shape};
use super::published::Mood;
use super::timers::Timer;
use super::{Coordinator, Ending};
use crate::config::model::{Config, Level};
use crate::events::{Event, EventType};
use crate::machine::{Input, State};
use crate::pump::PumpMsg;
use crate::rpc::faults::{self, fault};
use crate::rpc::value::{Fault, Value};
use crate::sys::signals;

/// How far the daemon's life has come.
pub enum Phase {
    /// It runs.
    Running,
    /// A client asked for a restart: nothing is started any more, the stop follows shortly.
    Leaving {
        /// What follows then.
        then: Ending,
    },
    /// Groups are being stopped.
    Stopping {
        /// Names of groups still to be stopped; the last is being stopped now.
        groups: Vec<String>,
        /// What follows.
        then: Ending,
    },
    /// All has stopped.
    Over,
}

/// How long a restart that a client asked for is to be seen before anything stops.
///
/// The reference stops its programs at its next turn and takes a second or more over a restart.
/// Clients rely on it: they look for RESTARTING to be sure that the restart has begun, and a second
/// `reload` right after the first finds "already shutting down". We would be through within
/// milliseconds. So the state is shown for a while first; the programs run on meanwhile.
const LEAVING: Duration = Duration::from_secs(1);

/// How often the shutdown says whom it waits for.
const REPORT: Duration = Duration::from_secs(3);

impl Coordinator {
    pub(super) fn signal(&mut self, signal: i32) {
        let name = signals::name(signal);
        match signal {
            libc::SIGTERM | libc::SIGINT | libc::SIGQUIT => {
                self.activity.warn(&format!("received {name} indicating exit request"));
                self.shut_down(Ending::Shutdown);
            }
            libc::SIGHUP => {
                if matches!(self.phase, Phase::Stopping { then: Ending::Shutdown, .. }) {
                    self.activity.warn(&format!(
                        "ignored {name} indicating restart request (shutdown in progress)"
                    ));
                } else {
                    self.activity.warn(&format!("received {name} indicating restart request"));
                    self.request_restart(None);
                }
            }
            libc::SIGUSR2 => {
                self.activity.info(&format!("received {name} indicating log reopen request"));
                self.activity.info("supervisord logreopen");
                self.pump.send(PumpMsg::Reopen);
            }
            libc::SIGCHLD => {
                self.activity
                    .log(Level::Debug, &format!("received {name} indicating a child quit"));
            }
            _ => self.activity.log(Level::Blather, &format!("received {name} indicating nothing")),
        }
    }

    /// Reads the file first, on a thread of its own: a bad one must not take the daemon down.
    /// The answer to a call waits for that: a client that has it finds RESTARTING, not a RUNNING
    /// that is about to end.
    pub(super) fn request_restart(&mut self, reply: Option<Reply>) {
        self.report_reload();
        let call = reply.map(|reply| self.calls.open(reply, Shape::Single, 1));
        let (loader, sender) = (self.loader.clone(), self.sender.clone());
        let read = move || {
            let config = loader().map(Arc::new);
            let _ = sender.send(Msg::RestartConfig { config, call });
        };
        if let Err(e) = self.outside.apart("reload", Box::new(read)) {
            self.refuse_restart(call, &format!("there is no thread to be had: {e}"));
        }
    }

    pub(super) fn restart_config(
        &mut self,
        config: Result<Arc<Config>, String>,
        call: Option<CallId>,
    ) {
        if call.is_some_and(|call| !self.calls.is_open(call)) {
            // Asked before a restart that was quicker; the client has been told.
            return;
        }
        let config = match config {
            Ok(config) => config,
            Err(text) => return self.refuse_restart(call, &text),
        };
        match (&self.phase, call) {
            (Phase::Running, Some(_)) => self.leave(Ending::Restart(config)),
            // It is shown already; what was read last counts.
            (Phase::Leaving { .. }, Some(_)) => {
                self.phase = Phase::Leaving { then: Ending::Restart(config) };
            }
            (Phase::Running | Phase::Leaving { .. }, None) => {
                self.shut_down(Ending::Restart(config));
            }
            // The file was read for a restart that is under way already.
            (Phase::Stopping { .. } | Phase::Over, _) => {}
        }
        self.answer_restart(call, Ok(Value::Bool(true)));
    }

    fn refuse_restart(&mut self, call: Option<CallId>, why: &str) {
        self.report_refusal(why);
        self.activity
            .log(Level::Error, &format!("restart refused, everything goes on as it is: {why}"));
        self.answer_restart(call, Err(fault(faults::CANT_REREAD, Some(why))));
    }

    fn answer_restart(&mut self, call: Option<CallId>, result: Result<Value, Fault>) {
        let Some(call) = call else { return };
        self.calls.result(call, ("", ""), result);
        self.finish(call);
    }

    /// Makes the restart known and begins it a little later.
    fn leave(&mut self, then: Ending) {
        self.set_mood(Mood::Restarting);
        self.phase = Phase::Leaving { then };
        self.timers.set(self.mono().after(LEAVING), Timer::Leave);
    }

    /// The time to be seen is over.
    pub(super) fn left(&mut self) {
        match std::mem::replace(&mut self.phase, Phase::Running) {
            Phase::Leaving { then } => self.shut_down(then),
            other => self.phase = other,
        }
    }

    /// Begins to stop everything, or changes what follows when that is under way already.
    pub(super) fn shut_down(&mut self, then: Ending) {
        let mood = match then {
            Ending::Shutdown => Mood::Shutdown,
            Ending::Restart(_) => Mood::Restarting,
        };
        self.set_mood(mood);
        self.report_ending(matches!(then, Ending::Shutdown));
        if let Phase::Stopping { then: old, .. } = &mut self.phase {
            *old = then;
            return;
        }
        let groups = self.table.by_priority();
        // As in the reference, listeners that are stopped first do not hear of it: whether they could
        // read it before the signal would be a matter of luck.
        for id in groups.last().map(|g| self.table.members_by_priority(g)).unwrap_or_default() {
            self.bus.set_running(id, false, &mut self.wishes);
        }
        self.notify(EventType::SupervisorStateChangeStopping, Event::supervisor_stopping);
        let last = groups.last().cloned();
        self.phase = Phase::Stopping { groups, then };
        if let Some(name) = last {
            self.stop_group(&name);
        }
        self.shutdown_report();
    }

    /// Asks every member of a group to stop, in falling priority.
    fn stop_group(&mut self, name: &str) {
        let mut members = self.table.members_by_priority(name);
        members.reverse();
        for id in members {
            self.stop_at_shutdown(id);
        }
    }

    fn stop_at_shutdown(&mut self, id: ProcId) {
        match self.table.get(id).map(|p| p.machine.state) {
            Some(State::Running | State::Starting) => self.step(id, Input::Stop),
            // Not tried again: it counts as failed, as in the reference.
            Some(State::Backoff | State::Exited) => self.step(id, Input::GiveUp),
            _ => {}
        }
    }

    /// Goes on with the shutdown; gives what follows when nothing is left to stop.
    pub(super) fn shutdown_progress(&mut self) -> Option<Ending> {
        loop {
            let Phase::Stopping { groups, .. } = &mut self.phase else { return None };
            let Some(current) = groups.last().cloned() else { break };
            let busy = self
                .table
                .group(&current)
                .is_some_and(|g| self.table.unstopped(g).next().is_some());
            if busy {
                return None;
            }
            let Phase::Stopping { groups, .. } = &mut self.phase else { return None };
            groups.pop();
            if let Some(next) = groups.last().cloned() {
                self.stop_group(&next);
            }
        }
        if !self.survivors.is_empty() {
            return None;
        }
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Stopping { then, .. } => Some(then),
            Phase::Running | Phase::Leaving { .. } | Phase::Over => None,
        }
    }

    pub(super) fn shutdown_report(&mut self) {
        if !matches!(self.phase, Phase::Stopping { .. }) {
            return;
        }
        let mut names = Vec::new();
        let mut states = Vec::new();
        for group in &self.table.groups {
            for p in self.table.unstopped(group) {
                names.push(p.slot.config.name.clone());
                states.push(format!("{} state: {}", p.slot.config.name, p.machine.state.name()));
            }
        }
        if names.is_empty() {
            return;
        }
        let names = names.join(", ");
        self.activity.info(&format!("waiting for {names} to die"));
        self.report_waiting(&names);
        for line in states {
            self.activity.log(Level::Blather, &line);
        }
        self.timers.set(self.mono().after(REPORT), Timer::ShutdownReport);
    }
}
