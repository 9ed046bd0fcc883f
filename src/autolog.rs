//! The files of AUTO logs: made when a group becomes active, removed at the next start.
//!
//! Runs on the main thread at boot and on a connection's thread for `addProcessGroup`, since the
//! coordinator touches no file. Owns nothing; touches `childlogdir` only.

use std::collections::hash_map::RandomState;
use std::fs::OpenOptions;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::model::{Daemon, Group, Level, LogTarget, Note, Program};
use crate::config::pytext::repr;
use crate::coordinator::inbox::Channel;
use crate::coordinator::published::AutoLogs;

/// Letters of the random part of a name; the set of Python's tempfile, which log collectors match.
const LETTERS: &[u8; 37] = b"abcdefghijklmnopqrstuvwxyz0123456789_";

/// Names tried before giving up. With 37^8 of them more than one is a sign of something else.
const TRIES: usize = 1000;

/// Creates the AUTO logs of a group's members: empty files of mode 0600, named
/// `NAME-CHANNEL---IDENTIFIER-XXXXXXXX.log`. One entry per member, in `programs` order.
///
/// # Errors
/// The first file that cannot be created; those made before it are removed again.
pub fn create(group: &Group, daemon: &Daemon) -> io::Result<Vec<AutoLogs>> {
    create_all(&group.programs, daemon)
}

/// The same for these programs.
///
/// # Errors
/// As [`create`].
pub fn create_all(programs: &[Arc<Program>], daemon: &Daemon) -> io::Result<Vec<AutoLogs>> {
    let mut all = Vec::with_capacity(programs.len());
    for program in programs {
        let mut logs = AutoLogs::default();
        let made = create_for(program, daemon, &mut logs);
        all.push(logs);
        if let Err(error) = made {
            discard(&all);
            return Err(error);
        }
    }
    Ok(all)
}

/// Removes files that [`create`] made, for a group that did not become active after all.
pub fn discard(logs: &[AutoLogs]) {
    for file in logs.iter().flat_map(|l| l.stdout.iter().chain(&l.stderr)) {
        // Nobody has written to them and the next start cleans up anyway.
        let _ = std::fs::remove_file(file);
    }
}

fn create_for(program: &Program, daemon: &Daemon, logs: &mut AutoLogs) -> io::Result<()> {
    if program.stdout.target == LogTarget::Auto {
        logs.stdout = Some(create_one(&program.name, Channel::Stdout, daemon)?);
    }
    if program.stderr.target == LogTarget::Auto && !program.redirect_stderr {
        logs.stderr = Some(create_one(&program.name, Channel::Stderr, daemon)?);
    }
    Ok(())
}

/// As mkstemp(3): a file that was not there before, whoever else writes to that folder (the default
/// is the shared temporary one). O_EXCL follows no symbolic link either.
fn create_one(name: &str, channel: Channel, daemon: &Daemon) -> io::Result<PathBuf> {
    let prefix = format!("{name}-{}---{}-", channel.name(), daemon.identifier);
    let mut tries = TRIES;
    loop {
        let file = daemon.childlogdir.join(format!("{prefix}{}.log", random()));
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(&file);
        match opened {
            Ok(_) => return Ok(file),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && tries > 0 => tries -= 1,
            Err(e) => return Err(io::Error::new(e.kind(), format!("{}: {e}", file.display()))),
        }
    }
}

/// Eight letters. The hasher's keys come from the kernel's random source; a name that somebody
/// guesses costs one more try, no more.
fn random() -> String {
    let mut n = RandomState::new().build_hasher().finish();
    let mut out = String::with_capacity(8);
    for _ in 0..8 {
        let letter = LETTERS.get((n % LETTERS.len() as u64) as usize).copied().unwrap_or(b'_');
        out.push(char::from(letter));
        n /= LETTERS.len() as u64;
    }
    out
}

/// Removes AUTO logs, rotated ones too, that an earlier run under the same identifier left in
/// `childlogdir`; nothing with `nocleanup`. Returns what the activity log should hear.
pub fn clean(daemon: &Daemon) -> Vec<Note> {
    if daemon.nocleanup {
        return Vec::new();
    }
    let warn = |text: String| Note { level: Level::Warn, text };
    let Ok(entries) = std::fs::read_dir(&daemon.childlogdir) else {
        return vec![warn("Could not clear childlog dir".to_owned())];
    };
    let mut notes = Vec::new();
    for entry in entries.flatten() {
        if !is_auto_log(&entry.file_name().to_string_lossy(), &daemon.identifier) {
            continue;
        }
        let path: &Path = &entry.path();
        if std::fs::remove_file(path).is_err() {
            notes.push(warn(format!("Failed to clean up {}", repr(&path.to_string_lossy()))));
        }
    }
    notes
}

