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
