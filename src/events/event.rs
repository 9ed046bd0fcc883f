//! One event: its kind, what it carries, and the text that listeners get.
//!
//! An event is a value that never changes; it is shared by `Arc` between pools and taps. Payload
//! texts, their keys and the order of these are the reference's: listeners parse them.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use super::text::readable;
use super::types::EventType;
use crate::coordinator::inbox::Channel;
use crate::machine::State;

/// An event.
#[derive(Debug)]
pub struct Event {
    kind: EventType,
    body: Body,
    payload: OnceLock<Box<str>>,
}

/// A change of a process's state, with the values it had at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    /// Process name.
    pub process: Arc<str>,
    /// Its group.
    pub group: Arc<str>,
    /// State it leaves.
    pub from: State,
    /// State it comes to; decides which of the other values are shown.
    pub to: State,
    /// Failed starts in a row so far; shown for STARTING and BACKOFF.
    pub tries: i64,
    /// The exit code is an expected one; shown for EXITED.
    pub expected: bool,
    /// Its pid; shown for RUNNING, STOPPING, STOPPED and EXITED.
    pub pid: i32,
}

#[derive(Debug)]
enum Body {
    State(StateChange),
    Output { process: Arc<str>, group: Arc<str>, pid: i32, channel: Option<Channel>, data: Vec<u8> },
    Remote { kind: String, data: String },
    Empty,
    Tick(i64),
    Group(Arc<str>),
}

/// A value of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<'a> {
    /// A name.
    Text(&'a str),
    /// A count, a process id or a time.
    Number(i64),
    /// Shown as 0 or 1.
    Flag(bool),
}

/// What stands in a header besides the event itself.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    /// `identifier=` of supervisord.
    pub server: &'a str,
    /// Serial of the event in this daemon.
    pub serial: u64,
    /// Name of the listener group.
    pub pool: &'a str,
    /// Serial of the event in that group.
    pub pool_serial: u64,
    /// `len` counts bytes, not characters.
    pub len_in_bytes: bool,
}

impl Event {
    fn new(kind: EventType, body: Body) -> Event {
        Event { kind, body, payload: OnceLock::new() }
    }

    /// `PROCESS_STATE_*`: a process has come to another state.
    pub fn state(change: StateChange) -> Event {
        Event::new(EventType::of_state(change.to), Body::State(change))
    }

    /// `PROCESS_LOG_*`: a process with `events_enabled` wrote.
    pub fn log(
        channel: Channel,
        process: impl Into<Arc<str>>,
        group: impl Into<Arc<str>>,
        pid: i32,
        data: Vec<u8>,
    ) -> Event {
        let (process, group) = (process.into(), group.into());
        let body = Body::Output { process, group, pid, channel: Some(channel), data };
        Event::new(EventType::of_log(channel), body)
    }

    /// `PROCESS_COMMUNICATION_*`: a process wrote a block between the marks. Unlike PROCESS_LOG the
    /// payload does not name the channel.
    pub fn communication(
        channel: Channel,
        process: impl Into<Arc<str>>,
        group: impl Into<Arc<str>>,
        pid: i32,
        data: Vec<u8>,
    ) -> Event {
        let (process, group) = (process.into(), group.into());
        let body = Body::Output { process, group, pid, channel: None, data };
        Event::new(EventType::of_communication(channel), body)
    }

    /// `REMOTE_COMMUNICATION`: a client called sendRemoteCommEvent.
    pub fn remote(kind: String, data: String) -> Event {
        Event::new(EventType::RemoteCommunication, Body::Remote { kind, data })
    }

    /// `SUPERVISOR_STATE_CHANGE_RUNNING`: sent once after start, and after each restart.
    pub fn supervisor_running() -> Event {
        Event::new(EventType::SupervisorStateChangeRunning, Body::Empty)
    }

    /// `SUPERVISOR_STATE_CHANGE_STOPPING`: a shutdown or restart begins.
    pub fn supervisor_stopping() -> Event {
        Event::new(EventType::SupervisorStateChangeStopping, Body::Empty)
    }

