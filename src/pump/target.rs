//! Opening what a log path names, and writing to it without ever waiting for a reader.
//!
//! Runs on the pump's thread, and on a maker's for [`open_for_spawn`]. Touches the log files.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};

use crate::guarded::{self, How};
use crate::sys::epoll::duplicate_number;

/// A write of so many bytes goes into a pipe as a whole once it is writable (pipe(7)).
const PIPE_BUF: usize = 4096;

/// Mode of new log files, before the umask: as the reference's, but never writable by others.
pub(super) const NEW_MODE: u32 = 0o664;

/// An open log target.
#[derive(Debug)]
pub(super) struct Target {
    file: Arc<File>,
    kind: Kind,
    /// It stands in the epoll set; to be taken out before it is closed.
    pub watched: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A regular file that the path named: may be rotated.
    Regular,
    /// A regular file that we did not open ourselves (`supervisord > file`): never rotated.
    Inherited,
    /// A FIFO, terminal or device, opened non-blocking by us.
    Device,
    /// An inherited socket.
    Socket,
    /// An inherited pipe or device which could not be opened a second time. Its open file
    /// description is shared with whoever started us, and so is O_NONBLOCK: a shell or container
    /// engine that suddenly gets EAGAIN breaks. So it stays blocking; we ask poll(2) first and
    /// write no more than the room that "writable" promises.
    SharedPipe,
}

/// The number of the open descriptor that a path like `/dev/stdout` stands for.
pub(super) fn inherited_number(path: &Path) -> Option<i32> {
    let text = path.to_str()?;
    match text {
        "/dev/stdin" => return Some(0),
        "/dev/stdout" => return Some(1),
        "/dev/stderr" => return Some(2),
        _ => {}
    }
    let own = format!("/proc/{}/fd/", std::process::id());
    ["/dev/fd/", "/proc/self/fd/", "/proc/thread-self/fd/", &own]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .and_then(|number| number.parse().ok())
        .filter(|number| *number >= 0)
}

