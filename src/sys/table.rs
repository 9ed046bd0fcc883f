//! The table of descriptors when it gets full: who leaves how many to others.
//!
//! The kernel gives a new descriptor the lowest number that is free, so the number tells how full the
//! table is, as long as those who may not have the last ones have low numbers. Below all is for
//! everybody; then come those that clients leave to logs and to programs that start; the last ones are
//! not for logs either. A start needs nine for a moment.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sys::resource::{Resource, getrlimit};

/// What clients leave, and where the limit is low, a part of it.
const KEPT_FROM_CLIENTS: (u64, u64) = (48, 4);
/// What logs leave.
const KEPT_FROM_LOGS: (u64, u64) = (24, 8);

/// The soft limit of open files: the numbers of descriptors are below it.
pub fn limit() -> u64 {
    // It fails for no process that asks for its own.
    getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft)
}

/// So many numbers are left above that of a new descriptor.
pub fn left_above(new: impl AsFd, limit: u64) -> u64 {
    let number = u64::try_from(new.as_fd().as_raw_fd()).unwrap_or(0);
    limit.saturating_sub(number.saturating_add(1))
}

/// How many descriptors clients may not have: their connections, and what is open for those who follow a
/// log or events.
pub fn kept_from_clients(limit: u64) -> u64 {
    KEPT_FROM_CLIENTS.0.min(limit / KEPT_FROM_CLIENTS.1)
}

/// A new descriptor for a client is one of those that it may have.
pub fn is_for_clients(new: impl AsFd) -> bool {
    let limit = limit();
    left_above(new, limit) >= kept_from_clients(limit)
}

/// How many descriptors logs may not have either.
pub fn kept_from_logs(limit: u64) -> u64 {
    KEPT_FROM_LOGS.0.min(limit / KEPT_FROM_LOGS.1)
}

/// A new descriptor of a log is one of those that logs may have.
pub fn is_for_logs(new: impl AsFd) -> bool {
    let limit = limit();
    left_above(new, limit) >= kept_from_logs(limit)
}

/// The same under the lowest number that is free, if that is lower.
pub fn lower(fd: impl AsFd) -> Option<OwnedFd> {
    let fd = fd.as_fd();
    fd.try_clone_to_owned().ok().filter(|lower| lower.as_raw_fd() < fd.as_raw_fd())
}

/// There is no descriptor left, in this process or on this machine.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn what_is_left_is_told_by_the_number_of_a_new_descriptor() {
        let new = File::open("/dev/null").unwrap();
        let number = u64::try_from(new.as_raw_fd()).unwrap();
        assert_eq!(left_above(&new, number + 10), 9);
        assert_eq!(left_above(&new, number + 1), 0);
        assert_eq!(left_above(&new, 0), 0, "lowered meanwhile");
        assert!(is_for_clients(&new) && is_for_logs(&new));
    }

    #[test]
    fn clients_leave_more_than_logs_and_neither_takes_all_of_a_low_limit() {
        for limit in [0, 3, 20, 64, 100, 200, 1024, u64::MAX] {
            let kept = kept_from_clients(limit);
            assert!(kept <= limit / 2 && kept_from_logs(limit) <= kept);
        }
    }

    #[test]
    fn a_descriptor_goes_to_a_lower_number_only() {
        let mut files: Vec<File> = (0..3).map(|_| File::open("/dev/null").unwrap()).collect();
        files.sort_by_key(|file| file.as_raw_fd());
        let high = files.pop().unwrap();
        drop(files);
        // Other tests take numbers meanwhile, so none can be foreseen.
        if let Some(moved) = lower(&high) {
            assert!(moved.as_raw_fd() < high.as_raw_fd());
            assert!(File::from(moved).metadata().is_ok());
        }
    }
}
