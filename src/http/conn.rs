//! One connection: reads requests, has them answered, writes answers.
//!
//! Runs on a thread of its own with a small stack, or on the reserve ([`super::reserve`]); owns the bytes read ahead. May touch the backend
//! and nothing else of the daemon.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::auth::Credentials;
use super::body::{BadChunk, Decoder};
use super::crowd::{Crowd, Seat};
use super::guard::Guard;
use super::head::{Refusal, end_of_head, parse};
use super::request::{Framing, Peer, Request, Version};
use super::response::{Persistence, Response};
use super::route::{self, Answer};
use super::socket::{Gone, Socket, Woken};
use super::{Backend, Limits};
use crate::config::model::Level;
use crate::sys::clock::{self, Mono};
use crate::sys::fds::EventFd;

/// What all connections of a listener share.
pub(super) struct Context {
    pub backend: Arc<dyn Backend>,
    pub limits: Limits,
    /// Readable for ever once the server stops; nobody drains it.
    pub stop: Arc<EventFd>,
    pub credentials: Option<Credentials>,
    pub guard: Guard,
    pub crowd: Arc<Crowd>,
    /// Held while a request is served that was sent before the answer to the one before.
    pub turn: Mutex<()>,
    /// A refusal by the guard has been logged.
    pub refusal_told: AtomicBool,
}

/// Why a request is not served.
enum Halt {
    /// Nobody is there to answer to.
    Gone,
    /// The status to say before closing.
    Refuse(u16),
}

impl From<Gone> for Halt {
    fn from(_: Gone) -> Halt {
        Halt::Gone
    }
}
impl From<Refusal> for Halt {
    fn from(r: Refusal) -> Halt {
        Halt::Refuse(r.0)
    }
}

/// What comes after an answer.
enum Then {
    Again,
    End,
    /// The answer has said so, or was unusual: the client is given a moment to close first.
    Linger {
        /// What it still sends is thrown away; otherwise it ends the wait.
        discard: bool,
    },
}

/// By when what must have come, of a connection that others wait for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Haste {
    /// The first byte.
    pub first: Mono,
    /// The whole request.
    pub whole: Mono,
}

/// A connection being served.
pub(super) struct Conn {
    ctx: Arc<Context>,
    socket: Arc<Socket>,
    seat: Arc<Seat>,
    peer: Peer,
    input: Vec<u8>,
    served: bool,
    /// What comes is no request of ours any more.
    ended: bool,
    /// Others wait: it gets one answer, which must not be a stream.
    haste: Option<Haste>,
}

impl Conn {
    pub fn new(ctx: Arc<Context>, socket: Arc<Socket>, seat: Arc<Seat>, peer: Peer) -> Conn {
        let (served, ended) = (false, false);
        Conn { ctx, socket, seat, peer, input: Vec::new(), served, ended, haste: None }
    }

    /// Others wait for this connection's end.
    pub fn in_haste(self, haste: Haste) -> Conn {
        Conn { haste: Some(haste), ..self }
    }

    /// Serves until the client or the server ends it.
    pub fn run(mut self) {
        loop {
            match self.turn() {
                Ok(Then::Again) => {}
                Ok(Then::End) | Err(Halt::Gone) => return,
                Ok(Then::Linger { discard }) => return self.linger(discard),
                Err(Halt::Refuse(status)) => {
                    // only what is too large or comes too late might be of use to an honest client
                    self.ended = !matches!(status, 408 | 413);
                    // why it was refused may be that there is no request to speak of
                    let answer = Response::error(status);
                    let sent =
                        self.send(&answer, Version::Http11, Persistence::AnnouncedClose, true);
                    self.log_access("-", status, sent.unwrap_or(0));
                    self.socket.end();
                    return self.linger(true);
                }
            }
        }
    }

