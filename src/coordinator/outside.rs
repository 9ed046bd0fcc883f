//! What the coordinator reaches besides its channels: clocks, signals, threads. None of it blocks.
//!
//! A trait, so that a test can take the place of clock and kernel and drive the coordinator through
//! millions of events (`super::model`).

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::inbox::{Msg, Order, ProcId};
use crate::machine::ExitStatus;
use crate::runner::maker::{Hanging, Relieved, Tools};
use crate::runner::orphans::Family;
use crate::runner::{Links, Make, Makers, Runner, Watch, thread};
use crate::sys::clock::{self, Mono};
use crate::sys::places::Places;
use crate::sys::{pidfd, wait};

/// See the module head.
pub trait Outside {
    /// The clock of all deadlines.
    fn mono(&self) -> Mono;

    /// The clock on the wall: seconds since 1970 and microseconds.
    fn wall(&self) -> (i64, u32);

    /// Sends a signal to a child by its pidfd.
    ///
    /// # Errors
    /// ESRCH when it has been reaped, EPERM, EINVAL.
    fn signal(&self, child: &OwnedFd, signal: i32) -> io::Result<()>;

    /// Sends a signal to a process group, whose leader must not have been reaped, or of which it was
    /// known a moment ago that it has members.
    ///
    /// # Errors
    /// ESRCH, EPERM, EINVAL.
    fn signal_group(&self, leader: i32, signal: i32) -> io::Result<()>;

    /// Whether a process group has members.
    fn group_lives(&self, leader: i32) -> bool;

    /// Orders a child. Those ordered before it are made before it.
    ///
    /// # Errors
    /// Nobody is there to make it, and the system has no thread to give.
    fn make(&self, make: Make) -> io::Result<()>;

    /// A child takes too long to be made: others are made by another thread.
    ///
    /// # Errors
    /// The system has no thread to give.
    fn relieve(&self, order: Order) -> io::Result<Relieved>;

    /// The child of such an order, once it has been born. Its maker does not tell of it then.
    fn hanging(&self, order: Order) -> Option<Hanging>;

    /// Gives such an order up before its child has been born; false when that is too late.
    fn give_up(&self, order: Order) -> bool;

    /// Makes the runner of a process, with a child to watch.
    ///
    /// # Errors
    /// The system has no thread to give.
    fn runner(&self, id: ProcId, first: Watch) -> io::Result<Runner>;

    /// How a child ended, if it has.
    fn ended(&self, child: &OwnedFd) -> Option<ExitStatus>;

    /// Takes the zombie of a child away.
    fn reap(&self, pid: i32, child: &OwnedFd);

    /// Does something that takes time on a thread of its own.
    ///
    /// # Errors
    /// The system has no thread to give.
    fn apart(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()>;
}

/// The real one.
pub struct System {
    links: Arc<Links>,
    family: Option<Arc<Family>>,
    makers: Makers,
}

impl System {
    /// With the ways back to the coordinator and what children need.
    pub fn new(links: Links, family: Option<Arc<Family>>, places: Option<Arc<Places>>) -> System {
        let links = Arc::new(links);
        let tools =
            Tools { links: links.clone(), family: family.clone(), places, groups: Arc::default() };
        System { links, family, makers: Makers::new(tools) }
    }
}

impl Outside for System {
    fn mono(&self) -> Mono {
        Mono::now()
    }

    fn wall(&self) -> (i64, u32) {
        clock::wall()
    }

    fn signal(&self, child: &OwnedFd, signal: i32) -> io::Result<()> {
        pidfd::send_signal(child, signal)
    }

    fn signal_group(&self, leader: i32, signal: i32) -> io::Result<()> {
        pidfd::signal_group(leader, signal)
    }

    fn group_lives(&self, leader: i32) -> bool {
        pidfd::group_has_members(leader)
    }

    fn make(&self, make: Make) -> io::Result<()> {
        self.makers.order(make)
    }

    fn relieve(&self, order: Order) -> io::Result<Relieved> {
        self.makers.relieve(order)
    }

    fn hanging(&self, order: Order) -> Option<Hanging> {
        self.makers.hanging(order)
    }

    fn give_up(&self, order: Order) -> bool {
        self.makers.give_up(order)
    }

    fn runner(&self, id: ProcId, first: Watch) -> io::Result<Runner> {
        Runner::start(id, first, self.links.clone(), self.family.clone())
    }

    fn ended(&self, child: &OwnedFd) -> Option<ExitStatus> {
        wait::ended(child)
    }

    fn reap(&self, pid: i32, child: &OwnedFd) {
        thread::reap(self.family.as_deref(), pid, child, |pid, status| {
            let _ = self.links.inbox.send(Msg::Stranger { pid, status });
        });
    }

    fn apart(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
    }
}
