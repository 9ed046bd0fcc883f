//! A log that is opened anew: after a failure, by SIGUSR2, when it is cleared or rotated, and when there
//! was no descriptor for it.

use std::io;

use nix::errno::Errno;

use super::{Ctx, ROTATE_AGAIN, Sink, State};
use crate::guarded::errno;
use crate::pump::rotate;
use crate::pump::target::{self, Target};
use crate::pump::wake::Stats;
use crate::sys::table;

impl Sink {
    /// Opens the path again. With no descriptor left the old file is given up first.
    pub(super) fn open_again(&mut self, truncate: bool) -> io::Result<()> {
        let mut result = match &self.resting {
            Some(log) => log.open(&self.path, self.mode),
            None => target::open(&self.path, self.mode, truncate),
        };
        let plain = self.target.as_ref().is_some_and(Target::is_plain);
        if result.as_ref().is_err_and(table::is_full) && plain {
            self.target = None;
            result = target::open(&self.path, self.mode, truncate);
        }
        self.install(result?);
        Ok(())
    }

    /// A new target could not be opened. The old file is used on while it has a name: what goes to
    /// a nameless one is lost without anyone knowing.
    pub(super) fn owe(&mut self, error: &io::Error, ctx: &mut Ctx<'_>) {
        let errno = errno(error);
        self.stale = true;
        let retry = self.next_try(ctx);
        let usable = |t: &Target| t.is_plain() && t.mode_and_linked().1;
        // With bytes kept back the order would be lost.
        if self.pending.is_empty() && self.target.as_ref().is_some_and(usable) {
            self.state = State::OnOldFile { retry };
        } else {
            self.install_none();
            let keep = errno != Errno::ENXIO;
            self.state = State::Failing { retry, keep };
            if !keep {
                let gone = self.take_pending(ctx).len();
                self.lose(gone, ctx);
            }
        }
        if table::is_full(error) && !self.last_chance {
            self.starved = true;
            return;
        }
        // a refusal of ours says why
        let why = error.get_ref().map(|why| format!(": {why}")).unwrap_or_default();
        self.tell_why("open", errno, &why, ctx);
    }

    pub(super) fn retry(&mut self, ctx: &mut Ctx<'_>) {
        let reopened = self.stale || self.target.is_none();
        // That a log which rested could be opened proves nothing of the disk that it is on.
        let proven = self.stale || self.resting.is_none();
        if reopened && let Err(e) = self.open_again(false) {
            return self.owe(&e, ctx);
        }
        // A new duplicate of an inherited descriptor proves nothing, only a write does.
        self.flush(reopened && proven && target::inherited_number(&self.path).is_none(), ctx);
    }

    /// Whether it could not be opened for want of descriptors since the last call.
    pub fn take_starved(&mut self) -> bool {
        std::mem::take(&mut self.starved)
    }

    /// Tries again, now that others have made room.
    pub fn try_with_room(&mut self, ctx: &mut Ctx<'_>) {
        self.last_chance = true;
        self.retry(ctx);
        self.last_chance = false;
    }

    /// What is under its name is open, or was when it was closed; or it is no file that could be replaced.
    pub fn is_on_its_file(&self) -> bool {
        let plain = self.target.as_ref().is_none_or(Target::is_plain);
        !(self.stale && plain) || target::inherited_number(&self.path).is_some()
    }

    /// Closes and opens the path again (SIGUSR2). Whether that went well, [`Sink::is_on_its_file`] knows.
    /// Nothing happens to an inherited descriptor.
    pub fn reopen(&mut self, ctx: &mut Ctx<'_>) {
        if target::inherited_number(&self.path).is_some() {
            return;
        }
        // Whatever it was before, what is under the name now counts.
        let rested = self.resting.take();
        match self.open_again(false) {
            Ok(()) => {
                self.flush(true, ctx);
                if rested.is_some() {
                    self.rest();
                }
            }
            Err(e) => {
                // It is used on, as if it had been open.
                if let Some(old) = rested.filter(|_| !table::is_full(&e))
                    && let Some(old) = old.open_old(&self.path)
                {
                    self.install(old);
                }
                self.owe(&e, ctx);
            }
        }
    }

    /// Removes the file and makes a new one. Only plain files are removed: the reference would
    /// delete /dev/stdout.
    ///
    /// `missing_is_fine`: a file that is not there is no failure.
    ///
    /// # Errors
    /// It cannot be removed. Whether there is a new one, [`Sink::is_on_its_file`] knows.
    pub fn clear(&mut self, missing_is_fine: bool, ctx: &mut Ctx<'_>) -> io::Result<()> {
        if target::inherited_number(&self.path).is_some() {
            return Ok(());
        }
        match std::fs::metadata(&self.path) {
            Ok(m) if !m.is_file() && !m.is_dir() => return Ok(()),
            _ => {}
        }
        match std::fs::remove_file(&self.path) {
            Err(e) if !(missing_is_fine && e.kind() == io::ErrorKind::NotFound) => return Err(e),
            _ => {}
        }
        // What was kept belongs to what is being cleared.
        drop(self.take_pending(ctx));
        self.reopen(ctx);
        Ok(())
    }

    pub(super) fn rotate_if_due(&mut self, ctx: &mut Ctx<'_>) {
        let Some(target) = self.target.as_ref().filter(|t| t.is_plain()) else { return };
        let limit = u64::try_from(self.limits.maxbytes).unwrap_or(0);
        if limit == 0 || ctx.now < self.rotate_from || target.position() < limit {
            return;
        }
        if let Err(e) = rotate::shift(&self.path, self.limits.backups) {
            self.rotate_from = ctx.now.after(ROTATE_AGAIN);
            if !std::mem::replace(&mut self.rotation_failed, true) {
                let (path, errno) = (self.path.display(), errno(&e));
                ctx.notes.push(format!("{}: cannot rotate {path} ({errno:?})", self.label));
            }
            return;
        }
        self.rotation_failed = false;
        Stats::add(&ctx.stats.rotations, 1);
        if let Err(e) = self.open_again(self.limits.backups == 0) {
            self.owe(&e, ctx);
        }
    }
}