    fn turn(&mut self) -> Result<Then, Halt> {
        self.ctx.crowd.hold(&self.seat, 0);
        // sent without waiting for the answer before
        let ahead = self.served && !self.input.is_empty();
        let Some(head) = self.read_head()? else { return Ok(Then::End) };
        self.seat.busy();
        let mut request = parse(&head, self.peer, &self.ctx.limits)?;
        let open = self.ctx.guard.opens(&request);
        if !open
            && let Some(credentials) = &self.ctx.credentials
            && let Some(refusal) = credentials.refusal(request.header("authorization"))
        {
            return self.dismiss(&request, &refusal);
        }
        if !open && let Some(refusal) = self.ctx.guard.refusal(&request) {
            self.tell_of_refusal(&request);
            return self.dismiss(&request, &refusal);
        }
        let wants_length = request.method == "POST" && route::is_rpc(&request);
        if wants_length && request.framing == Framing::None {
            self.served = true;
            return self.page(&request, &Response::error(411));
        }
        request.body = self.read_body(&request)?;
        self.served = true;
        let answer = if ahead { self.answer_in_turn(&request) } else { self.answer(&request) };
        match answer {
            Answer::Tail(_) | Answer::Events(_) if self.haste.is_some() => {
                self.page(&request, &Response::error(503))
            }
            Answer::Page(response) => self.page(&request, &response),
            Answer::Tail(tail) => {
                let ctx = &self.ctx;
                let sent = tail.stream(&request, &self.socket, &ctx.stop, ctx.limits.stall);
                self.log_access(&request.line(), 200, sent);
                Ok(Then::End)
            }
            Answer::Events(events) => {
                let ctx = &self.ctx;
                let sent = events.stream(&request, &self.socket, &ctx.stop, &ctx.limits);
                self.log_access(&request.line(), 200, sent);
                Ok(Then::End)
            }
        }
    }

    /// Requests that are sent without waiting for answers are served one at a time, of all clients: who
    /// floods us shares one processor with others of his kind.
    fn answer_in_turn(&self, request: &Request) -> Answer {
        self.seat.idle();
        let turn = self.ctx.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.seat.busy();
        let answer = self.answer(request);
        drop(turn);
        answer
    }

    /// A panic behind a request costs that request only.
    fn answer(&self, request: &Request) -> Answer {
        let backend = self.ctx.backend.as_ref();
        let page = || self.ctx.guard.seen(request);
        // whatever the backend may have left half done is its own; here nothing is shared
        catch_unwind(AssertUnwindSafe(|| route::answer(request, page, backend))).unwrap_or_else(
            |_| {
                let text = format!("Server Error: request \"{}\" met a panic", request.line());
                backend.log(Level::Error, &text);
                Answer::Page(Response::error(500))
            },
        )
    }

    /// Sends an answer and decides about the connection.
    fn page(&mut self, request: &Request, response: &Response) -> Result<Then, Halt> {
        let keep = request.keeps_alive();
        let closing = self.haste.is_some() || self.socket_stop();
        let persistence = match (keep, request.version) {
            (true, _) if closing => Persistence::AnnouncedClose,
            (true, Version::Http10) => Persistence::AnnouncedKeep,
            _ => Persistence::Silent,
        };
        // the reference sends its error pages in answer to HEAD, too, and is compared with; since
        // HTTP forbids that, such a connection serves no further request
        let head_only = request.method == "HEAD";
        let with_body = !head_only || response.status >= 400;
        let sent = self.send(response, request.version, persistence, with_body)?;
        self.log_access(&request.line(), response.status, sent);
        match () {
            () if !keep || closing => Ok(Then::End),
            () if head_only && with_body => Ok(Then::Linger { discard: false }),
            () => Ok(Then::Again),
        }
    }

    /// Says why pages are refused, once: it may be a proxy's or a container's name for us, and the
    /// administrator would search long; a hostile site shall not fill the log.
    fn tell_of_refusal(&self, request: &Request) {
        if self.ctx.refusal_told.swap(true, Ordering::Relaxed) {
            return;
        }
        let header = |name| request.header(name).unwrap_or("-").escape_debug().to_string();
        let text = format!(
            "an HTTP request with Host {} and Origin {} was refused: browsers are served under names \
             of this machine, and under others only with a password",
            header("host"),
            header("origin")
        );
        self.ctx.backend.log(Level::Warn, &text);
    }

