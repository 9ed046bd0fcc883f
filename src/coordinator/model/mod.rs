//! The coordinator among everything that can happen to it: random events by the thousand against a
//! simulated kernel and clock, and promises checked after each turn.
//!
//! Real are the coordinator, machine, pools, calls and timers. [`world`] stands for clocks, kernel and
//! runners, [`life`] for boot and the pump, [`clients`] for connections. Each of these does its next
//! thing when an event says so, so all orders come up in which messages of threads can arrive.
//!
//! `cargo test` runs some thousand events. `SUPERVISORD_MODEL_EVENTS=5000000` runs so many, from a
//! random seed; `SUPERVISORD_MODEL_SEED=N` begins with that one. What fails is made shorter and
//! printed with its seed.

mod chance;
mod check;
mod clients;
mod deed;
mod episode;
mod life;
mod regressions;
mod settings;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use self::chance::Chance;
use self::deed::Deed;
use self::episode::{Episode, Tally};

/// Events that a plain `cargo test` runs.
const EVENTS: u64 = 60_000;
/// Events of an episode at most.
const LENGTH: usize = 1500;

fn deeds(seed: u64) -> Vec<Deed> {
    let mut chance = Chance::new(!seed);
    let length = 1 + chance.below(LENGTH);
    (0..length).map(|_| Deed::random(&mut chance)).collect()
}

/// A panic is a failure like any other.
fn run(seed: u64, deeds: &[Deed]) -> Result<Tally, String> {
    catch_unwind(AssertUnwindSafe(|| Episode::run(seed, deeds))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

/// What a failure is about, without the numbers in it.
fn kind(text: &str) -> String {
    let text = text.split_once(": ").map_or(text, |(_, rest)| rest);
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// The same failure with as few events as can be found.
fn shorten(seed: u64, mut deeds: Vec<Deed>, mut why: String) -> (Vec<Deed>, String) {
    let wanted = kind(&why);
    let mut size = deeds.len();
    while size > 0 {
        let mut at = 0;
        while at < deeds.len() {
            let mut fewer = deeds.clone();
            fewer.drain(at..(at + size).min(deeds.len()));
            match run(seed, &fewer) {
                Err(text) if kind(&text) == wanted => (deeds, why) = (fewer, text),
                _ => at += size,
            }
        }
        size /= 2;
    }
    (deeds, why)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_happens_the_coordinator_keeps_its_promises() {
    let events = number("SUPERVISORD_MODEL_EVENTS");
    let long = events.is_some();
    let random = || crate::sys::clock::Mono::now().0;
    let first = number("SUPERVISORD_MODEL_SEED").unwrap_or_else(|| if long { random() } else { 1 });
    let (begun, mut all) = (Instant::now(), Tally::default());
    let mut seed = first;
    while all.deeds < events.unwrap_or(EVENTS) {
        let list = deeds(seed);
        match run(seed, &list) {
            Ok(tally) => all.add(tally),
            Err(text) => {
                let (list, why) = shorten(seed, list, text.clone());
                let list: Vec<String> = list.iter().map(|deed| format!("{deed:?}")).collect();
                panic!("SUPERVISORD_MODEL_SEED={seed}: {text}\nshort: {why}\n{}", list.join("\n"));
            }
        }
        seed = seed.wrapping_add(1);
    }
    // All that are legal, or the events have become blind to something.
    assert!(all.deeds < EVENTS || all.all_changes().len() == 14, "{:?}", all.all_changes());
    if long {
        println!(
            "{} events, {} lives of the daemon, {} processes, {} answers, seeds from {first}, {:.1} s",
            all.deeds,
            all.lives,
            all.births,
            all.answers,
            begun.elapsed().as_secs_f64()
        );
        for (from, to, count) in all.all_changes() {
            println!("{} -> {}: {count}", from.name(), to.name());
        }
    }
}
