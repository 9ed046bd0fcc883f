//! The way of every event: from whoever makes it to the pools that listen for its kind.
//!
//! One value, a field of the coordinator; pure but for the taps, which get the time and are woken.
//! Owns all pools, the serial that numbers events in this daemon, and the taps.

use std::collections::HashMap;
use std::sync::Arc;

use super::effects::Effects;
use super::event::Event;
use super::listener::ListenerState;
use super::pool::{Pool, PoolSpec, Serials};
use super::stream::{Feed, Tapped};
use super::types::{EventType, TypeSet};
use crate::coordinator::inbox::ProcId;
use crate::rpc::value::Value;
use crate::sys::clock;

/// All pools and taps.
#[derive(Debug)]
pub struct Bus {
    server: Arc<str>,
    serials: Serials,
    /// In the order in which they were added; events reach them in this order.
    pools: Vec<Pool>,
    /// Which pool a listener belongs to.
    owner: HashMap<ProcId, usize>,
    /// Pools that listen for a kind, by its number.
    routes: [Vec<usize>; EventType::COUNT],
    /// Subscribers that are no listener processes.
    taps: Vec<Feed>,
    /// Events that were too many for a tap.
    tap_drops: u64,
    wanted: TypeSet,
}

impl Bus {
    /// Without pools. `server` is the `identifier=` of supervisord.
    pub fn new(server: &str) -> Bus {
        Bus {
            server: server.into(),
            serials: Serials::default(),
            pools: Vec::new(),
            owner: HashMap::new(),
            routes: std::array::from_fn(|_| Vec::new()),
            taps: Vec::new(),
            tap_drops: 0,
            wanted: TypeSet::NONE,
        }
    }

    /// A restart inside the daemon: all pools go, the serial goes on (as in the reference), and so
    /// do the taps.
    pub fn restart(&mut self, server: &str) {
        self.server = server.into();
        self.pools.clear();
        self.reroute();
    }

    /// Adds the pool of a listener group; one of that name that is still there is replaced. To be
    /// called before the group's PROCESS_GROUP_ADDED, which the pool itself gets.
    pub fn add_pool(
        &mut self,
        group: &str,
        spec: PoolSpec,
        members: impl IntoIterator<Item = (ProcId, String)>,
    ) {
        self.pools.retain(|pool| pool.name() != group);
        self.pools.push(Pool::new(group.to_owned(), self.server.clone(), spec, members));
        self.reroute();
    }

    /// Removes the pool of a group, with the events that wait in it; other groups are ignored. To be
    /// called before the group's PROCESS_GROUP_REMOVED, which the pool does not get.
    pub fn remove_pool(&mut self, group: &str) {
        self.pools.retain(|pool| pool.name() != group);
        self.reroute();
    }

    /// Takes a listener that has no process out of its pool; others are ignored.
    pub fn remove_listener(&mut self, id: ProcId) {
        self.with(id, |pool| pool.remove(id));
        self.owner.remove(&id);
    }

    /// Adds a subscriber that is no listener process. Nothing ever waits for it.
    pub fn add_tap(&mut self, tap: Feed) {
        self.taps.push(tap);
        self.reroute();
    }

    /// Removes subscribers whose reader has ended, so that what only they wanted costs nothing again.
    pub fn drop_gone_taps(&mut self) {
        self.taps.retain(|tap| !tap.is_gone());
        self.reroute();
    }

    /// Whether anybody wants events of that kind. Costs nothing, so ask before making one.
    pub fn wants(&self, kind: EventType) -> bool {
        self.wanted.contains(kind)
    }

    /// All kinds that anybody wants.
    pub fn wanted(&self) -> TypeSet {
        self.wanted
    }

    /// Whether that process is a listener of a pool.
    pub fn is_listener(&self, id: ProcId) -> bool {
        self.owner.contains_key(&id)
    }

    /// Protocol state of a listener; none while it has no process. Output of one that is UNKNOWN
    /// means nothing any more and need not be handed on.
    pub fn listener_state(&self, id: ProcId) -> Option<ListenerState> {
        self.pools.get(*self.owner.get(&id)?)?.listener_state(id)
    }