    /// Answers someone who may not go on. The reference announces the close and leaves it to the
    /// client, so one that would keep the connection gets the time of [`Conn::linger`]; one that asked
    /// for the end, and so may read to it, gets that at once. Whatever else comes is not looked at.
    fn dismiss(&mut self, request: &Request, response: &Response) -> Result<Then, Halt> {
        let close = Persistence::AnnouncedClose;
        let sent = self.send(response, request.version, close, request.method != "HEAD")?;
        self.log_access(&request.line(), response.status, sent);
        if !request.keeps_alive() || self.haste.is_some() {
            self.socket.end();
        }
        Ok(Then::Linger { discard: true })
    }

    /// Writes an answer at once, so that it makes no more packets than it must.
    fn send(
        &self,
        response: &Response,
        version: Version,
        persistence: Persistence,
        with_body: bool,
    ) -> Result<usize, Gone> {
        const ONE_WRITE: usize = 64 * 1024;
        let stall = self.stall();
        let mut bytes = response.head(version, persistence, clock::wall().0);
        let body: &[u8] = if with_body { &response.body } else { &[] };
        let total = bytes.len() + body.len();
        if body.len() <= ONE_WRITE {
            bytes.extend_from_slice(body);
            self.socket.send_all(&bytes, stall)?;
        } else {
            self.ctx.crowd.hold(&self.seat, total);
            self.socket.send_all(&bytes, stall)?;
            self.socket.send_all(body, stall)?;
        }
        Ok(total)
    }

    /// The next head, to its empty line. None when the connection ends between requests.
    fn read_head(&mut self) -> Result<Option<Vec<u8>>, Halt> {
        let limits = &self.ctx.limits;
        let most = limits.head_bytes;
        let patience = if self.served { limits.idle } else { limits.first };
        let idle = self.haste.map_or_else(|| Mono::now().after(patience), |haste| haste.first);
        let mut hurry = None;
        let mut seen = 0;
        if self.input.is_empty() {
            self.seat.idle();
        }
        loop {
            // some clients end a body with an empty line that belongs to nothing
            let blank = self.input.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            if seen == 0 && blank > 0 {
                self.input.drain(..blank);
            }
            match end_of_head(&self.input, seen) {
                Some(end) if end <= most => return Ok(Some(self.input.drain(..end).collect())),
                None if self.input.len() <= most => seen = self.input.len(),
                _ => return Err(Halt::Refuse(431)),
            }
            let until = match self.input.is_empty() {
                true => idle,
                false => *hurry.get_or_insert_with(|| self.within(self.ctx.limits.head)),
            };
            match self.socket.readable(Some(&self.ctx.stop), until) {
                Woken::Stop => return Ok(None),
                Woken::TimedOut if self.input.is_empty() => return Ok(None),
                Woken::TimedOut => return Err(Halt::Refuse(408)),
                Woken::Ready => {}
            }
            if !self.fill()? {
                return if self.input.is_empty() { Ok(None) } else { Err(Halt::Gone) };
            }
        }
    }

    /// Reads ahead what is there; false at the end of the stream.
    fn fill(&mut self) -> Result<bool, Gone> {
        let mut buf = [0; 8192];
        match self.socket.recv(&mut buf)? {
            None => Ok(true),
            Some(0) => Ok(false),
            Some(n) => {
                self.input.extend_from_slice(buf.get(..n).unwrap_or_default());
                Ok(true)
            }
        }
    }

