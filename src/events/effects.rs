//! What pools want done: values that the coordinator carries out.
//!
//! Pure; any thread.

use crate::config::model::Level;
use crate::coordinator::inbox::ProcId;

/// Something to be carried out by the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolEffect {
    /// Write to a listener's stdin. When the pipe turns out to be closed before anything of it was
    /// taken, [`super::bus::Bus::write_failed`] wants to know.
    Write {
        /// Whose.
        id: ProcId,
        /// Serial of the event, for `write_failed`.
        serial: u64,
        /// Header and payload.
        data: Vec<u8>,
    },
    /// A line for the activity log.
    Log(Level, String),
}

/// Collects effects; made once by the coordinator and emptied after each call. Lines below the
/// activity log's level are not even formatted.
#[derive(Debug)]
pub struct Effects {
    /// In the order in which they are to be carried out.
    pub list: Vec<PoolEffect>,
    least: Level,
}

impl Effects {
    /// None yet; log lines below `least` are left out.
    pub fn new(least: Level) -> Effects {
        Effects { list: Vec::new(), least }
    }

    /// Takes what was collected, in order; the memory stays for the next time.
    pub fn drain(&mut self) -> std::vec::Drain<'_, PoolEffect> {
        self.list.drain(..)
    }

    pub(super) fn log(&mut self, level: Level, text: impl FnOnce() -> String) {
        if level >= self.least {
            self.list.push(PoolEffect::Log(level, text()));
        }
    }
}
