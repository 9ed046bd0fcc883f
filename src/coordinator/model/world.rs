//! What is outside of the coordinator: clocks, the kernel with its processes, and the runners.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use crate::coordinator::inbox::{Gen, Msg, ProcId};
use crate::coordinator::mailbox::Mailbox;
use crate::coordinator::outside::Outside;
use crate::machine::ExitStatus;
use crate::pump::{Pipes, PumpHandle, PumpMsg};
use crate::runner::turn::Turn;
use crate::runner::{Command, Plan, Runner};
use crate::sys::clock::Mono;

/// Where a listener is in its own eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Talk {
    /// It has yet to say that it is ready.
    Quiet,
    /// It has said so.
    Ready,
    /// It has an event.
    Busy,
    /// It has said something wrong.
    Broken,
}

/// A process from its birth to its reaping.
#[derive(Debug)]
pub struct Child {
    pub id: ProcId,
    pub generation: Gen,
    pub pid: i32,
    pub listener: bool,
    pub events: bool,
    pub talk: Talk,
    pub stdin_open: bool,
    /// How it ended, while it is a zombie.
    pub ended: Option<ExitStatus>,
    /// A deadly signal is on its way.
    pub doomed: Option<i32>,
    /// Heeds SIGKILL only.
    pub deaf: bool,
    /// The kernel refuses our signals to it.
    pub refused: bool,
    /// Of a start that nobody waits for, and without a runner here.
    pub stray: bool,
    handle: Arc<OwnedFd>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Idle,
    Making { generation: Gen, hung: bool },
    Watching { generation: Gen, pid: i32 },
    Dead { generation: Gen, pid: i32 },
    Gone,
}

/// What `runner::thread` does, a step at a time.
pub struct FakeRunner {
    plan: Arc<Plan>,
    orders: Box<dyn Fn() -> Option<Command>>,
    /// Orders that it has yet to look at.
    queue: VecDeque<Command>,
    at: At,
    /// Of the child that it is to make.
    turn: Option<Turn>,
    hang: bool,
    fail: bool,
    pump: PumpHandle,
}

impl FakeRunner {
    pub fn is_gone(&self) -> bool {
        self.at == At::Gone
    }

    pub fn is_hung(&self) -> bool {
        matches!(self.at, At::Making { hung: true, .. })
    }

    /// Its child lives on, whoever asked for its end.
    pub fn watches(&self) -> bool {
        matches!(self.at, At::Watching { .. })
    }

    fn fill(&mut self) {
        while let Some(order) = (self.orders)() {
            self.queue.push_back(order);
        }
    }
}

/// Everything outside.
pub struct World {
    pub mono: u64,
    /// Microseconds since 1970.
    pub wall: i64,
    /// Born and not yet reaped.
    pub children: Vec<Child>,
    pub runners: BTreeMap<ProcId, FakeRunner>,
    /// Work for threads of their own.
    pub threads: VecDeque<Box<dyn FnOnce() + Send>>,
    pub no_threads: bool,
    /// Promises broken towards the world.
    pub complaints: Vec<String>,
    next_pid: i32,
    null: OwnedFd,
}

impl World {
    pub fn new() -> World {
        World {
            mono: 1_000_000_000_000,
            wall: 1_700_000_000_000_000,
            children: Vec::new(),
            runners: BTreeMap::new(),
            threads: VecDeque::new(),
            no_threads: false,
            complaints: Vec::new(),
            next_pid: 1000,
            null: File::open("/dev/null").unwrap().into(),
        }
    }

    /// Processes made so far.
    pub fn births(&self) -> u64 {
        (self.next_pid - 1000) as u64
    }

    pub fn pass(&mut self, nanos: u64) {
        self.mono += nanos;
        self.wall += (nanos / 1000) as i64;
    }

    /// A child that is no zombie.
    pub fn alive(&mut self, pick: u16) -> Option<&mut Child> {
        Self::one(&mut self.children, pick, |c| c.ended.is_none())
    }

    /// One child of those that fit.
    pub fn one(
        children: &mut [Child],
        pick: u16,
        fits: impl Fn(&Child) -> bool,
    ) -> Option<&mut Child> {
        let count = children.iter().filter(|c| fits(c)).count();
        let at = usize::from(pick).checked_rem(count)?;
        children.iter_mut().filter(|c| fits(c)).nth(at)
    }

    pub fn child(&self, pid: i32) -> Option<&Child> {
        self.children.iter().find(|c| c.pid == pid)
    }

