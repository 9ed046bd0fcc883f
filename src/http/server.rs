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
use super::reserve::{self, OwnThread, Threads, Visit, own_thread};
use super::{Backend, Limits};
use crate::config::model::{self, Level};
use crate::sys::fds::EventFd;

/// All listeners of the daemon, being served.
pub struct Server {
    stop: Arc<EventFd>,
    threads: Vec<JoinHandle<Bound>>,
    crowds: Vec<Arc<Crowd>>,
    /// Ends after the accept threads, which have its senders.
    reserve: Option<JoinHandle<()>>,
    limits: Limits,
}

/// Starts an accept thread for every listener, and the reserve for all. An accept thread that cannot be
/// started is logged, and its listener closed: the daemon goes on without it. Nor does it need the
/// reserve.
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
    serve_with(own_thread, opening, bound, backend, limits)
}

/// The same, with another way to threads for connections.
pub(super) fn serve_with(
    make: OwnThread,
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
    let (to_reserve, queue) = reserve::queue(&limits);
    let (threads, crowds) = (Vec::new(), Vec::new());
    let mut server = Server { stop, threads, crowds, reserve: None, limits };
    for one in bound {
        let ctx = server.context(&one, &backend);
        let threads = Threads::new(make, to_reserve.clone());
        server.open(&ctx, Door::new(opening.clone(), one, Arc::clone(&ctx), threads));
    }
    // last, since where there is one thread left it is better used for accepting
    server.keep_reserve(queue, backend.as_ref());
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

    fn context(&self, bound: &Bound, backend: &Arc<dyn Backend>) -> Arc<Context> {
        Arc::new(Context {
            backend: Arc::clone(backend),
            limits: self.limits.clone(),
            stop: Arc::clone(&self.stop),
            guard: Guard::of(&bound.server),
            credentials: Credentials::of(&bound.server),
            crowd: Arc::new(Crowd::default()),
            turn: Mutex::default(),
            refusal_told: AtomicBool::new(false),
        })
    }

    fn open(&mut self, ctx: &Arc<Context>, door: Door) {
        let section = door.section().to_owned();
        match Builder::new().name("http-accept".into()).spawn(move || door.run()) {
            Ok(thread) => {
                self.threads.push(thread);
                self.crowds.push(Arc::clone(&ctx.crowd));
            }
            Err(e) => {
                ctx.backend.log(Level::Critical, &format!("cannot serve [{section}]: {e}"));
            }
        }
    }

    fn keep_reserve(&mut self, queue: Receiver<Arc<Visit>>, backend: &dyn Backend) {
        // nobody to serve
        if self.threads.is_empty() {
            return;
        }
        match reserve::start(queue, &self.limits) {
            Ok(thread) => self.reserve = Some(thread),
            Err(e) => {
                let text = format!(
                    "there is no thread to be kept for clients that come when there is none: {e}"
                );
                backend.log(Level::Warn, &text);
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
        let mut empty = true;
        for crowd in self.crowds {
            empty &= crowd.wait_empty(deadline);
        }
        // with all served, and nobody there to send it more, it is at its end
        if let Some(reserve) = self.reserve
            && empty
        {
            let _ = reserve.join();
        }
        kept
    }
}
