//! supervisord's own log: lines are made here and written by the pump.

use crate::config::model::Level;
use crate::pump::{PumpHandle, PumpMsg};
use crate::sys::clock;

/// A way to the activity log; cheap to clone, never blocks.
#[derive(Clone, Debug)]
pub struct Activity {
    pump: PumpHandle,
    least: Level,
}

impl Activity {
    /// Lines below `least` are dropped.
    pub fn new(pump: PumpHandle, least: Level) -> Activity {
        Activity { pump, least }
    }
    /// The same log for somebody who wakes the pump himself: see [`PumpHandle::lazy`].
    #[must_use]
    pub fn lazy(&self) -> Activity {
        Activity { pump: self.pump.lazy(), least: self.least }
    }
    /// The pump's counters.
    pub fn pump_stats(&self) -> std::sync::Arc<crate::pump::Stats> {
        self.pump.stats()
    }
    /// Whether lines of that level are written.
    pub fn enabled(&self, level: Level) -> bool {
        level >= self.least
    }
    /// The least level that is written.
    pub fn least(&self) -> Level {
        self.least
    }
    /// Writes a line.
    pub fn log(&self, level: Level, text: &str) {
        if self.enabled(level) {
            self.pump.send(PumpMsg::Line(line(clock::wall(), level, text)));
        }
    }
    /// Writes a line at level info.
    pub fn info(&self, text: &str) {
        self.log(Level::Info, text);
    }
    /// Writes a line at level warn.
    pub fn warn(&self, text: &str) {
        self.log(Level::Warn, text);
    }
}

/// A line in the reference's format: `2026-01-31 12:00:00,123 INFO text`.
pub fn line((secs, micros): (i64, u32), level: Level, text: &str) -> Vec<u8> {
    let stamp = clock::local(secs, c"%Y-%m-%d %H:%M:%S");
    format!("{stamp},{:03} {} {text}\n", micros / 1000, level.tag()).into_bytes()
}
