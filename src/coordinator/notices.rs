//! What listeners and event streams are told, and what their pools want done.

use super::Coordinator;
use super::inbox::{Channel, Gen, Msg, ProcId};
use super::timers::Timer;
use crate::events::{Event, EventType, PoolEffect};
use crate::pump::PumpMsg;

impl Coordinator {
    /// Sends an event. True: there is something about it in the activity log.
    pub(super) fn notify(&mut self, kind: EventType, event: impl FnOnce() -> Event) -> bool {
        self.bus.emit(kind, event, &mut self.wishes);
        self.grant()
    }

    /// Carries out what the bus wants done. True: lines for the activity log were among it.
    pub(super) fn grant(&mut self) -> bool {
        let mut told = false;
        for wish in self.wishes.drain() {
            match wish {
                PoolEffect::Log(level, text) => {
                    self.activity.log(level, &text);
                    told = true;
                }
                PoolEffect::Write { id, serial, data } => {
                    let Some(p) = self.table.get(id) else { continue };
                    let (generation, sender) = (p.generation, self.sender.clone());
                    let done = Box::new(move |taken: bool| {
                        if !taken {
                            let _ = sender.send(Msg::EventNotTaken { id, generation, serial });
                        }
                    });
                    self.pump.send(PumpMsg::Write { id, generation, data, done: Some(done) });
                }
            }
        }
        told
    }

    pub(super) fn output_event(
        &mut self,
        id: ProcId,
        generation: Gen,
        channel: Channel,
        data: Vec<u8>,
        communication: bool,
    ) {
        let kind = if communication {
            EventType::of_communication(channel)
        } else {
            EventType::of_log(channel)
        };
        if !self.bus.wants(kind) {
            return;
        }
        let Some(p) = self.table.get(id) else { return };
        let pid = if p.generation == generation { p.machine.pid } else { 0 };
        let (name, group) = (p.slot.config.name.as_str(), p.slot.group.as_str());
        let event = if communication {
            Event::communication(channel, name, group, pid, data)
        } else {
            Event::log(channel, name, group, pid, data)
        };
        self.notify(kind, || event);
    }

    pub(super) fn tick(&mut self) {
        let ticks = self.ticker.poll(self.outside.wall(), self.bus.wanted());
        for event in ticks.due {
            self.notify(event.kind(), || event);
        }
        match ticks.wait {
            Some(wait) => self.timers.set(self.mono().after(wait), Timer::Tick),
            None => self.timers.clear(Timer::Tick),
        }
    }
}
