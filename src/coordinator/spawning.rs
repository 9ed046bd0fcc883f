//! Children are made one at a time, in the order in which they were asked for, so that `priority=`
//! means an order of starting and not of intentions.
//!
//! As in the reference, programs of one batch become RUNNING only when the whole batch has been
//! spawned: deadlines of `startsecs` wait until the queue is empty.

use std::collections::VecDeque;
use std::time::Duration;

use super::Coordinator;
use super::inbox::{Gen, Msg, Order, ProcId};
use super::timers::Timer;
use crate::config::model::Level;
use crate::runner::Make;

/// How long one child may hold up the others. An exec that hangs on a dead file server must not
/// keep every other program down.
const PATIENCE: Duration = Duration::from_millis(500);

/// How many children may be on order at once. With more than one their maker need not wait for us to
/// hear of the one before.
const AHEAD: usize = 4;

/// The queue.
#[derive(Debug, Default)]
pub struct Spawning {
    queue: VecDeque<Order>,
    /// On order, the one that is being made first.
    under_way: VecDeque<Order>,
    held: Vec<ProcId>,
    /// The one that is being made hangs, there is no thread to make the others, and that has been told.
    stuck: bool,
}

impl Spawning {
    /// Whether no child is to be made.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.under_way.is_empty()
    }

    /// Keeps a `startsecs` deadline back while children are still to be made; says whether it did.
    pub fn hold(&mut self, id: ProcId) -> bool {
        if self.is_idle() {
            return false;
        }
        self.held.push(id);
        true
    }

    /// Takes one from those on order; says whether it was its turn.
    fn done(&mut self, id: ProcId, generation: Gen) -> bool {
        let at = self.under_way.iter().position(|order| *order == (id, generation));
        at.and_then(|at| self.under_way.remove(at)).is_some() && at == Some(0)
    }
}

impl Coordinator {
    /// A child is to be made as soon as those before it are.
    pub(super) fn spawn(&mut self, id: ProcId) {
        let Some(p) = self.table.get_mut(id) else { return };
        p.generation += 1;
        p.signals.clear();
        self.spawning.queue.push_back((id, p.generation));
        if self.spawning.under_way.len() + self.spawning.queue.len() == 2 {
            self.hurry();
        }
        self.bus.started(id, &mut self.wishes);
        self.grant();
        self.spawn_next();
    }

    /// The child lives or has failed.
    pub(super) fn spawn_next_after(&mut self, id: ProcId, generation: Gen) {
        if self.spawning.done(id, generation) {
            self.next_turn();
        }
        self.spawn_next();
    }

    pub(super) fn spawn_overdue(&mut self) {
        let Some(slow) = self.spawning.under_way.front().copied() else { return };
        match self.outside.relieve(slow) {
            Ok(true) => {
                self.spawning.under_way.pop_front();
                self.next_turn();
            }
            // Its maker has not come to it, or is through with it.
            Ok(false) => self.hurry(),
            Err(error) => {
                if !std::mem::replace(&mut self.spawning.stuck, true) {
                    let text = format!(
                        "a start takes long and there is no thread to go on with others, trying again: \
                         {error}"
                    );
                    self.activity.log(Level::Error, &text);
                }
                self.hurry();
            }
        }
        self.spawn_next();
    }

    fn next_turn(&mut self) {
        self.spawning.stuck = false;
        self.timers.clear(Timer::SpawnOverdue);
        // Nobody to hold up, no deadline: an idle daemon is not woken for nothing.
        if self.spawning.under_way.len() + self.spawning.queue.len() > 1 {
            self.hurry();
        }
    }

    /// Somebody waits for the child whose turn it is: from now on it may be too slow.
    pub(super) fn hurry(&mut self) {
        if self.timers.at(Timer::SpawnOverdue).is_none() {
            self.timers.set(self.mono().after(PATIENCE), Timer::SpawnOverdue);
        }
    }

    fn spawn_next(&mut self) {
        while self.spawning.under_way.len() < AHEAD {
            let Some((id, generation)) = self.spawning.queue.pop_front() else { break };
            if self.current(id, generation) {
                self.order_spawn(id, generation);
            }
        }
        if self.spawning.is_idle() {
            for id in std::mem::take(&mut self.spawning.held) {
                // With its own time, so that they come in the order in which they were due.
                self.arm(id);
            }
        }
    }

    /// Orders a child.
    fn order_spawn(&mut self, id: ProcId, generation: Gen) {
        let Some(p) = self.table.get(id) else { return };
        match self.outside.make(Make { plan: p.plan.clone(), generation }) {
            Ok(()) => self.spawning.under_way.push_back((id, generation)),
            Err(_) => {
                // No thread to be had: the same limit that fork would meet.
                let error = format!(
                    "Too many processes in process table to spawn '{}'",
                    p.slot.config.name
                );
                let _ = self.sender.send(Msg::SpawnFailed { id, generation, error });
            }
        }
    }
}
