//! Where output goes that nobody can read: no log, no syslog, no events, no capture.
//!
//! Programs are given pipes all the same, since some look at what they write to, and one that
//! forgets its /dev/null-like end would otherwise get EPIPE. But one pipe for all programs will do.
//! Each gets an open file description of its own (by way of /proc/self/fd), so that a program which
//! makes its stdout non-blocking changes nobody else's. Nobody but root can read from it: the inode
//! belongs to the daemon, with mode 0600.
//!
//! The pump reads and forgets what is in it, as for any stream without a log.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::{Stream, StreamPlan};
use crate::coordinator::inbox::Channel;
use crate::sys::fds::pipe;

/// The pipes for stdout and stderr of all programs whose output nobody can read: two, so that they
/// differ, as they do for other programs. Holds the ends for writing.
#[derive(Debug)]
pub struct Void {
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl Void {
    /// Both pipes, and the ends for reading.
    ///
    /// # Errors
    /// The kernel is out of descriptors.
    pub(super) fn new() -> io::Result<(Void, [Stream; 2])> {
        let [out, err] = [pipe(false)?, pipe(false)?];
        let stream = |fd, channel| Stream { fd, plan: Arc::new(plan(channel)), file: None };
        let streams = [stream(out.ours, Channel::Stdout), stream(err.ours, Channel::Stderr)];
        Ok((Void { stdout: out.child, stderr: err.child }, streams))
    }

    /// An end for a program. None where /proc is not what it should be; then a pipe of its own does.
    pub(super) fn end(&self, channel: Channel) -> Option<OwnedFd> {
        let ours = match channel {
            Channel::Stdout => &self.stdout,
            Channel::Stderr => &self.stderr,
        };
        let path = format!("/proc/self/fd/{}", ours.as_raw_fd());
        open(path.as_str(), OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty()).ok()
    }
}

fn plan(channel: Channel) -> StreamPlan {
    StreamPlan {
        name: String::new(),
        channel,
        path: None,
        maxbytes: 0,
        backups: 0,
        syslog: false,
        strip_ansi: false,
        capture_maxbytes: 0,
        events_enabled: false,
        listener: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{FcntlArg, fcntl};
    use std::io::{Read, Write};

    #[test]
    fn what_one_program_does_to_its_end_changes_no_other() {
        let (void, [stdout, _stderr]) = Void::new().unwrap();
        let (a, b) = (void.end(Channel::Stdout).unwrap(), void.end(Channel::Stdout).unwrap());
        fcntl(&a, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let flags = fcntl(&b, FcntlArg::F_GETFL).unwrap();
        assert!(!OFlag::from_bits_retain(flags).contains(OFlag::O_NONBLOCK));
        std::fs::File::from(b).write_all(b"word").unwrap();
        let mut got = [0; 8];
        assert_eq!(std::fs::File::from(stdout.fd).read(&mut got).unwrap(), 4);
    }
}
