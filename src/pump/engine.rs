//! The pump's loop: messages, timers, pipes, in turns.
//!
//! Runs on the pump's thread and owns all it works on. It waits in epoll only, for pipes, its queue
//! and its deadlines; regular files are the one thing it may have to wait for elsewhere.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;

use super::flow::{Flow, Turn};
use super::gather::Next;
use super::hand::{Done as JobDone, Hands, Job, Lost};
use super::outlets::{Outlets, Token};
use super::stdin::{Refused, Stdin};
use super::timers::Timer;
use super::wake::{Shared, Stats};
use super::{Done, Pipes, PumpMsg, Stream, pyrepr};
use crate::config::model::Level;
use crate::coordinator::inbox::{Gen, Msg, ProcId};
use crate::machine::ExitStatus;
use crate::sys::clock::Mono;
use crate::sys::epoll::Interest;

/// Size of the one read buffer: what the reference reads at most.
pub(super) const BUFFER: usize = 128 << 10;
/// Messages per turn, so that pipes get theirs.
const MESSAGES: usize = 1024;
/// Starts of one process whose pipes may be held open by grandchildren.
const LINGERING: usize = 8;
/// Pipes that may be large at a time. With many busy ones the processors are busy anyway, and large
/// pipes would only push each other out of their caches.
const WIDE: usize = 4;
/// How long the coordinator's answer to a listener's output is waited for without sleeping.
const ANSWER: Duration = Duration::from_micros(40);
/// How long a result of the second hand is waited for before the pipes are looked at again, and when
/// nothing else may be done.
const GLANCE: Duration = Duration::from_micros(200);
const AT_WORK: Duration = Duration::from_secs(1);
/// An exit whose `Attach` does not come is passed on after this.
const EARLY: Duration = Duration::from_secs(1);
/// Whose the stream is that nobody can read.
const NOBODY: ProcId = ProcId(u64::MAX);
/// Token of the wake-up; the others are counted from 1.
const WAKE: Token = 0;
/// Turns that may panic before the thread gives up.
const STUMBLES: u32 = 100;

/// The pipes of one start of a process.
struct Run {
    generation: Gen,
    flows: Vec<Token>,
    stdin: Option<Token>,
    /// Only grandchildren write now.
    exited: bool,
}

/// Whose standard input a token is.
struct Input {
    id: ProcId,
    generation: Gen,
    stdin: Stdin,
}

/// See the module head.
pub(super) struct Pump {
    queue: Receiver<PumpMsg>,
    shared: Arc<Shared>,
    out: Outlets,
    buf: Vec<u8>,
    /// Starts in their order.
    runs: HashMap<ProcId, VecDeque<Run>>,
    flows: HashMap<Token, Flow>,
    inputs: HashMap<Token, Input>,
    /// Exits that overtook their `Attach`.
    early: HashMap<(ProcId, Gen), ExitStatus>,
    /// Streams not read until the coordinator has caught up.
    throttled: Vec<Token>,
    /// Streams whose pipe was made larger.
    wide: Vec<Token>,
    hands: Hands,
    quit: bool,
}

impl Pump {
    /// Ready to run.
    ///
    /// # Errors
    /// The wake-up cannot be watched.
    pub fn new(
        queue: Receiver<PumpMsg>,
        shared: Arc<Shared>,
        out: Outlets,
    ) -> std::io::Result<Pump> {
        out.epoll.add(shared.eventfd(), WAKE, Interest::Read)?;
        Ok(Pump {
            queue,
            shared,
            out,
            buf: vec![0; BUFFER],
            runs: HashMap::new(),
            flows: HashMap::new(),
            inputs: HashMap::new(),
            early: HashMap::new(),
            throttled: Vec::new(),
            wide: Vec::new(),
            hands: Hands::new(),
            quit: false,
        })
    }

    /// Runs until `Quit`. A turn that panics is an error of ours that must not end the logging of
    /// everybody: it is told, and the next turn goes on with what is left.
    pub fn run(mut self) {
        // A pause of 50 us should not become 100: the default slack doubles it.
        let _ = nix::sys::prctl::set_timerslack(10_000);
        let mut ready = Vec::new();
        let mut stumbles = 0;
        while !self.quit {
            let turn = AssertUnwindSafe(|| self.turn(&mut ready));
            if catch_unwind(turn).is_err() {
                stumbles += 1;
                self.give_up_hands();
                self.out.log(Level::Critical, "the log pump stumbled over an error of its own");
                if stumbles >= STUMBLES {
                    break;
                }
            }
        }
        let _ = catch_unwind(AssertUnwindSafe(|| self.finish()));
    }

