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
pub(super) const LONGEST: Duration = Duration::from_millis(4);
/// Below this a pause costs more than it saves: the pipe is watched instead.
const SHORTEST: Duration = Duration::from_micros(50);
/// Two reads farther apart than this (and the pause) are not "in short order".
const QUIET: Duration = Duration::from_millis(2);

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
        }
    }

    /// A turn has read `got` bytes (0: there was nothing).
    pub fn after_read(&mut self, got: usize, now: Mono) -> Next {
        let quiet = self.last.is_none_or(|last| now.since(last) > QUIET + self.pause);
        if got == 0 || quiet {
            self.last = (got > 0).then_some(now);
            self.pause = Duration::ZERO;
            return Next::Watch;
        }
        self.last = Some(now);
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
        for _ in 0..9 {
            now += MS / 2;
            let Next::Pause(p) = g.after_read(100, Mono(now)) else { panic!() };
            now += u64::try_from(p.as_nanos()).unwrap();
            pauses.push(p);
        }
        assert_eq!(pauses[0], SHORTEST);
        assert!(pauses.is_sorted());
        assert_eq!(pauses[8], LONGEST);
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
}
