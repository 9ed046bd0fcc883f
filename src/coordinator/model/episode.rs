//! An episode: a configuration, and deeds carried out one after the other until the end of the daemon.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use crossbeam_channel::Receiver;

use super::chance::Chance;
use super::check;
use super::clients::Clients;
use super::deed::{Ask, Deed, Pick};
use super::life::{Life, NextRead, Site};
use super::settings;
use super::world::{Child, Talk, World};
use crate::config::model::{Config, Level};
use crate::coordinator::Ending;
use crate::coordinator::history::STATES;
use crate::coordinator::inbox::{Channel, Gen, Msg, Op, ProcId, Shape, Target};
use crate::coordinator::mailbox::{Mailbox, mailbox};
use crate::coordinator::published::{AutoLogs, ProcSlot, Structure};
use crate::events::{Subscription, TypeSet, stream};
use crate::machine::{ExitStatus, State};
use crate::rpc::faults::{self, fault};

/// What came of an episode.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    pub deeds: u64,
    pub lives: u64,
    pub answers: u64,
    pub births: u64,
    /// Changes of state, by the numbers of the states in [`STATES`].
    pub changes: [[u64; STATES.len()]; STATES.len()],
}

impl Tally {
    /// One more change of state.
    pub fn changed(&mut self, from: State, to: State) {
        let number = |state| STATES.iter().position(|s| *s == state).unwrap_or_default();
        self.changes[number(from)][number(to)] += 1;
    }

    /// Every kind of change that came up, with its count.
    pub fn all_changes(&self) -> Vec<(State, State, u64)> {
        let pairs = STATES
            .iter()
            .zip(&self.changes)
            .flat_map(|(from, row)| STATES.iter().zip(row).map(|(to, n)| (*from, *to, *n)));
        pairs.filter(|(_, _, n)| *n > 0).collect()
    }

    pub fn add(&mut self, other: Tally) {
        self.deeds += other.deeds;
        self.lives += other.lives;
        self.answers += other.answers;
        self.births += other.births;
        for (sums, row) in self.changes.iter_mut().zip(other.changes) {
            for (sum, n) in sums.iter_mut().zip(row) {
                *sum += n;
            }
        }
    }
}

pub struct Episode {
    pub world: Rc<RefCell<World>>,
    pub life: Option<Life>,
    pub clients: Clients,
    inbox: (Mailbox, Receiver<Msg>),
    next_read: NextRead,
    level: Level,
    chance: Chance,
    /// The names that clients know.
    seen: Arc<Structure>,
    subscriptions: Vec<Subscription>,
    named: u32,
    tally: Tally,
}

type Verdict = Result<(), String>;

impl Episode {
    /// Carries the deeds out, then ends the daemon.
    pub fn run(seed: u64, deeds: &[Deed]) -> Result<Tally, String> {
        let mut chance = Chance::new(seed);
        let first = settings::config(&mut chance);
        Episode::run_with(first, chance, deeds)
    }

    /// The same with a given configuration.
    pub fn run_with(first: Config, chance: Chance, deeds: &[Deed]) -> Result<Tally, String> {
        let mut episode = Episode::new(first, chance);
        for (at, deed) in deeds.iter().enumerate() {
            episode.tally.deeds += 1;
            episode.carry_out(*deed).map_err(|text| format!("deed {at}, {deed:?}: {text}"))?;
            if episode.life.is_none() {
                break;
            }
        }
        episode.finish().map_err(|text| format!("at the end: {text}"))?;
        episode.tally.answers = episode.clients.answered;
        episode.tally.births = episode.world.borrow().births();
        Ok(episode.tally)
    }

    fn new(first: Config, mut chance: Chance) -> Episode {
        let level = chance.of(&[Level::Warn, Level::Warn, Level::Warn, Level::Debug]);
        let mut episode = Episode {
            world: Rc::new(RefCell::new(World::new())),
            life: None,
            clients: Clients::default(),
            inbox: mailbox(),
            next_read: Arc::new(Mutex::new(Err("not yet".to_owned()))),
            level,
            chance,
            seen: Arc::default(),
            subscriptions: Vec::new(),
            named: 0,
            tally: Tally::default(),
        };
        episode.begin_life(Arc::new(first), 0);
        episode
    }

