//! The end of children: waitid(2) by pidfd, decoded by hand, since a wrapper that knows no
//! real-time signals would lose the status of a child killed by one.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use crate::machine::ExitStatus;

/// waitid's idtype for a pidfd (Linux 5.4).
const P_PIDFD: libc::idtype_t = 3;

fn waitid(kind: libc::idtype_t, id: u32, flags: i32) -> io::Result<Option<(i32, ExitStatus)>> {
    loop {
        // SAFETY: all-zero is a valid siginfo; waitid fills it.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `info` is live and writable.
        let r = unsafe { libc::waitid(kind, id, &mut info, libc::WEXITED | flags) };
        if r == 0 {
            // SAFETY: waitid succeeded, so the SIGCHLD members are those in use (pid 0: none yet).
            let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
            if pid == 0 {
                return Ok(None);
            }
            return Ok(Some((pid, decode(info.si_code, status))));
        }
        let e = io::Error::last_os_error();
        if e.kind() != io::ErrorKind::Interrupted {
            return Err(e);
        }
    }
}

fn decode(code: i32, status: i32) -> ExitStatus {
    match code {
        libc::CLD_EXITED => ExitStatus::Code(status),
        libc::CLD_DUMPED => ExitStatus::Signal { signal: status, core: true },
        _ => ExitStatus::Signal { signal: status, core: false },
    }
}

/// How the child ended; leaves the zombie, so that its pid and process group cannot be used again.
/// Blocks until it has ended.
///
/// # Errors
/// ECHILD when somebody else has reaped it.
pub fn peek(pidfd: impl AsFd) -> io::Result<ExitStatus> {
    match waitid(P_PIDFD, pidfd.as_fd().as_raw_fd() as u32, libc::WNOWAIT)? {
        Some((_, status)) => Ok(status),
        None => Err(io::Error::from_raw_os_error(libc::ECHILD)),
    }
}

/// How the child ended, if it has; leaves the zombie. One that somebody else has reaped has ended, too,
/// in a way that nobody knows.
pub fn ended(pidfd: impl AsFd) -> Option<ExitStatus> {
    let flags = libc::WNOWAIT | libc::WNOHANG;
    match waitid(P_PIDFD, pidfd.as_fd().as_raw_fd() as u32, flags) {
        Ok(ended) => ended.map(|(_, status)| status),
        Err(_) => Some(ExitStatus::Signal { signal: 0, core: false }),
    }
}

/// Takes the zombie away.
///
/// # Errors
/// ECHILD when it is gone already.
pub fn reap(pidfd: impl AsFd) -> io::Result<()> {
    waitid(P_PIDFD, pidfd.as_fd().as_raw_fd() as u32, libc::WNOHANG).map(|_| ())
}

/// Any zombie child, left in place; none when no child is one.
pub fn any_zombie() -> Option<i32> {
    waitid(libc::P_ALL, 0, libc::WNOWAIT | libc::WNOHANG).ok().flatten().map(|(pid, _)| pid)
}

/// Takes the zombie of that pid away and tells how it ended.
pub fn reap_pid(pid: i32) -> Option<ExitStatus> {
    waitid(libc::P_PID, pid as u32, libc::WNOHANG).ok().flatten().map(|(_, status)| status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_every_way_to_end() {
        assert_eq!(decode(libc::CLD_EXITED, 3), ExitStatus::Code(3));
        assert_eq!(decode(libc::CLD_KILLED, 9), ExitStatus::Signal { signal: 9, core: false });
        assert_eq!(decode(libc::CLD_DUMPED, 11), ExitStatus::Signal { signal: 11, core: true });
        assert_eq!(decode(libc::CLD_KILLED, 40), ExitStatus::Signal { signal: 40, core: false });
    }
}
