//! What holds after every turn, whatever happened.

use std::collections::HashSet;

use super::deed::Ask;
use super::episode::{Episode, Tally};
use super::life::Life;
use super::world::World;
use crate::coordinator::calls::Wish;
use crate::coordinator::published::Mood;
use crate::coordinator::shutdown::Phase;
use crate::coordinator::table::Proc;
use crate::coordinator::timers::Timer;
use crate::events::stream::Item;
use crate::events::{EventType, event::Field};
use crate::machine::State;

type Verdict = Result<(), String>;

/// Says no with a reason.
macro_rules! hold {
    ($what:expr, $($why:tt)+) => {
        if !$what {
            return Err(format!($($why)+));
        }
    };
}

/// After each turn.
pub fn after_turn(
    life: &mut Life,
    world: &World,
    inbox_is_empty: bool,
    tally: &mut Tally,
) -> Verdict {
    events(life, tally)?;
    let Life { c, .. } = &*life;
    let mut count = 0;
    for group in &c.table.groups {
        for id in &group.members {
            let Some(p) = c.table.get(*id) else { return Err(format!("{id:?} has no row")) };
            process(p, world, life).map_err(|text| {
                let m = &p.machine;
                format!("{} ({:?}, {:?}, pid {}): {text}", p.slot.config.name, id, m.state, m.pid)
            })?;
            count += 1;
        }
    }
    let now = world.mono;
    // What the shutdown has begun last is the next turn's.
    let over = c.timers.next().is_some_and(|at| at.0 <= now);
    hold!(!over || !matches!(c.phase, Phase::Running), "a deadline is over and was left");
    hold!(c.timers.count() <= 2 * count + 6, "{} deadlines, {count} processes", c.timers.count());
    for timer in c.timers.all() {
        if let Timer::Process(id) | Timer::StopReport(id) = timer {
            hold!(c.table.get(id).is_some(), "{timer:?} of a process that has left");
        }
    }
    let ticks = [EventType::Tick5, EventType::Tick60, EventType::Tick3600];
    let wanted = ticks.into_iter().any(|kind| c.bus.wants(kind));
    let waits = c.timers.at(Timer::Tick).is_some();
    hold!(wanted == waits, "TICK events are wanted: {wanted}, waited for: {waits}");
    let looked_after = c.timers.at(Timer::Survivors).is_some();
    hold!(looked_after != c.survivors.is_empty(), "groups that are left: {looked_after}");
    let looked_after = c.timers.at(Timer::Unwatched).is_some();
    hold!(looked_after == (c.unwatched.count() > 0), "unwatched children: {looked_after}");
    structure(life)?;
    let mood = life.published.mood();
    let fits = match &c.phase {
        Phase::Running => mood == Mood::Running,
        Phase::Leaving { .. } => mood == Mood::Restarting,
        Phase::Stopping { .. } | Phase::Over => matches!(mood, Mood::Restarting | Mood::Shutdown),
    };
    hold!(fits, "{mood:?} is shown in another phase");
    if inbox_is_empty {
        for child in &world.children {
            let known = c.table.get(child.id).is_some_and(|p| p.generation == child.generation);
            let ours = child.id.0 >= life.first_id && !child.refused;
            let wanted = known || child.doomed.is_some() || child.ended.is_some();
            hold!(wanted || !ours, "{:?} lives and nobody wants it", child.id);
        }
        let lent = 0usize.wrapping_sub(life.lent);
        hold!(life.credits.in_flight() == lent, "bytes of events were not given back");
    }
    Ok(())
}

