//! Listening sockets that the service manager opened for us (socket activation): which of them
//! serves which section. Runs on the main thread at boot.
//!
//! A socket belongs to a section when it carries its name, or listens at its address. It stays open
//! over restarts of ours, and its file, mode and owner are the manager's affair.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixListener;

use nix::sys::socket::{SockaddrStorage, getsockname};

use super::listen::{Bound, Listener, StartError, bind_one, discard};
use crate::config::model::{Address, Server};
use crate::sys::notify::Given;

/// As [`super::bind`], with sockets that are there already. Those that no server took are left in
/// `given` with the others; [`strangers`] tells which they are.
///
/// `kept` are listeners of the life before, see [`super::Server::shutdown_but`].
///
/// # Errors
/// The first server that cannot listen.
pub fn bind_given(
    servers: &[Server],
    given: &[Given],
    mut kept: Vec<Bound>,
) -> Result<Vec<Bound>, StartError> {
    let mut all = Vec::with_capacity(servers.len());
    for server in servers {
        if let Some(at) = kept.iter().position(|k| k.server() == server) {
            all.push(kept.swap_remove(at));
            continue;
        }
        let bound = match given.iter().find(|g| belongs(g, server)) {
            Some(socket) => take(server, socket).map_err(StartError::from),
            None => bind_one(server),
        };
        match bound {
            Ok(bound) => all.push(bound),
            Err(e) => {
                discard(all);
                discard(kept);
                return Err(e);
            }
        }
    }
    discard(kept);
    Ok(all)
}

/// Tries whether these servers could be opened beside those that listen `now`, and closes them again:
/// a restart that cannot listen must be refused while the programs still run. What the daemon holds
/// itself will be free by then; it is told by path and port.
///
/// # Errors
/// The section that could not listen, and why.
pub fn rehearse(
    next: &[Server],
    now: &[Server],
    given: &[Given],
) -> Result<(), (String, StartError)> {
    for server in next {
        let held = now.iter().any(|old| same_place(&old.address, &server.address));
        if held || given.iter().any(|g| belongs(g, server)) {
            continue;
        }
        let bound = bind_one(server).map_err(|e| (server.section.clone(), e))?;
        discard(vec![bound]);
    }
    Ok(())
}

fn same_place(a: &Address, b: &Address) -> bool {
    match (a, b) {
        (Address::Unix { path: a, .. }, Address::Unix { path: b, .. }) => a == b,
        // Whatever the host: one of them may be every interface.
        (Address::Inet { port: a, .. }, Address::Inet { port: b, .. }) => a == b,
        (Address::Unix { .. }, Address::Inet { .. })
        | (Address::Inet { .. }, Address::Unix { .. }) => false,
    }
}

/// Sockets that belong to none of these servers.
pub fn strangers<'a>(servers: &'a [Server], given: &'a [Given]) -> impl Iterator<Item = &'a Given> {
    given.iter().filter(|g| !servers.iter().any(|s| belongs(g, s)))
}

fn belongs(given: &Given, server: &Server) -> bool {
    let Ok(at) = getsockname::<SockaddrStorage>(given.fd.as_raw_fd()) else { return false };
    let by_name = given.name == server.section;
    match &server.address {
        Address::Unix { path, .. } => at
            .as_unix_addr()
            .is_some_and(|unix| by_name || unix.path().is_some_and(|p| p == path.as_path())),
        Address::Inet { host, port } => {
            let at: Option<SocketAddr> = at
                .as_sockaddr_in()
                .map(|v4| SocketAddr::V4((*v4).into()))
                .or_else(|| at.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into())));
            at.is_some_and(|at| by_name || (at.port() == *port && same_host(at, host)))
        }
    }
}

