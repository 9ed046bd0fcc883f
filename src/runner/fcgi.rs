//! The listening socket of a FastCGI group: made when its first process starts, shared by all as
//! their fd 0, closed when the last one is gone. Its file stays, as in the reference.

use std::fs::OpenOptions;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use nix::fcntl::AtFlags;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrIn6, UnixAddr, bind, listen,
    setsockopt, socket, sockopt,
};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, Uid, fchownat};

use crate::activity::Activity;
use crate::config::model::{FcgiAddress, FcgiSocket};

/// The socket of one group, open or not.
#[derive(Debug)]
pub struct SharedSocket {
    config: FcgiSocket,
    activity: Activity,
    open: Mutex<Weak<OpenSocket>>,
}

/// An open socket. Closed, and said so in the activity log, when the last holder drops it.
#[derive(Debug)]
pub struct OpenSocket {
    fd: OwnedFd,
    url: String,
    activity: Activity,
}

impl AsFd for OpenSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.activity.info(&format!("Closing socket {}", self.url));
    }
}

impl SharedSocket {
    /// Not open yet.
    pub fn new(config: FcgiSocket, activity: Activity) -> SharedSocket {
        SharedSocket { config, activity, open: Mutex::new(Weak::new()) }
    }

    /// The open socket; makes it when no process holds it.
    ///
    /// # Errors
    /// Those of socket(2), bind(2) and listen(2); and a file at the path that is no socket.
    pub fn get(&self) -> io::Result<Arc<OpenSocket>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(socket) = open.upgrade() {
            return Ok(socket);
        }
        let url = self.config.url.clone();
        self.activity.info(&format!("Creating socket {url}"));
        let fd = listen_on(&self.config)?;
        let socket = Arc::new(OpenSocket { fd, url, activity: self.activity.clone() });
        *open = Arc::downgrade(&socket);
        Ok(socket)
    }
}

/// Opens and closes the socket once, so that a mistake in it is seen when its group is added.
///
/// # Errors
/// A sentence for the user.
pub fn probe(config: &FcgiSocket, activity: &Activity) -> Result<(), String> {
    match SharedSocket::new(config.clone(), activity.clone()).get() {
        Ok(_) => Ok(()),
        Err(e) => Err(format!("Could not create FastCGI socket {}: {e}", config.url)),
    }
}

fn listen_on(config: &FcgiSocket) -> io::Result<OwnedFd> {
    let fd = match &config.address {
        FcgiAddress::Inet { host, port } => inet(host, *port)?,
        FcgiAddress::Unix { path, mode, owner } => unix(path, *mode, *owner)?,
    };
    let backlog = config.backlog.and_then(|n| Backlog::new(n).ok()).unwrap_or(Backlog::MAXCONN);
    listen(&fd, backlog)?;
    Ok(fd)
}

fn inet(host: &str, port: u16) -> io::Result<OwnedFd> {
    let mut last = io::Error::from_raw_os_error(libc::EADDRNOTAVAIL);
    for address in (host, port).to_socket_addrs()? {
        let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        setsockopt(&fd, sockopt::ReuseAddr, &true)?;
        let bound = match address {
            SocketAddr::V4(a) => bind(fd.as_raw_fd(), &SockaddrIn::from(a)),
            SocketAddr::V6(a) => bind(fd.as_raw_fd(), &SockaddrIn6::from(a)),
        };
        match bound {
            Ok(()) => return Ok(fd),
            Err(e) => last = e.into(),
        }
    }
    Err(last)
}

/// A Unix socket takes the place of an older one; anything else at its path is left alone.
fn unix(path: &Path, mode: u32, owner: Option<(u32, u32)>) -> io::Result<OwnedFd> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.file_type().is_socket() => std::fs::remove_file(path)?,
        Ok(_) => {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!("{} exists and is no socket", path.display()),
            ));
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // The file is born with this mode, less the umask.
    fchmod(&fd, Mode::from_bits_truncate(mode))?;
    bind(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    let dressed = dress(path, mode, owner);
    if dressed.is_err() {
        // Never leave a socket behind that is more open than configured.
        let _ = std::fs::remove_file(path);
    }
    dressed.map(|()| fd)
}

/// Owner and mode; nobody can connect before listen(2), which comes later. By handle, not by name: the
/// new owner may put a link in its place between the two.
fn dress(path: &Path, mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    let flags = libc::O_PATH | libc::O_NOFOLLOW;
    let handle = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !handle.metadata()?.file_type().is_socket() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    if let Some((uid, gid)) = owner {
        let (user, group) = (uid != u32::MAX, gid != u32::MAX);
        let (user, group) = (user.then(|| Uid::from_raw(uid)), group.then(|| Gid::from_raw(gid)));
        fchownat(&handle, "", user, group, AtFlags::AT_EMPTY_PATH)?;
    }
    let permissions = std::fs::Permissions::from_mode(mode & 0o7777);
    std::fs::set_permissions(format!("/proc/self/fd/{}", handle.as_raw_fd()), permissions)
}
