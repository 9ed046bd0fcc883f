//! A subscription to events by something that is no listener process: a bounded queue from the
//! coordinator to one reader.
//!
//! The coordinator owns the [`Feed`] and never waits: what there is no room for is dropped and
//! counted. The reader, on a thread of its own, owns the [`Subscription`], waits for it to become
//! readable in poll(2), and learns of dropped events where they are missing.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::event::Event;
use super::types::TypeSet;
use crate::sys::fds::EventFd;

/// Events that wait for a reader at most.
pub const MOST_EVENTS: usize = 1024;
/// Bytes of events that wait for a reader at most; a single event may have more.
pub const MOST_BYTES: usize = 4 << 20;

/// An event on its way to a reader.
#[derive(Debug, Clone)]
pub struct Tapped {
    /// Its serial in this daemon, the one that listeners see.
    pub serial: u64,
    /// When it was sent: seconds since 1970, and microseconds.
    pub time: (i64, u32),
    /// The event.
    pub event: Arc<Event>,
}

/// What a reader gets.
#[derive(Debug)]
pub enum Item {
    /// An event.
    Event(Tapped),
    /// So many events are missing here.
    Dropped(u64),
}

#[derive(Debug)]
struct Shared {
    wake: EventFd,
    /// Dropped since the last one that was queued.
    missed: AtomicU64,
    /// Bytes of events in the queue.
    bytes: AtomicUsize,
    gone: AtomicBool,
}

/// The coordinator's end.
#[derive(Debug)]
pub struct Feed {
    types: TypeSet,
    sender: Sender<(u64, Tapped)>,
    shared: Arc<Shared>,
    most_bytes: usize,
}

/// The reader's end.
pub struct Subscription {
    receiver: Receiver<(u64, Tapped)>,
    shared: Arc<Shared>,
    /// Comes after what is missing before it.
    held: Option<Tapped>,
    on_end: Option<Box<dyn FnOnce() + Send>>,
}

/// Both ends of a new queue for events of these kinds.
///
/// # Errors
/// There is no descriptor left.
pub fn queue(types: TypeSet) -> io::Result<(Feed, Subscription)> {
    sized(types, MOST_EVENTS, MOST_BYTES)
}

fn sized(types: TypeSet, events: usize, most_bytes: usize) -> io::Result<(Feed, Subscription)> {
    let (sender, receiver) = bounded(events);
    let shared = Arc::new(Shared {
        wake: EventFd::new()?,
        missed: AtomicU64::new(0),
        bytes: AtomicUsize::new(0),
        gone: AtomicBool::new(false),
    });
    let feed = Feed { types, sender, shared: shared.clone(), most_bytes };
    Ok((feed, Subscription { receiver, shared, held: None, on_end: None }))
}

impl Feed {
    /// What it is for.
    pub fn types(&self) -> TypeSet {
        self.types
    }

    /// Whether the reader has ended.
    pub fn is_gone(&self) -> bool {
        self.shared.gone.load(Ordering::Relaxed)
    }

    /// Queues an event, or drops and counts it and says false. Never waits.
    pub fn offer(&self, tapped: Tapped) -> bool {
        let weight = tapped.event.weight();
        let waiting = self.shared.bytes.load(Ordering::Relaxed);
        if waiting > 0 && waiting + weight > self.most_bytes || self.sender.is_full() {
            // The reader has been woken for those that wait.
            self.shared.missed.fetch_add(1, Ordering::SeqCst);
            return false;
        }
        let missed = self.shared.missed.swap(0, Ordering::SeqCst);
        self.shared.bytes.fetch_add(weight, Ordering::Relaxed);
        // Nobody else sends, so there is room; a reader that has ended needs nothing.
        let _ = self.sender.try_send((missed, tapped));
        // With others before it the wake-up for those is not taken back yet.
        if self.sender.len() <= 1 {
            self.shared.wake.notify();
        }
        true
    }
}

impl Subscription {
    /// Runs this at its end, on the reader's thread.
    #[must_use]
    pub fn on_end(mut self, act: impl FnOnce() + Send + 'static) -> Subscription {
        self.on_end = Some(Box::new(act));
        self
    }

