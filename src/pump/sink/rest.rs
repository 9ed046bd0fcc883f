//! A log that is closed while nobody writes: see [`crate::pump::resting`].

use std::fs::File;
use std::io;

use super::{Sink, State};
use crate::pump::resting::Resting;
use crate::pump::target::Target;

impl Sink {
    /// Closed until there is something to write.
    pub fn is_resting(&self) -> bool {
        self.resting.is_some() && self.state == State::Fine
    }

    /// Something is open.
    pub fn is_awake(&self) -> bool {
        self.target.is_some()
    }

    /// What is open.
    pub fn file(&self) -> Option<&File> {
        self.target.as_ref().map(Target::file)
    }

    /// A plain file is open that may be closed: what is written to it finds it again. Not the old file
    /// of a log that cannot be opened anew.
    pub fn may_rest(&self) -> bool {
        let state = match self.state {
            State::Fine => self.pending.is_empty(),
            State::Failing { .. } => true,
            State::OnOldFile { .. } | State::Blocked { .. } => false,
        };
        state && self.target.as_ref().is_some_and(Target::is_plain)
    }

    /// Opens what was closed by [`Sink::rest`].
    pub(super) fn wake(&mut self) -> io::Result<()> {
        if self.resting.is_some() { self.open_again(false) } else { Ok(()) }
    }

    /// Closes the file, if it may, until there is something to write. One that is lent stays: to close
    /// our descriptor would free none, and it may have to be rotated.
    pub fn rest(&mut self) {
        let file = self.target.as_ref().filter(|t| self.may_rest() && !t.is_lent());
        if let Some(log) = file.map(Resting::of) {
            self.install_none();
            self.resting = Some(log);
        }
    }

    /// As [`Sink::rest`], if nothing was written since the last [`Sink::rest_if_unused`].
    pub fn rest_if_new(&mut self) {
        if !self.used {
            self.rest();
        }
    }

    /// As [`Sink::rest`], if nothing was written since the last call.
    pub fn rest_if_unused(&mut self) {
        self.rest_if_new();
        self.used = false;
    }
}
