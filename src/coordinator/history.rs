//! What a process has been through: counters, and its last exits and changes of state. Plain data,
//! written by the coordinator alone; of constant size, so that an event costs the same for ever.

use std::collections::VecDeque;
use std::time::Duration;

use crate::machine::{ExitStatus, State};
use crate::sys::clock::Mono;

/// Exits that are remembered.
pub const LAST_EXITS: usize = 10;
/// Changes of state that are remembered.
pub const LAST_CHANGES: usize = 20;

/// All states, in the order of [`History::time_in`].
pub const STATES: [State; 8] = [
    State::Stopped,
    State::Starting,
    State::Running,
    State::Backoff,
    State::Stopping,
    State::Exited,
    State::Fatal,
    State::Unknown,
];

/// Why a process was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartReason {
    /// Somebody asked for it, or `autostart`.
    Wanted = 0,
    /// It had ended (`autorestart`).
    Restart = 1,
    /// A start before had failed (`startretries`).
    Retry = 2,
}

impl StartReason {
    /// All, in order of their numbers.
    pub const ALL: [StartReason; 3] =
        [StartReason::Wanted, StartReason::Restart, StartReason::Retry];

    /// As monitoring names it.
    pub fn name(self) -> &'static str {
        match self {
            StartReason::Wanted => "wanted",
            StartReason::Restart => "restart",
            StartReason::Retry => "retry",
        }
    }
}

/// Why a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitReason {
    /// By itself, with a code of `exitcodes`, after `startsecs`.
    Expected = 0,
    /// By itself, with another code or too early.
    Unexpected = 1,
    /// By a signal that was not ours.
    Signal = 2,
    /// It was asked to stop.
    Stopped = 3,
}

impl ExitReason {
    /// All, in order of their numbers.
    pub const ALL: [ExitReason; 4] =
        [ExitReason::Expected, ExitReason::Unexpected, ExitReason::Signal, ExitReason::Stopped];

    /// As monitoring names it.
    pub fn name(self) -> &'static str {
        match self {
            ExitReason::Expected => "expected",
            ExitReason::Unexpected => "unexpected",
            ExitReason::Signal => "signal",
            ExitReason::Stopped => "stopped",
        }
    }
}

/// One exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// When, in seconds since 1970.
    pub time: i64,
    /// How.
    pub status: ExitStatus,
    /// Why.
    pub reason: ExitReason,
    /// How long it ran.
    pub ran: Duration,
}

/// One change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// When, in seconds since 1970.
    pub time: i64,
    /// Old state.
    pub from: State,
    /// New state.
    pub to: State,
}

/// See the module head. Totals count from when the process was added.
#[derive(Debug, Clone, Default)]
pub struct History {
    starts: [u32; StartReason::ALL.len()],
    exits: [u32; ExitReason::ALL.len()],
    /// Starts that made no child.
    pub spawn_failures: u64,
    /// Nanoseconds in states that were left.
    spent: [u64; STATES.len()],
    /// When the present state began; none while it never changed.
    since: Option<Mono>,
    state: Option<State>,
    /// The last [`LAST_EXITS`], oldest first.
    pub last_exits: VecDeque<Exit>,
    /// The last [`LAST_CHANGES`], oldest first.
    pub changes: VecDeque<Change>,
}

fn place(state: State) -> usize {
    STATES.iter().position(|s| *s == state).unwrap_or(0)
}

fn push<T>(ring: &mut VecDeque<T>, most: usize, item: T) {
    if ring.len() >= most {
        ring.pop_front();
    }
    if ring.len() == ring.capacity() {
        // Twice as much each time, but never more than it can hold: a flapping program would keep as
        // much again for nothing.
        ring.reserve_exact(ring.len().max(4).min(most - ring.len()));
    }
    ring.push_back(item);
}

impl History {
    /// For a process that is added, STOPPED, at this moment.
    pub fn new(now: Mono) -> History {
        History { since: Some(now), state: Some(State::Stopped), ..History::default() }
    }

    /// It has changed its state.
    pub fn changed(&mut self, change: Change, now: Mono) {
        if let (Some(since), Some(spent)) = (self.since, self.spent.get_mut(place(change.from))) {
            *spent = spent.saturating_add(now.0.saturating_sub(since.0));
        }
        (self.since, self.state) = (Some(now), Some(change.to));
        push(&mut self.changes, LAST_CHANGES, change);
    }

    /// It is being started.
    pub fn started(&mut self, reason: StartReason) {
        if let Some(count) = self.starts.get_mut(reason as usize) {
            *count = count.saturating_add(1);
        }
    }

    /// It has ended.
    pub fn ended(&mut self, exit: Exit) {
        if let Some(count) = self.exits.get_mut(exit.reason as usize) {
            *count = count.saturating_add(1);
        }
        push(&mut self.last_exits, LAST_EXITS, exit);
    }

    /// Starts for that reason.
    pub fn starts(&self, reason: StartReason) -> u64 {
        self.starts.get(reason as usize).copied().unwrap_or(0).into()
    }

    /// Starts that nobody asked for: after an exit, or after a failed start.
    pub fn restarts(&self) -> u64 {
        self.starts(StartReason::Restart) + self.starts(StartReason::Retry)
    }

    /// Exits for that reason.
    pub fn exits(&self, reason: ExitReason) -> u64 {
        self.exits.get(reason as usize).copied().unwrap_or(0).into()
    }

    /// Time spent in a state up to now.
    pub fn time_in(&self, state: State, now: Mono) -> Duration {
        let spent = self.spent.get(place(state)).copied().unwrap_or_default();
        let spent = Duration::from_nanos(spent);
        match self.since {
            Some(since) if self.state == Some(state) => spent + now.since(since),
            _ => spent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Mono {
        Mono(0).after(Duration::from_secs(secs))
    }

    fn change(from: State, to: State) -> Change {
        Change { time: 0, from, to }
    }

    #[test]
    fn time_adds_up_over_states() {
        let mut h = History::new(at(10));
        h.changed(change(State::Stopped, State::Starting), at(15));
        h.changed(change(State::Starting, State::Running), at(16));
        h.changed(change(State::Running, State::Stopped), at(20));
        let time = |state| h.time_in(state, at(30)).as_secs();
        assert_eq!(time(State::Stopped), 15);
        assert_eq!((time(State::Starting), time(State::Running), time(State::Fatal)), (1, 4, 0));
    }

    #[test]
    fn only_the_last_exits_are_kept_and_all_are_counted() {
        let mut h = History::new(at(0));
        for n in 0..25 {
            let reason = ExitReason::Unexpected;
            h.ended(Exit { time: n, status: ExitStatus::Code(1), reason, ran: Duration::ZERO });
        }
        assert_eq!(h.exits(ExitReason::Unexpected), 25);
        assert_eq!(h.exits(ExitReason::Signal), 0);
        assert_eq!(h.last_exits.len(), LAST_EXITS);
        assert_eq!(h.last_exits.front().map(|e| e.time), Some(15));
        assert_eq!(h.last_exits.capacity(), LAST_EXITS);
    }

    #[test]
    fn restarts_are_those_that_nobody_asked_for() {
        let mut h = History::new(at(0));
        StartReason::ALL.into_iter().for_each(|reason| h.started(reason));
        assert_eq!((h.restarts(), h.starts(StartReason::Wanted)), (2, 1));
    }
}
