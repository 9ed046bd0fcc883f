//! Children that nobody started: what a process with PID 1 inherits, or what supervisord's parent
//! left behind before an exec. They are reaped, and named in the activity log.
//!
//! A `waitpid(-1)` would steal exit statuses from the runners. So zombies are only looked at
//! (WNOWAIT) and taken by pid when they are not our own. A look never falls between the birth of a child
//! and its registration.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::machine::ExitStatus;
use crate::sys::wait;

/// Which children are our own.
#[derive(Debug, Default)]
pub struct Family(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    known: HashSet<i32>,
    /// Children that are being made, whose pids are not known yet.
    unborn: usize,
    /// Somebody wanted to look meanwhile.
    look_wanted: bool,
}

impl Family {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic with the state half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A child will be made. [`Family::born`] has to follow.
    pub fn expect(&self) {
        self.lock().unborn += 1;
    }

    /// A child has been made, or could not be. `stranger` gets those that were found meanwhile.
    pub fn born(&self, pid: Option<i32>, stranger: impl FnMut(i32, ExitStatus)) {
        let mut state = self.lock();
        state.unborn = state.unborn.saturating_sub(1);
        state.known.extend(pid);
        let look = state.unborn == 0 && state.look_wanted;
        drop(state);
        if look {
            self.reap_strangers(stranger);
        }
    }

    /// Reaps a child with `reap` and forgets its pid, then looks for strangers behind it.
    pub fn death<T>(
        &self,
        pid: i32,
        reap: impl FnOnce() -> T,
        stranger: impl FnMut(i32, ExitStatus),
    ) -> T {
        let mut state = self.lock();
        state.known.remove(&pid);
        let result = reap();
        drop(state);
        self.reap_strangers(stranger);
        result
    }

    /// Reaps zombies of others. Stops at the first of our own: its [`Family::death`] is followed by
    /// another look. While children are being made it is only noted that a look is wanted: a birth can
    /// take as long as a dead file server lets exec hang, and the thread that calls this also takes
    /// SIGTERM.
    pub fn reap_strangers(&self, mut each: impl FnMut(i32, ExitStatus)) {
        let mut state = self.lock();
        state.look_wanted = state.unborn > 0;
        if state.look_wanted {
            return;
        }
        while let Some((pid, status)) = take_stranger(&state) {
            each(pid, status);
        }
    }
}

/// Reaps the first zombie if it is not one of our own.
fn take_stranger(state: &State) -> Option<(i32, ExitStatus)> {
    let pid = wait::any_zombie()?;
    if state.known.contains(&pid) {
        return None;
    }
    wait::reap_pid(pid).map(|status| (pid, status))
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
        family.expect();
        family.reap_strangers(|_, _| panic!("a look during a birth"));
        assert!(family.lock().look_wanted);
        family.born(Some(i32::MAX), |_, _| {});
        assert!(!family.lock().look_wanted);
        assert!(family.lock().known.contains(&i32::MAX));
    }
}
