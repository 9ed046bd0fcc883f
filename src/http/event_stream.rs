//! `/events`: events as they come, as server-sent events, until the client goes.
//!
//! Runs on the connection's thread and owns the subscription. Nothing polls: the thread waits for an
//! event, the client's end or the server's. Each event has its type as `event:`, its serial as `id:`
//! and one line of JSON as `data:` (see [`crate::events::record`]). Nothing is repeated to a client
//! that comes back: `Last-Event-ID` is ignored.

use std::fmt::Write;
use std::os::fd::AsFd;
use std::time::Duration;

use super::page;
use super::request::Request;
use super::response::Response;
use super::socket::{Gone, Socket};
use super::stream::{Sender, look_up};
use super::{Backend, Limits, NoEvents};
use crate::events::record;
use crate::events::stream::{Item, Subscription};
use crate::events::types::{EventType, TypeSet};
use crate::sys::clock::Mono;
use crate::sys::fds::EventFd;
use crate::sys::table;

/// Where the stream is.
pub(super) const PATH: &str = "/events";
/// Bytes sent at once, where that many wait.
const PIECE: usize = 32 * 1024;

/// An event stream that is about to be sent.
pub(super) struct EventStream {
    subscription: Subscription,
    types: Vec<EventType>,
}

impl EventStream {
    /// Subscribes to what the request asks for: `types=A,B`, where each is a type as in `events=` of a
    /// listener, all without it. Else the answer that says why not.
    pub fn open(request: &Request, backend: &dyn Backend) -> Result<EventStream, Response> {
        if request.method != "GET" {
            return Err(Response::error(400));
        }
        let types = wanted(&request.query).map_err(|text| plain(400, text))?;
        let set: TypeSet = types.iter().copied().collect();
        match backend.events(set) {
            Ok(subscription) if !table::is_for_clients(&subscription) => {
                Err(plain(503, "clients have all the open files that they may have".into()))
            }
            Ok(subscription) => Ok(EventStream { subscription, types }),
            Err(NoEvents::None) => Err(Response::error(404)),
            Err(NoEvents::Refused(why)) => Err(plain(503, why)),
        }
    }

    /// Sends events until the client goes or the server stops; gives the number of bytes sent.
    pub fn stream(
        mut self,
        request: &Request,
        socket: &Socket,
        stop: &EventFd,
        limits: &Limits,
    ) -> usize {
        let mut out = Sender::new(request, socket, limits.stall);
        let head = Response::ok("text/event-stream", Vec::new())
            .with("Cache-Control", "no-store")
            .with("X-Accel-Buffering", "no");
        let names: Vec<&str> = self.types.iter().map(|kind| kind.name()).collect();
        // some clients take an answer as begun only when there is something of its body
        let first = format!(": {}\n\n", names.join(","));
        let _ = out
            .head(head)
            .and_then(|()| out.data(first.as_bytes()))
            .and_then(|()| self.follow(&mut out, stop, limits.keep_alive));
        out.sent()
    }

    fn follow(
        &mut self,
        out: &mut Sender<'_>,
        stop: &EventFd,
        keep_alive: Duration,
    ) -> Result<(), Gone> {
        loop {
            let quiet = Mono::now().after(keep_alive);
            let stopping = look_up(out.socket, stop, Some(self.subscription.as_fd()), Some(quiet))?;
            self.subscription.woken();
            let sent = self.send_waiting(out)?;
            if stopping {
                return out.end();
            }
            if !sent && Mono::now() >= quiet {
                out.data(b":\n\n")?;
            }
        }
    }

    /// Sends all that waits; says whether there was something.
    fn send_waiting(&mut self, out: &mut Sender<'_>) -> Result<bool, Gone> {
        let mut any = false;
        let mut piece = String::new();
        while let Some(item) = self.subscription.next() {
            any = true;
            push(&mut piece, &item);
            if piece.len() >= PIECE {
                out.data(piece.as_bytes())?;
                piece.clear();
            }
        }
        out.data(piece.as_bytes())?;
        Ok(any)
    }
}

fn push(out: &mut String, item: &Item) {
    // Writing to a String cannot fail.
    let _ = match item {
        Item::Event(tapped) => write!(
            out,
            "event: {}\nid: {}\ndata: {}\n\n",
            tapped.event.kind().name(),
            tapped.serial,
            record::event(tapped)
        ),
        Item::Dropped(count) => {
            write!(out, "event: {}\ndata: {}\n\n", record::DROPPED, record::dropped(*count))
        }
    };
}

/// The types that a query asks for; the error is a sentence.
fn wanted(query: &str) -> Result<Vec<EventType>, String> {
    let mut types = Vec::new();
    for (_, value) in page::fields(query).filter(|(name, _)| name == "types") {
        for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let kind = EventType::parse(name).ok_or_else(|| EventType::unknown(name))?;
            if !types.contains(&kind) {
                types.push(kind);
            }
        }
    }
    if types.is_empty() {
        types.push(EventType::Event);
    }
    Ok(types)
}

