//! Whether a restart could succeed, tried while everything still runs: what a configuration that reads
//! well may ask for in vain. It leaves nothing behind but an empty log file.
//!
//! Thread: the one that reads the configuration for a restart. Owns nothing. May touch: sockets and
//! log files of the next configuration, for a moment.

use std::path::Path;

use nix::unistd::{AccessFlags, access};

use crate::config::model::{Config, LogTarget, Output};
use crate::guarded::{self, How};
use crate::http;
use crate::sys::creds;
use crate::sys::notify::Given;

/// Tries what `next` needs beside what `now` holds.
///
/// # Errors
/// What would be refused, for the activity log.
pub fn rehearse(next: &Config, now: &Config, given: &[Given]) -> Result<(), String> {
    let d = &next.daemon;
    creds::may_become(d.user.as_ref()).map_err(|e| format!("[supervisord] user: {e}"))?;
    if d.logfile != now.daemon.logfile {
        log_file(&d.logfile)?;
    }
    http::rehearse(&next.servers, &now.servers, given).map_err(|(s, e)| format!("[{s}] {e}"))?;
    let folder = &d.childlogdir;
    let mut programs = next.groups.iter().flat_map(|group| &group.programs);
    let auto = |output: &Output| output.target == LogTarget::Auto;
    if !programs.any(|p| auto(&p.stdout) || auto(&p.stderr)) {
        return Ok(());
    }
    access(folder.as_path(), AccessFlags::W_OK | AccessFlags::X_OK)
        .map_err(|e| format!("[supervisord] childlogdir={}: {}", folder.display(), e.desc()))
}

/// Opens the log as it will be opened. Anything but a plain file is left alone: to open a pipe waits.
fn log_file(path: &Path) -> Result<(), String> {
    if std::fs::metadata(path).is_ok_and(|m| !m.is_file()) {
        return Ok(());
    }
    let opened = guarded::open(path, How::Append { mode: 0o664 });
    opened.map(drop).map_err(|e| format!("[supervisord] logfile={}: {e}", path.display()))
}
