//! The wait of all commands that show what comes. Thread: main. Owns nothing.

use std::io;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::ctl::error::CtlError;
use crate::ctl::follow::{Follower, Progress};
use crate::ctl::interrupt::Watch;
use crate::ctl::session::Ctl;

/// Why it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Ctrl-C.
    Pressed,
    /// Nobody reads stdout any more.
    Unread,
    /// Nothing more will come.
    Over,
    /// There was enough.
    Enough,
}

/// Hands on what comes until Ctrl-C, the end of the stream or that of stdout's reader, or until `each`
/// says false.
///
/// # Errors
/// The terminal fails.
pub fn watch(
    ctl: &mut Ctl,
    pressed: &Watch,
    follower: &mut Follower,
    mut each: impl FnMut(&mut Ctl, Progress) -> bool,
) -> Result<End, CtlError> {
    let stdout = io::stdout();
    while !follower.is_done() {
        if ctl.out.is_gone() {
            return Ok(End::Unread);
        }
        let mut fds = [
            PollFd::new(pressed.as_fd(), PollFlags::POLLIN),
            PollFd::new(follower.as_fd(), PollFlags::POLLIN),
            // Nothing asked for: only that nobody reads stdout any more is reported.
            PollFd::new(stdout.as_fd(), PollFlags::empty()),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            Err(e) => return Err(CtlError::Terminal(io::Error::from(e))),
            Ok(_) => {}
        }
        let [pressed, readable, gone] = fds.map(|fd| fd.any().unwrap_or(false));
        if pressed {
            return Ok(End::Pressed);
        }
        if gone {
            return Ok(End::Unread);
        }
        if readable {
            let progress = follower.advance();
            if !each(ctl, progress) {
                return Ok(End::Enough);
            }
        }
    }
    Ok(End::Over)
}
