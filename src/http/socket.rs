//! A connected, non-blocking socket with deadlines.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, Shutdown, recv, send, shutdown};

use crate::sys::clock::Mono;
use crate::sys::fds::EventFd;
use crate::sys::table;

/// The client is gone, or takes nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Woken {
    Ready,
    /// The server is shutting down.
    Stop,
    TimedOut,
}

/// A connected socket. Shared with the accept thread, which may cut it.
pub(super) struct Socket {
    fd: OwnedFd,
    /// Since when the client is waited for in the middle of an answer, in nanoseconds of the monotonic
    /// clock; 0 while it is not.
    waits: AtomicU64,
}

impl Socket {
    /// `fd` must be non-blocking.
    pub fn new(fd: OwnedFd) -> Socket {
        Socket { fd, waits: AtomicU64::new(0) }
    }

    /// The same socket under the lowest number that is free for it, if that is lower.
    pub fn lowered(self) -> Socket {
        table::lower(&self.fd).map_or(self, Socket::new)
    }

    /// Since when the client is waited for in the middle of an answer: it takes nothing, or there is
    /// nothing new for it.
    pub fn waits_since(&self) -> u64 {
        self.waits.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub fn pretend_to_wait(&self, since: u64) {
        self.waits.store(since, Ordering::Relaxed);
    }

    /// Waits as [`wait`], and lets that be known.
    pub fn wait_known(&self, fds: &mut [PollFd<'_>], deadline: Option<Mono>) -> Vec<usize> {
        self.waits.store(Mono::now().0.max(1), Ordering::Relaxed);
        let ready = wait(fds, deadline);
        self.waits.store(0, Ordering::Relaxed);
        ready
    }

    /// Reads what is there; 0 is the end of the stream, `None` that nothing is there.
    pub fn recv(&self, buf: &mut [u8]) -> Result<Option<usize>, Gone> {
        loop {
            match recv(self.fd.as_raw_fd(), buf, MsgFlags::MSG_DONTWAIT) {
                Ok(n) => return Ok(Some(n)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(None),
                Err(_) => return Err(Gone),
            }
        }
    }

    /// Waits until there is something to read (the end counts), the server stops, or `deadline`.
    pub fn readable(&self, stop: Option<&EventFd>, deadline: Mono) -> Woken {
        let flags = PollFlags::POLLIN;
        let socket = PollFd::new(self.fd.as_fd(), flags);
        let ready = match stop {
            None => wait(&mut [socket], Some(deadline)),
            Some(stop) => {
                wait(&mut [PollFd::new(stop.as_fd(), PollFlags::POLLIN), socket], Some(deadline))
            }
        };
        match (ready.first(), stop) {
            (None, _) => Woken::TimedOut,
            (Some(0), Some(_)) => Woken::Stop,
            _ => Woken::Ready,
        }
    }

    /// Writes all; gives up when the client takes nothing for as long as `stall`.
    pub fn send_all(&self, mut data: &[u8], stall: Duration) -> Result<(), Gone> {
        while !data.is_empty() {
            match send(self.fd.as_raw_fd(), data, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT) {
                Ok(n) => data = data.get(n..).unwrap_or_default(),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLOUT)];
                    let until = Some(Mono::now().after(stall));
                    if self.wait_known(&mut fds, until).is_empty() {
                        return Err(Gone);
                    }
                }
                Err(_) => return Err(Gone),
            }
        }
        Ok(())
    }

    /// Tells the client that nothing more will come.
    pub fn end(&self) {
        // it may be gone already, which is as good
        let _ = shutdown(self.fd.as_raw_fd(), Shutdown::Write);
    }

    /// Ends the connection under the feet of the thread that serves it: its next read is the end.
    pub fn cut(&self) {
        let _ = shutdown(self.fd.as_raw_fd(), Shutdown::Both);
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Polls until one of `fds` has an event; gives the positions of those that do, none at the
/// deadline. Errors and hang-ups are events: the read or write that follows tells.
pub(super) fn wait(fds: &mut [PollFd<'_>], deadline: Option<Mono>) -> Vec<usize> {
    loop {
        let timeout = match deadline {
            None => PollTimeout::NONE,
            Some(at) => {
                let left = at.since(Mono::now());
                // rounded up, lest the last millisecond is spent spinning
                let ms = left.as_micros().div_ceil(1000).min(i32::MAX as u128);
                PollTimeout::try_from(ms).unwrap_or(PollTimeout::MAX)
            }
        };
        match poll(fds, timeout) {
            Ok(0) if deadline.is_none_or(|at| at > Mono::now()) => {}
            Ok(0) => return Vec::new(),
            Ok(_) => break,
            // ENOMEM is all that remains: as good as a time-out, the caller tries again or ends
            Err(Errno::EINTR) => {}
            Err(_) => return Vec::new(),
        }
    }
    let has_event = |f: &PollFd<'_>| f.revents().is_none_or(|r| !r.is_empty());
    fds.iter().enumerate().filter(|(_, f)| has_event(f)).map(|(i, _)| i).collect()
}
