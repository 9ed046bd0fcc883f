//! A request as the routes see it. Pure.

use std::net::SocketAddr;

/// Who sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A process on this machine that may open the socket file.
    Unix,
    /// Someone on the network.
    Inet(SocketAddr),
}

/// Version of the request; answers have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

impl Version {
    /// `HTTP/1.0` or `HTTP/1.1`.
    pub fn text(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        }
    }
}

/// How a request's body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Neither header: no body.
    None,
    /// `Content-Length`
    Length(u64),
    /// `Transfer-Encoding: chunked`
    Chunked,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Method as sent: it is case-sensitive.
    pub method: String,
    /// Request target as sent.
    pub target: String,
    /// Path, percent-decoded, without `;parameters` and query.
    pub path: String,
    /// What follows the `?`, as sent; empty without one.
    pub query: String,
    /// Version.
    pub version: Version,
    /// Headers in order, values without blanks around.
    pub headers: Vec<(String, String)>,
    /// Body; empty without one.
    pub body: Vec<u8>,
    /// Who asks.
    pub peer: Peer,
    /// How the body is delimited.
    pub(super) framing: Framing,
}

impl Request {
    /// Value of the first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Whether a comma-separated header has the word, in any case.
    pub fn header_has(&self, name: &str, word: &str) -> bool {
        self.headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .flat_map(|(_, v)| v.split(','))
            .any(|v| v.trim().eq_ignore_ascii_case(word))
    }

    /// Whether the client would like to keep the connection.
    pub(super) fn keeps_alive(&self) -> bool {
        match self.version {
            Version::Http10 => self.header_has("connection", "keep-alive"),
            Version::Http11 => !self.header_has("connection", "close"),
        }
    }

    /// `GET /path HTTP/1.1`, for the activity log.
    pub(super) fn line(&self) -> String {
        format!("{} {} {}", self.method, self.target, self.version.text())
    }
}

/// Path and query of a request target. An absolute target, as proxies send it, counts from its path.
pub(super) fn split_target(target: &str) -> (String, String) {
    let origin = match target.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|b| b.is_ascii_alphabetic()) => {
            rest.find(['/', '?']).and_then(|at| rest.get(at..)).unwrap_or("/")
        }
        _ => target,
    };
    let origin = origin.split('#').next().unwrap_or("");
    let (path, query) = origin.split_once('?').unwrap_or((origin, ""));
    // the reference cuts `;parameters` off for all routes but XML-RPC, where it makes no difference
    let path = path.split(';').next().filter(|p| !p.is_empty()).unwrap_or("/");
    (percent_decode(path), query.to_owned())
}

/// Undoes percent encoding; what is no valid escape stays, what is no UTF-8 is replaced.
pub(super) fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        match after {
            [a, b, tail @ ..] if byte == b'%' => {
                if let (Some(a), Some(b)) = (hex(a), hex(b)) {
                    out.push(a << 4 | b);
                    rest = tail;
                    continue;
                }
                out.push(byte);
            }
            _ => out.push(byte),
        }
        rest = after;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_split_and_decoded() {
        for (target, path, query) in [
            ("/", "/", ""),
            ("/a/b?c=d&e=%20", "/a/b", "c=d&e=%20"),
            ("/logtail/%63at;x?y", "/logtail/cat", "y"),
            ("/%52PC2", "/RPC2", ""),
            ("/t%C3%A4st", "/täst", ""),
            ("/a%2", "/a%2", ""),
            ("/a%zz%41", "/a%zzA", ""),
            ("/%ff", "/\u{fffd}", ""),
            ("http://host:1/x?y", "/x", "y"),
            ("http://host", "/", ""),
            ("http://host?q", "/", "q"),
            ("*", "*", ""),
            ("/x?u=http://h/", "/x", "u=http://h/"),
            ("/x#f", "/x", ""),
        ] {
            assert_eq!(split_target(target), (path.to_owned(), query.to_owned()), "{target}");
        }
    }
}