    fn turn(&mut self, ready: &mut Vec<Token>) {
        self.out.now = Mono::now();
        // Read ends, stdin, and a pidfd.
        self.out.of_programs = self.flows.len() + self.inputs.len() + self.runs.len();
        for _ in 0..MESSAGES {
            // Before one is taken out, so that none is lost with an error of ours.
            if !self.queue.is_empty() {
                self.call_home();
            }
            if self.hands.away() > 0 {
                break;
            }
            let Ok(msg) = self.queue.try_recv() else { break };
            self.message(msg);
        }
        self.out.write_lines();
        while self.out.timers.next().is_some_and(|at| at <= self.out.now) {
            self.call_home();
            if let Some(timer) = self.out.timers.pop_due(self.out.now) {
                self.timer(timer);
            }
        }
        self.out.say_notes();
        self.resume();
        if self.quit {
            return;
        }
        self.await_answer();
        self.wait(ready);
        self.out.now = Mono::now();
        let jobs = self.crowd(ready);
        let nothing = ready.is_empty() && jobs.is_empty();
        for &token in ready.iter() {
            self.ready(token);
        }
        let number = jobs.len();
        if self.hands.offer(jobs) {
            Stats::add(&self.shared.stats.offered, number);
        }
        self.lend_a_hand();
        self.results(if nothing { GLANCE } else { Duration::ZERO });
    }

    /// Takes out of `ready` what a second thread may help with, if that is much, and what one of the
    /// two has already.
    fn crowd(&mut self, ready: &mut Vec<Token>) -> Vec<Job> {
        let Pump { flows, out, hands, .. } = self;
        if hands.away() > 0 {
            ready.retain(|token| flows.get(token).is_none_or(|flow| !flow.lent));
        }
        let job = |token| flows.get(token).and_then(|flow| flow.job(out));
        let jobs: Vec<Job> = ready.iter().filter_map(job).collect();
        for job in &jobs {
            if let Some(flow) = flows.get_mut(&job.token) {
                flow.lent = true;
            }
        }
        ready.retain(|token| flows.get(token).is_none_or(|flow| !flow.lent));
        jobs
    }

    /// Does jobs, until it is time to look for more.
    fn lend_a_hand(&mut self) {
        while let Some(done) = self.hands.do_one() {
            self.job_done(&done);
            if self.hands.run_low() {
                break;
            }
        }
    }

    /// Sees to the results of the second hand that are there, and waits for the first if it may.
    fn results(&mut self, mut patience: Duration) {
        while self.hands.away() > 0 {
            match self.hands.result(std::mem::take(&mut patience)) {
                Ok(Some(done)) => self.job_done(&done),
                Ok(None) => break,
                Err(Lost) => {
                    self.give_up_hands();
                    let text = "the log pump's second hand stumbled, output was lost";
                    self.out.log(Level::Critical, text);
                }
            }
        }
    }

    /// All that was lent comes back: what follows may be about any stream and its log.
    fn call_home(&mut self) {
        while self.hands.away() > 0 {
            match self.hands.do_one() {
                Some(done) => self.job_done(&done),
                None => self.results(AT_WORK),
            }
        }
    }

    fn job_done(&mut self, done: &JobDone) {
        if let Some(flow) = self.flows.get_mut(&done.token) {
            flow.lent = false;
            flow.pause_until = None;
            let turn = flow.finish_job(done, &mut self.out);
            self.after_turn(done.token, turn);
        }
    }

    /// Results of what was lent may be on their way; nobody waits for them any more.
    fn give_up_hands(&mut self) {
        self.hands.give_up();
        for flow in self.flows.values_mut() {
            flow.lent = false;
        }
    }

    /// A listener's result is on its way to the coordinator, and its next event will be back before
    /// this thread could fall asleep and be woken again.
    fn await_answer(&mut self) {
        if !std::mem::take(&mut self.out.answer_due) {
            return;
        }
        let end = Mono::now().after(ANSWER);
        while self.queue.is_empty() && Mono::now() < end {
            std::thread::yield_now();
        }
    }