/// Whether a socket at `at` is what `host` asks for: every interface, or that address.
fn same_host(at: SocketAddr, host: &str) -> bool {
    if host.is_empty() {
        return at.ip().is_unspecified();
    }
    let host = host.trim_matches(['[', ']']);
    (host, 0).to_socket_addrs().is_ok_and(|mut found| found.any(|f| f.ip() == at.ip()))
}

fn take(server: &Server, given: &Given) -> io::Result<Bound> {
    // A copy: the next life of the daemon needs the socket again.
    let fd = given.fd.as_fd().try_clone_to_owned()?;
    let listener = match server.address {
        Address::Unix { .. } => {
            let listener = UnixListener::from(fd);
            listener.set_nonblocking(true)?;
            Listener::Unix(listener)
        }
        Address::Inet { .. } => {
            let listener = TcpListener::from(fd);
            listener.set_nonblocking(true)?;
            Listener::Tcp(listener)
        }
    };
    Ok(Bound { server: server.clone(), listener, file: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::WebAccess;
    use std::os::fd::OwnedFd;
    use std::path::Path;

    fn server(section: &str, address: Address) -> Server {
        let web = WebAccess::default();
        Server { section: section.into(), address, username: None, password: None, web }
    }
    fn unix(path: &Path) -> Server {
        let address = Address::Unix { path: path.into(), mode: 0o700, owner: None };
        server("unix_http_server", address)
    }
    fn inet(host: &str, port: u16) -> Server {
        server("inet_http_server", Address::Inet { host: host.into(), port })
    }
    #[test]
    fn a_rehearsal_finds_a_port_that_is_taken_unless_we_hold_it_and_leaves_nothing() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let (wanted, ours) = (inet("127.0.0.1", port), inet("", port));
        let refused = rehearse(std::slice::from_ref(&wanted), &[], &[]);
        assert_eq!(refused, Err(("inet_http_server".to_owned(), StartError::InUse)));
        assert_eq!(rehearse(&[wanted], &[ours], &[]), Ok(()));

        let path = std::env::temp_dir().join(format!("rehearsal-{}.sock", std::process::id()));
        assert_eq!(rehearse(&[unix(&path)], &[], &[]), Ok(()));
        assert!(!path.exists());
    }

    fn given(name: &str, fd: impl Into<OwnedFd>) -> Given {
        Given { name: name.into(), fd: fd.into() }
    }

    #[test]
    fn a_socket_is_matched_by_name_or_by_address_and_only_by_its_kind() {
        let path = crate::sys::alone::fresh_file("given-unix");
        let elsewhere = Path::new("/nonexistent/s.sock");
        let named = given("unix_http_server", UnixListener::bind(&path).unwrap());
        let nameless = Given { name: String::new(), fd: named.fd.try_clone().unwrap() };
        assert!(belongs(&named, &unix(elsewhere)));
        assert!(belongs(&nameless, &unix(&path)));
        assert!(!belongs(&nameless, &unix(elsewhere)));
        assert!(!belongs(&named, &inet("", 1)));
        std::fs::remove_file(path).unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let tcp = given("x", listener);
        assert!(belongs(&tcp, &inet("127.0.0.1", port)));
        assert!(!belongs(&tcp, &inet("", port)), "not on every interface");
        assert!(!belongs(&tcp, &inet("127.0.0.1", port.wrapping_add(1))));
        assert_eq!(strangers(&[inet("127.0.0.1", port)], &[tcp]).count(), 0);
    }

    #[test]
    fn a_socket_that_was_given_outlives_the_server_and_keeps_its_file() {
        let path = crate::sys::alone::fresh_file("given-life");
        let all = [given("unix_http_server", UnixListener::bind(&path).unwrap())];
        for _ in 0..2 {
            let bound = bind_given(&[unix(&path)], &all, Vec::new()).unwrap();
            assert!(bound[0].file.is_none());
            discard(bound);
            assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
        }
        assert_eq!(strangers(&[inet("", 1)], &all).count(), 1);
        std::fs::remove_file(path).unwrap();
    }
}
