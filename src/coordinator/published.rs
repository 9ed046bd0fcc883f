//! What the coordinator shows to readers. It alone writes here; everyone else reads.
//!
//! The structure (groups and their members) is replaced as a whole when it changes; the state of a
//! process is a cell of its own, so that an event costs the same with ten thousand programs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::history::History;
use super::inbox::{Channel, ProcId};
use crate::config::model::{Config, Group, LogTarget, Program};
use crate::machine::State;
use crate::sys::clock::Mono;

/// `statecode` of `supervisor.getState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// 2
    Fatal = 2,
    /// 1
    Running = 1,
    /// 0
    Restarting = 0,
    /// -1
    Shutdown = -1,
}

impl Mood {
    /// `statename`.
    pub fn name(self) -> &'static str {
        match self {
            Mood::Fatal => "FATAL",
            Mood::Running => "RUNNING",
            Mood::Restarting => "RESTARTING",
            Mood::Shutdown => "SHUTDOWN",
        }
    }
}

/// All that readers can see.
pub struct Published {
    mood: AtomicI32,
    config: RwLock<Arc<Config>>,
    structure: RwLock<Arc<Structure>>,
}

/// Groups and members, in the order of the active table.
#[derive(Default)]
pub struct Structure {
    /// Groups in order of priority, stable for equal ones.
    pub groups: Vec<Arc<GroupView>>,
    /// Index into `groups` by name.
    pub by_name: HashMap<String, usize>,
}

/// An active group.
pub struct GroupView {
    /// What it was made from.
    pub config: Arc<Group>,
    /// Members in order of priority, stable for equal ones.
    pub processes: Vec<Arc<ProcSlot>>,
}

/// The file names of a process's AUTO logs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AutoLogs {
    /// For stdout, when its target is AUTO.
    pub stdout: Option<PathBuf>,
    /// For stderr.
    pub stderr: Option<PathBuf>,
}

/// One process as readers see it.
pub struct ProcSlot {
    /// Its id.
    pub id: ProcId,
    /// Name of its group.
    pub group: String,
    /// What it was made from.
    pub config: Arc<Program>,
    /// File names of AUTO logs.
    pub auto: AutoLogs,
    view: RwLock<ProcView>,
    history: RwLock<History>,
}

/// The changing part of a process. Times are wall-clock seconds since 1970, 0 for never.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcView {
    /// Its state.
    pub state: State,
    /// pid, or 0.
    pub pid: i32,
    /// Time of the last start.
    pub start: i64,
    /// Time of the last exit.
    pub stop: i64,
    /// Monotonic time of the last start, for the uptime.
    pub started: Option<Mono>,
    /// Last exit status: -1 after death by signal, 0 where there is none.
    pub exitstatus: i32,
    /// Why the last start failed, if it did.
    pub spawnerr: Option<Arc<str>>,
    /// Failed starts in a row.
    pub backoff: i64,
}

impl ProcView {
    /// A process that was never started.
    pub fn new() -> ProcView {
        ProcView {
            state: State::Stopped,
            pid: 0,
            start: 0,
            stop: 0,
            started: None,
            exitstatus: 0,
            spawnerr: None,
            backoff: 0,
        }
    }

    /// [`ProcView::spawnerr`] as clients see it: empty where there is none.
    pub fn spawnerr(&self) -> &str {
        self.spawnerr.as_deref().unwrap_or_default()
    }
}

impl Default for ProcView {
    fn default() -> Self {
        Self::new()
    }
}

impl ProcSlot {
    /// A slot for a process that was never started.
    pub fn new(id: ProcId, group: String, config: Arc<Program>, auto: AutoLogs) -> ProcSlot {
        let history = RwLock::new(History::new(Mono::now()));
        ProcSlot { id, group, config, auto, view: RwLock::new(ProcView::new()), history }
    }
    /// As clients call it: `PROCESS`, or `GROUP:PROCESS` when the names differ.
    pub fn full_name(&self) -> String {
        match &self.config.name {
            name if *name == self.group => name.clone(),
            name => format!("{}:{name}", self.group),
        }
    }
    /// A copy of the changing part.
    pub fn view(&self) -> ProcView {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// A look at the changing part without a copy, kept short: the coordinator may be waiting to
    /// change it.
    pub fn look<T>(&self, look: impl FnOnce(&ProcView) -> T) -> T {
        look(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }
    /// Coordinator only.
    pub(crate) fn publish(&self, view: ProcView) {
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = view;
    }
    /// A look at what it has been through, kept short: the coordinator may be waiting to add to it.
    pub fn history<T>(&self, look: impl FnOnce(&History) -> T) -> T {
        look(&self.history.read().unwrap_or_else(PoisonError::into_inner))
    }
    /// Coordinator only.
    pub(crate) fn remember(&self, add: impl FnOnce(&mut History)) {
        add(&mut self.history.write().unwrap_or_else(PoisonError::into_inner));
    }
    /// The file that a stream is logged to; none when the log is NONE or the stream is merged.
    pub fn logfile(&self, channel: Channel) -> Option<&Path> {
        let (output, auto) = match channel {
            Channel::Stdout => (&self.config.stdout, &self.auto.stdout),
            Channel::Stderr if self.config.redirect_stderr => return None,
            Channel::Stderr => (&self.config.stderr, &self.auto.stderr),
        };
        match &output.target {
            LogTarget::None => None,
            LogTarget::Auto => auto.as_deref(),
            LogTarget::File(path) => Some(path),
        }
    }
}

impl Structure {
    /// The group of that name.
    pub fn group(&self, name: &str) -> Option<&Arc<GroupView>> {
        self.by_name.get(name).and_then(|i| self.groups.get(*i))
    }
}

impl GroupView {
    /// The member of that name.
    pub fn process(&self, name: &str) -> Option<&Arc<ProcSlot>> {
        self.processes.iter().find(|p| p.config.name == name)
    }
}

impl Published {
    /// With no groups yet.
    pub fn new(config: Arc<Config>) -> Published {
        Published {
            mood: AtomicI32::new(Mood::Running as i32),
            config: RwLock::new(config),
            structure: RwLock::new(Arc::new(Structure::default())),
        }
    }
    /// Whether supervisord runs, restarts or shuts down.
    pub fn mood(&self) -> Mood {
        match self.mood.load(Ordering::Acquire) {
            2 => Mood::Fatal,
            1 => Mood::Running,
            0 => Mood::Restarting,
            _ => Mood::Shutdown,
        }
    }
    /// The configuration read last (not everything in it is active).
    pub fn config(&self) -> Arc<Config> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// The active groups.
    pub fn structure(&self) -> Arc<Structure> {
        self.structure.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    pub(crate) fn set_mood(&self, mood: Mood) {
        self.mood.store(mood as i32, Ordering::Release);
    }
    pub(crate) fn set_config(&self, config: Arc<Config>) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }
    pub(crate) fn set_structure(&self, structure: Arc<Structure>) {
        *self.structure.write().unwrap_or_else(PoisonError::into_inner) = structure;
    }
}
