//! What the configuration and the daemon's mood say about starting, stopping and coming back.

use std::time::Duration;

use super::state::ExitStatus;
use crate::config::model::{Autorestart, Program};

/// Rules for one process.
#[derive(Debug, Clone, Copy)]
pub struct Policy<'a> {
    /// The program's options.
    pub program: &'a Program,
    /// False while supervisord restarts or shuts down: nothing is started by itself then.
    pub may_start: bool,
}

/// A process that stayed up that long is started again at once after its exit.
const SHORT_LIFE: Duration = Duration::from_secs(1);

impl Policy<'_> {
    /// Exit codes are compared with `exitcodes=`; death by a signal is -1, which no list can hold.
    pub fn expected(&self, status: ExitStatus) -> bool {
        self.program.exitcodes.contains(&status.code())
    }

    /// Whether the process group is the program: it gets every signal that is to end it.
    pub fn is_one_with_its_group(&self) -> bool {
        self.program.stopasgroup && self.program.killasgroup
    }

    /// Whether an exit from RUNNING is followed by a new start.
    pub fn restarts_after(&self, status: ExitStatus) -> bool {
        self.may_start
            && match self.program.autorestart {
                Autorestart::Never => false,
                Autorestart::Unexpected => !self.expected(status),
                Autorestart::Always => true,
            }
    }

    /// How long to wait between an exit from RUNNING and the new start, when `lives` short lives
    /// came in a row (this one included) and this one took `up`.
    ///
    /// The reference restarts at its next turn, whatever the number of exits. So do we, but a
    /// program which ends at once for ever (`startsecs=0`) must not keep a processor busy: from the
    /// third short life on a wait grows from 10 ms until there is one start a second.
    pub fn restart_wait(&self, lives: u32, up: Duration) -> Duration {
        match lives {
            0..=2 => Duration::ZERO,
            n => {
                let doubled = 1u64 << (n - 3).min(7);
                SHORT_LIFE.min(Duration::from_millis(10 * doubled)).saturating_sub(up)
            }
        }
    }

    /// Whether a life of that length counts as short.
    pub fn is_short(&self, up: Duration) -> bool {
        up < SHORT_LIFE
    }

    /// Seconds to wait in BACKOFF after `backoff` failed starts in a row: 1, 2, 3...
    pub fn backoff_wait(&self, backoff: i64) -> i64 {
        backoff
    }

    /// Whether another start may follow `backoff` failed ones.
    pub fn retries_left(&self, backoff: i64) -> bool {
        backoff <= self.program.startretries
    }
}
