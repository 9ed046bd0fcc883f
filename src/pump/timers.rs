//! The pump's deadlines. Pure. A deadline that has become pointless is not taken out: whoever it
//! is for looks again when it comes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::outlets::Token;
use crate::coordinator::inbox::{Gen, ProcId};
use crate::sys::clock::Mono;

/// Whom a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A stream that is left alone for a moment.
    Flow(Token),
    /// Logs that nobody writes to.
    Rest,
    /// A child's input that cannot be watched for room.
    Input(Token),
    /// A log target that is to be tried again, or given up.
    Sink(Token),
    /// An exit that came before its `Attach`.
    Early(ProcId, Gen),
}

/// All deadlines.
#[derive(Debug, Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(Mono, Timer)>>);

impl Timers {
    /// Adds one.
    pub fn set(&mut self, at: Mono, timer: Timer) {
        self.0.push(Reverse((at, timer)));
    }
    /// The next one.
    pub fn next(&self) -> Option<Mono> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }
    /// Takes out the next one that is due.
    pub fn pop_due(&mut self, now: Mono) -> Option<Timer> {
        self.next().filter(|at| *at <= now)?;
        self.0.pop().map(|Reverse((_, timer))| timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_in_order_and_not_early() {
        let mut t = Timers::default();
        t.set(Mono(5), Timer::Sink(1));
        t.set(Mono(3), Timer::Flow(2));
        assert_eq!(t.next(), Some(Mono(3)));
        assert_eq!(t.pop_due(Mono(2)), None);
        assert_eq!(t.pop_due(Mono(9)), Some(Timer::Flow(2)));
        assert_eq!(t.pop_due(Mono(9)), Some(Timer::Sink(1)));
        assert_eq!(t.pop_due(Mono(9)), None);
    }
}