    pub fn child_mut(&mut self, id: ProcId, generation: Gen) -> Option<&mut Child> {
        self.children.iter_mut().find(|c| c.id == id && c.generation == generation && !c.stray)
    }

    pub fn handle(&self, pid: i32) -> Option<&Arc<OwnedFd>> {
        self.child(pid).map(|c| &c.handle)
    }

    /// All that got a deadly signal die, or one of them.
    pub fn die(&mut self, pick: Option<u16>) -> bool {
        let doomed = |c: &Child| c.doomed.is_some() && c.ended.is_none();
        let mut died = false;
        loop {
            let pick_now = pick.unwrap_or(0);
            let Some(child) = Self::one(&mut self.children, pick_now, doomed) else { break };
            let signal = child.doomed.unwrap_or(libc::SIGKILL);
            child.ended = Some(ExitStatus::Signal { signal, core: false });
            died = true;
            // Whoever made it reaps it.
            self.children.retain(|c| !c.stray || c.ended.is_none());
            if pick.is_some() {
                break;
            }
        }
        died
    }

    /// Brings a child into the world.
    fn bear(&mut self, plan: &Plan, generation: Gen) -> (i32, Arc<OwnedFd>) {
        let (pid, handle) = self.stray(plan.id, generation);
        if let Some(child) = self.children.last_mut() {
            child.stray = false;
            child.listener = plan.stdout.listener;
            child.events = plan.program.priority == 1;
        }
        (pid, handle)
    }

    /// A child that comes too late.
    pub fn stray(&mut self, id: ProcId, generation: Gen) -> (i32, Arc<OwnedFd>) {
        self.next_pid += 1;
        let pid = self.next_pid;
        let handle = Arc::new(self.null.try_clone().unwrap());
        self.children.push(Child {
            id,
            generation,
            pid,
            listener: false,
            events: false,
            talk: Talk::Quiet,
            stdin_open: true,
            ended: None,
            doomed: None,
            deaf: false,
            refused: false,
            stray: true,
            handle: handle.clone(),
        });
        (pid, handle)
    }

    fn reap(&mut self, pid: i32) {
        self.children.retain(|c| c.pid != pid);
    }

    /// Ids of runners that can go on.
    pub fn movable(&mut self) -> Vec<ProcId> {
        let children = &self.children;
        let mut able = Vec::new();
        self.runners.retain(|_, runner| !runner.is_gone());
        for (id, runner) in &mut self.runners {
            runner.fill();
            let can = match runner.at {
                At::Idle | At::Dead { .. } => !runner.queue.is_empty(),
                At::Making { hung, .. } => !hung && runner.turn.as_ref().is_none_or(Turn::has_come),
                At::Watching { pid, .. } => {
                    children.iter().any(|c| c.pid == pid && c.ended.is_some())
                }
                At::Gone => false,
            };
            if can {
                able.push(*id);
            }
        }
        able
    }

    /// What a runner does next does not work, or takes long.
    pub fn trouble(&mut self, pick: u16, hang: bool) {
        let count = self.runners.len();
        let Some(at) = usize::from(pick).checked_rem(count) else { return };
        if let Some(runner) = self.runners.values_mut().nth(at) {
            *(if hang { &mut runner.hang } else { &mut runner.fail }) = true;
        }
    }

    /// A child that takes long to be made is made, or all of them.
    pub fn release(&mut self, pick: Option<u16>) {
        let mut hung: Vec<&mut FakeRunner> =
            self.runners.values_mut().filter(|r| r.is_hung()).collect();
        let chosen = pick.and_then(|p| usize::from(p).checked_rem(hung.len()));
        for (at, runner) in hung.iter_mut().enumerate() {
            if chosen.is_some_and(|c| c != at) {
                continue;
            }
            if let At::Making { hung, .. } = &mut runner.at {
                *hung = false;
            }
        }
    }

