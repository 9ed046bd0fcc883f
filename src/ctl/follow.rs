//! An answer that goes on: the streaming GET behind `tail -f`, `maintail -f`, `fg` and `events`.
//!
//! Thread: the caller's, which polls [`Follower`] as a descriptor and calls [`Follower::advance`] when
//! there is something to read. Owns: its connection. Touches: the network.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use super::error::CtlError;
use super::http::{Body, parse_head};
use super::target::{Endpoint, Target};
use super::transport::{Stream, authorization, connect};

/// One streamed answer.
#[derive(Debug)]
pub struct Follower {
    stream: Stream,
    url: String,
    head: Vec<u8>,
    body: Option<Body>,
    text: Decoder,
    done: bool,
}

/// What an advance brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Text for stdout.
    pub text: String,
    /// A line for stderr: the stream could not be read.
    pub complaint: Option<String>,
}

impl Follower {
    /// Asks for `path` (see [`log_path`]) and returns once the request is sent.
    ///
    /// # Errors
    /// No connection.
    pub fn open(target: &Target, path: &str) -> Result<Follower, CtlError> {
        Follower::request(target, &quote(path), path)
    }

    /// The same for a request target that is quoted already, such as one with a query.
    ///
    /// # Errors
    /// No connection.
    pub fn open_quoted(target: &Target, path: &str) -> Result<Follower, CtlError> {
        Follower::request(target, path, path)
    }

    fn request(target: &Target, quoted: &str, path: &str) -> Result<Follower, CtlError> {
        let host = Endpoint::parse(&target.url)?.host_header();
        // The reference sends credentials here whenever there is a password.
        let auth = match &target.password {
            Some(password) if !password.is_empty() => {
                authorization(target.username.as_deref().unwrap_or(""), password)
            }
            _ => String::new(),
        };
        let request = format!(
            "GET {quoted} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: supervisorctl/{}\r\nAccept: */*\r\n{auth}\r\n",
            env!("CARGO_PKG_VERSION"),
        );
        let mut stream = connect(target)?;
        stream
            .write_all(request.as_bytes())
            .map_err(|e| CtlError::Broken { target: target.to_string(), why: e.to_string() })?;
        Ok(Follower {
            stream,
            url: format!("{}{path}", target.url),
            head: Vec::new(),
            body: None,
            text: Decoder::default(),
            done: false,
        })
    }

    /// Whether nothing more will come.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Reads once; waits when nothing is there.
    pub fn advance(&mut self) -> Progress {
        let mut block = [0; 16 * 1024];
        let mut progress = Progress::default();
        let n = match self.stream.read(&mut block) {
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return progress,
            Err(e) => {
                self.complain(&mut progress, &format!("Cannot read, {e}"));
                return progress;
            }
        };
        if n == 0 {
            self.done = true;
            progress.text = self.text.finish();
            return progress;
        }
        if let Err(why) = self.take(block.get(..n).unwrap_or_default(), &mut progress.text) {
            self.complain(&mut progress, &why);
        }
        progress
    }

    fn complain(&mut self, progress: &mut Progress, why: &str) {
        self.done = true;
        progress.complaint = Some(format!("{} {why}", self.url));
    }

    fn take(&mut self, bytes: &[u8], text: &mut String) -> Result<(), String> {
        let cannot = |e| format!("Cannot read, {e}");
        let mut rest = bytes;
        let held;
        if self.body.is_none() {
            self.head.extend_from_slice(bytes);
            let Some((head, used)) = parse_head(&self.head).map_err(cannot)? else {
                return Ok(());
            };
            if head.status != 200 {
                return Err(format!("Cannot read, status code {}", head.status));
            }
            self.body = Some(Body::new(head.framing));
            held = self.head.split_off(used);
            rest = &held;
        }
        if let Some(body) = &mut self.body {
            for piece in body.feed(rest).map_err(cannot)? {
                self.text.push(&piece, text);
            }
            if body.is_done() {
                self.done = true;
                text.push_str(&self.text.finish());
            }
        }
        Ok(())
    }
}

