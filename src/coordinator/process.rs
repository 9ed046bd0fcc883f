//! One process: an input is taken, the machine decides, and what it decided is carried out.

use std::time::Duration;

use super::calls::Wish;
use super::inbox::ProcId;
use super::shutdown::Phase;
use super::timers::Timer;
use super::{Coordinator, remembering};
use crate::config::model::Level;
use crate::events::{Event, EventType, StateChange};
use crate::machine::{Effect, Input, Now, Policy, State};
use crate::sys::signals;

impl Coordinator {
    /// Takes one input of one process: decides, then carries out.
    pub(super) fn step(&mut self, id: ProcId, input: Input<'_>) {
        let may_start = matches!(self.phase, Phase::Running);
        let now = Now { mono: self.mono(), wall: self.outside.wall().0 };
        let Some(p) = self.table.get_mut(id) else { return };
        let program = p.slot.config.clone();
        let policy = Policy { program: &program, may_start };
        let taken = remembering::Taken::of(&p.machine, &input);
        let effects = p.machine.step(input, policy, now);
        remembering::remember(&p.slot, taken, &effects, now);
        self.arm(id);
        let mut passed = Vec::new();
        for effect in effects {
            if let Effect::Changed { to, .. } = &effect {
                passed.push(*to);
            }
            self.carry_out(id, effect);
        }
        if let Some(p) = self.table.get(id) {
            p.slot.publish(p.view());
        }
        // Answers last: whoever gets one finds the log lines written and the state published.
        for state in passed {
            if state.is_stopped() {
                self.timers.clear(Timer::StopReport(id));
            }
            self.resolve(id, state);
        }
    }

    /// Sets the deadline of a process as its machine has it.
    pub(super) fn arm(&mut self, id: ProcId) {
        let timer = Timer::Process(id);
        match self.table.get(id).and_then(|p| p.machine.due) {
            Some(at) => self.timers.set(at, timer),
            None => self.timers.clear(timer),
        }
    }

    fn carry_out(&mut self, id: ProcId, effect: Effect) {
        match effect {
            Effect::Log(level, text) => self.activity.log(level, &text),
            Effect::Spawn => self.spawn(id),
            Effect::Kill { signal, group } => self.kill(id, signal, group),
            Effect::Survivors { leader, at } => self.survivors(id, leader, at),
            Effect::Reap => {
                self.bus.exited(id, &mut self.wishes);
                self.grant();
                if let Some(p) = self.table.get_mut(id) {
                    p.socket = None;
                    if let Some(child) = p.child.take() {
                        self.outside.reap(child.pid, &child.pidfd);
                    }
                }
            }
            Effect::Changed { to, from, expected, tries, pid } => {
                self.changed(id, StateChangeOf { to, from, expected, tries, pid });
            }
        }
    }

    fn changed(&mut self, id: ProcId, change: StateChangeOf) {
        let Some(p) = self.table.get(id) else { return };
        // Published before anyone is told, so that a listener that asks sees at least this.
        p.slot.publish(p.view());
        let kind = EventType::of_state(change.to);
        let event = self.bus.wants(kind).then(|| {
            Event::state(StateChange {
                process: p.slot.config.name.as_str().into(),
                group: p.slot.group.as_str().into(),
                from: change.from,
                to: change.to,
                expected: change.expected,
                tries: change.tries,
                pid: change.pid,
            })
        });
        // A listener that leaves RUNNING must not get the event that says so.
        if change.from == State::Running {
            self.bus.set_running(id, false, &mut self.wishes);
        }
        if let Some(event) = event {
            self.bus.notify(event, &mut self.wishes);
        }
        if change.to == State::Running {
            self.bus.set_running(id, true, &mut self.wishes);
        }
        self.grant();
    }

    /// A process's deadline has come.
    pub(super) fn process_due(&mut self, id: ProcId) {
        let starting = self.table.get(id).is_some_and(|p| p.machine.state == State::Starting);
        if starting && self.spawning.hold(id) {
            return self.hurry();
        }
        self.step(id, Input::Due);
    }

    /// Sends a signal that is to end a process. Its zombie, if it is one, is still there, so the
    /// number of its group is still its own.
    fn kill(&mut self, id: ProcId, signal: i32, group: bool) {
        let Some(p) = self.table.get(id) else { return };
        let Some(child) = &p.child else { return };
        let pid = p.machine.pid;
        let sent = if group {
            self.outside.signal_group(pid, signal)
        } else {
            self.outside.signal(&child.pidfd, signal)
        };
        let name = p.slot.config.name.clone();
        match sent {
            Ok(()) => {}
            Err(e) if e.raw_os_error() == Some(libc::ESRCH) => self.activity.log(
                Level::Debug,
                &format!(
                    "unable to signal {name} (pid {pid}), it probably just exited on its own: {e}"
                ),
            ),
            Err(e) => {
                self.activity
                    .log(Level::Critical, &format!("unknown problem killing {name} ({pid}):{e}"));
                self.step(id, Input::KillFailed);
            }
        }
    }

    pub(super) fn send_held_signals(&mut self, id: ProcId) {
        let Some(p) = self.table.get_mut(id) else { return };
        for signal in std::mem::take(&mut p.signals) {
            // Nobody waits for the result any more: the call was answered when it was taken.
            let _ = self.send_signal(id, signal);
        }
    }

    /// Sends a signal that is not meant to end the process.
    pub(super) fn send_signal(&mut self, id: ProcId, signal: i32) -> Result<(), String> {
        let Some(p) = self.table.get(id) else { return Ok(()) };
        let (name, pid) = (p.slot.config.name.clone(), p.machine.pid);
        self.activity.log(
            Level::Debug,
            &format!("sending {name} (pid {pid}) sig {}", signals::name(signal)),
        );
        let Some(child) = &p.child else { return Ok(()) };
        match self.outside.signal(&child.pidfd, signal) {
            Ok(()) => Ok(()),
            Err(e) if e.raw_os_error() == Some(libc::ESRCH) => {
                self.activity.log(
                    Level::Debug,
                    &format!(
                        "unable to signal {name} (pid {pid}), it probably just now exited on its \
                         own: {e}"
                    ),
                );
                Ok(())
            }
            Err(e) => {
                let text =
                    format!("unknown problem sending sig {} ({pid}):{e}", signals::name(signal));
                self.activity.log(Level::Critical, &text);
                Err(text)
            }
        }
    }

    pub(super) fn stop_report(&mut self, id: ProcId) {
        let Some(p) = self.table.get(id) else { return };
        if p.waiters.iter().any(|w| w.wish == Wish::Stopped) {
            self.activity.info(&format!("waiting for {} to stop", p.slot.config.name));
            self.timers.set(self.mono().after(Duration::from_secs(2)), Timer::StopReport(id));
        }
    }
}

/// [`Effect::Changed`] as a value.
struct StateChangeOf {
    to: State,
    from: State,
    expected: bool,
    tries: i64,
    pid: i32,
}
