//! Children that nobody started: what a process with PID 1 inherits, or what supervisord's parent
//! left behind before an exec. They are reaped, and named in the activity log.
//!
//! A `waitpid(-1)` would steal exit statuses from the runners. So zombies are only looked at
//! (WNOWAIT) and taken by pid when they are not our own. The gate keeps a look from falling between
//! the birth of a child and its registration.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Mutex, PoisonError, RwLock, TryLockError};

use crate::machine::ExitStatus;
use crate::sys::wait;

/// Which children are our own.
#[derive(Debug, Default)]
pub struct Family {
    /// Held for reading from before a birth to its registration, and while a child is reaped.
    gate: RwLock<()>,
    known: Mutex<HashSet<i32>>,
    /// Somebody wanted to look and found the gate held: who holds it looks when leaving.
    look_wanted: AtomicBool,
}

impl Family {
    /// Makes a child with `spawn` and registers its pid in one step. `stranger` gets those that were
    /// found meanwhile.
    pub fn birth<T, E>(
        &self,
        spawn: impl FnOnce() -> Result<(i32, T), E>,
        stranger: impl FnMut(i32, ExitStatus),
    ) -> Result<(i32, T), E> {
        let open = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let made = spawn();
        if let Ok((pid, _)) = &made {
            self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(*pid);
        }
        drop(open);
        // See `reap_strangers`.
        fence(Ordering::SeqCst);
        if self.look_wanted.load(Ordering::SeqCst) {
            self.reap_strangers(stranger);
        }
        made
    }

    /// Reaps a child with `reap` and forgets its pid, then looks for strangers behind it.
    pub fn death<T>(
        &self,
        pid: i32,
        reap: impl FnOnce() -> T,
        stranger: impl FnMut(i32, ExitStatus),
    ) -> T {
        let open = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        // First, since the number may belong to the next child at once; the gate keeps looks out.
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&pid);
        let result = reap();
        drop(open);
        self.reap_strangers(stranger);
        result
    }

    /// Reaps zombies of others. Stops at the first of our own: its
    /// [`Family::death`] is followed by another look.
    ///
    /// Never waits: a birth can take as long as a dead file server lets exec hang, and the thread
    /// that calls this also takes SIGTERM. The request is noted before the gate is tried, and looked
    /// at after it has been left, so one of the two sees the other. The fences are what makes that
    /// true: of the gate a processor may else see what was before the request, as a lock is only
    /// ordered with what it guards.
    pub fn reap_strangers(&self, mut each: impl FnMut(i32, ExitStatus)) {
        self.look_wanted.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        while self.look_wanted.load(Ordering::SeqCst) {
            let closed = match self.gate.try_write() {
                Ok(closed) => closed,
                Err(TryLockError::Poisoned(closed)) => closed.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            self.look_wanted.store(false, Ordering::SeqCst);
            while let Some((pid, status)) = self.take_stranger() {
                each(pid, status);
            }
            drop(closed);
            fence(Ordering::SeqCst);
        }
    }

    /// Reaps the first zombie if it is not one of our own.
    fn take_stranger(&self) -> Option<(i32, ExitStatus)> {
        let pid = wait::any_zombie()?;
        if self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(&pid) {
            return None;
        }
        wait::reap_pid(pid).map(|status| (pid, status))
    }
}

/// Whether this process can get children that it did not start: it is PID 1, a subreaper, or has
/// children already (read from /proc; when that cannot be read, rather yes).
pub fn expected() -> bool {
    if std::process::id() == 1 {
        return true;
    }
    let me = std::process::id();
    match std::fs::read_to_string(format!("/proc/{me}/task/{me}/children")) {
        Ok(children) => !children.trim().is_empty(),
        Err(_) => wait::any_zombie().is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::alone;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn a_birth_that_hangs_delays_no_look_and_is_followed_by_one() {
        // In a process of its own: a look would take the children of other tests.
        let Some(_) = alone::file() else {
            let name =
                "runner::orphans::tests::a_birth_that_hangs_delays_no_look_and_is_followed_by_one";
            let out = alone::run(name, &alone::fresh_file("birth"));
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            return;
        };
        let family = Family::default();
        let (begun, begins) = channel();
        let (end, ends) = channel();
        std::thread::scope(|scope| {
            let family = &family;
            let birth = scope.spawn(move || {
                let spawn = || {
                    begun.send(()).unwrap();
                    ends.recv().unwrap();
                    Err::<(i32, ()), ()>(())
                };
                family.birth(spawn, |_, _| {})
            });
            begins.recv().unwrap();
            let (looked, looks) = channel();
            scope.spawn(move || {
                family.reap_strangers(|_, _| {});
                looked.send(()).unwrap();
            });
            looks.recv_timeout(Duration::from_secs(20)).unwrap();
            assert!(family.look_wanted.load(Ordering::SeqCst));
            end.send(()).unwrap();
            assert!(birth.join().unwrap().is_err());
            assert!(!family.look_wanted.load(Ordering::SeqCst));
        });
    }
}
