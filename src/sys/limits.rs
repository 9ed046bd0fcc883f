//! Resource limits of the daemon: as many open files and processes as `minfds=` and `minprocs=` ask
//! for. Used on the main thread at boot, before any other thread; children inherit the result.

use super::table;
use crate::config::model::{Level, Note};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::sync::OnceLock;

/// "No limit" in a limit's value.
const UNLIMITED: u64 = libc::RLIM_INFINITY;

/// A limit that cannot be had: a configuration error, the daemon must not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{option}={wanted} cannot be met: the environment allows at most {} {what} ({reason}); raise \
     {limit} for supervisord (ulimit, or the service manager's setting) or lower {option} in \
     [supervisord]",
    shown(*.allowed)
)]
pub struct LimitError {
    /// `minfds` or `minprocs`.
    pub option: &'static str,
    /// What it asks for.
    pub wanted: u64,
    /// The hard limit met.
    pub allowed: u64,
    /// What is counted.
    pub what: &'static str,
    /// Name of the limit.
    pub limit: &'static str,
    /// Why the kernel refused.
    pub reason: Errno,
}

fn shown(limit: u64) -> String {
    if limit == UNLIMITED { "an unlimited number of".into() } else { limit.to_string() }
}

/// What to do about one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Enough,
    Set { soft: u64, hard: u64 },
}

/// Supervisor's rule: a soft limit below the minimum becomes the minimum; a hard limit below it is
/// raised too, which only root can do. Limits are never lowered.
fn decide(soft: u64, hard: u64, min: u64) -> Decision {
    // "Unlimited" is the greatest number, so comparing is enough.
    if soft >= min { Decision::Enough } else { Decision::Set { soft: min, hard: hard.max(min) } }
}

/// Raises both limits where they are too low. Gives the lines for the activity log, in
/// Supervisor's words.
pub fn raise(minfds: u64, minprocs: u64) -> Result<Vec<Note>, LimitError> {
    let wanted = [
        (Resource::RLIMIT_NOFILE, "RLIMIT_NOFILE", "minfds", minfds, "open files"),
        (Resource::RLIMIT_NPROC, "RLIMIT_NPROC", "minprocs", minprocs, "processes"),
    ];
    let mut notes = Vec::new();
    for (resource, limit, option, min, what) in wanted {
        let error =
            |allowed, reason| LimitError { option, wanted: min, allowed, what, limit, reason };
        let (soft, hard) = getrlimit(resource).map_err(|e| error(0, e))?;
        if let Decision::Set { soft, hard: new_hard } = decide(soft, hard, min) {
            setrlimit(resource, soft, new_hard).map_err(|e| error(hard, e))?;
            let text = format!("Increased {limit} limit to {min}");
            notes.push(Note { level: Level::Info, text });
        }
    }
    Ok(notes)
}

/// Whether so many descriptors may be open; if not, how many.
pub fn too_few_descriptors(needed: u64) -> Option<u64> {
    let soft = table::limit();
    (soft < needed).then_some(soft)
}

/// The limit on core files that we were started with: soft, hard.
static CORE: OnceLock<(u64, u64)> = OnceLock::new();

/// No core file of this process: passwords of the configuration would be in it. Programs get the limit
/// that we were started with, see [`core_of_programs`].
pub fn no_core() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_CORE) else { return };
    // a soft limit can always be lowered, and raised again up to the hard one
    if soft != 0 && setrlimit(Resource::RLIMIT_CORE, 0, hard).is_ok() {
        let _ = CORE.set((soft, hard));
    }
}

/// The limit on core files that programs are to get, when ours is another.
pub fn core_of_programs() -> Option<(u64, u64)> {
    CORE.get().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::alone;
    use proptest::prelude::*;

    #[test]
    fn a_limit_that_is_high_enough_stays() {
        assert_eq!(decide(1024, 4096, 1024), Decision::Enough);
        assert_eq!(decide(UNLIMITED, UNLIMITED, 1024), Decision::Enough);
        assert_eq!(decide(0, 0, 0), Decision::Enough);
    }

    #[test]
    fn a_low_soft_limit_becomes_the_minimum() {
        assert_eq!(decide(256, 4096, 1024), Decision::Set { soft: 1024, hard: 4096 });
        assert_eq!(decide(256, UNLIMITED, 1024), Decision::Set { soft: 1024, hard: UNLIMITED });
    }

    #[test]
    fn a_low_hard_limit_is_raised_too() {
        assert_eq!(decide(256, 512, 1024), Decision::Set { soft: 1024, hard: 1024 });
    }

    proptest! {
        #[test]
        fn limits_are_never_lowered_and_always_suffice(soft: u64, hard: u64, min: u64) {
            let hard = hard.max(soft);
            match decide(soft, hard, min) {
                Decision::Enough => prop_assert!(soft >= min),
                Decision::Set { soft: s, hard: h } => {
                    prop_assert!(s >= min && s > soft && h >= hard && h >= s);
                }
            }
        }
    }

    #[test]
    fn the_error_says_what_is_wanted_and_allowed() {
        let e = LimitError {
            option: "minfds",
            wanted: 5000,
            allowed: 4096,
            what: "open files",
            limit: "RLIMIT_NOFILE",
            reason: Errno::EPERM,
        };
        let text = e.to_string();
        for part in ["minfds=5000", "at most 4096 open files", "RLIMIT_NOFILE", "[supervisord]"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn raising_changes_the_process_and_says_so() {
        let Some(_) = alone::file() else {
            let out = alone::run(
                "sys::limits::tests::raising_changes_the_process_and_says_so",
                &alone::fresh_file("limits"),
            );
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            return;
        };
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, 64, hard).unwrap();
        let notes = raise(128, 0).unwrap();
        let text = "Increased RLIMIT_NOFILE limit to 128".to_owned();
        assert_eq!(notes, [Note { level: Level::Info, text }]);
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (128, hard));
        assert_eq!(raise(128, 0).unwrap(), []);
        // More than the kernel's own ceiling (fs.nr_open) is refused even to root.
        assert_eq!(raise(u64::MAX - 1, 0).unwrap_err().option, "minfds");
    }
}
