//! One log target: a file with its rotation, a FIFO, a device or inherited standard output.
//!
//! Runs on the pump's thread. Owns the open target and the bytes it has not taken yet; touches the
//! log's folder. A target that fails never stops anything: some bytes are kept, the rest is counted
//! as lost, and it is tried again with growing pauses.

mod renew;
mod rest;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;

use super::resting::Resting;
use super::target::{self, NEW_MODE, Target};
use super::trouble::Trouble;
use super::wake::Stats;
use crate::guarded::errno;
use crate::sys::clock::Mono;

/// Bytes kept for a target that does not take them; more are lost.
const KEEP: usize = 256 << 10;
/// From so many kept bytes on a slow reader makes the children wait, as if they wrote to it.
const SLOW: usize = 64 << 10;
/// A reader that takes nothing for so long is given up: children go on, bytes are lost.
const STALL: Duration = Duration::from_secs(2);
/// First and longest pause between two tries.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Pause after a rotation that could not rename.
const ROTATE_AGAIN: Duration = Duration::from_secs(10);

/// When a log is rotated. Comes with each write, as streams that share a file may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Rotate from so many bytes on; 0 or less: never.
    pub maxbytes: i64,
    /// Rotated files kept; 0: truncate.
    pub backups: u32,
}

/// What a sink needs of its surroundings.
pub(super) struct Ctx<'a> {
    pub now: Mono,
    pub stats: &'a Stats,
    /// Bytes that all sinks together may still keep.
    pub spare: &'a mut usize,
    /// Warnings for the activity log.
    pub notes: &'a mut Vec<String>,
}

/// How the target does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fine,
    /// A new file could not be opened; the old one still has a name and is used on.
    OnOldFile {
        retry: Mono,
    },
    /// Its reader is slow. After `give_up` without progress (`stalled`) nobody waits for it.
    Blocked {
        give_up: Mono,
        stalled: bool,
    },
    /// It failed. `keep`: what comes is kept for later, else (no reader) it is lost at once.
    Failing {
        retry: Mono,
        keep: bool,
    },
}

#[derive(Debug)]
pub(super) struct Sink {
    path: PathBuf,
    /// Whose it is, for warnings: `'web' stdout`.
    label: String,
    target: Option<Target>,
    /// The target was closed, and is opened for the next bytes.
    resting: Option<Resting>,
    /// There was something to write since [`Sink::rest_if_unused`] was called last.
    used: bool,
    /// Watched targets that were replaced: to be taken out of the epoll set, then closed.
    pub retired: Vec<Target>,
    state: State,
    limits: Limits,
    pending: Vec<u8>,
    trouble: Trouble,
    pause: Duration,
    /// A new target is to be opened at the next try.
    stale: bool,
    /// It could not be opened for want of descriptors, which was not told yet.
    starved: bool,
    /// There will not be more descriptors than now.
    last_chance: bool,
    mode: u32,
    rotate_from: Mono,
    rotation_failed: bool,
    /// A failure is not mentioned, only its end: the activity log cannot tell about itself.
    pub mute: bool,
}

impl Sink {
    /// For a path, with a file that was opened already; without one it is opened now, and a failure
    /// is handled like any later one.
    pub fn new(path: PathBuf, label: String, file: Option<Target>, ctx: &mut Ctx<'_>) -> Sink {
        let mut sink = Sink {
            path,
            label,
            target: None,
            resting: None,
            used: false,
            retired: Vec::new(),
            state: State::Fine,
            limits: Limits { maxbytes: 0, backups: 0 },
            pending: Vec::new(),
            trouble: Trouble::default(),
            pause: PAUSE.0,
            stale: false,
            starved: false,
            last_chance: false,
            mode: NEW_MODE,
            rotate_from: Mono(0),
            rotation_failed: false,
            mute: false,
        };
        match file {
            Some(target) => sink.install(target),
            None => match target::open(&sink.path, sink.mode, false) {
                Ok(target) => sink.install(target),
                Err(e) => sink.owe(&e, ctx),
            },
        }
        sink
    }

    /// A stream was started anew and its maker opened the path again. When it is another file by
    /// now (moved by logrotate), everybody goes on there.
    pub fn adopt(&mut self, label: String, file: Option<Target>, ctx: &mut Ctx<'_>) {
        self.label = label;
        let Some(new) = file else { return };
        if self.is_resting() && self.resting.as_ref().is_some_and(|old| old.is(&new)) {
            // One that was made with the number of a deleted one has its own handle.
            self.mode = new.mode_and_linked().0;
            self.resting = Some(Resting::of(&new));
            return;
        }
        if self.target.as_ref().is_none_or(|old| !old.is_same_file(&new)) {
            self.install(new);
            self.flush(true, ctx);
        }
    }