    fn wait(&mut self, ready: &mut Vec<Token>) {
        // What comes after these two questions writes to the eventfd.
        let idle = self.hands.away() == 0
            && self.shared.may_sleep(|| self.queue.is_empty())
            && (self.throttled.is_empty() || !self.shared.recovered());
        let timeout = if idle {
            self.out.timers.next().map(|at| at.since(self.out.now))
        } else {
            Some(Duration::ZERO)
        };
        if self.out.epoll.wait(ready, timeout).is_err() {
            ready.clear();
        }
        self.shared.awake();
    }

    fn ready(&mut self, token: Token) {
        if token == WAKE {
            self.shared.eventfd().drain();
        } else if self.flows.contains_key(&token) {
            self.flow_turn(token);
        } else if self.inputs.contains_key(&token) {
            self.flush_input(token);
        } else {
            // A sink, or something closed earlier in this turn.
            self.out.ready(token);
        }
    }

    fn timer(&mut self, timer: Timer) {
        match timer {
            Timer::Flow(token) => {
                let due = |f: &Flow| f.pause_until.is_some_and(|t| t <= self.out.now);
                if self.flows.get(&token).is_some_and(due) {
                    self.flow_turn(token);
                }
            }
            Timer::Input(token) => self.flush_input(token),
            Timer::Sink(token) => self.out.tick(token),
            Timer::Rest => {
                self.out.rest_unused();
                self.hands.rest();
            }
            Timer::Early(id, generation) => {
                if let Some(status) = self.early.remove(&(id, generation)) {
                    self.out.send(Msg::Exited { id, generation, status });
                }
            }
        }
    }

    /// Reads streams again whose reason to wait is gone.
    fn resume(&mut self) {
        for token in std::mem::take(&mut self.out.released) {
            if let Some(flow) = self.flows.get_mut(&token) {
                flow.held_by_sink = false;
                flow.settle(&mut self.out);
            }
        }
        if !self.throttled.is_empty() && self.shared.recovered() {
            for token in std::mem::take(&mut self.throttled) {
                if let Some(flow) = self.flows.get_mut(&token) {
                    flow.held_by_inbox = false;
                    flow.settle(&mut self.out);
                }
            }
        }
    }

    fn flow_turn(&mut self, token: Token) {
        let Some(flow) = self.flows.get_mut(&token) else { return };
        flow.pause_until = None;
        // A timer or an event of this turn may come after the reason to wait.
        if flow.held_by_sink || flow.held_by_inbox {
            return;
        }
        if flow.feeds_inbox() && self.shared.overdrawn() {
            flow.held_by_inbox = true;
            self.throttled.push(token);
            return flow.settle(&mut self.out);
        }
        let turn = flow.turn(&mut self.buf, &mut self.out);
        self.after_turn(token, turn);
    }

    fn after_turn(&mut self, token: Token, turn: Turn) {
        let Some(flow) = self.flows.get_mut(&token) else { return };
        match turn {
            Turn::Eof => self.end_of_flow(token),
            Turn::Got(n) => {
                self.out.now = Mono::now();
                if flow.may_wait()
                    && let Next::Pause(pause) = flow.gather.after_read(n, self.out.now)
                {
                    let until = self.out.now.after(pause);
                    flow.pause_until = Some(until);
                    self.out.timers.set(until, Timer::Flow(token));
                }
                flow.settle(&mut self.out);
                if flow.gather.wants_room(self.out.now) {
                    self.widen(token);
                }
            }
        }
    }

    /// Makes the pipe of a stream larger, if it is not and there is none too many of them. One that
    /// was busy once has to give way.
    fn widen(&mut self, token: Token) {
        if self.wide.contains(&token) {
            return;
        }
        let (flows, now) = (&mut self.flows, self.out.now);
        self.wide.retain(|t| match flows.get_mut(t) {
            Some(flow) if flow.gather.is_idle(now) => {
                flow.narrow();
                false
            }
            flow => flow.is_some(),
        });
        if self.wide.len() < WIDE
            && let Some(flow) = self.flows.get_mut(&token)
            && flow.widen()
        {
            self.wide.push(token);
        }
    }

    /// All writers of a stream are gone.
    fn end_of_flow(&mut self, token: Token) {
        let Some(flow) = self.flows.remove(&token) else { return };
        let (id, generation) = (flow.id, flow.generation);
        flow.close(&mut self.out);
        let Some(runs) = self.runs.get_mut(&id) else { return };
        for run in runs.iter_mut().filter(|r| r.generation == generation) {
            run.flows.retain(|t| *t != token);
        }
        self.forget_finished(id);
    }

