//! Which part of the server answers a request, by its path as the reference does.

use std::path::PathBuf;

use super::event_stream::{self, EventStream};
use super::log_tail::{NoTail, Tail};
use super::page::PageRequest;
use super::request::Request;
use super::response::Response;
use super::{Backend, LogLookup};
use crate::config::model::Level;
use crate::coordinator::inbox::Channel;
use crate::monitor::Endpoint;

/// What goes back to the client.
pub(super) enum Answer {
    /// A whole answer.
    Page(Response),
    /// A log that is followed.
    Tail(Box<Tail>),
    /// Events as they come.
    Events(Box<EventStream>),
}

/// Whether the path is that of XML-RPC: any that begins so.
pub(super) fn is_rpc(request: &Request) -> bool {
    request.path.starts_with("/RPC2")
}

/// Finds the answer; may block for as long as the backend does.
pub(super) fn answer<'a>(
    request: &'a Request,
    page: impl FnOnce() -> PageRequest<'a>,
    backend: &dyn Backend,
) -> Answer {
    let path = request.path.as_str();
    if is_rpc(request) {
        Answer::Page(rpc(request, backend))
    } else if let Some(rest) = path.strip_prefix("/logtail") {
        log(request, || open_tail(find_log(rest, backend), true))
    } else if path.starts_with("/mainlogtail") {
        // the reference asks proxies not to buffer for the logs of processes only
        log(request, || open_tail(backend.main_log(), false))
    } else if path == event_stream::PATH {
        match EventStream::open(request, backend) {
            Ok(stream) => Answer::Events(Box::new(stream)),
            Err(response) => Answer::Page(response),
        }
    } else if let Some(endpoint) = Endpoint::of(path) {
        Answer::Page(report(request, endpoint, backend))
    } else {
        let none = if matches!(request.method.as_str(), "GET" | "HEAD") { 404 } else { 400 };
        Answer::Page(backend.page(&page()).map_or_else(|| Response::error(none), Response::from))
    }
}

fn report(request: &Request, endpoint: Endpoint, backend: &dyn Backend) -> Response {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Response::error(400);
    }
    match backend.monitor(endpoint, &request.query, request.header("accept")) {
        None => Response::error(404),
        Some(report) => {
            Response { status: report.status, headers: Vec::new(), body: report.body.into_bytes() }
                .with("Content-Type", report.content_type)
                .with("Cache-Control", "no-store")
                .with("X-Content-Type-Options", "nosniff")
        }
    }
}

fn rpc(request: &Request, backend: &dyn Backend) -> Response {
    if request.method != "POST" {
        return Response::error(400);
    }
    match backend.xmlrpc(&request.body) {
        Ok(document) => Response::ok("text/xml", document),
        Err(e) => {
            let data = quoted(&request.body);
            let text = format!("XML-RPC request data {data} is invalid: {}", e.0);
            backend.log(Level::Error, &text);
            Response::error(400)
        }
    }
}

fn open_tail(file: Option<PathBuf>, unbuffered: bool) -> Result<Tail, NoTail> {
    file.ok_or(NoTail::None).and_then(|file| Tail::open(file, unbuffered))
}

fn log(request: &Request, open: impl FnOnce() -> Result<Tail, NoTail>) -> Answer {
    if request.method != "GET" {
        return Answer::Page(Response::error(400));
    }
    match open() {
        Ok(tail) => Answer::Tail(Box::new(tail)),
        // a state that may pass
        Err(NoTail::None) => Answer::Page(Response::error(404)),
        Err(NoTail::Full) => Answer::Page(Response::error(503)),
    }
}

/// The file that `/NAME`, `/NAME/stdout` or `/NAME/stderr` means; what stands between `/logtail` and
/// the next slash is ignored, as in the reference.
fn find_log(rest: &str, backend: &dyn Backend) -> Option<PathBuf> {
    let (_, name) = rest.split_once('/')?;
    let (name, channel) = match name.split_once('/') {
        None => (name, Channel::Stdout),
        Some((name, "stdout")) => (name, Channel::Stdout),
        Some((name, "stderr")) => (name, Channel::Stderr),
        Some(_) => return None,
    };
    match backend.process_log(name, channel) {
        LogLookup::File(path) => Some(path),
        LogLookup::NoProcess | LogLookup::NoLog => None,
    }
}

/// The beginning of a body for the activity log, on one line.
fn quoted(body: &[u8]) -> String {
    const MOST: usize = 500;
    let text = String::from_utf8_lossy(body.get(..MOST).unwrap_or(body));
    let more = if body.len() > MOST { "..." } else { "" };
    format!("'{}{more}'", text.escape_debug())
}
