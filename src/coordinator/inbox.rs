//! Messages to the coordinator: the only way into its state.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crossbeam_channel::Sender;

use super::published::AutoLogs;
use crate::config::model::{Config, Group};
use crate::machine::ExitStatus;
use crate::rpc::value::{Fault, Value};

/// Names one process slot. Never used twice in the life of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcId(pub u64);

/// Counts the starts of one process; messages of an older start are dropped.
pub type Gen = u64;

/// One of a child's two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// fd 1
    Stdout,
    /// fd 2
    Stderr,
}

impl Channel {
    /// `stdout` or `stderr`.
    pub fn name(self) -> &'static str {
        match self {
            Channel::Stdout => "stdout",
            Channel::Stderr => "stderr",
        }
    }
}

/// Where the answer to a call goes; a receiver that is gone is ignored.
pub type Reply = Sender<Result<Value, Fault>>;

/// A message to the coordinator.
pub enum Msg {
    /// A signal came to the daemon.
    Signal(i32),
    /// A client's call.
    Call {
        /// What is asked.
        op: Op,
        /// Where the answer goes.
        reply: Reply,
    },
    /// runner: the child lives.
    Spawned {
        /// Which process.
        id: ProcId,
        /// Which start.
        generation: Gen,
        /// Its pid.
        pid: i32,
        /// Handle for signals; the runner keeps its own copy.
        pidfd: Arc<OwnedFd>,
        /// Our ends of its pipes, to be attached to the pump.
        pipes: crate::pump::Pipes,
    },
    /// runner: no child came to be.
    SpawnFailed {
        /// Which process.
        id: ProcId,
        /// Which start.
        generation: Gen,
        /// `spawnerr` text of the reference.
        error: String,
    },
    /// runner (by way of the pump where output has to be drained first): the child is a zombie.
    Exited {
        /// Which process.
        id: ProcId,
        /// Which start.
        generation: Gen,
        /// How it ended.
        status: ExitStatus,
    },
    /// pump: a listener wrote to its stdout.
    ListenerOutput {
        /// Which process.
        id: ProcId,
        /// Which start.
        generation: Gen,
        /// Bytes.
        data: Vec<u8>,
    },
    /// pump: a process wrote and its stream has `events_enabled`.
    LogOutput {
        /// Which process.
        id: ProcId,
        /// Which start.
        generation: Gen,
        /// Which stream.
        channel: Channel,
        /// Bytes.
        data: Vec<u8>,
    },
    /// pump: a PROCESS_COMMUNICATION block is complete.
    CommOutput {
        /// Which process.
        id: ProcId,
        /// Which start.
        generation: Gen,
        /// Which stream.
        channel: Channel,
        /// Bytes between the marks.
        data: Vec<u8>,
    },
    /// pump: writing to a child's stdin ended with EPIPE; the pipe is closed.
    StdinClosed {
        /// Which process.
        id: ProcId,
        /// Which start.
        generation: Gen,
    },
    /// The configuration that a SIGHUP or a restart call asked for has been read.
    RestartConfig(Result<Arc<Config>, String>),
    /// A child that nobody knows has been reaped (PID 1, subreaper).
    Stranger {
        /// Its pid.
        pid: i32,
        /// How it ended.
        status: ExitStatus,
    },
}

/// What a client may ask of the coordinator. Questions that only read are answered from
/// [`super::published::Published`] and never come here.
pub enum Op {
    /// Start processes. Files were looked at by the caller, since the coordinator touches none.
    Start {
        /// Whom: id, the name for fault texts, and the fault that looking at its file gave.
        targets: Vec<Target>,
        /// Answer only when they are RUNNING or have failed.
        wait: bool,
        /// One answer or a list.
        shape: Shape,
    },
    /// Stop processes.
    Stop {
        /// Whom.
        targets: Vec<Target>,
        /// Answer only when they have stopped.
        wait: bool,
        /// One answer or a list.
        shape: Shape,
    },
    /// Send a signal.
    Signal {
        /// Whom.
        targets: Vec<Target>,
        /// Signal number; 0 is allowed.
        signal: i32,
        /// One answer or a list.
        shape: Shape,
    },
    /// Write to a process's stdin.
    SendStdin {
        /// Whom.
        id: ProcId,
        /// Name for fault texts.
        name: String,
        /// Bytes.
        data: Vec<u8>,
    },
    /// Emit a REMOTE_COMMUNICATION event.
    RemoteComm {
        /// Its type.
        kind: String,
        /// Its data.
        data: String,
    },
    /// A freshly read configuration becomes the known one; answers `[[added, changed, removed]]`.
    Adopt(Arc<Config>),
    /// Add a group of the known configuration.
    AddGroup {
        /// The group.
        group: Arc<Group>,
        /// Its AUTO logs, already created, one per member in `programs` order.
        logs: Vec<AutoLogs>,
    },
    /// Remove a stopped group.
    RemoveGroup(String),
    /// Shut down.
    Shutdown,
    /// Restart with the file read anew.
    Restart,
    /// Remove and reopen the activity log.
    ClearLog,
    /// Clear the logs of processes.
    ClearProcessLogs {
        /// Whose.
        targets: Vec<Target>,
        /// One answer or a list.
        shape: Shape,
    },
}

/// A process that a call names.
pub struct Target {
    /// Which.
    pub id: ProcId,
    /// As the client wrote it; stands in faults.
    pub name: String,
    /// A fault found before (a missing program file); given as the result unless the process runs.
    pub precheck: Option<Fault>,
}

/// How results are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `true` or a fault.
    Single,
    /// An array of `{name, group, status, description}` in order of completion; members already
    /// in the wanted state are left out.
    Many,
}
