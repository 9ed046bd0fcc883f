//! Children that nobody started: what a process with PID 1 inherits, or what supervisord's parent
//! left behind before an exec. They are reaped, and named in the activity log.
//!
//! A `waitpid(-1)` would steal exit statuses from the runners. So zombies are only looked at
//! (WNOWAIT) and taken by pid when no runner knows them. The gate keeps a look from falling between
//! the birth of a child and its registration.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError, RwLock};

use crate::machine::ExitStatus;
use crate::sys::wait;

/// Which children have a runner.
#[derive(Debug, Default)]
pub struct Family {
    gate: RwLock<()>,
    known: Mutex<HashSet<i32>>,
}

impl Family {
    /// Makes a child with `spawn` and registers its pid in one step.
    pub fn birth<T, E>(&self, spawn: impl FnOnce() -> Result<(i32, T), E>) -> Result<(i32, T), E> {
        let _open = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let (pid, rest) = spawn()?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(pid);
        Ok((pid, rest))
    }

    /// Reaps a child with `reap` and forgets its pid.
    pub fn death<T>(&self, pid: i32, reap: impl FnOnce() -> T) -> T {
        let _open = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let result = reap();
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&pid);
        result
    }

    /// Reaps zombies without a runner. Stops at the first that has one: its runner's
    /// [`Family::death`] is followed by another look.
    pub fn reap_strangers(&self, mut each: impl FnMut(i32, ExitStatus)) {
        loop {
            let _closed = self.gate.write().unwrap_or_else(PoisonError::into_inner);
            let Some(pid) = wait::any_zombie() else { return };
            if self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(&pid) {
                return;
            }
            match wait::reap_pid(pid) {
                Some(status) => each(pid, status),
                None => return,
            }
        }
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
