//! Where bytes go: the table of log targets, the activity log, syslog and the coordinator's inbox.
//!
//! Runs on the pump's thread. Owns every open log file. A path has one sink, however many streams
//! log to it (compared as a path, links are not resolved): with two, each would rotate away what the
//! other writes.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, OwnedFd};

use super::sink::{Ctx, Limits, Sink};
use super::syslog::Syslog;
use super::target::{self, Target};
use super::timers::{Timer, Timers};
use super::wake::Shared;
use super::{MainLog, PumpConfig, StreamPlan};
use crate::activity;
use crate::config::model::Level;
use crate::coordinator::inbox::Msg;
use crate::coordinator::mailbox::Mailbox;
use crate::sys::clock::{self, Mono};
use crate::sys::epoll::{Epoll, Interest};
use crate::sys::table;

/// Names a watched descriptor or a sink; never used twice.
pub(super) type Token = u64;

/// Bytes kept for failing targets in all, so that a full disk under thousands of programs does not
/// become a full memory.
const KEEP_ALL: usize = 32 << 20;
/// Time for kept bytes after the last stream of a sink has ended.
const ORPHAN: Duration = Duration::from_secs(30);
/// Time for slow readers of our logs when the pump ends.
const LAST_CALL: Duration = Duration::from_millis(300);
/// A log that was not written to for so long, or up to twice that, is closed until there is something.
const REST: Duration = Duration::from_secs(10);
/// Logs that may be open however few descriptors there are, and descriptors for everything else than
/// programs and their logs.
const AWAKE: usize = 16;
const OTHERS: usize = 64;
/// To open a log takes a descriptor for its folder and one for itself.
const RESERVE: usize = 2;

struct Entry {
    sink: Sink,
    path: PathBuf,
    users: usize,
    /// Streams that are not read while the sink is slow.
    waiting: Vec<Token>,
    /// The timer that is set.
    timer: Option<Mono>,
    /// Nobody writes here any more, but bytes are kept: how long they may try.
    orphan_until: Option<Mono>,
}

/// See the module head.
pub(super) struct Outlets {
    pub epoll: Epoll,
    pub timers: Timers,
    pub shared: Arc<Shared>,
    /// Time of this turn.
    pub now: Mono,
    /// Streams whose sink takes bytes again.
    pub released: Vec<Token>,
    /// The coordinator has got output of a listener since the last turn.
    pub answer_due: bool,
    /// For text without escape sequences; kept to save allocations.
    pub scratch: Vec<u8>,
    sinks: HashMap<Token, Entry>,
    by_path: HashMap<PathBuf, Token>,
    spare: usize,
    notes: Vec<String>,
    syslog: Syslog,
    inbox: Mailbox,
    /// Descriptors that programs take, without their logs.
    pub of_programs: usize,
    /// Logs that are open, more or less.
    awake: usize,
    /// The last log that was opened has one of the last descriptors.
    crowded: bool,
    /// [`Timer::Rest`] is set.
    watching_rest: bool,
    /// Descriptors that are given up when there are none left for a log.
    reserve: Vec<OwnedFd>,
    /// The activity log: first the copy on standard output, then the file (reference's order).
    main: Vec<Token>,
    main_file: Option<Token>,
    main_limits: Limits,
    level: Level,
    /// Lines of the activity log that are written together at the end of a turn at the latest.
    lines: Vec<u8>,
    last_token: Token,
}

/// Bytes of lines that are written together at most, and below which limit of the log they are not. A
/// pipe takes so many in one piece.
const LINES: usize = libc::PIPE_BUF;
const SMALL_LOG: i64 = 1 << 20;

impl Outlets {
    /// Opens the activity log.
    ///
    /// # Errors
    /// The activity log's file cannot be opened; the kernel has no epoll left.
    pub fn new(config: PumpConfig, shared: Arc<Shared>) -> std::io::Result<Outlets> {
        let MainLog { path, maxbytes, backups, stdout, level } = config.main_log;
        let mut out = Outlets {
            epoll: Epoll::new()?,
            timers: Timers::default(),
            shared,
            now: Mono::now(),
            released: Vec::new(),
            answer_due: false,
            scratch: Vec::new(),
            sinks: HashMap::new(),
            by_path: HashMap::new(),
            spare: KEEP_ALL,
            notes: Vec::new(),
            syslog: Syslog::new(config.syslog),
            inbox: config.inbox,
            of_programs: 0,
            awake: 0,
            crowded: false,
            watching_rest: false,
            reserve: Vec::new(),
            main: Vec::new(),
            main_file: None,
            main_limits: Limits { maxbytes, backups },
            level,
            lines: Vec::new(),
            last_token: 0,
        };
        if stdout {
            out.open(Path::new("/dev/stdout"), "supervisord".into(), None, true);
        }
        if let Some(path) = path {
            let file = target::open_for_spawn(&path)?;
            let token = out.open(&path, "supervisord".into(), file, true);
            out.change(token, |sink, _| sink.mute = true);
            out.main_file = Some(token);
        }
        out.refill_reserve();
        Ok(out)
    }