/// One process against the kernel, its deadline, what is published and who waits for it.
fn process(p: &Proc, world: &World, life: &Life) -> Verdict {
    let m = &p.machine;
    match m.state {
        State::Running | State::Stopping | State::Unknown => hold!(m.pid != 0, "no pid"),
        State::Stopped | State::Backoff | State::Exited | State::Fatal => {
            hold!(m.pid == 0, "a pid");
        }
        State::Starting => {}
    }
    let others = world.children.iter().filter(|c| c.id == p.slot.id && !c.stray);
    hold!(others.count() <= 1, "more than one process");
    hold!(p.child.as_ref().map_or(0, |c| c.pid) == m.pid, "pid and handle disagree");
    if let Some(handle) = p.child.as_ref().map(|c| &c.pidfd) {
        let Some(child) = world.child(m.pid) else { return Err("its process is reaped".into()) };
        hold!(child.id == p.slot.id && child.generation == p.generation, "pid of another");
        hold!(world.handle(m.pid).is_some_and(|h| std::ptr::eq(&**h, &**handle)), "wrong handle");
    }
    hold!(p.slot.view() == p.view(), "published: {:?}", p.slot.view());
    deadline(p, life)?;
    for w in &p.waiters {
        hold!(life.c.calls.is_open(w.call), "waits for call {} that is closed", w.call);
        let waits = match w.wish {
            Wish::Stopped => !m.state.is_stopped(),
            Wish::Running => m.state == State::Starting,
            Wish::Spawned => m.state == State::Starting && m.pid == 0,
        };
        hold!(waits, "call {} still waits to be {:?}", w.call, w.wish);
    }
    hold!(p.signals.is_empty() || m.is_spawning(), "signals are held back");
    Ok(())
}

fn deadline(p: &Proc, life: &Life) -> Verdict {
    let m = &p.machine;
    let may_start = matches!(life.c.phase, Phase::Running);
    let needed = match m.state {
        State::Starting => m.pid != 0,
        State::Stopping => true,
        State::Backoff => may_start,
        _ => false,
    };
    let allowed = match m.state {
        State::Starting => m.pid != 0,
        State::Stopping | State::Backoff | State::Exited => true,
        _ => false,
    };
    hold!(m.due.is_some() || !needed, "no deadline");
    hold!(m.due.is_none() || allowed, "a deadline");
    let armed = life.c.timers.at(Timer::Process(p.slot.id));
    // While children are being made, deadlines of `startsecs` are held back.
    let held = m.state == State::Starting && armed.is_none() && !life.c.spawning.is_idle();
    hold!(held || armed == m.due, "its deadline is {armed:?} in place of {:?}", m.due);
    let stops = p.waiters.iter().any(|w| w.wish == Wish::Stopped);
    let reports = life.c.timers.at(Timer::StopReport(p.slot.id)).is_some();
    hold!(stops == reports, "a stop is waited for: {stops}, and that is told: {reports}");
    if let (State::Stopping, Some(due)) = (m.state, m.due) {
        let most = p.slot.config.stopwaitsecs.max(1) as u64 * 1_000_000_000;
        hold!(due.0 <= life.now + most, "SIGKILL is too far away");
    }
    Ok(())
}

/// What readers see of the groups is what there is.
fn structure(life: &Life) -> Verdict {
    let shown = life.published.structure();
    let table = &life.c.table;
    hold!(shown.groups.len() == table.groups.len(), "groups are not published");
    for group in &table.groups {
        let Some(view) = shown.group(&group.config.name) else {
            return Err(format!("{} is not published", group.config.name));
        };
        hold!(view.processes.len() == group.members.len(), "members are not published");
        for slot in &view.processes {
            let ours = table.get(slot.id).is_some_and(|p| std::ptr::eq(&*p.slot, &**slot));
            hold!(ours, "{} is published from another time", slot.config.name);
        }
    }
    Ok(())
}

