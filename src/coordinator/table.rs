//! The process table and the groups: plain data, written by the coordinator alone.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::calls::Waiter;
use super::inbox::{Gen, ProcId};
use super::published::{AutoLogs, GroupView, ProcSlot, ProcView, Structure};
use crate::activity::Activity;
use crate::config::model::{Group, GroupKind, Program};
use crate::machine::Machine;
use crate::runner::fcgi::{OpenSocket, SharedSocket};
use crate::runner::plan::Surroundings;
use crate::runner::{Plan, Runner};

/// One process.
pub struct Proc {
    /// What readers see.
    pub slot: Arc<ProcSlot>,
    /// Its state.
    pub machine: Machine,
    /// Counts its starts.
    pub generation: Gen,
    /// How to start it.
    pub plan: Arc<Plan>,
    /// Its thread, made when it has a child for the first time.
    pub runner: Option<Runner>,
    /// Its child, until it is reaped.
    pub child: Option<Living>,
    /// The FastCGI socket that its child holds.
    pub socket: Option<Arc<OpenSocket>>,
    /// Signals asked for while its child is being made.
    pub signals: Vec<i32>,
    /// Calls that wait for it.
    pub waiters: Vec<Waiter>,
}

/// A child that has not been reaped.
#[derive(Debug)]
pub struct Living {
    /// Its pid, and the number of its process group.
    pub pid: i32,
    /// Its handle.
    pub pidfd: Arc<OwnedFd>,
}

/// One active group.
pub struct ActiveGroup {
    /// What it was made from.
    pub config: Arc<Group>,
    /// Members in the order of the configuration.
    pub members: Vec<ProcId>,
}

/// All processes and groups.
#[derive(Default)]
pub struct Table {
    /// In boxes: a map keeps up to twice as many places as are taken.
    procs: HashMap<ProcId, Box<Proc>>,
    /// Groups in the order in which they were added.
    pub groups: Vec<ActiveGroup>,
    next: u64,
}

impl Table {
    /// An empty table whose ids begin above `first`, so that ids of an earlier life of the daemon
    /// (before a restart) are not used again.
    pub fn new(first: u64) -> Table {
        Table { next: first, ..Table::default() }
    }

    /// The id that will be given next.
    pub fn next_id(&self) -> u64 {
        self.next
    }

    /// A process.
    pub fn get(&self, id: ProcId) -> Option<&Proc> {
        self.procs.get(&id).map(Box::as_ref)
    }

    /// A process.
    pub fn get_mut(&mut self, id: ProcId) -> Option<&mut Proc> {
        self.procs.get_mut(&id).map(Box::as_mut)
    }

    /// The group of that name.
    pub fn group(&self, name: &str) -> Option<&ActiveGroup> {
        self.groups.iter().find(|g| g.config.name == name)
    }

    /// Adds a group with its processes, all STOPPED. `logs` are the AUTO logs in member order.
    pub fn add(
        &mut self,
        config: Arc<Group>,
        logs: Vec<AutoLogs>,
        surroundings: &Arc<Surroundings>,
        activity: &Activity,
    ) -> Vec<ProcId> {
        let listener = matches!(config.kind, GroupKind::Listeners(_));
        let socket = match &config.kind {
            GroupKind::FastCgi(s) => Some(Arc::new(SharedSocket::new(s.clone(), activity.clone()))),
            GroupKind::Programs | GroupKind::Listeners(_) => None,
        };
        let mut logs = logs.into_iter();
        let mut members = Vec::with_capacity(config.programs.len());
        for program in &config.programs {
            let auto = logs.next().unwrap_or_default();
            members.push(self.insert(&config.name, program.clone(), auto, |slot| {
                Plan::new(slot, listener, socket.clone(), surroundings.clone())
            }));
        }
        self.groups.push(ActiveGroup { config, members: members.clone() });
        members
    }