    fn read_body(&mut self, request: &Request) -> Result<Vec<u8>, Halt> {
        let most = self.ctx.limits.body_bytes;
        let deadline = self.within(self.ctx.limits.body);
        let continues =
            request.version == Version::Http11 && request.header_has("expect", "100-continue");
        match request.framing {
            Framing::None => Ok(Vec::new()),
            Framing::Length(n) => {
                let n = usize::try_from(n).ok().filter(|n| *n <= most).ok_or(Halt::Refuse(413))?;
                if continues && self.input.len() < n {
                    self.say_continue()?;
                }
                while self.input.len() < n {
                    self.more(deadline, self.input.len())?;
                }
                let rest = self.input.split_off(n);
                Ok(std::mem::replace(&mut self.input, rest))
            }
            Framing::Chunked => {
                if continues && self.input.is_empty() {
                    self.say_continue()?;
                }
                let mut decoder = Decoder::new(most);
                loop {
                    let taken = decoder.feed(&self.input).map_err(|e| match e {
                        BadChunk::Malformed => Halt::Refuse(400),
                        BadChunk::TooLarge => Halt::Refuse(413),
                    })?;
                    self.input.drain(..taken);
                    if decoder.done() {
                        return Ok(decoder.into_body());
                    }
                    self.more(deadline, decoder.len())?;
                }
            }
        }
    }

    fn say_continue(&self) -> Result<(), Gone> {
        self.socket.send_all(b"HTTP/1.1 100 Continue\r\n\r\n", self.stall())
    }

    /// Waits for more of a body. A stopping server does not cut requests that have begun; but with
    /// all seats taken it is the client that keeps us waiting longest who makes room.
    fn more(&mut self, deadline: Mono, have: usize) -> Result<(), Halt> {
        self.ctx.crowd.hold(&self.seat, have);
        self.seat.idle();
        let woken = self.socket.readable(None, deadline);
        self.seat.busy();
        match woken {
            Woken::Ready if self.fill()? => Ok(()),
            Woken::Ready | Woken::Stop => Err(Halt::Gone),
            Woken::TimedOut => Err(Halt::Refuse(408)),
        }
    }

    /// So long from now, but no longer than others may have to wait.
    fn within(&self, time: Duration) -> Mono {
        let until = Mono::now().after(time);
        self.haste.map_or(until, |haste| until.min(haste.whole))
    }

    fn stall(&self) -> Duration {
        let limits = &self.ctx.limits;
        if self.haste.is_some() { limits.stall.min(limits.haste) } else { limits.stall }
    }

    fn socket_stop(&self) -> bool {
        use std::os::fd::AsFd;
        let flags = nix::poll::PollFlags::POLLIN;
        let mut fds = [nix::poll::PollFd::new(self.ctx.stop.as_fd(), flags)];
        !super::socket::wait(&mut fds, Some(Mono::now())).is_empty()
    }

    /// Leaves the client time to read the answer and to close.
    fn linger(&mut self, discard: bool) {
        self.seat.idle();
        let until = self.within(self.ctx.limits.linger);
        // room for a body that was not read; who sends without end is not listened to
        let body = if self.ended { 0 } else { self.ctx.limits.body_bytes };
        let mut left = body.saturating_add(self.ctx.limits.head_bytes);
        if !discard && !self.input.is_empty() {
            return;
        }
        loop {
            self.input.clear();
            let ready = self.socket.readable(Some(&self.ctx.stop), until) == Woken::Ready;
            let goes_on = ready && self.fill() == Ok(true);
            left = left.saturating_sub(self.input.len());
            if !goes_on || left == 0 || !(discard || self.input.is_empty()) {
                return;
            }
        }
    }

    /// The access line, in the reference's format and at its level.
    fn log_access(&self, line: &str, status: u16, sent: usize) {
        if !self.ctx.backend.logs(Level::Trace) {
            return;
        }
        let peer = match self.peer {
            Peer::Unix => "localhost:0".to_owned(),
            Peer::Inet(address) => format!("{}:{}", address.ip(), address.port()),
        };
        let date = clock::local(clock::wall().0, c"%d/%b/%Y:%H:%M:%S %z");
        let text = format!("{peer} - - [{date}] \"{line}\" {status} {sent}");
        self.ctx.backend.log(Level::Trace, &text);
    }
}
