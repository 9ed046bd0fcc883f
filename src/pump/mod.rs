//! The pump: one thread that moves bytes. It owns the read ends of child pipes, the write ends of
//! their stdin, every open log file with its rotation, and the activity log's targets.
//!
//! Everyone talks to it through a [`PumpHandle`]; it talks to the coordinator through the inbox. A
//! second thread lends a hand when very many streams are busy, and owns nothing (`hand`).
//!
//! ```text
//! PumpMsg -> engine -> flow (pipe -> gather, capture, strip_ansi) -> outlets -> sink -> target
//!                   -> stdin                                              \-> syslog, inbox
//! ```

mod capture;
mod engine;
mod flow;
#[doc(hidden)]
pub mod fuzzing;
mod gather;
mod hand;
mod outlets;
pub mod pyrepr;
mod resting;
mod rotate;
mod sink;
mod stdin;
mod strip_ansi;
mod syslog;
mod target;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod timers;
mod trouble;
mod void;
mod wake;

pub use target::open_for_spawn;
pub use wake::{Credits, Stats};

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::Sender;

use crate::config::model::Level;
use crate::coordinator::inbox::{Channel, Gen, ProcId};
use crate::coordinator::mailbox::Mailbox;
use crate::machine::ExitStatus;
use crate::sys::fds::EventFd;

/// Our ends of a child's pipes.
#[derive(Debug, Default)]
pub struct Pipes {
    /// Write end of its stdin.
    pub stdin: Option<OwnedFd>,
    /// Read end of its stdout, with the log file opened for it.
    pub stdout: Option<Stream>,
    /// Read end of its stderr.
    pub stderr: Option<Stream>,
}

impl Pipes {
    /// The pump reads from one of them, so the child's end goes by way of the pump.
    pub fn are_read(&self) -> bool {
        self.stdout.is_some() || self.stderr.is_some()
    }
}

/// One output stream of a child, ready to be pumped.
#[derive(Debug)]
pub struct Stream {
    /// Read end, non-blocking.
    pub fd: OwnedFd,
    /// What to do with what comes.
    pub plan: Arc<StreamPlan>,
    /// The log file, opened by the maker of the child so that a failure is a spawn failure.
    pub file: Option<File>,
}

/// What to do with a stream; made once per process from its configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct StreamPlan {
    /// Process name, as in the debug lines of the activity log and in syslog.
    pub name: String,
    /// Which stream.
    pub channel: Channel,
    /// Log file.
    pub path: Option<PathBuf>,
    /// Rotate above so many bytes; 0 or less: never.
    pub maxbytes: i64,
    /// Rotated files kept.
    pub backups: u32,
    /// Also to syslog.
    pub syslog: bool,
    /// Take ANSI escape sequences out.
    pub strip_ansi: bool,
    /// Bytes of a captured block; 0: no capture mode.
    pub capture_maxbytes: i64,
    /// Send [`crate::coordinator::inbox::Msg::LogOutput`].
    pub events_enabled: bool,
    /// Listener protocol: send all bytes as [`crate::coordinator::inbox::Msg::ListenerOutput`] too.
    pub listener: bool,
}

impl StreamPlan {
    /// Whether nobody can ever read what comes.
    pub fn is_void(&self) -> bool {
        let captured = self.capture_maxbytes > 0 || self.events_enabled || self.listener;
        self.path.is_none() && !self.syslog && !captured
    }
}

/// Messages to the pump.
pub enum PumpMsg {
    /// A child lives: take over its pipes.
    Attach {
        /// Which process.
        id: ProcId,
        /// Which start.
        generation: Gen,
        /// Our ends.
        pipes: Pipes,
    },
    /// A child is a zombie: read what its pipes hold now, then send `Msg::Exited`. Pipes that are
    /// still held open by grandchildren stay until EOF or the drain limit.
    Exited {
        /// Which process.
        id: ProcId,
        /// Which start.
        generation: Gen,
        /// How it ended.
        status: ExitStatus,
    },
    /// A child without streams of its own is gone: close its stdin. Its exit is told by the runner.
    Gone {
        /// Which process.
        id: ProcId,
        /// Which start.
        generation: Gen,
    },
    /// Write to a child's stdin. Never blocks; what the pipe does not take is kept.
    Write {
        /// Which process.
        id: ProcId,
        /// Which start.
        generation: Gen,
        /// Bytes.
        data: Vec<u8>,
        /// Told false when the pipe is closed (EPIPE at once).
        done: Option<Done>,
    },
    /// A listener broke its protocol: what it writes goes to its log only from now on, however much
    /// it is.
    Mute {
        /// Which process.
        id: ProcId,
        /// Which start.
        generation: Gen,
    },
    /// Close and open again every log file (SIGUSR2), the activity log included.
    Reopen,
    /// Empty the logs of a process: remove and open again (main log, or streams of a process).
    Clear {
        /// Whose; none: the activity log.
        id: Option<ProcId>,
        /// Told whether it worked.
        done: Done,
    },
    /// A finished line for the activity log's targets.
    Line(Vec<u8>),
    /// Run this when everything sent before has been carried out.
    Fence(Box<dyn FnOnce() + Send>),
    /// Flush and end the thread.
    Quit,
}

/// A completion: called once on the pump's thread; must not block.
pub type Done = Box<dyn FnOnce(bool) + Send>;

