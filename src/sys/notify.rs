//! The service manager's side (systemd, or whoever speaks its protocol): telling it how we are,
//! feeding its watchdog, and the listening sockets that it opened for us. See sd_notify(3),
//! sd_watchdog_enabled(3), sd_listen_fds(3).
//!
//! The environment and the descriptors are looked at on the main thread at boot; telling is the
//! coordinator's. Owns the socket that messages leave by, and the descriptors handed over.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt};

/// Variables that are between the manager and us. Programs do not inherit them: with the first, any
/// of them could say that supervisord is ready, or end it; the others name descriptors and times that
/// are not theirs. A program that shall have one gets it by `environment=`.
const PRIVATE: [&str; 6] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
];

/// First descriptor that is handed over, SD_LISTEN_FDS_START.
const FIRST: RawFd = 3;
/// More than this is a mistake in the variable.
const MOST: RawFd = 1024;

/// Whether a variable is between the manager and us.
pub fn is_private(name: &[u8]) -> bool {
    PRIVATE.iter().any(|p| p.as_bytes() == name)
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It is on its way, or nobody wants it.
    Done,
    /// There was no room: to be tried again.
    Later,
}

/// The way to the service manager. Without one, all is silently left undone.
#[derive(Debug, Clone, Default)]
pub struct Manager {
    way: Option<(Arc<UnixDatagram>, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// As the environment says.
    pub fn from_env() -> Manager {
        let var = |name: &str| std::env::var_os(name);
        let way = var("NOTIFY_SOCKET").and_then(|name| way_to(&name).ok().flatten());
        let number = |name: &str| var(name).and_then(|v| v.to_str()?.parse::<u64>().ok());
        let ours = var("WATCHDOG_PID").is_none()
            || number("WATCHDOG_PID") == Some(u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|n| *n > 0 && ours && way.is_some());
        Manager { way, watchdog: watchdog.map(Duration::from_micros) }
    }

    /// Tells the manager something, such as `READY=1`. Cannot block.
    pub fn tell(&self, text: &str) -> Told {
        let Some((socket, to)) = &self.way else { return Told::Done };
        match socket.send_to_addr(text.as_bytes(), to) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Told::Later,
            // A manager that has gone away is no reason to stop working.
            _ => Told::Done,
        }
    }

    /// Whether there is anybody to tell.
    pub fn listens(&self) -> bool {
        self.way.is_some()
    }

    /// How often the manager wants to hear from us at the least, WATCHDOG_USEC.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }
}

fn way_to(name: &OsStr) -> io::Result<Option<(Arc<UnixDatagram>, SocketAddr)>> {
    let to = match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest)?,
        [b'/', ..] => SocketAddr::from_pathname(name)?,
        // Other kinds of addresses are for virtual machines.
        _ => return Ok(None),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok(Some((Arc::new(socket), to)))
}

/// A listening socket that was opened for us.
#[derive(Debug)]
pub struct Given {
    /// `FileDescriptorName=`; empty without one.
    pub name: String,
    /// The socket. Closes on exec.
    pub fd: OwnedFd,
}

/// The listening sockets that were handed over to this process. What is none, such as a descriptor
/// that is not open, is passed over. Must be called once only: it takes them over.
pub fn given_sockets() -> Vec<Given> {
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    if var("LISTEN_PID").parse() != Ok(std::process::id()) {
        return Vec::new();
    }
    let count: RawFd = var("LISTEN_FDS").parse().unwrap_or(0);
    let names = var("LISTEN_FDNAMES");
    let mut names = names.split(':');
    let mut found = Vec::new();
    for fd in FIRST..FIRST + count.clamp(0, MOST) {
        let name = names.next().unwrap_or_default().to_owned();
        // SAFETY: F_SETFD takes no pointers; tells whether the descriptor is open.
        if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } != 0 {
            continue;
        }
        // SAFETY: it is open, was handed over for us to own, and nobody else here knows of it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        if getsockopt(&fd, sockopt::AcceptConn) == Ok(true) {
            found.push(Given { name, fd });
        } else {
            // Not ours to close: it may be anything.
            let _ = std::os::fd::IntoRawFd::into_raw_fd(fd);
        }
    }
    found
}

