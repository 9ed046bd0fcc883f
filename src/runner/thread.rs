//! The runner's thread.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::command::{Command as ResolvedCommand, resolve_command};
use super::fcgi::OpenSocket;
use super::orders::Orders;
use super::orphans::Family;
use super::plan::Plan;
use super::turn::Turn;
use crate::config::model::User;
use crate::coordinator::inbox::{Gen, Msg};
use crate::coordinator::mailbox::Mailbox;
use crate::guarded;
use crate::machine::ExitStatus;
use crate::pump::{Pipes, PumpHandle, PumpMsg, Stream, StreamPlan, open_for_spawn};
use crate::sys::fds::{Pipe, pipe};
use crate::sys::places::Places;
use crate::sys::spawn::{ChildSpec, Identity};
use crate::sys::strings::{HoldsNul, Strings};
use crate::sys::{errno, memory, pidfd, spawn, wait};

/// Orders to a runner.
#[derive(Debug)]
pub enum Command {
    /// Make a child when its turn has come.
    Start(Gen, Turn),
    /// The exit of that start has been dealt with: take the zombie away.
    Reap(Gen),
    /// End the thread; sent only when no child lives.
    Quit,
}

/// A way to a runner.
#[derive(Debug)]
pub struct Runner {
    orders: Orders,
}

/// Where a runner reports to.
#[derive(Clone)]
pub struct Links {
    /// The coordinator.
    pub inbox: Mailbox,
    /// The pump.
    pub pump: PumpHandle,
    /// Set where strangers are to be reaped.
    pub family: Option<Arc<Family>>,
    /// Descriptor numbers by way of which children get their streams.
    pub places: Option<Arc<Places>>,
}

/// Stack of a runner. Pages that are not touched cost nothing.
const STACK: usize = 128 * 1024;

impl Runner {
    /// Starts the thread.
    ///
    /// # Errors
    /// EAGAIN or ENOMEM when the system has no thread to give.
    pub fn start(plan: Arc<Plan>, links: Links) -> io::Result<Runner> {
        let orders = Orders::default();
        let queue = orders.clone();
        std::thread::Builder::new().name("runner".into()).stack_size(STACK).spawn(move || {
            Life { plan, links, queue }.run();
        })?;
        Ok(Runner { orders })
    }

    /// A runner without a thread, and the way to take its orders: for tests that are the runner
    /// themselves.
    #[cfg(test)]
    pub(crate) fn without_thread() -> (Runner, Box<dyn Fn() -> Option<Command>>) {
        let orders = Orders::default();
        let queue = orders.clone();
        (Runner { orders }, Box::new(move || queue.try_take()))
    }

    /// Queues an order. A runner ends only after [`Command::Quit`], so none is lost.
    pub fn order(&self, command: Command) {
        self.orders.give(command);
    }
}

struct Life {
    plan: Arc<Plan>,
    links: Links,
    queue: Orders,
}

struct Child {
    pid: i32,
    pidfd: Arc<OwnedFd>,
    socket: Option<Arc<OpenSocket>>,
    pumped: bool,
}

impl Life {
    fn run(self) {
        let mut quit = false;
        while !quit {
            quit = match self.queue.take() {
                Command::Start(generation, turn) => self.one(generation, turn),
                // Nothing lives here that could be reaped.
                Command::Reap(_) => false,
                Command::Quit => true,
            };
        }
    }

    /// One life, from the spawn to the reaping. True: no other is to follow.
    fn one(&self, generation: Gen, turn: Turn) -> bool {
        let id = self.plan.id;
        let child = match self.spawn(generation, &turn) {
            Ok(child) => child,
            Err(error) => {
                // A failure has its turn, too: who comes next must not overtake those before.
                turn.wait();
                self.tell(Msg::SpawnFailed { id, generation, error });
                return false;
            }
        };
        let Child { pid, pidfd, socket, pumped } = child;
        self.tell(Msg::Spawned { id, generation, pid, pidfd: pidfd.clone(), socket });
        drop(turn);
        // Nothing is to be done until its end, which may take months.
        memory::trim_stack();
        // Both fail only where somebody else reaped our child; then nothing is known of its end.
        let status = pidfd::wait_exit(&*pidfd)
            .and_then(|()| wait::peek(&*pidfd))
            .unwrap_or(ExitStatus::Signal { signal: 0, core: false });
        if pumped {
            // By way of the pump: what the process wrote is in its log before anyone hears of its
            // end.
            self.links.pump.send(PumpMsg::Exited { id, generation, status });
        } else {
            self.tell(Msg::Exited { id, generation, status });
            self.links.pump.send_along(PumpMsg::Gone { id, generation });
        }
        // Until the coordinator has dealt with the exit the zombie keeps pid and process group, so
        // that no signal can hit a stranger.
        let quit = self.until_reap(generation);
        match &self.links.family {
            Some(family) => {
                let _ = family.death(pid, || wait::reap(&*pidfd), |p, s| self.stranger(p, s));
            }
            None => {
                let _ = wait::reap(&*pidfd);
            }
        }
        quit
    }

