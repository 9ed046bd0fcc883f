//! Process groups that outlive their programs.
//!
//! A program with `stopasgroup` and `killasgroup` is one with its group. When it ends first (a shell that
//! passes nothing on, a manager that does not wait), the reference leaves the others alone for ever.
//! Here they have the rest of `stopwaitsecs`, and are killed then; those of a program that has crashed are
//! killed at once, as the next start would find its ports and files taken.
//!
//! The program's zombie is not kept for that: it would be seen for seconds after every stop. The kernel
//! gives the number of a group to nobody else as long as it has members, and that it has is asked
//! right before the kill and every [`LOOK`] until then.

use std::time::Duration;

use super::Coordinator;
use super::inbox::ProcId;
use super::timers::Timer;
use crate::config::model::Level;
use crate::sys::clock::Mono;

/// How often groups are looked at. Mostly nothing is left at the first look.
const LOOK: Duration = Duration::from_millis(50);

/// The groups that are looked after.
#[derive(Debug, Default)]
pub struct Survivors(Vec<Group>);

#[derive(Debug)]
struct Group {
    name: String,
    leader: i32,
    until: Mono,
    told: bool,
}

impl Survivors {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Coordinator {
    /// The group of a program that has ended is to end: at once, or when the time has come.
    pub(super) fn survivors(&mut self, id: ProcId, leader: i32, at: Option<Mono>) {
        let Some(until) = at else {
            // Its zombie is a member, too, so this says nothing about whether there were others.
            let _ = self.outside.signal_group(leader, libc::SIGKILL);
            return;
        };
        let Some(p) = self.table.get(id) else { return };
        let name = p.slot.config.name.clone();
        self.survivors.0.push(Group { name, leader, until, told: false });
        if self.timers.at(Timer::Survivors).is_none() {
            self.timers.set(self.mono().after(LOOK), Timer::Survivors);
        }
    }

    /// Forgets the groups that are gone and kills those whose time is over.
    pub(super) fn look_after_survivors(&mut self) {
        let now = self.mono();
        for mut group in std::mem::take(&mut self.survivors.0) {
            if !self.outside.group_lives(group.leader) {
                continue;
            }
            let (name, leader) = (&group.name, group.leader);
            if now >= group.until {
                let text = format!("killing the process group of '{name}' ({leader}) with SIGKILL");
                self.activity.log(Level::Warn, &text);
                // Gone in the meantime is as good.
                let _ = self.outside.signal_group(leader, libc::SIGKILL);
                continue;
            }
            if !group.told {
                group.told = true;
                self.activity.info(&format!(
                    "the process group of '{name}' ({leader}) has outlived it: waiting for it to end"
                ));
            }
            self.survivors.0.push(group);
        }
        if !self.survivors.is_empty() {
            self.timers.set(now.after(LOOK), Timer::Survivors);
        }
    }
}
