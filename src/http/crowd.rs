//! The open connections of one listener: how many, and who has been idle longest.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::socket::{getsockopt, sockopt};

use super::request::Peer;
use super::socket::Socket;
use crate::sys::clock::Mono;
use crate::sys::table;

/// Bytes of bodies and answers that slow clients may keep us holding, all together.
const HELD: usize = 64 * 1024 * 1024;
/// A client that we have waited for so long is one of those, in nanoseconds. With twice the bytes it
/// does not take that.
const SLOW: u64 = 1_000_000_000;

/// Fewer bytes than this are not counted.
const FEW: usize = 64 * 1024;
/// So many connections a listener may have however few descriptors there are: programs may have taken
/// them, and have to be controlled.
const ALWAYS: usize = 4;
/// Time in which a connection that was cut has ended, or the next one is turned away.
const GONE: Duration = Duration::from_millis(100);

/// Whose connection it is: connections of one are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Whose {
    /// A user of this machine.
    User(u32),
    /// An address; of the sixth version its network, since anybody has one of those.
    Address(IpAddr),
}

impl Whose {
    /// Of a socket.
    pub fn of(socket: &Socket, peer: Peer) -> Whose {
        match peer {
            Peer::Unix => Whose::User(
                getsockopt(&socket.as_fd(), sockopt::PeerCredentials).map_or(u32::MAX, |c| c.uid()),
            ),
            Peer::Inet(address) => Whose::Address(match address.ip().to_canonical() {
                IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
                v4 => v4,
            }),
        }
    }
}

/// What is left of the descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// Enough for another connection.
    Enough,
    /// Another connection has to give way for it.
    Little,
    /// More than one has to.
    No,
}

impl Room {
    /// By how many descriptors are `left`, of `limit`.
    pub fn of(left: u64, limit: u64) -> Room {
        let kept = table::kept_from_clients(limit);
        if left >= kept {
            Room::Enough
        } else if left >= kept - kept / 4 {
            Room::Little
        } else {
            Room::No
        }
    }

    fn after(socket: &Socket) -> Room {
        let limit = table::limit();
        Room::of(table::left_above(socket, limit), limit)
    }
}

/// One connection's place.
pub(super) struct Seat {
    socket: Arc<Socket>,
    whose: Whose,
    /// Nanoseconds of the monotonic clock; 0 while a request is being served.
    idle_since: AtomicU64,
    /// Bytes of the body that comes, or of the answer that goes, if they are many.
    held: AtomicUsize,
}

impl Seat {
    /// The connection.
    pub fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }
    /// The connection waits for a request, or for its end.
    pub fn idle(&self) {
        self.idle_since.store(Mono::now().0.max(1), Ordering::Relaxed);
    }
    /// The connection has a request.
    pub fn busy(&self) {
        self.idle_since.store(0, Ordering::Relaxed);
    }
    /// Since when we wait for the client, whatever for; 0 while we do not.
    fn since(&self) -> u64 {
        match self.idle_since.load(Ordering::Relaxed) {
            0 => self.socket.waits_since(),
            since => since,
        }
    }
}

#[derive(Default)]
struct Seats {
    next: u64,
    taken: HashMap<u64, Arc<Seat>>,
    /// Connections that have been cut, but have their descriptors still.
    leaving: usize,
}

impl Seats {
    /// Cuts the connection that has been idle longest, of those whose owner has most: who opens many
    /// makes room himself.
    fn evict(&mut self) -> bool {
        let mut count: HashMap<Whose, usize> = HashMap::new();
        for seat in self.taken.values() {
            *count.entry(seat.whose).or_default() += 1;
        }
        let rank = |seat: &Seat, since: u64| {
            (Reverse(count.get(&seat.whose).copied().unwrap_or(0)), since)
        };
        let idle = self.taken.iter().map(|(n, s)| (*n, s, s.since())).filter(|(_, _, t)| *t != 0);
        let Some((oldest, ..)) = idle.min_by_key(|(_, s, since)| rank(s, *since)) else {
            return false;
        };
        self.cut(oldest);
        true
    }

    /// Gone from the map at once, so that the next newcomer finds another; its thread ends on its own.
    fn cut(&mut self, number: u64) {
        if let Some(seat) = self.taken.remove(&number) {
            seat.socket.cut();
            self.leaving += 1;
        }
    }

