//! The coordinator's inbox: a channel whose reader sleeps by parking its thread.
//!
//! The channel's own `recv` spins and yields up to eight times before it sleeps, some 20 us of a
//! processor. The coordinator hears of something a few times per start or exit and has nothing to do in
//! between, so that was a fifth of its time when a thousand programs start, taken from those that it
//! waits for.

use std::thread::{self, Thread};

use crossbeam_channel::{Receiver, SendError, Sender, TryRecvError, unbounded};

use super::inbox::Msg;
use crate::sys::clock::Mono;

/// A way to the coordinator. Sending never blocks.
#[derive(Debug, Clone)]
pub struct Mailbox {
    sender: Sender<Msg>,
    reader: Thread,
}

/// A mailbox that the calling thread reads.
pub fn mailbox() -> (Mailbox, Receiver<Msg>) {
    let (sender, receiver) = unbounded();
    (Mailbox { sender, reader: thread::current() }, receiver)
}

impl Mailbox {
    /// Adds a message that can wait for the next one to wake the reader.
    ///
    /// # Errors
    /// The reader is gone.
    pub fn send_along(&self, msg: Msg) -> Result<(), SendError<Msg>> {
        self.sender.send(msg)
    }

    /// Adds a message and wakes the reader.
    ///
    /// # Errors
    /// The reader is gone.
    pub fn send(&self, msg: Msg) -> Result<(), SendError<Msg>> {
        self.sender.send(msg)?;
        // Nothing but a flag while it is awake.
        self.reader.unpark();
        Ok(())
    }
}

/// Blocks until there is a message, or nothing until `deadline`. Only for the thread that has called
/// [`mailbox`]: it alone is woken.
pub(super) fn wait(
    inbox: &Receiver<Msg>,
    deadline: Option<Mono>,
    now: impl Fn() -> Mono,
) -> Option<Msg> {
    loop {
        match inbox.try_recv() {
            Ok(msg) => return Some(msg),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => {}
        }
        match deadline {
            None => thread::park(),
            Some(at) => {
                let left = at.since(now());
                if left.is_zero() {
                    return None;
                }
                thread::park_timeout(left);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_message_wakes_the_reader_and_a_deadline_ends_the_wait() {
        let (mailbox, inbox) = mailbox();
        assert!(
            wait(&inbox, Some(Mono::now().after(Duration::from_millis(1))), Mono::now).is_none()
        );
        let sender = thread::spawn(move || mailbox.send(Msg::Signal(15)).unwrap());
        assert!(matches!(wait(&inbox, None, Mono::now), Some(Msg::Signal(15))));
        sender.join().unwrap();
        // Whatever wakes it without a message is no reason to come back.
        thread::current().unpark();
        assert!(
            wait(&inbox, Some(Mono::now().after(Duration::from_millis(1))), Mono::now).is_none()
        );
    }
}
