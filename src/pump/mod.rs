//! The pump: one thread that moves bytes. It owns the read ends of child pipes, the write ends of
//! their stdin, every open log file with its rotation, and the activity log's targets.
//!
//! Everyone talks to it through a [`PumpHandle`]; it talks to the coordinator through the inbox.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::Sender;

use crate::coordinator::inbox::{Channel, Gen, ProcId};
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

/// One output stream of a child, ready to be pumped.
#[derive(Debug)]
pub struct Stream {
    /// Read end, non-blocking.
    pub fd: OwnedFd,
    /// What to do with what comes.
    pub plan: Arc<StreamPlan>,
    /// The log file, opened by the runner so that a failure is a spawn failure.
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

/// A way to the pump. Sending never blocks.
#[derive(Clone, Debug)]
pub struct PumpHandle {
    sender: Sender<PumpMsg>,
    wake: Arc<EventFd>,
}

impl PumpHandle {
    /// From the two halves of the pump's queue.
    pub fn new(sender: Sender<PumpMsg>, wake: Arc<EventFd>) -> PumpHandle {
        PumpHandle { sender, wake }
    }
    /// Queues a message; a pump that has ended swallows it.
    pub fn send(&self, msg: PumpMsg) {
        if self.sender.send(msg).is_ok() {
            self.wake.notify();
        }
    }
}
