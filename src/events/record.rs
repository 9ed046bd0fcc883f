//! Events as JSON, for the event stream. Pure.
//!
//! One object in one line; members are only ever added:
//!
//! - `type`: name of the event's type, such as `PROCESS_STATE_EXITED`
//! - `serial`: its number in this daemon, the one that listeners see in their headers
//! - `time`: seconds since 1970, with six decimals
//! - `payload`: an object with what the payload says, under the names it has there; numbers are
//!   numbers (`pid`, `tries`, `when`), `expected` is true or false, all else are texts
//! - `body`: the text below that, for PROCESS_LOG, PROCESS_COMMUNICATION and REMOTE_COMMUNICATION
//!
//! `{"type": "dropped", "count": n}` stands where n events are missing since the client read too
//! slowly.

use std::fmt::Write;

use super::event::Field;
use super::stream::Tapped;
use crate::json::push_string;

/// Type in the place of events that are missing.
pub const DROPPED: &str = "dropped";

/// An event.
pub fn event(tapped: &Tapped) -> String {
    let Tapped { serial, time: (secs, micros), event } = tapped;
    let mut out = String::new();
    // Writing to a String cannot fail, here and below.
    let _ = write!(
        out,
        "{{\"type\": \"{}\", \"serial\": {serial}, \"time\": {secs}.{micros:06}, \"payload\": {{",
        event.kind().name()
    );
    for (i, (name, value)) in event.fields().into_iter().enumerate() {
        out.push_str(if i == 0 { "" } else { ", " });
        push_string(&mut out, name);
        out.push_str(": ");
        match value {
            Field::Text(text) => push_string(&mut out, text),
            Field::Number(number) => drop(write!(out, "{number}")),
            Field::Flag(flag) => drop(write!(out, "{flag}")),
        }
    }
    out.push('}');
    if let Some(text) = event.text() {
        out.push_str(", \"body\": ");
        push_string(&mut out, &text);
    }
    out.push('}');
    out
}

/// The mark that events are missing.
pub fn dropped(count: u64) -> String {
    format!("{{\"type\": \"{DROPPED}\", \"count\": {count}}}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::inbox::Channel;
    use crate::events::{Event, StateChange};
    use crate::json;
    use crate::machine::State;
    use std::sync::Arc;

    fn line(serial: u64, event: Event) -> String {
        super::event(&Tapped { serial, time: (1_700_000_000, 42), event: Arc::new(event) })
    }

    #[test]
    fn a_state_change_has_typed_members() {
        let exited = Event::state(StateChange {
            process: "p".into(),
            group: "g\"".into(),
            from: State::Running,
            to: State::Exited,
            tries: 0,
            expected: false,
            pid: 77,
        });
        assert_eq!(
            line(5, exited),
            "{\"type\": \"PROCESS_STATE_EXITED\", \"serial\": 5, \"time\": 1700000000.000042, \
             \"payload\": {\"processname\": \"p\", \"groupname\": \"g\\\"\", \"from_state\": \"RUNNING\", \
             \"expected\": false, \"pid\": 77}}"
        );
    }

    #[test]
    fn bodies_are_texts_in_one_line() {
        let log = Event::log(Channel::Stdout, "p", "g", 5, b"a\nb\xff".to_vec());
        let read = json::parse(&line(0, log)).unwrap();
        let body = read.get("body").unwrap().as_str().unwrap();
        assert_eq!(body, "Undecodable: b'a\\nb\\xff'");
        let remote = line(1, Event::remote("t".into(), "x\ny".into()));
        assert!(!remote.contains('\n'), "{remote}");
        let read = json::parse(&remote).unwrap();
        assert_eq!(read.get("payload").unwrap().get("type").unwrap().as_str(), Some("t"));
        assert_eq!(read.get("body").unwrap().as_str(), Some("x\ny"));
    }

    #[test]
    fn events_without_a_payload_have_an_empty_one() {
        assert!(line(0, Event::supervisor_running()).ends_with("\"payload\": {}}"));
        assert!(json::parse(&line(0, Event::group_added("g"))).unwrap().get("body").is_none());
        assert!(json::parse(&dropped(3)).is_some());
    }
}
