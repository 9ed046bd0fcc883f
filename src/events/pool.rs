//! A group of listeners: its event buffer, and who of its members gets the next event.
//!
//! Pure; fields of the coordinator, by way of [`super::bus::Bus`]. A pool knows nothing of other
//! pools: whatever its listeners do, or do not do, stays here. Each event costs O(log members) at
//! most, the length of the buffer does not matter.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::effects::{Effects, PoolEffect};
use super::event::{Event, Header};
use super::listener::{Listener, ListenerState, Step};
use super::types::TypeSet;
use crate::config::model::{Level, ListenerPool};
use crate::coordinator::inbox::ProcId;

/// What a pool is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSpec {
    /// Events kept while no listener is ready; 0 counts as 1.
    pub buffer_size: usize,
    /// What it listens for.
    pub types: TypeSet,
    /// `len` in headers counts bytes instead of characters.
    pub len_in_bytes: bool,
}

impl From<&ListenerPool> for PoolSpec {
    fn from(config: &ListenerPool) -> PoolSpec {
        PoolSpec {
            buffer_size: config.buffer_size,
            types: TypeSet::from_names(&config.events),
            len_in_bytes: config.len_in_bytes,
        }
    }
}

/// Serial numbers: 0 up to the largest of a signed 64-bit number (Python's `sys.maxsize`), and from
/// 0 again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Serials {
    next: u64,
}

impl Serials {
    /// The next one.
    pub fn take(&mut self) -> u64 {
        let serial = self.next;
        self.next = if serial == i64::MAX.unsigned_abs() { 0 } else { serial + 1 };
        serial
    }
}

/// An event in a pool. Both serials stay with it however often it is sent.
#[derive(Debug, Clone)]
struct Queued {
    event: Arc<Event>,
    serial: u64,
    pool_serial: u64,
}

#[derive(Debug)]
struct Member {
    id: ProcId,
    name: String,
    /// Its process is RUNNING.
    running: bool,
    /// Its stdin was found closed; until the next start nothing can be sent.
    deaf: bool,
    /// The protocol; none while there is no process.
    listener: Option<Listener>,
    /// The event it has in work; some exactly while it is BUSY.
    work: Option<Queued>,
}

/// A pool of listeners.
#[derive(Debug)]
pub struct Pool {
    name: String,
    server: Arc<str>,
    spec: PoolSpec,
    serials: Serials,
    queue: VecDeque<Queued>,
    members: Vec<Member>,
    index: HashMap<ProcId, usize>,
    /// Members that can take an event now. While there is one, the queue is empty.
    ready: BTreeSet<usize>,
    discarded: u64,
}

impl Pool {
    /// A pool of that group name; `members` in the order in which they are asked to take an event.
    pub fn new(
        name: String,
        server: Arc<str>,
        spec: PoolSpec,
        members: impl IntoIterator<Item = (ProcId, String)>,
    ) -> Pool {
        let members: Vec<Member> = members
            .into_iter()
            .map(|(id, name)| Member {
                id,
                name,
                running: false,
                deaf: false,
                listener: None,
                work: None,
            })
            .collect();
        let index = members.iter().enumerate().map(|(i, m)| (m.id, i)).collect();
        Pool {
            name,
            server,
            spec,
            serials: Serials::default(),
            queue: VecDeque::new(),
            members,
            index,
            ready: BTreeSet::new(),
            discarded: 0,
        }
    }

    /// Its group's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it listens for.
    pub fn types(&self) -> TypeSet {
        self.spec.types
    }

