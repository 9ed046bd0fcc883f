//! The write end of a child's standard input.
//!
//! Runs on the pump's thread. What the pipe does not take is kept and written when it has room.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use nix::errno::Errno;

use super::flow::{BLIND, unblock};
use super::outlets::{Outlets, Token};
use super::timers::Timer;
use crate::sys::epoll::Interest;

/// More than this is not kept for a child that does not read: a client could fill our memory.
const LIMIT: usize = 64 << 20;

/// See the module head.
#[derive(Debug)]
pub(super) struct Stdin {
    fd: OwnedFd,
    token: Token,
    waiting: VecDeque<u8>,
    watched: bool,
    /// It has been said that no more is kept.
    full_told: bool,
}

/// The child has closed its end (EPIPE), or does not read at all.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Nothing can be written any more.
    Closed,
    /// Far too much is waiting; nothing was added.
    Full {
        /// Since it was empty.
        first: bool,
        /// Bytes that wait.
        waiting: usize,
    },
}

impl Stdin {
    /// Takes over the write end.
    pub fn new(fd: OwnedFd, token: Token) -> Stdin {
        unblock(&fd);
        Stdin { fd, token, waiting: VecDeque::new(), watched: false, full_told: false }
    }

    /// Adds bytes and writes as much as the pipe takes.
    pub fn write(&mut self, data: &[u8], out: &mut Outlets) -> Result<(), Refused> {
        let full = self.waiting.len() + data.len() > LIMIT;
        if full || self.waiting.try_reserve(data.len()).is_err() {
            let told = std::mem::replace(&mut self.full_told, true);
            return Err(Refused::Full { first: !told, waiting: self.waiting.len() });
        }
        self.waiting.extend(data);
        self.flush(out)
    }

    /// Writes what is waiting.
    pub fn flush(&mut self, out: &mut Outlets) -> Result<(), Refused> {
        while !self.waiting.is_empty() {
            match nix::unistd::write(&self.fd, self.waiting.as_slices().0) {
                Ok(n) => drop(self.waiting.drain(..n.min(self.waiting.len()))),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                // EPIPE; any other error is as final for a pipe.
                Err(_) => return Err(Refused::Closed),
            }
        }
        match (self.waiting.is_empty(), self.watched) {
            (false, false) => {
                self.watched = out.epoll.add(&self.fd, self.token, Interest::Write).is_ok();
                if !self.watched {
                    // No room in the epoll set: it is tried by the clock.
                    out.timers.set(out.now.after(BLIND), Timer::Input(self.token));
                }
            }
            (true, true) => {
                out.epoll.remove(&self.fd);
                self.watched = false;
                self.waiting = VecDeque::new();
                self.full_told = false;
            }
            _ => {}
        }
        Ok(())
    }

    /// Closes the pipe.
    pub fn close(self, out: &mut Outlets) {
        if self.watched {
            out.epoll.remove(&self.fd);
        }
    }
}
