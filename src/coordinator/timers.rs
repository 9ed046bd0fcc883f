//! Deadlines: one heap, nothing polls.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::inbox::ProcId;
use crate::sys::clock::Mono;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The deadline of a process; counts only when the stamp is still the process's.
    Process(ProcId, u64),
    /// A waiting stop call tells that it still waits.
    StopReport(ProcId, u64),
    /// The shutdown tells whom it waits for.
    ShutdownReport,
    /// A child takes too long to be made; counts only with the newest number.
    SpawnOverdue(u64),
    /// A restart has been shown long enough and begins.
    Leave,
    /// The start is over.
    Settled,
    /// TICK events; counts only with the newest number.
    Tick(u64),
    /// The service manager wants to hear that we turn.
    Watchdog,
    /// A message to the service manager found no room.
    Notify,
}

/// The heap.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Mono, Timer)>>,
}

impl Timers {
    /// Adds a deadline.
    pub fn set(&mut self, at: Mono, timer: Timer) {
        self.heap.push(Reverse((at, timer)));
    }
    /// How many there are.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.heap.len()
    }
    /// The earliest deadline.
    pub fn next(&self) -> Option<Mono> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
    /// Takes one that is due.
    pub fn due(&mut self, now: Mono) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, timer))| timer)
    }
}