    /// A fresh token.
    pub fn token(&mut self) -> Token {
        self.last_token += 1;
        self.last_token
    }

    /// The sink of a path, made when there is none. `file`: opened by a maker of children, and closed
    /// until there is something to write.
    pub fn acquire(&mut self, path: &Path, label: String, file: Option<File>) -> Token {
        self.open(path, label, file, false)
    }

    /// `main`: it is a target of the activity log, which is always open.
    fn open(&mut self, path: &Path, label: String, file: Option<File>, main: bool) -> Token {
        // All names of an inherited descriptor are one.
        let path = match target::inherited_number(path) {
            Some(number) => PathBuf::from(format!("/dev/fd/{number}")),
            None => path.to_owned(),
        };
        let inherited = target::inherited_number(&path).is_some();
        let file = file.filter(|_| !inherited).and_then(Target::adopt);
        if let Some(&token) = self.by_path.get(&path)
            && let Some(entry) = self.sinks.get_mut(&token)
        {
            entry.users += 1;
            entry.orphan_until = None;
            self.change(token, |sink, ctx| sink.adopt(label, file, ctx));
            self.settle_in(token, main);
            return token;
        }
        let token = self.token();
        let sink = Sink::new(path.clone(), label, file, &mut self.ctx());
        let entry = Entry {
            sink,
            path: path.clone(),
            users: 1,
            waiting: Vec::new(),
            timer: None,
            orphan_until: None,
        };
        self.sinks.insert(token, entry);
        self.by_path.insert(path, token);
        self.settle_in(token, main);
        token
    }

    /// A log of the activity log stays open, others rest. A failed open may have set a deadline, too.
    fn settle_in(&mut self, token: Token, main: bool) {
        if main {
            self.main.push(token);
        }
        let rests = !self.main.contains(&token);
        self.change(token, |sink, _| {
            if rests {
                sink.rest_if_new();
            }
        });
    }

    /// One user less. The last one closes the sink, but not before a slow reader has got what was
    /// kept for it.
    pub fn release(&mut self, token: Token) {
        let Some(entry) = self.sinks.get_mut(&token) else { return };
        entry.users = entry.users.saturating_sub(1);
        if entry.users == 0 {
            entry.orphan_until = Some(self.now.after(ORPHAN));
            self.change(token, |_, _| ());
        }
    }

    fn close_sink(&mut self, token: Token) {
        let Some(mut entry) = self.sinks.remove(&token) else { return };
        self.by_path.remove(&entry.path);
        entry.sink.abandon(&mut self.ctx());
        for old in entry.sink.retired.drain(..) {
            self.epoll.remove(&old);
        }
        self.released.append(&mut entry.waiting);
    }

