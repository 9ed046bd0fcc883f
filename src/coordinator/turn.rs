//! The turns of the coordinator: it waits for a message or a deadline, and hands out what comes.

use std::sync::Arc;

use super::inbox::{Gen, Msg, ProcId};
use super::table::Living;
use super::timers::Timer;
use super::unwatched::Child;
use super::{CALM, Coordinator, Ending, SETTLED, mailbox};
use crate::config::model::Level;
use crate::events::listener::ListenerState;
use crate::events::{Event, EventType};
use crate::machine::Input;
use crate::machine::transition::describe;
use crate::pump::{Pipes, PumpMsg};
use crate::rpc::faults::{self, fault};
use crate::runner::fcgi::OpenSocket;
use crate::sys::memory;

impl Coordinator {
    /// Runs until the daemon is to end or to start over. Gives the next free id too.
    pub fn run(mut self) -> (Ending, u64) {
        self.begin();
        let ending = loop {
            let first = self.wait();
            if let Some(ending) = self.turn(first) {
                break ending;
            }
        };
        let next_id = self.end(matches!(ending, Ending::Restart(_)));
        (ending, next_id)
    }

    /// What comes before the first turn.
    pub(super) fn begin(&mut self) {
        self.publish_structure();
        self.notify(EventType::SupervisorStateChangeRunning, Event::supervisor_running);
        self.autostart();
        self.report_ready();
        self.tick();
        self.timers.set(self.mono().after(SETTLED), Timer::Settled);
        self.open_if_idle();
        self.pump.wake();
    }

    /// Blocks until there is a message or the earliest deadline has come.
    fn wait(&self) -> Option<Msg> {
        mailbox::wait(&self.inbox, self.timers.next(), || self.mono())
    }

    /// Deals with all that is there: the message that was waited for, others, deadlines. Gives what
    /// follows when the shutdown is over.
    pub(super) fn turn(&mut self, first: Option<Msg>) -> Option<Ending> {
        if let Some(msg) = first {
            self.handle(msg);
        }
        // A bounded share of what else is there, so that deadlines are not starved.
        for _ in 0..256 {
            match self.inbox.try_recv() {
                Ok(msg) => self.handle(msg),
                Err(_) => break,
            }
        }
        let now = self.mono();
        while let Some(timer) = self.timers.due(now) {
            self.due(timer);
        }
        self.open_if_idle();
        let ending = self.shutdown_progress();
        // Once for all that this turn had to say.
        self.pump.wake();
        ending
    }

    /// What comes after the last turn: nobody is left without an answer. Gives the next free id. Runners
    /// are sent away if the process lives on; else they end with it, which costs less.
    pub(super) fn end(&mut self, lives_on: bool) -> u64 {
        for _ in 0..self.inbox.len() {
            match self.inbox.try_recv() {
                Ok(Msg::Call { op, reply }) => self.call(op, reply),
                Ok(Msg::Cleared { id, call, name, cleared }) => {
                    self.cleared(id, call, &name, cleared);
                }
                // A start that was given up has a child at the last moment.
                Ok(Msg::Spawned { pidfd, .. }) if !lives_on => {
                    let _ = self.outside.signal(&pidfd, libc::SIGKILL);
                }
                // A signal is the next life's; what is about processes of this one falls flat there.
                Ok(other) => drop(self.sender.send(other)),
                Err(_) => break,
            }
        }
        for reply in self.calls.close_all() {
            self.answer(reply, Err(fault(faults::SHUTDOWN_STATE, None)));
        }
        if lives_on {
            self.dismiss_runners();
            self.hand_on_unwatched();
        }
        self.pump.wake();
        self.table.next_id().max(self.calls.next_id())
    }

    fn open_if_idle(&mut self) {
        if self.spawning.is_idle() && std::mem::take(&mut self.starting) {
            self.opening = None;
            self.timers.set(self.mono().after(CALM), Timer::Settled);
        }
    }

