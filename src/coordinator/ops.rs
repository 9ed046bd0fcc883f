//! What clients ask for, carried out.

use std::time::Duration;

use super::calls::{Answer, CallId, Waiter, Wish};
use super::inbox::{Op, ProcId, Reply, Shape, Target};
use super::shutdown::Phase;
use super::timers::Timer;
use super::{Coordinator, Ending};
use crate::events::{Event, EventType};
use crate::machine::{Input, State};
use crate::pump::PumpMsg;
use crate::rpc::faults::{self, fault};
use crate::rpc::value::{Fault, Value};

/// How long a stop call waits before the log says that it waits.
const STOP_REPORT: Duration = Duration::from_millis(200);

impl Coordinator {
    pub(super) fn call(&mut self, op: Op, reply: Reply) {
        if matches!(op, Op::Pulse) {
            // Not by way of the pump: this asks for the coordinator alone.
            let _ = reply.try_send(Ok(self.bus.pulse()));
            return;
        }
        if !matches!(self.phase, Phase::Running) && !matches!(op, Op::RemoteComm { .. }) {
            return self.answer(reply, Err(fault(faults::SHUTDOWN_STATE, None)));
        }
        match op {
            Op::Start { targets, wait, shape } => {
                self.each(targets, shape, reply, |c, call, t| c.start(call, t, wait, shape));
            }
            Op::Stop { targets, wait, shape } => {
                self.each(targets, shape, reply, |c, call, t| c.stop(call, t, wait, shape));
            }
            Op::Signal { targets, signal, shape } => {
                self.each(targets, shape, reply, |c, call, t| c.signal_one(call, t, signal, shape));
            }
            Op::ClearProcessLogs { targets, shape } => {
                self.each(targets, shape, reply, |c, call, t| c.clear_one(call, &t));
            }
            Op::SendStdin { id, name, data } => self.send_stdin(id, &name, data, reply),
            Op::RemoteComm { kind, data } => {
                let event = || Event::remote(kind, data);
                let told = self.notify(EventType::RemoteCommunication, event);
                if told || self.bus.is_filling() {
                    self.answer(reply, Ok(Value::Bool(true)));
                } else {
                    // No line to wait for and nobody to wait for, so no way round by the pump.
                    let _ = reply.try_send(Ok(Value::Bool(true)));
                }
            }
            Op::Adopt(config) => {
                let result = self.adopt(config);
                self.answer(reply, Ok(result));
            }
            Op::AddGroup { group, logs } => {
                let result = self.add_group_by_call(group, logs);
                self.answer(reply, result);
            }
            Op::RemoveGroup(name) => {
                let result = self.remove_group(&name);
                self.answer(reply, result);
            }
            Op::AddPrograms { group, programs, logs } => {
                let result = self.add_programs(&group, programs, logs);
                self.answer(reply, result);
            }
            Op::RemoveProcess { group, process } => {
                let result = self.remove_process(&group, &process);
                self.answer(reply, result);
            }
            Op::Subscribe(feed) => {
                self.bus.add_tap(feed);
                self.tick();
                self.answer(reply, Ok(Value::Bool(true)));
            }
            Op::Shutdown => {
                self.answer(reply, Ok(Value::Bool(true)));
                self.shut_down(Ending::Shutdown);
            }
            Op::Restart => self.request_restart(Some(reply)),
            Op::ClearLog => self.clear_main_log(reply),
            // answered above
            Op::Pulse => {}
        }
    }

    /// Sends an answer by way of the pump: when it arrives, the log lines before it are written.
    pub(super) fn answer(&mut self, reply: Reply, result: Result<Value, Fault>) {
        self.pump.send(PumpMsg::Fence(Box::new(move || {
            // The queue holds one answer and is fresh; a client that has gone is ignored.
            let _ = reply.try_send(result);
        })));
    }

    pub(super) fn finish(&mut self, call: CallId) {
        if let Some(Answer { reply, result }) = self.calls.finished(call) {
            self.answer(reply, result);
        }
    }

