//! Helpers of the pump's tests.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crossbeam_channel::Receiver;

use super::sink::Ctx;
use super::wake::Stats;
use super::{MainLog, PumpConfig, StreamPlan};
use crate::config::model::Level;
use crate::coordinator::inbox::{Channel, Msg};
use crate::coordinator::mailbox::mailbox;
use crate::sys::clock::Mono;

/// A folder of one test, removed with it.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new() -> TempDir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("pump-test-{}-{n}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        TempDir(path)
    }
    pub fn path(&self) -> &Path {
        &self.0
    }
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // After a failed assertion a pump may still be making files in it.
        for _ in 0..100 {
            match std::fs::remove_dir_all(&self.0) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => std::thread::yield_now(),
                _ => break,
            }
        }
    }
}

/// What a log target needs of its surroundings.
pub struct Bench {
    pub stats: Stats,
    pub spare: usize,
    pub notes: Vec<String>,
    pub now: Mono,
}

impl Bench {
    pub fn new() -> Bench {
        Bench { stats: Stats::default(), spare: 1 << 20, notes: Vec::new(), now: Mono(1) }
    }
    pub(super) fn ctx(&mut self) -> Ctx<'_> {
        let (stats, spare, notes) = (&self.stats, &mut self.spare, &mut self.notes);
        Ctx { now: self.now, stats, spare, notes }
    }
    pub fn later(&mut self, secs: u64) {
        self.now = self.now.after(Duration::from_secs(secs));
    }
    pub fn lost(&self) -> u64 {
        self.stats.bytes_lost.load(Ordering::Relaxed)
    }
}

/// A pump's configuration with its activity log in a folder, and where it sends to.
pub fn config(dir: &TempDir, change: impl FnOnce(&mut MainLog)) -> (PumpConfig, Receiver<Msg>) {
    let (sender, inbox) = mailbox();
    let path = Some(dir.join("sd.log"));
    let level = Level::Info;
    let mut main_log = MainLog { path, maxbytes: 0, backups: 0, stdout: false, level };
    change(&mut main_log);
    (PumpConfig { main_log, syslog: dir.join("syslog"), inbox: sender }, inbox)
}

/// A stream of a program `w` that goes to this log and nowhere else.
pub fn plan(channel: Channel, path: &Path) -> StreamPlan {
    StreamPlan {
        name: "w".into(),
        channel,
        path: Some(path.to_owned()),
        maxbytes: 0,
        backups: 0,
        strip_ansi: false,
        syslog: false,
        capture_maxbytes: 0,
        events_enabled: false,
        listener: false,
    }
}