impl AsFd for Follower {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// The path of a process's log, unquoted, as messages show it.
pub fn log_path(name: &str, channel: &str) -> String {
    format!("/logtail/{name}/{channel}")
}

/// Quotes what would end or change a request line; names hold blanks, `%` and letters of all kinds.
fn quote(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for b in path.bytes() {
        if b.is_ascii_graphic() && !matches!(b, b'%' | b'?' | b'#') {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

/// Turns chunks into text. A character cut by the end of a chunk waits for the next one; a chunk with
/// anything else that is no UTF-8 is shown as the reference does, as Python's bytes.
#[derive(Debug, Default)]
struct Decoder {
    carry: Vec<u8>,
}

impl Decoder {
    fn push(&mut self, chunk: &[u8], out: &mut String) {
        let mut bytes = std::mem::take(&mut self.carry);
        bytes.extend_from_slice(chunk);
        match std::str::from_utf8(&bytes) {
            Ok(text) => out.push_str(text),
            Err(e) if e.error_len().is_none() => {
                self.carry = bytes.split_off(e.valid_up_to());
                out.push_str(&String::from_utf8_lossy(&bytes));
            }
            Err(_) => out.push_str(&undecodable(&bytes)),
        }
    }

    fn finish(&mut self) -> String {
        match std::mem::take(&mut self.carry) {
            carry if carry.is_empty() => String::new(),
            carry => undecodable(&carry),
        }
    }
}

fn undecodable(bytes: &[u8]) -> String {
    format!("Undecodable: {}", repr_bytes(bytes))
}

/// Bytes as Python's `repr` shows them (`b'\xff\n'`).
fn repr_bytes(bytes: &[u8]) -> String {
    let double = bytes.contains(&b'\'') && !bytes.contains(&b'"');
    let quote = if double { '"' } else { '\'' };
    let mut out = String::with_capacity(bytes.len() + 3);
    out.push('b');
    out.push(quote);
    for &b in bytes {
        match b {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b if char::from(b) == quote => {
                out.push('\\');
                out.push(quote);
            }
            0x20..=0x7e => out.push(char::from(b)),
            _ => {
                let _ = write!(out, "\\x{b:02x}");
            }
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::ctl::target::Origin;

    fn follow(answer: &'static [u8]) -> (String, Option<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target {
            url: format!("http://{}", listener.local_addr().unwrap()),
            origin: Origin::Option,
            username: None,
            password: None,
        };
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut seen = Vec::new();
            let mut block = [0; 1024];
            while !seen.ends_with(b"\r\n\r\n") {
                let n = stream.read(&mut block).unwrap();
                seen.extend_from_slice(&block[..n]);
            }
            stream.write_all(answer).unwrap();
            String::from_utf8(seen).unwrap()
        });
        let mut follower = Follower::open(&target, &log_path("a b", "stdout")).unwrap();
        let (mut text, mut complaint) = (String::new(), None);
        while !follower.is_done() {
            let progress = follower.advance();
            text.push_str(&progress.text);
            complaint = progress.complaint.or(complaint);
        }
        let seen = server.join().unwrap();
        assert!(seen.starts_with("GET /logtail/a%20b/stdout HTTP/1.1\r\n"), "{seen}");
        (text, complaint.map(|c| c.replace(&target.url, "URL")))
    }

    #[test]
    fn chunks_are_shown_until_the_end() {
        let answer =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n";
        assert_eq!(follow(answer), ("onetwo".to_owned(), None));
    }

    #[test]
    fn a_missing_log_is_a_complaint_with_its_url() {
        let (text, complaint) = follow(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(text, "");
        let want = "URL/logtail/a b/stdout Cannot read, status code 404";
        assert_eq!(complaint.as_deref(), Some(want));
    }

    #[test]
    fn a_character_cut_in_two_is_put_together() {
        let (mut decoder, mut out) = (Decoder::default(), String::new());
        decoder.push(b"caf\xc3", &mut out);
        decoder.push(b"\xa9!", &mut out);
        assert_eq!((out.as_str(), decoder.finish().as_str()), ("café!", ""));
    }

    #[test]
    fn bytes_are_quoted_as_python_does() {
        assert_eq!(repr_bytes(b"\xff\n\\"), "b'\\xff\\n\\\\'");
        assert_eq!(repr_bytes(b"it's"), "b\"it's\"");
        assert_eq!(repr_bytes(b"'\""), "b'\\'\"'");
    }

    #[test]
    fn other_bytes_are_shown_as_python_shows_them() {
        let (mut decoder, mut out) = (Decoder::default(), String::new());
        decoder.push(b"a\xff\n", &mut out);
        assert_eq!(out, "Undecodable: b'a\\xff\\n'");
    }
}