    /// Writes, or keeps, or loses. Rotation is checked after each write, so that a file may exceed
    /// its limit by one write (as in the reference).
    pub fn write(&mut self, data: &[u8], limits: Limits, ctx: &mut Ctx<'_>) {
        self.limits = limits;
        self.used = true;
        if self.retry_time().is_some_and(|t| ctx.now >= t) {
            self.retry(ctx);
        }
        match self.state {
            State::Fine | State::OnOldFile { .. } => self.put(data, ctx),
            State::Blocked { .. } | State::Failing { keep: true, .. } => self.keep(data, ctx),
            State::Failing { keep: false, .. } => self.lose(data.len(), ctx),
        }
    }

    /// The log for someone else to write to, if it is a file that works, where its last write ended,
    /// and how much until it is to be rotated. What comes of it is told by a [`Sink::write`] of what is
    /// left.
    pub fn lend(&self, maxbytes: i64, now: Mono) -> Option<(Arc<File>, u64, u64)> {
        let target = self.target.as_ref().filter(|t| t.is_plain() && self.state == State::Fine)?;
        let limit = u64::try_from(maxbytes).unwrap_or(0);
        let never = limit == 0 || now < self.rotate_from;
        let at = target.position();
        let room = match at {
            _ if never => u64::MAX,
            // Not written to yet: what it holds shows after the first write.
            0 => 0,
            at => limit.saturating_sub(at),
        };
        Some((target.lend(), at, room))
    }

    fn put(&mut self, mut data: &[u8], ctx: &mut Ctx<'_>) {
        if !data.is_empty()
            && let Err(e) = self.wake()
        {
            self.owe(&e, ctx);
            return match self.state {
                State::Failing { keep: true, .. } => self.keep(data, ctx),
                _ => self.lose(data.len(), ctx),
            };
        }
        while !data.is_empty() {
            let Some(target) = &self.target else {
                return self.fail(&io::Error::from(Errno::EBADF), data, ctx);
            };
            match target.write(data) {
                Ok(0) => return self.fail(&io::Error::from(Errno::EIO), data, ctx),
                Ok(n) => {
                    Stats::add(&ctx.stats.bytes_logged, n);
                    data = data.get(n..).unwrap_or_default();
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.state = State::Blocked { give_up: ctx.now.after(STALL), stalled: false };
                    return self.keep(data, ctx);
                }
                Err(e) => return self.fail(&e, data, ctx),
            }
        }
        if self.state == State::Fine {
            self.works(ctx);
            self.rotate_if_due(ctx);
        }
    }

    fn keep(&mut self, data: &[u8], ctx: &mut Ctx<'_>) {
        let room = KEEP.saturating_sub(self.pending.len()).min(*ctx.spare);
        // Without memory there is nothing to keep it in.
        let room = if self.pending.try_reserve(room.min(data.len())).is_ok() { room } else { 0 };
        let (kept, lost) = data.split_at(room.min(data.len()));
        self.pending.extend_from_slice(kept);
        *ctx.spare -= kept.len();
        self.lose(lost.len(), ctx);
    }

    fn lose(&mut self, n: usize, ctx: &mut Ctx<'_>) {
        self.trouble.lose(n);
        Stats::add(&ctx.stats.bytes_lost, n);
    }

    fn take_pending(&mut self, ctx: &mut Ctx<'_>) -> Vec<u8> {
        *ctx.spare += self.pending.len();
        std::mem::take(&mut self.pending)
    }

    /// A write failed; `rest` was not taken.
    fn fail(&mut self, error: &io::Error, rest: &[u8], ctx: &mut Ctx<'_>) {
        let errno = errno(error);
        let reader_gone = matches!(errno, Errno::EPIPE | Errno::ENXIO | Errno::ECONNRESET);
        if reader_gone {
            let gone = rest.len() + self.take_pending(ctx).len();
            self.lose(gone, ctx);
        } else {
            self.keep(rest, ctx);
        }
        // A full disk gets better by itself; with anything else a new open may help.
        self.stale |= !matches!(errno, Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG);
        self.state = State::Failing { retry: self.next_try(ctx), keep: !reader_gone };
        self.tell("write to", errno, ctx);
    }

    fn next_try(&mut self, ctx: &Ctx<'_>) -> Mono {
        let at = ctx.now.after(self.pause);
        self.pause = (self.pause * 2).min(PAUSE.1);
        at
    }

    fn tell(&mut self, verb: &str, errno: Errno, ctx: &mut Ctx<'_>) {
        self.tell_why(verb, errno, "", ctx);
    }

    fn tell_why(&mut self, verb: &str, errno: Errno, why: &str, ctx: &mut Ctx<'_>) {
        if self.trouble.fail(errno, ctx.now) && !self.mute {
            ctx.notes.push(format!(
                "{}: cannot {verb} {} ({errno:?}{why}), trying again",
                self.label,
                self.path.display()
            ));
        }
    }

