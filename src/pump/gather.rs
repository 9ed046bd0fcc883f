//! When to read a pipe again. Pure.
//!
//! A child that writes line by line wakes the pump for each line, and that costs both of them more
//! than the copying. So a pipe that was read twice in short order is left alone for a moment, long
//! enough to gather some lines and short enough that it never fills (the child would have to wait).
//! The moment is found by trial: too little in the pipe doubles it, too much halves it. The first
//! output of a quiet pipe is always read at once, and nothing ever waits longer than [`LONGEST`].

use std::time::Duration;

use crate::sys::clock::Mono;

/// Nothing waits in a pipe longer than this for being gathered.
///
/// With all that comes after it a line is in its file within 20 ms.
pub(super) const LONGEST: Duration = Duration::from_millis(12);
/// Below this a pause costs more than it saves: the pipe is watched instead.
const SHORTEST: Duration = Duration::from_micros(50);
/// Two reads farther apart than this (and the pause) are not "in short order".
const QUIET: Duration = Duration::from_millis(2);

/// A busy pipe that takes longer than this to fill has room enough.
const ROOMY: Duration = Duration::from_millis(2);
/// So many fillings of a pipe are looked at before its room is judged.
const FILLINGS: usize = 8;
/// A pipe that was not read for so long is not busy any more.
const IDLE: Duration = Duration::from_secs(1);

/// What to do with a pipe after its turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Read as soon as there is something.
    Watch,
    /// Read after this time.
    Pause(Duration),
}

/// What is remembered of one pipe.
#[derive(Debug)]
pub(super) struct Gather {
    last: Option<Mono>,
    pause: Duration,
    little: usize,
    much: usize,
    capacity: usize,
    /// The stretch of busy reading that is being judged: its beginning, and what it gave.
    since: Mono,
    given: usize,
    full: bool,
}

impl Gather {
    /// For a pipe that holds `capacity` bytes. It may be full with half of that: small writes are
    /// not split over its pages.
    pub fn new(capacity: usize) -> Gather {
        Gather {
            last: None,
            pause: Duration::ZERO,
            little: capacity * 3 / 16,
            much: capacity * 3 / 8,
            capacity,
            since: Mono(0),
            given: 0,
            full: false,
        }
    }

    /// The pipe fills so fast that its reader and its writer wait for each other more than they work:
    /// a larger one would pay. Asked again only after as much again has been read.
    pub fn wants_room(&mut self, now: Mono) -> bool {
        let fillings = self.given / self.capacity.max(1);
        if fillings < FILLINGS {
            return false;
        }
        let took = now.since(self.since);
        (self.since, self.given) = (now, 0);
        took < ROOMY * u32::try_from(fillings).unwrap_or(u32::MAX)
    }

    /// Its last turn found so much in it that its writer had to wait, or soon would have.
    pub fn fills_up(&self) -> bool {
        self.full
    }

    /// Nothing has come for long.
    pub fn is_idle(&self, now: Mono) -> bool {
        self.last.is_none_or(|last| now.since(last) > IDLE)
    }

    /// A turn has read `got` bytes (0: there was nothing).
    pub fn after_read(&mut self, got: usize, now: Mono) -> Next {
        let quiet = self.last.is_none_or(|last| now.since(last) > QUIET + self.pause);
        self.full = got > self.much;
        if got == 0 || quiet {
            self.last = (got > 0).then_some(now);
            self.pause = Duration::ZERO;
            (self.since, self.given) = (now, 0);
            return Next::Watch;
        }
        self.last = Some(now);
        self.given += got;
        if got > self.much {
            self.pause /= 2;
        } else if got < self.little {
            self.pause = (self.pause * 2).clamp(SHORTEST, LONGEST);
        }
        if self.pause < SHORTEST { Next::Watch } else { Next::Pause(self.pause) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn the_first_output_of_a_quiet_pipe_is_not_delayed() {
        let mut g = Gather::new(65536);
        assert_eq!(g.after_read(10, Mono(0)), Next::Watch);
        assert_eq!(g.after_read(10, Mono(1000 * MS)), Next::Watch);
    }

    #[test]
    fn a_busy_pipe_is_left_alone_longer_and_longer_up_to_the_limit() {
        let mut g = Gather::new(65536);
        let mut now = 0;
        g.after_read(100, Mono(now));
        let mut pauses = Vec::new();
        for _ in 0..10 {
            now += MS / 2;
            let Next::Pause(p) = g.after_read(100, Mono(now)) else { panic!() };
            now += u64::try_from(p.as_nanos()).unwrap();
            pauses.push(p);
        }
        assert_eq!(pauses[0], SHORTEST);
        assert!(pauses.is_sorted());
        assert_eq!(pauses[9], LONGEST);
        assert_eq!(g.after_read(0, Mono(now)), Next::Watch, "an empty pipe is watched");
    }

    #[test]
    fn a_pipe_that_fills_up_is_watched() {
        let mut g = Gather::new(65536);
        g.after_read(100, Mono(0));
        assert_eq!(g.after_read(100, Mono(1)), Next::Pause(SHORTEST));
        assert_eq!(g.after_read(60000, Mono(2)), Next::Watch);
        assert_eq!(g.after_read(60000, Mono(3)), Next::Watch);
    }

    #[test]
    fn a_pipe_fills_up_only_as_long_as_its_turns_find_much() {
        let mut g = Gather::new(65536);
        assert!(!g.fills_up());
        for (got, full) in [(65536, true), (30000, true), (20000, false), (65536, true), (0, false)]
        {
            g.after_read(got, Mono(1));
            assert_eq!(g.fills_up(), full, "{got}");
        }
    }

    /// Reads 64 KiB every `every`, until the pipe wants room or 100 reads are done.
    fn reads_until_room(every: u64) -> Option<u64> {
        let mut g = Gather::new(65536);
        (0..100).find(|n| {
            g.after_read(65536, Mono(n * every));
            g.wants_room(Mono(n * every))
        })
    }

    #[test]
    fn only_a_pipe_that_fills_fast_for_a_while_wants_room() {
        assert_eq!(reads_until_room(MS), Some(8));
        assert_eq!(reads_until_room(MS * 2), None);
        assert_eq!(reads_until_room(MS * 100), None, "quiet between two reads");
    }

    #[test]
    fn a_pipe_that_got_no_room_does_not_ask_at_each_read() {
        let mut g = Gather::new(65536);
        let asked = (0..100u64).filter(|n| {
            g.after_read(65536, Mono(n * MS));
            g.wants_room(Mono(n * MS))
        });
        assert_eq!(asked.count(), 12);
    }
}
