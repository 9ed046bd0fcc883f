//! What is outside of the coordinator: clocks, the kernel with its processes, and the runners.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use crate::coordinator::inbox::{Gen, Msg, Order, ProcId};
use crate::coordinator::mailbox::Mailbox;
use crate::coordinator::outside::Outside;
use crate::machine::ExitStatus;
use crate::pump::{Pipes, PumpHandle, PumpMsg};
use crate::runner::maker::{Hanging, Relieved};
use crate::runner::thread::tell_end;
use crate::runner::{Command, Make, Plan, Runner, Watch};
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
    /// Of a start that nobody waits for.
    pub stray: bool,
    handle: Arc<OwnedFd>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Idle,
    Watching { generation: Gen, pid: i32, pumped: bool },
    Gone,
}

/// What `runner::thread` does, a step at a time.
pub struct FakeRunner {
    pub id: ProcId,
    orders: Box<dyn Fn() -> Option<Command>>,
    /// Orders that it has yet to look at.
    queue: VecDeque<Command>,
    at: At,
    pump: PumpHandle,
}

impl FakeRunner {
    pub fn is_gone(&self) -> bool {
        self.at == At::Gone
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

/// A child that is being made.
struct Making {
    make: Make,
    pump: PumpHandle,
    hung: bool,
    /// The pid of its child, which was told of while it hung.
    told: Option<i32>,
    given_up: bool,
}

impl Making {
    fn order(&self) -> Order {
        (self.make.plan.id, self.make.generation)
    }
}

/// What `runner::maker` does, a step at a time.
#[derive(Default)]
struct FakeMakers {
    queue: VecDeque<(Make, PumpHandle)>,
    /// There is one that takes orders.
    exists: bool,
    /// What it is at.
    making: Option<Making>,
    /// What those hang at whose place another one has taken.
    left: Vec<Making>,
    /// The next child takes long to be made, or can't be.
    hang: bool,
    fail: bool,
}

impl FakeMakers {
    fn all(&mut self) -> impl Iterator<Item = &mut Making> {
        self.making.iter_mut().chain(&mut self.left)
    }
}

/// Who can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// The maker that takes orders.
    Maker,
    /// One that has been relieved.
    Relieved(usize),
    Runner(usize),
}

/// Everything outside.
pub struct World {
    pub mono: u64,
    /// Microseconds since 1970.
    pub wall: i64,
    /// Born and not yet reaped.
    pub children: Vec<Child>,
    pub runners: Vec<FakeRunner>,
    makers: FakeMakers,
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
            runners: Vec::new(),
            makers: FakeMakers::default(),
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

    /// Those that can go on.
    pub fn movable(&mut self) -> Vec<Party> {
        self.runners.retain(|runner| !runner.is_gone());
        let mut able = Vec::new();
        let makers = &self.makers;
        if makers.making.as_ref().map_or(!makers.queue.is_empty(), |m| !m.hung) {
            able.push(Party::Maker);
        }
        let over = |pid| !self.children.iter().any(|c| c.pid == pid && c.ended.is_none());
        let left =
            makers.left.iter().enumerate().filter(|(_, m)| !m.hung || m.told.is_some_and(over));
        able.extend(left.map(|(at, _)| Party::Relieved(at)));
        for (at, runner) in self.runners.iter_mut().enumerate() {
            runner.fill();
            let can = match runner.at {
                At::Idle => !runner.queue.is_empty(),
                At::Watching { pid, .. } => {
                    self.children.iter().any(|c| c.pid == pid && c.ended.is_some())
                }
                At::Gone => false,
            };
            if can {
                able.push(Party::Runner(at));
            }
        }
        able
    }

    /// The next child cannot be made, or takes long.
    pub fn trouble(&mut self, hang: bool) {
        *(if hang { &mut self.makers.hang } else { &mut self.makers.fail }) = true;
    }

    /// A child that takes long to be made is made, or all of them and those to come.
    pub fn release(&mut self, pick: Option<u16>) {
        let mut hung: Vec<&mut Making> = self.makers.all().filter(|m| m.hung).collect();
        let chosen = pick.and_then(|p| usize::from(p).checked_rem(hung.len()));
        for (at, making) in hung.iter_mut().enumerate() {
            making.hung = chosen.is_some_and(|c| c != at);
        }
        self.makers.hang &= pick.is_some();
    }

    /// The child of that process is held up: by itself, or by one before it.
    pub fn is_hung(&self, id: ProcId) -> bool {
        let makers = &self.makers;
        let by_itself = makers.making.iter().chain(&makers.left);
        let held_up = makers.making.as_ref().is_some_and(|m| m.hung) && self.no_threads;
        held_up || by_itself.filter(|m| m.hung).any(|m| m.make.plan.id == id)
    }

    /// Nobody can make children, since one hangs and there are no threads.
    pub fn is_stuck(&self) -> bool {
        self.no_threads && self.makers.making.as_ref().is_some_and(|m| m.hung)
    }

    /// One of them does one thing.
    pub fn go_on(&mut self, party: Party, inbox: &Mailbox) {
        match party {
            Party::Maker => {
                match self.makers.making.take() {
                    Some(making) => self.finish(making, inbox),
                    None => {
                        let hung = std::mem::take(&mut self.makers.hang);
                        self.makers.making = self.makers.queue.pop_front().map(|(make, pump)| {
                            Making { make, pump, hung, told: None, given_up: false }
                        });
                    }
                }
            }
            Party::Relieved(at) if at < self.makers.left.len() => {
                let making = self.makers.left.remove(at);
                self.finish(making, inbox);
            }
            Party::Runner(at) if at < self.runners.len() => {
                let mut runner = self.runners.swap_remove(at);
                self.run(&mut runner, inbox);
                self.runners.push(runner);
            }
            Party::Relieved(_) | Party::Runner(_) => {}
        }
    }