    fn ctx(&mut self) -> Ctx<'_> {
        Ctx {
            now: self.now,
            stats: &self.shared.stats,
            spare: &mut self.spare,
            notes: &mut self.notes,
        }
    }

    /// Does something to a sink, then sees to its watch, its timer and those who wait for it. A log that
    /// could not be opened for want of descriptors gets those of others.
    fn change<R>(
        &mut self,
        token: Token,
        act: impl FnOnce(&mut Sink, &mut Ctx<'_>) -> R,
    ) -> Option<R> {
        let result = self.act(token, act);
        if self.sinks.get_mut(&token).is_some_and(|entry| entry.sink.take_starved()) {
            self.rest_all(Sink::rest);
            self.reserve.clear();
            self.act(token, Sink::try_with_room);
        }
        result
    }

    fn act<R>(
        &mut self,
        token: Token,
        act: impl FnOnce(&mut Sink, &mut Ctx<'_>) -> R,
    ) -> Option<R> {
        let entry = self.sinks.get_mut(&token)?;
        let sink = &mut entry.sink;
        let mut ctx = Ctx {
            now: self.now,
            stats: &self.shared.stats,
            spare: &mut self.spare,
            notes: &mut self.notes,
        };
        let result = act(sink, &mut ctx);
        for old in sink.retired.drain(..) {
            self.epoll.remove(&old);
        }
        if let Some(target) = sink.idle_watch() {
            self.epoll.remove(&*target);
            target.watched = false;
        }
        if let Some(target) = sink.blocked()
            && !target.watched
        {
            target.watched = self.epoll.add(&*target, token, Interest::Write).is_ok();
            if !target.watched {
                sink.cannot_watch(&mut ctx);
            }
        }
        if entry.orphan_until.is_some_and(|t| self.now >= t || entry.sink.is_flushed()) {
            self.close_sink(token);
            return Some(result);
        }
        if !self.watching_rest && entry.sink.may_rest() && !self.main.contains(&token) {
            self.watching_rest = true;
            self.timers.set(self.now.after(REST), Timer::Rest);
        }
        // One timer per sink is enough: one that comes too early is set again.
        let deadline = entry.sink.deadline().into_iter().chain(entry.orphan_until).min();
        if let Some(at) = deadline
            && entry.timer.is_none_or(|set| at < set)
        {
            entry.timer = Some(at);
            self.timers.set(at, Timer::Sink(token));
        }
        if !entry.sink.is_slow() {
            self.released.append(&mut entry.waiting);
        }
        Some(result)
    }

    /// Writes output of a stream. True: the target is slow, and `reader` is not to be read until it
    /// appears in [`Outlets::released`].
    pub fn write(&mut self, token: Token, data: &[u8], plan: &StreamPlan, reader: Token) -> bool {
        let limits = Limits { maxbytes: plan.maxbytes, backups: plan.backups };
        let wakes = !data.is_empty() && self.sinks.get(&token).is_some_and(|e| e.sink.is_resting());
        if wakes {
            self.one_more();
        }
        self.change(token, |sink, ctx| sink.write(data, limits, ctx));
        if wakes {
            let file = self.sinks.get(&token).and_then(|e| e.sink.file());
            self.crowded = file.is_some_and(|file| !table::is_for_logs(file));
        }
        let Some(entry) = self.sinks.get_mut(&token).filter(|e| e.sink.is_slow()) else {
            return false;
        };
        if !entry.waiting.contains(&reader) {
            entry.waiting.push(reader);
        }
        true
    }

    /// A log is about to be opened, for which others have to give way where descriptors are few.
    fn one_more(&mut self) {
        let limit = usize::try_from(table::limit()).unwrap_or(usize::MAX);
        let most = limit.saturating_sub(self.of_programs + OTHERS).max(AWAKE);
        if self.crowded || self.awake >= most {
            self.rest_all(Sink::rest);
        }
        self.awake += 1;
    }

    /// Closes logs, as `rest` finds right. True: some may be closed later.
    fn rest_all(&mut self, rest: impl Fn(&mut Sink)) -> bool {
        let (mut awake, mut later) = (0, false);
        for (token, entry) in &mut self.sinks {
            if !self.main.contains(token) {
                rest(&mut entry.sink);
                awake += usize::from(entry.sink.is_awake());
                later |= entry.sink.may_rest();
            }
        }
        self.awake = awake;
        later
    }

    /// [`Timer::Rest`] has come: closes the logs that nobody has written to since the last time.
    pub fn rest_unused(&mut self) {
        self.watching_rest = false;
        let later = self.rest_all(Sink::rest_if_unused);
        self.refill_reserve();
        if later {
            self.watching_rest = true;
            self.timers.set(self.now.after(REST), Timer::Rest);
        }
    }

    fn refill_reserve(&mut self) {
        let missing = RESERVE - self.reserve.len();
        let more = || self.shared.eventfd().as_fd().try_clone_to_owned().ok();
        self.reserve.extend(std::iter::repeat_with(more).take(missing).flatten());
    }

    /// The log of a stream for someone else to write to, if no other stream does.
    pub fn lend(&self, token: Token, plan: &StreamPlan) -> Option<(Arc<File>, u64, u64)> {
        let entry = self.sinks.get(&token).filter(|e| e.users == 1)?;
        entry.sink.lend(plan.maxbytes, self.now)
    }

    /// Sends output to syslog.
    pub fn syslog(&mut self, name: &str, data: &[u8]) {
        let mut ctx = Ctx {
            now: self.now,
            stats: &self.shared.stats,
            spare: &mut self.spare,
            notes: &mut self.notes,
        };
        self.syslog.send(name, data, &mut ctx);
    }

    /// Sends `len` bytes to the coordinator; it may be gone.
    pub fn send_counted(&mut self, len: usize, msg: Msg) {
        self.shared.lend(len);
        let _ = self.inbox.send(msg);
    }

    /// Sends a message without data to the coordinator.
    pub fn send(&mut self, msg: Msg) {
        let _ = self.inbox.send(msg);
    }

    /// Writes a finished line to the activity log, behind those that were kept for a common write.
    pub fn line(&mut self, line: &[u8]) {
        self.line_with_others(line);
        self.write_lines();
    }

    /// Keeps a finished line for [`Outlets::write_lines`]: to write a few at a time costs less.
    pub fn line_with_others(&mut self, line: &[u8]) {
        if self.lines.len() + line.len() > LINES {
            self.write_lines();
        }
        self.lines.extend_from_slice(line);
        // With a small limit the place of each rotation is what one line after the other gives; and
        // where both targets are one, each line stands there twice before the next.
        let twice = self.main.windows(2).any(|pair| pair.first() == pair.last());
        if twice || (1..SMALL_LOG).contains(&self.main_limits.maxbytes) {
            self.write_lines();
        }
    }

    /// Writes the lines that were kept.
    pub fn write_lines(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let lines = std::mem::take(&mut self.lines);
        let limits = self.main_limits;
        for i in 0..self.main.len() {
            if let Some(&token) = self.main.get(i) {
                self.change(token, |sink, ctx| sink.write(&lines, limits, ctx));
            }
        }
        self.lines = lines;
        self.lines.clear();
        // A line can hold all that a program wrote (at level debug).
        self.lines.shrink_to(LINES);
    }

    /// Whether children's output is copied to the activity log.
    pub fn debugging(&self) -> bool {
        self.level <= Level::Debug
    }

    /// Writes a line at a level.
    pub fn log(&mut self, level: Level, text: &str) {
        if level >= self.level {
            let line = activity::line(clock::wall(), level, text);
            self.line(&line);
        }
    }

    /// Writes the warnings that have come up. They may cause more: a target tells at most once that
    /// it fails, so a few rounds are enough.
    pub fn say_notes(&mut self) {
        for _ in 0..4 {
            for note in std::mem::take(&mut self.notes) {
                self.log(Level::Warn, &note);
            }
        }
    }

    /// Epoll reports a token: true if it was a sink's.
    pub fn ready(&mut self, token: Token) -> bool {
        self.change(token, |sink, ctx| sink.writable(ctx)).is_some()
    }

    /// A sink's timer is due.
    pub fn tick(&mut self, token: Token) {
        if let Some(entry) = self.sinks.get_mut(&token)
            && entry.timer.is_some_and(|at| at <= self.now)
        {
            entry.timer = None;
            self.change(token, |sink, ctx| sink.tick(ctx));
        }
    }

    /// Closes and opens all log files again.
    pub fn reopen_all(&mut self) {
        let tokens: Vec<Token> = self.sinks.keys().copied().collect();
        for token in tokens {
            self.change(token, |sink, ctx| sink.reopen(ctx));
        }
    }

    fn clear_log(&mut self, token: Token, missing_is_fine: bool) -> Option<bool> {
        let removed = self.change(token, |sink, ctx| sink.clear(missing_is_fine, ctx))?;
        Some(removed.is_ok() && self.sinks.get(&token).is_none_or(|e| e.sink.is_on_its_file()))
    }

    /// Removes a child's log and makes a new one.
    pub fn clear(&mut self, token: Token) -> bool {
        self.clear_log(token, true).unwrap_or(true)
    }

    /// Removes the activity log's file, which has to be there, and makes a new one.
    pub fn clear_main(&mut self) -> bool {
        let Some(token) = self.main_file else { return false };
        self.clear_log(token, false).unwrap_or(false)
    }

    /// Gives slow readers a last, short chance, then closes everything.
    pub fn close(&mut self) {
        self.write_lines();
        let end = Mono::now().after(LAST_CALL);
        loop {
            self.now = Mono::now();
            let tokens: Vec<Token> = self.sinks.keys().copied().collect();
            let mut slow = None;
            for token in tokens {
                self.change(token, |sink, ctx| sink.writable(ctx));
                if let Some(e) = self.sinks.get_mut(&token)
                    && !e.sink.is_flushed()
                    && e.sink.blocked().is_some()
                {
                    slow = Some(token);
                }
            }
            let left = end.since(self.now).as_millis() as u16;
            let Some(entry) = slow.and_then(|t| self.sinks.get_mut(&t)) else { break };
            let Some(target) = entry.sink.blocked().filter(|_| left > 0) else { break };
            let mut fds = [PollFd::new(target.as_fd(), PollFlags::POLLOUT)];
            let _ = poll(&mut fds, PollTimeout::from(left));
        }
        let files = self.main.clone();
        let others: Vec<Token> =
            self.sinks.keys().copied().filter(|t| !files.contains(t)).collect();
        others.into_iter().for_each(|t| self.close_sink(t));
        let mut ctx = Ctx {
            now: self.now,
            stats: &self.shared.stats,
            spare: &mut self.spare,
            notes: &mut self.notes,
        };
        self.syslog.close(&mut ctx);
        // What they had to say.
        self.say_notes();
        files.into_iter().for_each(|t| self.close_sink(t));
    }
}
