//! The open connections of one listener: how many, and who has been idle longest.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::socket::Socket;
use crate::sys::clock::Mono;

/// One connection's place.
pub(super) struct Seat {
    socket: Arc<Socket>,
    /// Nanoseconds of the monotonic clock; 0 while a request is being served.
    idle_since: AtomicU64,
}

impl Seat {
    /// The connection waits for a request, or for its end.
    pub fn idle(&self) {
        self.idle_since.store(Mono::now().0.max(1), Ordering::Relaxed);
    }
    /// The connection has a request.
    pub fn busy(&self) {
        self.idle_since.store(0, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Seats {
    next: u64,
    taken: HashMap<u64, Arc<Seat>>,
}

impl Seats {
    fn evict(&mut self) -> bool {
        let since = |s: &Seat| s.idle_since.load(Ordering::Relaxed);
        let idle = self.taken.iter().filter(|(_, s)| since(s) != 0);
        let Some(oldest) = idle.min_by_key(|(_, s)| since(s)).map(|(n, _)| *n) else {
            return false;
        };
        // gone from the map at once, so that the next newcomer finds another; its thread ends on
        // its own
        if let Some(seat) = self.taken.remove(&oldest) {
            seat.socket.cut();
        }
        true
    }
}

/// All connections of a listener.
#[derive(Default)]
pub(super) struct Crowd {
    seats: Mutex<Seats>,
    left: Condvar,
}

/// Frees the seat when dropped, also by a panic.
pub(super) struct Ticket {
    crowd: Arc<Crowd>,
    number: u64,
    /// The seat.
    pub seat: Arc<Seat>,
}

impl Crowd {
    /// A panic cannot leave the map half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for a new connection, of `most`. When all are taken the connection that has been idle
    /// longest is cut; none when all are busy.
    pub fn enter(self: &Arc<Self>, socket: Arc<Socket>, most: usize) -> Option<Ticket> {
        let mut seats = self.lock();
        if seats.taken.len() >= most && !seats.evict() {
            return None;
        }
        let number = seats.next;
        seats.next += 1;
        let seat = Arc::new(Seat { socket, idle_since: AtomicU64::new(Mono::now().0.max(1)) });
        seats.taken.insert(number, Arc::clone(&seat));
        Some(Ticket { crowd: Arc::clone(self), number, seat })
    }

    /// Cuts the connection that has been idle longest, to have its descriptor; false when none is.
    pub fn evict(&self) -> bool {
        self.lock().evict()
    }

    /// How many connections there are.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.lock().taken.len()
    }

    /// How many of them are idle.
    #[cfg(test)]
    pub fn count_idle(&self) -> usize {
        let idle = |s: &&Arc<Seat>| s.idle_since.load(Ordering::Relaxed) != 0;
        self.lock().taken.values().filter(idle).count()
    }

    /// Waits until all have left, no longer than until `deadline`.
    pub fn wait_empty(&self, deadline: Instant) {
        let mut seats = self.lock();
        while !seats.taken.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return;
            }
            let woken = self.left.wait_timeout(seats, left);
            seats = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut seats = self.crowd.lock();
        seats.taken.remove(&self.number);
        if seats.taken.is_empty() {
            self.crowd.left.notify_all();
        }
    }
}
