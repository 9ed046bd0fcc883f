//! The eight states of a process, and how a process can end.

/// State of a process, with the codes of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Not started, or stopped on request.
    Stopped = 0,
    /// Started, not yet up for `startsecs`.
    Starting = 10,
    /// Up.
    Running = 20,
    /// Ended too quickly; waits before the next try.
    Backoff = 30,
    /// Asked to stop.
    Stopping = 40,
    /// Ended by itself from RUNNING.
    Exited = 100,
    /// Could not be started.
    Fatal = 200,
    /// Something is wrong with our own signals.
    Unknown = 1000,
}

impl State {
    /// Name as clients see it.
    pub fn name(self) -> &'static str {
        match self {
            State::Stopped => "STOPPED",
            State::Starting => "STARTING",
            State::Running => "RUNNING",
            State::Backoff => "BACKOFF",
            State::Stopping => "STOPPING",
            State::Exited => "EXITED",
            State::Fatal => "FATAL",
            State::Unknown => "UNKNOWN",
        }
    }
    /// Code as clients see it.
    pub fn code(self) -> i32 {
        self as i32
    }
    /// Counts as stopped: STOPPED, EXITED, FATAL, UNKNOWN.
    pub fn is_stopped(self) -> bool {
        matches!(self, State::Stopped | State::Exited | State::Fatal | State::Unknown)
    }
    /// Counts as running: RUNNING, BACKOFF, STARTING.
    pub fn is_running(self) -> bool {
        matches!(self, State::Running | State::Backoff | State::Starting)
    }
    /// Can be sent a signal: RUNNING, STARTING, STOPPING.
    pub fn is_signallable(self) -> bool {
        matches!(self, State::Running | State::Starting | State::Stopping)
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// exit(n)
    Code(i32),
    /// Killed by a signal (real-time ones included).
    Signal {
        /// Signal number.
        signal: i32,
        /// It left a core dump.
        core: bool,
    },
}

impl ExitStatus {
    /// Exit code; -1 after death by signal, as in the reference.
    pub fn code(self) -> i32 {
        match self {
            ExitStatus::Code(n) => n,
            ExitStatus::Signal { .. } => -1,
        }
    }
}