    /// `PROCESS_GROUP_ADDED`.
    pub fn group_added(group: impl Into<Arc<str>>) -> Event {
        Event::new(EventType::ProcessGroupAdded, Body::Group(group.into()))
    }

    /// `PROCESS_GROUP_REMOVED`.
    pub fn group_removed(group: impl Into<Arc<str>>) -> Event {
        Event::new(EventType::ProcessGroupRemoved, Body::Group(group.into()))
    }

    /// `TICK_*`; `when` is the wall-clock second at which the slice began.
    pub(super) fn tick(kind: EventType, when: i64) -> Event {
        Event::new(kind, Body::Tick(when))
    }

    /// Its kind.
    pub fn kind(&self) -> EventType {
        self.kind
    }

    /// What listeners get below the header. Made when first asked for.
    pub fn payload(&self) -> &str {
        self.payload.get_or_init(|| self.render().into_boxed_str())
    }

    /// What the payload says, as names and values in its order.
    pub fn fields(&self) -> Vec<(&'static str, Field<'_>)> {
        let named = |process, group| {
            vec![("processname", Field::Text(process)), ("groupname", Field::Text(group))]
        };
        match &self.body {
            Body::State(change) => change.fields(),
            Body::Output { process, group, pid, channel, .. } => {
                let mut fields = named(process, group);
                fields.push(("pid", Field::Number(i64::from(*pid))));
                fields.extend(channel.map(|c| ("channel", Field::Text(c.name()))));
                fields
            }
            Body::Remote { kind, .. } => vec![("type", Field::Text(kind))],
            Body::Empty => Vec::new(),
            Body::Tick(when) => vec![("when", Field::Number(*when))],
            Body::Group(group) => vec![("groupname", Field::Text(group))],
        }
    }

    /// The text below the fields, for kinds that have one.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match &self.body {
            Body::Output { data, .. } => Some(readable(data)),
            Body::Remote { data, .. } => Some(Cow::Borrowed(data)),
            Body::State(_) | Body::Empty | Body::Tick(_) | Body::Group(_) => None,
        }
    }

    /// About how many bytes it takes in memory.
    pub fn weight(&self) -> usize {
        let data = match &self.body {
            Body::Output { data, .. } => data.len(),
            Body::Remote { kind, data } => kind.len() + data.len(),
            Body::State(_) | Body::Empty | Body::Tick(_) | Body::Group(_) => 0,
        };
        data + size_of::<Event>()
    }

    fn render(&self) -> String {
        let mut out = String::new();
        for (i, (name, value)) in self.fields().into_iter().enumerate() {
            let blank = if i == 0 { "" } else { " " };
            // Writing to a String cannot fail.
            let _ = write!(out, "{blank}{name}:{value}");
        }
        // The only payload without a text that ends with a line feed.
        if matches!(self.body, Body::Group(_)) {
            out.push('\n');
        }
        if let Some(text) = self.text() {
            out.push('\n');
            out.push_str(&text);
        }
        out
    }

    /// The message to a listener: a header line and the payload, in UTF-8. `len` counts characters
    /// unless bytes are asked for: the reference's listeners read text.
    pub fn envelope(&self, header: &Header<'_>) -> Vec<u8> {
        let payload = self.payload();
        let len = if header.len_in_bytes { payload.len() } else { payload.chars().count() };
        let Header { server, serial, pool, pool_serial, .. } = header;
        let mut out = format!(
            "ver:3.0 server:{server} serial:{serial} pool:{pool} poolserial:{pool_serial} \
             eventname:{} len:{len}\n",
            self.kind.name()
        );
        out.push_str(payload);
        out.into_bytes()
    }
}

