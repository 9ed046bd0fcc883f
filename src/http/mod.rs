//! The HTTP server: listeners, connections, limits, authentication, routes.
//!
//! It knows nothing of the coordinator: all it needs of the daemon is [`Backend`].

use std::path::PathBuf;

use crate::config::model::Level;
use crate::coordinator::inbox::Channel;

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
}

/// The body was no XML-RPC request.
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
