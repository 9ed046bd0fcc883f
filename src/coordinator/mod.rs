//! The coordinator: owner of the process table, groups, timers, listener pools and the shutdown
//! phase. Runs on the main thread after boot, receives on one inbox and touches channels only.
//!
//! It never sends on a bounded channel that another thread empties, never waits for anything but
//! its inbox, and does no file I/O. Answers to calls that changed something travel through the
//! pump's queue, so that whoever reads the activity log after the answer finds the lines there.

pub mod calls;
pub mod history;
pub mod inbox;
mod manager;
mod members;
pub mod ops;
pub mod published;
mod remembering;
pub mod shutdown;
pub mod spawning;
pub mod table;
pub mod timers;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use self::calls::Calls;
use self::inbox::{Gen, Msg, ProcId};
use self::manager::Reports;
use self::published::{Mood, Published};
use self::shutdown::Phase;
use self::spawning::Spawning;
use self::table::Table;
use self::timers::{Timer, Timers};
use crate::activity::Activity;
use crate::config::model::{Config, Level};
use crate::events::listener::ListenerState;
use crate::events::{Bus, Effects, Event, EventType, PoolEffect, StateChange, Ticker};
use crate::machine::transition::describe;
use crate::machine::{Effect, Input, Now, Policy, State};
use crate::pump::{Credits, PumpHandle, PumpMsg};
use crate::runner::Command;
use crate::runner::plan::Surroundings;
use crate::runner::thread::Links;
use crate::sys::clock::{self, Mono};
use crate::sys::notify::Manager;
use crate::sys::{memory, pidfd, signals};

/// Reads the configuration anew; called on a thread of its own.
pub type Loader = Arc<dyn Fn() -> Result<Config, String> + Send + Sync>;

/// Why the coordinator ended.
pub enum Ending {
    /// The daemon is to end.
    Shutdown,
    /// The daemon is to start over with this configuration.
    Restart(Arc<Config>),
}

/// What the coordinator is made of.
pub struct Parts {
    /// The inbox's two ends.
    pub inbox: (Sender<Msg>, Receiver<Msg>),
    /// What readers see.
    pub published: Arc<Published>,
    /// The activity log.
    pub activity: Activity,
    /// The pump.
    pub pump: PumpHandle,
    /// Bytes of events under way from the pump.
    pub credits: Credits,
    /// Where runners report to.
    pub links: Links,
    /// What all programs share.
    pub surroundings: Arc<Surroundings>,
    /// Reads the configuration for a restart.
    pub loader: Loader,
    /// The way to the service manager.
    pub manager: Manager,
    /// First process id to give.
    pub first_id: u64,
    /// Dropped when clients may be let in.
    pub opening: Sender<Infallible>,
}

/// When the start counts as over. Making a thousand programs takes less; if not, clients wait no
/// longer.
const SETTLED: Duration = Duration::from_secs(2);

/// The coordinator's state.
pub struct Coordinator {
    sender: Sender<Msg>,
    inbox: Receiver<Msg>,
    published: Arc<Published>,
    activity: Activity,
    pump: PumpHandle,
    credits: Credits,
    links: Links,
    surroundings: Arc<Surroundings>,
    loader: Loader,
    table: Table,
    timers: Timers,
    calls: Calls,
    bus: Bus,
    /// Collects what the bus wants done; empty between calls.
    wishes: Effects,
    ticker: Ticker,
    /// Counts the arming of TICK deadlines; older ones fall flat.
    ticks: u64,
    phase: Phase,
    spawning: Spawning,
    /// Dropped when all programs that start by themselves have been made: as in the reference, the
    /// first answer that anybody gets shows them with their pids.
    opening: Option<Sender<Infallible>>,
    reports: Reports,
}

impl Coordinator {
    /// With an empty table.
    pub fn new(parts: Parts) -> Coordinator {
        let daemon = &parts.published.config().daemon;
        let wishes = Effects::new(parts.activity.least());
        Coordinator {
            sender: parts.inbox.0,
            inbox: parts.inbox.1,
            published: parts.published,
            activity: parts.activity,
            pump: parts.pump,
            credits: parts.credits,
            links: parts.links,
            surroundings: parts.surroundings,
            loader: parts.loader,
            table: Table::new(parts.first_id),
            timers: Timers::default(),
            calls: Calls::default(),
            bus: Bus::new(&daemon.identifier),
            wishes,
            ticker: Ticker::new(),
            ticks: 0,
            phase: Phase::Running,
            spawning: Spawning::default(),
            opening: Some(parts.opening),
            reports: Reports::new(parts.manager),
        }
    }

    /// Runs until the daemon is to end or to start over. Gives the next free process id too.
    pub fn run(mut self) -> (Ending, u64) {
        self.publish_structure();
        self.notify(EventType::SupervisorStateChangeRunning, Event::supervisor_running);
        self.autostart();
        self.report_ready();
        self.tick();
        self.open_if_idle();
        self.timers.set(Mono::now().after(SETTLED), Timer::Settled);
        let ending = loop {
            self.turn();
            if let Some(ending) = self.shutdown_progress() {
                break ending;
            }
        };
        self.dismiss_runners();
        (ending, self.table.next_id())
    }

