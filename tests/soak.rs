//! A year in fast motion: everything that a daemon lives through, side by side and again and again; then
//! all is quiet for a moment and it is looked at. What it takes must not grow.
//!
//! Takes about fifteen seconds; `SUPERVISORD_SOAK_SECONDS=600` makes it that long. `--nocapture` shows the
//! table. The order is random but not different each time; `SUPERVISORD_SOAK_SEED=N` tries another.
#![allow(clippy::unwrap_used)]

#[path = "soak/client.rs"]
mod client;
mod env;
mod ledger;
#[path = "soak/load.rs"]
mod load;
#[path = "soak/samples.rs"]
mod samples;
#[path = "soak/scene.rs"]
mod scene;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use env::{TestEnv, free_port};
use load::{Hand, LOADS, Restart, Stage};
use samples::{Record, Sample};

/// The environment variable that makes this binary a listener, and says how it behaves.
const LISTENER: &str = "SOAK_LISTENER";
/// For programs to be up, after a restart of the daemon.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long what has come to its end may still be there: children that nobody waits for, connections
/// that are being closed.
const DYING: Duration = Duration::from_secs(8);
/// Between two looks at what is ending.
const LOOK: Duration = Duration::from_millis(20);
/// Looks after the warm-up that are needed to say something.
const ENOUGH: usize = 4;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// Not a test: the event listeners of the daemon in the test here.
#[test]
fn answers_events_when_it_is_the_listener() {
    let Ok(manner) = std::env::var(LISTENER) else { return };
    // By the link, as the harness writes to stdout.
    let mut out = File::options().write(true).open("/proc/self/fd/3").unwrap();
    let mut input = std::io::stdin().lock();
    for event in 1.. {
        out.write_all(b"READY\n").unwrap();
        let mut header = String::new();
        if input.read_line(&mut header).unwrap() == 0 {
            break;
        }
        let (_, length) = header.trim_end().rsplit_once("len:").unwrap();
        let mut payload = vec![0; length.parse().unwrap()];
        input.read_exact(&mut payload).unwrap();
        let answer: &[u8] = match (manner.as_str(), event) {
            ("mortal", 20..) => break,
            ("rude", 20) => b"RESULT soon\nREADY\nRESULT -1\n",
            ("moody", n) if n % 3 == 0 => b"RESULT 4\nFAIL",
            _ => b"RESULT 2\nOK",
        };
        out.write_all(answer).unwrap();
        if manner == "rude" && event == 20 {
            // From then on it is not listened to.
            break;
        }
    }
    std::process::exit(1);
}

/// The pids of all programs when each is in the state that it should be in; else those that are not.
fn states(env: &TestEnv) -> Result<Vec<i32>, BTreeMap<String, String>> {
    let all = env.sup("getAllProcessInfo", &[]).unwrap();
    let (mut pids, mut others) = (Vec::new(), BTreeMap::new());
    for info in all.as_array().unwrap() {
        let text = |member| info[member].as_str().unwrap().to_owned();
        let (name, state) = (text("name"), text("statename"));
        let fine = match state.as_str() {
            "RUNNING" => true,
            "STOPPED" | "EXITED" | "FATAL" => scene::NEVER_UP.contains(&name.as_str()),
            _ => false,
        };
        if !fine {
            others.insert(name, state);
        }
        pids.push(info["pid"].as_i32().unwrap());
    }
    if others.is_empty() { Ok(pids) } else { Err(others) }
}