    /// Cuts clients that neither send nor take anything until there is room for `bytes` more.
    fn unburden(&mut self, own: &Seat, bytes: usize) {
        let now = Mono::now().0;
        let held = |s: &Seat| s.held.load(Ordering::Relaxed);
        let others = || self.taken.iter().filter(|(_, s)| !std::ptr::eq(s.as_ref(), own));
        let mut all = others().map(|(_, s)| held(s)).fold(bytes, usize::saturating_add);
        if all <= HELD {
            return;
        }
        let mut waiting: Vec<(u64, u64, usize)> = others()
            .map(|(n, s)| (s.since(), *n, held(s)))
            .filter(|(since, _, bytes)| *since != 0 && *bytes > 0)
            .collect();
        waiting.sort_unstable();
        for (since, number, bytes) in waiting {
            if all <= HELD || (all <= 2 * HELD && now.saturating_sub(since) < SLOW) {
                return;
            }
            self.cut(number);
            all -= bytes;
        }
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
    /// The seat. Dropped first: who waits for the place wants the descriptor.
    pub seat: Arc<Seat>,
    _place: Place,
}

struct Place {
    crowd: Arc<Crowd>,
    number: u64,
}

impl Crowd {
    /// A panic cannot leave the map half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for a new connection, of `most`. When all are taken, or descriptors are few, one for whose
    /// client we wait is cut; when all are busy, the new one is given back.
    pub fn enter(
        self: &Arc<Self>,
        socket: Socket,
        whose: Whose,
        most: usize,
    ) -> Result<Ticket, Socket> {
        let room = Room::after(&socket);
        self.enter_with(socket, whose, most, room)
    }

    fn enter_with(
        self: &Arc<Self>,
        mut socket: Socket,
        whose: Whose,
        most: usize,
        room: Room,
    ) -> Result<Ticket, Socket> {
        let mut seats = self.lock();
        if seats.taken.len() >= most && !seats.evict() {
            return Err(socket);
        }
        if room != Room::Enough && seats.taken.len() + seats.leaving >= ALWAYS {
            match self.make_room(seats, room) {
                Some(locked) => seats = locked,
                None => return Err(socket),
            }
            // By the numbers of those to come there would be more room than there is.
            socket = socket.lowered();
        }
        let number = seats.next;
        seats.next += 1;
        let idle_since = AtomicU64::new(Mono::now().0.max(1));
        let held = AtomicUsize::new(0);
        let seat = Arc::new(Seat { socket: Arc::new(socket), whose, idle_since, held });
        seats.taken.insert(number, Arc::clone(&seat));
        Ok(Ticket { seat, _place: Place { crowd: Arc::clone(self), number } })
    }

