//! Children are made one at a time, in the order in which they were asked for, so that `priority=`
//! means an order of starting and not of intentions.
//!
//! As in the reference, programs of one batch become RUNNING only when the whole batch has been
//! spawned: deadlines of `startsecs` wait until the queue is empty.

use std::collections::VecDeque;
use std::time::Duration;

use super::Coordinator;
use super::inbox::{Gen, Msg, ProcId};
use super::timers::Timer;
use crate::runner::{Command, Runner};
use crate::sys::clock::Mono;

/// How long one child may hold up the others. An exec that hangs on a dead file server must not
/// keep every other program down.
const PATIENCE: Duration = Duration::from_millis(500);

/// The queue.
#[derive(Debug, Default)]
pub struct Spawning {
    queue: VecDeque<(ProcId, Gen)>,
    under_way: Option<(ProcId, Gen)>,
    /// Counts the children put under way.
    number: u64,
    held: Vec<(ProcId, u64)>,
}

impl Spawning {
    /// Whether no child is to be made.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.under_way.is_none()
    }

    /// Keeps a `startsecs` deadline back while children are still to be made; says whether it did.
    pub fn hold(&mut self, id: ProcId, stamp: u64) -> bool {
        if self.is_idle() {
            return false;
        }
        self.held.push((id, stamp));
        true
    }
}

impl Coordinator {
    /// A child is to be made as soon as those before it are.
    pub(super) fn spawn(&mut self, id: ProcId) {
        let Some(p) = self.table.get_mut(id) else { return };
        p.generation += 1;
        p.signals.clear();
        self.spawning.queue.push_back((id, p.generation));
        if self.spawning.under_way.is_some() && self.spawning.queue.len() == 1 {
            self.hurry();
        }
        self.bus.started(id, &mut self.wishes);
        self.grant();
        self.spawn_next();
    }

    /// The child that was under way lives or has failed.
    pub(super) fn spawn_next_after(&mut self, id: ProcId, generation: Gen) {
        if self.spawning.under_way == Some((id, generation)) {
            self.spawning.under_way = None;
        }
        self.spawn_next();
    }

    pub(super) fn spawn_overdue(&mut self, number: u64) {
        if self.spawning.under_way.is_some() && self.spawning.number == number {
            self.spawning.under_way = None;
            self.spawn_next();
        }
    }

    /// Somebody waits for the child that is under way: from now on it may be too slow.
    pub(super) fn hurry(&mut self) {
        let timer = Timer::SpawnOverdue(self.spawning.number);
        self.timers.set(Mono::now().after(PATIENCE), timer);
    }

    fn spawn_next(&mut self) {
        while self.spawning.under_way.is_none() {
            let Some((id, generation)) = self.spawning.queue.pop_front() else { break };
            if !self.current(id, generation) || !self.order_spawn(id, generation) {
                continue;
            }
            self.spawning.under_way = Some((id, generation));
            self.spawning.number += 1;
            // Nobody to hold up, no deadline: an idle daemon is not woken for nothing.
            if !self.spawning.queue.is_empty() {
                self.hurry();
            }
        }
        if self.spawning.is_idle() {
            for (id, stamp) in std::mem::take(&mut self.spawning.held) {
                // With its own time, so that they come in the order in which they were due.
                if let Some(at) = self.table.get(id).and_then(|p| p.armed) {
                    self.timers.set(at, Timer::Process(id, stamp));
                }
            }
        }
    }

    /// Orders the runner to make a child; says whether an answer will come of it later.
    fn order_spawn(&mut self, id: ProcId, generation: Gen) -> bool {
        let Some(p) = self.table.get_mut(id) else { return false };
        if p.runner.is_none() {
            match Runner::start(p.plan.clone(), self.links.clone()) {
                Ok(runner) => p.runner = Some(runner),
                Err(_) => {
                    // No thread to be had: the same limit that fork would meet.
                    let error = format!(
                        "Too many processes in process table to spawn '{}'",
                        p.slot.config.name
                    );
                    let _ = self.sender.send(Msg::SpawnFailed { id, generation, error });
                    return true;
                }
            }
        }
        if let Some(runner) = &p.runner {
            runner.order(Command::Start(generation));
        }
        true
    }
}