    fn site(&self) -> Site<'_> {
        Site {
            world: &self.world,
            inbox: &self.inbox,
            next_read: &self.next_read,
            level: self.level,
        }
    }

    fn begin_life(&mut self, config: Arc<Config>, first_id: u64) {
        let life = Life::begin(&self.site(), config, first_id);
        self.seen = life.published.structure();
        self.life = Some(life);
        self.tally.lives += 1;
    }

    // ------------------------------------------------------------------ everybody's turn

    fn turn(&mut self) -> Verdict {
        let Some(life) = &mut self.life else { return Ok(()) };
        let ending = life.c.turn(None);
        life.now = self.world.borrow().mono;
        match ending {
            None => {
                let world = self.world.borrow();
                check::after_turn(life, &world, self.inbox.1.is_empty(), &mut self.tally)
            }
            Some(ending) => self.end_life(ending),
        }
    }

    /// What `boot` does at the end of a life.
    fn end_life(&mut self, ending: Ending) -> Verdict {
        let Some(mut life) = self.life.take() else { return Ok(()) };
        let lives_on = matches!(ending, Ending::Restart(_));
        let unwatched = life.c.unwatched.pids();
        let next_id = life.c.end(lives_on);
        while !life.pump_is_idle() {
            life.pump(usize::MAX, true, &self.site())?;
        }
        self.clients.look()?;
        if let Some(client) = self.clients.open.first() {
            return Err(format!("{:?} is left without an answer", client.ask));
        }
        drop(life);
        self.move_all();
        let world = self.world.borrow();
        // Those that nobody wants die by themselves, but must have been killed.
        let unwanted = |pid, doomed| unwatched.contains(&pid) && doomed == Some(libc::SIGKILL);
        let left = |c: &&Child| !(c.refused || c.stray || unwanted(c.pid, c.doomed));
        if let Some(child) = world.children.iter().find(left) {
            return Err(format!("{:?} is left, pid {}", child.id, child.pid));
        }
        let left = world.runners.iter().find(|r| !r.is_gone() && !r.watches());
        if let Some(runner) = left.filter(|_| lives_on) {
            return Err(format!("the runner of {:?} is left", runner.id));
        }
        drop(world);
        if let Ending::Restart(config) = ending {
            self.begin_life(config, next_id);
        }
        Ok(())
    }

    /// Runners do what they can.
    fn move_all(&mut self) -> bool {
        let mut moved = false;
        loop {
            let mut world = self.world.borrow_mut();
            let able = world.movable();
            if able.is_empty() {
                return moved;
            }
            // What one does can change the places of the others.
            if let Some(party) = able.last() {
                world.go_on(*party, &self.inbox.0);
            }
            moved = true;
        }
    }

    fn read(&mut self, well: bool) -> bool {
        let Some(work) = self.world.borrow_mut().threads.pop_front() else { return false };
        *self.next_read.lock().unwrap() = match well {
            true => Ok(settings::config(&mut self.chance)),
            false => Err("bad file".to_owned()),
        };
        work();
        true
    }

    /// All do what there is to do at this moment.
    fn come_to_rest(&mut self) -> Verdict {
        for _ in 0..2000 {
            let mut moved = self.world.borrow_mut().die(None);
            moved |= self.move_all();
            moved |= self.read(true);
            if let Some(mut life) = self.life.take() {
                moved |= !life.pump_is_idle();
                let done = life.pump(usize::MAX, true, &self.site());
                self.life = Some(life);
                done?;
            }
            moved |= !self.inbox.1.is_empty();
            self.turn()?;
            self.look()?;
            if !moved || self.life.is_none() {
                return Ok(());
            }
        }
        Err("no rest is found at one moment".to_owned())
    }

    fn settle(&mut self, secs: u64) -> Verdict {
        let end = self.world.borrow().mono + secs * 1_000_000_000;
        for _ in 0..5000 {
            self.come_to_rest()?;
            let Some(life) = &self.life else { return Ok(()) };
            let now = self.world.borrow().mono;
            let next = life.c.timers.next().map_or(u64::MAX, |at| at.0);
            let over = next > end;
            let to = next.min(end).max(now);
            self.world.borrow_mut().pass(to - now);
            if over {
                self.come_to_rest()?;
                // Groups are stopped one after the other; a stop may have begun just now.
                return match secs > settings::LONGEST_STOP + 40 {
                    true => check::at_rest(self),
                    false => Ok(()),
                };
            }
        }
        Err("no rest is found".to_owned())
    }

    fn look(&mut self) -> Verdict {
        self.clients.look()?;
        match self.world.borrow_mut().complaints.pop() {
            Some(text) => Err(text),
            None => Ok(()),
        }
    }

    /// Ends the daemon and sees that it ends.
    fn finish(&mut self) -> Verdict {
        if self.life.is_some() {
            let _ = self.inbox.0.send(Msg::Signal(libc::SIGTERM));
            self.settle(20)?;
            self.world.borrow_mut().no_threads = false;
            self.world.borrow_mut().release(None);
            // Each group may take its time, with what came of a restart that was under way.
            self.settle((settings::MOST_GROUPS + 1) * 2 * (settings::LONGEST_STOP + 2))?;
        }
        if self.life.is_some() {
            return Err("the shutdown does not end".to_owned());
        }
        self.look()
    }

    // ------------------------------------------------------------------ deeds

    fn carry_out(&mut self, deed: Deed) -> Verdict {
        match deed {
            Deed::Turn => self.turn()?,
            Deed::Pump(n) => {
                if let Some(mut life) = self.life.take() {
                    let done = life.pump(usize::from(n), n % 2 == 0, &self.site());
                    self.life = Some(life);
                    done?;
                }
            }
            Deed::Settle(secs) => self.settle(u64::from(secs))?,
            Deed::Ask(ask, pick, wait) => self.ask(ask, pick, wait),
            Deed::Look => {
                if let Some(life) = &self.life {
                    self.seen = life.published.structure();
                }
            }
            Deed::Leave(pick) => {
                if let Some(at) = usize::from(pick).checked_rem(self.clients.open.len()) {
                    self.clients.open.swap_remove(at);
                }
            }
            Deed::Unsubscribe(pick) => {
                if let Some(at) = usize::from(pick).checked_rem(self.subscriptions.len()) {
                    self.subscriptions.swap_remove(at);
                }
            }
            Deed::Signal(signal) => drop(self.inbox.0.send(Msg::Signal(signal))),
            Deed::Read(well) => drop(self.read(well)),
            Deed::Says(pick, byte) => self.says(pick, byte),
            Deed::Writes(pick, byte) => self.writes(pick, byte),
            Deed::Stale(pick, byte) => self.stale(pick, byte),
            Deed::ToDeadline => {
                let next = self.life.as_ref().and_then(|l| l.c.timers.next());
                let mut world = self.world.borrow_mut();
                if let Some(at) = next {
                    let wait = at.0.saturating_sub(world.mono);
                    world.pass(wait);
                }
            }
            _ => self.outside(deed),
        }
        self.look()
    }

    /// What happens to processes, runners and clocks.
    fn outside(&mut self, deed: Deed) {
        let mut world = self.world.borrow_mut();
        match deed {
            Deed::Runner(pick) => {
                let able = world.movable();
                if let Some(at) = usize::from(pick).checked_rem(able.len()) {
                    world.go_on(able[at], &self.inbox.0);
                }
            }
            Deed::Hang => world.trouble(true),
            Deed::Fail => world.trouble(false),
            Deed::Release(pick) => world.release(Some(pick)),
            Deed::Exit(pick, byte) => {
                if let Some(child) = world.alive(pick) {
                    child.ended = Some(status(byte));
                }
            }
            Deed::Die(pick) => drop(world.die(Some(pick))),
            Deed::Deafen(pick) => {
                if let Some(child) = world.alive(pick) {
                    child.deaf = true;
                }
            }
            Deed::Refuse(pick) => {
                if let Some(child) = world.alive(pick) {
                    child.refused = !child.stray;
                }
            }
            Deed::Closes(pick) => {
                if let Some(child) = world.alive(pick) {
                    child.stdin_open = false;
                    let (id, generation) = (child.id, child.generation);
                    let _ = self.inbox.0.send(Msg::StdinClosed { id, generation });
                }
            }
            Deed::Time(millis) => world.pass(u64::from(millis) * 1_000_000),
            Deed::Wall(secs) => world.wall += i64::from(secs) * 1_000_000,
            Deed::Threads(some) => world.no_threads = !some,
            _ => {}
        }
    }

    /// A listener speaks, mostly as it should.
    fn says(&mut self, pick: Pick, byte: u8) {
        let mut world = self.world.borrow_mut();
        let fits = |c: &super::world::Child| c.listener && c.ended.is_none() && !c.stray;
        let Some(child) = World::one(&mut world.children, pick, fits) else { return };
        let text: &[u8] = match (child.talk, byte % 16) {
            (_, 0) => {
                child.talk = Talk::Broken;
                b"nonsense\n"
            }
            (Talk::Quiet, _) => {
                child.talk = Talk::Ready;
                b"READY\n"
            }
            (Talk::Busy, n) => {
                child.talk = Talk::Ready;
                match n {
                    1..4 => b"RESULT 4\nFAILREADY\n",
                    _ => b"RESULT 2\nOKREADY\n",
                }
            }
            (Talk::Ready | Talk::Broken, _) => return,
        };
        let (id, generation) = (child.id, child.generation);
        drop(world);
        self.listener_output(id, generation, text.to_vec());
    }

    fn listener_output(&mut self, id: ProcId, generation: Gen, data: Vec<u8>) {
        let Some(life) = &mut self.life else { return };
        life.lend(data.len());
        let _ = self.inbox.0.send(Msg::ListenerOutput { id, generation, data });
    }

    fn writes(&mut self, pick: Pick, byte: u8) {
        let mut world = self.world.borrow_mut();
        let fits = |c: &super::world::Child| c.events && c.ended.is_none();
        let Some(child) = World::one(&mut world.children, pick, fits) else { return };
        let (id, generation) = (child.id, child.generation);
        drop(world);
        self.output(id, generation, byte);
    }

    fn output(&mut self, id: ProcId, generation: Gen, byte: u8) {
        let Some(life) = &mut self.life else { return };
        let data = vec![b'x'; usize::from(byte)];
        life.lend(data.len());
        let channel = if byte.is_multiple_of(2) { Channel::Stdout } else { Channel::Stderr };
        let _ = self.inbox.0.send(match byte % 3 {
            0 => Msg::CommOutput { id, generation, channel, data },
            _ => Msg::LogOutput { id, generation, channel, data },
        });
    }

    /// A message of an older start of a process, or of one that is no more.
    fn stale(&mut self, pick: Pick, byte: u8) {
        let Some(life) = &self.life else { return };
        let Some(slot) = pick_slot(&self.seen, pick) else { return };
        let id = slot.id;
        let Some(generation) =
            life.c.table.get(id).map_or(Some(7), |p| p.generation.checked_sub(1))
        else {
            return;
        };
        let msg = match byte % 8 {
            0 => Msg::Exited { id, generation, status: status(byte) },
            1 => Msg::SpawnFailed { id, generation, error: "late".to_owned() },
            2 => Msg::StdinClosed { id, generation },
            3 => Msg::EventNotTaken { id, generation, serial: u64::from(byte) },
            4 => return self.listener_output(id, generation, b"late".to_vec()),
            5 => return self.output(id, generation, byte),
            _ => {
                let (pid, pidfd) = self.world.borrow_mut().stray(id, generation);
                let pumped = byte.is_multiple_of(2);
                Msg::Spawned { id, generation, pid, pidfd, socket: None, pumped, pipes: None }
            }
        };
        let _ = self.inbox.0.send(msg);
    }

    // ------------------------------------------------------------------ calls

    fn ask(&mut self, ask: Ask, pick: Pick, wait: bool) {
        let group = usize::from(pick).checked_rem(self.seen.groups.len());
        let group = group.map(|at| self.seen.groups[at].clone());
        let many = matches!(ask, Ask::StartAll | Ask::StopAll | Ask::SignalAll | Ask::ClearAllLogs);
        let slots: Vec<Arc<ProcSlot>> = match (&group, many) {
            (Some(group), true) if pick.is_multiple_of(2) => group.processes.clone(),
            (_, true) => self.seen.groups.iter().flat_map(|g| g.processes.clone()).collect(),
            (_, false) => pick_slot(&self.seen, pick).into_iter().collect(),
        };
        let target = |slot: &Arc<ProcSlot>| Target {
            id: slot.id,
            name: slot.full_name(),
            precheck: (pick % 61 == 7).then(|| fault(faults::NO_FILE, None)),
        };
        let targets: Vec<Target> = slots.iter().map(target).collect();
        if targets.is_empty() && !many && needs_target(ask) {
            return;
        }
        let ids: Vec<ProcId> = slots.iter().map(|s| s.id).collect();
        let shape = if many { Shape::Many } else { Shape::Single };
        let (signal, name) = (i32::from(pick % 70), group.map(|g| g.config.name.clone()));
        let name = name.unwrap_or_default();
        let op = match ask {
            Ask::Start | Ask::StartAll => Op::Start { targets, wait, shape },
            Ask::Stop | Ask::StopAll => Op::Stop { targets, wait, shape },
            Ask::Signal | Ask::SignalAll => Op::Signal { targets, signal, shape },
            Ask::ClearLogs | Ask::ClearAllLogs => Op::ClearProcessLogs { targets, shape },
            Ask::Stdin => Op::SendStdin { id: ids[0], name: "x".into(), data: b"in".to_vec() },
            Ask::Remote => Op::RemoteComm { kind: "k".into(), data: "d".into() },
            Ask::Adopt => Op::Adopt(Arc::new(settings::config(&mut self.chance))),
            Ask::AddGroup => match self.known_group(pick) {
                Some(op) => op,
                None => return,
            },
            Ask::RemoveGroup => Op::RemoveGroup(name),
            Ask::AddPrograms => self.new_programs(name),
            Ask::RemoveProcess => {
                let process = slots[0].config.name.clone();
                Op::RemoveProcess { group: slots[0].group.clone(), process }
            }
            Ask::Subscribe => self.subscribe(wait),
            Ask::Pulse => Op::Pulse,
            Ask::ClearLog => Op::ClearLog,
            Ask::Restart => Op::Restart,
            Ask::Shutdown => Op::Shutdown,
        };
        let msg = self.clients.ask(ask, if needs_target(ask) { ids } else { Vec::new() }, wait, op);
        let _ = self.inbox.0.send(msg);
    }

    fn known_group(&self, pick: Pick) -> Option<Op> {
        let groups = &self.life.as_ref()?.published.config().groups.clone();
        let group = groups.get(usize::from(pick).checked_rem(groups.len())?)?.clone();
        Some(Op::AddGroup { logs: vec![AutoLogs::default(); group.programs.len()], group })
    }

    fn new_programs(&mut self, group: String) -> Op {
        self.named += 1;
        let program = settings::program(&mut self.chance, &format!("x{}", self.named));
        Op::AddPrograms { group, programs: vec![Arc::new(program)], logs: Vec::new() }
    }

    fn subscribe(&mut self, ticks: bool) -> Op {
        let kinds: &[&str] = if ticks { &["EVENT"] } else { &["PROCESS_STATE", "PROCESS_LOG"] };
        let (feed, subscription) = stream::queue(TypeSet::from_names(kinds)).unwrap();
        let inbox = self.inbox.0.clone();
        self.subscriptions.push(subscription.on_end(move || {
            let _ = inbox.send(Msg::Unsubscribed);
        }));
        Op::Subscribe(feed)
    }
}

fn needs_target(ask: Ask) -> bool {
    matches!(
        ask,
        Ask::Start
            | Ask::StartAll
            | Ask::Stop
            | Ask::StopAll
            | Ask::Signal
            | Ask::SignalAll
            | Ask::Stdin
            | Ask::RemoveProcess
            | Ask::ClearLogs
            | Ask::ClearAllLogs
    )
}

fn pick_slot(structure: &Structure, pick: Pick) -> Option<Arc<ProcSlot>> {
    let count = structure.groups.iter().map(|g| g.processes.len()).sum();
    let at = usize::from(pick).checked_rem(count)?;
    structure.groups.iter().flat_map(|g| &g.processes).nth(at).cloned()
}

fn status(byte: u8) -> ExitStatus {
    match byte {
        0..160 => ExitStatus::Code([0, 0, 0, 1, 2, 127][usize::from(byte % 6)]),
        _ => ExitStatus::Signal {
            signal: [libc::SIGSEGV, libc::SIGKILL, libc::SIGTERM, 40][usize::from(byte % 4)],
            core: byte.is_multiple_of(8),
        },
    }
}
