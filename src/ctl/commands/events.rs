//! `events`: what happens in the daemon, as it happens. A command of ours.

use super::watching::{self, End};
use super::{Flow, print_help};
use crate::ctl::error::CtlError;
use crate::ctl::follow::{Follower, Progress};
use crate::ctl::interrupt;
use crate::ctl::session::Ctl;
use crate::ctl::sse::{Message, Reader};
use crate::events::EventType;
use crate::events::record::DROPPED;
use crate::json::{self, Json};
use crate::sys::clock;

/// What was typed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wish {
    json: bool,
    /// Ends after so many events.
    count: Option<u64>,
    types: Vec<&'static str>,
}

/// `events [-f] [--json] [-n COUNT] [TYPE ...]`. `-f` is taken for the habit: there is nothing that
/// could be shown without following.
///
/// # Errors
/// See [`Ctl::call`]; also a stream that cannot be had.
pub fn events(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    let wish = match read(arg) {
        Ok(wish) => wish,
        Err(why) => {
            ctl.refuse(&format!("Error: {why}"));
            print_help(ctl, "events");
            return Ok(Flow::Stay);
        }
    };
    ctl.out.document = wish.json;
    if wish.count == Some(0) || !ctl.upcheck()? {
        return Ok(Flow::Stay);
    }
    let watch = interrupt::watch().map_err(CtlError::Terminal)?;
    let mut follower = Follower::open_quoted(&ctl.target, &path(&wish.types))?;
    let mut show = Show { reader: Reader::default(), left: wish.count, json: wish.json };
    let end = watching::watch(ctl, &watch, &mut follower, |ctl, p| show.progress(ctl, p))?;
    if end == End::Over {
        // A complaint, if there is one, has said more.
        if ctl.exit == crate::ctl::exit::SUCCESS {
            ctl.out.complain("supervisord has ended the stream");
        }
        ctl.fail();
    }
    Ok(Flow::Stay)
}

fn read(arg: &str) -> Result<Wish, String> {
    let mut wish = Wish::default();
    let mut words = arg.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "-f" => {}
            "--json" => wish.json = true,
            "-n" => {
                let count = words.next().ok_or("-n needs a number")?;
                let count = count.parse().map_err(|_| format!("bad number {count:?} after -n"))?;
                wish.count = Some(count);
            }
            _ if word.starts_with('-') => return Err(format!("bad argument {word}")),
            _ => {
                for name in word.split(',').filter(|name| !name.is_empty()) {
                    let kind = EventType::parse(name).ok_or_else(|| EventType::unknown(name))?;
                    wish.types.push(kind.name());
                }
            }
        }
    }
    Ok(wish)
}

fn path(types: &[&str]) -> String {
    match types {
        [] => "/events".to_owned(),
        _ => format!("/events?types={}", types.join(",")),
    }
}

struct Show {
    reader: Reader,
    left: Option<u64>,
    json: bool,
}

impl Show {
    /// Prints what came; false when that was enough.
    fn progress(&mut self, ctl: &mut Ctl, progress: Progress) -> bool {
        if let Some(complaint) = progress.complaint {
            ctl.out.complain(&complaint);
            ctl.fail();
        }
        for message in self.reader.feed(&progress.text) {
            let line = match self.json {
                true => message.data.clone(),
                false => line(&message),
            };
            ctl.out.text(&format!("{line}\n"));
            if let Some(left) = self.left.as_mut().filter(|_| message.event != DROPPED) {
                *left -= 1;
                if *left == 0 {
                    return false;
                }
            }
        }
        true
    }
}

/// An event in one line: local time, type, what the payload says, and its text in quotes.
fn line(message: &Message) -> String {
    let Some(record) = json::parse(&message.data) else { return message.data.clone() };
    if message.event == DROPPED {
        let count: u64 = record.get("count").and_then(Json::number).unwrap_or(0);
        return format!("({count} events are missing here: they came too fast)");
    }
    let mut out = match record.get("time") {
        Some(Json::Number(time)) => local(time),
        _ => String::new(),
    };
    out.push_str(&message.event);
    if let Some(Json::Object(fields)) = record.get("payload") {
        for (name, value) in fields {
            let value = match value {
                Json::Text(text) | Json::Number(text) => text.clone(),
                Json::Bool(flag) => u8::from(*flag).to_string(),
                Json::Null | Json::List(_) | Json::Object(_) => continue,
            };
            out.push_str(&format!(" {name}:{value}"));
        }
    }
    if let Some(body) = record.get("body").and_then(Json::as_str) {
        out.push(' ');
        json::push_string(&mut out, body);
    }
    out
}

/// Seconds since 1970 as the activity log shows times, with a blank after it.
fn local(time: &str) -> String {
    let (secs, fraction) = time.split_once('.').unwrap_or((time, ""));
    let Ok(secs) = secs.parse() else { return String::new() };
    let millis: String = fraction.chars().chain("000".chars()).take(3).collect();
    format!("{},{millis} ", clock::local(secs, c"%Y-%m-%d %H:%M:%S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_types_come_in_any_order() {
        let wish = read("tick_5 -f --json PROCESS_STATE,REMOTE_COMMUNICATION -n 3").unwrap();
        assert_eq!(wish.types, ["TICK_5", "PROCESS_STATE", "REMOTE_COMMUNICATION"]);
        assert_eq!((wish.json, wish.count), (true, Some(3)));
        assert_eq!(path(&wish.types), "/events?types=TICK_5,PROCESS_STATE,REMOTE_COMMUNICATION");
        assert_eq!(read("").unwrap(), Wish::default());
        assert_eq!(path(&[]), "/events");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (arg, why) in [
            ("-n", "-n needs a number"),
            ("-n x", "bad number \"x\" after -n"),
            ("-x", "bad argument -x"),
            ("nope", "there is no type of events \"nope\"; there are EVENT, PROCESS_STATE"),
        ] {
            let said = read(arg).unwrap_err();
            assert!(said.starts_with(why), "{said}");
        }
    }

    #[test]
    fn a_line_has_time_type_payload_and_text() {
        let shown =
            |event: &str, data: &str| line(&Message { event: event.into(), data: data.into() });
        let time = clock::local(1_700_000_000, c"%Y-%m-%d %H:%M:%S");
        assert_eq!(
            shown(
                "PROCESS_STATE_EXITED",
                r#"{"time": 1700000000.012345, "payload": {"processname": "p", "expected": true, "pid": 7}}"#
            ),
            format!("{time},012 PROCESS_STATE_EXITED processname:p expected:1 pid:7")
        );
        assert_eq!(
            shown("X", r#"{"time": 1700000000.5, "payload": {}, "body": "a\nb"}"#),
            format!("{time},500 X \"a\\nb\"")
        );
        assert_eq!(
            shown(DROPPED, r#"{"type": "dropped", "count": 4}"#),
            "(4 events are missing here: they came too fast)"
        );
        assert_eq!(shown("X", "no json"), "no json");
    }
}
