//! From a step of a process to its [`super::history::History`]. Runs on the coordinator's thread.

use super::history::{Change, Exit, ExitReason, StartReason};
use super::published::ProcSlot;
use crate::machine::{Effect, ExitStatus, Input, Machine, Now, State};
use crate::sys::clock::Mono;

/// What a step began with.
pub(super) struct Taken {
    state: State,
    started: Option<Mono>,
    asked: bool,
    failed: bool,
    exit: Option<ExitStatus>,
}

impl Taken {
    /// To be made before the step.
    pub fn of(machine: &Machine, input: &Input<'_>) -> Taken {
        Taken {
            state: machine.state,
            started: machine.started,
            asked: matches!(input, Input::Start),
            failed: matches!(input, Input::SpawnFailed(_)),
            exit: match input {
                Input::Exited(status) => Some(*status),
                _ => None,
            },
        }
    }

    /// Why it ended, with the states that the step went through.
    fn reason(&self, status: ExitStatus, effects: &[Effect]) -> ExitReason {
        let expected = effects.iter().any(|effect| {
            matches!(effect, Effect::Changed { to: State::Exited, expected: true, .. })
        });
        match status {
            _ if self.state == State::Stopping => ExitReason::Stopped,
            ExitStatus::Signal { .. } => ExitReason::Signal,
            ExitStatus::Code(_) if expected => ExitReason::Expected,
            ExitStatus::Code(_) => ExitReason::Unexpected,
        }
    }
}

/// Adds what a step did. Nothing is locked when it did nothing.
pub(super) fn remember(slot: &ProcSlot, taken: Taken, effects: &[Effect], now: Now) {
    let is_change = |effect: &Effect| matches!(effect, Effect::Changed { .. });
    if taken.exit.is_none() && !taken.failed && !effects.iter().any(is_change) {
        return;
    }
    slot.remember(|history| {
        if let Some(status) = taken.exit {
            let reason = taken.reason(status, effects);
            let ran = taken.started.map(|at| now.mono.since(at)).unwrap_or_default();
            history.ended(Exit { time: now.wall, status, reason, ran });
        }
        history.spawn_failures += u64::from(taken.failed);
        for effect in effects {
            let Effect::Changed { to, from, .. } = *effect else { continue };
            history.changed(Change { time: now.wall, from, to }, now.mono);
            if to == State::Starting {
                history.started(match from {
                    _ if taken.asked => StartReason::Wanted,
                    State::Backoff => StartReason::Retry,
                    _ => StartReason::Restart,
                });
            }
        }
    });
}
