//! Opening the listening sockets, and the texts for when that fails.
//!
//! Runs on the main thread at boot, and on an accept thread whose socket file has vanished.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind as bind_fd};
use nix::sys::socket::{connect, listen as listen_fd, socket};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, Uid, fchownat};

use crate::config::model::{Address, Server};
use crate::sys::clock;

/// Connections that may wait to be accepted, as in the reference.
const BACKLOG: i32 = 1024;

/// Why a server cannot listen. The text follows `Error: `; where the reference has one, it is that,
/// since start scripts look for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Somebody listens there.
    #[error(
        "Another program is already listening on a port that one of our HTTP servers is configured \
         to use.  Shut this program down first before starting supervisord."
    )]
    InUse,
    /// The system refused.
    #[error("Cannot open an HTTP server: socket.error reported errno.{0:?} ({num})", num = *.0 as i32)]
    System(Errno),
    /// The system refused a name or port for another reason than that its folder is missing.
    #[error(
        "Cannot open an HTTP server: socket.error reported errno.{errno:?} ({num}) for {place} of \
         [{section}]: {reason}", num = *errno as i32, reason = errno.desc()
    )]
    Place {
        /// What it said.
        errno: Errno,
        /// File, or host and port.
        place: String,
        /// Section of the configuration.
        section: String,
    },
    /// A socket's name has room for 107 bytes.
    #[error("Cannot open an HTTP server: socket.error reported AF_UNIX path too long")]
    PathTooLong,
    /// Something that is no socket has the name: it might be anything, so it is not removed.
    #[error(
        "Cannot open an HTTP server: {path} is not a socket, so it is not replaced by one. Move it \
         away, or name another file in [{section}]"
    )]
    NotASocket {
        /// The file.
        path: PathBuf,
        /// Section of the configuration.
        section: String,
    },
    /// The host has no address.
    #[error("Cannot open an HTTP server: host \"{host}\" in [{section}] has no address: {reason}")]
    Resolve {
        /// As configured.
        host: String,
        /// Section of the configuration.
        section: String,
        /// The resolver's words.
        reason: String,
    },
    /// The socket cannot be given to its owner.
    #[error(
        "Cannot open an HTTP server: {path} cannot be given to user id {uid} and group id {gid} \
         ({reason}). Change chown= in [{section}], or start as root"
    )]
    Owner {
        /// The file.
        path: PathBuf,
        /// Section of the configuration.
        section: String,
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
        /// The system's words.
        reason: String,
    },
}

impl From<Errno> for StartError {
    fn from(e: Errno) -> StartError {
        match e {
            Errno::EADDRINUSE => StartError::InUse,
            e => StartError::System(e),
        }
    }
}
impl From<io::Error> for StartError {
    fn from(e: io::Error) -> StartError {
        Errno::from_raw(e.raw_os_error().unwrap_or(0)).into()
    }
}

/// A listening socket.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Tcp(l) => l.as_fd(),
            Listener::Unix(l) => l.as_fd(),
        }
    }
}

/// A server that listens but does not accept yet.
#[derive(Debug)]
pub struct Bound {
    pub(super) server: Server,
    pub(super) listener: Listener,
    /// The socket file, for Unix sockets.
    pub(super) file: Option<SocketFile>,
}

impl Bound {
    /// The configuration it was made from.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Where it listens, for TCP: tells the port when port 0 was asked for.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.listener {
            Listener::Tcp(l) => l.local_addr().ok(),
            Listener::Unix(_) => None,
        }
    }
}

/// A socket file of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SocketFile {
    pub path: PathBuf,
    /// Device and inode: another file of the same name is not ours.
    id: (u64, u64),
}

/// What is at the name of a socket file now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtName {
    Ours,
    Nothing,
    Other,
}

impl SocketFile {
    pub fn look(&self) -> AtName {
        match std::fs::symlink_metadata(&self.path) {
            Ok(m) if (m.dev(), m.ino()) == self.id => AtName::Ours,
            Ok(_) => AtName::Other,
            Err(e) if e.kind() == io::ErrorKind::NotFound => AtName::Nothing,
            Err(_) => AtName::Other,
        }
    }

