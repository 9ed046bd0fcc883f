//! The accept thread of one listener. Owns the listener and its socket file; never ends before the
//! server does.

use std::convert::Infallible;
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use nix::poll::{PollFd, PollFlags};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::socket::{setsockopt, sockopt};

use super::conn::Context;
use super::crowd::Whose;
use super::listen::{AtName, Bound, Listener, bind_one};
use super::request::{Peer, Version};
use super::reserve::{Threads, Visit};
use super::response::{Persistence, Response};
use super::socket::{Socket, wait};
use crate::config::model::Level;
use crate::sys::clock::{self, Mono};

/// Pause after an error that only time can mend: no descriptors, no memory.
const PAUSE: Duration = Duration::from_millis(200);
/// Errors of accept(2) that are no trouble.
const PASSING: [i32; 4] = [libc::EAGAIN, libc::EINTR, libc::ECONNABORTED, libc::EPROTO];
/// Such errors are logged no more often than this.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// Pause before a socket file that has been removed comes back, lest two that remove each other's
/// keep the machine busy.
const COMEBACK: Duration = Duration::from_secs(1);
/// Longest pause between tries to make it again.
const COMEBACK_MOST: Duration = Duration::from_secs(60);

/// What the accept thread owns.
pub(super) struct Door {
    /// Nobody is let in before its senders are gone.
    opening: Option<Receiver<Infallible>>,
    bound: Bound,
    ctx: Arc<Context>,
    threads: Threads,
    /// Tells of changes in the socket file's folder.
    watch: Option<Inotify>,
    /// When trouble with accepting was logged last.
    trouble: Option<Mono>,
    /// When it was logged last that connections have no threads of their own.
    haste: Option<Mono>,
    /// It was logged that another file has the socket's name.
    displaced: bool,
    /// The socket file could not be made again: when that is tried next, and the pause after that.
    retry: Option<(Mono, Duration)>,
}

impl Door {
    pub fn new(
        opening: Option<Receiver<Infallible>>,
        bound: Bound,
        ctx: Arc<Context>,
        threads: Threads,
    ) -> Door {
        let watch = bound.file.as_ref().and_then(|f| watch_folder(&f.path));
        let (trouble, haste) = (None, None);
        Door { opening, bound, ctx, threads, watch, trouble, haste, displaced: false, retry: None }
    }

    /// The section of the configuration that it serves.
    pub fn section(&self) -> &str {
        &self.bound.server.section
    }

    /// Accepts until the server stops; gives back what it listened on.
    pub fn run(mut self) -> Bound {
        if let Some(opening) = self.opening.take() {
            // never a message, only the end
            let _ = opening.recv();
        }
        loop {
            let (stop, visitor, file) = self.look();
            if stop {
                break;
            }
            if file {
                self.tend_file();
            }
            if visitor {
                self.accept();
            }
        }
        self.bound
    }

    fn look(&self) -> (bool, bool, bool) {
        let input = PollFlags::POLLIN;
        let mut fds = vec![
            PollFd::new(self.ctx.stop.as_fd(), input),
            PollFd::new(self.bound.listener.as_fd(), input),
        ];
        fds.extend(self.watch.as_ref().map(|w| PollFd::new(w.as_fd(), input)));
        let retry = self.retry.map(|(at, _)| at);
        let ready = wait(&mut fds, retry);
        let due = retry.is_some_and(|at| Mono::now() >= at);
        (ready.contains(&0), ready.contains(&1), ready.contains(&2) || due)
    }

    /// Sleeps, but not through the server's end.
    fn pause(&self, time: Duration) {
        let mut fds = [PollFd::new(self.ctx.stop.as_fd(), PollFlags::POLLIN)];
        wait(&mut fds, Some(Mono::now().after(time)));
    }

    fn accept(&mut self) {
        let accepted = match &self.bound.listener {
            Listener::Tcp(l) => l.accept().and_then(|(s, a)| Ok((prepare(s)?, Peer::Inet(a)))),
            Listener::Unix(l) => l.accept().and_then(|(s, _)| {
                s.set_nonblocking(true)?;
                Ok((OwnedFd::from(s), Peer::Unix))
            }),
        };
        match accepted {
            Ok((fd, peer)) => {
                self.admit(Socket::new(fd), peer);
            }
            // taken by nobody, or given up by the client before we came: try the next
            Err(e) if e.raw_os_error().is_some_and(|n| PASSING.contains(&n)) => {}
            Err(e) => self.endure(&e),
        }
    }