    fn works(&mut self, ctx: &mut Ctx<'_>) {
        self.pause = PAUSE.0;
        let over = self.trouble.over(ctx.now);
        self.tell_end(over, ctx);
    }

    fn tell_end(&self, over: Option<(Errno, u64)>, ctx: &mut Ctx<'_>) {
        if let Some((errno, lost)) = over {
            ctx.notes.push(format!(
                "{}: {} works again after {errno:?}, {lost} bytes were lost",
                self.label,
                self.path.display()
            ));
        }
    }

    fn install(&mut self, target: Target) {
        if target.is_plain() {
            self.mode = target.mode_and_linked().0;
        }
        self.install_none();
        self.target = Some(target);
        self.resting = None;
        self.stale = false;
    }

    fn install_none(&mut self) {
        if let Some(old) = self.target.take()
            && old.watched
        {
            self.retired.push(old);
        }
    }

    /// When the next try is due, whoever triggers it.
    fn retry_time(&self) -> Option<Mono> {
        match self.state {
            State::OnOldFile { retry } | State::Failing { retry, .. } => Some(retry),
            State::Fine | State::Blocked { .. } => None,
        }
    }

    /// Writes what was kept. `proven`: the target is known to work even if there is nothing.
    fn flush(&mut self, proven: bool, ctx: &mut Ctx<'_>) {
        self.state = State::Fine;
        let pending = self.take_pending(ctx);
        if !pending.is_empty() {
            self.put(&pending, ctx);
        } else if proven {
            self.works(ctx);
        }
    }

    /// The target has room again.
    pub fn writable(&mut self, ctx: &mut Ctx<'_>) {
        if let State::Blocked { give_up, stalled } = self.state {
            let before = self.pending.len();
            self.flush(false, ctx);
            if self.pending.len() >= before && matches!(self.state, State::Blocked { .. }) {
                self.state = State::Blocked { give_up, stalled };
            }
        }
    }

    /// [`Sink::deadline`] has come.
    pub fn tick(&mut self, ctx: &mut Ctx<'_>) {
        match self.state {
            State::Blocked { give_up, stalled: false } if ctx.now >= give_up => {
                self.state = State::Blocked { give_up, stalled: true };
                self.tell("write to", Errno::EAGAIN, ctx);
            }
            State::Failing { retry, .. } if ctx.now >= retry && !self.pending.is_empty() => {
                self.retry(ctx);
            }
            _ => {
                let over = self.trouble.reckon(ctx.now);
                self.tell_end(over, ctx);
            }
        }
    }

    /// When [`Sink::tick`] is to be called. Tries without anything to write wait for a write.
    pub fn deadline(&self) -> Option<Mono> {
        match self.state {
            State::Blocked { give_up, stalled: false } => Some(give_up),
            State::Failing { retry, .. } if !self.pending.is_empty() => Some(retry),
            State::Fine => self.trouble.reckoning(),
            _ => None,
        }
    }

    /// The target, when it has to be watched for room to write.
    pub fn blocked(&mut self) -> Option<&mut Target> {
        match self.state {
            State::Blocked { .. } => self.target.as_mut(),
            _ => None,
        }
    }

    /// The target, when it stands in the epoll set but needs no watching any more.
    pub fn idle_watch(&mut self) -> Option<&mut Target> {
        match self.state {
            State::Blocked { .. } => None,
            _ => self.target.as_mut().filter(|t| t.watched),
        }
    }

    /// Watching the target is not possible: treat it as failing, it is tried by the clock.
    pub fn cannot_watch(&mut self, ctx: &mut Ctx<'_>) {
        self.state = State::Failing { retry: self.next_try(ctx), keep: true };
    }

    /// Streams that write here should not be read for now.
    pub fn is_slow(&self) -> bool {
        matches!(self.state, State::Blocked { stalled: false, .. }) && self.pending.len() >= SLOW
    }

    /// Nothing was kept back.
    pub fn is_flushed(&self) -> bool {
        self.pending.is_empty()
    }

    /// Gives up what was kept after a last try, and tells what was lost, as the sink is about to be
    /// closed.
    pub fn abandon(&mut self, ctx: &mut Ctx<'_>) {
        if self.retry_time().is_some() && !self.pending.is_empty() {
            self.retry(ctx);
        }
        let gone = self.take_pending(ctx).len();
        self.lose(gone, ctx);
        let lost = self.trouble.take_lost();
        if lost > 0 && !self.mute {
            let path = self.path.display();
            ctx.notes.push(format!("{}: {path} closed, {lost} bytes were lost", self.label));
        }
        self.install_none();
    }
}
