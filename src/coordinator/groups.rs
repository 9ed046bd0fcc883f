//! Groups that come and go, and what readers see of them.

use std::sync::Arc;

use super::Coordinator;
use super::inbox::ProcId;
use super::published::{AutoLogs, Mood};
use super::shutdown::Phase;
use super::table::{Living, Proc};
use super::timers::Timer;
use super::unwatched::Child;
use crate::config::diff;
use crate::config::model::{Config, Group, GroupKind};
use crate::events::{Event, EventType, PoolSpec};
use crate::machine::Input;
use crate::rpc::faults::{self, fault};
use crate::rpc::value::{Fault, Value};
use crate::runner::Command;

impl Coordinator {
    pub(super) fn autostart(&mut self) {
        for name in self.table.by_priority() {
            self.autostart_group(&name);
        }
    }

    /// Starts the members of a group that start by themselves, in the configuration's order.
    pub(super) fn autostart_group(&mut self, name: &str) {
        let Some(group) = self.table.group(name) else { return };
        for id in group.members.clone() {
            let wanted = self
                .table
                .get(id)
                .is_some_and(|p| p.slot.config.autostart && p.machine.started.is_none());
            if wanted && matches!(self.phase, Phase::Running) {
                self.step(id, Input::Start);
            }
        }
    }

    pub(super) fn publish_structure(&mut self) {
        self.published.set_structure(Arc::new(self.table.structure()));
        self.report_doing();
    }

    pub(super) fn dismiss_runners(&mut self) {
        for name in self.table.by_priority() {
            for p in self.table.remove(&name) {
                self.forget(p);
            }
        }
    }

    /// A process that has left the table.
    pub(super) fn forget(&mut self, p: Proc) {
        self.timers.clear(Timer::Process(p.slot.id));
        self.timers.clear(Timer::StopReport(p.slot.id));
        match (p.runner, p.child) {
            (Some(runner), Some(child)) => {
                runner.order(Command::Inherit(child.pid, child.pidfd));
            }
            (Some(runner), None) => runner.order(Command::Quit),
            (None, Some(Living { pid, pidfd })) => {
                let (id, generation) = (p.slot.id, p.generation);
                self.look_after(Child { id, generation, pid, pidfd, pumped: false });
            }
            (None, None) => {}
        }
    }

    pub(super) fn adopt(&mut self, config: Arc<Config>) -> Value {
        let active: Vec<Arc<Group>> = self.table.groups.iter().map(|g| g.config.clone()).collect();
        let (added, changed, removed) = diff::diff(&active, &config.groups);
        self.published.set_config(config);
        let list = |names: Vec<String>| {
            Value::Array(names.into_iter().map(Value::Str).collect::<Vec<_>>())
        };
        Value::Array(vec![Value::Array(vec![list(added), list(changed), list(removed)])])
    }

    pub(super) fn add_group_by_call(
        &mut self,
        group: Arc<Group>,
        logs: Vec<AutoLogs>,
    ) -> Result<Value, Fault> {
        let name = group.name.clone();
        if self.table.group(&name).is_some() {
            return Err(fault(faults::ALREADY_ADDED, Some(&name)));
        }
        self.insert_group(group, logs);
        // Before anyone is told, so that a listener that asks finds the group.
        self.publish_structure();
        self.announce_group(&name);
        self.autostart_group(&name);
        Ok(Value::Bool(true))
    }

    /// Adds a group before [`Coordinator::run`], which then shows them all to readers at once: with
    /// a publication for each the start with thousands would take time by their square.
    pub fn add_group(&mut self, group: Arc<Group>, logs: Vec<AutoLogs>) {
        let name = group.name.clone();
        self.insert_group(group, logs);
        self.announce_group(&name);
    }

    pub(super) fn announce_group(&mut self, name: &str) {
        self.notify(EventType::ProcessGroupAdded, || Event::group_added(name));
    }

    pub(super) fn insert_group(&mut self, group: Arc<Group>, logs: Vec<AutoLogs>) {
        let name = group.name.clone();
        let members =
            self.table.add(group.clone(), logs, &self.surroundings, &self.others_activity);
        if let GroupKind::Listeners(pool) = &group.kind {
            let named: Vec<(ProcId, String)> = members
                .iter()
                .filter_map(|id| self.table.get(*id))
                .map(|p| (p.slot.id, p.slot.config.name.clone()))
                .collect();
            self.bus.add_pool(&name, PoolSpec::from(pool), named);
            self.tick();
        }
    }

    pub(super) fn remove_group(&mut self, name: &str) -> Result<Value, Fault> {
        let Some(group) = self.table.group(name) else {
            return Err(fault(faults::BAD_NAME, Some(name)));
        };
        if self.table.unstopped(group).next().is_some() {
            return Err(fault(faults::STILL_RUNNING, Some(name)));
        }
        self.bus.remove_pool(name);
        self.tick();
        for p in self.table.remove(name) {
            self.forget(p);
        }
        self.publish_structure();
        self.notify(EventType::ProcessGroupRemoved, || Event::group_removed(name));
        Ok(Value::Bool(true))
    }

    /// Makes a mood known.
    pub(super) fn set_mood(&mut self, mood: Mood) {
        self.published.set_mood(mood);
    }

    /// Whether the daemon still takes calls that change something.
    pub fn is_running(&self) -> bool {
        self.published.mood() == Mood::Running
    }
}