    /// Blocks until the exit has been dealt with; true when that was the last.
    fn until_reap(&self, generation: Gen) -> bool {
        loop {
            match self.queue.take() {
                Command::Reap(g) if g == generation => return false,
                Command::Quit => return true,
                Command::Reap(_) | Command::Start(..) => {}
            }
        }
    }

    fn stranger(&self, pid: i32, status: ExitStatus) {
        self.tell(Msg::Stranger { pid, status });
    }

    fn tell(&self, msg: Msg) {
        // The coordinator outlives its runners; at the very end nobody needs to know.
        let _ = self.links.inbox.send(msg);
    }

    /// Prepares everything, waits for its turn, makes the child and hands its pipes to the pump.
    // Not inlined: its frame is not to be there while the child lives.
    #[inline(never)]
    fn spawn(&self, generation: Gen, turn: &Turn) -> Result<Child, String> {
        let plan = &*self.plan;
        let command = resolve_command(&plan.program.command, plan.path().as_deref())
            .map_err(|e| e.to_string())?;
        let ends = Ends::open(plan, &self.links.pump).map_err(|e| self.no_dispatchers(&e))?;
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
        let who = Who::of(plan.program.user.as_ref());
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
            places: self.links.places.as_deref(),
        };
        turn.wait();
        let made = match &self.links.family {
            Some(family) => family.birth(|| spawn::spawn(&spec), |p, s| self.stranger(p, s)),
            None => spawn::spawn(&spec),
        };
        let (pid, pidfd) = made.map_err(|e| self.no_child(&e))?;
        let pipes = ends.into_pipes(plan);
        let pumped = pipes.stdout.is_some() || pipes.stderr.is_some();
        let attach = PumpMsg::Attach { id: plan.id, generation, pipes };
        match pumped {
            true => self.links.pump.send(attach),
            // A stdin that nobody writes to is not urgent.
            false => self.links.pump.send_along(attach),
        }
        Ok(Child { pid, pidfd: Arc::new(pidfd), socket, pumped })
    }

    fn no_dispatchers(&self, error: &io::Error) -> String {
        let name = &self.plan.program.name;
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

    fn no_child(&self, error: &io::Error) -> String {
        let name = &self.plan.program.name;
        match error.raw_os_error() {
            Some(libc::EAGAIN) => {
                format!("Too many processes in process table to spawn '{name}'")
            }
            Some(libc::EMFILE) => format!("too many open files to spawn '{name}'"),
            _ => format!("unknown error during fork for '{name}': {}", errno::of(error)),
        }
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

/// Whom the child becomes.
struct Who {
    identity: Option<Identity>,
    refused: Option<CString>,
    label: CString,
}

impl Who {
    /// Groups are looked up at every start, so that a new membership counts without a reload.
    fn of(user: Option<&User>) -> Who {
        let mut who = Who { identity: None, refused: None, label: CString::default() };
        let Some(user) = user else { return who };
        let current = nix::unistd::geteuid().as_raw();
        if current == user.uid {
            return who;
        }
        who.label = CString::new(user.uid.to_string()).unwrap_or_default();
        let refuse = |text: &str| CString::new(text).ok();
        if current != 0 {
            who.refused = refuse("Can't drop privilege as nonroot user");
            return who;
        }
        let name = CString::new(user.name.as_str()).unwrap_or_default();
        let gid = nix::unistd::Gid::from_raw(user.gid);
        match nix::unistd::getgrouplist(&name, gid) {
            Ok(groups) => {
                let groups = groups.into_iter().map(nix::unistd::Gid::as_raw).collect();
                who.identity = Some(Identity { uid: user.uid, gid: user.gid, groups });
            }
            Err(_) => who.refused = refuse("Could not set groups of effective user"),
        }
        who
    }
}
