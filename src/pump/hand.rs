//! A second hand for the pump: a thread that moves bytes of some streams while the pump's own moves
//! those of others, for as long as many programs write as fast as they can.
//!
//! Why: such a crowd shares few processors with the one thread that reads it all, and each writer
//! that is let go on by a read takes that thread's processor for a moment. Two threads get two turns.
//!
//! Nothing of the pump is shared. It lends what a [`Job`] holds, does jobs itself until there are no
//! more, and waits for the last result before it does anything else: whatever it promises about
//! order holds as if it had done everything alone. The thread is made when it is needed first, and
//! sleeps when there is nothing to do.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle, available_parallelism};

use crossbeam_channel::{Receiver, Sender, unbounded};
use nix::errno::Errno;

use super::flow::{READS, SHORT};
use super::outlets::Token;

/// From so many busy streams on in one turn the work is shared. Fewer get larger pipes instead, and
/// the other thread would be awake before there is something left for it.
const CROWD: usize = 4;
/// The thread's stack in bytes. Its buffer is on the heap.
const STACK: usize = 64 << 10;

/// The bytes of one turn of a stream, from its pipe to its log and nowhere else.
#[derive(Debug)]
pub(super) struct Job {
    /// Whose.
    pub token: Token,
    /// Read end of its pipe, non-blocking.
    pub pipe: Arc<OwnedFd>,
    /// Its log, which no other stream writes to.
    pub log: Arc<File>,
    /// Not more than one write above this, so that the log is rotated in time.
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
    /// As a turn of a stream that nobody else wants to see.
    fn carry_out(self, buf: &mut [u8]) -> Done {
        let mut done = Done { token: self.token, ..Done::default() };
        for _ in 0..READS {
            let n = match nix::unistd::read(&self.pipe, buf) {
                Ok(n) => n,
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => break,
                // Nothing more can come from it.
                Err(_) => 0,
            };
            done.eof = n == 0;
            done.read += n;
            done.rest = left_over(&self.log, buf.get(..n).unwrap_or_default()).to_vec();
            if n < SHORT || !done.rest.is_empty() || done.read as u64 >= self.room {
                break;
            }
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

/// So many busy streams are worth a second hand.
pub(super) fn is_crowd(busy: usize) -> bool {
    busy >= CROWD
}

/// See the module head.
pub(super) enum Hand {
    /// Not needed so far.
    NotYet,
    /// There is one.
    Hired(Helper),
    /// There is only one processor, or no thread to be had.
    Alone,
}

impl Hand {
    /// Carries out all jobs, together with the other thread where there is one.
    pub fn share(&mut self, jobs: Vec<Job>, buf: &mut [u8]) -> Vec<Done> {
        if matches!(self, Hand::NotYet) {
            *self = Helper::hire().map_or(Hand::Alone, Hand::Hired);
        }
        let Hand::Hired(helper) = self else {
            return jobs.into_iter().map(|job| job.carry_out(buf)).collect();
        };
        let (done, well) = helper.share(jobs, buf);
        if !well {
            *self = Hand::Alone;
        }
        done
    }
}

/// The thread, and the way to it.
pub(super) struct Helper {
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

    /// False: the thread is no more, and the job that it had is lost.
    fn share(&self, jobs: Vec<Job>, buf: &mut [u8]) -> (Vec<Done>, bool) {
        let all = jobs.len();
        let mut done = Vec::with_capacity(all);
        for job in jobs {
            // It cannot fail: we hold a receiver ourselves.
            let _ = self.jobs.as_ref().map(|way| way.send(job));
        }
        while let Ok(job) = self.queue.try_recv() {
            done.push(job.carry_out(buf));
        }
        while done.len() < all {
            match self.results.recv() {
                Ok(one) => done.push(one),
                Err(_) => return (done, false),
            }
        }
        (done, true)
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
    let mut buf = vec![0; super::engine::BUFFER];
    while let Ok(job) = queue.recv() {
        if results.send(job.carry_out(&mut buf)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::flow::unblock;
    use super::super::testing::TempDir;
    use super::*;
    use std::io::PipeWriter;

    /// A pipe with something in it, and the job to move that to a file.
    fn job(dir: &TempDir, token: Token, text: &[u8], room: u64) -> (PipeWriter, Job) {
        let (r, mut w) = io::pipe().unwrap();
        let pipe = OwnedFd::from(r);
        unblock(&pipe);
        w.write_all(text).unwrap();
        let log = Arc::new(File::create(dir.join(&token.to_string())).unwrap());
        (w, Job { token, pipe: Arc::new(pipe), log, room })
    }

    #[test]
    fn every_job_is_done_once_whoever_does_it() {
        let (dir, mut hand, mut buf) = (TempDir::new(), Hand::NotYet, vec![0; 1 << 16]);
        for turn in 0..100 {
            let (writers, jobs): (Vec<_>, Vec<_>) = (0..20)
                .map(|token| job(&dir, token, format!("{turn} {token}").as_bytes(), u64::MAX))
                .unzip();
            let mut tokens: Vec<Token> =
                hand.share(jobs, &mut buf).into_iter().map(|done| done.token).collect();
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
    fn a_job_tells_of_the_end_and_of_what_the_log_did_not_take() {
        let (dir, mut buf) = (TempDir::new(), vec![0; 4]);
        let (writer, one) = job(&dir, 1, b"abc", u64::MAX);
        let again = Job { token: 1, pipe: one.pipe.clone(), log: one.log.clone(), room: 9 };
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
    }
}
