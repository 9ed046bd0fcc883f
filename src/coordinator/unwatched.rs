//! Living children that no runner watches: those of a start that nobody wants any more, and those for
//! whose runner the system had no thread. Mostly there are none; while there are, they are looked at.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::Coordinator;
use super::inbox::{Gen, Msg, ProcId};
use super::timers::Timer;
use crate::config::model::Level;
use crate::runner::thread::tell_end;
use crate::runner::{Command, Watch};

/// How often they are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// All of them.
#[derive(Debug, Default)]
pub struct Unwatched(Vec<Child>);

/// A child that somebody has to watch.
#[derive(Debug)]
pub struct Child {
    /// Whose.
    pub id: ProcId,
    /// Which start.
    pub generation: Gen,
    /// Its pid.
    pub pid: i32,
    /// Its handle.
    pub pidfd: Arc<OwnedFd>,
    /// The pump reads its streams.
    pub pumped: bool,
}

impl Unwatched {
    /// How many there are.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Their pids.
    #[cfg(test)]
    pub fn pids(&self) -> Vec<i32> {
        self.0.iter().map(|child| child.pid).collect()
    }
}

impl Coordinator {
    /// Gives a child of a process to the process's runner. Without one it is looked at from time to time.
    pub(super) fn watch(&mut self, child: Child) {
        if let Err((child, error)) = self.try_watch(child) {
            if let Some(p) = self.table.get(child.id) {
                let text = format!(
                    "there is no thread to watch '{}' ({}), its end is looked for every {LOOK:?} until \
                     there is: {error}",
                    p.slot.config.name, child.pid
                );
                self.activity.log(Level::Error, &text);
            }
            self.look_after(child);
        }
    }

    fn try_watch(&mut self, child: Child) -> Result<(), (Child, std::io::Error)> {
        let Some(p) = self.table.get_mut(child.id) else { return Ok(()) };
        let watch = Watch {
            generation: child.generation,
            pidfd: child.pidfd.clone(),
            pumped: child.pumped,
        };
        match &p.runner {
            Some(runner) => runner.order(Command::Watch(watch)),
            None => match self.outside.runner(child.id, watch) {
                Ok(runner) => p.runner = Some(runner),
                Err(error) => return Err((child, error)),
            },
        }
        Ok(())
    }

    /// A child that has no runner is reaped at its end all the same.
    pub(super) fn look_after(&mut self, child: Child) {
        if self.unwatched.0.iter().any(|known| known.pid == child.pid) {
            return;
        }
        self.unwatched.0.push(child);
        if self.timers.at(Timer::Unwatched).is_none() {
            self.timers.set(self.mono().after(LOOK), Timer::Unwatched);
        }
    }

    pub(super) fn look_after_unwatched(&mut self) {
        let mut threads = true;
        for child in std::mem::take(&mut self.unwatched.0) {
            let wanted = self.current(child.id, child.generation);
            match self.outside.ended(&child.pidfd) {
                Some(status) => {
                    let Child { id, generation, pid, pidfd, pumped } = child;
                    tell_end(&self.sender, &self.pump, (id, generation), status, pumped);
                    if !wanted {
                        self.outside.reap(pid, &pidfd);
                    }
                }
                None if wanted && threads => {
                    if let Err((child, _)) = self.try_watch(child) {
                        threads = false;
                        self.unwatched.0.push(child);
                    }
                }
                None => self.unwatched.0.push(child),
            }
        }
        if !self.unwatched.0.is_empty() {
            self.timers.set(self.mono().after(LOOK), Timer::Unwatched);
        }
    }

    /// The next life of the daemon takes them for children of starts that nobody wants any more.
    pub(super) fn hand_on_unwatched(&mut self) {
        for child in std::mem::take(&mut self.unwatched.0) {
            let Child { id, generation, pid, pidfd, pumped } = child;
            let msg =
                Msg::Spawned { id, generation, pid, pidfd, socket: None, pumped, pipes: None };
            let _ = self.sender.send(msg);
        }
    }
}
