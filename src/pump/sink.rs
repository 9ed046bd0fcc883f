//! One log target: a file with its rotation, a FIFO, a device or inherited standard output.
//!
//! Runs on the pump's thread. Owns the open target and the bytes it has not taken yet; touches the
//! log's folder. A target that fails never stops anything: some bytes are kept, the rest is counted
//! as lost, and it is tried again with growing pauses.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;

use super::resting::{Resting, is_starved};
use super::rotate;
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

    /// A new target could not be opened. The old file is used on while it has a name: what goes to
    /// a nameless one is lost without anyone knowing.
    fn owe(&mut self, error: &io::Error, ctx: &mut Ctx<'_>) {
        let errno = errno(error);
        self.stale = true;
        let retry = self.next_try(ctx);
        let usable = |t: &Target| t.is_plain() && t.mode_and_linked().1;
        // With bytes kept back the order would be lost.
        if self.pending.is_empty() && self.target.as_ref().is_some_and(usable) {
            self.state = State::OnOldFile { retry };
        } else {
            self.install_none();
            let keep = errno != Errno::ENXIO;
            self.state = State::Failing { retry, keep };
            if !keep {
                let gone = self.take_pending(ctx).len();
                self.lose(gone, ctx);
            }
        }
        if is_starved(error) && !self.last_chance {
            self.starved = true;
            return;
        }
        // a refusal of ours says why
        let why = error.get_ref().map(|why| format!(": {why}")).unwrap_or_default();
        self.tell_why("open", errno, &why, ctx);
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

    /// Opens the path again. With no descriptor left the old file is given up first.
    fn open_again(&mut self, truncate: bool) -> io::Result<()> {
        let mut result = match &self.resting {
            Some(log) => log.open(&self.path, self.mode),
            None => target::open(&self.path, self.mode, truncate),
        };
        let plain = self.target.as_ref().is_some_and(Target::is_plain);
        if result.as_ref().is_err_and(is_starved) && plain {
            self.target = None;
            result = target::open(&self.path, self.mode, truncate);
        }
        self.install(result?);
        Ok(())
    }

    /// When the next try is due, whoever triggers it.
    fn retry_time(&self) -> Option<Mono> {
        match self.state {
            State::OnOldFile { retry } | State::Failing { retry, .. } => Some(retry),
            State::Fine | State::Blocked { .. } => None,
        }
    }

    fn retry(&mut self, ctx: &mut Ctx<'_>) {
        let reopened = self.stale || self.target.is_none();
        // That a log which rested could be opened proves nothing of the disk that it is on.
        let proven = self.stale || self.resting.is_none();
        if reopened && let Err(e) = self.open_again(false) {
            return self.owe(&e, ctx);
        }
        // A new duplicate of an inherited descriptor proves nothing, only a write does.
        self.flush(reopened && proven && target::inherited_number(&self.path).is_none(), ctx);
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

    /// Closed until there is something to write.
    pub fn is_resting(&self) -> bool {
        self.resting.is_some() && self.state == State::Fine
    }

    /// Something is open.
    pub fn is_awake(&self) -> bool {
        self.target.is_some()
    }

    /// What is open.
    pub fn file(&self) -> Option<&File> {
        self.target.as_ref().map(Target::file)
    }

    /// A plain file is open that may be closed: what is written to it finds it again. Not the old file
    /// of a log that cannot be opened anew.
    pub fn may_rest(&self) -> bool {
        let state = match self.state {
            State::Fine => self.pending.is_empty(),
            State::Failing { .. } => true,
            State::OnOldFile { .. } | State::Blocked { .. } => false,
        };
        state && self.target.as_ref().is_some_and(Target::is_plain)
    }

    /// Opens what was closed by [`Sink::rest`].
    fn wake(&mut self) -> io::Result<()> {
        if self.resting.is_some() { self.open_again(false) } else { Ok(()) }
    }

    /// Closes the file, if it may, until there is something to write. One that is lent stays: to close
    /// our descriptor would free none, and it may have to be rotated.
    pub fn rest(&mut self) {
        let file = self.target.as_ref().filter(|t| self.may_rest() && !t.is_lent());
        if let Some(log) = file.map(Resting::of) {
            self.install_none();
            self.resting = Some(log);
        }
    }

    /// As [`Sink::rest`], if nothing was written since the last [`Sink::rest_if_unused`].
    pub fn rest_if_new(&mut self) {
        if !self.used {
            self.rest();
        }
    }

    /// As [`Sink::rest`], if nothing was written since the last call.
    pub fn rest_if_unused(&mut self) {
        self.rest_if_new();
        self.used = false;
    }

    /// Whether it could not be opened for want of descriptors since the last call.
    pub fn take_starved(&mut self) -> bool {
        std::mem::take(&mut self.starved)
    }

    /// Tries again, now that others have made room.
    pub fn try_with_room(&mut self, ctx: &mut Ctx<'_>) {
        self.last_chance = true;
        self.retry(ctx);
        self.last_chance = false;
    }

    /// What is under its name is open, or was when it was closed; or it is no file that could be replaced.
    pub fn is_on_its_file(&self) -> bool {
        let plain = self.target.as_ref().is_none_or(Target::is_plain);
        !(self.stale && plain) || target::inherited_number(&self.path).is_some()
    }

    /// Closes and opens the path again (SIGUSR2). False when that failed. Nothing happens to an
    /// inherited descriptor.
    pub fn reopen(&mut self, ctx: &mut Ctx<'_>) -> bool {
        if target::inherited_number(&self.path).is_some() {
            return true;
        }
        // Whatever it was before, what is under the name now counts.
        let rested = self.resting.take();
        match self.open_again(false) {
            Ok(()) => {
                self.flush(true, ctx);
                if rested.is_some() {
                    self.rest();
                }
                true
            }
            Err(e) => {
                // It is used on, as if it had been open.
                if let Some(old) = rested.filter(|_| !is_starved(&e))
                    && let Some(old) = old.open_old(&self.path)
                {
                    self.install(old);
                }
                self.owe(&e, ctx);
                false
            }
        }
    }

    /// Removes the file and makes a new one. Only plain files are removed: the reference would
    /// delete /dev/stdout.
    ///
    /// `missing_is_fine`: a file that is not there is no failure.
    ///
    /// # Errors
    /// It cannot be removed. Whether there is a new one, [`Sink::is_on_its_file`] knows.
    pub fn clear(&mut self, missing_is_fine: bool, ctx: &mut Ctx<'_>) -> io::Result<()> {
        if target::inherited_number(&self.path).is_some() {
            return Ok(());
        }
        match std::fs::metadata(&self.path) {
            Ok(m) if !m.is_file() && !m.is_dir() => return Ok(()),
            _ => {}
        }
        match std::fs::remove_file(&self.path) {
            Err(e) if !(missing_is_fine && e.kind() == io::ErrorKind::NotFound) => return Err(e),
            _ => {}
        }
        // What was kept belongs to what is being cleared.
        drop(self.take_pending(ctx));
        self.reopen(ctx);
        Ok(())
    }

    fn rotate_if_due(&mut self, ctx: &mut Ctx<'_>) {
        let Some(target) = self.target.as_ref().filter(|t| t.is_plain()) else { return };
        let limit = u64::try_from(self.limits.maxbytes).unwrap_or(0);
        if limit == 0 || ctx.now < self.rotate_from || target.position() < limit {
            return;
        }
        if let Err(e) = rotate::shift(&self.path, self.limits.backups) {
            self.rotate_from = ctx.now.after(ROTATE_AGAIN);
            if !std::mem::replace(&mut self.rotation_failed, true) {
                let (path, errno) = (self.path.display(), errno(&e));
                ctx.notes.push(format!("{}: cannot rotate {path} ({errno:?})", self.label));
            }
            return;
        }
        self.rotation_failed = false;
        match self.open_again(self.limits.backups == 0) {
            Ok(()) => Stats::add(&ctx.stats.rotations, 1),
            Err(e) => self.owe(&e, ctx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rotate::backup;
    use super::super::testing::TempDir;
    use super::*;
    use proptest::prelude::*;
    use std::fs;
    use std::io::{Read, Write};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::sync::atomic::Ordering::Relaxed;

    struct Bench {
        stats: Stats,
        spare: usize,
        notes: Vec<String>,
        now: Mono,
    }

    impl Bench {
        fn new() -> Bench {
            Bench { stats: Stats::default(), spare: 1 << 20, notes: Vec::new(), now: Mono(1) }
        }
        fn ctx(&mut self) -> Ctx<'_> {
            let (stats, spare, notes) = (&self.stats, &mut self.spare, &mut self.notes);
            Ctx { now: self.now, stats, spare, notes }
        }
        fn sink(&mut self, path: &Path) -> Sink {
            Sink::new(path.to_owned(), "'w' stdout".into(), None, &mut self.ctx())
        }
        fn later(&mut self, secs: u64) {
            self.now = self.now.after(Duration::from_secs(secs));
        }
        fn lost(&self) -> u64 {
            self.stats.bytes_lost.load(Relaxed)
        }
    }

    const OFF: Limits = Limits { maxbytes: 0, backups: 0 };

    fn fifo(path: &Path) {
        nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    }

    /// Sizes of `w`, `w.1` and so on.
    fn sizes(path: &Path) -> Vec<usize> {
        let mut all = vec![fs::metadata(path).unwrap().len() as usize];
        all.extend(
            (1..).map_while(|n| fs::metadata(backup(path, n)).ok().map(|m| m.len() as usize)),
        );
        all
    }

    /// What is in the files, oldest first.
    fn content(path: &Path) -> Vec<u8> {
        let mut files: Vec<_> = (1..).map(|n| backup(path, n)).take_while(|p| p.exists()).collect();
        files.reverse();
        files.push(path.to_owned());
        files.iter().flat_map(|p| fs::read(p).unwrap()).collect()
    }

    #[test]
    fn only_a_file_that_works_is_lent_and_no_more_than_it_has_room_for() {
        let dir = TempDir::new();
        let (mut bench, path) = (Bench::new(), dir.join("w"));
        fs::write(&path, "before").unwrap();
        let mut sink = bench.sink(&path);
        let limits = Limits { maxbytes: 100, backups: 1 };
        let room = |sink: &Sink, max| sink.lend(max, Mono(1)).map(|(_, _, room)| room);
        assert_eq!(room(&sink, 100), Some(0), "what the file holds is not known yet");
        assert_eq!(room(&sink, 0), Some(u64::MAX));
        sink.write(&[b'x'; 60], limits, &mut bench.ctx());
        assert_eq!(room(&sink, 100), Some(34));
        sink.lend(100, Mono(1)).unwrap().0.write_all(&[b'y'; 40]).unwrap();
        sink.write(b"", limits, &mut bench.ctx());
        assert_eq!(sizes(&path), [0, 106], "rotated when the borrower is done");

        let pipe = dir.join("fifo");
        fifo(&pipe);
        let _reader = fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        assert_eq!(room(&bench.sink(&pipe), 0), None);
        assert_eq!(room(&bench.sink(&dir.join("no/file")), 0), None);
    }

    #[test]
    fn rotation_comes_after_the_write_that_reaches_the_limit() {
        for (writes, backups, want) in [
            (&[112, 112, 112, 5][..], 2, &[5, 112, 112][..]),
            (&[99], 2, &[99]),
            (&[100], 2, &[0, 100]),
            (&[60, 60, 60, 60, 60], 1, &[60, 120]),
            (&[220, 6], 0, &[6]),
            (&[100], 0, &[0]),
        ] {
            let (dir, mut bench) = (TempDir::new(), Bench::new());
            let path = dir.join("w");
            let mut sink = bench.sink(&path);
            for n in writes {
                let limits = Limits { maxbytes: 100, backups };
                sink.write(&vec![b'x'; *n], limits, &mut bench.ctx());
            }
            assert_eq!(sizes(&path), want, "{writes:?} {backups}");
        }
    }

    #[test]
    fn rotation_goes_by_the_real_size_of_the_file() {
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let path = dir.join("w");
        fs::write(&path, [b'o'; 95]).unwrap();
        let limits = Limits { maxbytes: 100, backups: 1 };
        let mut sink = bench.sink(&path);
        sink.write(b"12345", limits, &mut bench.ctx());
        assert_eq!(sizes(&path), [0, 100], "what was there before counts");
        sink.write(&[b'x'; 90], limits, &mut bench.ctx());
        fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        sink.write(&[b'y'; 90], limits, &mut bench.ctx());
        assert_eq!(fs::read(&path).unwrap(), [b'y'; 90], "a truncated file has no hole");
        sink.write(&[b'z'; 10], limits, &mut bench.ctx());
        assert_eq!(sizes(&path), [0, 100]);
    }

    #[test]
    fn rotated_files_keep_the_mode_of_the_log() {
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let path = dir.join("w");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let mut sink = bench.sink(&path);
        sink.write(b"abc", Limits { maxbytes: 1, backups: 1 }, &mut bench.ctx());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_moved_file_is_written_on_until_reopen() {
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let (path, moved) = (dir.join("w"), dir.join("moved"));
        let mut sink = bench.sink(&path);
        sink.write(b"one", OFF, &mut bench.ctx());
        fs::rename(&path, &moved).unwrap();
        sink.write(b"two", OFF, &mut bench.ctx());
        assert!(sink.reopen(&mut bench.ctx()));
        sink.write(b"three", OFF, &mut bench.ctx());
        assert_eq!(fs::read(&moved).unwrap(), b"onetwo");
        assert_eq!(fs::read(&path).unwrap(), b"three");
    }

    #[test]
    fn a_file_is_closed_when_it_was_not_written_to_and_opened_for_the_next_bytes() {
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let path = dir.join("w");
        let mut sink = bench.sink(&path);
        sink.rest_if_unused();
        assert!(sink.is_resting() && !sink.is_awake() && path.exists());
        let limits = Limits { maxbytes: 8, backups: 1 };
        sink.write(b"one", limits, &mut bench.ctx());
        assert!(sink.is_awake() && !sink.is_resting());
        sink.rest_if_unused();
        assert!(sink.is_awake(), "written to since the last time");
        sink.rest_if_unused();
        assert!(sink.is_resting());
        assert!(sink.lend(0, bench.now).is_none());
        sink.write(b"", limits, &mut bench.ctx());
        assert!(sink.is_resting(), "nothing to write");
        sink.write(b"three", limits, &mut bench.ctx());
        assert_eq!(sizes(&path), [0, 8], "rotated by all that is in it");
    }

    #[test]
    fn only_a_plain_file_that_works_is_closed() {
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let pipe = dir.join("fifo");
        fifo(&pipe);
        let _reader = fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        let mut sink = bench.sink(&pipe);
        sink.rest();
        assert!(!sink.is_resting());
        let mut sink = bench.sink(&dir.join("no/file"));
        sink.rest();
        assert!(!sink.is_resting());
    }

    #[test]
    fn a_closed_log_is_found_again_when_its_folder_is_back_and_nothing_is_lost() {
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let (folder, path) = (dir.join("f"), dir.join("f/w"));
        fs::create_dir(&folder).unwrap();
        let mut sink = bench.sink(&path);
        sink.write(b"one", OFF, &mut bench.ctx());
        sink.rest();
        fs::rename(&folder, dir.join("away")).unwrap();
        sink.write(b"two", OFF, &mut bench.ctx());
        assert!(!sink.is_resting() && !sink.is_awake());
        assert_eq!(bench.notes.len(), 1);
        assert!(bench.notes[0].contains("cannot open") && bench.notes[0].contains("ENOENT"));
        fs::rename(dir.join("away"), &folder).unwrap();
        bench.later(10);
        sink.write(b"three", OFF, &mut bench.ctx());
        assert_eq!(fs::read(&path).unwrap(), b"onetwothree");
        assert_eq!((bench.lost(), bench.notes.len()), (0, 2));
    }

    #[test]
    fn a_closed_log_is_made_anew_by_reopen_and_clear_and_stays_closed() {
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let (path, moved) = (dir.join("w"), dir.join("moved"));
        let mut sink = bench.sink(&path);
        sink.write(b"one", OFF, &mut bench.ctx());
        sink.rest();
        fs::rename(&path, &moved).unwrap();
        assert!(sink.reopen(&mut bench.ctx()));
        assert!(sink.is_resting() && path.exists());
        sink.write(b"two", OFF, &mut bench.ctx());
        assert_eq!(fs::read(&path).unwrap(), b"two");
        sink.rest();
        assert!(sink.clear(true, &mut bench.ctx()).is_ok());
        assert!(sink.is_resting());
        assert_eq!(fs::read(&path).unwrap(), b"");
        sink.write(b"three", OFF, &mut bench.ctx());
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(fs::read(&moved).unwrap(), b"one");
    }

    #[test]
    fn a_closed_log_that_cannot_be_made_anew_goes_on_in_its_file() {
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let (path, moved) = (dir.join("w"), dir.join("moved"));
        let mut sink = bench.sink(&path);
        sink.write(b"one", OFF, &mut bench.ctx());
        sink.rest();
        fs::rename(&path, &moved).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(!sink.reopen(&mut bench.ctx()));
        sink.write(b"two", OFF, &mut bench.ctx());
        // Where files cannot be opened by handle, the rest is kept for the new one.
        let by_handle = fs::read(&moved).unwrap() == b"onetwo";
        assert!(by_handle || fs::read(&moved).unwrap() == b"one");
        assert!(!sink.may_rest(), "nothing to wait for but a write");
        fs::remove_dir(&path).unwrap();
        bench.later(6);
        sink.write(b"three", OFF, &mut bench.ctx());
        let rest: &[u8] = if by_handle { b"three" } else { b"twothree" };
        assert_eq!((fs::read(&path).unwrap().as_slice(), bench.lost()), (rest, 0));
        assert!(sink.may_rest());
    }

    #[test]
    fn a_log_on_a_full_disk_may_be_closed_and_does_not_claim_to_work() {
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let path = dir.join("w");
        let mut sink = bench.sink(&path);
        sink.write(b"one", OFF, &mut bench.ctx());
        // As if the write had failed, with nothing kept.
        sink.fail(&io::Error::from(Errno::ENOSPC), b"", &mut bench.ctx());
        sink.rest();
        assert!(!sink.is_awake() && !sink.is_resting());
        bench.later(1);
        sink.retry(&mut bench.ctx());
        assert_eq!((bench.notes.len(), sink.is_awake()), (1, true), "{:?}", bench.notes);
        sink.write(b"two", OFF, &mut bench.ctx());
        assert_eq!(bench.notes.len(), 2);
        assert_eq!(fs::read(&path).unwrap(), b"onetwo");
    }

    #[test]
    fn a_lent_log_stays_open_and_is_rotated_when_it_is_back() {
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let path = dir.join("w");
        let limits = Limits { maxbytes: 10, backups: 1 };
        let mut sink = bench.sink(&path);
        sink.write(b"12345", limits, &mut bench.ctx());
        let (mut file, at, room) = sink.lend(10, bench.now).unwrap();
        assert_eq!((at, room), (5, 5));
        file.write_all(b"67890").unwrap();
        sink.rest();
        drop(file);
        sink.write(b"", limits, &mut bench.ctx());
        assert_eq!(sizes(&path), [0, 10]);
        sink.rest();
        assert!(sink.is_resting());
    }

    #[test]
    fn a_closed_log_stays_closed_when_its_program_starts_again() {
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let path = dir.join("w");
        let mut sink = bench.sink(&path);
        let start = |sink: &mut Sink, bench: &mut Bench| {
            let file = target::open_for_spawn(&path).unwrap().and_then(Target::adopt);
            sink.adopt("'w' stdout".into(), file, &mut bench.ctx());
        };
        sink.rest();
        start(&mut sink, &mut bench);
        assert!(sink.is_resting());
        fs::rename(&path, dir.join("moved")).unwrap();
        start(&mut sink, &mut bench);
        sink.write(b"new", OFF, &mut bench.ctx());
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_log_opened_anew_for_a_restart_is_taken_over_with_the_rest() {
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let path = dir.join("w");
        let mut sink = bench.sink(&path);
        fs::rename(&path, dir.join("moved")).unwrap();
        let file = target::open_for_spawn(&path).unwrap().and_then(Target::adopt);
        sink.adopt("'w' stdout".into(), file, &mut bench.ctx());
        sink.write(b"new", OFF, &mut bench.ctx());
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_full_disk_is_told_once_and_the_loss_at_the_end() {
        // /dev/full is always a full disk; the link makes it a disk that gets free again.
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let path = dir.join("w");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let mut sink = bench.sink(&path);
        for _ in 0..3 {
            sink.write(&[b'x'; 100_000], OFF, &mut bench.ctx());
            bench.later(1);
            sink.tick(&mut bench.ctx());
        }
        assert_eq!(
            bench.notes,
            [format!("'w' stdout: cannot write to {} (ENOSPC), trying again", path.display())]
        );
        assert!(sink.deadline().is_some());
        fs::remove_file(&path).unwrap();
        sink.reopen(&mut bench.ctx());
        sink.write(b"after", OFF, &mut bench.ctx());
        let lost = 300_000 - KEEP as u64;
        assert_eq!(bench.lost(), lost);
        assert_eq!(bench.notes.len(), 2);
        assert_eq!(
            bench.notes[1],
            format!(
                "'w' stdout: {} works again after ENOSPC, {lost} bytes were lost",
                path.display()
            )
        );
        assert_eq!(fs::read(&path).unwrap().len(), KEEP + 5);
        assert_eq!(bench.spare, 1 << 20);
        assert_eq!(sink.deadline(), None);
    }

    #[test]
    fn a_loss_soon_after_another_is_told_a_little_later() {
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let path = dir.join("w");
        let mut sink = bench.sink(&path);
        for _ in 0..2 {
            fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink("/dev/full", &path).unwrap();
            sink.reopen(&mut bench.ctx());
            sink.write(&[b'x'; KEEP + 10], OFF, &mut bench.ctx());
            fs::remove_file(&path).unwrap();
            sink.reopen(&mut bench.ctx());
        }
        assert_eq!(bench.notes.len(), 2, "the second trouble came too soon: {:?}", bench.notes);
        assert!(sink.deadline().is_some());
        bench.later(11);
        sink.tick(&mut bench.ctx());
        assert!(bench.notes[2].ends_with("works again after ENOSPC, 10 bytes were lost"));
        assert_eq!((bench.lost(), sink.deadline()), (20, None));
    }

    #[test]
    fn a_folder_that_vanished_is_waited_for() {
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let folder = dir.join("logs");
        fs::create_dir(&folder).unwrap();
        let path = folder.join("w");
        let mut sink = bench.sink(&path);
        fs::remove_dir_all(&folder).unwrap();
        assert!(!sink.reopen(&mut bench.ctx()));
        assert!(bench.notes[0].contains("cannot open") && bench.notes[0].contains("ENOENT"));
        sink.write(b"kept", OFF, &mut bench.ctx());
        fs::create_dir(&folder).unwrap();
        bench.later(9);
        sink.tick(&mut bench.ctx());
        assert_eq!(fs::read(&path).unwrap(), b"kept");
        assert!(bench.notes[1].contains("0 bytes were lost"));
    }

    #[test]
    fn a_reopen_that_fails_leaves_a_file_that_has_a_name() {
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let (path, moved) = (dir.join("w"), dir.join("moved"));
        let mut sink = bench.sink(&path);
        fs::rename(&path, &moved).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(!sink.reopen(&mut bench.ctx()));
        sink.write(b"one", OFF, &mut bench.ctx());
        assert_eq!(fs::read(&moved).unwrap(), b"one");
        fs::remove_dir(&path).unwrap();
        bench.later(9);
        sink.write(b"two", OFF, &mut bench.ctx());
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(bench.lost(), 0);
    }

    #[test]
    fn a_rotation_that_cannot_rename_goes_on_in_the_same_file() {
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let path = dir.join("w");
        fs::create_dir(dir.join("w.1")).unwrap();
        let mut sink = bench.sink(&path);
        let limits = Limits { maxbytes: 4, backups: 1 };
        for _ in 0..3 {
            sink.write(b"12345", limits, &mut bench.ctx());
        }
        assert_eq!(fs::read(&path).unwrap().len(), 15);
        assert_eq!(bench.notes.len(), 1, "{:?}", bench.notes);
        fs::remove_dir(dir.join("w.1")).unwrap();
        bench.later(11);
        sink.write(b"6", limits, &mut bench.ctx());
        assert_eq!(sizes(&path), [0, 16]);
    }

    #[test]
    fn a_fifo_without_a_reader_loses_and_says_how_much() {
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let path = dir.join("w");
        fifo(&path);
        let mut sink = bench.sink(&path);
        sink.write(b"12345", OFF, &mut bench.ctx());
        assert_eq!((bench.lost(), sink.deadline()), (5, None), "nothing to wait for");
        let mut reader = target_reader(&path);
        bench.later(9);
        sink.write(b"abc", OFF, &mut bench.ctx());
        let mut got = [0; 9];
        let n = reader.read(&mut got).unwrap();
        assert_eq!(&got[..n], b"abc");
        assert!(bench.notes[0].contains("ENXIO") && bench.notes[1].contains("5 bytes were lost"));
        drop(reader);
        sink.write(b"gone", OFF, &mut bench.ctx());
        assert_eq!(bench.lost(), 9);
    }

    fn target_reader(path: &Path) -> fs::File {
        use std::os::unix::fs::OpenOptionsExt;
        fs::File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).unwrap()
    }

    #[test]
    fn a_slow_reader_gets_everything_and_a_stuck_one_stops_nobody() {
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let path = dir.join("w");
        fifo(&path);
        let mut reader = target_reader(&path);
        let mut sink = bench.sink(&path);
        let piece: Vec<u8> = (0..100_000u32).map(|i| i as u8).collect();
        sink.write(&piece, OFF, &mut bench.ctx());
        assert!(sink.blocked().is_some() && !sink.is_slow());
        sink.write(&piece, OFF, &mut bench.ctx());
        assert!(sink.is_slow());
        let mut got = Vec::new();
        while got.len() < 2 * piece.len() {
            let mut buf = [0; 9999];
            let n = reader.read(&mut buf).unwrap();
            got.extend_from_slice(&buf[..n]);
            sink.writable(&mut bench.ctx());
        }
        assert!(got == [&piece[..], &piece[..]].concat());
        assert!(sink.blocked().is_none() && bench.notes.is_empty() && bench.lost() == 0);

        for _ in 0..5 {
            sink.write(&piece, OFF, &mut bench.ctx());
        }
        assert!(sink.is_slow() && bench.lost() > 0);
        bench.now = sink.deadline().unwrap();
        sink.tick(&mut bench.ctx());
        assert!(!sink.is_slow() && sink.deadline().is_none());
        assert!(bench.notes[0].contains("EAGAIN"));
        while sink.blocked().is_some() {
            let _ = reader.read(&mut [0; 65536]).unwrap();
            sink.writable(&mut bench.ctx());
        }
        assert!(bench.notes[1].contains("works again"), "{:?}", bench.notes);
    }

    #[test]
    fn clear_makes_a_new_file_and_leaves_devices_alone() {
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let path = dir.join("w");
        let mut sink = bench.sink(&path);
        sink.write(b"old", OFF, &mut bench.ctx());
        assert!(sink.clear(true, &mut bench.ctx()).is_ok());
        sink.write(b"new", OFF, &mut bench.ctx());
        assert_eq!(fs::read(&path).unwrap(), b"new");
        fs::remove_file(&path).unwrap();
        assert!(sink.clear(false, &mut bench.ctx()).is_err());
        assert!(sink.clear(true, &mut bench.ctx()).is_ok() && path.exists());
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(sink.clear(true, &mut bench.ctx()).is_err());
        let pipe = dir.join("fifo");
        fifo(&pipe);
        let _reader = target_reader(&pipe);
        assert!(bench.sink(&pipe).clear(true, &mut bench.ctx()).is_ok() && pipe.exists());
    }

    #[derive(Debug, Clone)]
    enum Deed {
        Write(usize),
        Reopen,
        Break,
        Mend,
        Later,
        Rest,
        Restart,
    }

    fn deeds() -> impl Strategy<Value = Vec<Deed>> {
        let deed = prop_oneof![
            6 => (0usize..70_000).prop_map(Deed::Write),
            1 => Just(Deed::Reopen),
            1 => Just(Deed::Break),
            2 => Just(Deed::Mend),
            2 => Just(Deed::Later),
            3 => Just(Deed::Rest),
            1 => Just(Deed::Restart),
        ];
        prop::collection::vec(deed, 0..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_byte_is_in_the_files_in_order_or_counted_as_lost(
            deeds in deeds(), maxbytes in 0i64..100_000,
        ) {
            let (dir, mut bench) = (TempDir::new(), Bench::new());
            let (folder, away) = (dir.join("logs"), dir.join("away"));
            fs::create_dir(&folder).unwrap();
            let path = folder.join("w");
            let mut sink = bench.sink(&path);
            let limits = Limits { maxbytes, backups: 1000 };
            let mut sent: u32 = 0;
            for deed in deeds {
                match deed {
                    Deed::Write(n) => {
                        // Words of four bytes, so that order and place can be checked.
                        let words = n as u32 / 4;
                        let data: Vec<u8> =
                            (sent..sent + words).flat_map(u32::to_le_bytes).collect();
                        sink.write(&data, limits, &mut bench.ctx());
                        sent += words;
                    }
                    Deed::Reopen => _ = sink.reopen(&mut bench.ctx()),
                    Deed::Rest => sink.rest(),
                    Deed::Restart => {
                        let file = target::open_for_spawn(&path).ok().flatten();
                        let file = file.and_then(Target::adopt);
                        sink.adopt("'w' stdout".into(), file, &mut bench.ctx());
                    }
                    Deed::Break => _ = fs::rename(&folder, &away),
                    Deed::Mend => _ = fs::rename(&away, &folder),
                    Deed::Later => {
                        bench.later(6);
                        sink.tick(&mut bench.ctx());
                    }
                }
            }
            let _ = fs::rename(&away, &folder);
            bench.later(6);
            sink.tick(&mut bench.ctx());
            sink.abandon(&mut bench.ctx());
            let got = content(&path);
            prop_assert_eq!(got.len() as u64 + bench.lost(), u64::from(sent) * 4);
            prop_assert_eq!(bench.spare, 1 << 20);
            let words: Vec<u32> = got
                .chunks(4)
                .map(|c| u32::from_le_bytes(c.try_into().unwrap_or([0xff; 4])))
                .collect();
            if bench.lost() == 0 {
                prop_assert!(words.iter().copied().eq(0..sent));
            }
            prop_assert!(words.is_sorted() && words.windows(2).all(|w| w[0] != w[1]));
        }
    }
}
