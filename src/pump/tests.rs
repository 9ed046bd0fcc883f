//! The whole pump: a real thread, real pipes, and a channel in place of the coordinator.

use std::fs;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};

use super::testing::{self, TempDir};
use super::*;
use crate::coordinator::inbox::Msg;
use crate::machine::ExitStatus;

const PATIENCE: Duration = Duration::from_secs(20);
const ID: ProcId = ProcId(1);

struct Bench {
    dir: TempDir,
    pump: PumpHandle,
    inbox: Receiver<Msg>,
    thread: Option<JoinHandle<()>>,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(Level::Info, |_| {})
    }

    fn with(level: Level, change: impl FnOnce(&mut MainLog)) -> Bench {
        let dir = TempDir::new();
        let (config, inbox) = testing::config(&dir, |main_log| {
            main_log.level = level;
            change(main_log);
        });
        let (pump, thread) = start(config).unwrap();
        Bench { dir, pump, inbox, thread: Some(thread) }
    }

    fn plan(&self, channel: Channel, change: impl FnOnce(&mut StreamPlan)) -> StreamPlan {
        let mut plan = testing::plan(channel, &self.dir.join(channel.name()));
        change(&mut plan);
        plan
    }

    /// Attaches a child with a stdout only.
    fn child(&self, generation: Gen, change: impl FnOnce(&mut StreamPlan)) -> PipeWriter {
        let (fd, writer) = std::io::pipe().unwrap();
        let plan = Arc::new(self.plan(Channel::Stdout, change));
        let stdout = Some(Stream { fd: fd.into(), plan, file: None });
        let pipes = Pipes { stdout, ..Pipes::default() };
        self.pump.send(PumpMsg::Attach { id: ID, generation, pipes });
        writer
    }

    /// Attaches a child with a stdin only.
    fn reader(&self, generation: Gen) -> PipeReader {
        let (reader, fd) = std::io::pipe().unwrap();
        let pipes = Pipes { stdin: Some(fd.into()), ..Pipes::default() };
        self.pump.send(PumpMsg::Attach { id: ID, generation, pipes });
        reader
    }

    fn exit(&self, generation: Gen) {
        self.pump.send(PumpMsg::Exited { id: ID, generation, status: ExitStatus::Code(7) });
    }

    fn fence(&self) {
        let (sender, receiver) = bounded(1);
        self.pump.send(PumpMsg::Fence(Box::new(move || sender.send(()).unwrap())));
        receiver.recv_timeout(PATIENCE).unwrap();
    }

    fn ask(&self, msg: impl FnOnce(Done) -> PumpMsg) -> bool {
        let (sender, receiver) = bounded(1);
        self.pump.send(msg(Box::new(move |worked| sender.send(worked).unwrap())));
        receiver.recv_timeout(PATIENCE).unwrap()
    }

    fn clear(&self, id: Option<ProcId>) -> bool {
        self.ask(|done| PumpMsg::Clear { id, done })
    }

    fn write(&self, generation: Gen, data: &[u8]) -> bool {
        let data = data.to_vec();
        self.ask(|done| PumpMsg::Write { id: ID, generation, data, done: Some(done) })
    }

    /// The next message to the coordinator, in words.
    fn msg(&self) -> String {
        match self.inbox.recv_timeout(PATIENCE).unwrap() {
            Msg::Exited { generation, .. } => format!("exit {generation}"),
            Msg::LogOutput { data, .. } => format!("log {}", pyrepr::bytes(&data)),
            Msg::ListenerOutput { data, .. } => format!("listener {}", pyrepr::bytes(&data)),
            Msg::CommOutput { data, .. } => format!("comm {}", pyrepr::bytes(&data)),
            Msg::StdinClosed { generation, .. } => format!("stdin closed {generation}"),
            _ => "?".into(),
        }
    }

    fn out(&self) -> String {
        text(&self.dir.join("stdout"))
    }

    /// The activity log without times.
    fn log(&self) -> String {
        let all = text(&self.dir.join("sd.log"));
        all.lines().map(|l| format!("{}\n", l.get(24..).unwrap_or(l))).collect()
    }

    fn quit(&mut self) {
        self.pump.send(PumpMsg::Quit);
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if self.thread.is_some() && !std::thread::panicking() {
            self.quit();
        }
    }
}

fn text(path: &Path) -> String {
    String::from_utf8(fs::read(path).unwrap_or_default()).unwrap()
}

