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
use super::unwatched::Child;
use crate::config::model::Level;
use crate::machine::Input;
use crate::runner::Make;
use crate::runner::maker::{Hanging, Relieved};
use crate::sys::clock::Mono;

/// How long one child may hold up the others. An exec that hangs on a dead file server must not
/// keep every other program down.
const PATIENCE: Duration = Duration::from_millis(500);

/// The same while others have just hung: what they wait for others may wait for, too, and twelve such
/// starts must not hold up a healthy program for six seconds.
const IMPATIENCE: Duration = Duration::from_millis(100);

/// How long that counts.
const TROUBLE: Duration = Duration::from_secs(10);

/// How many children may be on order at once. With more than one their maker need not wait for us to
/// hear of the one before.
const AHEAD: usize = 8;

/// The queue.
#[derive(Debug, Default)]
pub struct Spawning {
    queue: VecDeque<Order>,
    /// On order, the one that is being made first.
    under_way: VecDeque<Order>,
    held: Vec<ProcId>,
    /// Those whose maker was relieved, and of whose children nothing is known.
    left: Vec<Order>,
    /// When a maker was last relieved.
    last_slow: Option<Mono>,
    /// The one that is being made hangs, there is no thread to make the others, and that has been told.
    stuck: bool,
}

impl Spawning {
    /// Whether no child is to be made.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.under_way.is_empty()
    }

    /// Whether there are starts that hang, of whose children nothing is known.
    #[cfg(test)]
    pub fn hangs(&self) -> bool {
        !self.left.is_empty()
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
        self.hurry();
        self.bus.started(id, &mut self.wishes);
        self.grant();
        self.spawn_next();
    }

    /// The child lives or has failed.
    pub(super) fn spawn_next_after(&mut self, id: ProcId, generation: Gen) {
        self.spawning.left.retain(|order| *order != (id, generation));
        if self.spawning.done(id, generation) {
            self.next_turn();
        }
        self.spawn_next();
    }

    pub(super) fn spawn_overdue(&mut self) {
        self.tell_hanging();
        if let Some(slow) = self.spawning.under_way.front().copied() {
            match self.outside.relieve(slow) {
                Ok(Relieved::Yes) => {
                    self.spawning.under_way.pop_front();
                    self.spawning.left.push(slow);
                    self.spawning.last_slow = Some(self.mono());
                    self.tell_hanging();
                    self.next_turn();
                }
                // Its maker has not come to it, or is through with it.
                Ok(Relieved::NotAtIt) => self.hurry(),
                Err(error) => {
                    if !std::mem::replace(&mut self.spawning.stuck, true) {
                        let text = format!(
                            "a start takes long and there is no thread to go on with others, trying \
                             again: {error}"
                        );
                        self.activity.log(Level::Error, &text);
                    }
                    self.hurry();
                }
            }
        }
        if !self.spawning.left.is_empty() {
            self.hurry();
        }
        self.spawn_next();
    }

    /// Children whose exec hangs have been born: from here on they are like any other, and can be
    /// stopped, as in the reference.
    fn tell_hanging(&mut self) {
        for (id, generation) in std::mem::take(&mut self.spawning.left) {
            let Some(Hanging { pid, pidfd, socket }) = self.outside.hanging((id, generation))
            else {
                self.not_born(id, generation);
                continue;
            };
            let name = self.table.get(id).map(|p| p.slot.config.name.clone()).unwrap_or_default();
            let text =
                format!("the start of '{name}' takes long (pid {pid}), others do not wait for it");
            self.activity.log(Level::Warn, &text);
            // By way of the pump in any case: it knows to wait for pipes that come late.
            let pumped = true;
            self.spawned(Child { id, generation, pid, pidfd, pumped }, socket, None);
        }
    }

    /// A start hangs and has no child. When a stop is wanted there is nothing to be stopped.
    fn not_born(&mut self, id: ProcId, generation: Gen) {
        let current = self.current(id, generation);
        match self.table.get_mut(id) {
            Some(p)
                if current && p.machine.stop_wanted && self.outside.give_up((id, generation)) =>
            {
                p.generation += 1;
                p.signals.clear();
                self.step(id, Input::SpawnFailed("the start hung before there was a process"));
            }
            _ => self.spawning.left.push((id, generation)),
        }
    }

    fn next_turn(&mut self) {
        self.spawning.stuck = false;
        self.timers.clear(Timer::SpawnOverdue);
        if !self.spawning.is_idle() || !self.spawning.left.is_empty() {
            self.hurry();
        }
    }

    /// From now on the child whose turn it is may be too slow.
    pub(super) fn hurry(&mut self) {
        if self.timers.at(Timer::SpawnOverdue).is_none() {
            let now = self.mono();
            let slow = self.spawning.last_slow.is_some_and(|at| now.since(at) < TROUBLE);
            let patience = if slow { IMPATIENCE } else { PATIENCE };
            self.timers.set(now.after(patience), Timer::SpawnOverdue);
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
