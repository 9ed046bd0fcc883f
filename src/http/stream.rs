//! What answers without an end have in common: how they are sent, and what they wait for.
//!
//! Runs on the connection's thread.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};

use super::body::{LAST_CHUNK, chunk};
use super::request::{Request, Version};
use super::response::{Persistence, Response};
use super::socket::{Gone, Socket};
use crate::sys::clock::{self, Mono};
use crate::sys::fds::EventFd;

/// Sends pieces in the coding of the answer: chunks, or just bytes to a client that knows no
/// chunks or asked for the connection to be closed.
pub(super) struct Sender<'a> {
    pub socket: &'a Socket,
    stall: Duration,
    version: Version,
    chunked: bool,
    sent: usize,
}

impl<'a> Sender<'a> {
    /// For the answer to a request; gives up on a client that takes nothing for as long as `stall`.
    pub fn new(request: &Request, socket: &'a Socket, stall: Duration) -> Sender<'a> {
        let version = request.version;
        let chunked = version == Version::Http11 && !request.header_has("connection", "close");
        Sender { socket, stall, version, chunked, sent: 0 }
    }

    /// The head of the answer.
    pub fn head(&mut self, head: Response) -> Result<(), Gone> {
        let head = if self.chunked { head.with("Transfer-Encoding", "chunked") } else { head };
        self.raw(&head.head(self.version, Persistence::Stream, clock::wall().0))
    }

    /// A piece of its body.
    pub fn data(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        match (bytes, self.chunked) {
            ([], _) => Ok(()),
            (_, true) => self.raw(&chunk(bytes)),
            (_, false) => self.raw(bytes),
        }
    }

    /// The end of its body.
    pub fn end(&mut self) -> Result<(), Gone> {
        if self.chunked { self.raw(LAST_CHUNK) } else { Ok(()) }
    }

    /// Bytes sent so far.
    pub fn sent(&self) -> usize {
        self.sent
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        self.sent += bytes.len();
        self.socket.send_all(bytes, self.stall)
    }
}

/// Waits for the client, the server's end (true), `watch` or the deadline. What the client sends is
/// thrown away: the stream is the last answer on its connection.
pub(super) fn look_up(
    socket: &Socket,
    stop: &EventFd,
    watch: Option<BorrowedFd<'_>>,
    deadline: Option<Mono>,
) -> Result<bool, Gone> {
    loop {
        let mut fds = vec![
            PollFd::new(stop.as_fd(), PollFlags::POLLIN),
            PollFd::new(socket.as_fd(), PollFlags::POLLIN),
        ];
        fds.extend(watch.map(|w| PollFd::new(w, PollFlags::POLLIN)));
        let ready = socket.wait_known(&mut fds, deadline);
        if ready.contains(&0) {
            return Ok(true);
        }
        if ready.contains(&1) {
            match socket.recv(&mut [0; 1024])? {
                Some(0) => return Err(Gone),
                _ if ready.len() == 1 => continue,
                _ => {}
            }
        }
        return Ok(false);
    }
}
