//! TICK events: which are due at a given wall-clock time, and how long until the next.
//!
//! Pure; a field of the coordinator. Only periods that somebody listens for are followed, so that
//! without such a listener there is no wake-up.

use std::time::Duration;

use super::event::Event;
use super::types::{EventType, TypeSet};

/// Kinds and their periods in seconds, in the order in which they are sent.
const PERIODS: [(EventType, i64); 3] =
    [(EventType::Tick5, 5), (EventType::Tick60, 60), (EventType::Tick3600, 3600)];

/// The caller sleeps on a monotonic clock, ticks follow the wall clock. After so long it looks again,
/// so that a step of the wall clock, or a suspended machine, delays no tick by more than this.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The slice of each period that was seen last; none while nobody listens for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ticker {
    last: [Option<i64>; PERIODS.len()],
}

/// What [`Ticker::poll`] found.
#[derive(Debug)]
pub struct Ticks {
    /// Events to be sent now.
    pub due: Vec<Event>,
    /// Poll again after this time; none: when `wanted` changes.
    pub wait: Option<Duration>,
}

impl Ticker {
    /// One that follows nothing yet.
    pub fn new() -> Ticker {
        Ticker::default()
    }

    /// Looks at the wall clock (seconds since 1970, microseconds). To be called at start, whenever
    /// `wanted` may have changed, and when the time of the last answer is over.
    ///
    /// A period sends nothing when it is first followed; after that one event when its slice has
    /// changed, with the new slice, however many were skipped. A clock that was set back by no more
    /// than a slice repeats no tick; one set back further starts anew from where it is.
    pub fn poll(&mut self, (secs, micros): (i64, u32), wanted: TypeSet) -> Ticks {
        let mut ticks = Ticks { due: Vec::new(), wait: None };
        for ((kind, period), last) in PERIODS.into_iter().zip(&mut self.last) {
            if !wanted.contains(kind) {
                *last = None;
                continue;
            }
            let slice = secs - secs.rem_euclid(period);
            match *last {
                None => *last = Some(slice),
                Some(seen) if slice > seen => {
                    *last = Some(slice);
                    ticks.due.push(Event::tick(kind, slice));
                }
                Some(seen) if seen - slice > period => *last = Some(slice),
                Some(_) => {}
            }
            let left = Duration::from_secs((slice + period - secs).unsigned_abs())
                .saturating_sub(Duration::from_micros(u64::from(micros)))
                .min(LOOK_AGAIN);
            ticks.wait = Some(ticks.wait.map_or(left, |wait| wait.min(left)));
        }
        ticks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(ticks: &Ticks) -> Vec<String> {
        ticks.due.iter().map(|e| format!("{} {}", e.kind().name(), e.payload())).collect()
    }

    fn all() -> TypeSet {
        TypeSet::of(EventType::Tick)
    }

    #[test]
    fn nobody_listening_means_no_wake_up() {
        let mut ticker = Ticker::new();
        for secs in [0, 5, 3600, 7200] {
            let ticks = ticker.poll((secs, 0), TypeSet::of(EventType::ProcessState));
            assert!(ticks.due.is_empty());
            assert_eq!(ticks.wait, None);
        }
    }

    #[test]
    fn a_tick_comes_when_its_slice_changes() {
        let mut ticker = Ticker::new();
        let first = ticker.poll((7197, 250_000), all());
        assert!(first.due.is_empty());
        assert_eq!(first.wait, Some(Duration::from_millis(2750)));
        let second = ticker.poll((7200, 0), all());
        assert_eq!(
            names(&second),
            ["TICK_5 when:7200", "TICK_60 when:7200", "TICK_3600 when:7200"]
        );
        assert_eq!(second.wait, Some(Duration::from_secs(5)));
        assert!(ticker.poll((7204, 999_999), all()).due.is_empty());
        assert_eq!(names(&ticker.poll((7205, 1), all())), ["TICK_5 when:7205"]);
    }

    #[test]
    fn waking_a_little_early_sends_nothing_and_waits_on() {
        let mut ticker = Ticker::new();
        ticker.poll((1, 0), all());
        let ticks = ticker.poll((4, 999_999), all());
        assert!(ticks.due.is_empty());
        assert_eq!(ticks.wait, Some(Duration::from_micros(1)));
    }

    #[test]
    fn a_step_forward_sends_one_tick_only() {
        let mut ticker = Ticker::new();
        ticker.poll((100, 0), all());
        let ticks = ticker.poll((100_000, 0), TypeSet::of(EventType::Tick5));
        assert_eq!(names(&ticks), ["TICK_5 when:100000"]);
    }

    #[test]
    fn a_small_step_back_repeats_no_tick() {
        let mut ticker = Ticker::new();
        ticker.poll((104, 0), all());
        assert_eq!(names(&ticker.poll((105, 0), all())), ["TICK_5 when:105"]);
        assert!(ticker.poll((104, 500_000), all()).due.is_empty());
        assert!(ticker.poll((105, 0), all()).due.is_empty());
        assert_eq!(names(&ticker.poll((110, 0), all())), ["TICK_5 when:110"]);
    }

    #[test]
    fn a_large_step_back_starts_anew() {
        let mut ticker = Ticker::new();
        let five = TypeSet::of(EventType::Tick5);
        ticker.poll((100_000, 0), five);
        assert!(ticker.poll((203, 0), five).due.is_empty());
        assert_eq!(names(&ticker.poll((205, 0), five)), ["TICK_5 when:205"]);
    }

    #[test]
    fn a_listener_that_comes_later_gets_no_tick_of_the_past() {
        let mut ticker = Ticker::new();
        let (five, sixty) = (TypeSet::of(EventType::Tick5), TypeSet::of(EventType::Tick60));
        ticker.poll((0, 0), five.union(sixty));
        ticker.poll((1, 0), TypeSet::NONE);
        assert!(ticker.poll((4000, 0), sixty).due.is_empty());
        assert_eq!(names(&ticker.poll((4020, 0), sixty)), ["TICK_60 when:4020"]);
    }

    #[test]
    fn the_wall_clock_is_looked_at_once_a_minute() {
        let mut ticker = Ticker::new();
        let hour = TypeSet::of(EventType::Tick3600);
        assert_eq!(ticker.poll((10, 0), hour).wait, Some(LOOK_AGAIN));
        assert_eq!(ticker.poll((3599, 0), hour).wait, Some(Duration::from_secs(1)));
    }

    #[test]
    fn times_before_1970_have_slices_too() {
        let mut ticker = Ticker::new();
        let ticks = ticker.poll((-3, 0), all());
        assert_eq!(ticks.wait, Some(Duration::from_secs(3)));
        assert_eq!(names(&ticker.poll((0, 0), all())).len(), 3);
    }
}
