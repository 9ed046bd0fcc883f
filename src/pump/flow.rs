//! One output stream of a child: reads its pipe and hands the bytes on.
//!
//! Runs on the pump's thread. Owns the read end of the pipe and what is between two reads.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::capture::{Capture, Part};
use super::gather::Gather;
use super::hand::{Done, Job};
use super::outlets::{Outlets, Token};
use super::strip_ansi::Stripper;
use super::timers::Timer;
use super::wake::Stats;
use super::{Stream, StreamPlan, pyrepr};
use crate::config::model::Level;
use crate::coordinator::inbox::{Gen, Msg, ProcId};
use crate::sys::clock::Mono;
use crate::sys::epoll::{Interest, held_bytes};

/// Reads per turn: others get theirs too.
pub(super) const READS: usize = 8;
/// A read that gave less found the pipe nearly empty.
pub(super) const SHORT: usize = 16 << 10;
/// How often a pipe is looked at that cannot be watched.
pub(super) const BLIND: Duration = Duration::from_millis(500);
/// What a pipe holds where that cannot be told.
const CAPACITY: usize = 64 << 10;
/// What a pipe holds that is always full. More would not fit into a processor's own cache.
const WIDE: i32 = 256 << 10;

/// Result of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Bytes read; the pipe is still open.
    Got(usize),
    /// All writers are gone and everything has been read.
    Eof,
}

/// See the module head.
#[derive(Debug)]
pub(super) struct Flow {
    pub token: Token,
    pub id: ProcId,
    pub generation: Gen,
    pub plan: Arc<StreamPlan>,
    pub sink: Option<Token>,
    pub gather: Gather,
    /// Not read before this time.
    pub pause_until: Option<Mono>,
    /// Its sink is slow.
    pub held_by_sink: bool,
    /// A listener that is not listened to any more.
    pub muted: bool,
    /// The coordinator has enough to do.
    pub held_by_inbox: bool,
    /// Its turn is with whoever does it, see [`super::hand`].
    pub lent: bool,
    fd: Arc<OwnedFd>,
    /// Stands in the epoll set.
    watched: bool,
    /// It cannot be watched, which has been said.
    blind: bool,
    strip: Option<Stripper>,
    capture: Option<Capture>,
}

/// Makes a descriptor non-blocking if it is not. Only for our ends of pipes: nobody shares them.
pub(super) fn unblock(fd: &OwnedFd) {
    if let Ok(bits) = fcntl(fd, FcntlArg::F_GETFL) {
        let flags = OFlag::from_bits_retain(bits);
        if !flags.contains(OFlag::O_NONBLOCK) {
            let _ = fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK));
        }
    }
}

impl Flow {
    /// Takes over a stream and its log file.
    pub fn new(id: ProcId, generation: Gen, stream: Stream, out: &mut Outlets) -> Flow {
        let Stream { fd, plan, file } = stream;
        unblock(&fd);
        let sink = plan.path.as_ref().map(|path| {
            let label = format!("{} {}", pyrepr::text(&plan.name), plan.channel.name());
            out.acquire(path, label, file)
        });
        let capacity =
            fcntl(&fd, FcntlArg::F_GETPIPE_SZ).ok().and_then(|n| usize::try_from(n).ok());
        let limit = usize::try_from(plan.capture_maxbytes).unwrap_or(0);
        Flow {
            token: out.token(),
            id,
            generation,
            sink,
            gather: Gather::new(capacity.unwrap_or(CAPACITY)),
            pause_until: None,
            held_by_sink: false,
            held_by_inbox: false,
            lent: false,
            muted: false,
            fd: Arc::new(fd),
            watched: false,
            blind: false,
            strip: plan.strip_ansi.then(Stripper::default),
            // A listener's output is its protocol.
            capture: (limit > 0 && !plan.listener).then(|| Capture::new(limit)),
            plan,
        }
    }

    /// Its bytes go to the coordinator, too.
    pub fn feeds_inbox(&self) -> bool {
        self.plan.listener && !self.muted || self.plan.events_enabled || self.capture.is_some()
    }

    /// Nobody waits for what it says: a listener's next event waits for the result of the one before.
    pub fn may_wait(&self) -> bool {
        !self.plan.listener || self.muted
    }

