//! Who makes children: one thread for all of them, since they are made one at a time and in order.
//!
//! The runner of a program could make its children itself, and once did. But what that needs (three
//! pages of stack, buffers that the allocator keeps for each thread) would lie in each of thousands of
//! threads that otherwise only wait, and every start would begin by waking one.
//!
//! An exec can hang, on a dead file server for instance, and the thread hangs with it. Then the
//! coordinator asks for another maker, which takes the orders that are left; the one before gives notice
//! of its child when it can, and waits until it is needed again. It must not end: to the kernel it is the
//! parent of its children, and those with a parent-death signal (prctl(2)) would get that.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use super::command::{Command as ResolvedCommand, resolve_command};
use super::fcgi::OpenSocket;
use super::identity::{Groups, Who};
use super::orphans::Family;
use super::plan::Plan;
use super::thread::Links;
use crate::coordinator::inbox::{Gen, Msg, Order};
use crate::guarded;
use crate::machine::ExitStatus;
use crate::pump::{Pipes, PumpHandle, PumpMsg, Stream, StreamPlan, open_for_spawn};
use crate::sys::fds::{Pipe, pipe};
use crate::sys::places::Places;
use crate::sys::spawn::{Born, ChildSpec};
use crate::sys::strings::{HoldsNul, Strings};
use crate::sys::{errno, spawn};

/// An order: one child.
#[derive(Debug)]
pub struct Make {
    /// How.
    pub plan: Arc<Plan>,
    /// Which start of the process it is.
    pub generation: Gen,
}

/// What a maker works with.
#[derive(Clone)]
pub struct Tools {
    /// Where it reports to.
    pub links: Arc<Links>,
    /// Set where strangers are to be reaped.
    pub family: Option<Arc<Family>>,
    /// Descriptor numbers by way of which children get their streams.
    pub places: Option<Arc<Places>>,
    /// The groups of the user looked up last.
    pub groups: Arc<Groups>,
}

/// The way to the maker, which is started with the first order. It ends when this is dropped.
pub struct Makers {
    tools: Tools,
    orders: Arc<Orders>,
}

/// A child that is being made.
struct Birth {
    order: Order,
    born: Born,
    /// What is to be known with it.
    socket: OnceLock<Arc<OpenSocket>>,
    /// Its maker is about to clone. This and the following are changed and read with the queue locked.
    begun: AtomicBool,
    /// It is not wanted any more.
    given_up: AtomicBool,
    /// It has been told while its exec hung.
    told: AtomicBool,
}

/// A child whose exec hangs.
pub struct Hanging {
    /// Its pid.
    pub pid: i32,
    /// A handle of its own.
    pub pidfd: Arc<OwnedFd>,
    /// The FastCGI socket that it has as fd 0.
    pub socket: Option<Arc<OpenSocket>>,
}

/// What came of [`Makers::relieve`].
#[derive(Debug, PartialEq, Eq)]
pub enum Relieved {
    /// Nobody is at that order.
    NotAtIt,
    /// Others are made by another thread now.
    Yes,
}

#[derive(Default)]
struct Orders {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    orders: VecDeque<Make>,
    /// Number of the maker that takes the orders; 0 while there is none, and at the end.
    maker: u64,
    /// What it is at.
    at: Option<Arc<Birth>>,
    /// What those are at that were relieved.
    left: Vec<Arc<Birth>>,
    /// Those that were relieved and have come back.
    spare: Vec<u64>,
    /// Makers that wait for orders, spare ones too.
    waiting: usize,
    /// Makers so far.
    count: u64,
}

impl Orders {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing in here can panic with the queue half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next order; none at the end. A maker that has been relieved waits until it is needed again.
    fn take(&self, maker: u64) -> Option<(Make, Arc<Birth>)> {
        let mut queue = self.lock();
        if queue.maker != maker {
            queue.spare.push(maker);
        }
        loop {
            if queue.maker == 0 {
                return None;
            }
            if queue.maker == maker
                && let Some(make) = queue.orders.pop_front()
            {
                let birth = Arc::new(Birth {
                    order: (make.plan.id, make.generation),
                    born: Born::default(),
                    socket: OnceLock::new(),
                    begun: AtomicBool::new(false),
                    given_up: AtomicBool::new(false),
                    told: AtomicBool::new(false),
                });
                queue.at = Some(birth.clone());
                return Some((make, birth));
            }
            queue.waiting += 1;
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.waiting -= 1;
        }
    }
}

/// Stack of a maker in bytes.
const STACK: usize = 256 << 10;

impl Makers {
    /// Without a thread yet.
    pub fn new(tools: Tools) -> Makers {
        Makers { tools, orders: Arc::default() }
    }