/// Where the activity log goes.
#[derive(Debug, Clone)]
pub struct MainLog {
    /// Its file, device or inherited descriptor (`/dev/stdout`).
    pub path: Option<PathBuf>,
    /// Rotate from so many bytes on; 0 or less: never.
    pub maxbytes: i64,
    /// Rotated files kept.
    pub backups: u32,
    /// Also write each line to standard output (in the foreground without `-s`).
    pub stdout: bool,
    /// Least level of the pump's own lines. From debug down children's output is copied to the
    /// activity log. Lines of others come filtered.
    pub level: Level,
}

/// What the pump needs to start.
#[derive(Debug, Clone)]
pub struct PumpConfig {
    /// The activity log.
    pub main_log: MainLog,
    /// The log daemon's socket: [`SYSLOG`] but in tests.
    pub syslog: PathBuf,
    /// Where messages for the coordinator go.
    pub inbox: Mailbox,
}

/// Where the log daemon listens.
pub const SYSLOG: &str = "/dev/log";

/// Stack of the pump's thread in bytes. Its buffers are on the heap.
const STACK: usize = 128 << 10;

/// A pump whose files are open and whose queue takes messages, without its thread yet: boot has to
/// open the activity log before it daemonizes, and threads do not survive that.
pub struct Idle {
    pump: engine::Pump,
    handle: PumpHandle,
}

/// Opens the activity log and makes everything ready.
///
/// # Errors
/// The activity log cannot be opened, or the kernel is out of descriptors.
pub fn open(config: PumpConfig) -> io::Result<Idle> {
    let (sender, queue) = crossbeam_channel::unbounded();
    let shared = Arc::new(wake::Shared::new(Arc::new(EventFd::new()?), false));
    // At that level the activity log has what all programs write.
    let void = if config.main_log.level <= Level::Debug { None } else { Some(void::Void::new()?) };
    let out = outlets::Outlets::new(config, shared.clone())?;
    let mut pump = engine::Pump::new(queue, shared.clone(), out)?;
    let void = void.map(|(void, streams)| {
        streams.into_iter().for_each(|stream| pump.drop_what_comes(stream));
        Arc::new(void)
    });
    Ok(Idle { pump, handle: PumpHandle { sender, shared, void, lazy: false } })
}

impl Idle {
    /// A way to the pump; what is sent is carried out once it runs.
    pub fn handle(&self) -> PumpHandle {
        self.handle.clone()
    }

    /// Starts the thread. It ends after [`PumpMsg::Quit`].
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(self) -> io::Result<JoinHandle<()>> {
        let builder = std::thread::Builder::new().name("pump".into()).stack_size(STACK);
        builder.spawn(|| self.pump.run())
    }

    /// Writes what was sent so far, on the caller's thread, and is done: for a start that failed.
    pub fn write_out(self) {
        self.handle.send(PumpMsg::Quit);
        self.pump.run();
    }
}

/// [`open`] and [`Idle::start`] in one.
///
/// # Errors
/// Theirs.
pub fn start(config: PumpConfig) -> io::Result<(PumpHandle, JoinHandle<()>)> {
    let idle = open(config)?;
    let handle = idle.handle();
    Ok((handle, idle.start()?))
}

/// A way to the pump. Sending never blocks.
#[derive(Clone, Debug)]
pub struct PumpHandle {
    sender: Sender<PumpMsg>,
    shared: Arc<wake::Shared>,
    void: Option<Arc<void::Void>>,
    /// What is sent waits for [`PumpHandle::wake`].
    lazy: bool,
}

impl PumpHandle {
    /// From the two halves of a queue that somebody else empties: `wake` is notified for every
    /// message.
    pub fn new(sender: Sender<PumpMsg>, wake: Arc<EventFd>) -> PumpHandle {
        let shared = Arc::new(wake::Shared::new(wake, true));
        PumpHandle { sender, shared, void: None, lazy: false }
    }
    /// Queues a message; a pump that has ended swallows it.
    pub fn send(&self, msg: PumpMsg) {
        if self.sender.send(msg).is_ok() && !self.lazy {
            self.shared.message_queued();
        }
    }
    /// A way to the same pump for somebody who sends much at a time and calls [`PumpHandle::wake`] then:
    /// to wake a thread for each line of a thousand costs more than to write them.
    #[must_use]
    pub fn lazy(&self) -> PumpHandle {
        PumpHandle { lazy: true, ..self.clone() }
    }
    /// What was sent in a lazy way is to be looked at. Nothing happens when it has been already.
    pub fn wake(&self) {
        if !self.sender.is_empty() {
            self.shared.message_queued();
        }
    }
    /// Queues a message that can wait until there is another reason to wake the pump.
    pub fn send_along(&self, msg: PumpMsg) {
        // A pump that has ended swallows it.
        let _ = self.sender.send(msg);
    }
    /// For a stream that nobody can read: a child's end of the pipe that all those share. None where
    /// it needs a pipe of its own after all.
    pub fn void(&self, plan: &StreamPlan) -> Option<OwnedFd> {
        let void = self.void.as_ref()?;
        if plan.is_void() { void.end(plan.channel) } else { None }
    }
    /// The way to tell that output messages have been dealt with.
    pub fn credits(&self) -> Credits {
        Credits(self.shared.clone())
    }
    /// The pump's counters.
    pub fn stats(&self) -> Arc<Stats> {
        self.shared.stats.clone()
    }
}