    /// Makes the epoll set agree with what the stream waits for.
    pub fn settle(&mut self, out: &mut Outlets) {
        // Left alone means out of the set, not only without interest: as long as it stands there,
        // each write of the child runs through epoll, for nothing.
        let want = !(self.held_by_sink || self.held_by_inbox || self.pause_until.is_some());
        if want == self.watched {
            return;
        }
        let done = if want {
            out.epoll.add(&self.fd, self.token, Interest::Read)
        } else {
            out.epoll.remove(&self.fd);
            Ok(())
        };
        match done {
            Ok(()) => (self.watched, self.blind) = (want, false),
            // No room in the epoll set: it is read by the clock until there is.
            Err(e) => {
                if !std::mem::replace(&mut self.blind, true) {
                    let (name, channel) = (pyrepr::text(&self.plan.name), self.channel());
                    let text = format!(
                        "{name} {channel}: cannot watch the pipe, reading it every {BLIND:?}: {e}"
                    );
                    out.log(Level::Error, &text);
                }
                let at = out.now.after(BLIND);
                self.pause_until = Some(at);
                out.timers.set(at, Timer::Flow(self.token));
            }
        }
    }

    /// Makes the pipe larger; false when the kernel does not want that.
    pub fn widen(&mut self) -> bool {
        let Ok(size) = fcntl(&self.fd, FcntlArg::F_SETPIPE_SZ(WIDE)) else { return false };
        self.gather = Gather::new(usize::try_from(size).unwrap_or(CAPACITY));
        true
    }

    /// Back to the usual size. Where it holds more than that it stays as it is: memory is taken by
    /// what is in it, not by its size.
    pub fn narrow(&mut self) {
        if fcntl(&self.fd, FcntlArg::F_SETPIPE_SZ(CAPACITY as i32)).is_ok() {
            self.gather = Gather::new(CAPACITY);
        }
    }

    /// Its next turn as a job that anyone can do, for a stream that is busy and goes to a log of its
    /// own and nowhere else.
    pub fn job(&self, out: &Outlets) -> Option<Job> {
        let plan = &self.plan;
        let elsewhere = plan.syslog || plan.listener || self.feeds_inbox() || out.debugging();
        let waits = self.held_by_sink || self.held_by_inbox;
        if waits || elsewhere || self.strip.is_some() || !self.gather.fills_up() {
            return None;
        }
        let (log, at, room) = out.lend(self.sink?, plan)?;
        Some(Job { token: self.token, pipe: self.fd.clone(), log, at, room })
    }

    /// Sees to the rest of what a job has begun.
    pub fn finish_job(&mut self, done: &Done, out: &mut Outlets) -> Turn {
        Stats::add(&out.shared.stats.bytes_read, done.read);
        Stats::add(&out.shared.stats.bytes_logged, done.read.saturating_sub(done.rest.len()));
        if let Some(sink) = self.sink.filter(|_| done.read > 0) {
            self.held_by_sink |= out.write(sink, &done.rest, &self.plan, self.token);
        }
        if done.eof { Turn::Eof } else { Turn::Got(done.read) }
    }