    fn forget_finished(&mut self, id: ProcId) {
        if let Some(runs) = self.runs.get_mut(&id) {
            runs.retain(|r| !(r.exited && r.flows.is_empty()));
            if runs.is_empty() {
                self.runs.remove(&id);
            }
        }
    }

    fn message(&mut self, msg: PumpMsg) {
        // Whoever sees what these do finds the lines before it written.
        match msg {
            PumpMsg::Line(_)
            | PumpMsg::Attach { .. }
            | PumpMsg::Gone { .. }
            | PumpMsg::Mute { .. } => {}
            PumpMsg::Exited { .. }
            | PumpMsg::Write { .. }
            | PumpMsg::Clear { .. }
            | PumpMsg::Reopen
            | PumpMsg::Fence(_)
            | PumpMsg::Quit => self.out.write_lines(),
        }
        match msg {
            PumpMsg::Attach { id, generation, pipes } => self.attach(id, generation, pipes),
            PumpMsg::Exited { id, generation, status } => self.exited(id, generation, status),
            PumpMsg::Gone { id, generation } => self.gone(id, generation),
            PumpMsg::Write { id, generation, data, done } => {
                self.write_input(id, generation, &data, done);
            }
            PumpMsg::Mute { id, generation } => self.mute(id, generation),
            PumpMsg::Reopen => self.out.reopen_all(),
            PumpMsg::Clear { id, done } => {
                let worked = match id {
                    Some(id) => self.clear_process(id),
                    None => self.out.clear_main(),
                };
                call(|| done(worked));
            }
            PumpMsg::Line(line) => self.out.line_with_others(&line),
            PumpMsg::Fence(f) => {
                self.out.say_notes();
                call(f);
            }
            PumpMsg::Quit => self.quit = true,
        }
    }

    fn attach(&mut self, id: ProcId, generation: Gen, pipes: Pipes) {
        // An older start is over even if its exit was never told.
        for run in self.runs.entry(id).or_default() {
            if run.generation < generation {
                run.exited = true;
                let input = run.stdin.take().and_then(|token| self.inputs.remove(&token));
                if let Some(input) = input {
                    input.stdin.close(&mut self.out);
                }
            }
        }
        let Pipes { stdin, stdout, stderr } = pipes;
        let mut run = Run { generation, flows: Vec::new(), stdin: None, exited: false };
        for stream in [stdout, stderr].into_iter().flatten() {
            let mut flow = Flow::new(id, generation, stream, &mut self.out);
            flow.settle(&mut self.out);
            run.flows.push(flow.token);
            self.flows.insert(flow.token, flow);
        }
        if let Some(fd) = stdin {
            let token = self.out.token();
            self.inputs.insert(token, Input { id, generation, stdin: Stdin::new(fd, token) });
            run.stdin = Some(token);
        }
        self.runs.entry(id).or_default().push_back(run);
        self.forget_finished(id);
        if let Some(status) = self.early.remove(&(id, generation)) {
            self.exited(id, generation, status);
        }
    }

    /// Reads and forgets what comes from there, for as long as the pump runs.
    pub fn drop_what_comes(&mut self, stream: Stream) {
        let mut flow = Flow::new(NOBODY, 0, stream, &mut self.out);
        flow.settle(&mut self.out);
        self.flows.insert(flow.token, flow);
    }

    fn run_of(&mut self, id: ProcId, generation: Gen) -> Option<&mut Run> {
        self.runs.get_mut(&id)?.iter_mut().find(|r| r.generation == generation)
    }

    fn exited(&mut self, id: ProcId, generation: Gen, status: ExitStatus) {
        let Some(run) = self.run_of(id, generation) else {
            // Of an earlier life of the daemon, whose pump had its streams; or told twice.
            self.early.insert((id, generation), status);
            self.out.timers.set(self.out.now.after(EARLY), Timer::Early(id, generation));
            return;
        };
        run.exited = true;
        let (flows, stdin) = (run.flows.clone(), run.stdin.take());
        for token in flows {
            self.drain(token);
        }
        if let Some(input) = stdin.and_then(|t| self.inputs.remove(&t)) {
            input.stdin.close(&mut self.out);
        }
        self.out.send(Msg::Exited { id, generation, status });
        self.forget_finished(id);
        self.limit_lingering(id);
    }

    /// The end of a child that had no streams to be drained.
    fn gone(&mut self, id: ProcId, generation: Gen) {
        let Some(run) = self.run_of(id, generation) else { return };
        run.exited = true;
        let stdin = run.stdin.take();
        if let Some(input) = stdin.and_then(|t| self.inputs.remove(&t)) {
            input.stdin.close(&mut self.out);
        }
        self.forget_finished(id);
    }

