//! A second hand for the pump: a thread that moves bytes of some streams while the pump's own moves
//! those of others, for as long as many programs write as fast as they can.
//!
//! Why: such a crowd shares few processors with the one thread that reads it all, and each writer
//! that is let go on by a read takes that thread's processor for a moment. Two threads get two turns.
//!
//! Nothing of the pump is shared. It lends what a [`Job`] holds and does jobs itself, all of them when
//! there are few. It waits for what is still away before a message, a deadline or its end; so whatever
//! it promises about order holds as if it had done everything alone. The thread is made when it is
//! needed first, and sleeps when there is nothing to do.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle, available_parallelism};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use nix::errno::Errno;

use super::engine::BUFFER;
use super::flow::SHORT;
use super::outlets::Token;

/// From so many busy streams on the work is shared. Fewer get larger pipes instead, and the other
/// thread would be awake before there is something left for it.
const CROWD: usize = 4;
/// So many jobs that nobody has begun keep two threads busy while more are looked for.
const FEW: usize = 3;
/// Bytes after which a job is over, and reads, where they give little.
const ENOUGH: usize = 2 << 20;
const READS: usize = 64;
/// Bytes that are written at once, to a place in the file that is a multiple of it: the page cache takes
/// such a piece in folios as large as they come, others page by page.
const PIECE: usize = 256 << 10;
/// The thread's stack in bytes. Its buffer is on the heap.
const STACK: usize = 64 << 10;
/// The thread keeps its buffer for so long without work.
const IDLE: Duration = Duration::from_secs(1);

/// The bytes of one turn of a stream, from its pipe to its log and nowhere else.
#[derive(Debug)]
pub(super) struct Job {
    /// Whose.
    pub token: Token,
    /// Read end of its pipe, non-blocking.
    pub pipe: Arc<OwnedFd>,
    /// Its log, which no other stream writes to.
    pub log: Arc<File>,
    /// Where its last write ended.
    pub at: u64,
    /// Not more than one read above this, so that the log is rotated in time.
    pub room: u64,
}

/// What came of a [`Job`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// Whose.
    pub token: Token,
    /// Bytes read.
    pub read: usize,
    /// The log did not take these, the last of them.
    pub rest: Vec<u8>,
    /// All writers are gone and everything has been read.
    pub eof: bool,
}

impl Job {
    /// As a turn of a stream that nobody else wants to see. `buf` holds a piece.
    fn carry_out(self, buf: &mut [u8]) -> Done {
        let mut done = Done { token: self.token, ..Done::default() };
        let piece = buf.len();
        let off = usize::try_from(self.at % piece as u64).unwrap_or(0);
        let (mut held, mut end) = (0, piece - off);
        for _ in 0..READS {
            // Not more in one read than a stream gets that is read by the pump alone.
            let place = buf.get_mut(held..end.min(held + BUFFER)).unwrap_or_default();
            let little = place.len().min(SHORT);
            let n = match nix::unistd::read(&self.pipe, place) {
                Ok(n) => n,
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => break,
                // Nothing more can come from it.
                Err(_) => 0,
            };
            done.eof = n == 0;
            done.read += n;
            held += n;
            if n < little || done.read as u64 >= self.room {
                break;
            }
            if held == end {
                done.rest = left_over(&self.log, buf.get(..held).unwrap_or_default()).to_vec();
                (held, end) = (0, piece);
                if !done.rest.is_empty() || done.read >= ENOUGH {
                    break;
                }
            }
        }
        if held > 0 {
            done.rest = left_over(&self.log, buf.get(..held).unwrap_or_default()).to_vec();
        }
        done
    }
}

/// Writes, and gives back what was not taken. Why is found out by who tries again.
fn left_over<'a>(mut log: &File, mut data: &'a [u8]) -> &'a [u8] {
    while !data.is_empty() {
        match log.write(data) {
            Ok(n) if n > 0 => data = data.get(n..).unwrap_or_default(),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            _ => break,
        }
    }
    data
}

/// Both of them: what is to be done, what was begun, and where the results are.
pub(super) struct Hands {
    other: Other,
    /// Jobs that only this thread does.
    mine: VecDeque<Job>,
    /// Jobs whose result was not given out yet.
    away: usize,
    /// Of the pump's own thread, while there are jobs.
    buf: Vec<u8>,
}