/// Takes the events that came: serials rise, each process goes a legal way.
fn events(life: &mut Life, tally: &mut Tally) -> Verdict {
    while let Some(item) = life.tap.next() {
        let Item::Event(tapped) = item else { return Err("events are missing".to_owned()) };
        hold!(life.serial.is_none_or(|s| tapped.serial > s), "serial {} again", tapped.serial);
        life.serial = Some(tapped.serial);
        let kind = tapped.event.kind();
        let fields = tapped.event.fields();
        let text = |name: &str| {
            fields.iter().find_map(|(n, v)| match v {
                Field::Text(text) if *n == name => Some((*text).to_owned()),
                _ => None,
            })
        };
        if kind == EventType::ProcessGroupRemoved {
            let gone = text("groupname").unwrap_or_default();
            life.told.retain(|(group, _), _| *group != gone);
        }
        let (Some(process), Some(group)) = (text("processname"), text("groupname")) else {
            continue;
        };
        let from = text("from_state").unwrap_or_default();
        let to = ALL.into_iter().find(|s| EventType::of_state(*s) == kind);
        let Some(to) = to else { return Err(format!("{} of a process", kind.name())) };
        let was = life.told.insert((group, process), to).unwrap_or(State::Stopped);
        hold!(from == was.name(), "{from} was {} before", was.name());
        tally.changed(was, to);
        hold!(legal(was, to), "from {from} to {}", to.name());
    }
    let Life { c, told, .. } = life;
    told.retain(|(group, process), _| c.table.member(group, process).is_some());
    for ((group, process), state) in told {
        let now = c.table.member(group, process).map(|p| p.machine.state);
        hold!(now == Some(*state), "the last event of {process} said {state:?}, it is {now:?}");
    }
    Ok(())
}

const ALL: [State; 8] = crate::coordinator::history::STATES;

fn legal(from: State, to: State) -> bool {
    use State::{Backoff, Exited, Fatal, Running, Starting, Stopped, Stopping, Unknown};
    match from {
        Stopped | Exited | Fatal => to == Starting,
        Starting => matches!(to, Running | Backoff | Stopping),
        Running => matches!(to, Stopping | Exited),
        Backoff => matches!(to, Starting | Stopped | Fatal),
        Stopping => matches!(to, Stopped | Unknown),
        Unknown => to == Exited,
    }
}

/// After everybody has done what there was to do, for longer than any stop takes.
pub fn at_rest(episode: &Episode) -> Verdict {
    let Some(life) = &episode.life else { return Ok(()) };
    let world = episode.world.borrow();
    let c = &life.c;
    if !matches!(c.phase, Phase::Running) {
        return Ok(());
    }
    let hung = |id| world.is_hung(id);
    let mut waiting = HashSet::new();
    for p in c.table.groups.iter().flat_map(|g| &g.members).filter_map(|id| c.table.get(*id)) {
        let name = &p.slot.config.name;
        hold!(p.machine.state != State::Stopping, "{name} does not stop");
        hold!(!p.machine.is_spawning() || hung(p.slot.id), "{name} is never made");
        waiting.extend(p.waiters.iter().map(|w| w.call));
    }
    hold!(waiting.len() == c.calls.count(), "a call is open and nothing answers it");
    hold!(life.opened.try_recv() == Err(crossbeam_channel::TryRecvError::Disconnected), "closed");
    for client in &episode.clients.open {
        let starting = |id| c.table.get(id).is_some_and(|p| p.machine.state == State::Starting);
        let waits = match client.ask {
            Ask::Start | Ask::StartAll if client.wait => {
                client.targets.iter().any(|t| starting(*t))
            }
            _ => client.targets.iter().any(|t| hung(*t)),
        };
        hold!(waits, "{:?} of {:?} is not answered", client.ask, client.targets);
    }
    let mut due = 0;
    for p in c.table.groups.iter().flat_map(|g| &g.members).filter_map(|id| c.table.get(*id)) {
        due += usize::from(p.machine.due.is_some());
        due += usize::from(p.waiters.iter().any(|w| w.wish == Wish::Stopped));
    }
    due += usize::from(c.bus.wanted().contains(EventType::Tick5));
    due +=
        usize::from(c.unwatched.count() > 0) + usize::from(world.is_stuck() || c.spawning.hangs());
    hold!(c.timers.count() <= due, "{} deadlines at rest in place of {due}", c.timers.count());
    Ok(())
}