/// Opens a child's log before the child is started, so that a failure is a spawn failure. None for
/// what only the pump opens: inherited descriptors, FIFOs and devices. Never blocks.
///
/// # Errors
/// Those of open(2), such as EISDIR, EACCES, ENOENT; not ENXIO (a FIFO that nobody reads yet).
pub fn open_for_spawn(path: &Path) -> io::Result<Option<File>> {
    if inherited_number(path).is_some() {
        return Ok(None);
    }
    match open_named(path, NEW_MODE, false) {
        Ok(target) if target.kind == Kind::Regular => Ok(Arc::into_inner(target.file)),
        Ok(_) => Ok(None),
        Err(e) if e.raw_os_error() == Some(libc::ENXIO) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Opens what a path names. `mode` is for a file that has to be made.
///
/// # Errors
/// Those of open(2); ENXIO for a FIFO without a reader.
pub(super) fn open(path: &Path, mode: u32, truncate: bool) -> io::Result<Target> {
    match inherited_number(path) {
        Some(number) => open_inherited(number),
        None => open_named(path, mode, truncate),
    }
}

fn open_named(path: &Path, mode: u32, truncate: bool) -> io::Result<Target> {
    let target = opened(guarded::open(path, How::Append { mode })?)?;
    if truncate && target.is_plain() {
        target.file.set_len(0)?;
    }
    Ok(target)
}

/// Opens what is there, and makes nothing.
///
/// # Errors
/// Those of open(2).
pub(super) fn open_existing(path: &Path) -> io::Result<Target> {
    opened(guarded::open(path, How::Extend)?)
}

fn opened(file: File) -> io::Result<Target> {
    let kind = if file.metadata()?.is_file() { Kind::Regular } else { Kind::Device };
    Ok(Target::new(file, kind))
}

fn open_inherited(number: i32) -> io::Result<Target> {
    let file = File::from(duplicate_number(number)?);
    let what = file.metadata()?.file_type();
    if what.is_file() || what.is_socket() {
        let kind = if what.is_file() { Kind::Inherited } else { Kind::Socket };
        return Ok(Target::new(file, kind));
    }
    // A second open gives us an open file description of our own, which may be non-blocking. It
    // fails when user= took away the right to the pipe or terminal.
    let again = OpenOptions::new()
        .append(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(format!("/proc/self/fd/{number}"));
    match again {
        Ok(own) => Ok(Target::new(own, Kind::Device)),
        Err(_) => Ok(Target::new(file, Kind::SharedPipe)),
    }
}

impl Target {
    fn new(file: File, kind: Kind) -> Target {
        Target { file: Arc::new(file), kind, watched: false }
    }

    /// Takes over a file that a maker opened, if it is a regular one.
    pub fn adopt(file: File) -> Option<Target> {
        let regular = file.metadata().is_ok_and(|m| m.is_file());
        regular.then(|| Target::new(file, Kind::Regular))
    }

    /// Writes what can be written now.
    ///
    /// # Errors
    /// `WouldBlock` when that is nothing; else those of write(2).
    pub fn write(&self, data: &[u8]) -> io::Result<usize> {
        match self.kind {
            Kind::Regular | Kind::Inherited | Kind::Device => (&*self.file).write(data),
            Kind::Socket => {
                let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                Ok(send(self.file.as_raw_fd(), data, flags)?)
            }
            Kind::SharedPipe => {
                let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
                if poll(&mut fds, PollTimeout::ZERO)? == 0 {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                (&*self.file).write(data.get(..PIPE_BUF).unwrap_or(data))
            }
        }
    }

    /// May be rotated, removed and opened again.
    pub fn is_plain(&self) -> bool {
        self.kind == Kind::Regular
    }

    /// To look at.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// For someone else to write to, while we do not.
    pub fn lend(&self) -> Arc<File> {
        self.file.clone()
    }

    /// Somebody else may be writing to it.
    pub fn is_lent(&self) -> bool {
        Arc::strong_count(&self.file) > 1
    }

    /// Where the last write ended. With O_APPEND that is the size of the file at that time, whatever
    /// others have appended or cut off.
    pub fn position(&self) -> u64 {
        (&*self.file).stream_position().unwrap_or(0)
    }

    /// Permission bits, and whether the file still has a name.
    pub fn mode_and_linked(&self) -> (u32, bool) {
        self.file.metadata().map_or((NEW_MODE, false), |m| (m.mode() & 0o777, m.nlink() > 0))
    }

    /// The same file, not only the same name.
    pub fn is_same_file(&self, other: &Target) -> bool {
        match (self.file.metadata(), other.file.metadata()) {
            (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
            _ => false,
        }
    }

    #[cfg(test)]
    pub fn from_shared(fd: std::os::fd::OwnedFd) -> Target {
        Target::new(File::from(fd), Kind::SharedPipe)
    }
}

impl AsFd for Target {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::TempDir;
    use super::*;
    use std::io::Read;

    #[test]
    fn names_of_open_descriptors_are_known() {
        let number = |s: &str| inherited_number(Path::new(s));
        assert_eq!(number("/dev/stdout"), Some(1));
        assert_eq!(number("/dev/stderr"), Some(2));
        assert_eq!(number("/dev/fd/7"), Some(7));
        assert_eq!(number("/proc/self/fd/1"), Some(1));
        assert_eq!(number(&format!("/proc/{}/fd/2", std::process::id())), Some(2));
        assert_eq!(number("/proc/1/fd/x"), None);
        assert_eq!(number("/dev/fd/-1"), None);
        assert_eq!(number("/var/log/x"), None);
    }

    #[test]
    fn a_fifo_without_a_reader_does_not_block_and_is_left_to_the_pump() {
        let dir = TempDir::new();
        let path = dir.join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        assert!(open_for_spawn(&path).unwrap().is_none());
        assert_eq!(open(&path, NEW_MODE, false).unwrap_err().raw_os_error(), Some(libc::ENXIO));
    }

    #[test]
    fn a_spawn_learns_why_its_log_cannot_be_opened() {
        let dir = TempDir::new();
        let errno = |p: &Path| open_for_spawn(p).unwrap_err().raw_os_error();
        assert_eq!(errno(dir.path()), Some(libc::EISDIR));
        assert_eq!(errno(&dir.join("no/such")), Some(libc::ENOENT));
        assert!(open_for_spawn(&dir.join("log")).unwrap().is_some());
        assert!(open_for_spawn(Path::new("/dev/null")).unwrap().is_none());
    }

    #[test]
    fn a_full_shared_pipe_is_told_from_a_blocking_write() {
        let (mut reader, writer) = io::pipe().unwrap();
        let target = Target::from_shared(writer.into());
        let block = [b'x'; 10_000];
        let mut sent = 0;
        loop {
            match target.write(&block) {
                Ok(n) => sent += n,
                Err(e) => break assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
            }
        }
        assert!(sent >= PIPE_BUF);
        let mut all = vec![0; sent];
        reader.read_exact(&mut all).unwrap();
        assert!(target.write(b"more").is_ok());
        drop(reader);
        assert_eq!(target.write(b"x").unwrap_err().raw_os_error(), Some(libc::EPIPE));
    }
}