    /// A runner does one thing.
    pub fn move_runner(&mut self, id: ProcId, inbox: &Mailbox) {
        let Some(mut runner) = self.runners.remove(&id) else { return };
        runner.at = match runner.at {
            At::Idle => match runner.queue.pop_front() {
                Some(Command::Start(generation, turn)) => {
                    runner.turn = Some(turn);
                    At::Making { generation, hung: std::mem::take(&mut runner.hang) }
                }
                Some(Command::Reap(generation)) => {
                    self.complaints.push(format!("{id:?}: reap {generation} of nothing"));
                    At::Idle
                }
                Some(Command::Quit) => At::Gone,
                None => At::Idle,
            },
            At::Making { generation, hung: false } => {
                // Only at the end of this move it is the next one's turn.
                let _turn = runner.turn.take();
                if std::mem::take(&mut runner.fail) {
                    let error = "no such file".to_owned();
                    let _ = inbox.send(Msg::SpawnFailed { id, generation, error });
                    At::Idle
                } else {
                    let (pid, pidfd) = self.bear(&runner.plan, generation);
                    let pipes = Pipes::default();
                    runner.pump.send(PumpMsg::Attach { id, generation, pipes });
                    let _ = inbox.send(Msg::Spawned { id, generation, pid, pidfd, socket: None });
                    At::Watching { generation, pid }
                }
            }
            At::Watching { generation, pid } => match self.child(pid).and_then(|c| c.ended) {
                Some(status) => {
                    // As for programs with streams of their own, and for those without.
                    if pid % 2 == 0 {
                        runner.pump.send(PumpMsg::Exited { id, generation, status });
                    } else {
                        let _ = inbox.send(Msg::Exited { id, generation, status });
                        runner.pump.send_along(PumpMsg::Gone { id, generation });
                    }
                    At::Dead { generation, pid }
                }
                None => runner.at,
            },
            At::Dead { generation, pid } => match runner.queue.pop_front() {
                Some(Command::Reap(g)) if g == generation => {
                    self.reap(pid);
                    At::Idle
                }
                Some(Command::Quit) => {
                    self.reap(pid);
                    At::Gone
                }
                Some(lost) => {
                    self.complaints.push(format!("{id:?}: {lost:?} while {generation} lies dead"));
                    runner.at
                }
                None => runner.at,
            },
            stays @ (At::Gone | At::Making { .. }) => stays,
        };
        self.runners.insert(id, runner);
    }

    fn take_signal(child: &mut Child, signal: i32) -> io::Result<()> {
        if !(0..=64).contains(&signal) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        if child.refused {
            return Err(io::Error::from_raw_os_error(libc::EPERM));
        }
        let harmless = [0, libc::SIGCHLD, libc::SIGCONT, libc::SIGSTOP].contains(&signal);
        if signal == libc::SIGKILL || !harmless && !child.deaf {
            child.doomed.get_or_insert(signal);
        }
        Ok(())
    }
}

/// The coordinator's way to the [`World`].
pub struct Fake {
    pub world: Rc<RefCell<World>>,
    pub pump: PumpHandle,
}

impl Outside for Fake {
    fn mono(&self) -> Mono {
        Mono(self.world.borrow().mono)
    }

    fn wall(&self) -> (i64, u32) {
        let micros = self.world.borrow().wall;
        (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000) as u32)
    }

    fn signal(&self, child: &OwnedFd, signal: i32) -> io::Result<()> {
        let fd = child.as_raw_fd();
        let mut world = self.world.borrow_mut();
        match world.children.iter_mut().find(|c| c.handle.as_raw_fd() == fd) {
            Some(child) => World::take_signal(child, signal),
            None => Err(io::Error::from_raw_os_error(libc::ESRCH)),
        }
    }

    fn signal_group(&self, leader: i32, signal: i32) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        match world.children.iter_mut().find(|c| c.pid == leader) {
            Some(child) => World::take_signal(child, signal),
            None => {
                let text = format!("signal {signal} to the group of {leader}, which is reaped");
                world.complaints.push(text);
                Ok(())
            }
        }
    }

    fn group_lives(&self, leader: i32) -> bool {
        // Groups have no other members here.
        self.world.borrow().children.iter().any(|c| c.pid == leader)
    }

    fn runner(&self, plan: &Arc<Plan>) -> io::Result<Runner> {
        let mut world = self.world.borrow_mut();
        if world.no_threads {
            return Err(io::Error::from_raw_os_error(libc::EAGAIN));
        }
        let (runner, orders) = Runner::without_thread();
        let fake = FakeRunner {
            plan: plan.clone(),
            orders,
            queue: VecDeque::new(),
            at: At::Idle,
            turn: None,
            hang: false,
            fail: false,
            pump: self.pump.clone(),
        };
        if world.runners.insert(plan.id, fake).is_some() {
            world.complaints.push(format!("{:?} has two runners", plan.id));
        }
        Ok(runner)
    }

    fn apart(&self, _: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        if world.no_threads {
            return Err(io::Error::from_raw_os_error(libc::EAGAIN));
        }
        world.threads.push_back(work);
        Ok(())
    }
}