/// Whether a file name is that of an AUTO log. Upstream's pattern, `.+?---IDENTIFIER-\S+\.log` at
/// the beginning of the name: what follows `.log` does not matter (rotated files and any other
/// suffix), only the identifier is taken literally here.
fn is_auto_log(name: &str, identifier: &str) -> bool {
    let mark = format!("---{identifier}-");
    name.match_indices(&mark).any(|(at, _)| {
        let before = name.get(..at).unwrap_or("");
        let after = name.get(at + mark.len()..).unwrap_or("");
        let word = after.find(char::is_whitespace).map_or(after, |end| &after[..end]);
        // One character at least stands before ".log".
        let random = word.rfind(".log").unwrap_or(0);
        !before.is_empty() && !before.contains('\n') && random > 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::testing;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    fn daemon(dir: &Path) -> Daemon {
        let mut daemon = testing::daemon();
        daemon.childlogdir = dir.to_owned();
        daemon.identifier = "sup.1".to_owned();
        daemon
    }
    fn group() -> Group {
        let mut merged = testing::program("merged");
        merged.stdout.target = LogTarget::Auto;
        merged.stderr.target = LogTarget::Auto;
        merged.redirect_stderr = true;
        let mut both = testing::program("both");
        both.stdout.target = LogTarget::Auto;
        both.stderr.target = LogTarget::Auto;
        let none = testing::program("none");
        testing::group("g", vec![Arc::new(merged), Arc::new(both), Arc::new(none)])
    }

    #[test]
    fn files_are_empty_private_and_named_after_process_and_identifier() {
        let dir = testing::scratch("autolog-create");
        let logs = create(&group(), &daemon(&dir)).unwrap();
        assert_eq!(logs.len(), 3);
        assert_eq!(logs[0].stderr, None);
        assert_eq!(logs[2], AutoLogs::default());
        let file = logs[1].stderr.as_ref().unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("both-stderr---sup.1-") && name.ends_with(".log"), "{name}");
        assert_eq!(name.len(), "both-stderr---sup.1-".len() + 12);
        let meta = fs::metadata(file).unwrap();
        assert_eq!((meta.len(), meta.permissions().mode() & 0o777), (0, 0o600));
        discard(&logs);
        assert_eq!(fs::read_dir(&*dir).unwrap().count(), 0);
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let dir = testing::scratch("autolog-failure");
        let mut group = group();
        group.programs.push(Arc::new({
            let mut bad = testing::program("no/such/folder");
            bad.stdout.target = LogTarget::Auto;
            bad
        }));
        let error = create(&group, &daemon(&dir)).unwrap_err();
        assert!(error.to_string().contains("no/such/folder-stdout---sup.1-"), "{error}");
        assert_eq!(fs::read_dir(&*dir).unwrap().count(), 0);
    }

    #[test]
    fn cleaning_takes_our_own_files_only() {
        let dir = testing::scratch("autolog-clean");
        let gone = [
            "a-stdout---sup.1-abcdefgh.log",
            "a-stderr---sup.1-x1.log.3",
            "x---sup.1-y.log.bak",
            "a---sup.1- b---sup.1-z.log",
        ];
        let kept = [
            "a-stdout---other-abcdefgh.log",
            "a-stdout---supX1-abcdefgh.log",
            "---sup.1-abcdefgh.log",
            "a---sup.1-.log",
            "a---sup.1-b c.log",
            "plain.log",
        ];
        for name in gone.iter().chain(&kept) {
            fs::write(dir.join(name), "x").unwrap();
        }
        fs::create_dir(dir.join("d---sup.1-x.log")).unwrap();
        let mut daemon = daemon(&dir);
        daemon.nocleanup = true;
        assert!(clean(&daemon).is_empty());
        assert_eq!(fs::read_dir(&*dir).unwrap().count(), gone.len() + kept.len() + 1);
        daemon.nocleanup = false;
        let notes = clean(&daemon);
        assert_eq!(notes.len(), 1);
        assert_eq!(
            notes[0].text,
            format!("Failed to clean up '{}/d---sup.1-x.log'", dir.display())
        );
        let mut left: Vec<String> = fs::read_dir(&*dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|n| !n.starts_with('d'))
            .collect();
        left.sort();
        let mut want: Vec<String> = kept.iter().map(|s| (*s).to_owned()).collect();
        want.sort();
        assert_eq!(left, want);
        fs::remove_dir_all(&*dir).unwrap();
        assert_eq!(clean(&daemon)[0].text, "Could not clear childlog dir");
    }
}
