//! A door for the fuzz targets in `fuzz/`, which are another crate: the room's readers of outside text
//! as plain functions. No part of the daemon calls them, and they promise nothing.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::auth::Credentials;
use super::body::{self, BadChunk, Decoder};
use super::conn::{Conn, Context};
use super::crowd::{Crowd, Whose};
use super::guard::Guard;
use super::head;
use super::page::PageRequest;
use super::request::{Framing, Peer, Request};
use super::socket::Socket;
use super::{Backend, Limits, page};
use crate::config::model::Server;
use crate::sys::fds::EventFd;

/// Where the head ends, having looked at the first `seen` bytes before.
pub fn end_of_head(input: &[u8], seen: usize) -> Option<usize> {
    head::end_of_head(input, seen)
}

/// A whole head, with the default limits.
///
/// # Errors
/// The status of the refusal.
pub fn parse_head(head: &[u8]) -> Result<Request, u16> {
    head::parse(head, Peer::Unix, &Limits::default()).map_err(|refusal| refusal.0)
}

/// How a request's body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    None,
    /// By its length in bytes.
    Length(u64),
    /// By the chunked coding.
    Chunked,
}

/// How the body of a request is delimited.
pub fn framing(request: &Request) -> Body {
    match request.framing {
        Framing::None => Body::None,
        Framing::Length(n) => Body::Length(n),
        Framing::Chunked => Body::Chunked,
    }
}

/// A chunked body that comes in pieces: the body, the bytes taken, and whether it is complete.
///
/// # Errors
/// The status of the refusal.
pub fn dechunk<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    most: usize,
) -> Result<(Vec<u8>, usize, bool), u16> {
    let mut decoder = Decoder::new(most);
    let mut taken = 0;
    for piece in pieces {
        taken += decoder.feed(piece).map_err(|e| match e {
            BadChunk::Malformed => 400u16,
            BadChunk::TooLarge => 413,
        })?;
    }
    let done = decoder.done();
    Ok((decoder.into_body(), taken, done))
}

/// The pieces in the chunked coding, each as a chunk, with the end.
pub fn chunked<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out: Vec<u8> = pieces.filter(|p| !p.is_empty()).flat_map(body::chunk).collect();
    out.extend_from_slice(body::LAST_CHUNK);
    out
}

/// Whether the value of an `Authorization` header gets past a server with this configuration.
pub fn is_admitted(server: &Server, authorization: &str) -> bool {
    Credentials::of(server).is_none_or(|c| c.refusal(Some(authorization)).is_none())
}

/// The fields of the pages' forms: process name, action, message, limit.
pub fn form(request: &PageRequest<'_>) -> [Option<String>; 4] {
    page::fields_of(request)
}

/// All that a client gets who sends `input` in one piece to this server and then ends its half.
///
/// # Errors
/// No sockets are to be had.
pub fn serve(input: &[u8], server: &Server, backend: Arc<dyn Backend>) -> std::io::Result<Vec<u8>> {
    let (mut client, ours) = UnixStream::pair()?;
    client.set_nonblocking(true)?;
    ours.set_nonblocking(true)?;
    client.write_all(input)?;
    client.shutdown(Shutdown::Write)?;
    // nobody reads while this thread serves: what does not fit is a client that takes nothing
    let limits = Limits { stall: Duration::ZERO, ..Limits::default() };
    let crowd = Arc::new(Crowd::default());
    let Ok(ticket) = crowd.enter(Socket::new(OwnedFd::from(ours)), Whose::User(0), 1) else {
        return Ok(Vec::new());
    };
    let socket = Arc::clone(ticket.seat.socket());
    let context = Context {
        backend,
        limits,
        stop: Arc::new(EventFd::new()?),
        credentials: Credentials::of(server),
        guard: Guard::of(server),
        crowd,
        turn: Mutex::default(),
        refusal_told: AtomicBool::new(false),
    };
    let peer = Peer::Inet(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
    Conn::new(Arc::new(context), Arc::clone(&socket), Arc::clone(&ticket.seat), peer).run();
    socket.cut();
    let mut answers = Vec::new();
    client.read_to_end(&mut answers)?;
    Ok(answers)
}