    fn handle(&mut self, msg: Msg) {
        match msg {
            Msg::Signal(signal) => self.signal(signal),
            Msg::Call { op, reply } => self.call(op, reply),
            Msg::Spawned { id, generation, pid, pidfd, socket, pumped, pipes } => {
                self.spawn_next_after(id, generation);
                self.spawned(Child { id, generation, pid, pidfd, pumped }, socket, pipes);
            }
            Msg::SpawnFailed { id, generation, error } => {
                self.spawn_next_after(id, generation);
                if self.current(id, generation) {
                    if let Some(p) = self.table.get_mut(id) {
                        p.signals.clear();
                    }
                    self.step(id, Input::SpawnFailed(&error));
                }
            }
            Msg::Exited { id, generation, status } => {
                if self.current(id, generation) {
                    self.activity.log(Level::Debug, "received SIGCHLD indicating a child quit");
                    self.step(id, Input::Exited(status));
                }
            }
            Msg::ListenerOutput { id, generation, data } => {
                self.credits.give_back(data.len());
                if self.current(id, generation) {
                    self.bus.output(id, &data, &mut self.wishes);
                    self.grant();
                    if self.bus.listener_state(id) == Some(ListenerState::Unknown) {
                        self.pump.send(PumpMsg::Mute { id, generation });
                    }
                }
            }
            Msg::LogOutput { id, generation, channel, data } => {
                self.credits.give_back(data.len());
                self.output_event(id, generation, channel, data, false);
            }
            Msg::CommOutput { id, generation, channel, data } => {
                self.credits.give_back(data.len());
                self.output_event(id, generation, channel, data, true);
            }
            Msg::StdinClosed { id, generation } => {
                if self.current(id, generation) {
                    self.bus.stdin_closed(id);
                }
            }
            Msg::EventNotTaken { id, generation, serial } => {
                if self.current(id, generation) {
                    self.bus.write_failed(id, serial, &mut self.wishes);
                    self.grant();
                }
            }
            Msg::Cleared { id, call, name, cleared } => self.cleared(id, call, &name, cleared),
            Msg::RestartConfig { config, call } => self.restart_config(config, call),
            Msg::Unsubscribed => {
                self.bus.drop_gone_taps();
                self.tick();
            }
            Msg::Stranger { pid, status } => {
                self.activity.info(&format!("reaped unknown pid {pid} ({})", describe(status)));
            }
        }
    }

    /// A child lives.
    pub(super) fn spawned(
        &mut self,
        mut child: Child,
        socket: Option<Arc<OpenSocket>>,
        pipes: Option<Pipes>,
    ) {
        let (id, pid) = (child.id, child.pid);
        if !self.current(id, child.generation) {
            // A start that nobody wants any more. Its pipes are closed here.
            child.pumped &= pipes.is_none();
            let _ = self.outside.signal(&child.pidfd, libc::SIGKILL);
            return self.look_after(child);
        }
        if let Some(p) = self.table.get_mut(id) {
            p.child = Some(Living { pid, pidfd: child.pidfd.clone() });
            p.socket = socket;
        }
        self.step(id, Input::Spawned(pid));
        // After the line that tells of it, and before anyone can tell its end.
        if let Some(pipes) = pipes {
            let generation = child.generation;
            self.pump.send(PumpMsg::Attach { id, generation, pipes });
        }
        self.watch(child);
        self.send_held_signals(id);
        self.resolve_spawned(id);
    }

    pub(super) fn current(&self, id: ProcId, generation: Gen) -> bool {
        self.table.get(id).is_some_and(|p| p.generation == generation)
    }

    fn due(&mut self, timer: Timer) {
        match timer {
            Timer::Process(id) => self.process_due(id),
            Timer::SpawnOverdue => self.spawn_overdue(),
            Timer::StopReport(id) => self.stop_report(id),
            Timer::ShutdownReport => self.shutdown_report(),
            Timer::Leave => self.left(),
            Timer::Settled => {
                self.opening = None;
                // Else later, when it is.
                self.starting = !self.spawning.is_idle();
                if !self.starting {
                    // What reading the configuration and a thousand orders needed, or an earlier life.
                    memory::start_is_over();
                }
            }
            Timer::Tick => self.tick(),
            Timer::Watchdog => self.feed_watchdog(),
            Timer::Notify => self.tell_untold(),
            Timer::Survivors => self.look_after_survivors(),
            Timer::Unwatched => self.look_after_unwatched(),
        }
    }
}