    fn drain(&mut self, token: Token) {
        let Some(flow) = self.flows.get_mut(&token) else { return };
        if flow.drain(&mut self.buf, &mut self.out) == Turn::Eof {
            self.end_of_flow(token);
        }
    }

    /// Grandchildren may hold pipes for ever; a process that is restarted again and again must not
    /// use up our descriptors.
    fn limit_lingering(&mut self, id: ProcId) {
        let Some(runs) = self.runs.get_mut(&id) else { return };
        let mut over = runs.iter().filter(|r| r.exited).count().saturating_sub(LINGERING);
        let mut closing = Vec::new();
        runs.retain(|r| {
            let close = r.exited && over > 0;
            if close {
                over -= 1;
                closing.extend_from_slice(&r.flows);
            }
            !close
        });
        for token in closing {
            self.drain(token);
            self.end_of_flow(token);
        }
    }

    fn write_input(&mut self, id: ProcId, generation: Gen, data: &[u8], done: Option<Done>) {
        let token = self.run_of(id, generation).and_then(|r| r.stdin);
        let worked = match token.and_then(|t| self.inputs.get_mut(&t)) {
            Some(input) => match input.stdin.write(data, &mut self.out) {
                Ok(()) => true,
                Err(Refused::Closed) => {
                    self.close_input(token);
                    false
                }
                Err(Refused::Full { first, waiting }) => {
                    if first {
                        self.tell_full(id, generation, waiting);
                    }
                    false
                }
            },
            None => false,
        };
        if let Some(done) = done {
            call(|| done(worked));
        }
    }

    fn tell_full(&mut self, id: ProcId, generation: Gen, waiting: usize) {
        let flow = self.run_of(id, generation).and_then(|r| r.flows.first().copied());
        let plan = flow.and_then(|t| self.flows.get(&t)).map(|f| f.plan.clone());
        let name = plan.map_or_else(String::new, |p| pyrepr::text(&p.name));
        let text = format!(
            "{name} stdin: {waiting} bytes wait to be read, more is refused until it has read them"
        );
        self.out.log(Level::Warn, &text);
    }

    fn flush_input(&mut self, token: Token) {
        if let Some(input) = self.inputs.get_mut(&token)
            && input.stdin.flush(&mut self.out).is_err()
        {
            self.close_input(Some(token));
        }
    }

    /// The child has closed its standard input.
    fn close_input(&mut self, token: Option<Token>) {
        let Some(input) = token.and_then(|t| self.inputs.remove(&t)) else { return };
        let (id, generation) = (input.id, input.generation);
        input.stdin.close(&mut self.out);
        if let Some(run) = self.run_of(id, generation) {
            run.stdin = None;
        }
        self.out.send(Msg::StdinClosed { id, generation });
    }

    fn mute(&mut self, id: ProcId, generation: Gen) {
        let flows = self.run_of(id, generation).map(|r| r.flows.clone()).unwrap_or_default();
        for token in flows {
            if let Some(flow) = self.flows.get_mut(&token) {
                flow.muted = true;
            }
        }
    }

    /// Clears the logs of a process that runs. As in the reference one that does not keeps its logs,
    /// and that is no failure.
    fn clear_process(&mut self, id: ProcId) -> bool {
        let Some(runs) = self.runs.get(&id) else { return true };
        let mut worked = true;
        for token in runs.iter().filter(|r| !r.exited).flat_map(|r| &r.flows) {
            if let Some(flow) = self.flows.get_mut(token) {
                flow.clear_capture();
                worked &= flow.sink.is_none_or(|sink| self.out.clear(sink));
            }
        }
        worked
    }

    /// After `Quit`: the rest of the queue, one last look into every pipe, then everything closes.
    fn finish(&mut self) {
        self.call_home();
        while let Ok(msg) = self.queue.try_recv() {
            self.message(msg);
        }
        for ((id, generation), status) in std::mem::take(&mut self.early) {
            self.out.send(Msg::Exited { id, generation, status });
        }
        let tokens: Vec<Token> = self.flows.keys().copied().collect();
        for token in tokens {
            self.drain(token);
        }
        self.out.say_notes();
        self.out.close();
    }
}

/// Runs someone else's code, whose panic is not ours.
fn call(f: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(f));
}