    /// Queues an order.
    ///
    /// # Errors
    /// There is no maker, and the system has no thread to give; the order is forgotten.
    pub fn order(&self, make: Make) -> io::Result<()> {
        let mut queue = self.orders.lock();
        if queue.maker == 0 {
            self.start(&mut queue)?;
        }
        queue.orders.push_back(make);
        let waiting = queue.waiting > 0;
        drop(queue);
        if waiting {
            // All: a spare one may wait there, too.
            self.orders.wake.notify_all();
        }
        Ok(())
    }

    /// The maker hangs with that order: another one takes its place.
    ///
    /// # Errors
    /// The system has no thread to give; the orders wait.
    pub fn relieve(&self, order: Order) -> io::Result<Relieved> {
        let mut queue = self.orders.lock();
        if queue.at.as_ref().is_none_or(|birth| birth.order != order) {
            return Ok(Relieved::NotAtIt);
        }
        match queue.spare.pop() {
            Some(spare) => queue.maker = spare,
            None => self.start(&mut queue)?,
        }
        let left = queue.at.take();
        queue.left.extend(left);
        drop(queue);
        self.orders.wake.notify_all();
        Ok(Relieved::Yes)
    }

    /// The child of an order whose maker was relieved, if it has been born and its exec hangs. It is told
    /// of only once, here or by its maker.
    pub fn hanging(&self, order: Order) -> Option<Hanging> {
        let queue = self.orders.lock();
        let birth = queue.left.iter().find(|birth| birth.order == order)?;
        // Its maker looks at this before it lets go of the descriptor.
        let (pid, pidfd) = birth.born.child()?;
        birth.told.store(true, Ordering::Relaxed);
        if let Some(family) = &self.tools.family {
            let links = self.tools.links.clone();
            family.born(Some(pid), |pid, status| tell_stranger(&links, pid, status));
        }
        Some(Hanging { pid, pidfd: Arc::new(pidfd), socket: birth.socket.get().cloned() })
    }

    /// Gives such an order up, so that no child comes of it. False when that is not possible any more.
    pub fn give_up(&self, order: Order) -> bool {
        let queue = self.orders.lock();
        let birth = queue.left.iter().find(|birth| birth.order == order);
        let Some(birth) = birth.filter(|b| !b.begun.load(Ordering::Relaxed)) else { return false };
        birth.given_up.store(true, Ordering::Relaxed);
        true
    }

    fn start(&self, queue: &mut Queue) -> io::Result<()> {
        let number = queue.count + 1;
        let orders = self.orders.clone();
        let maker =
            Maker { tools: self.tools.clone(), orders: orders.clone(), quiet: Cell::new(0) };
        std::thread::Builder::new().name("maker".into()).stack_size(STACK).spawn(move || {
            while let Some((make, birth)) = orders.take(number) {
                maker.make(&make, &birth);
            }
        })?;
        (queue.maker, queue.count) = (number, number);
        Ok(())
    }
}

impl Drop for Makers {
    fn drop(&mut self) {
        self.orders.lock().maker = 0;
        self.orders.wake.notify_all();
    }
}

struct Maker {
    tools: Tools,
    orders: Arc<Orders>,
    /// Children told of without waking the coordinator.
    quiet: Cell<u32>,
}

/// Of so many children in a row the coordinator hears at a time, while there are orders for more: to wake
/// it, and the pump by it, costs as much as a tenth of a start.
const QUIET: u32 = 3;

fn tell_stranger(links: &Links, pid: i32, status: ExitStatus) {
    // The coordinator outlives its makers, but for one that hangs: then nobody needs to know.
    let _ = links.inbox.send(Msg::Stranger { pid, status });
}

impl Maker {
    /// Makes a child, or tells why not.
    fn make(&self, make: &Make, birth: &Arc<Birth>) {
        let Make { plan, generation } = make;
        // Whatever goes wrong with one program is not to keep all others from starting.
        let made = catch_unwind(AssertUnwindSafe(|| self.spawn(plan, birth)));
        let made = made.unwrap_or_else(|_| Err("supervisord has made a mistake".to_owned()));
        let (id, generation) = (plan.id, *generation);
        let (child, pipes) = match made {
            Ok(made) => made,
            Err(error) => {
                self.over(birth, None);
                return self.tell(Msg::SpawnFailed { id, generation, error });
            }
        };
        if self.over(birth, Some(child.0)) {
            // Only its streams are not known yet.
            return self.tools.links.pump.send(PumpMsg::Attach { id, generation, pipes });
        }
        let (pid, pidfd) = (child.0, Arc::new(child.1));
        let (socket, pumped) = (birth.socket.get().cloned(), pipes.are_read());
        let pipes = Some(pipes);
        let msg = Msg::Spawned { id, generation, pid, pidfd, socket, pumped, pipes };
        let quiet = self.quiet.get();
        if quiet < QUIET && !self.orders.lock().orders.is_empty() {
            self.quiet.set(quiet + 1);
            // See `tell_stranger`.
            let _ = self.tools.links.inbox.send_along(msg);
        } else {
            self.quiet.set(0);
            self.tell(msg);
        }
    }

