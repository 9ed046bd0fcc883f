//! Child output to the system log.
//!
//! Runs on the pump's thread. Owns one datagram socket. Messages look as those of the reference,
//! which uses Python's `syslog` module: facility user, level info, ident `supervisord` without a
//! pid, then the process name and the line (RFC 3164, C library's layout). Nothing ever waits: what
//! the log daemon does not take at once is dropped and counted.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;

use super::sink::Ctx;
use super::trouble::Trouble;
use super::wake::Stats;
use crate::sys::clock::{self, Mono};

/// LOG_USER | LOG_INFO.
const PRIORITY: u32 = 1 << 3 | 6;
/// Length of a message that is tried when the log daemon's limit was exceeded.
const SHORT: usize = 2048;
/// Between two tries to connect.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Syslog {
    path: PathBuf,
    socket: Option<UnixDatagram>,
    retry: Mono,
    trouble: Trouble,
}

impl Syslog {
    /// Nothing is opened before the first message.
    pub fn new(path: PathBuf) -> Syslog {
        Syslog { path, socket: None, retry: Mono(0), trouble: Trouble::default() }
    }

    /// Sends a piece of output, a message per line. As in the reference, newlines at the end count
    /// for nothing, an empty piece is an empty line, and a line that comes in two reads gives two
    /// messages.
    pub fn send(&mut self, name: &str, piece: &[u8], ctx: &mut Ctx<'_>) {
        let end = piece.iter().rposition(|b| *b != b'\n').map_or(0, |i| i + 1);
        let (text, _) = piece.split_at(end);
        let stamp = clock::local(clock::wall().0, c"%b %e %H:%M:%S");
        for line in text.split(|b| *b == b'\n') {
            let mut message = format!("<{PRIORITY}>{stamp} supervisord: {name} ").into_bytes();
            message.extend_from_slice(line);
            self.deliver(&message, ctx);
        }
    }

    fn deliver(&mut self, message: &[u8], ctx: &mut Ctx<'_>) {
        match self.try_deliver(message, ctx.now) {
            Ok(()) => {
                Stats::add(&ctx.stats.syslog_sent, 1);
                let over = self.trouble.over(ctx.now);
                if let Some((errno, lost)) = over.or_else(|| self.trouble.reckon(ctx.now)) {
                    let path = self.path.display();
                    ctx.notes.push(format!(
                        "syslog: {path} works again after {errno:?}, {lost} lines were lost"
                    ));
                }
            }
            Err(e) => {
                Stats::add(&ctx.stats.syslog_lost, 1);
                self.trouble.lose(1);
                let errno = e.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
                if self.trouble.fail(errno, ctx.now) {
                    let path = self.path.display();
                    ctx.notes
                        .push(format!("syslog: cannot send to {path} ({errno:?}), trying again"));
                }
            }
        }
    }

    /// Tells what was lost and not told yet: nothing more will be sent.
    pub fn close(&mut self, ctx: &mut Ctx<'_>) {
        let lost = self.trouble.take_lost();
        if lost > 0 {
            let path = self.path.display();
            ctx.notes.push(format!("syslog: {path} closed, {lost} lines were lost"));
        }
    }

    /// The log daemon may have been restarted: a failure on an old connection is tried once more on
    /// a new one.
    fn try_deliver(&mut self, message: &[u8], now: Mono) -> io::Result<()> {
        if let Some(socket) = &self.socket {
            match send(socket, message) {
                Err(e) if !temporary(&e) => self.socket = None,
                other => return other,
            }
        }
        if now < self.retry {
            return Err(self.trouble.errno().unwrap_or(Errno::ENOTCONN).into());
        }
        self.retry = now.after(PAUSE);
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect(&self.path)?;
        let sent = send(&socket, message);
        self.socket = Some(socket);
        self.retry = Mono(0);
        sent
    }
}

fn send(socket: &UnixDatagram, message: &[u8]) -> io::Result<()> {
    let mut result = socket.send(message);
    if result.as_ref().is_err_and(|e| e.raw_os_error() == Some(libc::EMSGSIZE)) {
        result = socket.send(message.get(..SHORT).unwrap_or(message));
    }
    result.map(drop)
}

/// The connection is fine, the log daemon is only behind.
fn temporary(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::WouldBlock
        || matches!(e.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM | libc::EMSGSIZE))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, TempDir};
    use super::*;

    impl Bench {
        fn send(&mut self, log: &mut Syslog, piece: &[u8]) {
            log.send("web", piece, &mut self.ctx());
        }
    }

    fn received(socket: &UnixDatagram) -> Vec<String> {
        socket.set_nonblocking(true).unwrap();
        let (mut all, mut buf) = (Vec::new(), [0; 4096]);
        while let Ok(n) = socket.recv(&mut buf) {
            let text = String::from_utf8_lossy(&buf[..n]).into_owned();
            assert!(text.starts_with("<14>"), "{text}");
            all.push(text[4 + "Jan  1 00:00:00 ".len()..].to_owned());
        }
        all
    }

    #[test]
    fn each_line_is_a_message() {
        let dir = TempDir::new();
        let server = UnixDatagram::bind(dir.join("log")).unwrap();
        let (mut log, mut bench) = (Syslog::new(dir.join("log")), Bench::new());
        bench.send(&mut log, b"one\ntwo\n\nthree\n\n");
        bench.send(&mut log, b"\n");
        let want = ["web one", "web two", "web ", "web three", "web "];
        assert_eq!(received(&server), want.map(|w| format!("supervisord: {w}")));
        assert!(bench.notes.is_empty());
    }

    #[test]
    fn a_log_daemon_that_comes_back_is_found_and_the_loss_is_told() {
        let dir = TempDir::new();
        let (mut log, mut bench) = (Syslog::new(dir.join("log")), Bench::new());
        bench.send(&mut log, b"a\nb\n");
        assert_eq!(bench.notes.len(), 1);
        let server = UnixDatagram::bind(dir.join("log")).unwrap();
        bench.now = bench.now.after(PAUSE);
        bench.send(&mut log, b"c\n");
        assert_eq!(received(&server), ["supervisord: web c"]);
        assert!(bench.notes[1].contains("works again after ENOENT, 2 lines"), "{}", bench.notes[1]);
        drop(server);
        std::fs::remove_file(dir.join("log")).unwrap();
        let server = UnixDatagram::bind(dir.join("log")).unwrap();
        bench.send(&mut log, b"d\n");
        assert_eq!(received(&server), ["supervisord: web d"], "a restart loses nothing");
    }

    #[test]
    fn a_full_queue_never_blocks() {
        let dir = TempDir::new();
        let _server = UnixDatagram::bind(dir.join("log")).unwrap();
        let (mut log, mut bench) = (Syslog::new(dir.join("log")), Bench::new());
        for _ in 0..5000 {
            bench.send(&mut log, &[b'x'; 100]);
        }
        use std::sync::atomic::Ordering::Relaxed;
        let (sent, lost) =
            (bench.stats.syslog_sent.load(Relaxed), bench.stats.syslog_lost.load(Relaxed));
        assert!(sent > 0 && lost > 0 && sent + lost == 5000, "{sent} {lost}");
        assert_eq!(bench.notes.len(), 1);
        let (stats, spare, notes) = (&bench.stats, &mut bench.spare, &mut bench.notes);
        log.close(&mut Ctx { now: bench.now, stats, spare, notes });
        assert!(bench.notes[1].ends_with(&format!("closed, {lost} lines were lost")));
    }
}
