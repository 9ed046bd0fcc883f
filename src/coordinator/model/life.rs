//! One life of the daemon: the coordinator with what it is connected to. Stands for `boot`, and for
//! the pump's thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, bounded, unbounded};

use super::world::{Fake, Talk, World};
use crate::activity::Activity;
use crate::config::model::{Config, Level};
use crate::coordinator::inbox::{Gen, Msg, ProcId};
use crate::coordinator::mailbox::Mailbox;
use crate::coordinator::published::{AutoLogs, Published};
use crate::coordinator::{Coordinator, Parts};
use crate::events::{Subscription, TypeSet, stream};
use crate::machine::State;
use crate::pump::{Credits, PumpHandle, PumpMsg};
use crate::runner::plan::Surroundings;
use crate::sys::fds::EventFd;
use crate::sys::notify::Manager;

/// What the next reading of the file gives.
pub type NextRead = Arc<Mutex<Result<Config, String>>>;

pub struct Life {
    pub c: Coordinator,
    pub published: Arc<Published>,
    pub credits: Credits,
    /// Bytes that events from the pump cost so far.
    pub lent: usize,
    pub tap: Subscription,
    /// The last serial seen.
    pub serial: Option<u64>,
    /// States of processes as events tell them, by group and name.
    pub told: HashMap<(String, String), State>,
    /// Hung up when clients are let in.
    pub opened: Receiver<Infallible>,
    /// Time of the last turn.
    pub now: u64,
    /// Processes of this life have ids from here on.
    pub first_id: u64,
    queue: Receiver<PumpMsg>,
}

pub struct Site<'a> {
    pub world: &'a Rc<RefCell<World>>,
    pub inbox: &'a (Mailbox, Receiver<Msg>),
    pub next_read: &'a NextRead,
    pub level: Level,
}

impl Life {
    pub fn begin(site: &Site<'_>, config: Arc<Config>, first_id: u64) -> Life {
        let published = Arc::new(Published::new(config.clone()));
        let (sender, queue) = unbounded();
        let handle = PumpHandle::new(sender, Arc::new(EventFd::new().unwrap()));
        let (opening, opened) = bounded(0);
        let next_read = site.next_read.clone();
        let environment = Vec::new();
        let surroundings = Surroundings { environment, server_url: None, strip_ansi: false };
        let mut c = Coordinator::new(Parts {
            inbox: site.inbox.clone(),
            published: published.clone(),
            activity: Activity::new(handle.clone(), site.level),
            pump: handle.clone(),
            credits: handle.credits(),
            outside: Box::new(Fake { world: site.world.clone(), pump: handle.clone() }),
            surroundings: Arc::new(surroundings),
            loader: Arc::new(move || next_read.lock().unwrap().clone()),
            manager: Manager::default(),
            first_id,
            opening,
        });
        let kinds = ["PROCESS_STATE", "PROCESS_GROUP", "SUPERVISOR_STATE_CHANGE"];
        let (feed, tap) = stream::queue(TypeSet::from_names(&kinds)).unwrap();
        c.bus.add_tap(feed);
        for group in &config.groups {
            c.add_group(group.clone(), vec![AutoLogs::default(); group.programs.len()]);
        }
        c.begin();
        Life {
            c,
            published,
            credits: handle.credits(),
            lent: 0,
            tap,
            serial: None,
            told: HashMap::new(),
            opened,
            now: site.world.borrow().mono,
            first_id,
            queue,
        }
    }

    /// What the pump has to do.
    pub fn pump_is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// The pump deals with so many messages. `luck` is whether logs can be cleared.
    pub fn pump(&mut self, most: usize, luck: bool, site: &Site<'_>) -> Result<(), String> {
        for _ in 0..most {
            let Ok(msg) = self.queue.try_recv() else { break };
            self.pump_one(msg, luck, site)?;
        }
        Ok(())
    }

    fn pump_one(&mut self, msg: PumpMsg, luck: bool, site: &Site<'_>) -> Result<(), String> {
        match msg {
            PumpMsg::Exited { id, generation, status } => {
                let _ = site.inbox.0.send(Msg::Exited { id, generation, status });
            }
            PumpMsg::Write { id, generation, data, done } => {
                let taken = write(&mut site.world.borrow_mut(), id, generation, &data)?;
                if let Some(done) = done {
                    done(taken);
                }
            }
            PumpMsg::Clear { done, .. } => done(luck),
            PumpMsg::Fence(act) => act(),
            PumpMsg::Quit => return Err("the coordinator ended the pump".to_owned()),
            PumpMsg::Attach { .. }
            | PumpMsg::Gone { .. }
            | PumpMsg::Mute { .. }
            | PumpMsg::Reopen
            | PumpMsg::Line(_) => {}
        }
        Ok(())
    }

    /// Bytes of an event are on their way.
    pub fn lend(&mut self, len: usize) {
        self.lent += len + 64;
    }
}

/// Whether the pipe took it. A listener must be waiting for an event that it gets.
fn write(world: &mut World, id: ProcId, generation: Gen, data: &[u8]) -> Result<bool, String> {
    let Some(child) = world.child_mut(id, generation) else { return Ok(false) };
    if child.ended.is_some() || !child.stdin_open {
        return Ok(false);
    }
    if !data.starts_with(b"ver:") {
        return Ok(true);
    }
    match child.talk {
        Talk::Ready => child.talk = Talk::Busy,
        Talk::Broken => {}
        Talk::Quiet | Talk::Busy => {
            return Err(format!("{id:?} gets an event while it is {:?}", child.talk));
        }
    }
    Ok(true)
}
