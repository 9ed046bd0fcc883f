//! Processes that come to an active group, or leave it, while it stays: what twiddler's calls do.
//!
//! The group's own settings stay as they are, so that `reloadConfig` tells of no change and `update`
//! leaves the group alone. When the group changes in the file, `update` makes it anew from there, and
//! what was added is gone with its old processes. A restart of the daemon forgets it too.

use std::sync::Arc;

use super::Coordinator;
use super::published::AutoLogs;
use crate::config::model::Program;
use crate::machine::Input;
use crate::rpc::faults::{self, fault};
use crate::rpc::value::{Fault, Value};

impl Coordinator {
    pub(super) fn add_programs(
        &mut self,
        group: &str,
        programs: Vec<Arc<Program>>,
        logs: Vec<AutoLogs>,
    ) -> Result<Value, Fault> {
        if self.table.group(group).is_none() {
            return Err(no_group(group));
        }
        if let Some(taken) = programs.iter().find(|p| self.table.member(group, &p.name).is_some()) {
            return Err(fault(faults::BAD_NAME, Some(&taken.name)));
        }
        let added = self.table.add_members(group, programs, logs, &self.surroundings);
        self.publish_structure();
        for id in added {
            if self.table.get(id).is_some_and(|p| p.slot.config.autostart) {
                self.step(id, Input::Start);
            }
        }
        Ok(Value::Bool(true))
    }

    pub(super) fn remove_process(&mut self, group: &str, process: &str) -> Result<Value, Fault> {
        if self.table.group(group).is_none() {
            return Err(no_group(group));
        }
        let Some(p) = self.table.member(group, process) else {
            return Err(fault(faults::BAD_NAME, Some(process)));
        };
        if p.machine.pid != 0 || !p.machine.state.is_stopped() {
            return Err(fault(faults::STILL_RUNNING, Some(process)));
        }
        let id = p.slot.id;
        self.bus.remove_listener(id);
        if let Some(p) = self.table.remove_member(id) {
            self.forget(p);
        }
        self.publish_structure();
        Ok(Value::Bool(true))
    }
}

/// As twiddler words it.
fn no_group(name: &str) -> Fault {
    fault(faults::BAD_NAME, Some(&format!("group: {name}")))
}
