//! Where bytes go: the table of log targets, the activity log, syslog and the coordinator's inbox.
//!
//! Runs on the pump's thread. Owns every open log file. A path has one sink, however many streams
//! log to it (compared as a path, links are not resolved): with two, each would rotate away what the
//! other writes.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;

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

/// Names a watched descriptor or a sink; never used twice.
pub(super) type Token = u64;

/// Bytes kept for failing targets in all, so that a full disk under thousands of programs does not
/// become a full memory.
const KEEP_ALL: usize = 32 << 20;
/// Time for kept bytes after the last stream of a sink has ended.
const ORPHAN: Duration = Duration::from_secs(30);
/// Time for slow readers of our logs when the pump ends.
const LAST_CALL: Duration = Duration::from_millis(300);

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
            main: Vec::new(),
            main_file: None,
            main_limits: Limits { maxbytes, backups },
            level,
            lines: Vec::new(),
            last_token: 0,
        };
        if stdout {
            let token = out.acquire(Path::new("/dev/stdout"), "supervisord".into(), None);
            out.main.push(token);
        }
        if let Some(path) = path {
            let file = target::open_for_spawn(&path)?;
            let token = out.acquire(&path, "supervisord".into(), file);
            out.change(token, |sink, _| sink.mute = true);
            out.main.push(token);
            out.main_file = Some(token);
        }
        Ok(out)
    }

    /// A fresh token.
    pub fn token(&mut self) -> Token {
        self.last_token += 1;
        self.last_token
    }

    /// The sink of a path, made when there is none. `file`: opened by a maker of children.
    pub fn acquire(&mut self, path: &Path, label: String, file: Option<std::fs::File>) -> Token {
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
        // A failed open may have set a deadline.
        self.change(token, |_, _| ());
        token
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

    /// Does something to a sink, then sees to its watch, its timer and those who wait for it.
    fn change<R>(
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
        self.change(token, |sink, ctx| sink.write(data, limits, ctx));
        let Some(entry) = self.sinks.get_mut(&token).filter(|e| e.sink.is_slow()) else {
            return false;
        };
        if !entry.waiting.contains(&reader) {
            entry.waiting.push(reader);
        }
        true
    }

    /// The log of a stream for someone else to write to, if no other stream does.
    pub fn lend(&self, token: Token, plan: &StreamPlan) -> Option<(Arc<File>, u64)> {
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

    /// Removes a child's log and makes a new one.
    pub fn clear(&mut self, token: Token) -> bool {
        self.change(token, |sink, ctx| sink.clear(true, ctx)).unwrap_or(true)
    }

    /// Removes the activity log's file, which has to be there, and makes a new one.
    pub fn clear_main(&mut self) -> bool {
        let Some(token) = self.main_file else { return false };
        self.change(token, |sink, ctx| sink.clear(false, ctx)).unwrap_or(false)
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