/// A log and its backups.
fn oldest_first(path: &Path) -> Vec<Vec<u8>> {
    let old = (1..).map(|n| rotate::backup(path, n)).take_while(|p| p.exists());
    let mut files: Vec<_> = old.map(|p| fs::read(p).unwrap()).collect();
    files.reverse();
    files.push(fs::read(path).unwrap());
    files
}

fn until(mut what: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !what() {
        assert!(Instant::now() < end, "not in time");
        std::thread::yield_now();
    }
}

#[test]
fn output_goes_to_the_log_and_the_exit_comes_after_it() {
    let b = Bench::new();
    let mut w = b.child(1, |p| p.events_enabled = true);
    w.write_all(b"hello\n").unwrap();
    until(|| b.out() == "hello\n");
    w.write_all(b"last words").unwrap();
    drop(w);
    b.exit(1);
    let mut all = String::new();
    let end = loop {
        match b.inbox.recv_timeout(PATIENCE).unwrap() {
            Msg::LogOutput { data, .. } => all += std::str::from_utf8(&data).unwrap(),
            Msg::Exited { generation, status, .. } => break (generation, status),
            _ => panic!(),
        }
    };
    assert_eq!((all.as_str(), end), ("hello\nlast words", (1, ExitStatus::Code(7))));
    assert_eq!(b.out(), "hello\nlast words");
}

#[test]
fn a_grandchild_that_holds_the_pipe_delays_nothing_and_loses_nothing() {
    let b = Bench::new();
    let mut w = b.child(1, |_| {});
    w.write_all(b"child\n").unwrap();
    b.exit(1);
    assert_eq!(b.msg(), "exit 1");
    assert_eq!(b.out(), "child\n");
    w.write_all(b"grandchild\n").unwrap();
    until(|| b.out() == "child\ngrandchild\n");
    assert!(b.clear(Some(ID)), "a process that is gone is not cleared");
    assert_eq!(b.out(), "child\ngrandchild\n");
    drop(w);
    b.fence();
}

#[test]
fn a_flooding_grandchild_cannot_hold_up_the_exit() {
    let b = Bench::new();
    let mut w = b.child(1, |p| p.path = None);
    let stop = Arc::new(AtomicBool::new(false));
    let flood = {
        let stop = stop.clone();
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) && w.write_all(&[b'x'; 4096]).is_ok() {}
        })
    };
    until(|| b.pump.stats().bytes_read.load(Ordering::Relaxed) > 1 << 20);
    b.exit(1);
    assert_eq!(b.msg(), "exit 1");
    stop.store(true, Ordering::Relaxed);
    flood.join().unwrap();
}

#[test]
fn only_the_last_starts_may_linger() {
    let b = Bench::new();
    let writers: Vec<PipeWriter> = (1..=10)
        .map(|generation| {
            let w = b.child(generation, |_| {});
            b.exit(generation);
            assert_eq!(b.msg(), format!("exit {generation}"));
            w
        })
        .collect();
    b.fence();
    let open: Vec<bool> = writers.iter().map(|mut w| w.write_all(b"x").is_ok()).collect();
    assert_eq!(open, [[false; 2].as_slice(), &[true; 8]].concat());
}

#[test]
fn an_exit_that_overtakes_its_attach_waits_for_it() {
    let b = Bench::new();
    b.exit(1);
    b.fence();
    assert!(b.inbox.is_empty());
    let mut w = b.child(1, |p| p.events_enabled = true);
    // Written before or after the attach: the exit is handled with it.
    let _ = w.write_all(b"");
    drop(w);
    assert_eq!(b.msg(), "exit 1");
    b.exit(5);
    assert_eq!(b.msg(), "exit 5", "and is passed on when none comes");
}

#[test]
fn stdin_is_written_as_the_child_reads_it() {
    let b = Bench::new();
    let mut r = b.reader(1);
    assert!(b.write(1, b"abc") && b.write(1, b""));
    let big: Vec<u8> = (0..1_000_000u32).map(|i| (i / 7) as u8).collect();
    assert!(b.write(1, &big), "more than the pipe holds is kept");
    let mut got = vec![0; 3 + big.len()];
    r.read_exact(&mut got).unwrap();
    assert!(got.starts_with(b"abc") && got[3..] == big);
    assert!(!b.write(2, b"x"), "unknown start");
    drop(r);
    assert!(!b.write(1, b"x"));
    assert_eq!(b.msg(), "stdin closed 1");
    assert!(!b.write(1, b"x"));
}