    /// Has connections cut for a new one, and waits until their descriptors are free: with more cut than
    /// end meanwhile there would soon be neither connections nor descriptors. None: they are all in use.
    fn make_room<'s>(
        &'s self,
        mut seats: MutexGuard<'s, Seats>,
        room: Room,
    ) -> Option<MutexGuard<'s, Seats>> {
        // With no room they have to become fewer.
        let number = if room == Room::No { 2 } else { 1 };
        while seats.leaving < number && seats.evict() {}
        if seats.leaving == 0 {
            return None;
        }
        let waited = self.left.wait_timeout_while(seats, GONE, |seats| seats.leaving > 0);
        let (seats, time) = waited.unwrap_or_else(PoisonError::into_inner);
        (!time.timed_out()).then_some(seats)
    }

    /// A connection holds so many bytes of a body or answer. Clients for which we wait are cut when all
    /// hold too many together.
    pub fn hold(&self, seat: &Seat, bytes: usize) {
        let few = bytes < FEW;
        let before = seat.held.swap(if few { 0 } else { bytes }, Ordering::Relaxed);
        if !few && bytes > before {
            self.lock().unburden(seat, bytes);
        }
    }

    /// Cuts a connection for whose client we wait, to have its descriptor; false when there is none.
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
        let idle = |s: &&Arc<Seat>| s.since() != 0;
        self.lock().taken.values().filter(idle).count()
    }

    /// Waits until all have left, no longer than until `deadline`; says whether they have.
    pub fn wait_empty(&self, deadline: Instant) -> bool {
        let mut seats = self.lock();
        while !seats.taken.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return false;
            }
            let woken = self.left.wait_timeout(seats, left);
            seats = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut seats = self.crowd.lock();
        if seats.taken.remove(&self.number).is_none() {
            seats.leaving = seats.leaving.saturating_sub(1);
        }
        if seats.taken.is_empty() || seats.leaving == 0 {
            self.crowd.left.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    /// A seat for somebody, and the client's end.
    fn come(crowd: &Arc<Crowd>, user: u32, most: usize) -> Option<(Ticket, UnixStream)> {
        come_with(crowd, user, most, Room::Enough)
    }
    fn come_with(
        crowd: &Arc<Crowd>,
        user: u32,
        most: usize,
        room: Room,
    ) -> Option<(Ticket, UnixStream)> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let entered = crowd.enter_with(Socket::new(ours.into()), Whose::User(user), most, room);
        entered.ok().map(|ticket| (ticket, theirs))
    }
    fn is_cut(client: &(Ticket, UnixStream)) -> bool {
        client.1.set_nonblocking(true).unwrap();
        std::io::Read::read(&mut &client.1, &mut [0]).is_ok_and(|n| n == 0)
    }

    #[test]
    fn who_has_opened_many_makes_room_and_not_who_has_waited_longest() {
        let crowd = Arc::new(Crowd::default());
        let good = come(&crowd, 1, 4).unwrap();
        let bad: Vec<_> = (0..10).map(|_| come(&crowd, 2, 4).unwrap()).collect();
        assert!(!is_cut(&good));
        assert_eq!(bad.iter().filter(|b| is_cut(b)).count(), 7);
        assert!(!is_cut(&bad[9]), "the newest has come in");
        // none of theirs waits for anything: then another does
        bad.iter().for_each(|b| b.0.seat.busy());
        let other = come(&crowd, 3, 4).unwrap();
        assert!(is_cut(&good));
        other.0.seat.busy();
        assert!(come(&crowd, 1, 4).is_none());
    }

    #[test]
    fn the_last_descriptors_are_not_for_connections() {
        for (left, limit, room) in [
            (1023, 1024, Room::Enough),
            (48, 1024, Room::Enough),
            (47, 1024, Room::Little),
            (36, 1024, Room::Little),
            (35, 1024, Room::No),
            (16, 64, Room::Enough),
            (15, 64, Room::Little),
            (11, 64, Room::No),
            (0, 4, Room::No),
            (u64::MAX - 9, u64::MAX, Room::Enough),
        ] {
            assert_eq!(Room::of(left, limit), room, "{left} of {limit}");
        }
    }

    #[test]
    fn with_few_descriptors_one_goes_for_each_that_comes_but_a_few_may_always_be_there() {
        let crowd = Arc::new(Crowd::default());
        let comes = |room| come_with(&crowd, 1, 99, room);
        let mut few: Vec<_> = (0..ALWAYS).map(|_| comes(Room::No).unwrap()).collect();
        assert!(!few.iter().any(is_cut));

        // Until one that was cut has gone, no other is.
        for _ in 0..3 {
            assert!(comes(Room::Little).is_none());
            assert_eq!(few.iter().filter(|c| is_cut(c)).count(), 1);
        }
        few.retain(|c| !is_cut(c));
        few.push(comes(Room::No).unwrap());
        assert!(!few.iter().any(is_cut));

        // As their threads do.
        let lives = |(ticket, client): (Ticket, UnixStream)| {
            client.set_nonblocking(false).unwrap();
            std::thread::spawn(move || {
                assert_eq!(std::io::Read::read(&mut &client, &mut [0]).unwrap(), 0);
                drop(ticket);
            })
        };
        let mut threads: Vec<_> = few.drain(..).map(lives).collect();
        for _ in 0..20 {
            threads.push(lives(comes(Room::Little).unwrap()));
            assert_eq!(crowd.count(), ALWAYS);
        }
        let last = comes(Room::No).unwrap();
        assert_eq!(crowd.count(), ALWAYS - 1, "they become fewer");
        last.0.seat.busy();
        let more: Vec<_> = (0..ALWAYS).filter_map(|_| comes(Room::Little)).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        more.iter().for_each(|c| c.0.seat.busy());
        assert!(!more.is_empty() && comes(Room::Little).is_none(), "all are busy");
    }

    #[test]
    fn networks_count_as_one() {
        let whose = |address: &str| {
            let (socket, _) = UnixStream::pair().unwrap();
            let socket = Socket::new(socket.into());
            Whose::of(&socket, Peer::Inet(address.parse().unwrap()))
        };
        assert_eq!(whose("[2001:db8::1]:1"), whose("[2001:db8::ffff:2]:2"));
        assert_ne!(whose("[2001:db8::1]:1"), whose("[2001:db8:0:1::1]:1"));
        assert_eq!(whose("[::ffff:10.0.0.1]:1"), whose("10.0.0.1:2"));
        assert_ne!(whose("10.0.0.1:1"), whose("10.0.0.2:1"));
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let me = nix::unistd::geteuid().as_raw();
        assert_eq!(Whose::of(&Socket::new(ours.into()), Peer::Unix), Whose::User(me));
    }

    #[test]
    fn readers_that_take_nothing_do_not_keep_us_holding_their_answers() {
        let crowd = Arc::new(Crowd::default());
        let stuck: Vec<_> = (0..3).map(|_| come(&crowd, 1, 9).unwrap()).collect();
        for (n, one) in stuck.iter().enumerate() {
            one.0.seat.busy();
            crowd.hold(&one.0.seat, HELD / 4);
            one.0.seat.socket.pretend_to_wait(n as u64 + 1);
        }
        let good = come(&crowd, 1, 9).unwrap();
        good.0.seat.busy();
        crowd.hold(&good.0.seat, HELD / 4);
        assert!(!stuck.iter().any(is_cut), "there is room for all");
        let another = come(&crowd, 1, 9).unwrap();
        crowd.hold(&another.0.seat, HELD / 4);
        let cut: Vec<bool> = stuck.iter().map(is_cut).collect();
        assert_eq!(cut, [true, false, false]);
        assert!(!is_cut(&good) && !is_cut(&another));
    }
}
