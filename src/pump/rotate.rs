//! File names of rotated logs, and the renaming. Touches the log's folder only.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Up to so many backups each number is tried, as the reference does, even above a gap. With more
/// (nobody means it) only an unbroken row is moved, so that a rotation stays short.
const EACH: u32 = 1000;

/// `file.N`.
pub(super) fn backup(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    name.into()
}

/// Moves `file.1` to `file.2` and so on, then `file` to `file.1`; the last of `backups` is
/// overwritten. A missing file is no error: something else may clean up the folder. With no backups
/// nothing moves, the caller truncates.
///
/// # Errors
/// The first rename that fails: nothing below it has been moved, so nothing is overwritten that
/// still has to move up.
pub(super) fn shift(path: &Path, backups: u32) -> io::Result<()> {
    let top = if backups <= EACH { backups } else { first_gap(path, backups) };
    for number in (1..top).rev() {
        step(&backup(path, number), &backup(path, number + 1))?;
    }
    if backups > 0 { step(path, &backup(path, 1)) } else { Ok(()) }
}

fn first_gap(path: &Path, backups: u32) -> u32 {
    (1..backups).find(|n| fs::symlink_metadata(backup(path, *n)).is_err()).unwrap_or(backups)
}

fn step(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::TempDir;
    use super::*;

    fn listing(dir: &TempDir) -> Vec<(String, String)> {
        let mut all: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|e| {
                let e = e.unwrap();
                (e.file_name().into_string().unwrap(), fs::read_to_string(e.path()).unwrap())
            })
            .collect();
        all.sort();
        all
    }

    fn check(before: &[(&str, &str)], backups: u32, after: &[(&str, &str)]) {
        let dir = TempDir::new();
        for (name, text) in before {
            fs::write(dir.join(name), text).unwrap();
        }
        shift(&dir.join("w"), backups).unwrap();
        let after: Vec<_> = after.iter().map(|(n, t)| (n.to_string(), t.to_string())).collect();
        assert_eq!(listing(&dir), after, "{before:?} with {backups}");
    }

    #[test]
    fn names_move_up() {
        check(&[("w", "c")], 0, &[("w", "c")]);
        check(&[("w", "c")], 1, &[("w.1", "c")]);
        check(&[("w", "c"), ("w.1", "b")], 1, &[("w.1", "c")]);
        check(&[("w", "c"), ("w.1", "b"), ("w.2", "a")], 2, &[("w.1", "c"), ("w.2", "b")]);
        check(
            &[("w", "c"), ("w.1", "b"), ("w.3", "a")],
            5,
            &[("w.1", "c"), ("w.2", "b"), ("w.4", "a")],
        );
        check(&[("w.1", "b")], 3, &[("w.2", "b")]);
        check(&[], 3, &[]);
        check(
            &[("w", "c"), ("w.1", "b"), ("w.3", "a")],
            u32::MAX,
            &[("w.1", "c"), ("w.2", "b"), ("w.3", "a")],
        );
    }

    #[test]
    fn a_rename_that_fails_loses_nothing() {
        let dir = TempDir::new();
        fs::write(dir.join("w"), "c").unwrap();
        fs::write(dir.join("w.1"), "b").unwrap();
        fs::create_dir(dir.join("w.2")).unwrap();
        assert!(shift(&dir.join("w"), 2).is_err());
        assert_eq!(fs::read_to_string(dir.join("w")).unwrap(), "c");
        assert_eq!(fs::read_to_string(dir.join("w.1")).unwrap(), "b");
    }
}
