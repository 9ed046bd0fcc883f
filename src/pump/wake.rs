//! What the pump shares with other threads: its wake-up, the bytes on their way to the coordinator,
//! and its counters. Plain atomics; any thread.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::sys::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use crate::sys::fds::EventFd;

/// Above so many bytes on their way the pump stops reading streams that feed the coordinator.
const HIGH: usize = 4 << 20;
/// Below so many it reads them again.
const LOW: usize = 2 << 20;
/// What a message costs besides its bytes, so that floods of tiny ones count too.
const PER_MESSAGE: usize = 64;

/// Counters of the pump since its start, for metrics. Each is a monotonic total.
#[derive(Debug, Default)]
pub struct Stats {
    /// Bytes read from children.
    pub bytes_read: AtomicU64,
    /// Bytes written to log files, the activity log included.
    pub bytes_logged: AtomicU64,
    /// Bytes that a log file or device did not take.
    pub bytes_lost: AtomicU64,
    /// Rotations of log files.
    pub rotations: AtomicU64,
    /// Lines sent to syslog.
    pub syslog_sent: AtomicU64,
    /// Lines that syslog did not take.
    pub syslog_lost: AtomicU64,
    /// Turns of streams that the pump's second hand was offered.
    pub offered: AtomicU64,
}

impl Stats {
    /// Adds to one of the counters.
    pub(super) fn add(counter: &AtomicU64, n: usize) {
        counter.fetch_add(n as u64, Ordering::Relaxed);
    }
}

/// See the module head.
#[derive(Debug)]
pub(super) struct Shared {
    wake: Arc<EventFd>,
    /// The pump is, or is about to be, blocked in epoll.
    sleeping: AtomicBool,
    /// Nobody maintains `sleeping`: notify for every message.
    always: bool,
    in_flight: AtomicUsize,
    throttled: AtomicBool,
    pub stats: Arc<Stats>,
}

impl Shared {
    pub fn new(wake: Arc<EventFd>, always: bool) -> Shared {
        Shared {
            wake,
            sleeping: AtomicBool::new(false),
            always,
            in_flight: AtomicUsize::new(0),
            throttled: AtomicBool::new(false),
            stats: Arc::default(),
        }
    }

    pub fn eventfd(&self) -> &EventFd {
        &self.wake
    }

    /// Sender's side, after a message was queued.
    ///
    /// Why no wake-up is lost: the sender does "queue, fence, look at `sleeping`" and the pump
    /// "set `sleeping`, fence, look at the queue". With sequentially consistent fences at least one
    /// of the two sees what the other did. Either the pump sees the message and does not sleep, or
    /// the sender sees that it sleeps and writes to the eventfd, which stays readable until drained.
    pub fn message_queued(&self) {
        fence(Ordering::SeqCst);
        if self.always
            || self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::SeqCst)
        {
            self.wake.notify();
        }
    }

    /// Pump's side: it will block unless `queue_is_empty` says otherwise; tells whether it may.
    pub fn may_sleep(&self, queue_is_empty: impl FnOnce() -> bool) -> bool {
        self.sleeping.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let empty = queue_is_empty();
        if !empty {
            self.awake();
        }
        empty
    }

    /// Pump's side: it runs and will look at the queue.
    pub fn awake(&self) {
        self.sleeping.store(false, Ordering::SeqCst);
    }

    /// Pump's side: a message with `len` bytes goes to the coordinator.
    pub fn lend(&self, len: usize) {
        self.in_flight.fetch_add(len + PER_MESSAGE, Ordering::SeqCst);
    }

    /// Pump's side: too much is on its way.
    pub fn overdrawn(&self) -> bool {
        self.in_flight.load(Ordering::SeqCst) >= HIGH
    }

    /// Pump's side: what was on its way has been dealt with. When it has not, the pump is announced
    /// as waiting, and the coordinator will wake it. Looking again after the announcement is what
    /// keeps a wake-up from being lost: either we see the new count, or the coordinator the
    /// announcement.
    pub fn recovered(&self) -> bool {
        if self.in_flight.load(Ordering::SeqCst) < LOW {
            return true;
        }
        self.throttled.store(true, Ordering::SeqCst);
        self.in_flight.load(Ordering::SeqCst) < LOW
    }
}

/// The coordinator's side of the back-pressure: it tells when it has dealt with bytes from the pump.
#[derive(Debug, Clone)]
pub struct Credits(pub(super) Arc<Shared>);

impl Credits {
    /// A `LogOutput`, `ListenerOutput` or `CommOutput` message with `len` bytes of data has been
    /// dealt with. Call it once for each such message.
    pub fn give_back(&self, len: usize) {
        let n = len + PER_MESSAGE;
        let before = self.0.in_flight.fetch_sub(n, Ordering::SeqCst);
        if before.saturating_sub(n) < LOW
            && self.0.throttled.load(Ordering::SeqCst)
            && self.0.throttled.swap(false, Ordering::SeqCst)
        {
            self.0.wake.notify();
        }
    }

    /// Bytes on their way, with what the messages themselves cost.
    pub fn in_flight(&self) -> usize {
        self.0.in_flight.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::epoll::held_bytes;
    use std::os::fd::AsFd;

    fn notified(shared: &Shared) -> bool {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        let _ = held_bytes(shared.eventfd());
        let mut fds = [PollFd::new(shared.eventfd().as_fd(), PollFlags::POLLIN)];
        let n = poll(&mut fds, PollTimeout::ZERO).unwrap();
        shared.eventfd().drain();
        n > 0
    }

    /// All interleavings and all that the memory model allows; see ARCHITECTURE.md.
    #[cfg(loom)]
    #[test]
    fn loom_no_message_waits_for_a_sleeping_pump() {
        loom::model(|| {
            let shared = Arc::new(Shared::new(Arc::new(EventFd::new().unwrap()), false));
            // Stands for the channel, and orders nothing.
            let queued = Arc::new(AtomicUsize::new(0));
            let senders: Vec<_> = (0..2)
                .map(|_| {
                    let (shared, queued) = (shared.clone(), queued.clone());
                    loom::thread::spawn(move || {
                        queued.fetch_add(1, Ordering::Relaxed);
                        shared.message_queued();
                    })
                })
                .collect();
            let sleeps = shared.may_sleep(|| queued.load(Ordering::Relaxed) == 0);
            for sender in senders {
                sender.join().unwrap();
            }
            // With both messages queued, whoever sleeps has been woken; who does not goes on looking.
            assert!(!sleeps || notified(&shared));
        });
    }

    #[test]
    fn only_a_sleeping_pump_is_woken_and_only_once() {
        let s = Shared::new(Arc::new(EventFd::new().unwrap()), false);
        s.message_queued();
        assert!(!notified(&s));
        assert!(!s.may_sleep(|| false));
        s.message_queued();
        assert!(!notified(&s));
        assert!(s.may_sleep(|| true));
        s.message_queued();
        assert!(notified(&s));
        s.message_queued();
        assert!(!notified(&s));
    }

    #[test]
    fn giving_back_enough_wakes_a_throttled_pump() {
        let s = Arc::new(Shared::new(Arc::new(EventFd::new().unwrap()), false));
        let credits = Credits(s.clone());
        s.lend(HIGH / 2);
        assert!(!s.overdrawn());
        s.lend(HIGH / 2);
        assert!(s.overdrawn() && !s.recovered());
        credits.give_back(HIGH / 2);
        assert!(!notified(&s) && !s.recovered());
        credits.give_back(HIGH / 2);
        assert!(notified(&s) && s.recovered());
        assert_eq!(credits.in_flight(), 0);
    }
}