impl StateChange {
    fn fields(&self) -> Vec<(&'static str, Field<'_>)> {
        let pid = ("pid", Field::Number(i64::from(self.pid)));
        let mut fields = vec![
            ("processname", Field::Text(&self.process)),
            ("groupname", Field::Text(&self.group)),
            ("from_state", Field::Text(self.from.name())),
        ];
        match self.to {
            State::Starting | State::Backoff => fields.push(("tries", Field::Number(self.tries))),
            State::Exited => fields.extend([("expected", Field::Flag(self.expected)), pid]),
            State::Running | State::Stopping | State::Stopped => fields.push(pid),
            State::Fatal | State::Unknown => {}
        }
        fields
    }
}

impl std::fmt::Display for Field<'_> {
    /// As it stands in a payload.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Field::Text(text) => f.write_str(text),
            Field::Number(number) => write!(f, "{number}"),
            Field::Flag(flag) => write!(f, "{}", u8::from(*flag)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(from: State, to: State) -> String {
        Event::state(StateChange {
            process: "p".into(),
            group: "g".into(),
            from,
            to,
            tries: 2,
            expected: false,
            pid: 77,
        })
        .payload()
        .to_owned()
    }

    #[test]
    fn a_state_change_shows_what_its_state_has() {
        use State::*;
        let head = "processname:p groupname:g from_state:";
        assert_eq!(change(Backoff, Starting), format!("{head}BACKOFF tries:2"));
        assert_eq!(change(Starting, Backoff), format!("{head}STARTING tries:2"));
        assert_eq!(change(Starting, Running), format!("{head}STARTING pid:77"));
        assert_eq!(change(Running, Stopping), format!("{head}RUNNING pid:77"));
        assert_eq!(change(Stopping, Stopped), format!("{head}STOPPING pid:77"));
        assert_eq!(change(Running, Exited), format!("{head}RUNNING expected:0 pid:77"));
        assert_eq!(change(Backoff, Fatal), format!("{head}BACKOFF"));
        assert_eq!(change(Starting, Unknown), format!("{head}STARTING"));
    }

    #[test]
    fn output_comes_after_a_line_of_its_own() {
        let log = Event::log(Channel::Stderr, "p", "g", 5, b"hello\n".to_vec());
        assert_eq!(log.kind(), EventType::ProcessLogStderr);
        assert_eq!(log.payload(), "processname:p groupname:g pid:5 channel:stderr\nhello\n");
        let comm = Event::communication(Channel::Stdout, "p", "g", 5, b"m".to_vec());
        assert_eq!(comm.kind(), EventType::ProcessCommunicationStdout);
        assert_eq!(comm.payload(), "processname:p groupname:g pid:5\nm");
    }

    #[test]
    fn undecodable_output_is_spelled_out() {
        let log = Event::log(Channel::Stdout, "w", "w", 5, b"\xff\xfe\n".to_vec());
        assert_eq!(
            log.payload(),
            "processname:w groupname:w pid:5 channel:stdout\nUndecodable: b'\\xff\\xfe\\n'"
        );
    }

    #[test]
    fn only_group_payloads_end_with_a_line_feed() {
        assert_eq!(Event::group_added("g").payload(), "groupname:g\n");
        assert_eq!(Event::group_removed("g").payload(), "groupname:g\n");
        assert_eq!(Event::tick(EventType::Tick5, 1_700_000_005).payload(), "when:1700000005");
        assert_eq!(Event::supervisor_running().payload(), "");
        assert_eq!(Event::supervisor_stopping().payload(), "");
        assert_eq!(Event::remote("a b:c".into(), String::new()).payload(), "type:a b:c\n");
    }

    #[test]
    fn the_header_counts_characters_or_bytes() {
        let event = Event::remote("t".into(), "äö€".into());
        let mut header =
            Header { server: "sup", serial: 4, pool: "rec", pool_serial: 3, len_in_bytes: false };
        assert_eq!(
            String::from_utf8(event.envelope(&header)).unwrap(),
            "ver:3.0 server:sup serial:4 pool:rec poolserial:3 eventname:REMOTE_COMMUNICATION \
             len:10\ntype:t\näö€"
        );
        header.len_in_bytes = true;
        assert!(String::from_utf8(event.envelope(&header)).unwrap().contains(" len:14\ntype:t\n"));
    }
}
