//! The coordinator: owner of the process table, groups, timers, listener pools and the shutdown
//! phase. Runs on the main thread after boot, receives on one inbox and touches channels only.
//!
//! It never sends on a bounded channel that another thread empties, never waits for anything but
//! its inbox, and does no file I/O. Answers to calls that changed something travel through the
//! pump's queue, so that whoever reads the activity log after the answer finds the lines there.

pub mod calls;
mod groups;
pub mod history;
pub mod inbox;
pub mod mailbox;
mod manager;
mod members;
#[cfg(test)]
mod model;
mod notices;
pub mod ops;
pub mod outside;
mod process;
pub mod published;
mod remembering;
pub mod shutdown;
pub mod spawning;
mod survivors;
pub mod table;
pub mod timers;
mod turn;
mod unwatched;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};

use self::calls::Calls;
use self::inbox::Msg;
use self::mailbox::Mailbox;
use self::manager::Reports;
use self::outside::Outside;
use self::published::Published;
use self::shutdown::Phase;
use self::spawning::Spawning;
use self::survivors::Survivors;
use self::table::Table;
use self::timers::Timers;
use self::unwatched::Unwatched;
use crate::activity::Activity;
use crate::config::model::Config;
use crate::events::{Bus, Effects, Ticker};
use crate::pump::{Credits, PumpHandle};
use crate::runner::plan::Surroundings;
use crate::sys::clock::Mono;
use crate::sys::notify::Manager;

/// Reads the configuration anew; called on a thread of its own.
pub type Loader = Arc<dyn Fn() -> Result<Config, String> + Send + Sync>;

/// Why the coordinator ended.
pub enum Ending {
    /// The daemon is to end.
    Shutdown,
    /// The daemon is to start over with this configuration.
    Restart(Arc<Config>),
}

/// What the coordinator is made of.
pub struct Parts {
    /// The inbox's two ends.
    pub inbox: (Mailbox, Receiver<Msg>),
    /// What readers see.
    pub published: Arc<Published>,
    /// The activity log.
    pub activity: Activity,
    /// The pump.
    pub pump: PumpHandle,
    /// Bytes of events under way from the pump.
    pub credits: Credits,
    /// Clock, signals, threads.
    pub outside: Box<dyn Outside>,
    /// What all programs share.
    pub surroundings: Arc<Surroundings>,
    /// Reads the configuration for a restart.
    pub loader: Loader,
    /// The way to the service manager.
    pub manager: Manager,
    /// First id to give to processes and calls.
    pub first_id: u64,
    /// Dropped when clients may be let in.
    pub opening: Sender<Infallible>,
}

/// When the start counts as over. Making a thousand programs takes less; if not, clients wait no
/// longer.
const SETTLED: Duration = Duration::from_secs(2);
/// How long after the last child of the start what only the start needed is given back.
const CALM: Duration = Duration::from_millis(500);

/// The coordinator's state.
pub struct Coordinator {
    sender: Mailbox,
    inbox: Receiver<Msg>,
    published: Arc<Published>,
    /// Lazy, like `pump`, which is woken at the end of each turn.
    activity: Activity,
    /// For others, who have no turns.
    others_activity: Activity,
    pump: PumpHandle,
    credits: Credits,
    outside: Box<dyn Outside>,
    surroundings: Arc<Surroundings>,
    loader: Loader,
    table: Table,
    timers: Timers,
    calls: Calls,
    bus: Bus,
    /// Collects what the bus wants done; empty between calls.
    wishes: Effects,
    ticker: Ticker,
    phase: Phase,
    spawning: Spawning,
    survivors: Survivors,
    unwatched: Unwatched,
    /// Dropped when all programs that start by themselves have been made: as in the reference, the
    /// first answer that anybody gets shows them with their pids.
    opening: Option<Sender<Infallible>>,
    /// The first programs are being made.
    starting: bool,
    reports: Reports,
}

impl Coordinator {
    /// With an empty table.
    pub fn new(parts: Parts) -> Coordinator {
        let daemon = &parts.published.config().daemon;
        let wishes = Effects::new(parts.activity.least());
        Coordinator {
            sender: parts.inbox.0,
            inbox: parts.inbox.1,
            published: parts.published,
            activity: parts.activity.lazy(),
            others_activity: parts.activity,
            pump: parts.pump.lazy(),
            credits: parts.credits,
            outside: parts.outside,
            surroundings: parts.surroundings,
            loader: parts.loader,
            table: Table::new(parts.first_id),
            timers: Timers::default(),
            calls: Calls::new(parts.first_id),
            bus: Bus::new(&daemon.identifier),
            wishes,
            ticker: Ticker::new(),
            phase: Phase::Running,
            spawning: Spawning::default(),
            survivors: Survivors::default(),
            unwatched: Unwatched::default(),
            opening: Some(parts.opening),
            starting: true,
            reports: Reports::new(parts.manager),
        }
    }

    /// The monotonic clock.
    fn mono(&self) -> Mono {
        self.outside.mono()
    }
}
