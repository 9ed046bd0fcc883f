//! The table of states and inputs. Texts and order of log lines and events are the reference's.

use std::sync::Arc;

use super::policy::Policy;
use super::state::{ExitStatus, State};
use crate::config::model::Level;
use crate::sys::clock::Mono;

/// A moment: for decisions, and for display.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Monotonic.
    pub mono: Mono,
    /// Wall clock, seconds since 1970. Shown to clients, never compared.
    pub wall: i64,
}

/// What can happen to a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<'a> {
    /// Somebody wants it to run.
    Start,
    /// Somebody wants it to stop.
    Stop,
    /// supervisord shuts down and gives up on a process that waits to be tried again.
    GiveUp,
    /// Its child lives.
    Spawned(i32),
    /// No child could be made.
    SpawnFailed(&'a str),
    /// Its child ended.
    Exited(ExitStatus),
    /// The deadline set last has come.
    Due,
    /// A signal could not be sent.
    KillFailed,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Make a child.
    Spawn,
    /// Send a signal to it, or to its process group.
    Kill {
        /// Signal number.
        signal: i32,
        /// To the group.
        group: bool,
    },
    /// The state changed: tell listeners. `pid` and `tries` are those of this moment.
    Changed {
        /// New state.
        to: State,
        /// Old state.
        from: State,
        /// For EXITED: whether the exit code was expected.
        expected: bool,
        /// Failed starts in a row.
        tries: i64,
        /// pid, or 0.
        pid: i32,
    },
    /// A line for the activity log.
    Log(Level, String),
    /// What is left of its process group is to be killed. Comes before [`Effect::Reap`], so the
    /// number of the group is still its own.
    Survivors {
        /// pid of the program, which is the group's number.
        leader: i32,
        /// When; none: at once.
        at: Option<Mono>,
    },
    /// The exit has been dealt with: the zombie may go.
    Reap,
}

/// One process. Plain data.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its state.
    pub state: State,
    /// pid of its child, 0 without one.
    pub pid: i32,
    /// Failed starts in a row.
    pub backoff: i64,
    /// Monotonic time of the last start.
    pub started: Option<Mono>,
    /// Wall time of the last start, 0 for never.
    pub start_wall: i64,
    /// Wall time of the last exit, 0 for never.
    pub stop_wall: i64,
    /// Last exit status; none while it runs, or after an end that came too quickly.
    pub exitstatus: Option<i32>,
    /// Why the last start failed or the last exit was bad.
    pub spawnerr: Option<Arc<str>>,
    /// When [`Input::Due`] is to come. At most one deadline at a time: `startsecs` in STARTING, the
    /// next try in BACKOFF, SIGKILL in STOPPING, a delayed restart in EXITED.
    pub due: Option<Mono>,
    /// A stop was asked for while the child was being made; carried out as soon as it lives.
    pub stop_wanted: bool,
    /// Exits from RUNNING in a row that came after less than a second.
    pub short_lives: u32,
}

impl Default for Machine {
    fn default() -> Self {
        Machine {
            state: State::Stopped,
            pid: 0,
            backoff: 0,
            started: None,
            start_wall: 0,
            stop_wall: 0,
            exitstatus: None,
            spawnerr: None,
            due: None,
            stop_wanted: false,
            short_lives: 0,
        }
    }
}

/// spawnerr of a process that ended within `startsecs`.
const TOO_QUICK: &str = "Exited too quickly (process log may have details)";

/// One transition in the making.
struct Step<'a> {
    m: &'a mut Machine,
    policy: Policy<'a>,
    name: &'a str,
    now: Now,
    out: Vec<Effect>,
}

impl Machine {
    /// Takes one input. `name` is what log lines call the process.
    pub fn step(&mut self, input: Input<'_>, policy: Policy<'_>, now: Now) -> Vec<Effect> {
        let name = policy.program.name.as_str();
        let mut step = Step { m: self, policy, name, now, out: Vec::new() };
        step.take(input);
        step.out
    }

    /// Whether a child is being made: STARTING without a pid.
    pub fn is_spawning(&self) -> bool {
        self.state == State::Starting && self.pid == 0
    }
}