enum Other {
    /// Not needed so far.
    NotYet,
    /// There is one.
    Hired(Helper),
    /// There is only one processor, or no thread to be had.
    None,
}

/// The other thread is no more, and with it a job and its bytes.
#[derive(Debug)]
pub(super) struct Lost;

impl Hands {
    /// Of the pump alone, so far.
    pub fn new() -> Hands {
        Hands { other: Other::NotYet, mine: VecDeque::new(), away: 0, buf: Vec::new() }
    }

    /// So many results are owed.
    pub fn away(&self) -> usize {
        self.away
    }

    /// Lets both take jobs, this thread by [`Hands::do_one`]; a few only this thread. True: both.
    pub fn offer(&mut self, jobs: Vec<Job>) -> bool {
        self.away += jobs.len();
        if self.away < CROWD {
            self.mine.extend(jobs);
            return false;
        }
        if matches!(self.other, Other::NotYet) {
            self.other = Helper::hire().map_or(Other::None, Other::Hired);
        }
        match &self.other {
            Other::Hired(helper) => helper.offer(jobs),
            Other::None | Other::NotYet => self.mine.extend(jobs),
        }
        true
    }

    /// Carries out a job that nobody has begun.
    pub fn do_one(&mut self) -> Option<Done> {
        let job = self.mine.pop_front().or_else(|| match &self.other {
            Other::Hired(helper) => helper.queue.try_recv().ok(),
            Other::None | Other::NotYet => None,
        })?;
        self.buf.resize(PIECE, 0);
        let done = job.carry_out(&mut self.buf);
        self.away = self.away.saturating_sub(1);
        Some(done)
    }

    /// The other thread will soon have nothing to do.
    pub fn run_low(&self) -> bool {
        let is_low = |other: &Other| matches!(other, Other::Hired(h) if h.queue.len() < FEW);
        self.mine.is_empty() && is_low(&self.other)
    }

    /// A result of the other thread, after waiting for it so long at most.
    ///
    /// # Errors
    /// [`Lost`]: there is none left to wait for.
    pub fn result(&mut self, patience: Duration) -> Result<Option<Done>, Lost> {
        let Other::Hired(helper) = &self.other else { return Err(Lost) };
        match helper.results.recv_timeout(patience) {
            Ok(done) => {
                self.away = self.away.saturating_sub(1);
                Ok(Some(done))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Lost),
        }
    }

    /// Gives back memory that only a crowd needs.
    pub fn rest(&mut self) {
        self.buf = Vec::new();
    }

    /// After an error: nothing is owed any more, and the pump goes on alone.
    pub fn give_up(&mut self) {
        *self = Hands { other: Other::None, ..Hands::new() };
    }
}

/// The thread, and the way to it.
struct Helper {
    /// None: it is to end.
    jobs: Option<Sender<Job>>,
    queue: Receiver<Job>,
    results: Receiver<Done>,
    thread: Option<JoinHandle<()>>,
}

impl Helper {
    fn hire() -> Option<Helper> {
        if available_parallelism().map_or(1, usize::from) < 2 {
            return None;
        }
        let (jobs, queue) = unbounded();
        let (sender, results) = unbounded();
        let theirs = queue.clone();
        let builder = Builder::new().name("pump-hand".into()).stack_size(STACK);
        let thread = builder.spawn(move || help(&theirs, &sender)).ok()?;
        Some(Helper { jobs: Some(jobs), queue, results, thread: Some(thread) })
    }

