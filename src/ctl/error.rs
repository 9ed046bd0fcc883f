//! Why a command could not be carried out. Thread: any. Owns and touches nothing.

use std::io;

use crate::rpc::value::Fault;

/// What ends a command early. Its text becomes the `error: ` line of the terminal.
#[derive(Debug, thiserror::Error)]
pub enum CtlError {
    /// The server URL starts with neither `http://` nor `unix://`.
    #[error("unknown protocol for serverurl {0}: it must start with http:// or unix://")]
    Scheme(String),
    /// The server URL names no usable host and port.
    #[error("the serverurl {url} is not usable: {why}")]
    Url {
        /// The URL as given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// No connection could be made.
    #[error("cannot connect to {target}: {why}")]
    Connect {
        /// URL, and where it was found.
        target: String,
        /// The system's reason.
        why: io::Error,
    },
    /// The socket may not be used by this user.
    #[error("cannot connect to {target}: permission denied: {hint}")]
    Denied {
        /// URL, and where it was found.
        target: String,
        /// Who may, and what can be done.
        hint: String,
    },
    /// The connection ended or spoke no HTTP.
    #[error("the connection to {target} failed: {why}")]
    Broken {
        /// URL, and where it was found.
        target: String,
        /// What happened.
        why: String,
    },
    /// An HTTP status other than 200.
    #[error("{target} answered with HTTP status {status} {reason}")]
    Http {
        /// URL, and where it was found.
        target: String,
        /// Status code.
        status: u16,
        /// Reason phrase.
        reason: String,
    },
    /// supervisord refused the call.
    #[error("supervisord answered with fault {}: {}", .0.code, .0.text)]
    Fault(#[from] Fault),
    /// supervisord's answer is not of the expected shape.
    #[error("unexpected answer of supervisord: {0}")]
    Answer(String),
    /// A number XML-RPC cannot carry.
    #[error("the number {0} is too large")]
    TooLarge(i64),
    /// Input ended where an answer was asked for.
    #[error("the input ended where an answer was needed")]
    NoInput,
    /// The terminal failed.
    #[error("cannot use the terminal: {0}")]
    Terminal(io::Error),
}

/// The two kinds of "no daemon there" that the reference words itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// Nobody listens (ECONNREFUSED).
    Refused,
    /// The socket file is missing (ENOENT).
    Missing,
}

impl CtlError {
    /// Whether the daemon is plainly not there.
    pub fn down(&self) -> Option<Down> {
        match self {
            CtlError::Connect { why, .. } => match why.kind() {
                io::ErrorKind::ConnectionRefused => Some(Down::Refused),
                io::ErrorKind::NotFound => Some(Down::Missing),
                _ => None,
            },
            _ => None,
        }
    }

    /// The fault, when this is one.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            CtlError::Fault(fault) => Some(fault),
            _ => None,
        }
    }

    /// The `error: ` line: always one line, whatever a fault text holds.
    pub fn line(&self) -> String {
        let text = self.to_string();
        let words: Vec<&str> = text.split(['\n', '\r']).filter(|part| !part.is_empty()).collect();
        format!("error: {}", words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(kind: io::ErrorKind) -> CtlError {
        CtlError::Connect { target: "unix:///s".into(), why: kind.into() }
    }

    #[test]
    fn refused_and_missing_sockets_are_told_apart() {
        assert_eq!(connect(io::ErrorKind::ConnectionRefused).down(), Some(Down::Refused));
        assert_eq!(connect(io::ErrorKind::NotFound).down(), Some(Down::Missing));
        assert_eq!(connect(io::ErrorKind::PermissionDenied).down(), None);
    }

    #[test]
    fn an_error_is_always_one_line() {
        let fault = Fault { code: 92, text: "CANT_REREAD: a\n\nb".into() };
        assert_eq!(
            CtlError::from(fault).line(),
            "error: supervisord answered with fault 92: CANT_REREAD: a b"
        );
    }
}
