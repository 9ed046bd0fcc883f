//! The running server: its threads, and how they end.

use std::convert::Infallible;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use crossbeam_channel::Receiver;

use super::accept::Door;
use super::auth::Credentials;
use super::conn::Context;
use super::crowd::Crowd;
use super::guard::Guard;
use super::listen::{Bound, StartError, bind, discard};
use super::{Backend, Limits};
use crate::config::model::{self, Level};
use crate::sys::fds::EventFd;

/// All listeners of the daemon, being served.
pub struct Server {
    stop: Arc<EventFd>,
    threads: Vec<JoinHandle<Bound>>,
    crowds: Vec<Arc<Crowd>>,
    limits: Limits,
}

/// Starts an accept thread for every listener. A thread that cannot be started is logged, and its
/// listener closed: the daemon goes on without it.
///
/// # Errors
/// No eventfd can be had.
pub fn serve(
    bound: Vec<Bound>,
    backend: Arc<dyn Backend>,
    limits: Limits,
) -> std::io::Result<Server> {
    serve_after(None, bound, backend, limits)
}

/// The same, but connections wait in the kernel's queue until all senders of `opening` are gone.
///
/// # Errors
/// As [`serve`].
pub fn serve_after(
    opening: Option<Receiver<Infallible>>,
    bound: Vec<Bound>,
    backend: Arc<dyn Backend>,
    limits: Limits,
) -> std::io::Result<Server> {
    let stop = match EventFd::new() {
        Ok(stop) => Arc::new(stop),
        Err(e) => {
            discard(bound);
            return Err(e);
        }
    };
    let mut server = Server { stop, threads: Vec::new(), crowds: Vec::new(), limits };
    for one in bound {
        server.open(one, opening.clone(), &backend);
    }
    Ok(server)
}

impl Server {
    /// Binds and serves in one step, for when nothing lies between.
    ///
    /// # Errors
    /// As [`bind`].
    pub fn start(
        servers: &[model::Server],
        backend: Arc<dyn Backend>,
        limits: Limits,
    ) -> Result<Server, StartError> {
        Ok(serve(bind(servers)?, backend, limits)?)
    }

    /// Open connections of all listeners.
    #[cfg(test)]
    pub(super) fn connections(&self) -> usize {
        self.crowds.iter().map(|c| c.count()).sum()
    }

    /// Those of them that are idle.
    #[cfg(test)]
    pub(super) fn idle_connections(&self) -> usize {
        self.crowds.iter().map(|c| c.count_idle()).sum()
    }

    fn open(
        &mut self,
        bound: Bound,
        opening: Option<Receiver<Infallible>>,
        backend: &Arc<dyn Backend>,
    ) {
        let section = bound.server.section.clone();
        let credentials = Credentials::of(&bound.server);
        let crowd = Arc::new(Crowd::default());
        let ctx = Arc::new(Context {
            backend: Arc::clone(backend),
            limits: self.limits.clone(),
            stop: Arc::clone(&self.stop),
            guard: Guard::of(&bound.server),
            credentials,
            crowd: Arc::clone(&crowd),
            turn: Mutex::default(),
            refusal_told: AtomicBool::new(false),
        });
        let door = Door::new(opening, bound, ctx);
        match Builder::new().name("http-accept".into()).spawn(move || door.run()) {
            Ok(thread) => {
                self.threads.push(thread);
                self.crowds.push(crowd);
            }
            Err(e) => {
                backend.log(Level::Critical, &format!("cannot serve [{section}]: {e}"));
            }
        }
    }

    /// Ends the server: no more connections, idle ones and streams end, socket files go if they are
    /// ours still. Answers that are being made may be finished within [`Limits::drain`]; threads that
    /// take longer are left behind.
    pub fn shutdown(self) {
        discard(self.shutdown_but(&[]));
    }

    /// The same, but listeners of servers that are configured like one of `next` stay open and are
    /// given back: over a restart their clients wait in the kernel's queue in place of being refused.
    pub fn shutdown_but(self, next: &[model::Server]) -> Vec<Bound> {
        self.stop.notify();
        let mut kept = Vec::new();
        for thread in self.threads {
            // a panic there has been reported by its hook
            if let Ok(bound) = thread.join() {
                if next.contains(bound.server()) {
                    kept.push(bound);
                } else {
                    discard(vec![bound]);
                }
            }
        }
        let deadline = Instant::now() + self.limits.drain;
        for crowd in self.crowds {
            crowd.wait_empty(deadline);
        }
        kept
    }
}