    fn each(
        &mut self,
        targets: Vec<Target>,
        shape: Shape,
        reply: Reply,
        mut one: impl FnMut(&mut Self, CallId, Target),
    ) {
        let call = self.calls.open(reply, shape, targets.len());
        for target in targets {
            one(self, call, target);
        }
        self.finish(call);
    }

    fn give(&mut self, call: CallId, id: ProcId, result: Result<Value, Fault>) {
        match self.table.get(id).map(|p| p.slot.clone()) {
            Some(slot) => self.calls.result(call, (&slot.group, &slot.config.name), result),
            None => self.calls.result(call, ("", ""), result),
        }
    }

    fn state_of(&self, target: &Target) -> Option<State> {
        self.table.get(target.id).map(|p| p.machine.state)
    }

    /// The process was removed after the caller had found it.
    fn gone(&mut self, call: CallId, target: &Target, shape: Shape) {
        match shape {
            Shape::Many => self.calls.skip(call),
            Shape::Single => {
                let fault = fault(faults::BAD_NAME, Some(&target.name));
                self.give(call, target.id, Err(fault));
            }
        }
    }

    // ------------------------------------------------------------------ start

    fn start(&mut self, call: CallId, target: Target, wait: bool, shape: Shape) {
        let id = target.id;
        let Some(state) = self.state_of(&target) else {
            return self.gone(call, &target, shape);
        };
        if shape == Shape::Many && state.is_running() {
            return self.calls.skip(call);
        }
        if let Some(fault) = target.precheck {
            return self.give(call, id, Err(fault));
        }
        if state.is_running() {
            return self.give(call, id, Err(fault(faults::ALREADY_STARTED, Some(&target.name))));
        }
        if state == State::Unknown {
            let text = format!("{} is in an unknown process state", target.name);
            return self.give(call, id, Err(fault(faults::FAILED, Some(&text))));
        }
        if state == State::Stopping {
            // The reference notices only afterwards that nothing was started.
            self.step(id, Input::Start);
            let result = if wait {
                Err(fault(faults::ABNORMAL_TERMINATION, Some(&target.name)))
            } else {
                Ok(Value::Bool(true))
            };
            return self.give(call, id, result);
        }
        let wish = if wait { Wish::Running } else { Wish::Spawned };
        if let Some(p) = self.table.get_mut(id) {
            p.waiters.push(Waiter { call, name: target.name, wish });
        }
        self.step(id, Input::Start);
    }

    /// The child lives: that is all that a start without waiting wants to know.
    pub(super) fn resolve_spawned(&mut self, id: ProcId) {
        self.resolve_where(id, |w| (w.wish == Wish::Spawned).then_some(Ok(Value::Bool(true))));
    }

    /// A process came into a state: answers whoever waited for that.
    pub(super) fn resolve(&mut self, id: ProcId, state: State) {
        let failed = self.table.get(id).is_some_and(|p| p.machine.spawnerr.is_some());
        self.resolve_where(id, |w| w.result(state, failed));
    }

    fn resolve_where(
        &mut self,
        id: ProcId,
        verdict: impl Fn(&Waiter) -> Option<Result<Value, Fault>>,
    ) {
        let Some(p) = self.table.get_mut(id) else { return };
        if p.waiters.is_empty() {
            return;
        }
        let mut done = Vec::new();
        p.waiters.retain(|w| match verdict(w) {
            Some(result) => {
                done.push((w.call, result));
                false
            }
            None => true,
        });
        for (call, result) in done {
            self.give(call, id, result);
            self.finish(call);
        }
    }

    // ------------------------------------------------------------------ stop and signals