    /// Removes the file if it is ours still.
    pub fn unlink(&self) {
        if self.look() == AtName::Ours {
            // gone in the meantime is as good
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens all servers. When one fails, those before it are closed again.
///
/// # Errors
/// The first server that cannot listen.
pub fn bind(servers: &[Server]) -> Result<Vec<Bound>, StartError> {
    let mut all = Vec::with_capacity(servers.len());
    for server in servers {
        match bind_one(server) {
            Ok(bound) => all.push(bound),
            Err(e) => {
                discard(all);
                return Err(e);
            }
        }
    }
    Ok(all)
}

/// Closes servers that shall not be served after all, and removes their socket files. Merely
/// dropping them leaves the files, as the parent that exits while daemonizing must.
pub fn discard(servers: Vec<Bound>) {
    for bound in servers {
        if let Some(file) = &bound.file {
            file.unlink();
        }
    }
}

pub(super) fn bind_one(server: &Server) -> Result<Bound, StartError> {
    open(server).map_err(|e| match e {
        // a missing folder has the bare text of the reference
        StartError::System(errno) if errno != Errno::ENOENT => {
            let place = match &server.address {
                Address::Inet { host, port } => format!("{host}:{port}"),
                Address::Unix { path, .. } => path.display().to_string(),
            };
            StartError::Place { errno, place, section: server.section.clone() }
        }
        e => e,
    })
}

fn open(server: &Server) -> Result<Bound, StartError> {
    let (listener, file) = match &server.address {
        Address::Inet { host, port } => (bind_inet(host, *port, &server.section)?, None),
        Address::Unix { path, mode, owner } => {
            let (listener, file) = bind_unix(path, *mode, *owner, &server.section)?;
            (listener, Some(file))
        }
    };
    Ok(Bound { server: server.clone(), listener, file })
}

/// An empty host means all IPv4 interfaces, as in the reference; a name is listened on at its first
/// IPv4 address, or its first address where it has no other.
fn bind_inet(host: &str, port: u16, section: &str) -> Result<Listener, StartError> {
    let resolve = |reason: String| StartError::Resolve {
        host: host.to_owned(),
        section: section.to_owned(),
        reason,
    };
    let name = if host.is_empty() { "0.0.0.0" } else { host.trim_matches(['[', ']']) };
    let found: Vec<SocketAddr> =
        (name, port).to_socket_addrs().map_err(|e| resolve(e.to_string()))?.collect();
    let address = found.iter().find(|a| a.is_ipv4()).or(found.first());
    let address = address.ok_or_else(|| resolve("not found".into()))?;
    // std sets SO_REUSEADDR and close-on-exec
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    // std's own backlog is short; listening again only changes it
    listen_fd(&listener, backlog())?;
    Ok(Listener::Tcp(listener))
}

fn bind_unix(
    path: &Path,
    mode: u32,
    owner: Option<(u32, u32)>,
    section: &str,
) -> Result<(Listener, SocketFile), StartError> {
    let address = UnixAddr::new(path).map_err(|_| StartError::PathTooLong)?;
    // a name that is taken can become free and be taken again in between, but not for ever
    for _ in 0..20 {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        // the file is born with this mode, less the umask: never wider than asked for
        fchmod(&fd, Mode::from_bits_truncate(mode))?;
        match bind_fd(fd.as_raw_fd(), &address) {
            Err(Errno::EADDRINUSE) => clear_stale(path, section)?,
            Err(e) => return Err(e.into()),
            Ok(()) => {
                let (handle, file) = identify(path, section)?;
                let made = settle(&handle, &file, mode, owner, section)
                    // nobody can connect before this
                    .and_then(|()| Ok(listen_fd(&fd, backlog())?));
                if let Err(e) = made {
                    file.unlink();
                    return Err(e);
                }
                return Ok((Listener::Unix(UnixListener::from(fd)), file));
            }
        }
    }
    Err(StartError::InUse)
}

/// A handle on the new socket file. What follows goes by it and not by the name, so that nobody who
/// may write to the folder can put another file in its place.
fn identify(path: &Path, section: &str) -> Result<(File, SocketFile), StartError> {
    let flags = libc::O_PATH | libc::O_NOFOLLOW;
    let handle = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let meta = handle.metadata()?;
    if !meta.file_type().is_socket() {
        return Err(StartError::NotASocket { path: path.to_owned(), section: section.to_owned() });
    }
    Ok((handle, SocketFile { path: path.to_owned(), id: (meta.dev(), meta.ino()) }))
}

/// Gives the new socket file its owner and its exact mode. Before, it had that mode less the umask,
/// and the owner is changed first: it is never more open than configured.
fn settle(
    handle: &File,
    file: &SocketFile,
    mode: u32,
    owner: Option<(u32, u32)>,
    section: &str,
) -> Result<(), StartError> {
    if let Some((uid, gid)) = owner {
        let (user, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        fchownat(handle, "", user, group, AtFlags::AT_EMPTY_PATH).map_err(|e| {
            let (path, section) = (file.path.clone(), section.to_owned());
            StartError::Owner { path, section, uid, gid, reason: e.desc().to_owned() }
        })?;
    }
    let permissions = Permissions::from_mode(mode & 0o7777);
    let by_handle = format!("/proc/self/fd/{}", handle.as_raw_fd());
    std::fs::set_permissions(by_handle, permissions.clone())
        // where /proc is not mounted
        .or_else(|e| match file.look() {
            AtName::Ours => std::fs::set_permissions(&file.path, permissions),
            AtName::Nothing | AtName::Other => Err(e),
        })?;
    Ok(())
}

fn backlog() -> Backlog {
    Backlog::new(BACKLOG).unwrap_or(Backlog::MAXCONN)
}

/// Removes a socket file that nobody listens on any more.
fn clear_stale(path: &Path, section: &str) -> Result<(), StartError> {
    let meta = match std::fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e.into()),
    };
    if !meta.file_type().is_socket() {
        return Err(StartError::NotASocket { path: path.to_owned(), section: section.to_owned() });
    }
    // a file that has just been made may belong to someone who is about to listen
    let young = clock::wall().0 - meta.ctime() < 2;
    for round in 0..if young { 5 } else { 1 } {
        if round > 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
        match probe(path) {
            Errno::ECONNREFUSED => {}
            Errno::ENOENT => return Ok(()),
            // it answers, has no room, is not ours to ask or of another kind: somebody's
            _ => return Err(StartError::InUse),
        }
    }
    let mut line = b"Unlinking stale socket ".to_vec();
    line.extend_from_slice(path.as_os_str().as_bytes());
    line.push(b'\n');
    // as in the reference; without a stderr there is nobody to tell
    let _ = io::stderr().write_all(&line);
    (SocketFile { path: path.to_owned(), id: (meta.dev(), meta.ino()) }).unlink();
    Ok(())
}

/// Connects without waiting: a server that is stopped or swamped is alive all the same.
fn probe(path: &Path) -> Errno {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let tried = UnixAddr::new(path).and_then(|address| {
        let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        connect(fd.as_raw_fd(), &address)
    });
    tried.err().unwrap_or(Errno::UnknownErrno)
}
