//! Calls that are answered later: who waits for what, and how results become an answer.

use std::collections::HashMap;

use super::inbox::{Reply, Shape};
use crate::machine::State;
use crate::rpc::faults::{self, fault};
use crate::rpc::value::{Fault, Value};

/// Names an open call. Never used twice in the life of the process.
pub type CallId = u64;

/// What a call waits for at one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiter {
    /// The call.
    pub call: CallId,
    /// Name for faults.
    pub name: String,
    /// What it waits for.
    pub wish: Wish,
}

/// What a call waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// The child has been made (start without wait).
    Spawned,
    /// RUNNING (start with wait).
    Running,
    /// Any state that counts as stopped (stop with wait).
    Stopped,
}

impl Waiter {
    /// The result, if a process that came into `state` gives one. `failed` says that there is a
    /// spawnerr, which the reference asks first.
    pub fn result(&self, state: State, failed: bool) -> Option<Result<Value, Fault>> {
        match self.wish {
            Wish::Stopped => state.is_stopped().then_some(Ok(Value::Bool(true))),
            Wish::Running if state == State::Running => Some(Ok(Value::Bool(true))),
            Wish::Running | Wish::Spawned if state == State::Starting => None,
            Wish::Running | Wish::Spawned if failed => {
                Some(Err(fault(faults::SPAWN_ERROR, Some(&self.name))))
            }
            Wish::Running => Some(Err(fault(faults::ABNORMAL_TERMINATION, Some(&self.name)))),
            Wish::Spawned => Some(Ok(Value::Bool(true))),
        }
    }
}

/// One call with its results so far.
struct Open {
    reply: Reply,
    shape: Shape,
    missing: usize,
    results: Vec<Value>,
    single: Option<Result<Value, Fault>>,
}

/// All open calls.
pub struct Calls {
    open: HashMap<CallId, Open>,
    next: CallId,
}

/// An answer that is complete.
pub struct Answer {
    /// Where it goes.
    pub reply: Reply,
    /// What it is.
    pub result: Result<Value, Fault>,
}

impl Calls {
    /// None. Ids begin above `first`, so that what comes late for a call of an earlier life of the
    /// daemon (before a restart) is not taken for another's.
    pub fn new(first: CallId) -> Calls {
        Calls { open: HashMap::new(), next: first }
    }

    /// The id that will be given next.
    pub fn next_id(&self) -> CallId {
        self.next
    }

    /// Opens a call that expects `missing` results.
    pub fn open(&mut self, reply: Reply, shape: Shape, missing: usize) -> CallId {
        let id = self.next;
        self.next += 1;
        self.open.insert(id, Open { reply, shape, missing, results: Vec::new(), single: None });
        id
    }

    /// How many are open.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// Whether a call still waits for results.
    pub fn is_open(&self, id: CallId) -> bool {
        self.open.contains_key(&id)
    }

    /// Records a result for `(group, process)`.
    pub fn result(&mut self, id: CallId, who: (&str, &str), result: Result<Value, Fault>) {
        let Some(call) = self.open.get_mut(&id) else { return };
        call.missing = call.missing.saturating_sub(1);
        match call.shape {
            Shape::Single => call.single = Some(result),
            Shape::Many => call.results.push(status(who, &result)),
        }
    }

    /// Takes back one expected result: the process needs nothing done.
    pub fn skip(&mut self, id: CallId) {
        if let Some(call) = self.open.get_mut(&id) {
            call.missing = call.missing.saturating_sub(1);
        }
    }

    /// Closes the call when all its results are there.
    pub fn finished(&mut self, id: CallId) -> Option<Answer> {
        if self.open.get(&id)?.missing > 0 {
            return None;
        }
        let call = self.open.remove(&id)?;
        let result = match call.shape {
            Shape::Many => Ok(Value::Array(call.results)),
            Shape::Single => call.single.unwrap_or(Ok(Value::Bool(true))),
        };
        Some(Answer { reply: call.reply, result })
    }

    /// Closes all calls, whatever they still wait for.
    pub fn close_all(&mut self) -> Vec<Reply> {
        self.open.drain().map(|(_, call)| call.reply).collect()
    }
}

/// One entry of a list of results.
fn status((group, name): (&str, &str), result: &Result<Value, Fault>) -> Value {
    let (code, text) = match result {
        Ok(_) => (faults::SUCCESS.0, "OK"),
        Err(fault) => (fault.code, fault.text.as_str()),
    };
    Value::Struct(vec![
        ("name".into(), name.into()),
        ("group".into(), group.into()),
        ("status".into(), code.into()),
        ("description".into(), text.into()),
    ])
}
