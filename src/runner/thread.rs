//! The runner's thread: it waits for the end of one program's children, one after the other.
//!
//! There are as many as programs, and each blocks nearly always. So it must need little: its frames are
//! small while it waits, and it hardly ever allocates or frees, since the allocator would keep a cache for
//! it. What has to be freed others free.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::orders::Orders;
use super::orphans::Family;
use crate::coordinator::inbox::{Gen, Msg, ProcId};
use crate::coordinator::mailbox::Mailbox;
use crate::machine::ExitStatus;
use crate::pump::{PumpHandle, PumpMsg};
use crate::sys::{pidfd, thread, wait};

/// Orders to a runner.
#[derive(Debug)]
pub enum Command {
    /// A child lives: tell how it ends. Its zombie is the coordinator's to reap.
    Watch(Watch),
    /// The process has left the table while a child of its still lives, which no signal reaches: reap
    /// it at its end. End the thread then.
    Inherit(i32, Arc<OwnedFd>),
    /// End the thread; sent only when no child lives.
    Quit,
}

/// A child to be watched.
#[derive(Debug)]
pub struct Watch {
    /// Which start of the process it is.
    pub generation: Gen,
    /// Its handle.
    pub pidfd: Arc<OwnedFd>,
    /// The pump reads its streams: its end is told by way of the pump, so that what it wrote is in
    /// its log before anyone hears of it.
    pub pumped: bool,
}

/// A way to a runner.
#[derive(Debug)]
pub struct Runner {
    orders: Orders,
}

/// Where runners and makers report to.
pub struct Links {
    /// The coordinator.
    pub inbox: Mailbox,
    /// The pump.
    pub pump: PumpHandle,
}

/// A child is a zombie: passes that on. By way of the pump where it reads the child's streams.
pub fn tell_end(
    inbox: &Mailbox,
    pump: &PumpHandle,
    (id, generation): (ProcId, Gen),
    status: ExitStatus,
    pumped: bool,
) {
    if pumped {
        pump.send(PumpMsg::Exited { id, generation, status });
    } else {
        // Before the coordinator hears of it, which may order the next child at once: the pump is to see
        // the end of one before the beginning of the other. It wakes the pump, too.
        pump.send_along(PumpMsg::Gone { id, generation });
        // The coordinator outlives its runners; at the very end nobody needs to know.
        let _ = inbox.send(Msg::Exited { id, generation, status });
    }
}

/// Stack of a runner. With so little glibc keeps the stacks of a thousand of them for those to come, in
/// place of unmapping them one by one.
const STACK: usize = 32 * 1024;

impl Runner {
    /// Starts the thread with the child that it is to watch first.
    ///
    /// # Errors
    /// EAGAIN or ENOMEM when the system has no thread to give; the child is not watched then.
    pub fn start(
        id: ProcId,
        first: Watch,
        links: Arc<Links>,
        family: Option<Arc<Family>>,
    ) -> io::Result<Runner> {
        let orders = Orders::default();
        let life = Life { id, links, family, queue: orders.clone() };
        let mut first = Some(first);
        thread::start(c"runner", STACK, move || {
            if let Some(first) = first.take() {
                life.run(first);
            }
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

    /// Queues an order. A runner ends only after [`Command::Quit`] or [`Command::Inherit`], so none is
    /// lost.
    pub fn order(&self, command: Command) {
        self.orders.give(command);
    }
}

struct Life {
    id: ProcId,
    links: Arc<Links>,
    family: Option<Arc<Family>>,
    queue: Orders,
}

impl Life {
    fn run(&self, first: Watch) {
        let mut watch = first;
        loop {
            // Both fail only where somebody else reaped our child; then nothing is known of its end.
            let waited = pidfd::wait_exit(&*watch.pidfd);
            self.tell_end(waited, watch);
            watch = match self.queue.take() {
                Command::Watch(next) => next,
                Command::Inherit(pid, pidfd) => return self.inherit(pid, &*pidfd),
                Command::Quit => return,
            };
        }
    }

    // Not inlined, like the next: their frames are not to be there while the child lives.
    #[inline(never)]
    fn tell_end(&self, waited: io::Result<()>, watch: Watch) {
        let Watch { generation, pidfd, pumped } = watch;
        let status = ended(waited, &*pidfd);
        // Before it is told: the coordinator's is the last then.
        drop(pidfd);
        let Links { inbox, pump } = &*self.links;
        tell_end(inbox, pump, (self.id, generation), status, pumped);
    }

    #[inline(never)]
    fn inherit(&self, pid: i32, child: impl AsFd) {
        // Fails only where somebody else has reaped it.
        let _ = pidfd::wait_exit(&child);
        let stranger = |pid, status| {
            let _ = self.links.inbox.send(Msg::Stranger { pid, status });
        };
        reap(self.family.as_deref(), pid, &child, stranger);
    }
}

/// How a child ended, as far as that can be told.
fn ended(waited: io::Result<()>, child: impl AsFd) -> ExitStatus {
    let unknown = ExitStatus::Signal { signal: 0, core: false };
    waited.and_then(|()| wait::peek(child)).unwrap_or(unknown)
}

/// Takes a zombie away, and strangers that were hidden behind it. Does not block.
pub fn reap(
    family: Option<&Family>,
    pid: i32,
    child: impl AsFd,
    stranger: impl FnMut(i32, ExitStatus),
) {
    // Nothing is left to do where somebody else has been quicker.
    let take = || drop(wait::reap(&child));
    match family {
        Some(family) => family.death(pid, take, stranger),
        None => take(),
    }
}
