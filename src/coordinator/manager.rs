//! What the service manager is told: that we are ready, that we reload or stop, what we are doing,
//! and that we still turn. Messages that find no room are kept in order and tried again.

use std::collections::VecDeque;
use std::time::Duration;

use super::Coordinator;
use super::shutdown::Phase;
use super::timers::Timer;
use crate::sys::notify::{Manager, Told};

/// Pause before a message that found no room is tried again.
const AGAIN: Duration = Duration::from_millis(100);
/// How long the manager is asked to go on waiting for our end, each time that we say whom we wait
/// for. Above the time between two such reports, with room for a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Messages kept; beyond that the manager does not listen.
const KEPT: usize = 64;

/// What is told, and how far that got.
pub(super) struct Reports {
    manager: Manager,
    /// Found no room yet.
    untold: VecDeque<String>,
    /// The manager knows that we are ready.
    ready: bool,
}

impl Reports {
    pub fn new(manager: Manager) -> Reports {
        Reports { manager, untold: VecDeque::new(), ready: false }
    }
}

impl Coordinator {
    fn tell(&mut self, text: String) {
        if !self.reports.manager.listens() || self.reports.untold.len() >= KEPT {
            return;
        }
        self.reports.untold.push_back(text);
        if self.reports.untold.len() == 1 {
            self.tell_untold();
        }
    }

    /// Tells what found no room before.
    pub(super) fn tell_untold(&mut self) {
        while let Some(text) = self.reports.untold.front() {
            if self.reports.manager.tell(text) == Told::Later {
                return self.timers.set(self.mono().after(AGAIN), Timer::Notify);
            }
            self.reports.untold.pop_front();
        }
    }

    /// Servers listen, and what starts by itself has been ordered.
    pub(super) fn report_ready(&mut self) {
        self.reports.ready = true;
        // The number counts where the manager started our parent: see -n.
        let pid = std::process::id();
        self.tell(format!("READY=1\nMAINPID={pid}\nSTATUS={}", self.doing()));
        self.feed_watchdog();
    }

    /// The table has changed.
    pub(super) fn report_doing(&mut self) {
        if self.reports.ready && matches!(self.phase, Phase::Running) {
            self.tell(format!("STATUS={}", self.doing()));
        }
    }

    fn doing(&self) -> String {
        let processes: usize = self.table.groups.iter().map(|g| g.members.len()).sum();
        let groups = self.table.groups.len();
        format!("Supervising {processes} processes in {groups} groups")
    }

    /// A restart was asked for, and the file is being read.
    pub(super) fn report_reload(&mut self) {
        let micros = self.mono().0 / 1000;
        self.tell(format!(
            "RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=Reading the configuration"
        ));
    }

    /// All programs are about to be stopped.
    pub(super) fn report_ending(&mut self, for_good: bool) {
        self.tell(match for_good {
            true => "STOPPING=1\nSTATUS=Stopping all programs".to_owned(),
            false => "STATUS=Restarting with the new configuration".to_owned(),
        });
    }

    /// A restart was asked for and refused.
    pub(super) fn report_refusal(&mut self, why: &str) {
        let first = why.lines().next().unwrap_or_default();
        self.tell(format!("READY=1\nSTATUS=Restart refused, all goes on as it was: {first}"));
    }

    /// It takes time to stop these: `stopwaitsecs` decides how long, not the manager.
    pub(super) fn report_waiting(&mut self, names: &str) {
        let micros = PATIENCE.as_micros();
        let names: String = names.chars().take(200).collect();
        self.tell(format!("EXTEND_TIMEOUT_USEC={micros}\nSTATUS=Waiting for {names} to stop"));
    }

    /// Says that we turn, at half the time after which the manager would think we do not.
    pub(super) fn feed_watchdog(&mut self) {
        if let Some(period) = self.reports.manager.watchdog() {
            self.reports.manager.tell("WATCHDOG=1");
            self.timers.set(self.mono().after(period / 2), Timer::Watchdog);
        }
    }
}
