//! The text of events, and the way of one through a listener pool: `cargo bench --bench events`.

#![allow(missing_docs)]

use divan::{Bencher, black_box};

use supervisord::config::model::Level;
use supervisord::coordinator::inbox::{Channel, ProcId};
use supervisord::events::event::Header;
use supervisord::events::{Bus, Effects, Event, EventType, PoolSpec, StateChange, TypeSet};
use supervisord::machine::State;

fn main() {
    divan::main();
}

const HEADER: Header<'static> = Header {
    server: "supervisor",
    serial: 123_456,
    pool: "listener",
    pool_serial: 12_345,
    len_in_bytes: false,
};

fn state_change() -> Event {
    Event::state(StateChange {
        process: "web_00001".into(),
        group: "web".into(),
        from: State::Starting,
        to: State::Running,
        expected: true,
        tries: 0,
        pid: 4242,
    })
}

#[divan::bench]
fn text_of_a_state_change() -> Vec<u8> {
    black_box(state_change()).envelope(&HEADER)
}

#[divan::bench]
fn text_of_a_remote_event() -> Vec<u8> {
    black_box(Event::remote("bench".into(), "seq=12345".into())).envelope(&HEADER)
}

#[divan::bench(args = [100, 65536])]
fn text_of_a_log_event(bencher: Bencher<'_, '_>, size: usize) {
    let data = vec![b'x'; size];
    bencher.bench_local(|| {
        Event::log(Channel::Stdout, "web_00001", "web", 4242, data.clone()).envelope(&HEADER)
    });
}

/// An event comes, is sent, is answered.
#[divan::bench]
fn round_of_a_pool(bencher: Bencher<'_, '_>) {
    let id = ProcId(1);
    let mut fx = Effects::new(Level::Info);
    let mut bus = Bus::new("supervisor");
    let types = TypeSet::of(EventType::RemoteCommunication);
    let spec = PoolSpec { buffer_size: 10, types, len_in_bytes: false };
    bus.add_pool("listener", spec, [(id, "listener".to_owned())]);
    bus.started(id, &mut fx);
    bus.set_running(id, true, &mut fx);
    bus.output(id, b"READY\n", &mut fx);
    bencher.bench_local(|| {
        bus.notify(Event::remote("bench".into(), "seq=12345".into()), &mut fx);
        bus.output(id, b"RESULT 2\nOKREADY\n", &mut fx);
        fx.drain().count()
    });
}

/// What an event costs that nobody wants.
#[divan::bench]
fn unwanted(bencher: Bencher<'_, '_>) {
    let mut fx = Effects::new(Level::Info);
    let mut bus = Bus::new("supervisor");
    bencher.bench_local(|| {
        bus.emit(black_box(EventType::ProcessStateRunning), state_change, &mut fx);
    });
}
