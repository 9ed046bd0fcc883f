//! The queue of orders to one runner. Any thread may order, the runner's takes.
//!
//! A channel with blocks of thirty messages would cost over 1 KiB for each program, and there are
//! hardly ever more than two orders in it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::thread::Command;

/// Both ends.
#[derive(Debug, Clone, Default)]
pub(super) struct Orders(Arc<(Mutex<VecDeque<Command>>, Condvar)>);

impl Orders {
    /// Adds one.
    pub fn give(&self, command: Command) {
        // Nothing in here can panic with the queue half changed.
        let mut queue = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push_back(command);
        drop(queue);
        self.0.1.notify_one();
    }

    /// Takes the oldest if there is one.
    #[cfg(test)]
    pub fn try_take(&self) -> Option<Command> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Takes the oldest; blocks until there is one.
    pub fn take(&self) -> Command {
        let mut queue = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(command) = queue.pop_front() {
                return command;
            }
            queue = self.0.1.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::Watch;
    use std::os::fd::OwnedFd;

    #[test]
    fn orders_come_one_by_one_in_their_order_and_a_waiting_thread_gets_them() {
        let null = Arc::new(OwnedFd::from(std::fs::File::open("/dev/null").unwrap()));
        let orders = Orders::default();
        let taker = orders.clone();
        let taken = std::thread::spawn(move || [taker.take(), taker.take(), taker.take()]);
        for generation in [6, 7] {
            let pidfd = null.clone();
            orders.give(Command::Watch(Watch { generation, pidfd, pumped: false }));
        }
        orders.give(Command::Quit);
        let [Command::Watch(first), Command::Watch(second), Command::Quit] = taken.join().unwrap()
        else {
            panic!("in another order");
        };
        assert_eq!((first.generation, second.generation), (6, 7));
    }
}
