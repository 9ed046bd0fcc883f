//! Whose turn it is to make a child.
//!
//! Children are made one at a time and in order. If the coordinator had to hear of each birth before
//! it ordered the next, two changes of threads would lie between any two. So it orders a few ahead:
//! their runners prepare everything, wait for their turn, and hand it on themselves.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Closed until somebody opens it, then open for ever.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// Lets all through that wait and will wait.
    pub fn open(&self) {
        // A bool cannot be half changed.
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Blocks until it is open.
    pub fn wait(&self) {
        let open = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _open =
            self.0.1.wait_while(open, |open| !*open).unwrap_or_else(PoisonError::into_inner);
    }
}

/// A place in the order of births. Opens the next one's gate when dropped.
#[derive(Debug)]
pub struct Turn {
    /// Opened by who comes before, or by the coordinator when that one takes too long. None: nobody
    /// comes before.
    pub before: Option<Gate>,
    /// For who comes next.
    pub after: Gate,
}

impl Turn {
    /// Whether those before have had their turns.
    #[cfg(test)]
    pub fn has_come(&self) -> bool {
        self.before.as_ref().is_none_or(|g| *g.0.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Blocks until those before have had their turns.
    pub fn wait(&self) {
        if let Some(gate) = &self.before {
            gate.wait();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.after.open();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_taken_in_order_however_the_threads_run() {
        let order = Mutex::new(Vec::new());
        let mut turns = Vec::new();
        let mut before = None;
        for number in 0..20 {
            let after = Gate::default();
            turns.push((number, Turn { before, after: after.clone() }));
            before = Some(after);
        }
        std::thread::scope(|scope| {
            for (number, turn) in turns.into_iter().rev() {
                let order = &order;
                scope.spawn(move || {
                    turn.wait();
                    order.lock().unwrap().push(number);
                });
            }
        });
        assert_eq!(order.into_inner().unwrap(), (0..20).collect::<Vec<_>>());
    }
}