    /// Ids of its members, in order.
    pub fn members(&self) -> impl Iterator<Item = ProcId> + '_ {
        self.members.iter().map(|m| m.id)
    }

    /// Events that wait.
    pub fn backlog(&self) -> usize {
        self.queue.len()
    }

    /// Events that may wait.
    pub fn limit(&self) -> usize {
        self.spec.buffer_size
    }

    /// Events thrown away because the buffer was full.
    pub fn discarded(&self) -> u64 {
        self.discarded
    }

    /// Protocol state of a member; none while it has no process.
    pub fn listener_state(&self, id: ProcId) -> Option<ListenerState> {
        self.member(id)?.listener.as_ref().map(Listener::state)
    }

    fn member(&self, id: ProcId) -> Option<&Member> {
        self.members.get(*self.index.get(&id)?)
    }

    /// Takes an event that it listens for. `serial` is the event's in this daemon.
    pub fn accept(&mut self, event: Arc<Event>, serial: u64, fx: &mut Effects) {
        let pool_serial = self.serials.take();
        self.make_room(fx);
        self.queue.push_back(Queued { event, serial, pool_serial });
        self.dispatch(fx);
    }

    /// A new process was started for a member: it is ACKNOWLEDGED again.
    pub fn started(&mut self, id: ProcId, fx: &mut Effects) {
        self.change(id, fx, |member| {
            member.listener = Some(Listener::new());
            member.deaf = false;
        });
    }

    /// A member's process became RUNNING (`true`) or left that state; only RUNNING ones get events.
    pub fn set_running(&mut self, id: ProcId, running: bool, fx: &mut Effects) {
        if let Some(member) = self.index.get(&id).and_then(|i| self.members.get_mut(*i)) {
            member.running = running;
            self.refresh(id);
            self.dispatch(fx);
        }
    }

    /// A member's process is gone, its output read to the end: an event it had in work goes back to
    /// the head of the buffer.
    pub fn exited(&mut self, id: ProcId, fx: &mut Effects) {
        self.change(id, fx, |member| {
            member.running = false;
            member.listener = None;
        });
    }

    /// A member that has no process leaves for good.
    pub fn remove(&mut self, id: ProcId) {
        let Some(at) = self.index.remove(&id) else { return };
        self.members.remove(at);
        let shifted = |i: usize| if i > at { i - 1 } else { i };
        for i in self.index.values_mut() {
            *i = shifted(*i);
        }
        self.ready = self.ready.iter().filter(|i| **i != at).map(|i| shifted(*i)).collect();
    }

    /// A member wrote to its stdout.
    pub fn output(&mut self, id: ProcId, data: &[u8], fx: &mut Effects) {
        let Some(&at) = self.index.get(&id) else { return };
        let mut steps = Vec::new();
        if let Some(listener) = self.members.get_mut(at).and_then(|m| m.listener.as_mut()) {
            listener.feed(data, &mut steps);
        }
        for step in &steps {
            self.follow(at, step, fx);
        }
        if !steps.is_empty() {
            self.refresh(id);
            self.dispatch(fx);
        }
    }

    /// An event could not be written: the pipe was closed already. It goes to another member or back
    /// to the head of the buffer; the listener is READY as before, but gets nothing more until it is
    /// started again. (The reference tries it again at each turn.)
    pub fn write_failed(&mut self, id: ProcId, serial: u64, fx: &mut Effects) {
        self.stdin_closed(id);
        let Some(member) = self.index.get(&id).and_then(|i| self.members.get_mut(*i)) else {
            return;
        };
        let Some(queued) = member.work.take_if(|w| w.serial == serial) else { return };
        if let Some(listener) = &mut member.listener {
            listener.unsent();
        }
        fx.log(Level::Debug, || {
            format!(
                "epipe occurred while sending event {serial} to listener {}, listener state unchanged",
                member.name
            )
        });
        match self.ready.pop_first() {
            Some(at) => self.send(at, queued, fx),
            None => self.rebuffer(queued, fx),
        }
    }

    /// A member's stdin is closed. An event it has in work stays with it until its result or exit.
    pub fn stdin_closed(&mut self, id: ProcId) {
        if let Some(member) = self.index.get(&id).and_then(|i| self.members.get_mut(*i)) {
            member.deaf = true;
            self.refresh(id);
        }
    }

    /// A change after which a member has no event in work: one it had goes back first.
    fn change(&mut self, id: ProcId, fx: &mut Effects, change: impl FnOnce(&mut Member)) {
        let Some(member) = self.index.get(&id).and_then(|i| self.members.get_mut(*i)) else {
            return;
        };
        let work = member.work.take();
        change(member);
        self.refresh(id);
        if let Some(queued) = work {
            self.rebuffer(queued, fx);
            self.dispatch(fx);
        }
    }

    fn refresh(&mut self, id: ProcId) {
        let Some(&at) = self.index.get(&id) else { return };
        let ready = self.members.get(at).is_some_and(|m| {
            m.running
                && !m.deaf
                && m.listener.as_ref().is_some_and(|l| l.state() == ListenerState::Ready)
        });
        if ready {
            self.ready.insert(at);
        } else {
            self.ready.remove(&at);
        }
    }

    /// Log lines of a step, in the reference's order, and what becomes of the event in work.
    fn follow(&mut self, at: usize, step: &Step, fx: &mut Effects) {
        use ListenerState::{Acknowledged, Busy, Ready, Unknown};
        let Some(member) = self.members.get_mut(at) else { return };
        let (name, work) = (&member.name, member.work.take());
        let back = match step {
            Step::Ready => {
                moved(name, Acknowledged, Ready, fx);
                false
            }
            Step::Accepted => {
                fx.log(Level::Debug, || format!("{name}: event was processed"));
                moved(name, Busy, Acknowledged, fx);
                false
            }
            Step::Rejected => {
                fx.log(Level::Warn, || format!("{name}: event was rejected"));
                moved(name, Busy, Acknowledged, fx);
                true
            }
            Step::BadLine(line) => {
                fx.log(Level::Warn, || format!("{name}: bad result line: '{line}'"));
                moved(name, Busy, Unknown, fx);
                true
            }
            Step::Violated(from) => {
                moved(name, *from, Unknown, fx);
                false
            }
        };
        if let Some(queued) = work.filter(|_| back) {
            self.rebuffer(queued, fx);
        }
    }

    /// Sends what waits to those who are ready, the first member first.
    fn dispatch(&mut self, fx: &mut Effects) {
        let mut sent = false;
        while !self.queue.is_empty()
            && let Some(at) = self.ready.pop_first()
        {
            if let Some(queued) = self.queue.pop_front() {
                self.send(at, queued, fx);
                sent = true;
            }
        }
        // The reference takes the next event out, finds nobody ready, and puts it back.
        if let Some(head) = self.queue.front().filter(|_| sent) {
            self.log_rebuffering(head.serial, self.queue.len() - 1, fx);
        }
    }

    /// `at` must have been taken out of `ready`.
    fn send(&mut self, at: usize, queued: Queued, fx: &mut Effects) {
        let Some(member) = self.members.get_mut(at) else { return };
        if let Some(listener) = &mut member.listener {
            listener.sent();
        }
        let Queued { event, serial, pool_serial } = &queued;
        let data = event.envelope(&Header {
            server: &self.server,
            serial: *serial,
            pool: &self.name,
            pool_serial: *pool_serial,
            len_in_bytes: self.spec.len_in_bytes,
        });
        fx.list.push(PoolEffect::Write { id: member.id, serial: *serial, data });
        fx.log(Level::Debug, || format!("event {serial} sent to listener {}", member.name));
        member.work = Some(queued);
    }

    /// Puts an event back at the head, where it is the next to go. In a full buffer the oldest of
    /// those that wait gives way, not the one that comes back, as in the reference.
    fn rebuffer(&mut self, queued: Queued, fx: &mut Effects) {
        self.log_rebuffering(queued.serial, self.queue.len(), fx);
        self.make_room(fx);
        self.queue.push_front(queued);
    }

    fn log_rebuffering(&self, serial: u64, size: usize, fx: &mut Effects) {
        fx.log(Level::Debug, || {
            format!(
                "rebuffering event {serial} for pool {} (buf size={size}, max={})",
                self.name, self.spec.buffer_size
            )
        });
    }

    fn make_room(&mut self, fx: &mut Effects) {
        if self.queue.len() >= self.spec.buffer_size
            && let Some(oldest) = self.queue.pop_front()
        {
            self.discarded += 1;
            fx.log(Level::Error, || {
                format!(
                    "pool {} event buffer overflowed, discarding event {}",
                    self.name, oldest.serial
                )
            });
        }
    }
}