    /// From here on there will be a child.
    fn begin(&self, birth: &Birth) -> Result<(), String> {
        let _queue = self.orders.lock();
        if birth.given_up.load(Ordering::Relaxed) {
            return Err("given up".to_owned());
        }
        birth.begun.store(true, Ordering::Relaxed);
        if let Some(family) = &self.tools.family {
            family.expect();
        }
        Ok(())
    }

    /// A birth is over. Says whether the child has been told of already.
    fn over(&self, birth: &Arc<Birth>, pid: Option<i32>) -> bool {
        let mut queue = self.orders.lock();
        queue.left.retain(|left| !Arc::ptr_eq(left, birth));
        queue.at.take_if(|at| Arc::ptr_eq(at, birth));
        let told = birth.told.load(Ordering::Relaxed);
        drop(queue);
        let owed = birth.begun.load(Ordering::Relaxed) && !told;
        if let Some(family) = self.tools.family.as_deref().filter(|_| owed) {
            let links = &self.tools.links;
            family.born(pid, |pid, status| tell_stranger(links, pid, status));
        }
        told
    }

    fn tell(&self, msg: Msg) {
        // See `tell_stranger`.
        let _ = self.tools.links.inbox.send(msg);
    }

    /// Prepares everything and makes the child.
    fn spawn(&self, plan: &Plan, birth: &Birth) -> Result<((i32, OwnedFd), Pipes), String> {
        let pump = &self.tools.links.pump;
        let command = resolve_command(&plan.program.command, plan.path().as_deref())
            .map_err(|e| e.to_string())?;
        let ends = Ends::open(plan, pump).map_err(|e| no_dispatchers(plan, &e))?;
        let text = |s: &str| CString::new(s).map_err(|_| HoldsNul.to_string());
        let (argv, envp) = strings(&command, plan).map_err(|e| e.to_string())?;
        let file = text(&command.filename.to_string_lossy())?;
        let directory = match &plan.program.directory {
            Some(d) => Some(text(&d.to_string_lossy())?),
            None => None,
        };
        let socket = match &plan.socket {
            Some(shared) => Some(shared.get().map_err(|e| {
                format!("Could not create FastCGI socket for '{}': {e}", plan.program.name)
            })?),
            None => None,
        };
        let who = Who::of(plan.program.user.as_ref(), &self.tools.groups);
        let stderr = ends.stderr.as_ref().unwrap_or(&ends.stdout);
        let spec = ChildSpec {
            file: &file,
            argv: &argv,
            envp: &envp,
            stdin: match &socket {
                Some(socket) => socket.as_fd(),
                None => ends.stdin.child.as_fd(),
            },
            stdout: ends.stdout.child.as_fd(),
            stderr: stderr.child.as_fd(),
            identity: who.identity.as_ref(),
            identity_refused: who.refused.as_deref(),
            user_label: &who.label,
            directory: directory.as_deref(),
            umask: plan.program.umask,
            places: self.tools.places.as_deref(),
        };
        if let Some(socket) = &socket {
            // Set once, here.
            let _ = birth.socket.set(socket.clone());
        }
        self.begin(birth)?;
        let child = spawn::spawn(&spec, &birth.born).map_err(|e| no_child(plan, &e))?;
        Ok((child, ends.into_pipes(plan)))
    }
}

fn no_dispatchers(plan: &Plan, error: &io::Error) -> String {
    let name = &plan.program.name;
    match error.raw_os_error() {
        Some(libc::EMFILE) => format!("too many open files to spawn '{name}'"),
        _ => {
            // a refusal of ours says why; else the text is the reference's
            let what = match error.get_ref() {
                Some(why) => format!("{:?}: {why}", guarded::errno(error)),
                None => errno::of(error).to_string(),
            };
            format!("unknown error making dispatchers for '{name}': {what}")
        }
    }
}

fn no_child(plan: &Plan, error: &io::Error) -> String {
    let name = &plan.program.name;
    match error.raw_os_error() {
        Some(libc::EAGAIN) => {
            format!("Too many processes in process table to spawn '{name}'")
        }
        Some(libc::EMFILE) => format!("too many open files to spawn '{name}'"),
        _ => format!("unknown error during fork for '{name}': {}", errno::of(error)),
    }
}

