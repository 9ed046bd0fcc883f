//! Readiness: epoll(7) with nanosecond time-outs, and the few descriptor questions that go with it.
//!
//! Used by the pump's thread. Owns the epoll descriptor, nothing else.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// What to wait for. Errors and hang-ups are always reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Something to read.
    Read,
    /// Room to write.
    Write,
}

impl Interest {
    fn bits(self) -> u32 {
        match self {
            Interest::Read => libc::EPOLLIN as u32,
            Interest::Write => libc::EPOLLOUT as u32,
        }
    }
}

/// A level-triggered epoll(7) instance.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
    /// epoll_pwait2(2) came with Linux 5.11 and may be filtered out in containers.
    coarse: bool,
    /// Filled by the kernel; kept to save an allocation per wait.
    events: Vec<libc::epoll_event>,
}

/// Most descriptors reported by one wait.
const BATCH: usize = 64;

impl Epoll {
    /// A new one.
    ///
    /// # Errors
    /// epoll_create1(2): no descriptor left, no memory.
    pub fn new() -> io::Result<Epoll> {
        // SAFETY: no pointers involved; the returned descriptor is owned by nobody else.
        let fd = unsafe {
            let fd = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        let events = vec![libc::epoll_event { events: 0, u64: 0 }; BATCH];
        Ok(Epoll { fd, coarse: false, events })
    }

    fn control(&self, op: i32, fd: BorrowedFd<'_>, token: u64, what: Interest) -> io::Result<()> {
        let mut event = libc::epoll_event { events: what.bits(), u64: token };
        // SAFETY: both descriptors are open; `event` is a live epoll_event.
        let rc = unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), op, fd.as_raw_fd(), &mut event) };
        if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Starts to watch a descriptor under a token of the caller's choice.
    ///
    /// # Errors
    /// EPERM for regular files, ENOSPC over `max_user_watches`.
    pub fn add(&self, fd: impl AsFd, token: u64, what: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd.as_fd(), token, what)
    }

    /// Stops watching a descriptor; one that is not watched is no error.
    pub fn remove(&self, fd: impl AsFd) {
        let _ = self.control(libc::EPOLL_CTL_DEL, fd.as_fd(), 0, Interest::Read);
    }

    /// Waits until something is ready or the time is up (none: for ever), and puts the tokens of
    /// what is ready into `ready`. A signal counts as "time is up".
    ///
    /// # Errors
    /// Only those of a broken descriptor.
    pub fn wait(&mut self, ready: &mut Vec<u64>, timeout: Option<Duration>) -> io::Result<()> {
        ready.clear();
        let n = self.wait_raw(timeout);
        if n < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        }
        ready.extend(self.events.iter().take(n as usize).map(|e| e.u64));
        Ok(())
    }

    fn wait_raw(&mut self, timeout: Option<Duration>) -> i64 {
        let (epoll, events) = (self.fd.as_raw_fd(), self.events.as_mut_ptr());
        if !self.coarse {
            let ts = timeout.map(|d| libc::timespec {
                tv_sec: i64::try_from(d.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(d.subsec_nanos()),
            });
            let ts = ts.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
            let mask = std::ptr::null::<libc::sigset_t>();
            // SAFETY: `events` has room for BATCH entries; `ts` is null or a live timespec; a null
            // mask is allowed and leaves the signal mask alone.
            let n = unsafe {
                libc::syscall(libc::SYS_epoll_pwait2, epoll, events, BATCH as i32, ts, mask, 8usize)
            };
            let errno = io::Error::last_os_error().raw_os_error();
            if n >= 0 || !matches!(errno, Some(libc::ENOSYS | libc::EPERM)) {
                return n;
            }
            self.coarse = true;
        }
        // Rounded up: waking early would only mean another round.
        let ms = timeout
            .map_or(-1, |d| i32::try_from(d.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX));
        // SAFETY: `events` has room for BATCH entries.
        i64::from(unsafe { libc::epoll_wait(epoll, events, BATCH as i32, ms) })
    }
}

/// How many bytes a pipe or socket holds now (FIONREAD); 0 where that cannot be told.
pub fn held_bytes(fd: impl AsFd) -> usize {
    let mut n: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int to a live variable.
    let rc = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::FIONREAD, &mut n) };
    if rc < 0 { 0 } else { usize::try_from(n).unwrap_or(0) }
}

/// A duplicate, closed on exec, of the descriptor with that number.
///
/// # Errors
/// EBADF when there is none of that number, EMFILE.
pub fn duplicate_number(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: fcntl checks the number itself; the new descriptor is owned by nobody else.
    unsafe {
        let fd = libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn reports_the_token_of_what_is_ready_and_nothing_else() {
        let mut epoll = Epoll::new().unwrap();
        let (r1, mut w1) = io::pipe().unwrap();
        let (r2, _w2) = io::pipe().unwrap();
        epoll.add(&r1, 7, Interest::Read).unwrap();
        epoll.add(&r2, 8, Interest::Read).unwrap();
        let mut ready = Vec::new();
        epoll.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert!(ready.is_empty());
        w1.write_all(b"x").unwrap();
        epoll.wait(&mut ready, None).unwrap();
        assert_eq!(ready, [7]);
        assert_eq!(held_bytes(&r1), 1);
        drop(w1);
        epoll.wait(&mut ready, None).unwrap();
        assert_eq!(ready, [7], "a hang-up is reported, too");
        epoll.remove(&r1);
        epoll.remove(&r1);
        epoll.wait(&mut ready, Some(Duration::from_nanos(1))).unwrap();
        assert!(ready.is_empty());
    }

    #[test]
    fn the_coarse_wait_works_alike() {
        let mut epoll = Epoll::new().unwrap();
        epoll.coarse = true;
        let (r, mut w) = io::pipe().unwrap();
        epoll.add(&r, 1, Interest::Read).unwrap();
        let mut ready = Vec::new();
        epoll.wait(&mut ready, Some(Duration::from_nanos(1))).unwrap();
        assert!(ready.is_empty());
        w.write_all(b"x").unwrap();
        epoll.wait(&mut ready, Some(Duration::from_secs(60))).unwrap();
        assert_eq!(ready, [1]);
    }

    #[test]
    fn an_unknown_number_cannot_be_duplicated() {
        assert!(duplicate_number(1_000_000).is_err());
        assert!(duplicate_number(0).is_ok());
    }
}