fn moved(name: &str, from: ListenerState, to: ListenerState, fx: &mut Effects) {
    fx.log(Level::Debug, || format!("{name}: {} -> {}", from.name(), to.name()));
    if to == ListenerState::Unknown {
        fx.log(Level::Warn, || {
            format!(
                "{name}: has entered the UNKNOWN state and will no longer receive events, this \
                 usually indicates the process violated the eventlistener protocol"
            )
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: ProcId = ProcId(1);
    const B: ProcId = ProcId(2);

    /// A pool with its effects split into log lines and writes.
    struct Rig {
        pool: Pool,
        fx: Effects,
        serials: Serials,
    }

    impl Rig {
        fn new(buffer_size: usize, members: &[(ProcId, &str)]) -> Rig {
            let spec = PoolSpec {
                buffer_size,
                types: TypeSet::of(super::super::types::EventType::Event),
                len_in_bytes: false,
            };
            let members: Vec<_> = members.iter().map(|(id, n)| (*id, (*n).to_owned())).collect();
            let pool = Pool::new("rec".into(), "supervisor".into(), spec, members);
            Rig { pool, fx: Effects::new(Level::Blather), serials: Serials::default() }
        }
        fn one(buffer_size: usize) -> Rig {
            Rig::new(buffer_size, &[(A, "rec")])
        }
        fn emit(&mut self) -> u64 {
            let serial = self.serials.take();
            let event = Event::remote("n".into(), serial.to_string());
            self.pool.accept(Arc::new(event), serial, &mut self.fx);
            serial
        }
        fn up(&mut self, id: ProcId) {
            self.pool.started(id, &mut self.fx);
            self.pool.set_running(id, true, &mut self.fx);
            self.says(id, "READY\n");
        }
        fn says(&mut self, id: ProcId, text: &str) {
            self.pool.output(id, text.as_bytes(), &mut self.fx);
        }
        fn take(&mut self) -> (Vec<(u64, u64, String)>, Vec<String>) {
            let (mut writes, mut lines) = (Vec::new(), Vec::new());
            for effect in self.fx.drain() {
                match effect {
                    PoolEffect::Write { id, serial, data } => {
                        writes.push((id.0, serial, String::from_utf8(data).unwrap()));
                    }
                    PoolEffect::Log(level, text) => lines.push(format!("{} {text}", level.tag())),
                }
            }
            (writes, lines)
        }
        fn lines(&mut self) -> Vec<String> {
            self.take().1
        }
        /// Who got which event.
        fn writes(&mut self) -> Vec<(u64, u64)> {
            self.take().0.into_iter().map(|(id, serial, _)| (id, serial)).collect()
        }
    }

    #[test]
    fn a_member_that_left_is_passed_over_and_the_others_stay() {
        const C: ProcId = ProcId(3);
        let mut rig = Rig::new(10, &[(A, "a"), (B, "b"), (C, "c")]);
        rig.up(B);
        rig.up(C);
        rig.pool.remove(A);
        rig.pool.remove(A);
        for _ in 0..3 {
            rig.emit();
        }
        assert_eq!(rig.writes(), [(2, 0), (3, 1)]);
        rig.says(C, "RESULT 2\nOKREADY\n");
        assert_eq!(rig.writes(), [(3, 2)]);
        assert_eq!(rig.pool.members().collect::<Vec<_>>(), [B, C]);
    }

    #[test]
    fn events_from_before_the_start_wait_for_a_running_and_ready_listener() {
        let mut rig = Rig::one(10);
        rig.emit();
        rig.pool.started(A, &mut rig.fx);
        rig.says(A, "READY\n");
        assert_eq!(rig.take(), (vec![], vec!["DEBG rec: ACKNOWLEDGED -> READY".into()]));
        rig.pool.set_running(A, true, &mut rig.fx);
        let (writes, lines) = rig.take();
        assert_eq!(
            writes,
            [(
                1,
                0,
                "ver:3.0 server:supervisor serial:0 pool:rec poolserial:0 \
                 eventname:REMOTE_COMMUNICATION len:8\ntype:n\n0"
                    .to_owned()
            )]
        );
        assert_eq!(lines, ["DEBG event 0 sent to listener rec"]);
        assert_eq!(rig.pool.listener_state(A), Some(ListenerState::Busy));
    }

    #[test]
    fn an_accepted_event_is_gone_and_the_next_waits_for_ready() {
        let mut rig = Rig::one(10);
        rig.up(A);
        rig.emit();
        rig.emit();
        rig.take();
        rig.says(A, "RESULT 2\nOK");
        assert_eq!(
            rig.take(),
            (
                vec![],
                vec![
                    "DEBG rec: event was processed".into(),
                    "DEBG rec: BUSY -> ACKNOWLEDGED".into()
                ]
            )
        );
        rig.says(A, "READY\n");
        assert_eq!(rig.writes(), [(1, 1)]);
    }

    #[test]
    fn a_rejected_event_comes_again_first_with_both_serials() {
        let mut rig = Rig::one(10);
        rig.serials.take();
        rig.up(A);
        rig.emit();
        rig.emit();
        let first = rig.take().0;
        rig.says(A, "RESULT 4\nFAIL");
        assert_eq!(
            rig.lines(),
            [
                "WARN rec: event was rejected",
                "DEBG rec: BUSY -> ACKNOWLEDGED",
                "DEBG rebuffering event 1 for pool rec (buf size=1, max=10)",
            ]
        );
        rig.says(A, "READY\n");
        let (again, lines) = rig.take();
        assert_eq!(again, first);
        assert!(again[0].2.contains(" serial:1 pool:rec poolserial:0 "));
        assert_eq!(
            lines,
            [
                "DEBG rec: ACKNOWLEDGED -> READY",
                "DEBG event 1 sent to listener rec",
                "DEBG rebuffering event 2 for pool rec (buf size=0, max=10)",
            ]
        );
    }

    #[test]
    fn garbage_puts_the_event_back_and_ends_the_talk_until_the_next_start() {
        let mut rig = Rig::one(10);
        rig.up(A);
        rig.emit();
        rig.take();
        rig.says(A, "GARBAGE\n");
        assert_eq!(
            rig.lines(),
            [
                "WARN rec: bad result line: 'GARBAGE'",
                "DEBG rec: BUSY -> UNKNOWN",
                "WARN rec: has entered the UNKNOWN state and will no longer receive events, this \
                 usually indicates the process violated the eventlistener protocol",
                "DEBG rebuffering event 0 for pool rec (buf size=0, max=10)",
            ]
        );
        rig.says(A, "READY\n");
        assert_eq!(rig.take(), (vec![], vec![]));
        rig.pool.set_running(A, false, &mut rig.fx);
        rig.pool.exited(A, &mut rig.fx);
        rig.up(A);
        assert_eq!(rig.writes(), [(1, 0)]);
    }

    #[test]
    fn a_listener_that_dies_at_work_gives_its_event_back() {
        let mut rig = Rig::one(10);
        rig.up(A);
        rig.emit();
        rig.pool.set_running(A, false, &mut rig.fx);
        rig.emit();
        rig.take();
        rig.pool.exited(A, &mut rig.fx);
        assert_eq!(rig.lines(), ["DEBG rebuffering event 0 for pool rec (buf size=1, max=10)"]);
        // What a grandchild still writes is nobody's protocol.
        rig.says(A, "READY\n");
        assert_eq!(rig.pool.listener_state(A), None);
        rig.up(A);
        rig.says(A, "RESULT 2\nOKREADY\n");
        assert_eq!(rig.writes(), [(1, 0), (1, 1)]);
    }

    #[test]
    fn a_stopping_listener_may_finish_but_gets_nothing_new() {
        let mut rig = Rig::one(10);
        rig.up(A);
        rig.emit();
        rig.pool.set_running(A, false, &mut rig.fx);
        rig.emit();
        rig.take();
        rig.says(A, "RESULT 2\nOKREADY\n");
        assert!(rig.writes().is_empty());
        rig.pool.exited(A, &mut rig.fx);
        assert_eq!(rig.lines(), Vec::<String>::new());
        assert_eq!(rig.pool.backlog(), 1);
    }

    #[test]
    fn a_full_buffer_loses_its_oldest() {
        let mut rig = Rig::one(3);
        rig.up(A);
        for _ in 0..7 {
            rig.emit();
        }
        let lines: Vec<_> = rig.lines().into_iter().filter(|l| l.starts_with("ERRO")).collect();
        assert_eq!(
            lines,
            [1, 2, 3]
                .map(|n| format!("ERRO pool rec event buffer overflowed, discarding event {n}"))
        );
        assert_eq!(rig.pool.discarded(), 3);
        for _ in 0..4 {
            rig.says(A, "RESULT 2\nOKREADY\n");
        }
        assert_eq!(rig.writes(), [(1, 4), (1, 5), (1, 6)]);
    }

    #[test]
    fn an_event_that_comes_back_into_a_full_buffer_stays() {
        let mut rig = Rig::one(1);
        rig.up(A);
        rig.emit();
        rig.emit();
        rig.take();
        rig.says(A, "RESULT 4\nFAIL");
        assert_eq!(
            rig.lines()[2..],
            [
                "DEBG rebuffering event 0 for pool rec (buf size=1, max=1)",
                "ERRO pool rec event buffer overflowed, discarding event 1",
            ]
        );
        rig.says(A, "READY\n");
        assert_eq!(rig.writes(), [(1, 0)]);
    }

    #[test]
    fn the_first_member_that_is_ready_gets_the_event() {
        let mut rig = Rig::new(10, &[(B, "b"), (A, "a")]);
        rig.up(A);
        rig.up(B);
        for _ in 0..3 {
            rig.emit();
        }
        assert_eq!(rig.writes(), [(2, 0), (1, 1)]);
        rig.says(A, "RESULT 2\nOKREADY\n");
        assert_eq!(rig.writes(), [(1, 2)]);
    }

    #[test]
    fn a_closed_stdin_hands_the_event_to_the_next_member() {
        let mut rig = Rig::new(10, &[(A, "a"), (B, "b")]);
        rig.up(A);
        rig.up(B);
        rig.emit();
        rig.take();
        rig.pool.write_failed(A, 0, &mut rig.fx);
        let (writes, lines) = rig.take();
        assert_eq!((writes[0].0, writes[0].1), (2, 0));
        assert_eq!(
            lines,
            [
                "DEBG epipe occurred while sending event 0 to listener a, listener state unchanged",
                "DEBG event 0 sent to listener b",
            ]
        );
        assert_eq!(rig.pool.listener_state(A), Some(ListenerState::Ready));
    }

    #[test]
    fn a_closed_stdin_is_not_tried_again_before_the_next_start() {
        let mut rig = Rig::one(10);
        rig.up(A);
        rig.emit();
        rig.emit();
        rig.take();
        rig.pool.write_failed(A, 0, &mut rig.fx);
        assert_eq!(
            rig.take(),
            (
                vec![],
                vec![
                    "DEBG epipe occurred while sending event 0 to listener rec, listener state \
                     unchanged"
                        .into(),
                    "DEBG rebuffering event 0 for pool rec (buf size=1, max=10)".into(),
                ]
            )
        );
        rig.pool.set_running(A, false, &mut rig.fx);
        rig.pool.exited(A, &mut rig.fx);
        rig.up(A);
        assert_eq!(rig.writes(), [(1, 0)]);
    }

    #[test]
    fn a_late_word_of_a_failed_write_takes_no_other_event_away() {
        let mut rig = Rig::one(10);
        rig.up(A);
        rig.emit();
        rig.says(A, "RESULT 2\nOKREADY\n");
        rig.emit();
        rig.take();
        rig.pool.write_failed(A, 0, &mut rig.fx);
        assert_eq!(rig.take(), (vec![], vec![]));
        assert_eq!(rig.pool.listener_state(A), Some(ListenerState::Busy));
    }

    #[test]
    fn closing_stdin_with_an_event_in_work_keeps_the_event_there() {
        let mut rig = Rig::one(10);
        rig.up(A);
        rig.emit();
        rig.take();
        rig.pool.stdin_closed(A);
        rig.says(A, "RESULT 2\nOKREADY\n");
        rig.emit();
        assert!(rig.writes().is_empty());
        assert_eq!(rig.pool.backlog(), 1);
    }

    #[test]
    fn lines_below_the_level_are_not_made() {
        let mut rig = Rig::one(10);
        rig.fx = Effects::new(Level::Info);
        rig.up(A);
        rig.emit();
        rig.says(A, "RESULT 4\nFAIL");
        assert_eq!(rig.lines(), ["WARN rec: event was rejected"]);
    }

    #[test]
    fn processes_that_are_no_members_are_ignored() {
        let mut rig = Rig::one(10);
        rig.up(B);
        rig.pool.write_failed(B, 0, &mut rig.fx);
        rig.pool.exited(B, &mut rig.fx);
        rig.emit();
        assert_eq!(rig.take(), (vec![], vec![]));
        assert_eq!(rig.pool.listener_state(B), None);
    }

    #[test]
    fn serials_begin_again_after_the_largest() {
        let mut serials = Serials { next: i64::MAX.unsigned_abs() };
        assert_eq!(serials.take(), i64::MAX.unsigned_abs());
        assert_eq!(serials.take(), 0);
    }

    #[derive(Debug, Clone)]
    enum Deed {
        Emit,
        Up(u64),
        Gone(u64),
        Pause(u64),
        Resume(u64),
        Says(u64, &'static str),
        WriteFailed(u64),
        Closed(u64),
    }

    fn deed() -> impl Strategy<Value = Deed> {
        let who = 1u64..4;
        let words = proptest::sample::select(vec![
            "RESULT 2\nOK",
            "RESULT 2\nOKREADY\n",
            "RESULT 2\nOKREADY\n",
            "READY\n",
            "READY\n",
            "RESULT 4\nFAIL",
            "RESULT 3\nNOTREADY\n",
            "RESULT ",
            "x\n",
        ]);
        prop_oneof![
            6 => Just(Deed::Emit),
            2 => who.clone().prop_map(Deed::Up),
            1 => who.clone().prop_map(Deed::Gone),
            1 => who.clone().prop_map(Deed::Pause),
            1 => who.clone().prop_map(Deed::Resume),
            8 => (who.clone(), words).prop_map(|(id, w)| Deed::Says(id, w)),
            1 => who.clone().prop_map(Deed::WriteFailed),
            1 => who.prop_map(Deed::Closed),
        ]
    }

    /// Carries deeds out; gives the serials of accepted events in order, and those discarded.
    fn run(rig: &mut Rig, deeds: &[Deed]) -> (Vec<u64>, Vec<u64>) {
        let mut accepted = Vec::new();
        for deed in deeds {
            let work = |rig: &Rig, id| {
                rig.pool.member(ProcId(id)).and_then(|m| m.work.as_ref()).map(|w| w.serial)
            };
            match *deed {
                Deed::Emit => drop(rig.emit()),
                Deed::Up(id) => rig.up(ProcId(id)),
                Deed::Gone(id) => {
                    rig.pool.set_running(ProcId(id), false, &mut rig.fx);
                    rig.pool.exited(ProcId(id), &mut rig.fx);
                }
                Deed::Pause(id) => rig.pool.set_running(ProcId(id), false, &mut rig.fx),
                Deed::Resume(id) => rig.pool.set_running(ProcId(id), true, &mut rig.fx),
                Deed::Says(id, words) => {
                    let before = work(rig, id);
                    let seen = rig.fx.list.len();
                    rig.says(ProcId(id), words);
                    let done = rig.fx.list[seen..].iter().any(
                        |e| matches!(e, PoolEffect::Log(_, t) if t.ends_with("was processed")),
                    );
                    accepted.extend(before.filter(|_| done));
                }
                Deed::WriteFailed(id) => {
                    if let Some(serial) = work(rig, id) {
                        rig.pool.write_failed(ProcId(id), serial, &mut rig.fx);
                    }
                }
                Deed::Closed(id) => rig.pool.stdin_closed(ProcId(id)),
            }
            assert!(rig.pool.ready.is_empty() || rig.pool.queue.is_empty());
            for member in &rig.pool.members {
                let busy =
                    member.listener.as_ref().map(Listener::state) == Some(ListenerState::Busy);
                assert_eq!(busy, member.work.is_some());
            }
        }
        let discarded = rig
            .lines()
            .iter()
            .filter_map(|l| l.split_once("overflowed, discarding event ")?.1.parse().ok())
            .collect();
        (accepted, discarded)
    }

    fn pending(rig: &Rig) -> Vec<u64> {
        let work = rig.pool.members.iter().filter_map(|m| m.work.as_ref());
        work.chain(&rig.pool.queue).map(|q| q.serial).collect()
    }

    proptest! {
        #[test]
        fn every_event_is_done_once_or_still_there(
            deeds in proptest::collection::vec(deed(), 0..120),
        ) {
            let mut rig = Rig::new(usize::MAX, &[(A, "a"), (B, "b"), (ProcId(3), "c")]);
            let (mut all, discarded) = run(&mut rig, &deeds);
            prop_assert!(discarded.is_empty());
            all.extend(pending(&rig));
            all.sort_unstable();
            prop_assert_eq!(all, (0..rig.serials.next).collect::<Vec<_>>());
        }

        #[test]
        fn one_listener_gets_events_in_order(
            deeds in proptest::collection::vec(deed(), 0..120),
        ) {
            let mut rig = Rig::one(usize::MAX);
            let (mut all, _) = run(&mut rig, &deeds);
            all.extend(pending(&rig));
            prop_assert_eq!(all, (0..rig.serials.next).collect::<Vec<_>>());
        }

        #[test]
        fn whatever_a_full_buffer_loses_is_told(
            deeds in proptest::collection::vec(deed(), 0..120),
            size in 1usize..5,
        ) {
            let mut rig = Rig::new(size, &[(A, "a"), (B, "b"), (ProcId(3), "c")]);
            let (mut all, discarded) = run(&mut rig, &deeds);
            prop_assert_eq!(discarded.len() as u64, rig.pool.discarded());
            prop_assert!(rig.pool.backlog() <= size);
            all.extend(discarded);
            all.extend(pending(&rig));
            all.sort_unstable();
            prop_assert_eq!(all, (0..rig.serials.next).collect::<Vec<_>>());
        }
    }
}
