//! Answers. Pure.

use super::date::http_date;
use super::request::Version;

/// An answer with its body. `Server`, `Date`, `Connection` and the length are added when it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Headers in order.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Response {
    /// An answer with status 200.
    pub fn ok(content_type: &str, body: Vec<u8>) -> Response {
        Response { status: 200, headers: Vec::new(), body }.with("Content-Type", content_type)
    }

    /// An answer that only tells its status, with the page that the reference sends: its length
    /// and text are what clients of it see.
    pub fn error(status: u16) -> Response {
        let page = format!(
            "<head>\r\n<title>Error response</title>\r\n</head>\r\n<body>\r\n\
             <h1>Error response</h1>\r\n<p>Error code {status}.\r\n<p>Message: {}.\r\n</body>\r\n",
            reason(status)
        );
        let body = page.into_bytes();
        Response { status, headers: Vec::new(), body }.with("Content-Type", "text/html")
    }

    /// Adds a header. Control characters in its value become blanks, lest a value that came from a
    /// request starts a header of its own.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Response {
        let value: String = value.into();
        let clean = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.headers.push((name, clean));
        self
    }

    /// Status line and headers, to the empty line. `now` is in seconds since 1970.
    pub(super) fn head(&self, version: Version, persistence: Persistence, now: i64) -> Vec<u8> {
        let length = match persistence {
            Persistence::Stream => None,
            _ => Some(self.body.len()),
        };
        let connection = match persistence {
            Persistence::AnnouncedClose => Some("close"),
            Persistence::AnnouncedKeep => Some("Keep-Alive"),
            Persistence::Silent | Persistence::Stream => None,
        };
        let mut out = format!(
            "{} {} {}\r\nServer: supervisord\r\n",
            version.text(),
            self.status,
            reason(self.status)
        );
        let mut push = |name: &str, value: &str| {
            out.push_str(name);
            out.push_str(": ");
            out.push_str(value);
            out.push_str("\r\n");
        };
        push("Date", &http_date(now));
        self.headers.iter().for_each(|(n, v)| push(n, v));
        if let Some(length) = length {
            push("Content-Length", &length.to_string());
        }
        if let Some(connection) = connection {
            push("Connection", connection);
        }
        out.push_str("\r\n");
        out.into_bytes()
    }
}

/// What an answer says about the connection. The reference says `Keep-Alive` to HTTP/1.0 clients
/// that asked for it, and otherwise closes or not as the version has it without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Persistence {
    /// As the version and the request have it.
    Silent,
    /// Stays open, for HTTP/1.0.
    AnnouncedKeep,
    /// Is closed although the client could expect otherwise.
    AnnouncedClose,
    /// The body has no length; `Transfer-Encoding` is among the headers, or the close ends it.
    Stream,
}

/// Reason phrases, worded as in the reference.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        303 => "See Other",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Time-out",
        411 => "Length Required",
        413 => "Request Entity Too Large",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version not supported",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_pages_have_the_bytes_of_the_reference() {
        for (status, length) in
            [(400, 136), (401, 137), (404, 134), (411, 140), (500, 146), (301, 142)]
        {
            assert_eq!(Response::error(status).body.len(), length, "{status}");
        }
    }

    #[test]
    fn heads_are_complete_and_values_cannot_break_out() {
        let r = Response::ok("text/plain", b"hi".to_vec()).with("Location", "/a\r\nX: y");
        let head =
            String::from_utf8(r.head(Version::Http10, Persistence::AnnouncedKeep, 0)).unwrap();
        assert_eq!(
            head,
            "HTTP/1.0 200 OK\r\nServer: supervisord\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
             Content-Type: text/plain\r\nLocation: /a  X: y\r\nContent-Length: 2\r\n\
             Connection: Keep-Alive\r\n\r\n"
        );
    }
}
