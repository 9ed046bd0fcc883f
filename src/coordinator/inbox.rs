//! Messages to the coordinator: the only way into its state.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crossbeam_channel::Sender;

use super::published::AutoLogs;
use crate::config::model::{Config, Group, Program};
use crate::events::Feed;
use crate::machine::ExitStatus;
use crate::pump::Pipes;
use crate::rpc::value::{Fault, Value};

/// Names one process slot. Never used twice in the life of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcId(pub u64);

/// Counts the starts of one process; messages of an older start are dropped.
pub type Gen = u64;

/// One start of one process.
pub type Order = (ProcId, Gen);

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
    /// maker: the child lives.
    Spawned {
        /// Which process.
        id: ProcId,
        /// Which start.
        generation: Gen,
        /// Its pid.
        pid: i32,
        /// Handle for signals, which the runner shares.
        pidfd: Arc<OwnedFd>,
        /// The FastCGI socket that it has as fd 0; kept as long as it lives.
        socket: Option<Arc<crate::runner::fcgi::OpenSocket>>,
        /// The pump reads its streams, so its end is told by way of the pump.
        pumped: bool,
        /// Our ends of its pipes, for the pump. None: it gets them from elsewhere.
        pipes: Option<Pipes>,
    },
    /// maker: no child came to be.
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
    /// pump: an event could not be written to a listener's stdin, nothing of it was taken.
    EventNotTaken {
        /// Which process.
        id: ProcId,
        /// Which start.
        generation: Gen,
        /// Serial of the event.
        serial: u64,
    },
    /// pump: the logs of a process have been cleared, or not.
    Cleared {
        /// Which process.
        id: ProcId,
        /// For which call.
        call: super::calls::CallId,
        /// Name for the fault.
        name: String,
        /// Whether it worked.
        cleared: bool,
    },
    /// The reader of an event stream has ended.
    Unsubscribed,
    /// The configuration that a SIGHUP or a restart call asked for has been read.
    RestartConfig {
        /// The file's contents, or what is wrong with it.
        config: Result<Arc<Config>, String>,
        /// The call that asked; none for a SIGHUP.
        call: Option<super::calls::CallId>,
    },
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
///
/// Callers check names and the shutdown against what is published, which may be out of date when
/// the call gets here. So, for every call:
/// - in shutdown and restart the answer is `SHUTDOWN_STATE`, except to `RemoteComm`;
/// - a target whose id is gone gives `BAD_NAME: name` in [`Shape::Single`] and is left out in
///   [`Shape::Many`];
/// - what has changed is published before the answer is sent.
///
/// Faults below are those of [`Shape::Single`]; in [`Shape::Many`] they become the `status` and
/// `description` of an item.
pub enum Op {
    /// Start processes. Files were looked at by the caller, since the coordinator touches none.
    ///
    /// `ALREADY_STARTED: name` in STARTING, RUNNING and BACKOFF (left out in lists); `FAILED: name
    /// is in an unknown process state` in UNKNOWN; `SPAWN_ERROR: name` when no child came to be or
    /// it ended too early; `ABNORMAL_TERMINATION: name` when it is stopped while waited for, and in
    /// STOPPING. Upstream answers true in STOPPING without `wait`, though nothing is started.
    Start {
        /// Whom: id, the name for fault texts, and the fault that looking at its file gave.
        targets: Vec<Target>,
        /// Answer only when they are RUNNING or have failed.
        wait: bool,
        /// One answer or a list.
        shape: Shape,
    },
    /// Stop processes.
    ///
    /// `NOT_RUNNING: name` unless STARTING, RUNNING or BACKOFF (left out in lists); `FAILED: why`
    /// when it cannot be signalled.
    Stop {
        /// Whom.
        targets: Vec<Target>,
        /// Answer only when they have stopped.
        wait: bool,
        /// One answer or a list.
        shape: Shape,
    },
    /// Send a signal.
    ///
    /// `NOT_RUNNING: name` unless STARTING, RUNNING or STOPPING (left out in lists); `FAILED: why`
    /// when it cannot be signalled.
    Signal {
        /// Whom.
        targets: Vec<Target>,
        /// Signal number; 0 is allowed.
        signal: i32,
        /// One answer or a list.
        shape: Shape,
    },
    /// Write to a process's stdin.
    ///
    /// `NOT_RUNNING: name` without a pid or while it is being stopped; `NO_FILE: name` when the pipe
    /// is closed.
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
    /// A freshly read configuration becomes the known one; answers `[[added, changed, removed]]`:
    /// names, the first two in the order of the configuration, the last in that of the active table.
    Adopt(Arc<Config>),
    /// Add a group of the known configuration.
    ///
    /// `ALREADY_ADDED: name`; the caller then removes the logs again. The group's view must keep
    /// this very `Arc`, as must those made at boot: `getAllConfigInfo` tells by it whether AUTO logs
    /// belong to the known configuration.
    AddGroup {
        /// The group.
        group: Arc<Group>,
        /// Its AUTO logs, already created, one per member in `programs` order.
        logs: Vec<AutoLogs>,
    },
    /// Remove a stopped group. `BAD_NAME: name`, `STILL_RUNNING: name`.
    RemoveGroup(String),
    /// Add plain programs to an active group; those with `autostart` start at once. No event tells of
    /// it. `BAD_NAME: group: NAME`, `BAD_NAME: NAME` of a process that the group has already; the
    /// caller then removes the logs again.
    AddPrograms {
        /// The group's name.
        group: String,
        /// The programs.
        programs: Vec<Arc<Program>>,
        /// Their AUTO logs, already created, in the same order.
        logs: Vec<AutoLogs>,
    },
    /// Take a stopped process out of its group. No event tells of it. `BAD_NAME: group: NAME`,
    /// `BAD_NAME: NAME`, `STILL_RUNNING: NAME`.
    RemoveProcess {
        /// The group's name.
        group: String,
        /// The process's name.
        process: String,
    },
    /// How the event system does, and a sign of life: answered at once, also in shutdown, with
    /// `{dropped, streams, pools: [{name, backlog, limit, discarded}]}`; `dropped` counts events that
    /// were too many for streams.
    Pulse,
    /// Send events to a reader from now on; its end is told by [`Msg::Unsubscribed`].
    Subscribe(Feed),
    /// Shut down.
    Shutdown,
    /// Restart with the file read anew.
    Restart,
    /// Remove and reopen the activity log, which is a regular file. `FAILED` when that does not work.
    ClearLog,
    /// Clear the logs of processes: true also for those that do not run, whose files stay.
    /// `FAILED: name` when a file cannot be removed or opened. In lists nobody is left out.
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
    /// in the wanted state are left out. Success is status 80 (`SUCCESS`) and description `OK`.
    Many,
}