/// Arguments and environment as execve(2) takes them.
fn strings(command: &ResolvedCommand, plan: &Plan) -> Result<(Strings, Strings), HoldsNul> {
    let mut argv =
        Strings::with_capacity(command.argv.len(), command.argv.iter().map(String::len).sum());
    for word in &command.argv {
        argv.push(&[word.as_bytes()])?;
    }
    let environment = plan.environment();
    let size = environment.iter().map(|(n, v)| n.len() + 1 + v.len()).sum();
    let mut envp = Strings::with_capacity(environment.len(), size);
    for (name, value) in environment {
        envp.push(&[name, b"=", value])?;
    }
    Ok((argv, envp))
}

/// The pipes of a child to be, both ends.
struct Ends {
    stdin: Pipe,
    stdout: Output,
    stderr: Option<Output>,
}

/// Where a child's output goes.
struct Output {
    child: OwnedFd,
    /// Our end; none for what nobody can read.
    ours: Option<(OwnedFd, Option<File>)>,
}

impl Output {
    fn open(plan: &StreamPlan, pump: &PumpHandle) -> io::Result<Output> {
        if let Some(child) = pump.void(plan) {
            return Ok(Output { child, ours: None });
        }
        let file = open_log(plan)?;
        let Pipe { ours, child } = pipe(false)?;
        Ok(Output { child, ours: Some((ours, file)) })
    }

    fn into_stream(self, plan: &Arc<StreamPlan>) -> Option<Stream> {
        self.ours.map(|(fd, file)| Stream { fd, plan: plan.clone(), file })
    }
}

impl Ends {
    fn open(plan: &Plan, pump: &PumpHandle) -> io::Result<Ends> {
        let stdout = Output::open(&plan.stdout, pump)?;
        let stderr = plan.stderr.as_ref().map(|stream| Output::open(stream, pump)).transpose()?;
        Ok(Ends { stdin: pipe(true)?, stdout, stderr })
    }

    /// Closes the child's ends and keeps ours.
    fn into_pipes(self, plan: &Plan) -> Pipes {
        Pipes {
            // A FastCGI process has the socket there: writing to its stdin ends in EPIPE.
            stdin: plan.socket.is_none().then_some(self.stdin.ours),
            stdout: self.stdout.into_stream(&plan.stdout),
            stderr: match (self.stderr, &plan.stderr) {
                (Some(output), Some(stream)) => output.into_stream(stream),
                _ => None,
            },
        }
    }
}

/// Opens a stream's log, so that a log that cannot be opened is a spawn failure, as in the reference.
fn open_log(stream: &StreamPlan) -> io::Result<Option<File>> {
    match &stream.path {
        Some(path) => open_for_spawn(path),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::inbox::ProcId;
    use crate::coordinator::mailbox::mailbox;
    use crate::coordinator::published::{AutoLogs, ProcSlot};
    use crate::rpc::testing;
    use crate::runner::plan::Surroundings;

    fn testing_links() -> Links {
        let (sender, _queue) = crossbeam_channel::unbounded();
        let wake = Arc::new(crate::sys::fds::EventFd::new().unwrap());
        Links { inbox: mailbox().0, pump: PumpHandle::new(sender, wake) }
    }

    fn make(plan: &Arc<Plan>, generation: Gen) -> Make {
        Make { plan: plan.clone(), generation }
    }

    #[test]
    fn who_takes_a_hanging_makers_place_gets_the_orders_that_are_left() {
        let program = Arc::new(testing::program("x"));
        let slot = ProcSlot::new(ProcId(1), "x".to_owned(), program, AutoLogs::default());
        let surroundings =
            Surroundings { environment: vec![], server_url: None, strip_ansi: false };
        let plan = Arc::new(Plan::new(&slot, false, None, Arc::new(surroundings)));
        let tools = Tools {
            links: Arc::new(testing_links()),
            family: None,
            places: None,
            groups: Arc::default(),
        };
        let makers = Makers::new(tools);
        makers.orders.lock().maker = 1;
        makers.orders.lock().orders.extend([1, 2, 3].map(|generation| make(&plan, generation)));
        let take = |maker| makers.orders.take(maker).map(|(make, _)| make.generation);
        let relieve = |generation| makers.relieve((plan.id, generation)).unwrap() == Relieved::Yes;
        assert!(!relieve(1), "nobody is at it");
        assert_eq!(take(1), Some(1));
        assert!(!relieve(2), "it is at another");
        makers.orders.lock().maker = 2;
        let taken = std::thread::scope(|scope| {
            let first = scope.spawn(|| take(1));
            while makers.orders.lock().spare.is_empty() {
                std::thread::yield_now();
            }
            assert_eq!(take(2), Some(2));
            assert!(relieve(2));
            assert_eq!(makers.orders.lock().maker, 1, "who came back is not kept waiting");
            first.join().unwrap()
        });
        assert_eq!(taken, Some(3));
        makers.orders.lock().maker = 0;
        assert_eq!(take(2), None, "the end");
    }
}