    fn channel(&self) -> &'static str {
        self.plan.channel.name()
    }

    /// Reads what is there, within the limits of one turn.
    pub fn turn(&mut self, buf: &mut [u8], out: &mut Outlets) -> Turn {
        let mut got = 0;
        for _ in 0..READS {
            match self.read(buf, out) {
                Some(0) => return Turn::Eof,
                Some(n) => {
                    got += n;
                    if n < SHORT || self.held_by_sink {
                        break;
                    }
                }
                None => break,
            }
        }
        Turn::Got(got)
    }

    /// Reads what the pipe holds at this moment and at most one buffer more, whatever its writers
    /// go on writing, and lets go of what was kept back.
    pub fn drain(&mut self, buf: &mut [u8], out: &mut Outlets) -> Turn {
        let mut left = held_bytes(&self.fd);
        let mut got = 0;
        let result = loop {
            match self.read(buf, out) {
                Some(0) => break Turn::Eof,
                Some(n) => {
                    got += n;
                    // One read after the last byte finds the end of the stream.
                    if left == 0 {
                        break Turn::Got(got);
                    }
                    left = left.saturating_sub(n);
                }
                None => break Turn::Got(got),
            }
        };
        self.let_go(out);
        result
    }

    /// Some(0): end of the stream. None: nothing to read now.
    fn read(&mut self, buf: &mut [u8], out: &mut Outlets) -> Option<usize> {
        loop {
            match nix::unistd::read(&self.fd, buf) {
                Ok(n) => {
                    let data = buf.get(..n).unwrap_or_default();
                    Stats::add(&out.shared.stats.bytes_read, n);
                    self.deliver(data, out);
                    return Some(n);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return None,
                // Nothing more can come from it.
                Err(_) => return Some(0),
            }
        }
    }

    fn deliver(&mut self, data: &[u8], out: &mut Outlets) {
        if data.is_empty() {
        } else if self.plan.listener {
            self.listener_output(data, out);
        } else if let Some(mut capture) = self.capture.take() {
            capture.feed(data, |capture, part| self.part(capture, part, out));
            self.capture = Some(capture);
        } else {
            self.text(data, None, out);
        }
    }

    /// The order is the reference's: debug log, log file, protocol.
    fn listener_output(&mut self, data: &[u8], out: &mut Outlets) {
        if out.debugging() {
            self.debug(&pyrepr::bytes(data), out);
        }
        let mut text = std::mem::take(&mut out.scratch);
        let shown = stripped(&mut self.strip, data, &mut text);
        if let Some(sink) = self.sink.filter(|_| !shown.is_empty()) {
            self.held_by_sink |= out.write(sink, shown, &self.plan, self.token);
        }
        out.scratch = text;
        if self.muted {
            return;
        }
        let (id, generation) = (self.id, self.generation);
        out.send_counted(data.len(), Msg::ListenerOutput { id, generation, data: data.to_vec() });
        out.answer_due = true;
    }

    fn part(&mut self, capture: &mut Capture, part: Part<'_>, out: &mut Outlets) {
        match part {
            Part::Text(data) => self.text(data, None, out),
            Part::Inside(data) => self.text(data, Some(capture), out),
            Part::Begin => self.end_of_text(None, out),
            Part::End => {
                self.end_of_text(Some(capture), out);
                let data = capture.take();
                let (id, generation, channel) = (self.id, self.generation, self.plan.channel);
                out.send_counted(data.len(), Msg::CommOutput { id, generation, channel, data });
                if out.debugging() {
                    let name = pyrepr::text(&self.plan.name);
                    let text = format!("{name} {} emitted a comm event", self.channel());
                    out.log(Level::Debug, &text);
                }
            }
        }
    }

    /// Log text, or bytes of a block: both are copied to the debug log and to PROCESS_LOG events, as
    /// in the reference, and only then differ.
    fn text(&mut self, data: &[u8], block: Option<&mut Capture>, out: &mut Outlets) {
        let mut text = std::mem::take(&mut out.scratch);
        let shown = stripped(&mut self.strip, data, &mut text);
        self.hand_on(shown, block, out);
        out.scratch = text;
    }

    fn hand_on(&mut self, data: &[u8], block: Option<&mut Capture>, out: &mut Outlets) {
        if data.is_empty() {
            return;
        }
        match block {
            Some(capture) => capture.keep(data),
            None => {
                if let Some(sink) = self.sink {
                    self.held_by_sink |= out.write(sink, data, &self.plan, self.token);
                }
                if self.plan.syslog {
                    out.syslog(&self.plan.name, data);
                }
            }
        }
        if out.debugging() {
            self.debug(&pyrepr::decoded(data), out);
        }
        if self.plan.events_enabled {
            let (id, generation, channel) = (self.id, self.generation, self.plan.channel);
            let data = data.to_vec();
            out.send_counted(data.len(), Msg::LogOutput { id, generation, channel, data });
        }
    }

    fn debug(&self, output: &str, out: &mut Outlets) {
        let name = pyrepr::text(&self.plan.name);
        out.log(Level::Debug, &format!("{name} {} output:\n{output}", self.channel()));
    }

    /// Log text or a block ends: an escape sequence does not reach over that.
    fn end_of_text(&mut self, block: Option<&mut Capture>, out: &mut Outlets) {
        let mut rest = Vec::new();
        if let Some(strip) = &mut self.strip {
            strip.finish(&mut rest);
        }
        self.hand_on(&rest, block, out);
    }

    /// Hands on what was kept back for its continuation.
    fn let_go(&mut self, out: &mut Outlets) {
        match self.capture.take() {
            Some(mut capture) => {
                capture.finish(|capture, part| self.part(capture, part, out));
                let inside = capture.is_inside();
                self.end_of_text(inside.then_some(&mut capture), out);
                self.capture = Some(capture);
            }
            None => self.end_of_text(None, out),
        }
    }

    /// Forgets a block that is being collected.
    pub fn clear_capture(&mut self) {
        if let Some(capture) = &mut self.capture {
            capture.clear();
        }
    }

    /// The stream has ended: lets go of everything, the log file too.
    pub fn close(mut self, out: &mut Outlets) {
        self.let_go(out);
        if self.watched {
            out.epoll.remove(&self.fd);
        }
        if let Some(sink) = self.sink {
            out.release(sink);
        }
    }
}

/// The piece without escape sequences; `buf` is used only if there is something to take out.
fn stripped<'a>(strip: &mut Option<Stripper>, piece: &'a [u8], buf: &'a mut Vec<u8>) -> &'a [u8] {
    match strip {
        Some(strip) => {
            buf.clear();
            strip.feed(piece, buf);
            buf
        }
        None => piece,
    }
}
