//! What the coordinator reaches besides its channels: clocks, signals, threads. None of it blocks.
//!
//! A trait, so that a test can take the place of clock and kernel and drive the coordinator through
//! millions of events (`super::model`).

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::runner::thread::Links;
use crate::runner::{Plan, Runner};
use crate::sys::clock::{self, Mono};
use crate::sys::pidfd;

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

    /// Makes the runner of a process.
    ///
    /// # Errors
    /// The system has no thread to give.
    fn runner(&self, plan: &Arc<Plan>) -> io::Result<Runner>;

    /// Does something that takes time on a thread of its own.
    ///
    /// # Errors
    /// The system has no thread to give.
    fn apart(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()>;
}

/// The real one.
pub struct System {
    /// Where runners report to.
    pub links: Links,
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

    fn runner(&self, plan: &Arc<Plan>) -> io::Result<Runner> {
        Runner::start(plan.clone(), self.links.clone())
    }

    fn apart(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
    }
}