/// Waits until all programs are up.
fn all_up(env: &TestEnv) -> Vec<i32> {
    let patience = Instant::now() + PATIENCE;
    loop {
        match states(env) {
            Ok(pids) => return pids,
            Err(others) => {
                assert!(Instant::now() < patience, "not as they should be: {others:?}");
            }
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A look during which no program has come or gone: listeners may, at any event.
fn look(stage: &Stage, begun: Instant) -> Sample {
    loop {
        let before = all_up(&stage.env);
        let sample = Sample::take(&stage.env, begun.elapsed(), stage.operations());
        if states(&stage.env) == Ok(before) {
            return sample;
        }
    }
}

/// Leads everything back to where it began.
fn calm(stage: &Stage, begun: Instant) {
    let mut hand = Hand::new(stage, 1, begun);
    load::calm_down(&mut hand);
    load::try_all(&mut hand);
    drop(hand);
    all_up(&stage.env);
    stage.restarting.store(false, Ordering::SeqCst);
    stage.search();
}

/// Looks until what is ending has ended, for a while at most.
fn quiet(stage: &Stage, begun: Instant, base: &Sample) -> Sample {
    let end = Instant::now() + DYING;
    loop {
        let sample = look(stage, begun);
        if sample.is_within(base) || Instant::now() > end {
            return sample;
        }
        std::thread::park_timeout(LOOK);
    }
}

/// Looks a few times, so that the base has nothing in it that was about to end.
fn lower(stage: &Stage, begun: Instant, base: &mut Option<Sample>) {
    for _ in 0..10 {
        let sample = look(stage, begun);
        sample.lower(base.get_or_insert_with(|| sample.clone()));
        std::thread::park_timeout(LOOK);
    }
}

/// Everything at once for a while.
fn round(stage: &Stage, seed: u64, length: Duration, restart: Option<Restart>) {
    let until = Instant::now() + length;
    std::thread::scope(|scope| {
        for (n, load) in LOADS.into_iter().enumerate() {
            let seed = seed * 100 + n as u64;
            scope.spawn(move || load(&mut Hand::new(stage, seed, until)));
        }
        if let Some(restart) = restart {
            // Not a synchronisation: in the middle of it all.
            std::thread::park_timeout(length / 2);
            load::start_over(&mut Hand::new(stage, seed * 100 + 99, until), restart);
        }
    });
}

#[test]
fn a_year_in_fast_motion_leaves_nothing_behind() {
    let seconds = number("SUPERVISORD_SOAK_SECONDS", 10);
    let seed = number("SUPERVISORD_SOAK_SEED", 1);
    let total = Duration::from_secs(seconds);
    let length = (total / 25).clamp(Duration::from_millis(300), Duration::from_secs(3));

    let mut env = TestEnv::new();
    let port = free_port();
    let listener = format!(
        "/bin/sh -c 'exec 3>&1 >/dev/null 2>&1; exec {} --exact answers_events_when_it_is_the_listener'",
        std::env::current_exe().unwrap().display()
    );
    scene::prepare(&env, port, load::SALTED, &listener);
    env.start(&[]);
    let stage = Stage {
        env,
        port,
        restarting: AtomicBool::new(false),
        done: Mutex::default(),
        faults: Mutex::default(),
        log: Mutex::default(),
        files: Mutex::default(),
        evidence: Mutex::default(),
    };

    let begun = Instant::now();
    let (mut base, mut samples, mut rounds) = (None, Vec::new(), 0);
    let warm = total * 3 / 10;
    let mut is_warm = false;
    while begun.elapsed() < total || samples.len() < ENOUGH {
        rounds += 1;
        // In every sixth round, the second one first.
        let nth = usize::try_from(rounds / 6).unwrap() % Restart::ALL.len();
        let restart = (rounds % 6 == 2).then_some(Restart::ALL[nth]);
        round(&stage, seed * 10_000 + rounds, length, restart);
        calm(&stage, begun);
        match &base {
            Some(base) if is_warm => samples.push(quiet(&stage, begun, base)),
            _ => {
                lower(&stage, begun, &mut base);
                is_warm = begun.elapsed() >= warm && rounds >= 2;
            }
        }
    }
    let record = Record { base: base.unwrap(), samples };

    println!("\n{rounds} rounds, warm after {:.0} s; memory in KiB\n", warm.as_secs_f64());
    println!("{}\n", record.table(40));
    let done = stage.done.lock().unwrap();
    let total: u64 = done.values().sum();
    println!("{total} operations:");
    for (what, times) in done.iter() {
        println!("{times:>9}  {what}");
    }
    println!("faults by code: {:?}\n", stage.faults.lock().unwrap());

    let growth = record.growth();
    let evidence = stage.evidence.lock().unwrap().clone();
    drop(done);
    let mut env = stage.env;
    assert_eq!(env.stop(), Some(0));
    let stderr = env.read("sd.err");
    assert!(growth.is_empty(), "it grows:\n{}", growth.join("\n"));
    assert!(evidence.is_empty(), "in the activity log: {evidence:#?}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}