impl Given {
    /// Its number and name, for messages.
    pub fn shown(&self) -> String {
        match self.name.as_str() {
            "" => format!("{}", self.fd.as_raw_fd()),
            name => format!("{} ({name})", self.fd.as_raw_fd()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::alone;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    #[test]
    fn what_is_between_the_manager_and_us_is_private() {
        assert!(is_private(b"NOTIFY_SOCKET") && is_private(b"LISTEN_FDS"));
        assert!(!is_private(b"INVOCATION_ID") && !is_private(b"NOTIFY_SOCKET2"));
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        let none = Manager::default();
        assert_eq!(none.tell("READY=1"), Told::Done);
        assert!(!none.listens() && none.watchdog().is_none());
    }

    #[test]
    fn messages_arrive_by_path_and_by_abstract_name_and_a_full_queue_is_told() {
        let path = alone::fresh_file("notify");
        let abstract_name = format!("notify-{}", path.file_name().unwrap().to_str().unwrap());
        let by_name = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        let ends = [
            (UnixDatagram::bind(&path).unwrap(), path.clone().into_os_string()),
            (UnixDatagram::bind_addr(&by_name).unwrap(), format!("@{abstract_name}").into()),
        ];
        for (end, name) in ends {
            let manager = Manager { way: way_to(&name).unwrap(), watchdog: None };
            assert!(manager.listens());
            assert_eq!(manager.tell("READY=1\nSTATUS=x"), Told::Done);
            let mut buf = [0; 64];
            let n = end.recv(&mut buf).unwrap();
            assert_eq!(&buf[..n], b"READY=1\nSTATUS=x");
            let full = (0..100_000).any(|_| manager.tell("WATCHDOG=1") == Told::Later);
            assert!(full, "the queue never filled");
            drop(end);
            assert_eq!(manager.tell("x"), Told::Done);
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn other_kinds_of_addresses_are_left_alone() {
        assert!(way_to(OsStr::new("vsock:2:1")).unwrap().is_none());
        assert!(way_to(OsStr::new("")).unwrap().is_none());
    }

    /// In a process of its own: one socket and one other file as descriptors 3 and 4.
    #[test]
    fn sockets_that_were_handed_over_are_found_by_name() {
        const NAME: &str = "sys::notify::tests::sockets_that_were_handed_over_are_found_by_name";
        if alone::file().is_some() {
            let given = given_sockets();
            assert_eq!(given.len(), 1, "{given:?}");
            assert_eq!((given[0].name.as_str(), given[0].fd.as_raw_fd()), ("control", 4));
            assert_eq!(given[0].shown(), "4 (control)");
            assert_eq!(Manager::from_env().watchdog(), None, "nobody to tell");
            return;
        }
        let path = alone::fresh_file("given");
        let listener = UnixListener::bind(&path).unwrap();
        // The shell's own pid is the test's after its exec.
        let script = format!(
            "exec 3</dev/null 4<&{fd}; LISTEN_PID=$$ LISTEN_FDS=3 LISTEN_FDNAMES=x:control \
             WATCHDOG_USEC=5 exec \"$0\" --exact {NAME} --test-threads=1",
            fd = 9
        );
        let mut command = Command::new("/bin/bash");
        command.arg("-c").arg(script).arg(std::env::current_exe().unwrap());
        command.env("SUPERVISORD_TEST_ALONE", &path);
        let fd = listener.as_raw_fd();
        // SAFETY: dup2 is async-signal-safe and touches no memory.
        unsafe {
            std::os::unix::process::CommandExt::pre_exec(&mut command, move || {
                libc::dup2(fd, 9);
                Ok(())
            });
        }
        let out = command.output().unwrap();
        std::fs::remove_file(path).unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    }
}
