//! Logs that are followed: the last bytes at once, then whatever is written, until the client goes.
//!
//! Runs on the connection's thread, owns the open log file, reads only. Nothing polls: inotify
//! tells of new bytes and of rotation, and the socket of a client that has gone. Where inotify cannot
//! be had (its instances are limited per user, and clients may not take the last descriptors) the file
//! is looked at ten times a second.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use super::date::http_date;
use super::request::Request;
use super::response::Response;
use super::socket::{Gone, Socket};
use super::stream::{Sender, look_up};
use crate::guarded::{self, How};
use crate::sys::clock::Mono;
use crate::sys::fds::EventFd;
use crate::sys::table;

/// Bytes of the past that a client gets to see.
const PAST: u64 = 1024;
/// What the reference says when a file has become shorter.
const TRUNCATED: &[u8] = b"==> File truncated <==\n";
/// Bytes sent at once.
const PIECE: usize = 32 * 1024;
/// A log that is written all the time is looked at no more often than this.
const PAUSE: Duration = Duration::from_millis(20);
/// How often the file is looked at without inotify.
const LOOK: Duration = Duration::from_millis(100);

/// A log to be followed.
pub(super) struct Tail {
    follower: Follower,
    modified: i64,
    /// Send the header that keeps nginx from collecting the stream.
    unbuffered: bool,
}

/// Why a log cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoTail {
    /// It is not there or is no regular file (a terminal or pipe that the log goes to cannot be read
    /// back).
    None,
    /// Clients have all descriptors that they may have.
    Full,
}

/// A follower of a log that was replaced has two files open for a moment; many at a time would take what
/// is not theirs.
static TWO_FILES: Mutex<()> = Mutex::new(());

impl Tail {
    /// Opens the log.
    ///
    /// # Errors
    /// Why there is none to be followed.
    pub fn open(path: PathBuf, unbuffered: bool) -> Result<Tail, NoTail> {
        let (file, meta) = match open(&path) {
            Ok((file, _)) if !table::is_for_clients(&file) => return Err(NoTail::Full),
            Err(e) if table::is_full(&e) => return Err(NoTail::Full),
            other => other.map_err(|_| NoTail::None)?,
        };
        let position = meta.len().saturating_sub(PAST);
        let modified = meta.mtime();
        Ok(Tail { follower: Follower { path, file, position }, modified, unbuffered })
    }

    /// Sends the log until the client goes or the server stops; gives the number of bytes sent.
    pub fn stream(
        mut self,
        request: &Request,
        socket: &Socket,
        stop: &EventFd,
        stall: Duration,
    ) -> usize {
        let mut out = Sender::new(request, socket, stall);
        // what happens then is told by how many bytes went out
        let _ = out.head(self.head()).and_then(|()| self.follow(&mut out, stop));
        out.sent()
    }

    fn head(&self) -> Response {
        let head = Response::ok("text/plain;charset=utf-8", Vec::new())
            .with("Last-Modified", http_date(self.modified));
        if self.unbuffered { head.with("X-Accel-Buffering", "no") } else { head }
    }

    fn follow(&mut self, out: &mut Sender<'_>, stop: &EventFd) -> Result<(), Gone> {
        let mut watch = Watch::new(&self.follower);
        let mut buf = vec![0; PIECE];
        loop {
            let mut news = false;
            loop {
                match self.follower.next(&mut buf) {
                    Ok(News::Data(n)) => out.data(buf.get(..n).unwrap_or_default())?,
                    Ok(News::Truncated) => out.data(TRUNCATED)?,
                    Ok(News::Replaced) => {
                        drop(watch);
                        watch = Watch::new(&self.follower);
                    }
                    Ok(News::Nothing) => break,
                    Err(_) => return out.end(),
                }
                news = true;
                // the client and the server's end count even while the log grows without a pause
                if look_up(out.socket, stop, None, Some(Mono::now()))? {
                    return out.end();
                }
            }
            if news && look_up(out.socket, stop, None, Some(Mono::now().after(PAUSE)))? {
                return out.end();
            }
            // after a pause there may be news whose event has to be taken back first
            if news {
                watch.drain();
                continue;
            }
            let deadline = watch.inotify.is_none().then(|| Mono::now().after(LOOK));
            if look_up(out.socket, stop, watch.inotify.as_ref().map(AsFd::as_fd), deadline)? {
                return out.end();
            }
            watch.drain();
        }
    }
}

enum News {
    /// So many bytes.
    Data(usize),
    /// The file is shorter than what was sent of it; it is sent from its beginning.
    Truncated,
    /// Another file has the name now; it is sent from its beginning.
    Replaced,
    Nothing,
}

/// Follows a file by name.
struct Follower {
    path: PathBuf,
    file: File,
    position: u64,
}

impl Follower {
    fn next(&mut self, buf: &mut [u8]) -> io::Result<News> {
        let meta = self.file.metadata()?;
        if meta.len() < self.position {
            self.position = 0;
            return Ok(News::Truncated);
        }
        if let n @ 1.. = self.read(buf)? {
            return Ok(News::Data(n));
        }
        // a name without a file is the moment between two files
        match std::fs::metadata(&self.path) {
            Ok(new) if (new.dev(), new.ino()) != (meta.dev(), meta.ino()) => {}
            _ => return Ok(News::Nothing),
        }
        let _turn = TWO_FILES.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok((file, _)) = open(&self.path) else { return Ok(News::Nothing) };
        // what was written between the read above and the rotation still counts
        if let n @ 1.. = self.read(buf)? {
            return Ok(News::Data(n));
        }
        // Closes the old one, whose number then is free.
        self.file = file;
        if let Some(lower) = table::lower(&self.file) {
            self.file = File::from(lower);
        }
        self.position = 0;
        Ok(News::Replaced)
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buf, self.position)?;
        self.position += n as u64;
        Ok(n)
    }
}

/// Opens a regular file. Never waits for the other end of a pipe and takes no terminal.
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let file = guarded::open(path, How::Read)?;
    let meta = file.metadata()?;
    if meta.is_file() { Ok((file, meta)) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// Tells when the file or its folder has changed.
struct Watch {
    inotify: Option<Inotify>,
}

impl Watch {
    /// Watches the open file itself, whatever its name is by now, and the folder for a new file.
    fn new(follower: &Follower) -> Watch {
        let all = || -> nix::Result<Inotify> {
            let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
            let file = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_ATTRIB;
            let itself = format!("/proc/self/fd/{}", follower.file.as_raw_fd());
            watch(&inotify, Path::new(&itself), file)
                .or_else(|_| watch(&inotify, &follower.path, file))?;
            let folder = follower.path.parent().filter(|p| !p.as_os_str().is_empty());
            let arrivals = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
            watch(&inotify, folder.unwrap_or(Path::new(".")), arrivals)?;
            Ok(inotify)
        };
        Watch { inotify: all().ok().filter(|inotify| table::is_for_clients(inotify)) }
    }

    fn drain(&self) {
        let Some(inotify) = &self.inotify else { return };
        while inotify.read_events().is_ok_and(|events| !events.is_empty()) {}
    }
}

fn watch(inotify: &Inotify, path: &Path, what: AddWatchFlags) -> nix::Result<WatchDescriptor> {
    inotify.add_watch(path, what)
}
