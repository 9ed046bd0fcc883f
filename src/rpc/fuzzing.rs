//! A door for the fuzz targets in `fuzz/`, which are another crate: the whole service, with nobody
//! behind it. No part of the daemon calls this, and it promises nothing.

use std::io;
use std::sync::Arc;

use crossbeam_channel::unbounded;

use super::dispatch::Service;
use crate::activity::Activity;
use crate::config::model::{Config, Group, Level};
use crate::coordinator::inbox::ProcId;
use crate::coordinator::mailbox::mailbox;
use crate::coordinator::published::{AutoLogs, GroupView, ProcSlot, Published, Structure};
use crate::pump::PumpHandle;
use crate::sys::fds::EventFd;

/// What readers see of a daemon whose programs have never been started.
pub fn published(config: Config) -> Arc<Published> {
    let groups: Vec<Arc<GroupView>> = config.groups.iter().map(view).collect();
    let by_name = groups.iter().enumerate().map(|(i, g)| (g.config.name.clone(), i)).collect();
    let published = Published::new(Arc::new(config));
    published.set_structure(Arc::new(Structure { groups, by_name }));
    Arc::new(published)
}

/// A service that reads, and whose changes fail: its coordinator has ended.
///
/// # Errors
/// The system is out of descriptors.
pub fn service(published: Arc<Published>) -> io::Result<Service> {
    let pump = PumpHandle::new(unbounded().0, Arc::new(EventFd::new()?));
    let load = Box::new(|| Err("no file".to_owned()));
    Ok(Service::new(published, mailbox().0, load, Activity::new(pump, Level::Critical)))
}

fn view(group: &Arc<Group>) -> Arc<GroupView> {
    let slot = |(number, program): (usize, &_)| {
        let id = ProcId(number as u64);
        let program = Arc::clone(program);
        Arc::new(ProcSlot::new(id, group.name.clone(), program, AutoLogs::default()))
    };
    let processes = group.programs.iter().enumerate().map(slot).collect();
    Arc::new(GroupView { config: Arc::clone(group), processes })
}