    /// There is no descriptor or memory for a client, or no thread (EAGAIN) and no room with the reserve.
    fn endure(&mut self, e: &std::io::Error) {
        if is_news(&mut self.trouble) {
            let name = self.section();
            let text = format!("cannot accept all connections of [{name}], trying on: {e}");
            self.ctx.backend.log(Level::Warn, &text);
        }
        // idle clients can come back, those that wait cannot get in
        self.ctx.crowd.evict();
        self.pause(PAUSE);
    }

    fn admit(&mut self, socket: Socket, peer: Peer) {
        let (whose, most) = (Whose::of(&socket, peer), self.ctx.limits.connections);
        let ticket = match self.ctx.crowd.enter(socket, whose, most) {
            Ok(ticket) => ticket,
            Err(socket) => return turn_away(&socket),
        };
        let visit = Arc::new(Visit::new(Arc::clone(&self.ctx), ticket, peer));
        let Err(e) = self.threads.own(&visit) else { return };
        let socket = Arc::clone(visit.socket());
        match self.threads.reserve(visit) {
            true => self.tell_of_haste(&e),
            false => {
                turn_away(&socket);
                self.endure(&e);
            }
        }
    }

    /// Connections go to the reserve. Nobody is cut for them: whoever takes all threads would take that
    /// one, too.
    fn tell_of_haste(&mut self, e: &std::io::Error) {
        if is_news(&mut self.haste) {
            let name = self.section();
            let text = format!(
                "there is no thread for each connection of [{name}], they are served one after the \
                 other, and logs and events cannot be followed: {e}"
            );
            self.ctx.backend.log(Level::Warn, &text);
        }
    }

    /// Someone changed the folder. A file that a cleaner of temporary files took comes back; one
    /// that another server has put there is left alone.
    fn tend_file(&mut self) {
        if let Some(watch) = &self.watch {
            while watch.read_events().is_ok_and(|events| !events.is_empty()) {}
        }
        let Some(file) = &self.bound.file else { return };
        let path = file.path.display().to_string();
        match file.look() {
            AtName::Ours => (self.displaced, self.retry) = (false, None),
            AtName::Other if self.displaced => self.retry = None,
            AtName::Other => {
                (self.displaced, self.retry) = (true, None);
                let text = format!("socket file {path} has been replaced by another");
                self.ctx.backend.log(Level::Warn, &text);
            }
            AtName::Nothing => {
                self.pause(COMEBACK);
                self.come_back(&path);
            }
        }
    }

    fn come_back(&mut self, path: &str) {
        // the folder may be another by now; watched before the file is there, or its removal might
        // go unseen
        self.watch = self.bound.file.as_ref().and_then(|f| watch_folder(&f.path));
        match bind_one(&self.bound.server) {
            Ok(bound) => {
                self.bound = bound;
                self.retry = None;
                self.ctx
                    .backend
                    .log(Level::Warn, &format!("socket file {path} was removed and is back"));
            }
            // no folder, no descriptor: no event would tell when that is over
            Err(e) => {
                let pause = self.retry.map_or(COMEBACK, |(_, pause)| pause);
                if self.retry.is_none() {
                    let text = format!(
                        "socket file {path} was removed and cannot be made again, trying on: {e}"
                    );
                    self.ctx.backend.log(Level::Error, &text);
                }
                let longer = (pause * 2).min(COMEBACK_MOST);
                self.retry = Some((Mono::now().after(pause), longer));
            }
        }
    }
}

/// Whether something is to be logged that was logged last at `told`.
fn is_news(told: &mut Option<Mono>) -> bool {
    let now = Mono::now();
    let news = told.is_none_or(|told| now.since(told) >= TELL_AGAIN);
    if news {
        *told = Some(now);
    }
    news
}

fn prepare(stream: TcpStream) -> std::io::Result<OwnedFd> {
    stream.set_nonblocking(true)?;
    // neither is worth losing a client for
    let _ = stream.set_nodelay(true);
    let _ = setsockopt(&stream, sockopt::KeepAlive, &true);
    Ok(OwnedFd::from(stream))
}

/// Tells a client that there is no room for it, without waiting for anything.
fn turn_away(socket: &Socket) {
    let answer = Response::error(503);
    let mut bytes = answer.head(Version::Http11, Persistence::AnnouncedClose, clock::wall().0);
    bytes.extend_from_slice(&answer.body);
    // a fresh socket has room for so little
    if socket.send_all(&bytes, Duration::ZERO).is_ok() {
        socket.end();
        // unread bytes would make the kernel reset the connection and drop the answer
        let _ = socket.recv(&mut [0; 4096]);
    }
}

fn watch_folder(path: &Path) -> Option<Inotify> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok()?;
    let gone = AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVED_FROM | AddWatchFlags::IN_MOVED_TO;
    inotify.add_watch(folder, gone).ok()?;
    Some(inotify)
}
