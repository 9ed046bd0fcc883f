//! Signals to processes by pidfd, which can never hit a stranger.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// pidfd_send_signal(2). Signal 0 only asks.
///
/// # Errors
/// ESRCH when the process has been reaped, EPERM, EINVAL.
pub fn send_signal(pidfd: impl AsFd, signal: i32) -> io::Result<()> {
    // SAFETY: no memory is handed over (null siginfo).
    let r = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_fd().as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    if r == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// killpg(2). The caller must know that the group's leader has not been reaped, or the number may
/// belong to somebody else.
///
/// # Errors
/// ESRCH, EPERM, EINVAL.
pub fn signal_group(pgid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: no memory involved.
    if unsafe { libc::kill(-pgid, signal) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether a process group has members, zombies included: getpriority(2) knows, and unlike a signal 0 is
/// nothing that could ever be meant for somebody.
pub fn group_has_members(pgid: i32) -> bool {
    let Ok(who) = libc::id_t::try_from(pgid) else { return false };
    // SAFETY: no memory involved but this thread's errno. -1 is a priority, too, so errno tells.
    unsafe {
        *libc::__errno_location() = 0;
        libc::getpriority(libc::PRIO_PGRP, who) != -1 || *libc::__errno_location() == 0
    }
}

/// Blocks until the process has ended.
pub fn wait_exit(pidfd: impl AsFd) -> io::Result<()> {
    let mut p = libc::pollfd { fd: pidfd.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
    loop {
        // SAFETY: one live pollfd.
        if unsafe { libc::poll(&mut p, 1, -1) } > 0 {
            return Ok(());
        }
        let e = io::Error::last_os_error();
        if e.kind() != io::ErrorKind::Interrupted {
            return Err(e);
        }
    }
}