#[test]
fn a_child_that_closes_its_stdin_with_bytes_waiting_is_noticed() {
    let b = Bench::new();
    let r = b.reader(1);
    assert!(b.write(1, &vec![0; 200_000]));
    drop(r);
    assert_eq!(b.msg(), "stdin closed 1");
}

#[test]
fn the_exit_closes_stdin() {
    let b = Bench::new();
    let mut r = b.reader(1);
    b.exit(1);
    assert_eq!(b.msg(), "exit 1");
    assert_eq!(r.read(&mut [0; 9]).unwrap(), 0);
    assert!(!b.write(1, b"x"));
}

#[test]
fn output_is_copied_to_a_debug_log_in_the_references_words() {
    let b = Bench::with(Level::Debug, |_| {});
    let mut w = b.child(1, |p| p.capture_maxbytes = 99);
    for piece in
        ["hello\n".as_bytes(), b"\xff\n", b"<!--XSUPERVISOR:BEGIN-->x<!--XSUPERVISOR:END-->"]
    {
        let before = b.log().len();
        w.write_all(piece).unwrap();
        until(|| b.log().len() > before);
    }
    drop(w);
    b.exit(1);
    assert_eq!(b.msg(), "comm b'x'");
    assert_eq!(b.msg(), "exit 1");
    assert_eq!(
        b.log(),
        "DEBG 'w' stdout output:\nhello\n\nDEBG 'w' stdout output:\nUndecodable: b'\\xff\\n'\n\
         DEBG 'w' stdout output:\nx\nDEBG 'w' stdout emitted a comm event\n"
    );
}

#[test]
fn a_listener_that_is_muted_is_logged_and_not_passed_on() {
    let b = Bench::new();
    let mut w = b.child(1, |p| p.listener = true);
    w.write_all(b"garbage\n").unwrap();
    assert_eq!(b.msg(), r"listener b'garbage\n'");
    b.pump.send(PumpMsg::Mute { id: ID, generation: 1 });
    b.pump.send(PumpMsg::Mute { id: ID, generation: 0 });
    b.fence();
    w.write_all(b"more\n").unwrap();
    b.exit(1);
    assert_eq!(b.msg(), "exit 1");
    assert_eq!(fs::read(b.dir.join("stdout")).unwrap(), b"garbage\nmore\n");
    // the next start is listened to again
    let mut w = b.child(2, |p| p.listener = true);
    w.write_all(b"READY\n").unwrap();
    assert_eq!(b.msg(), r"listener b'READY\n'");
}

#[test]
fn a_listener_is_logged_and_its_bytes_are_passed_on() {
    let b = Bench::with(Level::Debug, |_| {});
    let mut w = b.child(1, |p| {
        p.listener = true;
        p.strip_ansi = true;
        p.capture_maxbytes = 99;
    });
    w.write_all(b"\x1b[1mREADY\n").unwrap();
    assert_eq!(b.msg(), r"listener b'\x1b[1mREADY\n'");
    until(|| b.out() == "READY\n");
    assert_eq!(b.log(), "DEBG 'w' stdout output:\nb'\\x1b[1mREADY\\n'\n");
}

#[test]
fn captured_blocks_leave_the_log_and_the_tail_stays() {
    let b = Bench::new();
    let mut w = b.child(1, |p| {
        p.capture_maxbytes = 99;
        p.events_enabled = true;
    });
    w.write_all(b"a<!--XSUPERVISOR:BEGIN-->msg<!--XSUPERVISOR:END-->b<!--XSUP").unwrap();
    for want in ["log b'a'", "log b'msg'", "comm b'msg'", "log b'b'"] {
        assert_eq!(b.msg(), want);
    }
    b.exit(1);
    assert_eq!(b.msg(), "log b'<!--XSUP'");
    assert_eq!(b.msg(), "exit 1");
    assert_eq!(b.out(), "ab<!--XSUP");
}

#[test]
fn escape_sequences_are_taken_out_across_reads() {
    let b = Bench::new();
    let mut w = b.child(1, |p| p.strip_ansi = true);
    w.write_all(b"a\x1b[3").unwrap();
    until(|| b.out() == "a");
    w.write_all(b"1mb\x1b").unwrap();
    until(|| b.out() == "ab");
    drop(w);
    b.exit(1);
    b.msg();
    assert_eq!(b.out(), "ab\x1b");
}