impl Step<'_> {
    /// Every pair of state and input has its entry; "nothing" is one too.
    fn take(&mut self, input: Input<'_>) {
        use Input as I;
        use State as S;
        match (self.m.state, input) {
            (S::Stopped | S::Exited | S::Fatal | S::Backoff, I::Start) => self.start(),
            (S::Starting | S::Running, I::Start) => {}
            (S::Stopping, I::Start) => {
                // The reference notices only in its spawn that the old child is still there.
                self.log(Level::Warn, format!("process '{}' already running", self.name));
            }
            (S::Unknown, I::Start) => {}

            (S::Starting, I::Stop) if self.m.pid == 0 => self.m.stop_wanted = true,
            (S::Starting | S::Running, I::Stop) => {
                self.kill(self.policy.program.stopsignal, self.policy.program.stopasgroup);
            }
            (S::Backoff, I::Stop) => {
                self.debug(format!("Attempted to kill {}, which is in BACKOFF state.", self.name));
                self.m.due = None;
                self.change(S::Stopped, true);
            }
            // A restart that waits is called off; the process stays as it is.
            (S::Exited, I::Stop) => self.m.due = None,
            (S::Stopped | S::Fatal | S::Stopping | S::Unknown, I::Stop) => {}

            (S::Backoff, I::GiveUp) => self.give_up(),
            (S::Exited, I::GiveUp) => self.m.due = None,
            (
                S::Stopped | S::Starting | S::Running | S::Stopping | S::Fatal | S::Unknown,
                I::GiveUp,
            ) => {}

            (S::Starting, I::Spawned(pid)) => self.spawned(pid),
            // Only STARTING waits for a child; the coordinator drops messages of older starts.
            (
                S::Stopped
                | S::Running
                | S::Backoff
                | S::Stopping
                | S::Exited
                | S::Fatal
                | S::Unknown,
                I::Spawned(_),
            ) => {}

            (S::Starting, I::SpawnFailed(error)) => self.spawn_failed(error),
            (
                S::Stopped
                | S::Running
                | S::Backoff
                | S::Stopping
                | S::Exited
                | S::Fatal
                | S::Unknown,
                I::SpawnFailed(_),
            ) => {}

            (S::Starting, I::Exited(status)) => self.exited_starting(status),
            (S::Running | S::Unknown, I::Exited(status)) => self.exited_running(status),
            (S::Stopping, I::Exited(status)) => self.exited_stopping(status),
            (S::Stopped | S::Backoff | S::Exited | S::Fatal, I::Exited(_)) => {
                self.out.push(Effect::Reap);
            }

            (S::Starting, I::Due) => self.up(),
            (S::Backoff, I::Due) => self.retry(),
            (S::Stopping, I::Due) => self.overdue(),
            (S::Exited, I::Due) => self.restart(),
            (S::Stopped | S::Running | S::Fatal | S::Unknown, I::Due) => self.m.due = None,

            (S::Starting | S::Running | S::Stopping, I::KillFailed) => {
                self.m.due = None;
                self.change(S::Unknown, true);
            }
            (S::Stopped | S::Backoff | S::Exited | S::Fatal | S::Unknown, I::KillFailed) => {}
        }
    }

    fn log(&mut self, level: Level, text: String) {
        self.out.push(Effect::Log(level, text));
    }

    fn debug(&mut self, text: String) {
        self.log(Level::Debug, text);
    }

    fn change(&mut self, to: State, expected: bool) {
        let from = self.m.state;
        if from == to {
            return;
        }
        self.m.state = to;
        if to == State::Backoff {
            self.m.backoff += 1;
        }
        self.out.push(Effect::Changed {
            to,
            from,
            expected,
            tries: self.m.backoff,
            pid: self.m.pid,
        });
    }

    fn start(&mut self) {
        self.m.spawnerr = None;
        self.m.exitstatus = None;
        self.m.stop_wanted = false;
        self.m.pid = 0;
        self.m.due = None;
        self.m.started = Some(self.now.mono);
        self.m.start_wall = self.now.wall;
        self.change(State::Starting, true);
        self.out.push(Effect::Spawn);
    }

    fn spawned(&mut self, pid: i32) {
        self.m.pid = pid;
        self.log(Level::Info, format!("spawned: '{}' with pid {pid}", self.name));
        if std::mem::take(&mut self.m.stop_wanted) {
            return self.kill(self.policy.program.stopsignal, self.policy.program.stopasgroup);
        }
        // Time spent waiting for other children to be made is not time that the program was up.
        self.m.started = Some(self.now.mono);
        self.m.start_wall = self.now.wall;
        self.m.due = Some(self.now.mono.after_secs(self.policy.program.startsecs));
    }

    fn spawn_failed(&mut self, error: &str) {
        self.m.spawnerr = Some(error.into());
        self.log(Level::Info, format!("spawnerr: {error}"));
        self.back_off();
        self.after_back_off();
    }

    /// STARTING -> BACKOFF, and on from there when nothing is left to try.
    fn back_off(&mut self) {
        self.change(State::Backoff, true);
        self.m.due = Some(self.now.mono.after_secs(self.policy.backoff_wait(self.m.backoff)));
    }

    /// After BACKOFF's log line: FATAL at once when the tries are used up, STOPPED when a stop came
    /// while the child was being made.
    fn after_back_off(&mut self) {
        if std::mem::take(&mut self.m.stop_wanted) {
            return self.take(Input::Stop);
        }
        if !self.policy.retries_left(self.m.backoff) {
            self.give_up();
            self.log(
                Level::Info,
                format!(
                    "gave up: {} entered FATAL state, too many start retries too quickly",
                    self.name
                ),
            );
        }
    }

    fn give_up(&mut self) {
        self.m.due = None;
        self.m.backoff = 0;
        self.change(State::Fatal, true);
    }

    fn retry(&mut self) {
        self.m.due = None;
        if self.policy.may_start {
            self.start();
        }
    }

    fn up(&mut self) {
        self.m.due = None;
        self.m.backoff = 0;
        self.change(State::Running, true);
        self.log(
            Level::Info,
            format!(
                "success: {} entered RUNNING state, process has stayed up for > than {} seconds \
                 (startsecs)",
                self.name, self.policy.program.startsecs
            ),
        );
    }

    /// Sends a signal that is to end the process, and sets the time for the next one.
    fn kill(&mut self, signal: i32, group: bool) {
        let whom = if group { "process group " } else { "" };
        self.debug(format!(
            "killing {} (pid {}) {whom}with signal {}",
            self.name,
            self.m.pid,
            crate::sys::signals::name(signal)
        ));
        // At least a second between repeated kills: stopwaitsecs=0 must not become a busy loop.
        let first = self.m.state != State::Stopping;
        let wait = self.policy.program.stopwaitsecs.max(if first { 0 } else { 1 });
        self.m.due = Some(self.now.mono.after_secs(wait));
        self.change(State::Stopping, true);
        self.out.push(Effect::Kill { signal, group });
    }

    fn overdue(&mut self) {
        self.log(Level::Warn, format!("killing '{}' ({}) with SIGKILL", self.name, self.m.pid));
        self.kill(libc::SIGKILL, self.policy.program.killasgroup);
    }

    /// What every exit does first and last.
    fn gone(&mut self) {
        self.m.pid = 0;
        self.m.stop_wanted = false;
        self.out.push(Effect::Reap);
    }

    fn exited_starting(&mut self, status: ExitStatus) {
        self.m.stop_wall = self.now.wall;
        let started = self.m.started.unwrap_or(self.now.mono);
        let due = started.after_secs(self.policy.program.startsecs);
        if self.now.mono >= due {
            // It was up long enough; only the deadline and the exit came together.
            self.m.due = None;
            self.change(State::Running, true);
            return self.exited_running(status);
        }
        self.m.exitstatus = None;
        self.m.spawnerr = Some(TOO_QUICK.into());
        self.back_off();
        self.log(
            Level::Warn,
            format!("exited: {} ({}; not expected)", self.name, describe(status)),
        );
        self.end_crew(status);
        self.gone();
        self.after_back_off();
    }

    /// A program whose group is stopped and killed as one has crashed: its children would keep ports
    /// and files from the next start. Those of one that ended as expected may be meant to stay.
    fn end_crew(&mut self, status: ExitStatus) {
        if self.policy.is_one_with_its_group() && !self.policy.expected(status) {
            self.out.push(Effect::Survivors { leader: self.m.pid, at: None });
        }
    }

    fn exited_running(&mut self, status: ExitStatus) {
        self.m.stop_wall = self.now.wall;
        self.m.due = None;
        self.m.backoff = 0;
        self.m.exitstatus = Some(status.code());
        let expected = self.policy.expected(status);
        if !expected {
            self.m.spawnerr = Some(format!("Bad exit code {}", status.code()).into());
        }
        self.change(State::Exited, expected);
        let (level, word) =
            if expected { (Level::Info, "expected") } else { (Level::Warn, "not expected") };
        self.log(level, format!("exited: {} ({}; {word})", self.name, describe(status)));
        self.end_crew(status);
        self.gone();
        if !self.policy.restarts_after(status) {
            return;
        }
        let up = self.m.started.map_or_else(Default::default, |s| self.now.mono.since(s));
        self.m.short_lives =
            if self.policy.is_short(up) { self.m.short_lives.saturating_add(1) } else { 0 };
        let wait = self.policy.restart_wait(self.m.short_lives, up);
        if wait.is_zero() {
            self.start();
        } else {
            self.m.due = Some(self.now.mono.after(wait));
        }
    }

    /// A delayed restart is due.
    fn restart(&mut self) {
        self.m.due = None;
        if self.policy.may_start {
            self.start();
        }
    }

    fn exited_stopping(&mut self, status: ExitStatus) {
        self.m.stop_wall = self.now.wall;
        let due = self.m.due.take();
        self.m.exitstatus = Some(status.code());
        self.change(State::Stopped, true);
        let level = if self.policy.expected(status) { Level::Info } else { Level::Warn };
        self.log(level, format!("stopped: {} ({})", self.name, describe(status)));
        if self.policy.is_one_with_its_group() {
            // They got the stop signal, too, and have the time that it would have had.
            self.out.push(Effect::Survivors { leader: self.m.pid, at: due });
        }
        self.gone();
    }
}

