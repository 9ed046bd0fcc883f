//! Logs that are closed while nobody writes, so that they cost no descriptor, and how they are found
//! again.
//!
//! Runs on the pump's thread. A log goes on in the file that it was: as a rule that has its name still;
//! one that was moved is opened by its handle, where the kernel lets us ([`crate::sys::handle`]). Where
//! it does not, and when the file was deleted, a new one is made under the name.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::target::{self, Target};
use crate::sys::handle::FileHandle;
use crate::sys::table;

/// A regular file that was open.
#[derive(Debug)]
pub(super) struct Resting {
    device: u64,
    inode: u64,
    handle: Option<FileHandle>,
}

impl Resting {
    /// To find it again.
    pub fn of(target: &Target) -> Resting {
        // A file that tells nothing of itself has no number 0 either: its name counts then.
        let (device, inode) = target.file().metadata().map_or((0, 0), |m| (m.dev(), m.ino()));
        Resting { device, inode, handle: FileHandle::of(target.file()).ok() }
    }

    /// This is the file.
    pub fn is(&self, target: &Target) -> bool {
        let meta = target.file().metadata();
        meta.is_ok_and(|m| (m.dev(), m.ino()) == (self.device, self.inode))
    }

    /// Opens it again, or what is under its name by now. `mode`: of a file that has to be made.
    ///
    /// # Errors
    /// As [`target::open`].
    pub fn open(&self, path: &Path, mode: u32) -> io::Result<Target> {
        let named = match target::open_existing(path) {
            Ok(found) if self.is(&found) => return Ok(found),
            Err(e) if table::is_full(&e) => return Err(e),
            other => other.ok(),
        };
        match (self.open_moved(path)?, named) {
            (Some(target), _) | (None, Some(target)) => Ok(target),
            (None, None) => target::open(path, mode, false),
        }
    }

    /// Opens it again, if it still is anywhere.
    pub fn open_old(&self, path: &Path) -> Option<Target> {
        let named = target::open_existing(path).ok().filter(|found| self.is(found));
        named.or_else(|| self.open_moved(path).ok().flatten())
    }

    /// The file, wherever it is now, if it still has a name.
    ///
    /// # Errors
    /// There is no descriptor left to find out.
    fn open_moved(&self, path: &Path) -> io::Result<Option<Target>> {
        let found = match self.by_handle(path) {
            Err(e) if table::is_full(&e) => return Err(e),
            other => other.ok().and_then(Target::adopt),
        };
        // A handle of another file system may fit something here.
        Ok(found.filter(|target| self.is(target) && target.mode_and_linked().1))
    }

    fn by_handle(&self, path: &Path) -> io::Result<File> {
        let Some(handle) = &self.handle else { return Err(Errno::ENOENT.into()) };
        // Any folder of the same file system will do; its own may have been moved with it.
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let open = |folder: &Path| match open(folder, flags, Mode::empty()) {
            Err(Errno::ENOENT | Errno::ENOTDIR) => None,
            other => Some(other),
        };
        let folder = path.ancestors().skip(1).find_map(open).unwrap_or(Err(Errno::ENOENT))?;
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        Ok(File::from(handle.open(folder, flags)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::target::NEW_MODE;
    use super::super::testing::TempDir;
    use super::*;
    use std::fs;

    /// A log with a line in it, closed.
    fn resting(path: &Path) -> Resting {
        let target = target::open(path, 0o600, false).unwrap();
        target.write(b"one\n").unwrap();
        Resting::of(&target)
    }

    /// What a next line makes of it.
    fn goes_on(log: &Resting, path: &Path) {
        log.open(path, 0o600).unwrap().write(b"two\n").unwrap();
    }

    #[test]
    fn a_log_goes_on_where_it_was() {
        let dir = TempDir::new();
        let path = dir.join("log");
        let log = resting(&path);
        goes_on(&log, &path);
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        // as after copytruncate
        fs::write(&path, "").unwrap();
        goes_on(&log, &path);
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
    }

    #[test]
    fn a_moved_log_goes_on_in_its_file_or_under_its_name() {
        let dir = TempDir::new();
        let (path, moved) = (dir.join("log"), dir.join("moved"));
        for anew in [false, true] {
            for with_handle in [true, false] {
                let mut log = resting(&path);
                if !with_handle {
                    log.handle = None;
                }
                fs::rename(&path, &moved).unwrap();
                if anew {
                    fs::write(&path, "other\n").unwrap();
                }
                let by_handle = log.open_moved(&path).unwrap().is_some();
                assert!(!by_handle || with_handle);
                goes_on(&log, &path);
                let (old, new) = if by_handle { ("one\ntwo\n", "") } else { ("one\n", "two\n") };
                assert_eq!(fs::read_to_string(&moved).unwrap(), old);
                let expected = format!("{}{new}", if anew { "other\n" } else { "" });
                assert_eq!(fs::read_to_string(&path).unwrap_or_default(), expected);
                assert_eq!(path.exists(), anew || !by_handle, "nothing is made without need");
                let _ = (fs::remove_file(&path), fs::remove_file(&moved));
            }
        }
    }

    #[test]
    fn a_log_that_was_moved_with_its_folder_goes_on_there_or_waits() {
        let dir = TempDir::new();
        let (folder, away) = (dir.join("deep/folder"), dir.join("away"));
        for with_handle in [true, false] {
            fs::create_dir_all(&folder).unwrap();
            let path = folder.join("log");
            let mut log = resting(&path);
            if !with_handle {
                log.handle = None;
            }
            fs::rename(dir.join("deep"), &away).unwrap();
            let there = away.join("folder/log");
            match log.open(&path, 0o600) {
                Ok(found) => {
                    assert!(with_handle);
                    found.write(b"two\n").unwrap();
                    assert_eq!(fs::read_to_string(there).unwrap(), "one\ntwo\n");
                }
                Err(e) => assert_eq!(e.raw_os_error(), Some(libc::ENOENT)),
            }
            fs::remove_dir_all(&away).unwrap();
        }
    }

    #[test]
    fn a_deleted_log_begins_anew_with_its_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let dir = TempDir::new();
        let path = dir.join("log");
        let log = resting(&path);
        fs::remove_file(&path).unwrap();
        goes_on(&log, &path);
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        // Deleted, but open somewhere: nobody could read what is written there.
        let log = resting(&path);
        let _open = fs::File::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        goes_on(&log, &path);
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
    }

    #[test]
    fn a_log_whose_name_is_something_else_now_tells_why_it_cannot_be_opened() {
        let dir = TempDir::new();
        let path = dir.join("log");
        let mut log = resting(&path);
        log.handle = None;
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let error = log.open(&path, NEW_MODE).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EISDIR));
    }
}