    /// Waits for one message or the earliest deadline and deals with all that is there.
    fn turn(&mut self) {
        let now = Mono::now();
        let wait = self.timers.next().map(|at| at.since(now));
        let first = match wait {
            None => self.inbox.recv().ok(),
            Some(wait) => match self.inbox.recv_timeout(wait) {
                Ok(msg) => Some(msg),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => None,
            },
        };
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
        let now = Mono::now();
        while let Some(timer) = self.timers.due(now) {
            self.due(timer);
        }
        self.open_if_idle();
    }

    fn open_if_idle(&mut self) {
        if self.spawning.is_idle() {
            self.opening = None;
        }
    }

    fn handle(&mut self, msg: Msg) {
        match msg {
            Msg::Signal(signal) => self.signal(signal),
            Msg::Call { op, reply } => self.call(op, reply),
            Msg::Spawned { id, generation, pid, pidfd, socket } => {
                self.spawn_next_after(id, generation);
                if !self.current(id, generation) {
                    // A start that nobody wants any more: its runner reaps it.
                    let _ = pidfd::send_signal(&*pidfd, libc::SIGKILL);
                    return;
                }
                if let Some(p) = self.table.get_mut(id) {
                    p.pidfd = Some(pidfd);
                    p.socket = socket;
                }
                self.step(id, Input::Spawned(pid));
                self.send_held_signals(id);
                self.resolve_spawned(id);
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
            Msg::RestartConfig { config, reply } => self.restart_config(config, reply),
            Msg::Unsubscribed => {
                self.bus.drop_gone_taps();
                self.tick();
            }
            Msg::Stranger { pid, status } => {
                self.activity.info(&format!("reaped unknown pid {pid} ({})", describe(status)));
            }
        }
    }

    fn current(&self, id: ProcId, generation: Gen) -> bool {
        self.table.get(id).is_some_and(|p| p.generation == generation)
    }

    fn due(&mut self, timer: Timer) {
        match timer {
            Timer::Process(id, stamp) => self.process_due(id, stamp),
            Timer::SpawnOverdue(n) => self.spawn_overdue(n),
            Timer::StopReport(id, generation) => self.stop_report(id, generation),
            Timer::ShutdownReport => self.shutdown_report(),
            Timer::Leave => self.left(),
            Timer::Settled => {
                self.opening = None;
                // What reading the configuration and a thousand orders needed, or an earlier life.
                memory::trim_heap();
            }
            Timer::Tick(n) if n == self.ticks => self.tick(),
            Timer::Tick(_) => {}
            Timer::Watchdog => self.feed_watchdog(),
            Timer::Notify => self.tell_untold(),
        }
    }

    // ------------------------------------------------------------------ one process

    fn now() -> Now {
        Now { mono: Mono::now(), wall: clock::wall().0 }
    }

    /// Takes one input of one process: decides, then carries out.
    fn step(&mut self, id: ProcId, input: Input<'_>) {
        let may_start = matches!(self.phase, Phase::Running);
        let Some(p) = self.table.get_mut(id) else { return };
        let program = p.slot.config.clone();
        let policy = Policy { program: &program, may_start };
        let (now, taken) = (Self::now(), remembering::Taken::of(&p.machine, &input));
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
            self.resolve(id, state);
        }
    }

    /// Puts the deadline of a process into the heap when it has changed.
    fn arm(&mut self, id: ProcId) {
        let Some(p) = self.table.get_mut(id) else { return };
        if p.machine.due == p.armed {
            return;
        }
        p.stamp += 1;
        p.armed = p.machine.due;
        if let Some(at) = p.armed {
            self.timers.set(at, Timer::Process(id, p.stamp));
        }
    }