    /// The pools, in order.
    pub fn pools(&self) -> &[Pool] {
        &self.pools
    }

    /// Makes an event and sends it, unless nobody wants its kind.
    pub fn emit(&mut self, kind: EventType, make: impl FnOnce() -> Event, fx: &mut Effects) {
        if self.wants(kind) {
            let event = make();
            debug_assert_eq!(event.kind(), kind);
            self.notify(event, fx);
        }
    }

    /// Sends an event to all who want it. It is numbered only when somebody does.
    pub fn notify(&mut self, event: Event, fx: &mut Effects) {
        let kind = event.kind();
        if !self.wants(kind) {
            return;
        }
        let event = Arc::new(event);
        let serial = self.serials.take();
        let mut time = None;
        for tap in self.taps.iter().filter(|tap| tap.types().contains(kind)) {
            let time = *time.get_or_insert_with(clock::wall);
            let taken = tap.offer(Tapped { serial, time, event: event.clone() });
            self.tap_drops += u64::from(!taken);
        }
        let route = self.routes.get(kind as usize).map_or(&[][..], Vec::as_slice);
        for &at in route {
            if let Some(pool) = self.pools.get_mut(at) {
                pool.accept(event.clone(), serial, fx);
            }
        }
    }

    /// Whether a pool's buffer is filling. Who sends events then should be slowed down while that is
    /// still possible: what overflows is lost.
    pub fn is_filling(&self) -> bool {
        self.pools.iter().any(|pool| pool.backlog().saturating_mul(2) >= pool.limit())
    }

    /// The answer to [`crate::coordinator::inbox::Op::Pulse`].
    pub fn pulse(&self) -> Value {
        let count = |n: u64| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
        let size = |n: usize| count(n as u64);
        let pools = self.pools.iter().map(|pool| {
            Value::Struct(vec![
                ("name".to_owned(), pool.name().into()),
                ("backlog".to_owned(), size(pool.backlog())),
                ("limit".to_owned(), size(pool.limit())),
                ("discarded".to_owned(), count(pool.discarded())),
            ])
        });
        Value::Struct(vec![
            ("dropped".to_owned(), count(self.tap_drops)),
            ("streams".to_owned(), size(self.taps.len())),
            ("pools".to_owned(), Value::Array(pools.collect())),
        ])
    }

    /// A listener has a new process. To be called before its output can come.
    pub fn started(&mut self, id: ProcId, fx: &mut Effects) {
        self.with(id, |pool| pool.started(id, fx));
    }

    /// A listener's process became RUNNING (`true`) or left that state. Leaving is to be told before
    /// the event of the next state is sent, so that it does not go to the one that leaves.
    pub fn set_running(&mut self, id: ProcId, running: bool, fx: &mut Effects) {
        self.with(id, |pool| pool.set_running(id, running, fx));
    }

    /// A listener wrote to its stdout.
    pub fn output(&mut self, id: ProcId, data: &[u8], fx: &mut Effects) {
        self.with(id, |pool| pool.output(id, data, fx));
    }

    /// [`super::effects::PoolEffect::Write`] of that serial found the pipe closed.
    pub fn write_failed(&mut self, id: ProcId, serial: u64, fx: &mut Effects) {
        self.with(id, |pool| pool.write_failed(id, serial, fx));
    }

    /// A listener's stdin broke later, or for something else than an event.
    pub fn stdin_closed(&mut self, id: ProcId) {
        self.with(id, |pool| pool.stdin_closed(id));
    }

    /// A listener's process is gone, and its output was handed over. To be called after the event of
    /// its state change was sent: the event it had in work goes before that one.
    pub fn exited(&mut self, id: ProcId, fx: &mut Effects) {
        self.with(id, |pool| pool.exited(id, fx));
    }

    fn with(&mut self, id: ProcId, act: impl FnOnce(&mut Pool)) {
        if let Some(pool) = self.owner.get(&id).and_then(|at| self.pools.get_mut(*at)) {
            act(pool);
        }
    }

