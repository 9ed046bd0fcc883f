//! The HTTP server: listeners, connections, limits, authentication, routes.
//!
//! It knows nothing of the coordinator: all it needs of the daemon is [`Backend`]. Listening is two
//! steps, since sockets are opened before the daemon detaches and threads start after it:
//! [`bind`], then [`serve`].

mod accept;
mod auth;
mod body;
mod conn;
mod crowd;
mod date;
mod event_stream;
#[doc(hidden)]
pub mod fuzzing;
mod given;
mod guard;
mod head;
mod limits;
mod listen;
mod log_tail;
pub mod page;
mod request;
mod reserve;
mod response;
mod route;
mod server;
mod socket;
mod stream;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use crate::config::model::Level;
use crate::coordinator::inbox::Channel;
use crate::events::Subscription;
use crate::events::types::TypeSet;
use crate::monitor::{Endpoint, Report};

pub use date::http_date;
pub use given::{bind_given, rehearse, strangers};
pub use limits::Limits;
pub use listen::{Bound, StartError, bind, discard};
pub use request::{Peer, Request, Version};
pub use response::Response;
pub use server::{Server, serve, serve_after};

/// What the HTTP server needs of the daemon. Called from connection threads; may block.
pub trait Backend: Send + Sync + 'static {
    /// Answers an XML-RPC request document with a response document.
    ///
    /// # Errors
    /// A body that is no XML-RPC request: HTTP 400.
    fn xmlrpc(&self, body: &[u8]) -> Result<Vec<u8>, NotXmlRpc>;
    /// The activity log's file, when it has one.
    fn main_log(&self) -> Option<PathBuf>;
    /// The log file of a process, by `process` or `group:process`.
    fn process_log(&self, namespec: &str, channel: Channel) -> LogLookup;
    /// Writes a line to the activity log.
    fn log(&self, level: Level, text: &str);
    /// Whether [`Backend::log`] would write lines of that level: spares making them.
    fn logs(&self, _level: Level) -> bool {
        true
    }
    /// Answers whatever is neither XML-RPC nor a log: the web pages and their files. None: there is
    /// no such page, which is 404 for GET and HEAD and 400 for other methods.
    fn page(&self, _request: &page::PageRequest<'_>) -> Option<page::PageResponse> {
        None
    }
    /// Status for machines; `query` is as sent, `accept` the header of that name. None: there is none.
    fn monitor(&self, _endpoint: Endpoint, _query: &str, _accept: Option<&str>) -> Option<Report> {
        None
    }
    /// Subscribes to events of these kinds.
    ///
    /// # Errors
    /// There is no stream of them, or not now.
    fn events(&self, _types: TypeSet) -> Result<Subscription, NoEvents> {
        Err(NoEvents::None)
    }
}

/// Why there is no event stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoEvents {
    /// There never is one: HTTP 404.
    #[error("there is no event stream")]
    None,
    /// Not for this client now, and why: HTTP 503.
    #[error("{0}")]
    Refused(String),
}

/// The body was no XML-RPC request. The text ends the reference's line in the activity log:
/// `unmarshallable` or `no method name`.
#[derive(Debug, thiserror::Error)]
#[error("the body is no XML-RPC request: {0}")]
pub struct NotXmlRpc(pub String);

/// Result of looking for a process's log.
#[derive(Debug, PartialEq, Eq)]
pub enum LogLookup {
    /// No such process.
    NoProcess,
    /// It logs to no file.
    NoLog,
    /// The file, which may not be there yet.
    File(PathBuf),
}