    /// Takes the wake-up back. What comes after this wakes again, so [`Subscription::next`] must then
    /// be called until it gives nothing.
    pub fn woken(&self) {
        self.shared.wake.drain();
    }

    /// What is next, if there is something.
    #[allow(clippy::should_implement_trait)] // more may come after nothing
    pub fn next(&mut self) -> Option<Item> {
        if let Some(tapped) = self.held.take() {
            return Some(Item::Event(tapped));
        }
        match self.receiver.try_recv() {
            Ok((missed, tapped)) => {
                self.shared.bytes.fetch_sub(tapped.event.weight(), Ordering::Relaxed);
                if missed == 0 {
                    return Some(Item::Event(tapped));
                }
                self.held = Some(tapped);
                Some(Item::Dropped(missed))
            }
            // Nothing follows those that were dropped last.
            Err(_) => match self.shared.missed.swap(0, Ordering::SeqCst) {
                0 => None,
                missed => Some(Item::Dropped(missed)),
            },
        }
    }
}

impl AsFd for Subscription {
    /// Readable when something may have come.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.wake.as_fd()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.gone.store(true, Ordering::Relaxed);
        if let Some(act) = self.on_end.take() {
            act();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::EventType;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    fn all() -> TypeSet {
        TypeSet::of(EventType::Event)
    }

    fn remote(serial: u64, data: &str) -> Tapped {
        let event = Arc::new(Event::remote("n".into(), data.into()));
        Tapped { serial, time: (0, 0), event }
    }

    /// Serials of events, and `-n` where n are missing.
    fn taken(subscription: &mut Subscription) -> Vec<i64> {
        let mut taken = Vec::new();
        while let Some(item) = subscription.next() {
            taken.push(match item {
                Item::Event(tapped) => i64::try_from(tapped.serial).unwrap(),
                Item::Dropped(n) => -i64::try_from(n).unwrap(),
            });
        }
        taken
    }

    fn readable(subscription: &Subscription) -> bool {
        let mut fds = [PollFd::new(subscription.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() > 0
    }

    #[test]
    fn a_reader_learns_where_events_are_missing() {
        let (feed, mut subscription) = sized(all(), 2, MOST_BYTES).unwrap();
        (0..5).for_each(|n| {
            feed.offer(remote(n, ""));
        });
        assert_eq!(taken(&mut subscription), [0, 1, -3]);
        feed.offer(remote(5, ""));
        feed.offer(remote(6, ""));
        feed.offer(remote(7, ""));
        subscription.next();
        feed.offer(remote(8, ""));
        assert_eq!(taken(&mut subscription), [6, -1, 8]);
    }

    #[test]
    fn large_events_do_not_pile_up_but_one_always_passes() {
        let (feed, mut subscription) = sized(all(), 100, 10_000).unwrap();
        let large = "x".repeat(20_000);
        feed.offer(remote(0, &large));
        feed.offer(remote(1, "small"));
        assert_eq!(taken(&mut subscription), [0, -1]);
        feed.offer(remote(2, &large));
        assert_eq!(taken(&mut subscription), [2]);
    }

    #[test]
    fn it_is_readable_when_something_came() {
        let (feed, mut subscription) = queue(all()).unwrap();
        assert!(!readable(&subscription));
        feed.offer(remote(0, ""));
        feed.offer(remote(1, ""));
        assert!(readable(&subscription));
        subscription.woken();
        assert_eq!(taken(&mut subscription), [0, 1]);
        assert!(!readable(&subscription));
        feed.offer(remote(2, ""));
        assert!(readable(&subscription));
    }

    #[test]
    fn the_end_of_a_reader_is_told() {
        let (feed, subscription) = queue(all()).unwrap();
        let (sender, ended) = bounded(1);
        let subscription = subscription.on_end(move || sender.send(()).unwrap());
        assert!(!feed.is_gone());
        drop(subscription);
        assert!(feed.is_gone() && ended.try_recv().is_ok());
        feed.offer(remote(0, ""));
    }
}