fn plain(status: u16, text: String) -> Response {
    Response { status, headers: Vec::new(), body: (text + "\n").into_bytes() }
        .with("Content-Type", "text/plain; charset=utf-8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Event;
    use crate::events::stream::{Feed, Tapped, queue};
    use crate::http::head::parse;
    use crate::http::request::Peer;
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::thread::{JoinHandle, spawn};

    fn names(query: &str) -> Result<String, String> {
        wanted(query).map(|types| types.iter().map(|t| t.name()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn types_are_listed_in_the_query() {
        assert_eq!(names("").unwrap(), "EVENT");
        assert_eq!(names("types=").unwrap(), "EVENT");
        assert_eq!(names("types=tick_5,%20PROCESS_LOG,TICK_5&x=y").unwrap(), "TICK_5 PROCESS_LOG");
        assert_eq!(names("types=TICK_5&types=TICK_60").unwrap(), "TICK_5 TICK_60");
        let why = names("types=TICK_5,nope").unwrap_err();
        assert!(why.contains("\"nope\"") && why.contains("PROCESS_STATE_EXITED"), "{why}");
    }

    /// A stream to the other end of a pair of sockets.
    struct Rig {
        client: UnixStream,
        feed: Feed,
        stop: Arc<EventFd>,
        thread: JoinHandle<usize>,
        seen: String,
    }

    impl Rig {
        fn new(version: &str, keep_alive: Duration) -> Rig {
            let (client, server) = UnixStream::pair().unwrap();
            server.set_nonblocking(true).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let head = format!("GET /events {version}\r\n\r\n");
            let limits = Limits { keep_alive, ..Limits::default() };
            let request = parse(head.as_bytes(), Peer::Unix, &limits).unwrap();
            let types = vec![EventType::Event];
            let (feed, subscription) = queue(types.iter().copied().collect()).unwrap();
            let stop = Arc::new(EventFd::new().unwrap());
            let stopped = stop.clone();
            let thread = spawn(move || {
                let socket = Socket::new(server.into());
                EventStream { subscription, types }.stream(&request, &socket, &stopped, &limits)
            });
            Rig { client, feed, stop, thread, seen: String::new() }
        }
        fn emit(&self, serial: u64) {
            let event = Arc::new(Event::remote("t".into(), "x".into()));
            let _ = self.feed.offer(Tapped { serial, time: (1, 0), event });
        }
        /// Reads until the text has come.
        fn until(&mut self, text: &str) {
            let mut buf = [0; 1024];
            while !self.seen.contains(text) {
                let n = self.client.read(&mut buf).unwrap();
                assert!(n > 0, "ended after {}", self.seen);
                self.seen.push_str(std::str::from_utf8(&buf[..n]).unwrap());
            }
        }
    }

    #[test]
    fn events_come_with_type_serial_and_json() {
        let mut rig = Rig::new("HTTP/1.0", Duration::from_secs(60));
        rig.until(": EVENT\n\n");
        assert!(rig.seen.starts_with("HTTP/1.0 200 OK\r\n"), "{}", rig.seen);
        assert!(rig.seen.contains("Content-Type: text/event-stream\r\n"));
        rig.emit(7);
        rig.until("}\n\n");
        let want = "event: REMOTE_COMMUNICATION\nid: 7\ndata: {\"type\": \"REMOTE_COMMUNICATION\", \
                    \"serial\": 7, \"time\": 1.000000, \"payload\": {\"type\": \"t\"}, \"body\": \"x\"}\n\n";
        assert!(rig.seen.ends_with(want), "{}", rig.seen);
        rig.stop.notify();
        let sent = rig.thread.join().unwrap();
        assert_eq!(sent, rig.seen.len());
    }

    #[test]
    fn what_waits_at_the_end_is_sent_before_it() {
        let mut rig = Rig::new("HTTP/1.1", Duration::from_secs(60));
        rig.until(": EVENT\n\n");
        rig.emit(1);
        rig.stop.notify();
        rig.until("\r\n0\r\n\r\n");
        assert!(rig.seen.contains("id: 1\n"), "{}", rig.seen);
        rig.thread.join().unwrap();
    }

    #[test]
    fn a_silent_stream_is_kept_alive_and_a_gone_client_noticed() {
        let mut rig = Rig::new("HTTP/1.0", Duration::from_millis(1));
        rig.until("\n\n:\n\n:\n\n");
        drop(rig.client);
        rig.thread.join().unwrap();
        assert!(rig.feed.is_gone());
    }

    #[test]
    fn a_slow_client_is_told_what_it_missed() {
        let mut rig = Rig::new("HTTP/1.0", Duration::from_secs(60));
        rig.until(": EVENT\n\n");
        // Far more than the socket and the queue hold while nobody reads.
        (0..20_000).for_each(|n| rig.emit(n));
        rig.until("event: dropped\ndata: {\"type\": \"dropped\", \"count\": ");
        rig.stop.notify();
        rig.client.read_to_string(&mut rig.seen).unwrap();
        rig.thread.join().unwrap();
        let events = rig.seen.matches("event: REMOTE").count();
        let counts = rig.seen.split("\"count\": ").skip(1);
        let dropped: usize =
            counts.map(|c| c.split('}').next().unwrap().parse::<usize>().unwrap()).sum();
        assert_eq!(events + dropped, 20_000);
    }
}