    /// Works out the tables anew; only when a pool or tap comes or goes.
    fn reroute(&mut self) {
        self.owner.clear();
        self.wanted = self.taps.iter().fold(TypeSet::NONE, |set, tap| set.union(tap.types()));
        for route in &mut self.routes {
            route.clear();
        }
        for (at, pool) in self.pools.iter().enumerate() {
            self.wanted = self.wanted.union(pool.types());
            self.owner.extend(pool.members().map(|id| (id, at)));
            for (kind, route) in EventType::ALL.into_iter().zip(&mut self.routes) {
                if pool.types().contains(kind) {
                    route.push(at);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Level;
    use crate::events::effects::PoolEffect;
    use crate::events::stream::{Item, queue};

    const ONE: ProcId = ProcId(1);
    const TWO: ProcId = ProcId(2);

    fn spec(types: &[&str]) -> PoolSpec {
        PoolSpec { buffer_size: 10, types: TypeSet::from_names(types), len_in_bytes: false }
    }

    fn remote(n: u32) -> Event {
        Event::remote("n".into(), n.to_string())
    }

    fn up(bus: &mut Bus, id: ProcId, fx: &mut Effects) {
        bus.started(id, fx);
        bus.set_running(id, true, fx);
        bus.output(id, b"READY\n", fx);
    }

    /// Header parts `(pool, serial, poolserial)` of all writes.
    fn headers(fx: &mut Effects) -> Vec<(String, String, String)> {
        let headers = fx.drain().filter_map(|effect| match effect {
            PoolEffect::Write { data, .. } => Some(String::from_utf8(data).unwrap()),
            PoolEffect::Log(..) => None,
        });
        let value = |text: &str, key: &str| {
            let word = text.split_whitespace().find_map(|w| w.strip_prefix(key));
            word.unwrap().to_owned()
        };
        headers
            .map(|h| (value(&h, "pool:"), value(&h, "serial:"), value(&h, "poolserial:")))
            .collect()
    }

    fn triple(pool: &str, serial: u64, pool_serial: u64) -> (String, String, String) {
        (pool.into(), serial.to_string(), pool_serial.to_string())
    }

    fn two_pools() -> (Bus, Effects) {
        let (mut bus, mut fx) = (Bus::new("supervisor"), Effects::new(Level::Info));
        bus.add_pool(
            "one",
            spec(&["PROCESS_GROUP", "REMOTE_COMMUNICATION"]),
            [(ONE, "one".into())],
        );
        bus.add_pool("two", spec(&["REMOTE_COMMUNICATION"]), [(TWO, "two".into())]);
        up(&mut bus, ONE, &mut fx);
        up(&mut bus, TWO, &mut fx);
        (bus, fx)
    }

    #[test]
    fn an_event_has_one_serial_and_one_more_in_each_pool() {
        let (mut bus, mut fx) = two_pools();
        bus.notify(Event::group_added("g"), &mut fx);
        assert_eq!(headers(&mut fx), [triple("one", 0, 0)]);
        bus.output(ONE, b"RESULT 2\nOKREADY\n", &mut fx);
        bus.notify(remote(1), &mut fx);
        assert_eq!(headers(&mut fx), [triple("one", 1, 1), triple("two", 1, 0)]);
    }

    #[test]
    fn nobody_wants_means_nothing_is_made_or_numbered() {
        let (mut bus, mut fx) = two_pools();
        assert!(!bus.wants(EventType::ProcessLogStdout));
        bus.emit(EventType::ProcessLogStdout, || unreachable!(), &mut fx);
        bus.notify(Event::supervisor_running(), &mut fx);
        bus.emit(EventType::RemoteCommunication, || remote(1), &mut fx);
        assert_eq!(headers(&mut fx), [triple("one", 0, 0), triple("two", 0, 0)]);
    }

    #[test]
    fn a_rejected_event_goes_back_to_its_own_pool_only() {
        let (mut bus, mut fx) = two_pools();
        bus.notify(remote(1), &mut fx);
        headers(&mut fx);
        bus.output(ONE, b"RESULT 4\nFAILREADY\n", &mut fx);
        bus.output(TWO, b"RESULT 2\nOKREADY\n", &mut fx);
        assert_eq!(headers(&mut fx), [triple("one", 0, 0)]);
    }

    #[test]
    fn a_silent_or_broken_listener_holds_no_other_pool_up() {
        let (mut bus, mut fx) = two_pools();
        for n in 0..30 {
            bus.notify(remote(n), &mut fx);
            bus.output(ONE, b"garbage\n", &mut fx);
            bus.output(TWO, b"RESULT 2\nOKREADY\n", &mut fx);
        }
        let two: Vec<_> = headers(&mut fx).into_iter().filter(|h| h.0 == "two").collect();
        assert_eq!(two, (0..30).map(|n| triple("two", n, n)).collect::<Vec<_>>());
        assert_eq!(bus.listener_state(ONE), Some(ListenerState::Unknown));
    }

    #[test]
    fn a_bus_is_filling_from_half_a_buffer_on() {
        let (mut bus, mut fx) = two_pools();
        let limit = bus.pools()[1].limit();
        // One is with the listener, the others wait.
        for n in 0..limit / 2 {
            bus.notify(remote(n as u32), &mut fx);
            assert!(!bus.is_filling());
        }
        bus.notify(remote(99), &mut fx);
        assert!(bus.is_filling());
    }

    #[test]
    fn removing_a_pool_keeps_the_others_reachable() {
        let (mut bus, mut fx) = two_pools();
        bus.remove_pool("one");
        bus.remove_pool("no listeners");
        assert!(!bus.is_listener(ONE) && bus.is_listener(TWO));
        assert!(!bus.wants(EventType::ProcessGroupAdded));
        bus.notify(remote(1), &mut fx);
        bus.output(TWO, b"RESULT 2\nOKREADY\n", &mut fx);
        bus.notify(remote(2), &mut fx);
        assert_eq!(headers(&mut fx), [triple("two", 0, 0), triple("two", 1, 1)]);
    }

    #[test]
    fn a_restart_keeps_counting_and_takes_the_new_name() {
        let (mut bus, mut fx) = two_pools();
        bus.notify(remote(1), &mut fx);
        headers(&mut fx);
        bus.restart("other");
        assert!(bus.wanted().is_empty() && !bus.is_listener(TWO));
        bus.add_pool("two", spec(&["EVENT"]), [(TWO, "two".into())]);
        up(&mut bus, TWO, &mut fx);
        bus.notify(remote(2), &mut fx);
        let PoolEffect::Write { data, .. } = &fx.list[0] else { panic!("no write") };
        assert!(data.starts_with(b"ver:3.0 server:other serial:1 pool:two poolserial:0 "));
    }

    #[test]
    fn overlapping_types_bring_an_event_once() {
        let (mut bus, mut fx) = (Bus::new("s"), Effects::new(Level::Info));
        bus.add_pool("two", spec(&["EVENT", "REMOTE_COMMUNICATION"]), [(TWO, "two".into())]);
        bus.notify(remote(1), &mut fx);
        assert_eq!(bus.pools()[0].backlog(), 1);
    }

    #[test]
    fn a_tap_gets_what_it_wants_with_the_serials_of_listeners() {
        let (mut bus, mut fx) = two_pools();
        let (tap, mut subscription) = queue(TypeSet::of(EventType::RemoteCommunication)).unwrap();
        bus.add_tap(tap);
        bus.notify(Event::group_added("g"), &mut fx);
        bus.notify(remote(1), &mut fx);
        let Some(Item::Event(tapped)) = subscription.next() else { panic!("no event") };
        assert_eq!((tapped.serial, tapped.event.payload()), (1, "type:n\n1"));
        assert!(subscription.next().is_none());
        assert_eq!(headers(&mut fx), [triple("one", 0, 0), triple("two", 1, 0)]);
    }

    #[test]
    fn an_event_for_a_tap_only_is_numbered_too() {
        let (mut bus, mut fx) = two_pools();
        let (tap, subscription) = queue(TypeSet::of(EventType::Event)).unwrap();
        bus.add_tap(tap);
        bus.notify(Event::supervisor_running(), &mut fx);
        bus.notify(remote(1), &mut fx);
        assert_eq!(headers(&mut fx), [triple("one", 1, 0), triple("two", 1, 0)]);
        drop(subscription);
        bus.drop_gone_taps();
        assert!(!bus.wants(EventType::SupervisorStateChangeRunning));
        assert!(bus.wants(EventType::RemoteCommunication));
    }
}