    fn carry_out(&mut self, id: ProcId, effect: Effect) {
        match effect {
            Effect::Log(level, text) => self.activity.log(level, &text),
            Effect::Spawn => self.spawn(id),
            Effect::Kill { signal, group } => self.kill(id, signal, group),
            Effect::Reap => {
                self.bus.exited(id, &mut self.wishes);
                self.grant();
                if let Some(p) = self.table.get_mut(id) {
                    p.pidfd = None;
                    p.socket = None;
                    if let Some(runner) = &p.runner {
                        runner.order(Command::Reap(p.generation));
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
    fn process_due(&mut self, id: ProcId, stamp: u64) {
        let Some(p) = self.table.get(id) else { return };
        if p.stamp != stamp || p.armed.is_none() {
            return;
        }
        if p.machine.state == State::Starting && self.spawning.hold(id, stamp) {
            return self.hurry();
        }
        self.step(id, Input::Due);
    }

    /// Sends a signal that is to end a process. Its zombie, if it is one, is still there, so the
    /// number of its group is still its own.
    fn kill(&mut self, id: ProcId, signal: i32, group: bool) {
        let Some(p) = self.table.get(id) else { return };
        let Some(handle) = &p.pidfd else { return };
        let pid = p.machine.pid;
        let sent = if group {
            pidfd::signal_group(pid, signal)
        } else {
            pidfd::send_signal(&**handle, signal)
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

    fn send_held_signals(&mut self, id: ProcId) {
        let Some(p) = self.table.get_mut(id) else { return };
        for signal in std::mem::take(&mut p.signals) {
            // Nobody waits for the result any more: the call was answered when it was taken.
            let _ = self.send_signal(id, signal);
        }
    }

    /// Sends a signal that is not meant to end the process.
    fn send_signal(&mut self, id: ProcId, signal: i32) -> Result<(), String> {
        let Some(p) = self.table.get(id) else { return Ok(()) };
        let (name, pid) = (p.slot.config.name.clone(), p.machine.pid);
        self.activity.log(
            Level::Debug,
            &format!("sending {name} (pid {pid}) sig {}", signals::name(signal)),
        );
        let Some(handle) = &p.pidfd else { return Ok(()) };
        match pidfd::send_signal(&**handle, signal) {
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

    // ------------------------------------------------------------------ events

    fn notify(&mut self, kind: EventType, event: impl FnOnce() -> Event) {
        self.bus.emit(kind, event, &mut self.wishes);
        self.grant();
    }

    /// Carries out what the bus wants done.
    fn grant(&mut self) {
        for wish in self.wishes.drain() {
            match wish {
                PoolEffect::Log(level, text) => self.activity.log(level, &text),
                PoolEffect::Write { id, serial, data } => {
                    let Some(p) = self.table.get(id) else { continue };
                    let (generation, sender) = (p.generation, self.sender.clone());
                    let done = Box::new(move |taken: bool| {
                        if !taken {
                            let _ = sender.send(Msg::EventNotTaken { id, generation, serial });
                        }
                    });
                    self.pump.send(PumpMsg::Write { id, generation, data, done: Some(done) });
                }
            }
        }
    }

    fn output_event(
        &mut self,
        id: ProcId,
        generation: Gen,
        channel: inbox::Channel,
        data: Vec<u8>,
        communication: bool,
    ) {
        let kind = if communication {
            EventType::of_communication(channel)
        } else {
            EventType::of_log(channel)
        };
        if !self.bus.wants(kind) {
            return;
        }
        let Some(p) = self.table.get(id) else { return };
        let pid = if p.generation == generation { p.machine.pid } else { 0 };
        let (name, group) = (p.slot.config.name.as_str(), p.slot.group.as_str());
        let event = if communication {
            Event::communication(channel, name, group, pid, data)
        } else {
            Event::log(channel, name, group, pid, data)
        };
        self.notify(kind, || event);
    }

    fn tick(&mut self) {
        let ticks = self.ticker.poll(clock::wall(), self.bus.wanted());
        for event in ticks.due {
            self.notify(event.kind(), || event);
        }
        if let Some(wait) = ticks.wait {
            self.ticks += 1;
            self.timers.set(Mono::now().after(wait), Timer::Tick(self.ticks));
        }
    }

    // ------------------------------------------------------------------ groups

    fn autostart(&mut self) {
        for name in self.table.by_priority() {
            self.autostart_group(&name);
        }
    }

    /// Starts the members of a group that start by themselves, in the configuration's order.
    fn autostart_group(&mut self, name: &str) {
        let Some(group) = self.table.group(name) else { return };
        for id in group.members.clone() {
            let wanted = self
                .table
                .get(id)
                .is_some_and(|p| p.slot.config.autostart && p.machine.started.is_none());
            if wanted && matches!(self.phase, Phase::Running) {
                self.step(id, Input::Start);
            }
        }
    }

    fn publish_structure(&mut self) {
        self.published.set_structure(Arc::new(self.table.structure()));
        self.report_doing();
    }

    fn dismiss_runners(&mut self) {
        for name in self.table.by_priority() {
            for p in self.table.remove(&name) {
                if let Some(runner) = p.runner {
                    runner.order(Command::Quit);
                }
            }
        }
    }

    fn stop_report(&mut self, id: ProcId, generation: u64) {
        let Some(p) = self.table.get_mut(id) else { return };
        if p.generation != generation || p.machine.state != State::Stopping || p.waiters.is_empty()
        {
            p.reporting = false;
            return;
        }
        self.activity.info(&format!("waiting for {} to stop", p.slot.config.name));
        self.timers
            .set(Mono::now().after(Duration::from_secs(2)), Timer::StopReport(id, generation));
    }

    /// Makes a mood known.
    fn set_mood(&mut self, mood: Mood) {
        self.published.set_mood(mood);
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