    /// The child is made, or could not be.
    fn finish(&mut self, making: Making, inbox: &Mailbox) {
        let Making { make: Make { plan, generation }, pump, told, given_up, .. } = making;
        let id = plan.id;
        if told.is_some() {
            pump.send(PumpMsg::Attach { id, generation, pipes: Pipes::default() });
            return;
        }
        if given_up || std::mem::take(&mut self.makers.fail) {
            let error = "no such file".to_owned();
            let _ = inbox.send(Msg::SpawnFailed { id, generation, error });
            return;
        }
        let (pid, pidfd) = self.bear(&plan, generation);
        let pipes = Some(Pipes::default());
        // Programs with streams of their own, and without.
        let pumped = pid % 2 == 0;
        let _ =
            inbox.send(Msg::Spawned { id, generation, pid, pidfd, socket: None, pumped, pipes });
    }

    fn run(&mut self, runner: &mut FakeRunner, inbox: &Mailbox) {
        let id = runner.id;
        runner.at = match runner.at {
            At::Idle => match runner.queue.pop_front() {
                Some(Command::Watch(watch)) => self.watching(id, &watch),
                Some(Command::Inherit(pid, handle)) => match self.child(pid).map(|c| c.ended) {
                    Some(None) => {
                        // It blocks until that has ended.
                        runner.queue.push_front(Command::Inherit(pid, handle));
                        At::Idle
                    }
                    _ => {
                        self.bury(pid);
                        At::Gone
                    }
                },
                Some(Command::Quit) => At::Gone,
                None => At::Idle,
            },
            At::Watching { generation, pid, pumped } => {
                match self.child(pid).and_then(|c| c.ended) {
                    Some(status) => {
                        tell_end(inbox, &runner.pump, (id, generation), status, pumped);
                        At::Idle
                    }
                    None => runner.at,
                }
            }
            At::Gone => At::Gone,
        };
    }

    fn watching(&mut self, id: ProcId, watch: &Watch) -> At {
        let fd = watch.pidfd.as_raw_fd();
        let child = self.children.iter().find(|c| c.handle.as_raw_fd() == fd);
        match child.filter(|c| c.id == id && c.generation == watch.generation) {
            Some(child) => {
                At::Watching { generation: watch.generation, pid: child.pid, pumped: watch.pumped }
            }
            None => {
                self.complaints.push(format!("{id:?} is to watch a child of another"));
                At::Idle
            }
        }
    }

    fn bury(&mut self, pid: i32) {
        self.children.retain(|c| c.pid != pid);
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

    fn make(&self, make: Make) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        if !world.makers.exists && world.no_threads {
            return Err(io::Error::from_raw_os_error(libc::EAGAIN));
        }
        world.makers.exists = true;
        world.makers.queue.push_back((make, self.pump.clone()));
        Ok(())
    }

    fn relieve(&self, order: Order) -> io::Result<Relieved> {
        let mut world = self.world.borrow_mut();
        if world.makers.making.as_ref().is_none_or(|m| m.order() != order) {
            return Ok(Relieved::NotAtIt);
        }
        if world.no_threads {
            return Err(io::Error::from_raw_os_error(libc::EAGAIN));
        }
        let left = world.makers.making.take();
        world.makers.left.extend(left);
        Ok(Relieved::Yes)
    }

    fn hanging(&self, order: Order) -> Option<Hanging> {
        let mut world = self.world.borrow_mut();
        let at = world.makers.left.iter().position(|m| m.order() == order && m.told.is_none())?;
        // Some hang before there is a child.
        if order.1.is_multiple_of(3) {
            return None;
        }
        let plan = world.makers.left[at].make.plan.clone();
        let (pid, pidfd) = world.bear(&plan, order.1);
        world.makers.left[at].told = Some(pid);
        Some(Hanging { pid, pidfd, socket: None })
    }

    fn give_up(&self, order: Order) -> bool {
        let mut world = self.world.borrow_mut();
        let left = world.makers.left.iter_mut().find(|m| m.order() == order && m.told.is_none());
        left.map(|making| making.given_up = true).is_some()
    }

    fn runner(&self, id: ProcId, first: Watch) -> io::Result<Runner> {
        let mut world = self.world.borrow_mut();
        if world.no_threads {
            return Err(io::Error::from_raw_os_error(libc::EAGAIN));
        }
        if world.runners.iter().any(|r| r.id == id && !r.is_gone()) {
            world.complaints.push(format!("{id:?} has two runners"));
        }
        let (runner, orders) = Runner::without_thread();
        let at = world.watching(id, &first);
        let pump = self.pump.clone();
        world.runners.push(FakeRunner { id, orders, queue: VecDeque::new(), at, pump });
        Ok(runner)
    }

    fn ended(&self, child: &OwnedFd) -> Option<ExitStatus> {
        let fd = child.as_raw_fd();
        let mut world = self.world.borrow_mut();
        match world.children.iter().find(|c| c.handle.as_raw_fd() == fd) {
            Some(child) => child.ended,
            None => {
                world.complaints.push("a look at a child that is reaped".to_owned());
                None
            }
        }
    }

    fn reap(&self, pid: i32, child: &OwnedFd) {
        let mut world = self.world.borrow_mut();
        let fits = |c: &Child| c.pid == pid && c.ended.is_some();
        let known = world.children.iter().find(|c| fits(c)).map(|c| c.handle.as_raw_fd());
        if known != Some(child.as_raw_fd()) {
            world.complaints.push(format!("reap {pid}, which is no zombie"));
        }
        world.bury(pid);
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