    /// Adds plain programs to an active group, STOPPED. They are no part of what the group was made
    /// from, so a re-read of the configuration does not find the group changed by them.
    pub fn add_members(
        &mut self,
        group: &str,
        programs: Vec<Arc<Program>>,
        logs: Vec<AutoLogs>,
        surroundings: &Arc<Surroundings>,
    ) -> Vec<ProcId> {
        let mut logs = logs.into_iter();
        let mut added = Vec::with_capacity(programs.len());
        for program in programs {
            let auto = logs.next().unwrap_or_default();
            added.push(self.insert(group, program, auto, |slot| {
                Plan::new(slot, false, None, surroundings.clone())
            }));
        }
        if let Some(group) = self.groups.iter_mut().find(|g| g.config.name == group) {
            group.members.extend(&added);
        }
        added
    }

    fn insert(
        &mut self,
        group: &str,
        program: Arc<Program>,
        auto: AutoLogs,
        plan: impl FnOnce(&ProcSlot) -> Plan,
    ) -> ProcId {
        let id = ProcId(self.next);
        self.next += 1;
        let slot = Arc::new(ProcSlot::new(id, group.to_owned(), program, auto));
        let plan = Arc::new(plan(&slot));
        self.procs.insert(
            id,
            Box::new(Proc {
                slot,
                machine: Machine::default(),
                generation: 0,
                plan,
                runner: None,
                child: None,
                socket: None,
                signals: Vec::new(),
                waiters: Vec::new(),
            }),
        );
        id
    }

    /// The member of that name in the group of that name.
    pub fn member(&self, group: &str, process: &str) -> Option<&Proc> {
        let members = &self.group(group)?.members;
        members.iter().filter_map(|id| self.get(*id)).find(|p| p.slot.config.name == process)
    }

    /// Takes one process out of its group and gives it back.
    pub fn remove_member(&mut self, id: ProcId) -> Option<Proc> {
        for group in &mut self.groups {
            group.members.retain(|member| *member != id);
        }
        self.procs.remove(&id).map(|p| *p)
    }

    /// Takes a group out and gives its processes back.
    pub fn remove(&mut self, name: &str) -> Vec<Proc> {
        let Some(at) = self.groups.iter().position(|g| g.config.name == name) else {
            return Vec::new();
        };
        let group = self.groups.remove(at);
        group.members.iter().filter_map(|id| self.procs.remove(id)).map(|p| *p).collect()
    }

    /// Members of a group that do not count as stopped.
    pub fn unstopped<'a>(&'a self, group: &'a ActiveGroup) -> impl Iterator<Item = &'a Proc> {
        group
            .members
            .iter()
            .filter_map(|id| self.get(*id))
            .filter(|p| !p.machine.state.is_stopped())
    }

    /// Names of groups by rising priority, in order of addition where it is equal.
    pub fn by_priority(&self) -> Vec<String> {
        let mut groups: Vec<&ActiveGroup> = self.groups.iter().collect();
        groups.sort_by_key(|g| g.config.priority);
        groups.into_iter().map(|g| g.config.name.clone()).collect()
    }

    /// Members of a group by rising priority, in the configuration's order where it is equal.
    pub fn members_by_priority(&self, name: &str) -> Vec<ProcId> {
        let Some(group) = self.group(name) else { return Vec::new() };
        let mut members = group.members.clone();
        members.sort_by_key(|id| self.procs.get(id).map_or(0, |p| p.slot.config.priority));
        members
    }

    /// What readers see of the structure.
    pub fn structure(&self) -> Structure {
        let mut views: Vec<Arc<GroupView>> = self
            .groups
            .iter()
            .map(|g| {
                let mut processes: Vec<Arc<ProcSlot>> = g
                    .members
                    .iter()
                    .filter_map(|id| self.procs.get(id).map(|p| p.slot.clone()))
                    .collect();
                processes.sort_by_key(|p| p.config.priority);
                Arc::new(GroupView { config: g.config.clone(), processes })
            })
            .collect();
        views.sort_by_key(|v| v.config.priority);
        let by_name = views.iter().enumerate().map(|(i, v)| (v.config.name.clone(), i)).collect();
        Structure { groups: views, by_name }
    }
}

impl Proc {
    /// What readers see of it now.
    pub fn view(&self) -> ProcView {
        let m = &self.machine;
        ProcView {
            state: m.state,
            pid: m.pid,
            start: m.start_wall,
            stop: m.stop_wall,
            started: m.started,
            exitstatus: m.exitstatus.unwrap_or(0),
            spawnerr: m.spawnerr.clone(),
            backoff: m.backoff,
        }
    }
}
