//! What is told about a target that does not take its bytes: once when it begins, once when it is
//! over, and not more often than every ten seconds; but what was lost is always told. Pure.

use std::time::Duration;

use nix::errno::Errno;

use crate::sys::clock::Mono;

/// A target that flips back and forth is mentioned this often at most.
const REST: Duration = Duration::from_secs(10);

/// The troubles of one target.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    now: Option<Errno>,
    said: bool,
    lost: u64,
    quiet_until: Option<Mono>,
    /// The error of a trouble that is over, whose loss is told when the rest is.
    owed: Option<Errno>,
}

impl Trouble {
    /// It failed. True when that is to be said.
    pub fn fail(&mut self, errno: Errno, now: Mono) -> bool {
        self.now = Some(errno);
        let say = !self.said && self.quiet_until.is_none_or(|t| now >= t);
        self.said |= say;
        say
    }

    /// So many bytes (or lines) are gone.
    pub fn lose(&mut self, n: usize) {
        self.lost += n as u64;
    }

    /// The last error, if it has not worked since.
    pub fn errno(&self) -> Option<Errno> {
        self.now
    }

    /// What was lost and not told yet.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// It works. The last error and the loss so far when that is to be said.
    pub fn over(&mut self, now: Mono) -> Option<(Errno, u64)> {
        let errno = self.now.take()?;
        if !std::mem::take(&mut self.said) {
            self.owed = (self.lost > 0).then_some(errno);
            return None;
        }
        Some((errno, self.settle(now)))
    }

    fn settle(&mut self, now: Mono) -> u64 {
        self.owed = None;
        self.quiet_until = Some(now.after(REST));
        std::mem::take(&mut self.lost)
    }

    /// When [`Trouble::reckon`] is to be called.
    pub fn reckoning(&self) -> Option<Mono> {
        self.owed.and(self.quiet_until)
    }

    /// It works, and there was a loss that was not told: that, with its error, when it is time.
    pub fn reckon(&mut self, now: Mono) -> Option<(Errno, u64)> {
        if self.now.is_some() || self.reckoning().is_none_or(|at| now < at) {
            return None;
        }
        let errno = self.owed?;
        Some((errno, self.settle(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEC: u64 = 1_000_000_000;

    #[test]
    fn says_once_that_it_began_and_once_that_it_is_over() {
        let mut t = Trouble::default();
        assert_eq!(t.over(Mono(0)), None);
        assert!(t.fail(Errno::ENOSPC, Mono(0)));
        t.lose(5);
        assert!(!t.fail(Errno::ENOSPC, Mono(SEC)));
        t.lose(6);
        assert_eq!(t.over(Mono(2 * SEC)), Some((Errno::ENOSPC, 11)));
        assert_eq!(t.over(Mono(2 * SEC)), None);
    }

    #[test]
    fn one_that_comes_and_goes_is_mentioned_now_and_then_with_all_its_loss() {
        let mut t = Trouble::default();
        t.fail(Errno::EIO, Mono(0));
        t.over(Mono(0));
        assert!(!t.fail(Errno::EIO, Mono(SEC)));
        t.lose(1);
        assert_eq!(t.over(Mono(SEC)), None);
        assert!(!t.fail(Errno::EIO, Mono(2 * SEC)));
        assert!(t.fail(Errno::EIO, Mono(11 * SEC)), "still failing when the rest is over");
        t.lose(1);
        assert_eq!(t.over(Mono(12 * SEC)), Some((Errno::EIO, 2)));
    }

    #[test]
    fn a_loss_during_the_rest_is_told_after_it() {
        let mut t = Trouble::default();
        t.fail(Errno::ENOSPC, Mono(0));
        assert_eq!(t.over(Mono(SEC)), Some((Errno::ENOSPC, 0)));
        t.fail(Errno::ENOSPC, Mono(2 * SEC));
        t.lose(5);
        assert_eq!(t.reckoning(), None, "not over yet");
        assert_eq!(t.over(Mono(3 * SEC)), None);
        assert_eq!(t.reckoning(), Some(Mono(11 * SEC)));
        assert_eq!(t.reckon(Mono(4 * SEC)), None);
        assert_eq!(t.reckon(Mono(11 * SEC)), Some((Errno::ENOSPC, 5)));
        assert_eq!((t.reckoning(), t.reckon(Mono(99 * SEC))), (None, None));
    }

    #[test]
    fn a_loss_that_is_owed_is_told_once() {
        let mut t = Trouble::default();
        t.fail(Errno::ENOSPC, Mono(0));
        t.over(Mono(SEC));
        t.fail(Errno::ENOSPC, Mono(2 * SEC));
        t.lose(5);
        t.over(Mono(3 * SEC));
        assert!(t.fail(Errno::ENOSPC, Mono(12 * SEC)));
        t.lose(2);
        assert_eq!(t.reckon(Mono(12 * SEC)), None, "failing again: its end tells all");
        assert_eq!(t.over(Mono(13 * SEC)), Some((Errno::ENOSPC, 7)));
        assert_eq!(t.reckoning(), None);
    }
}
