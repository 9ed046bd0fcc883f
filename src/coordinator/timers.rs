//! Deadlines: each thing has one at most, nothing polls.

use std::collections::{BTreeSet, HashMap};

use super::inbox::ProcId;
use crate::sys::clock::Mono;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The deadline of a process.
    Process(ProcId),
    /// A waiting stop call tells that it still waits.
    StopReport(ProcId),
    /// The shutdown tells whom it waits for.
    ShutdownReport,
    /// A child takes too long to be made.
    SpawnOverdue,
    /// A restart has been shown long enough and begins.
    Leave,
    /// The start is over.
    Settled,
    /// TICK events.
    Tick,
    /// The service manager wants to hear that we turn.
    Watchdog,
    /// A message to the service manager found no room.
    Notify,
    /// A look at process groups that outlive their programs.
    Survivors,
    /// A look at children that no runner watches.
    Unwatched,
}

/// All deadlines in order. One that is set anew or taken back leaves nothing behind, so a program
/// that comes and goes every second with a deadline of a day costs no more than any other.
#[derive(Debug, Default)]
pub struct Timers {
    queue: BTreeSet<(Mono, Timer)>,
    times: HashMap<Timer, Mono>,
}

impl Timers {
    /// Sets a deadline in place of the one that there was.
    pub fn set(&mut self, at: Mono, timer: Timer) {
        match self.times.insert(timer, at) {
            Some(old) if old == at => return,
            Some(old) => drop(self.queue.remove(&(old, timer))),
            None => {}
        }
        self.queue.insert((at, timer));
    }

    /// Takes a deadline back.
    pub fn clear(&mut self, timer: Timer) {
        if let Some(at) = self.times.remove(&timer) {
            self.queue.remove(&(at, timer));
        }
    }

    /// When something is due.
    pub fn at(&self, timer: Timer) -> Option<Mono> {
        self.times.get(&timer).copied()
    }

    /// How many there are.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.queue.len()
    }

    /// What there is.
    #[cfg(test)]
    pub fn all(&self) -> impl Iterator<Item = Timer> {
        self.times.keys().copied()
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Mono> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes one that is due.
    pub fn due(&mut self, now: Mono) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        let (_, timer) = self.queue.pop_first()?;
        self.times.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Timer = Timer::Process(ProcId(1));

    #[test]
    fn the_earliest_comes_first_and_none_before_its_time() {
        let mut timers = Timers::default();
        timers.set(Mono(20), ONE);
        timers.set(Mono(10), Timer::Tick);
        assert_eq!((timers.next(), timers.due(Mono(9))), (Some(Mono(10)), None));
        assert_eq!(timers.due(Mono(30)), Some(Timer::Tick));
        assert_eq!(timers.due(Mono(30)), Some(ONE));
        assert_eq!((timers.next(), timers.due(Mono(30))), (None, None));
    }

    #[test]
    fn a_deadline_that_is_set_anew_or_taken_back_leaves_nothing() {
        let mut timers = Timers::default();
        for at in [50, 10, 30] {
            timers.set(Mono(at), ONE);
        }
        assert_eq!((timers.count(), timers.at(ONE)), (1, Some(Mono(30))));
        assert_eq!((timers.due(Mono(29)), timers.due(Mono(30))), (None, Some(ONE)));
        timers.set(Mono(40), ONE);
        timers.clear(ONE);
        timers.clear(Timer::Tick);
        assert_eq!((timers.count(), timers.at(ONE), timers.due(Mono(99))), (0, None, None));
    }
}