    fn offer(&self, jobs: Vec<Job>) {
        for job in jobs {
            // It cannot fail: we hold a receiver ourselves.
            let _ = self.jobs.as_ref().map(|way| way.send(job));
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.jobs = None;
        // A panic of it has been told where the result was missed.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn help(queue: &Receiver<Job>, results: &Sender<Done>) {
    while let Ok(first) = queue.recv() {
        let mut buf = vec![0; PIECE];
        let mut next = Ok(first);
        while let Ok(job) = next {
            if results.send(job.carry_out(&mut buf)).is_err() {
                return;
            }
            next = queue.recv_timeout(IDLE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::flow::unblock;
    use super::super::testing::TempDir;
    use super::*;
    use nix::fcntl::{FcntlArg, fcntl};
    use std::io::PipeWriter;

    /// A pipe with something in it, and the job to move that to a file.
    fn job(dir: &TempDir, token: Token, text: &[u8], room: u64) -> (PipeWriter, Job) {
        let (r, mut w) = io::pipe().unwrap();
        let pipe = OwnedFd::from(r);
        unblock(&pipe);
        w.write_all(text).unwrap();
        let log = Arc::new(File::create(dir.join(&token.to_string())).unwrap());
        (w, Job { token, pipe: Arc::new(pipe), log, at: 0, room })
    }

    #[test]
    fn every_job_is_done_once_whoever_does_it() {
        let (dir, mut hands) = (TempDir::new(), Hands::new());
        for turn in 0..100 {
            let (writers, jobs): (Vec<_>, Vec<_>) = (0..20)
                .map(|token| job(&dir, token, format!("{turn} {token}").as_bytes(), u64::MAX))
                .unzip();
            assert!(hands.offer(jobs));
            let mut tokens = Vec::new();
            while hands.away() > 0 {
                let done = hands.do_one().or_else(|| hands.result(IDLE).unwrap());
                tokens.extend(done.map(|done| done.token));
            }
            tokens.sort_unstable();
            assert!(tokens.into_iter().eq(0..20));
            for token in 0..20u64 {
                let text = std::fs::read_to_string(dir.join(&token.to_string())).unwrap();
                assert_eq!(text, format!("{turn} {token}"));
            }
            drop(writers);
        }
    }

    #[test]
    fn a_few_jobs_are_done_at_once_by_the_pump_alone() {
        let (dir, mut hands) = (TempDir::new(), Hands::new());
        for crowd in [true, false] {
            let number = if crowd { 20 } else { 3 };
            let (_writers, jobs): (Vec<_>, Vec<_>) =
                (0..number).map(|token| job(&dir, token, b"text", u64::MAX)).unzip();
            assert_eq!(hands.offer(jobs), crowd);
            while hands.away() > 0 {
                let done = hands.do_one();
                assert!(done.is_some() || crowd);
                // Or the pump would look for more before it has done what it has.
                assert!(crowd || hands.away() == 0 || !hands.run_low());
                if done.is_none() {
                    hands.result(IDLE).unwrap();
                }
            }
        }
    }

    #[test]
    fn a_job_tells_of_the_end_and_of_what_the_log_did_not_take() {
        let (dir, mut buf) = (TempDir::new(), vec![0; 4]);
        let (writer, one) = job(&dir, 1, b"abc", u64::MAX);
        let again = Job { token: 1, pipe: one.pipe.clone(), log: one.log.clone(), at: 3, room: 9 };
        assert_eq!(one.carry_out(&mut buf), Done { token: 1, read: 3, ..Done::default() });
        drop(writer);
        assert!(again.carry_out(&mut buf).eof);

        let (_writer, mut full) = job(&dir, 2, b"abc", u64::MAX);
        full.log = Arc::new(File::create("/dev/full").unwrap());
        let done = full.carry_out(&mut buf);
        assert_eq!((done.read, done.rest.as_slice()), (3, b"abc".as_slice()));
    }

    #[test]
    fn a_log_is_above_its_limit_by_one_write_at_most() {
        let (dir, mut buf) = (TempDir::new(), vec![0; SHORT]);
        let (_writer, one) = job(&dir, 1, &[b'x'; SHORT * 3], SHORT as u64 + 1);
        assert_eq!(one.carry_out(&mut buf).read, SHORT * 2);

        // What is gathered for one write does not add to that.
        let (mut writer, one) = job(&dir, 2, b"x", BUFFER as u64 + 1);
        fcntl(&writer, FcntlArg::F_SETPIPE_SZ(1 << 20)).unwrap();
        writer.write_all(&[b'x'; BUFFER * 3]).unwrap();
        assert_eq!(one.carry_out(&mut vec![0; PIECE]).read, BUFFER * 2);
        assert_eq!(std::fs::read(dir.join("2")).unwrap().len(), BUFFER * 2);
    }
}
