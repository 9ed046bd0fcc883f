//! What the pages show, as plain values taken from [`Published`] at one moment.

use std::sync::Arc;

use super::Control;
use super::form::Form;
use crate::coordinator::history::History;
use crate::coordinator::inbox::Channel;
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
    /// Groups of several processes, or of one with another name: how many run, of how many.
    pub groups: Vec<(String, usize, usize)>,
    /// What the names of rows must hold.
    pub filter: String,
    /// The state that rows must be in, in lower case; empty: any.
    pub state: String,
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
        let mut groups: Vec<(String, usize, usize)> = structure
            .groups
            .iter()
            .filter(|g| g.processes.iter().any(|p| p.config.name != g.config.name))
            .map(|g| {
                let up = g.processes.iter().filter(|p| p.view().state == State::Running).count();
                (g.config.name.clone(), up, g.processes.len())
            })
            .collect();
        groups.sort();
        Status {
            groups,
            filter: String::new(),
            state: String::new(),
            identifier: published.config().daemon.identifier.clone(),
            mood: published.mood(),
            rows,
        }
    }

    /// Leaves out what a form does not ask for.
    pub fn select(&mut self, form: &Form) {
        self.filter = form.filter.clone().unwrap_or_default();
        self.state = form.state.clone().unwrap_or_default();
        let (filter, state) = (self.filter.to_lowercase(), self.state.as_str());
        self.rows.retain(|row| {
            row.name.to_lowercase().contains(&filter)
                && (state.is_empty() || word(row.state) == state)
        });
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
    /// Which of its logs.
    pub channel: Channel,
    /// The log, or why there is none.
    pub text: String,
    /// Bytes shown at most.
    pub limit: i64,
}

/// The page of a process.
pub(super) struct Process {
    /// Name and state.
    pub row: Row,
    /// Settings by name.
    pub settings: Vec<(String, String)>,
    /// What it has been through.
    pub history: History,
    /// The end of its stderr, or of stdout where that holds both.
    pub stderr: String,
}

/// Bytes of stderr on the page of a process.
const STDERR: i64 = 4096;

impl Process {
    /// The process that a form names.
    pub fn read(form: &Form, control: &dyn Control, now: Now) -> Option<Process> {
        let name = form.processname.as_deref()?;
        let (group, process) = name.split_once(':').unwrap_or((name, name));
        let structure = control.published().structure();
        let view = structure.group(group)?;
        let slot = view.process(process)?;
        let method = match slot.config.redirect_stderr {
            true => "supervisor.readProcessStdoutLog",
            false => "supervisor.readProcessStderrLog",
        };
        let params = [Value::from(slot.full_name()), Value::Int(-STDERR), Value::Int(0)];
        let stderr = match control.call(method, &params) {
            Ok(Value::Str(text)) => text,
            _ => String::new(),
        };
        Some(Process {
            row: Row::of(slot, now),
            settings: info::settings(&view.config, slot),
            history: slot.history(History::clone),
            stderr,
        })
    }
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
            let text = "No process name found".to_owned();
            return Tail { name: None, channel: Channel::Stdout, text, limit };
        };
        // an offset below zero counts from the end
        let params = [name.as_str().into(), Value::Int(-limit), Value::Int(0)];
        let (channel, method) = match form.channel.as_deref() {
            Some("stderr") => (Channel::Stderr, "supervisor.readProcessStderrLog"),
            _ => (Channel::Stdout, "supervisor.readProcessStdoutLog"),
        };
        let text = match control.call(method, &params) {
            Ok(Value::Str(text)) => text,
            Ok(_) => String::new(),
            Err(f) if f.code == faults::NO_FILE.0 => format!("No file for {name}"),
            Err(f) => format!("ERROR: unexpected rpc fault [{}] {}", f.code, f.text),
        };
        Tail { name: Some(name), channel, text, limit }
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
