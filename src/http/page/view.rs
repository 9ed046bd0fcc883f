//! What the pages show, as plain values taken from [`Published`] at one moment.

use std::sync::Arc;

use super::Control;
use super::form::Form;
use crate::coordinator::published::{Mood, ProcSlot, Published};
use crate::machine::State;
use crate::rpc::faults;
use crate::rpc::info::{self, Now};
use crate::rpc::value::Value;

/// The status page.
pub(super) struct Status {
    /// `identifier=` of this supervisord.
    pub identifier: String,
    /// Whether it runs, restarts or shuts down.
    pub mood: Mood,
    /// Processes, by names of groups, then of processes.
    pub rows: Vec<Row>,
}

/// A process in the table.
pub(super) struct Row {
    /// `PROCESS` or `GROUP:PROCESS`.
    pub name: String,
    /// Its state.
    pub state: State,
    /// As supervisorctl's `status` shows it.
    pub description: String,
}

impl Status {
    /// The state of things.
    pub fn of(published: &Published, now: Now) -> Status {
        let structure = published.structure();
        let mut slots: Vec<&Arc<ProcSlot>> =
            structure.groups.iter().flat_map(|group| &group.processes).collect();
        slots.sort_by(|a, b| (&a.group, &a.config.name).cmp(&(&b.group, &b.config.name)));
        let rows = slots.into_iter().map(|slot| Row::of(slot, now)).collect();
        Status {
            identifier: published.config().daemon.identifier.clone(),
            mood: published.mood(),
            rows,
        }
    }

    /// How many processes are in which state; states without any are left out.
    pub fn counts(&self) -> Vec<(State, usize)> {
        const ORDER: [State; 8] = [
            State::Running,
            State::Starting,
            State::Backoff,
            State::Stopping,
            State::Stopped,
            State::Exited,
            State::Fatal,
            State::Unknown,
        ];
        let count = |state| self.rows.iter().filter(|row| row.state == state).count();
        ORDER.into_iter().map(|state| (state, count(state))).filter(|(_, n)| *n > 0).collect()
    }
}

impl Row {
    fn of(slot: &ProcSlot, now: Now) -> Row {
        let view = slot.view();
        let name = &slot.config.name;
        Row {
            name: slot.full_name(),
            state: view.state,
            description: info::description(name, &view, now),
        }
    }
}

/// The page with the end of a log.
pub(super) struct Tail {
    /// The process asked for.
    pub name: Option<String>,
    /// The log, or why there is none.
    pub text: String,
    /// Bytes shown at most.
    pub limit: i64,
}

/// Bytes of a log that are shown at least.
const LEAST: i64 = 1024;
/// Bytes of a log that are shown at most: a page is built in memory, and nobody reads more in one.
const MOST: i64 = 16 << 20;

impl Tail {
    /// Reads the end of the log that a form names.
    pub fn read(form: &Form, control: &dyn Control) -> Tail {
        let limit = form.limit.as_deref().map_or(LEAST, limit);
        let Some(name) = form.processname.clone() else {
            return Tail { name: None, text: "No process name found".to_owned(), limit };
        };
        // an offset below zero counts from the end
        let params = [name.as_str().into(), Value::Int(-limit), Value::Int(0)];
        let text = match control.call("supervisor.readProcessStdoutLog", &params) {
            Ok(Value::Str(text)) => text,
            Ok(_) => String::new(),
            Err(f) if f.code == faults::NO_FILE.0 => format!("No file for {name}"),
            Err(f) => format!("ERROR: unexpected rpc fault [{}] {}", f.code, f.text),
        };
        Tail { name: Some(name), text, limit }
    }
}

/// `limit=` as the reference reads it: anything but digits counts as absent.
fn limit(text: &str) -> i64 {
    match text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse().unwrap_or(MOST).clamp(LEAST, MOST),
        false => LEAST,
    }
}

/// A state as the page words it.
pub(super) fn word(state: State) -> &'static str {
    match state {
        State::Stopped => "stopped",
        State::Starting => "starting",
        State::Running => "running",
        State::Backoff => "backoff",
        State::Stopping => "stopping",
        State::Exited => "exited",
        State::Fatal => "fatal",
        State::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fake, in_state};
    use super::*;
    use crate::sys::clock::Mono;

    const NOW: Now = Now { wall: 1_000_000, mono: Mono(0) };

    #[test]
    fn rows_are_sorted_and_named_as_clients_name_them() {
        let fake = Fake::new(&[("b", &["b"]), ("a", &["z", "y"]), ("é", &["é"])]);
        let status = Status::of(fake.published(), NOW);
        let names: Vec<&str> = status.rows.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(names, ["a:y", "a:z", "b", "é"]);
        assert_eq!(status.rows[0].description, "Not started");
        assert_eq!(status.identifier, "supervisor");
        assert_eq!(status.mood, Mood::Running);
    }

    #[test]
    fn states_are_counted() {
        let fake = Fake::new(&[("a", &["a"]), ("b", &["b"]), ("c", &["c"])]);
        fake.set("b", in_state(State::Running));
        fake.set("c", in_state(State::Running));
        let counts = Status::of(fake.published(), NOW).counts();
        assert_eq!(counts, [(State::Running, 2), (State::Stopped, 1)]);
    }

    #[test]
    fn states_are_worded_as_in_lower_case() {
        for state in [
            State::Stopped,
            State::Starting,
            State::Running,
            State::Backoff,
            State::Stopping,
            State::Exited,
            State::Fatal,
            State::Unknown,
        ] {
            assert_eq!(word(state), state.name().to_lowercase());
        }
    }

    #[test]
    fn limits_have_bounds() {
        for (text, expected) in [
            ("10", 1024),
            ("1024", 1024),
            ("5000", 5000),
            ("x", 1024),
            ("-5000", 1024),
            ("+5000", 1024),
            ("5e3", 1024),
            ("²", 1024),
            ("99999999999999999999999", MOST),
        ] {
            assert_eq!(limit(text), expected, "{text}");
        }
    }
}
