//! The log pump from pipe to file: `cargo bench --bench pump`.
//!
//! Each round is one start of a program: it writes, exits, and the round is over when the exit is
//! passed on, that is when its last byte is in the log.

#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{PipeWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam_channel::Receiver;
use divan::Bencher;
use divan::counter::BytesCount;

use supervisord::config::model::Level;
use supervisord::coordinator::inbox::{Channel, Msg, ProcId};
use supervisord::coordinator::mailbox::mailbox;
use supervisord::machine::ExitStatus;
use supervisord::pump::{
    MainLog, Pipes, PumpConfig, PumpHandle, PumpMsg, Stream, StreamPlan, fuzzing, start,
};

/// What a program writes in a round.
const TOTAL: usize = 8 << 20;

fn main() {
    divan::main();
}

/// What is done with the output of a program.
fn plan(dir: &Path) -> StreamPlan {
    StreamPlan {
        name: "bench".into(),
        channel: Channel::Stdout,
        path: Some(dir.join("log")),
        // One file of one round at most, so that the disk is not what is measured.
        maxbytes: TOTAL as i64,
        backups: 0,
        syslog: false,
        strip_ansi: false,
        capture_maxbytes: 0,
        events_enabled: false,
        listener: false,
    }
}

/// A pump of its own, with a folder for its logs.
struct Rig {
    dir: PathBuf,
    pump: PumpHandle,
    inbox: Receiver<Msg>,
    thread: Option<std::thread::JoinHandle<()>>,
    plan: Arc<StreamPlan>,
    generation: u64,
}

impl Rig {
    fn new(change: impl FnOnce(&mut StreamPlan)) -> Rig {
        let dir = std::env::temp_dir().join(format!("pump-bench-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (sender, inbox) = mailbox();
        let main_log =
            MainLog { path: None, maxbytes: 0, backups: 0, stdout: false, level: Level::Info };
        let syslog = dir.join("syslog");
        let (pump, thread) = start(PumpConfig { main_log, syslog, inbox: sender }).unwrap();
        let mut plan = plan(&dir);
        change(&mut plan);
        Rig { dir, pump, inbox, thread: Some(thread), plan: Arc::new(plan), generation: 0 }
    }

    fn round(&mut self, write: impl FnOnce(&mut PipeWriter)) {
        self.generation += 1;
        let (id, generation) = (ProcId(1), self.generation);
        let (fd, mut child) = std::io::pipe().unwrap();
        let stdout = Some(Stream { fd: fd.into(), plan: self.plan.clone(), file: None });
        let pipes = Pipes { stdout, ..Pipes::default() };
        self.pump.send(PumpMsg::Attach { id, generation, pipes });
        write(&mut child);
        drop(child);
        self.pump.send(PumpMsg::Exited { id, generation, status: ExitStatus::Code(0) });
        while !matches!(self.inbox.recv().unwrap(), Msg::Exited { .. }) {}
    }

    /// A round of many programs, each a thread that writes 4 KiB at a time.
    fn crowd(&mut self, programs: usize, text: &[u8]) {
        self.generation += 1;
        let generation = self.generation;
        std::thread::scope(|scope| {
            for number in 0..programs {
                let id = ProcId(number as u64);
                let (fd, mut child) = std::io::pipe().unwrap();
                let mut plan = plan(&self.dir);
                plan.path = Some(self.dir.join(format!("log-{number}")));
                let stdout = Some(Stream { fd: fd.into(), plan: Arc::new(plan), file: None });
                let pipes = Pipes { stdout, ..Pipes::default() };
                self.pump.send(PumpMsg::Attach { id, generation, pipes });
                let pump = self.pump.clone();
                scope.spawn(move || {
                    write_all(&mut child, text, 4096);
                    drop(child);
                    pump.send(PumpMsg::Exited { id, generation, status: ExitStatus::Code(0) });
                });
            }
            for _ in 0..programs {
                while !matches!(self.inbox.recv().unwrap(), Msg::Exited { .. }) {}
            }
        });
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.pump.send(PumpMsg::Quit);
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// `TOTAL` bytes in writes of `chunk` bytes.
fn write_all(pipe: &mut PipeWriter, text: &[u8], chunk: usize) {
    for part in text.chunks(chunk) {
        pipe.write_all(part).unwrap();
    }
}

/// Log lines of 100 bytes, with colours.
fn text() -> Vec<u8> {
    let line = format!("\x1b[32m2026-01-31 12:00:00,123\x1b[0m INFO {}\n", "x".repeat(61));
    line.bytes().cycle().take(TOTAL).collect()
}

#[divan::bench(args = [65536, 4096, 100])]
fn to_a_file(bencher: Bencher<'_, '_>, chunk: usize) {
    let (mut rig, text) = (Rig::new(|_| ()), text());
    bencher
        .counter(BytesCount::new(TOTAL))
        .bench_local(|| rig.round(|pipe| write_all(pipe, &text, chunk)));
}

/// Many programs at once, each with a log of its own.
#[divan::bench(args = [4, 16, 50], sample_count = 20)]
fn a_crowd(bencher: Bencher<'_, '_>, programs: usize) {
    let (mut rig, text) = (Rig::new(|_| ()), text());
    let total = TOTAL * programs;
    bencher.counter(BytesCount::new(total)).bench_local(|| rig.crowd(programs, &text));
}

#[divan::bench(args = [65536, 4096])]
fn with_rotation(bencher: Bencher<'_, '_>, chunk: usize) {
    let mut rig = Rig::new(|plan| (plan.maxbytes, plan.backups) = (1 << 20, 5));
    let text = text();
    bencher
        .counter(BytesCount::new(TOTAL))
        .bench_local(|| rig.round(|pipe| write_all(pipe, &text, chunk)));
}

#[divan::bench(args = [65536, 4096])]
fn with_strip_ansi(bencher: Bencher<'_, '_>, chunk: usize) {
    let (mut rig, text) = (Rig::new(|plan| plan.strip_ansi = true), text());
    bencher
        .counter(BytesCount::new(TOTAL))
        .bench_local(|| rig.round(|pipe| write_all(pipe, &text, chunk)));
}

#[divan::bench]
fn strip_ansi_alone(bencher: Bencher<'_, '_>) {
    let text = text();
    bencher
        .counter(BytesCount::new(TOTAL))
        .bench_local(|| fuzzing::strip(text.chunks(divan::black_box(65536))));
}

#[divan::bench]
fn looking_for_captured_blocks(bencher: Bencher<'_, '_>) {
    let text = text();
    bencher
        .counter(BytesCount::new(TOTAL))
        .bench_local(|| fuzzing::capture(text.chunks(divan::black_box(65536)), 1 << 20));
}
