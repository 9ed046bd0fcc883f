//! Descriptors: eventfd. All close on exec from birth.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// An eventfd(2) that wakes a thread which blocks in poll or epoll.
#[derive(Debug)]
pub struct EventFd(OwnedFd);

impl EventFd {
    /// A new, non-blocking one.
    pub fn new() -> io::Result<EventFd> {
        // SAFETY: no pointers involved; the returned descriptor is owned by nobody else.
        unsafe {
            let fd = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(EventFd(OwnedFd::from_raw_fd(fd)))
        }
    }
    /// Wakes the reader. Cannot block: a full counter means that a wake-up is pending anyway.
    pub fn notify(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: writes 8 bytes from a live array.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), 8) };
    }
    /// Takes back all wake-ups so far.
    pub fn drain(&self) {
        let mut n = [0u8; 8];
        // SAFETY: reads 8 bytes into a live array.
        unsafe { libc::read(self.0.as_raw_fd(), n.as_mut_ptr().cast(), 8) };
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A pipe between us and a child.
#[derive(Debug)]
pub struct Pipe {
    /// Our end, non-blocking.
    pub ours: OwnedFd,
    /// The child's end, blocking as programs expect it.
    pub child: OwnedFd,
}

/// A pipe(2) that we write to (`to_child`) or read from.
///
/// # Errors
/// EMFILE, ENFILE.
pub fn pipe(to_child: bool) -> io::Result<Pipe> {
    let mut fds = [-1i32; 2];
    // SAFETY: pipe2 fills the two-element array; the descriptors are owned by nobody else.
    let (read, write) = unsafe {
        if libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return Err(io::Error::last_os_error());
        }
        (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1]))
    };
    let (ours, child) = if to_child { (write, read) } else { (read, write) };
    // SAFETY: plain fcntl on a live descriptor; each end has status flags of its own.
    if unsafe { libc::fcntl(ours.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Pipe { ours, child })
}

/// Opens /dev/null for each of fd 0 to 2 that is closed, so that no log, socket or pipe of ours
/// ever gets one of these numbers.
///
/// # Errors
/// /dev/null cannot be opened.
pub fn keep_stdio() -> io::Result<()> {
    for fd in 0..=2 {
        // SAFETY: F_GETFD only asks.
        let closed = unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1;
        if closed {
            // SAFETY: a constant C string; the lowest free number is `fd`, since those below are
            // open. It is meant to stay open for the whole life of the process.
            let got = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) };
            if got < 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(())
}
