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
use crate::runner::Command;
use crate::runner::turn::{Gate, Turn};

/// How long one child may hold up the others. An exec that hangs on a dead file server must not
/// keep every other program down.
const PATIENCE: Duration = Duration::from_millis(500);

/// How many children may be on order at once. With more than one the runners behind the first have
/// everything prepared when their turn comes.
const AHEAD: usize = 4;

/// The queue.
#[derive(Debug, Default)]
pub struct Spawning {
    queue: VecDeque<(ProcId, Gen)>,
    /// On order, the one whose turn it is first, each with the gate that it opens for the next.
    under_way: VecDeque<(ProcId, Gen, Gate)>,
    held: Vec<ProcId>,
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
        let at = self.under_way.iter().position(|(i, g, _)| (*i, *g) == (id, generation));
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
        if let Some((_, _, gate)) = self.spawning.under_way.pop_front() {
            gate.open();
            self.next_turn();
        }
        self.spawn_next();
    }

    fn next_turn(&mut self) {
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

    /// Orders the runner to make a child.
    fn order_spawn(&mut self, id: ProcId, generation: Gen) {
        let Some(p) = self.table.get_mut(id) else { return };
        if p.runner.is_none() {
            match self.outside.runner(&p.plan) {
                Ok(runner) => p.runner = Some(runner),
                Err(_) => {
                    // No thread to be had: the same limit that fork would meet.
                    let error = format!(
                        "Too many processes in process table to spawn '{}'",
                        p.slot.config.name
                    );
                    let _ = self.sender.send(Msg::SpawnFailed { id, generation, error });
                    return;
                }
            }
        }
        if let Some(runner) = &p.runner {
            let before = self.spawning.under_way.back().map(|(_, _, gate)| gate.clone());
            let after = Gate::default();
            self.spawning.under_way.push_back((id, generation, after.clone()));
            runner.order(Command::Start(generation, Turn { before, after }));
        }
    }
}