    fn stop(&mut self, call: CallId, target: Target, wait: bool, shape: Shape) {
        let id = target.id;
        let Some(state) = self.state_of(&target) else {
            return self.gone(call, &target, shape);
        };
        if !state.is_running() {
            if state == State::Exited {
                // Calls off a restart that is about to come.
                self.step(id, Input::Stop);
            }
            return match shape {
                Shape::Many => self.calls.skip(call),
                Shape::Single => {
                    self.give(call, id, Err(fault(faults::NOT_RUNNING, Some(&target.name))));
                }
            };
        }
        self.step(id, Input::Stop);
        let Some(p) = self.table.get_mut(id) else { return };
        let state = p.machine.state;
        if state == State::Unknown {
            let text = format!("unknown problem killing {}", p.slot.config.name);
            return self.give(call, id, Err(fault(faults::FAILED, Some(&text))));
        }
        if !wait || state.is_stopped() {
            return self.give(call, id, Ok(Value::Bool(true)));
        }
        p.waiters.push(Waiter { call, name: target.name, wish: Wish::Stopped });
        if self.timers.at(Timer::StopReport(id)).is_none() {
            self.timers.set(self.mono().after(STOP_REPORT), Timer::StopReport(id));
        }
    }

    fn signal_one(&mut self, call: CallId, target: Target, signal: i32, shape: Shape) {
        let id = target.id;
        let Some(state) = self.state_of(&target) else {
            return self.gone(call, &target, shape);
        };
        if !state.is_signallable() {
            return match shape {
                Shape::Many => self.calls.skip(call),
                Shape::Single => {
                    self.give(call, id, Err(fault(faults::NOT_RUNNING, Some(&target.name))));
                }
            };
        }
        let result = match self.table.get_mut(id) {
            // Sent as soon as the child is there: no signal gets lost between fork and exec.
            Some(p) if p.machine.is_spawning() => {
                p.signals.push(signal);
                Ok(())
            }
            _ => self.send_signal(id, signal),
        };
        let result =
            result.map(|()| Value::Bool(true)).map_err(|text| fault(faults::FAILED, Some(&text)));
        self.give(call, id, result);
    }

    // ------------------------------------------------------------------ logs and stdin

    fn send_stdin(&mut self, id: ProcId, name: &str, data: Vec<u8>, reply: Reply) {
        let Some(p) = self.table.get(id) else {
            return self.answer(reply, Err(fault(faults::BAD_NAME, Some(name))));
        };
        if p.machine.pid == 0 && !p.machine.is_spawning() {
            return self.answer(reply, Err(fault(faults::NOT_RUNNING, Some(name))));
        }
        // The reference writes to nothing that is being killed.
        if p.machine.state == State::Stopping {
            return self.answer(reply, Err(fault(faults::NOT_RUNNING, Some(name))));
        }
        let name = name.to_owned();
        let done = Box::new(move |written: bool| {
            let result = if written {
                Ok(Value::Bool(true))
            } else {
                Err(fault(faults::NO_FILE, Some(&name)))
            };
            let _ = reply.try_send(result);
        });
        let generation = p.generation;
        self.pump.send(PumpMsg::Write { id, generation, data, done: Some(done) });
    }

    fn clear_main_log(&mut self, reply: Reply) {
        // As in the reference the line goes to the file that is about to be removed.
        self.activity.info("reopening log file");
        let done = Box::new(move |cleared: bool| {
            let result =
                if cleared { Ok(Value::Bool(true)) } else { Err(fault(faults::FAILED, None)) };
            let _ = reply.try_send(result);
        });
        self.pump.send(PumpMsg::Clear { id: None, done });
    }

    /// The pump's verdict comes back as a message, since results of a call are collected here.
    fn clear_one(&mut self, call: CallId, target: &Target) {
        let (id, name) = (target.id, target.name.clone());
        let sender = self.sender.clone();
        let done = Box::new(move |cleared: bool| {
            let _ = sender.send(super::inbox::Msg::Cleared { id, call, name, cleared });
        });
        self.pump.send(PumpMsg::Clear { id: Some(id), done });
    }

    pub(super) fn cleared(&mut self, id: ProcId, call: CallId, name: &str, cleared: bool) {
        let result =
            if cleared { Ok(Value::Bool(true)) } else { Err(fault(faults::FAILED, Some(name))) };
        self.give(call, id, result);
        self.finish(call);
    }
}
