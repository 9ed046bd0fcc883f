//! The web pages: `/`, `/index.html`, `/tail.html`, `/ok.html` and their static files.
//!
//! Rendering only: no socket is opened and no thread started here. It runs on connection threads,
//! reads [`Published`], and lets every change go through [`Control::call`], so that a button and an
//! XML-RPC call are the same thing to the daemon. A request passes [`safety`] before anything else;
//! [`view`] makes plain values, [`pages`] turns them into text by way of [`render`].

mod actions;
mod assets;
pub(crate) mod form;
mod pages;
mod process_page;
mod render;
mod safety;
mod view;

use self::actions::Step;
use self::form::Form;
use self::render::Notice;
use crate::coordinator::published::Published;
use crate::rpc::info::Now;
use crate::rpc::value::{Fault, Value};

pub use self::form::fields;
pub use self::safety::{Purpose, refusal};

/// A request as the pages see it.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest<'a> {
    /// Method as sent.
    pub method: &'a str,
    /// Path without query, percent-decoded.
    pub path: &'a str,
    /// What follows the `?`, as sent.
    pub query: &'a str,
    /// Body of a POST: fields as a form sends them.
    pub body: &'a [u8],
    /// The `Host` header.
    pub host: Option<&'a str>,
    /// The `Origin` header.
    pub origin: Option<&'a str>,
    /// The `Referer` header.
    pub referer: Option<&'a str>,
    /// By which server it came.
    pub via: Via<'a>,
}

/// By which server a request came, and what that one allows.
#[derive(Debug, Clone, Copy)]
pub enum Via<'a> {
    /// The Unix socket: whoever may open it may do everything.
    Unix,
    /// TCP: a browser may be talking, on behalf of a page from anywhere.
    Tcp {
        /// The host of `port=` in `[inet_http_server]`; empty: all interfaces.
        bound: &'a str,
        /// A password is asked for (and was given).
        has_password: bool,
        /// `get_actions=true`: links may change something.
        get_actions: bool,
        /// `allowed_hosts=`: further names of this server, each with a port or without.
        allowed_hosts: &'a [String],
    },
}

/// An answer. For HEAD the caller sends all but the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageResponse {
    /// Status code.
    pub status: u16,
    /// Headers other than the content's type and length.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// `Content-Type`.
    pub content_type: &'static str,
}

/// What the pages need of the daemon. May block for as long as a process takes to start or stop.
pub trait Control {
    /// Makes an XML-RPC call such as `supervisor.startProcess`.
    ///
    /// # Errors
    /// The fault that a client would get.
    fn call(&self, method: &str, params: &[Value]) -> Result<Value, Fault>;
    /// What the coordinator shows.
    fn published(&self) -> &Published;
}

/// Answers a request. None: there is no such page, or not by this method.
///
/// As with Supervisor 4.3.0, pages are there for GET and POST, files for GET and HEAD, and any
/// number of slashes may stand before the name.
pub fn respond(req: &PageRequest<'_>, control: &dyn Control) -> Option<PageResponse> {
    let name = match req.path.trim_start_matches('/') {
        "" => "index.html",
        name => name,
    };
    match (name, req.method) {
        ("index.html", "GET" | "POST") => Some(guarded(req, control, status_page)),
        ("process.html", "GET") => Some(guarded(req, control, process_page)),
        ("tail.html", "GET" | "POST") => Some(guarded(req, control, tail_page)),
        // asked by load balancers under any name, and tells nothing but that we are here
        ("ok.html", "GET" | "POST") => Some(render::plain(b"OK".to_vec())),
        (_, "GET" | "HEAD") => assets::find(name, req.host),
        _ => None,
    }
}

/// The fields of a request's form, for the fuzz targets: process name, action, message, limit.
pub(super) fn fields_of(req: &PageRequest<'_>) -> [Option<String>; 4] {
    let Form { processname, action, message, limit, .. } = Form::of(req);
    [processname, action, message, limit]
}

type Page = fn(&PageRequest<'_>, &Form, &dyn Control) -> PageResponse;

fn guarded(req: &PageRequest<'_>, control: &dyn Control, page: Page) -> PageResponse {
    refusal(req, Purpose::Page).unwrap_or_else(|| page(req, &Form::of(req), control))
}

fn status_page(req: &PageRequest<'_>, form: &Form, control: &dyn Control) -> PageResponse {
    match actions::step(req, form, control.published()) {
        Step::Show => {
            let mut status = view::Status::of(control.published(), Now::get());
            status.select(form);
            pages::status(&status, form.message.as_deref())
        }
        Step::Tell(message) => told(req, form, message),
        Step::Do(deed) => told(req, form, deed.carry_out(control)),
        Step::Ask(deed) => pages::confirmation(&deed),
        Step::Refuse => safety::foreign_page(req),
        Step::Unknown(action) => render::notice(400, &Notice::unknown_action(&action)),
    }
}

fn told(req: &PageRequest<'_>, form: &Form, message: String) -> PageResponse {
    match &form.quiet {
        Some(_) => render::plain(message.into_bytes()),
        None => render::redirect(req, &message),
    }
}

fn process_page(_: &PageRequest<'_>, form: &Form, control: &dyn Control) -> PageResponse {
    match view::Process::read(form, control, Now::get()) {
        Some(process) => process_page::page(&process),
        None => {
            let name = form.processname.as_deref().unwrap_or("");
            render::notice(404, &Notice::unknown_process(name))
        }
    }
}

fn tail_page(_: &PageRequest<'_>, form: &Form, control: &dyn Control) -> PageResponse {
    pages::tail(&view::Tail::read(form, control))
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