/// How a process ended, in the words of the log: `exit status 1`, `terminated by SIGKILL`.
pub fn describe(status: ExitStatus) -> String {
    match status {
        ExitStatus::Code(code) => format!("exit status {code}"),
        ExitStatus::Signal { signal, core } => {
            let core = if core { " (core dumped)" } else { "" };
            format!("terminated by {}{core}", crate::sys::signals::name(signal))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{Autorestart, LogTarget, Output, Program, Setup};

    fn program() -> Program {
        let output = Output {
            target: LogTarget::None,
            maxbytes: 0,
            backups: 0,
            capture_maxbytes: 0,
            events_enabled: false,
            syslog: false,
        };
        Program {
            name: "x".into(),
            priority: 999,
            autostart: true,
            autorestart: Autorestart::Unexpected,
            startsecs: 1,
            startretries: 3,
            stopsignal: libc::SIGTERM,
            stopwaitsecs: 10,
            stopasgroup: false,
            killasgroup: false,
            exitcodes: vec![0],
            setup: Arc::new(Setup {
                command: "/bin/true".into(),
                directory: None,
                umask: None,
                stdout: output.clone(),
                stderr: output,
                redirect_stderr: false,
                user: None,
                environment: Vec::new(),
                serverurl: None,
            }),
        }
    }

    /// A process with its own clock.
    struct Bench {
        m: Machine,
        program: Program,
        may_start: bool,
        millis: u64,
    }

    impl Bench {
        fn new(edit: impl FnOnce(&mut Program)) -> Bench {
            let mut program = program();
            edit(&mut program);
            Bench { m: Machine::default(), program, may_start: true, millis: 5_000 }
        }
        fn at(&mut self, later: u64, input: Input<'_>) -> Vec<Effect> {
            self.millis += later;
            let now = Now {
                mono: Mono(self.millis * 1_000_000),
                wall: 1_000_000 + (self.millis / 1000) as i64,
            };
            let policy = Policy { program: &self.program, may_start: self.may_start };
            self.m.step(input, policy, now)
        }
        fn due_in(&self) -> Option<u64> {
            self.m.due.map(|d| (d.0 / 1_000_000).saturating_sub(self.millis))
        }
    }

    fn states(effects: &[Effect]) -> Vec<State> {
        effects
            .iter()
            .filter_map(|e| match e {
                Effect::Changed { to, .. } => Some(*to),
                _ => None,
            })
            .collect()
    }

    fn lines(effects: &[Effect]) -> Vec<String> {
        effects
            .iter()
            .filter_map(|e| match e {
                Effect::Log(level, text) => Some(format!("{} {text}", level.tag())),
                _ => None,
            })
            .collect()
    }

    const KILLED: ExitStatus = ExitStatus::Signal { signal: 9, core: false };

    #[test]
    fn running_only_after_startsecs() {
        let mut b = Bench::new(|_| {});
        assert_eq!(states(&b.at(0, Input::Start)), [State::Starting]);
        assert!(states(&b.at(1, Input::Spawned(7))).is_empty());
        assert_eq!(b.due_in(), Some(1000));
        let e = b.at(1000, Input::Due);
        assert_eq!(states(&e), [State::Running]);
        assert_eq!(
            lines(&e),
            ["INFO success: x entered RUNNING state, process has stayed up for > than 1 seconds \
              (startsecs)"]
        );
    }

    #[test]
    fn startsecs_counts_from_the_birth_of_the_child_not_from_the_order() {
        let mut b = Bench::new(|p| p.startsecs = 2);
        b.at(0, Input::Start);
        assert!(states(&b.at(5000, Input::Spawned(7))).is_empty());
        assert_eq!(b.due_in(), Some(2000));
        let e = b.at(500, Input::Exited(ExitStatus::Code(1)));
        assert_eq!(states(&e), [State::Backoff]);
    }

    #[test]
    fn startsecs_zero_is_running_at_once() {
        let mut b = Bench::new(|p| p.startsecs = 0);
        b.at(0, Input::Start);
        b.at(1, Input::Spawned(7));
        assert_eq!(b.due_in(), Some(0));
        assert_eq!(states(&b.at(0, Input::Due)), [State::Running]);
        assert_eq!(b.due_in(), None);
    }

    #[test]
    fn an_exit_that_overtakes_startsecs_zero_still_passes_through_running() {
        let mut b = Bench::new(|p| {
            p.startsecs = 0;
            p.autorestart = Autorestart::Never;
        });
        b.at(0, Input::Start);
        b.at(1, Input::Spawned(7));
        let e = b.at(0, Input::Exited(ExitStatus::Code(0)));
        assert_eq!(states(&e), [State::Running, State::Exited]);
    }

    #[test]
    fn too_quick_exits_back_off_longer_each_time_until_fatal() {
        let mut b = Bench::new(|p| p.startretries = 2);
        b.at(0, Input::Start);
        for wait in [1000, 2000] {
            b.at(0, Input::Spawned(7));
            let e = b.at(10, Input::Exited(ExitStatus::Code(1)));
            assert_eq!(states(&e), [State::Backoff]);
            assert_eq!(lines(&e), ["WARN exited: x (exit status 1; not expected)"]);
            assert_eq!(b.due_in(), Some(wait));
            assert_eq!(states(&b.at(wait, Input::Due)), [State::Starting]);
        }
        b.at(0, Input::Spawned(7));
        let e = b.at(10, Input::Exited(ExitStatus::Code(1)));
        assert_eq!(states(&e), [State::Backoff, State::Fatal]);
        assert_eq!(b.m.exitstatus, None);
        assert_eq!(b.m.spawnerr.as_deref(), Some(TOO_QUICK));
        assert_eq!(b.due_in(), None);
    }

    #[test]
    fn spawn_failure_counts_as_a_try() {
        let mut b = Bench::new(|p| p.startretries = 0);
        b.at(0, Input::Start);
        let e = b.at(0, Input::SpawnFailed("can't find command 'y'"));
        assert_eq!(states(&e), [State::Backoff, State::Fatal]);
        assert_eq!(
            lines(&e),
            [
                "INFO spawnerr: can't find command 'y'",
                "INFO gave up: x entered FATAL state, too many start retries too quickly"
            ]
        );
    }

    #[test]
    fn autorestart_has_three_ways() {
        for (way, code, again) in [
            (Autorestart::Always, 0, true),
            (Autorestart::Always, 1, true),
            (Autorestart::Unexpected, 0, false),
            (Autorestart::Unexpected, 1, true),
            (Autorestart::Never, 0, false),
            (Autorestart::Never, 1, false),
        ] {
            let mut b = Bench::new(|p| {
                p.autorestart = way;
                p.startsecs = 0;
            });
            b.at(0, Input::Start);
            b.at(0, Input::Spawned(7));
            let e = b.at(2000, Input::Exited(ExitStatus::Code(code)));
            let spawns = e.contains(&Effect::Spawn);
            assert_eq!(spawns, again, "{way:?} {code}");
            assert!(e.contains(&Effect::Reap));
        }
    }

    #[test]
    fn the_group_of_a_program_that_is_one_with_it_does_not_outlive_it() {
        let survivors = |e: &[Effect]| -> Vec<(i32, Option<Mono>)> {
            e.iter()
                .filter_map(|e| match e {
                    Effect::Survivors { leader, at } => Some((*leader, *at)),
                    _ => None,
                })
                .collect()
        };
        for one in [false, true] {
            let bench = || {
                let mut b = Bench::new(|p| {
                    (p.stopasgroup, p.killasgroup, p.startsecs) = (one, true, 0);
                    p.autorestart = Autorestart::Never;
                });
                b.at(0, Input::Start);
                b.at(0, Input::Spawned(7));
                b
            };
            let at_once = if one { vec![(7, None)] } else { vec![] };
            let crash = bench().at(10, Input::Exited(ExitStatus::Code(3)));
            assert_eq!(survivors(&crash), at_once);
            assert_eq!(survivors(&bench().at(10, Input::Exited(ExitStatus::Code(0)))), []);
            let mut b = bench();
            b.at(10, Input::Stop);
            let due = b.m.due;
            assert!(due.is_some());
            let later = if one { vec![(7, due)] } else { vec![] };
            let e = b.at(10, Input::Exited(ExitStatus::Code(0)));
            assert_eq!(survivors(&e), later);
            let reap = e.iter().position(|e| *e == Effect::Reap).unwrap();
            assert!(!one || matches!(e[reap - 1], Effect::Survivors { .. }));
        }
    }

    #[test]
    fn death_by_a_signal_is_never_expected() {
        let mut b = Bench::new(|p| {
            p.exitcodes = vec![0, 9, 137];
            p.startsecs = 0;
            p.autorestart = Autorestart::Never;
        });
        b.at(0, Input::Start);
        b.at(0, Input::Spawned(7));
        let e = b.at(2000, Input::Exited(KILLED));
        assert_eq!(lines(&e), ["WARN exited: x (terminated by SIGKILL; not expected)"]);
        assert_eq!(b.m.exitstatus, Some(-1));
        assert_eq!(b.m.spawnerr.as_deref(), Some("Bad exit code -1"));
    }

    #[test]
    fn stop_escalates_to_sigkill_and_repeats_it() {
        let mut b = Bench::new(|p| {
            p.stopwaitsecs = 2;
            p.killasgroup = true;
        });
        b.at(0, Input::Start);
        b.at(0, Input::Spawned(7));
        let e = b.at(10, Input::Stop);
        assert_eq!(states(&e), [State::Stopping]);
        assert!(e.contains(&Effect::Kill { signal: libc::SIGTERM, group: false }));
        for _ in 0..3 {
            assert_eq!(b.due_in(), Some(2000));
            let e = b.at(2000, Input::Due);
            assert!(e.contains(&Effect::Kill { signal: libc::SIGKILL, group: true }));
            assert!(states(&e).is_empty());
        }
        let e = b.at(1, Input::Exited(KILLED));
        assert_eq!(states(&e), [State::Stopped]);
        assert_eq!(lines(&e), ["WARN stopped: x (terminated by SIGKILL)"]);
    }

    #[test]
    fn stopwaitsecs_zero_kills_at_once_but_does_not_spin() {
        let mut b = Bench::new(|p| p.stopwaitsecs = 0);
        b.at(0, Input::Start);
        b.at(0, Input::Spawned(7));
        b.at(0, Input::Stop);
        assert_eq!(b.due_in(), Some(0), "the first SIGKILL");
        b.at(0, Input::Due);
        assert_eq!(b.due_in(), Some(1000));
    }

    #[test]
    fn stop_while_the_child_is_made_is_carried_out_when_it_lives() {
        let mut b = Bench::new(|_| {});
        b.at(0, Input::Start);
        assert!(b.at(0, Input::Stop).is_empty());
        let e = b.at(0, Input::Spawned(7));
        assert_eq!(states(&e), [State::Stopping]);
        assert!(e.contains(&Effect::Kill { signal: libc::SIGTERM, group: false }));
    }

    #[test]
    fn stop_while_the_child_is_made_ends_in_stopped_when_that_fails() {
        let mut b = Bench::new(|_| {});
        b.at(0, Input::Start);
        b.at(0, Input::Stop);
        let e = b.at(0, Input::SpawnFailed("no"));
        assert_eq!(states(&e), [State::Backoff, State::Stopped]);
        assert_eq!(b.due_in(), None);
    }

    #[test]
    fn stop_in_backoff_is_stopped() {
        let mut b = Bench::new(|_| {});
        b.at(0, Input::Start);
        b.at(0, Input::SpawnFailed("no"));
        assert_eq!(states(&b.at(5, Input::Stop)), [State::Stopped]);
        assert_eq!(b.due_in(), None);
    }

    #[test]
    fn a_program_that_always_ends_at_once_is_slowed_down_to_one_start_a_second() {
        let mut b = Bench::new(|p| {
            p.startsecs = 0;
            p.autorestart = Autorestart::Always;
        });
        b.at(0, Input::Start);
        let mut waits = Vec::new();
        for _ in 0..12 {
            b.at(0, Input::Spawned(7));
            let e = b.at(1, Input::Exited(ExitStatus::Code(0)));
            if e.contains(&Effect::Spawn) {
                waits.push(0);
            } else {
                let wait = b.due_in().unwrap();
                waits.push(wait);
                assert!(b.at(wait, Input::Due).contains(&Effect::Spawn));
            }
        }
        assert_eq!(waits, [0, 0, 9, 19, 39, 79, 159, 319, 639, 999, 999, 999]);
    }

    #[test]
    fn a_stop_calls_off_a_restart_that_waits() {
        let mut b = Bench::new(|p| {
            p.startsecs = 0;
            p.autorestart = Autorestart::Always;
        });
        b.at(0, Input::Start);
        for _ in 0..3 {
            b.at(0, Input::Spawned(7));
            b.at(1, Input::Exited(ExitStatus::Code(0)));
        }
        assert_eq!(b.m.state, State::Exited);
        assert!(b.m.due.is_some());
        b.at(0, Input::Stop);
        assert_eq!(b.m.due, None);
        assert_eq!(b.m.state, State::Exited);
    }

    #[test]
    fn nothing_starts_by_itself_during_a_shutdown() {
        let mut b = Bench::new(|p| p.autorestart = Autorestart::Always);
        b.at(0, Input::Start);
        b.at(0, Input::Spawned(7));
        b.at(2000, Input::Due);
        b.may_start = false;
        assert_eq!(states(&b.at(0, Input::Exited(KILLED))), [State::Exited]);
        let mut b = Bench::new(|_| {});
        b.at(0, Input::Start);
        b.at(0, Input::SpawnFailed("no"));
        b.may_start = false;
        assert!(b.at(1000, Input::Due).is_empty());
    }

    #[test]
    fn every_state_takes_every_input() {
        let all = [
            State::Stopped,
            State::Starting,
            State::Running,
            State::Backoff,
            State::Stopping,
            State::Exited,
            State::Fatal,
            State::Unknown,
        ];
        let inputs = [
            Input::Start,
            Input::Stop,
            Input::GiveUp,
            Input::Spawned(9),
            Input::SpawnFailed("e"),
            Input::Exited(KILLED),
            Input::Due,
            Input::KillFailed,
        ];
        for state in all {
            for input in &inputs {
                let mut b = Bench::new(|_| {});
                b.m.state = state;
                b.m.pid = 7;
                b.at(0, input.clone());
                let waits = b.m.due.is_some();
                let may_wait = matches!(
                    b.m.state,
                    State::Starting | State::Backoff | State::Stopping | State::Exited
                );
                assert!(!waits || may_wait, "{state:?} {input:?} -> {:?}", b.m.state);
            }
        }
    }
}
