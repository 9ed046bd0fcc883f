//! Low descriptor numbers through which children get their standard streams.
//!
//! A clone without CLONE_FILES copies the table of descriptors, and its exec closes every one of
//! them again: with 1000 programs that was two fifths of what a start cost, and it grows with their
//! number. So a child is born with our table, and its first act is
//! `close_range(above, ..., CLOSE_RANGE_UNSHARE)`, for which the kernel copies only what lies below
//! `above`. For that the ends that the child needs must have low numbers: three are kept for it from
//! the start on, when nothing else is open yet.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, TryLockError};

/// The reserved numbers. While nobody uses them they stand for /dev/null.
#[derive(Debug)]
pub struct Places {
    fds: [OwnedFd; 3],
    null: OwnedFd,
    taken: Mutex<()>,
}

/// The reserved numbers, in use for one child.
pub struct Lent<'a> {
    places: &'a Places,
    _taken: std::sync::MutexGuard<'a, ()>,
}

impl Places {
    /// Reserves the lowest free numbers. None where the kernel cannot do what they are for: before
    /// Linux 5.9, or where a seccomp filter forbids it.
    ///
    /// # Errors
    /// /dev/null cannot be opened.
    pub fn reserve() -> io::Result<Option<Places>> {
        // SAFETY: closes nothing, since no descriptor has the last number. The flag makes the table
        // of descriptors private, which it is before there are threads; they share it later.
        if unsafe { close_all_but(u32::MAX) } != 0 {
            return Ok(None);
        }
        let null = || {
            // SAFETY: a constant C string; the descriptor is owned by nobody else.
            unsafe {
                let fd = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
                match fd {
                    0.. => Ok(OwnedFd::from_raw_fd(fd)),
                    _ => Err(io::Error::last_os_error()),
                }
            }
        };
        let places =
            Places { fds: [null()?, null()?, null()?], null: null()?, taken: Mutex::new(()) };
        Ok(Some(places))
    }

    /// Puts a child's streams into the reserved numbers. None while another child, whose exec hangs,
    /// has them, or where they cannot be put there.
    pub(super) fn lend(&self, streams: [BorrowedFd<'_>; 3]) -> Option<Lent<'_>> {
        let taken = match self.taken.try_lock() {
            Ok(taken) => taken,
            Err(TryLockError::Poisoned(taken)) => taken.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let lent = Lent { places: self, _taken: taken };
        let put = |(place, stream): (&OwnedFd, &BorrowedFd<'_>)| replace(place, stream.as_raw_fd());
        // What was put already goes with the drop.
        self.fds.iter().zip(&streams).all(put).then_some(lent)
    }
}

impl Lent<'_> {
    /// The numbers of stdin, stdout and stderr.
    pub(super) fn numbers(&self) -> [RawFd; 3] {
        self.places.fds.each_ref().map(AsRawFd::as_raw_fd)
    }

    /// Above all of them; what is below does not belong to the child either, but is little.
    pub(super) fn above(&self) -> u32 {
        let above = |fd: RawFd| u32::try_from(fd).unwrap_or(u32::MAX).saturating_add(1);
        self.numbers().into_iter().map(above).max().unwrap_or(u32::MAX)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        for place in &self.places.fds {
            // A pipe that stayed here would never see its end. dup3 onto an open number needs no
            // new one, so it cannot fail for want of descriptors.
            replace(place, self.places.null.as_raw_fd());
        }
    }
}

fn replace(place: &OwnedFd, with: RawFd) -> bool {
    // SAFETY: both are open; the number at `place` is ours and stays open all the time.
    unsafe { libc::dup3(with, place.as_raw_fd(), libc::O_CLOEXEC) >= 0 }
}

/// `close_range(first, MAX, CLOSE_RANGE_UNSHARE)`: closes everything from `first` on in a table of
/// descriptors that is this task's alone from then on. Async-signal-safe.
///
/// # Safety
/// Whatever is closed must be nobody's, or the table must be shared (then only the copy loses it).
pub(super) unsafe fn close_all_but(first: u32) -> libc::c_long {
    const UNSHARE: u32 = 2;
    // SAFETY: a system call without pointers; what it closes is the caller's promise.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, UNSHARE) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fds::pipe;
    use std::io::Read;
    use std::os::fd::AsFd;

    #[test]
    fn places_are_lent_to_one_at_a_time_and_hold_nothing_afterwards() {
        let Some(places) = Places::reserve().unwrap() else { return };
        let pipes = [pipe(true).unwrap(), pipe(false).unwrap(), pipe(false).unwrap()];
        let streams = [&pipes[0], &pipes[1], &pipes[2]].map(|p| p.child.as_fd());
        let lent = places.lend(streams).unwrap();
        assert!(places.lend(streams).is_none());
        assert!(lent.numbers().iter().all(|n| (*n as u32) < lent.above()));
        drop(lent);
        let [_, stdout, _] = pipes;
        let mut ours = std::fs::File::from(stdout.ours);
        drop(stdout.child);
        assert_eq!(ours.read(&mut [0; 1]).unwrap(), 0, "the end of a pipe that nobody holds");
    }
}
