//! A stand-in for the daemon, and requests, for the tests of the pages.

use std::sync::{Arc, Mutex};

use super::{Control, PageRequest, Via};
use crate::coordinator::published::{ProcView, Published};
use crate::machine::State;
use crate::rpc::testing as bench;
use crate::rpc::value::{Fault, Value};

type Answer = Box<dyn Fn(&str) -> Result<Value, Fault>>;

/// Notes what it is asked and answers as told.
pub(super) struct Fake {
    published: Arc<Published>,
    answer: Answer,
    pub calls: Mutex<Vec<String>>,
}

impl Fake {
    /// With these groups and their processes; every call succeeds.
    pub fn new(groups: &[(&str, &[&str])]) -> Fake {
        Fake::answering(groups, |_| Ok(true.into()))
    }

    pub fn answering(
        groups: &[(&str, &[&str])],
        answer: impl Fn(&str) -> Result<Value, Fault> + 'static,
    ) -> Fake {
        let group = |(name, members): &(&str, &[&str])| {
            bench::group(name, members.iter().map(|m| Arc::new(bench::program(m))).collect())
        };
        let published = bench::published(groups.iter().map(group).collect());
        Fake { published, answer: Box::new(answer), calls: Mutex::default() }
    }

    /// Sets the state of the process of a group of the same name.
    pub fn set(&self, name: &str, view: ProcView) {
        let structure = self.published.structure();
        structure.group(name).unwrap().process(name).unwrap().publish(view);
    }

    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

impl Control for Fake {
    fn call(&self, method: &str, params: &[Value]) -> Result<Value, Fault> {
        let shown = params.iter().map(|p| match p {
            Value::Str(s) => s.clone(),
            other => format!("{other:?}"),
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        self.calls.lock().unwrap().push(format!("{method}({shown})"));
        (self.answer)(method)
    }
    fn published(&self) -> &Published {
        &self.published
    }
}

/// A GET by the Unix socket.
pub(super) fn get<'a>(path: &'a str, query: &'a str) -> PageRequest<'a> {
    PageRequest {
        method: "GET",
        path,
        query,
        body: b"",
        host: Some("localhost"),
        origin: None,
        referer: None,
        via: Via::Unix,
    }
}

/// A TCP server on all interfaces.
pub(super) fn tcp(has_password: bool, get_actions: bool) -> Via<'static> {
    Via::Tcp { bound: "", has_password, get_actions, allowed_hosts: &[] }
}

pub(super) fn in_state(state: State) -> ProcView {
    ProcView { state, ..ProcView::new() }
}