#[test]
fn output_goes_to_syslog() {
    let b = Bench::new();
    let server = std::os::unix::net::UnixDatagram::bind(b.dir.join("syslog")).unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut w = b.child(1, |p| (p.syslog, p.path) = (true, None));
    w.write_all(b"one line\n").unwrap();
    let mut buf = [0; 99];
    let n = server.recv(&mut buf).unwrap();
    assert!(buf[..n].starts_with(b"<14>") && buf[..n].ends_with(b" supervisord: w one line"));
}

#[test]
fn streams_with_one_path_share_one_rotation() {
    let b = Bench::new();
    let path = b.dir.join("both");
    let streams: Vec<_> = [Channel::Stdout, Channel::Stderr]
        .map(|channel| {
            let (fd, w) = std::io::pipe().unwrap();
            let plan = b.plan(channel, |p| {
                (p.path, p.maxbytes, p.backups) = (Some(path.clone()), 1000, 1000);
            });
            let file = open_for_spawn(&path).unwrap();
            (Stream { fd: fd.into(), plan: Arc::new(plan), file }, w)
        })
        .into();
    let (mut streams, writers): (Vec<_>, Vec<_>) = streams.into_iter().unzip();
    let (stderr, stdout) = (streams.pop(), streams.pop());
    let pipes = Pipes { stdin: None, stdout, stderr };
    b.pump.send(PumpMsg::Attach { id: ID, generation: 1, pipes });
    let threads: Vec<_> = writers
        .into_iter()
        .zip(["o", "e"])
        .map(|(mut w, mark)| {
            std::thread::spawn(move || {
                for i in 0..3000 {
                    w.write_all(format!("{mark}{i:06}\n").as_bytes()).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    b.exit(1);
    assert_eq!(b.msg(), "exit 1");
    let mut files: Vec<_> =
        (1..).map(|n| rotate::backup(&path, n)).take_while(|p| p.exists()).collect();
    assert!(!files.is_empty());
    files.reverse();
    files.push(path);
    let all: String = files.iter().map(|p| text(p)).collect();
    for mark in ["o", "e"] {
        let lines: Vec<_> = all.lines().filter(|l| l.starts_with(mark)).collect();
        assert!(lines.len() == 3000 && lines.is_sorted(), "{mark} {}", lines.len());
    }
}

#[test]
fn reopen_and_clear_make_new_files() {
    let b = Bench::new();
    let mut w = b.child(1, |_| {});
    w.write_all(b"one\n").unwrap();
    until(|| b.out() == "one\n");
    b.pump.send(PumpMsg::Line(b"first\n".to_vec()));
    b.fence();
    for name in ["stdout", "sd.log"] {
        fs::rename(b.dir.join(name), b.dir.join(&format!("{name}.moved"))).unwrap();
    }
    b.pump.send(PumpMsg::Reopen);
    b.pump.send(PumpMsg::Line(b"second\n".to_vec()));
    b.fence();
    w.write_all(b"two\n").unwrap();
    until(|| b.out() == "two\n");
    assert_eq!(text(&b.dir.join("stdout.moved")), "one\n");
    assert_eq!(text(&b.dir.join("sd.log.moved")), "first\n");
    assert_eq!(text(&b.dir.join("sd.log")), "second\n");

    assert!(b.clear(Some(ID)) && b.clear(None) && b.clear(Some(ProcId(99))));
    assert_eq!((b.out().as_str(), text(&b.dir.join("sd.log")).as_str()), ("", ""));
    w.write_all(b"three\n").unwrap();
    until(|| b.out() == "three\n");
    fs::remove_file(b.dir.join("sd.log")).unwrap();
    assert!(!b.clear(None), "nothing there to clear");
    fs::remove_file(b.dir.join("stdout")).unwrap();
    fs::create_dir(b.dir.join("stdout")).unwrap();
    assert!(!b.clear(Some(ID)));
}

#[test]
fn the_activity_log_rotates() {
    let b = Bench::with(Level::Info, |l| (l.maxbytes, l.backups) = (10, 2));
    for i in 0..5 {
        b.pump.send(PumpMsg::Line(format!("line {i}\n").into_bytes()));
    }
    b.fence();
    let name = |n: &str| text(&b.dir.join(n));
    assert_eq!(name("sd.log"), "line 4\n");
    assert_eq!(name("sd.log.1"), "line 2\nline 3\n");
    assert_eq!(name("sd.log.2"), "line 0\nline 1\n");
}

#[test]
fn a_log_that_fails_is_told_in_the_activity_log() {
    let b = Bench::new();
    let mut w = b.child(1, |p| p.path = Some("/dev/full".into()));
    w.write_all(b"x").unwrap();
    until(|| !b.log().is_empty());
    assert_eq!(b.log(), "WARN 'w' stdout: cannot write to /dev/full (ENOSPC), trying again\n");
}

#[test]
fn an_activity_log_that_fails_tells_so_when_it_works_again() {
    let dir = TempDir::new();
    let path = dir.join("log");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let b = Bench::with(Level::Info, |l| l.path = Some(path.clone()));
    b.pump.send(PumpMsg::Line(b"kept\n".to_vec()));
    b.fence();
    fs::remove_file(&path).unwrap();
    b.pump.send(PumpMsg::Reopen);
    b.fence();
    let log = text(&path);
    assert!(log.starts_with("kept\n"), "{log}");
    assert!(log.contains("works again after ENOSPC, 0 bytes were lost"), "{log}");
}

#[test]
fn the_coordinator_is_not_flooded() {
    let b = Bench::new();
    let mut w = b.child(1, |p| (p.events_enabled, p.path) = (true, None));
    const TOTAL: usize = 12 << 20;
    let flood = std::thread::spawn(move || w.write_all(&vec![b'x'; TOTAL]).unwrap());
    let credits = b.pump.credits();
    until(|| credits.in_flight() >= 4 << 20);
    let (mut got, mut most) = (0, 0);
    while got < TOTAL {
        most = most.max(credits.in_flight());
        let Msg::LogOutput { data, .. } = b.inbox.recv_timeout(PATIENCE).unwrap() else { panic!() };
        got += data.len();
        credits.give_back(data.len());
    }
    flood.join().unwrap();
    // At most a turn of full reads above the limit.
    assert!(most < (4 << 20) + (2 << 20), "{most}");
    assert_eq!(credits.in_flight(), 0);
}

#[test]
fn a_slow_pipe_as_log_makes_the_child_wait_and_loses_nothing() {
    let b = Bench::new();
    let (mut reader, inherited) = std::io::pipe().unwrap();
    let name = format!("/dev/fd/{}", inherited.as_raw_fd());
    let mut w = b.child(1, |p| (p.path, p.maxbytes) = (Some(name.into()), 50 << 20));
    let data: Vec<u8> = (0..2_000_000u32).map(|i| (i / 3) as u8).collect();
    let sent = data.clone();
    let writer = std::thread::spawn(move || w.write_all(&sent).unwrap());
    let mut got = vec![0; data.len()];
    reader.read_exact(&mut got).unwrap();
    writer.join().unwrap();
    assert!(got == data);
    assert_eq!(b.log(), "");
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let flags = OFlag::from_bits_retain(fcntl(&inherited, FcntlArg::F_GETFL).unwrap());
    assert!(!flags.contains(OFlag::O_NONBLOCK), "others share it");
}

#[test]
fn a_slow_pipe_gets_the_last_words_of_a_child_that_is_gone() {
    let b = Bench::new();
    let (mut reader, inherited) = std::io::pipe().unwrap();
    let name = format!("/dev/fd/{}", inherited.as_raw_fd());
    let mut w = b.child(1, |p| p.path = Some(name.into()));
    let data: Vec<u8> = (0..100_000u32).map(|i| (i / 3) as u8).collect();
    w.write_all(&data).unwrap();
    drop(w);
    b.exit(1);
    assert_eq!(b.msg(), "exit 1");
    b.fence();
    let mut got = vec![0; data.len()];
    reader.read_exact(&mut got).unwrap();
    assert!(got == data);
    drop(inherited);
    until(|| reader.read(&mut [0]).unwrap() == 0);
}

#[test]
fn lines_arrive_soon_and_in_order_under_gathering() {
    let b = Bench::new();
    let mut w = b.child(1, |_| {});
    let mut want = String::new();
    for i in 0..20_000 {
        let line = format!("line {i:06}\n");
        w.write_all(line.as_bytes()).unwrap();
        want += &line;
    }
    let sent = Instant::now();
    until(|| b.out().len() == want.len());
    assert!(sent.elapsed() < Duration::from_secs(5));
    assert!(b.out() == want);
}

#[test]
fn a_crowd_of_busy_programs_is_logged_to_the_last_byte() {
    const EACH: usize = 4 << 20;
    const LIMIT: i64 = 300_000;
    let bench = Bench::new();
    let children = (0..12u64).map(|n| {
        let (fd, mut writer) = std::io::pipe().unwrap();
        let plan = Arc::new(bench.plan(Channel::Stdout, |plan| {
            plan.path = Some(bench.dir.join(&n.to_string()));
            (plan.maxbytes, plan.backups) = if n % 2 == 0 { (LIMIT, 100) } else { (0, 0) };
        }));
        let stdout = Some(Stream { fd: fd.into(), plan, file: None });
        let pipes = Pipes { stdout, ..Pipes::default() };
        bench.pump.send(PumpMsg::Attach { id: ProcId(n), generation: 1, pipes });
        let pump = bench.pump.clone();
        std::thread::spawn(move || {
            let text: Vec<u8> =
                (0..EACH as u64 / 8).flat_map(|i| (i * 16 + n).to_le_bytes()).collect();
            text.chunks(4096).for_each(|part| writer.write_all(part).unwrap());
            drop(writer);
            let (id, status) = (ProcId(n), ExitStatus::Code(0));
            pump.send(PumpMsg::Exited { id, generation: 1, status });
            text
        })
    });
    let children: Vec<_> = children.collect();
    for _ in &children {
        let Msg::Exited { id, .. } = bench.inbox.recv_timeout(PATIENCE).unwrap() else { panic!() };
        let files = oldest_first(&bench.dir.join(&id.0.to_string()));
        assert!(id.0 % 2 == 1 || files.iter().all(|f| f.len() < LIMIT as usize + (128 << 10)));
        assert_eq!(files.concat().len(), EACH, "all of it is there when its exit is told");
    }
    for (n, child) in children.into_iter().enumerate() {
        let files = oldest_first(&bench.dir.join(&n.to_string()));
        assert!(files.concat() == child.join().unwrap(), "program {n}");
    }
    assert!(bench.pump.stats().offered.load(Ordering::Relaxed) > 0, "nothing was shared");
}

#[test]
fn quit_reads_what_is_left_and_ends() {
    let mut b = Bench::new();
    let mut w = b.child(1, |_| {});
    w.write_all(b"last\n").unwrap();
    b.pump.send(PumpMsg::Quit);
    b.pump.send(PumpMsg::Line(b"after quit\n".to_vec()));
    b.quit();
    assert_eq!(b.out(), "last\n");
    assert!(matches!(b.log().as_str(), "" | "after quit\n"));
    b.pump.send(PumpMsg::Reopen);
}

#[test]
fn a_panicking_completion_is_not_the_pumps_end() {
    let b = Bench::new();
    b.pump.send(PumpMsg::Fence(Box::new(|| std::panic::resume_unwind(Box::new("no")))));
    b.fence();
}

#[test]
fn what_cannot_be_watched_is_read_by_the_clock() {
    let b = Bench::new();
    // epoll refuses plain files, as it refuses pipes when it has no room.
    let path = b.dir.join("in place of a pipe");
    fs::write(&path, "all of it\n").unwrap();
    let plan = Arc::new(b.plan(Channel::Stdout, |_| {}));
    let fd = fs::File::open(&path).unwrap().into();
    let stdout = Some(Stream { fd, plan, file: None });
    let pipes = Pipes { stdout, ..Pipes::default() };
    b.pump.send(PumpMsg::Attach { id: ID, generation: 1, pipes });
    until(|| b.out() == "all of it\n");
    assert!(b.log().contains("cannot watch the pipe, reading it every 500ms"), "{}", b.log());
    assert_eq!(b.log().lines().count(), 1, "{}", b.log());
}

#[test]
fn an_activity_log_that_cannot_be_opened_is_an_error_at_the_start() {
    let dir = TempDir::new();
    let path = Some(dir.join("no/such/folder"));
    let (config, _inbox) = testing::config(&dir, |main_log| main_log.path = path);
    assert_eq!(start(config).unwrap_err().kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn lines_that_are_written_together_are_whole_in_order_and_before_the_answer() {
    let b = Bench::new();
    let log = b.dir.join("sd.log");
    let lazy = b.pump.lazy();
    let mut all = String::new();
    for round in 0..20 {
        for n in 0..100 {
            let line = format!("{round} {n} {}\n", "x".repeat(n));
            all.push_str(&line);
            lazy.send(PumpMsg::Line(line.into_bytes()));
            lazy.send(PumpMsg::Gone { id: ID, generation: n as Gen });
        }
        let (sender, seen) = bounded(1);
        let path = log.clone();
        lazy.send(PumpMsg::Fence(Box::new(move || {
            let _ = sender.send(fs::read_to_string(path));
        })));
        lazy.wake();
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap().unwrap(), all);
    }
}
