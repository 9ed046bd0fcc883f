//! Whose thread serves a connection: its own, or the reserve's while the system has no further
//! thread to give.
//!
//! Who would stop the program that eats all threads must get in, though it is those that he lacks. So
//! one thread is made when the server starts and sleeps until then. It serves the connections of all
//! listeners, one after the other and one request each. Owns nothing for longer than that.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::Limits;
use super::conn::{Conn, Context, Haste};
use super::crowd::Ticket;
use super::request::Peer;
use super::socket::Socket;
use crate::sys::clock::Mono;

/// A connection that has its seat.
pub(super) struct Visit {
    ctx: Arc<Context>,
    ticket: Ticket,
    peer: Peer,
    came: Mono,
}

impl Visit {
    pub fn new(ctx: Arc<Context>, ticket: Ticket, peer: Peer) -> Visit {
        Visit { ctx, ticket, peer, came: Mono::now() }
    }

    /// The connection.
    pub fn socket(&self) -> &Arc<Socket> {
        self.ticket.seat.socket()
    }

    fn conn(&self) -> Conn {
        let (ctx, socket) = (Arc::clone(&self.ctx), Arc::clone(self.socket()));
        Conn::new(ctx, socket, Arc::clone(&self.ticket.seat), self.peer)
    }

    /// While others wait. The time of those that have sent nothing runs while they wait, too: all of
    /// them together cost the next no more than one.
    fn serve_in_haste(&self) {
        let patience = self.ctx.limits.haste;
        let (first, whole) = (self.came.after(patience), Mono::now().after(patience));
        self.conn().in_haste(Haste { first, whole }).run();
    }
}

/// Has a connection served by a thread of its own. A value, so that tests can have a system without
/// threads.
pub(super) type OwnThread = fn(&Arc<Visit>) -> io::Result<()>;

/// The one that is no test's.
///
/// # Errors
/// The system has no thread to give.
pub(super) fn own_thread(visit: &Arc<Visit>) -> io::Result<()> {
    let visit = Arc::clone(visit);
    let builder = Builder::new().name("http".into()).stack_size(visit.ctx.limits.stack);
    builder.spawn(move || visit.conn().run()).map(drop)
}

/// Who serves the connections of a listener.
pub(super) struct Threads {
    make: OwnThread,
    /// To the reserve, which those get that can have none.
    reserve: Sender<Arc<Visit>>,
}

impl Threads {
    pub fn new(make: OwnThread, reserve: Sender<Arc<Visit>>) -> Threads {
        Threads { make, reserve }
    }

    /// Has a connection served by a thread of its own.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn own(&self, visit: &Arc<Visit>) -> io::Result<()> {
        (self.make)(visit)
    }

    /// Has it served by the reserve; false, and it is dropped, when too many wait for that. It is not
    /// the client who is waited for then, so he makes no room for others.
    pub fn reserve(&self, visit: Arc<Visit>) -> bool {
        visit.ticket.seat.busy();
        self.reserve.try_send(visit).is_ok()
    }
}

/// The way to the reserve, which holds few: who cannot be served soon shall know at once.
pub(super) fn queue(limits: &Limits) -> (Sender<Arc<Visit>>, Receiver<Arc<Visit>>) {
    bounded(limits.waiting)
}

/// Starts the reserve. It ends when all senders are gone and who waited has been served.
///
/// # Errors
/// The system has no thread to give. Then what is sent comes back to the sender.
pub(super) fn start(queue: Receiver<Arc<Visit>>, limits: &Limits) -> io::Result<JoinHandle<()>> {
    Builder::new().name("http-reserve".into()).stack_size(limits.stack).spawn(move || {
        for visit in queue {
            // reported by its hook; it shall cost the connection, as it would with its own thread
            let _ = catch_unwind(AssertUnwindSafe(|| visit.serve_in_haste()));
        }
    })
}
