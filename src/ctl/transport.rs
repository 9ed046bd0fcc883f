//! XML-RPC over HTTP/1.1, on a Unix socket or TCP.
//!
//! Thread: the caller's. Owns: one connection, kept for the calls of one command and dropped after
//! it, so that an idle shell never meets a connection the daemon has closed. Touches: the network.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};
use nix::unistd::{Gid, Group, Uid, User};

use super::error::CtlError;
use super::http::{Body, HttpError, parse_head};
use super::target::{Endpoint, Target};
use crate::rpc::value::Value;
use crate::rpc::xml;

/// How long a TCP connection may take to come up, and a request to be sent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a call that only looks things up may take. Calls that start or stop wait as long as the
/// program's own time-outs say, which only the daemon knows.
const QUERY_TIMEOUT: Duration = Duration::from_secs(60);

/// What commands need of the daemon; tests put a script in its place.
pub trait Rpc {
    /// Calls a method and gives its result.
    ///
    /// # Errors
    /// Connection, HTTP status, fault, or an answer that is none.
    fn call(&mut self, target: &Target, method: &str, params: &[Value]) -> Result<Value, CtlError>;
    /// A command is over: nothing need be kept open.
    fn rest(&mut self);
}

/// A connection to the daemon.
#[derive(Debug)]
pub enum Stream {
    /// Unix socket.
    Unix(UnixStream),
    /// TCP.
    Tcp(TcpStream),
}

impl Stream {
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Stream::Unix(s) => s.set_read_timeout(timeout),
            Stream::Tcp(s) => s.set_read_timeout(timeout),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Unix(s) => s.as_fd(),
            Stream::Tcp(s) => s.as_fd(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(s) => s.read(buf),
            Stream::Tcp(s) => s.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(s) => s.write(buf),
            Stream::Tcp(s) => s.write(buf),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Connects to a target.
///
/// # Errors
/// A bad URL, or the system's reason; of several addresses that of the last one, as Python does.
pub fn connect(target: &Target) -> Result<Stream, CtlError> {
    let fail = |why| CtlError::Connect { target: target.to_string(), why };
    match Endpoint::parse(&target.url)? {
        Endpoint::Unix(path) => {
            let stream = UnixStream::connect(&path).map_err(|why| match why.kind() {
                io::ErrorKind::PermissionDenied => {
                    CtlError::Denied { target: target.to_string(), hint: denied(Path::new(&path)) }
                }
                _ => fail(why),
            })?;
            stream.set_write_timeout(Some(CONNECT_TIMEOUT)).map_err(fail)?;
            Ok(Stream::Unix(stream))
        }
        Endpoint::Tcp { host, port } => connect_tcp(&host, port).map(Stream::Tcp).map_err(fail),
    }
}

/// Who may use a socket that this user may not, and what can be done about it.
fn denied(path: &Path) -> String {
    let Ok(meta) = fs::symlink_metadata(path) else {
        // the last folder on the way that is seen is the one that is closed
        let seen = path.ancestors().skip(1).find(|dir| fs::metadata(dir).is_ok());
        let closed = seen.unwrap_or(path).display();
        return format!("the folder {closed} is closed to this user; use sudo");
    };
    let user = User::from_uid(Uid::from_raw(meta.uid())).ok().flatten().map(|u| u.name);
    let group = Group::from_gid(Gid::from_raw(meta.gid())).ok().flatten().map(|g| g.name);
    format!(
        "the socket is of user {}, group {}, mode 0{:o}; use sudo, or let others in with chmod= and \
         chown= in [unix_http_server]",
        user.unwrap_or_else(|| meta.uid().to_string()),
        group.unwrap_or_else(|| meta.gid().to_string()),
        meta.mode() & 0o777
    )
}

fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::other("the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(CONNECT_TIMEOUT))?;
                // A start may take minutes and a tail for ever: notice a dead peer all the same.
                let _ = setsockopt(&stream, sockopt::KeepAlive, &true);
                return Ok(stream);
            }
            Err(e) => last = e,
        }
    }
    Err(last)
}

/// The `Authorization` line for credentials, with its line end.
pub fn authorization(username: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{username}:{password}")))
}

/// The client: one connection at most.
#[derive(Debug, Default)]
pub struct Client {
    idle: Option<Stream>,
}

impl Client {
    fn exchange(
        &mut self,
        target: &Target,
        request: &[u8],
        query: bool,
    ) -> Result<Vec<u8>, CtlError> {
        let broken = |e: io::Error| CtlError::Broken { target: target.to_string(), why: why(&e) };
        let mut stream = match self.idle.take().filter(|s| !is_stale(s)) {
            Some(stream) => stream,
            None => connect(target)?,
        };
        stream.set_read_timeout(query.then_some(QUERY_TIMEOUT)).map_err(broken)?;
        // A daemon that refuses early may close its end before all was sent; its answer counts.
        let sent = stream.write_all(request);
        let (status, reason, body, close) = match read_response(&mut stream) {
            Ok(response) => response,
            Err(e) => return Err(broken(sent.err().unwrap_or(e))),
        };
        if status != 200 {
            return Err(CtlError::Http { target: target.to_string(), status, reason });
        }
        if !close && sent.is_ok() {
            self.idle = Some(stream);
        }
        Ok(body)
    }
}

impl Rpc for Client {
    fn call(&mut self, target: &Target, method: &str, params: &[Value]) -> Result<Value, CtlError> {
        let document = xml::encode_call(method, params);
        let request = request(target, document.as_bytes())?;
        let answer = self.exchange(target, &request, is_query(method))?;
        match xml::decode_response(&answer) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(fault)) => Err(CtlError::Fault(fault)),
            Err(e) => Err(CtlError::Broken { target: target.to_string(), why: e.to_string() }),
        }
    }

    fn rest(&mut self) {
        self.idle = None;
    }
}

fn request(target: &Target, document: &[u8]) -> Result<Vec<u8>, CtlError> {
    let host = Endpoint::parse(&target.url)?.host_header();
    let auth = match (&target.username, &target.password) {
        (Some(username), Some(password)) => authorization(username, password),
        _ => String::new(),
    };
    let mut request = format!(
        "POST /RPC2 HTTP/1.1\r\nHost: {host}\r\nUser-Agent: supervisorctl/{}\r\nAccept: text/xml\r\n\
         Content-Type: text/xml\r\n{auth}Content-Length: {}\r\n\r\n",
        env!("CARGO_PKG_VERSION"),
        document.len()
    )
    .into_bytes();
    request.extend_from_slice(document);
    Ok(request)
}

/// Whether a method only looks something up, so that a slow answer is a fault of the daemon.
fn is_query(method: &str) -> bool {
    let name = method.rsplit('.').next().unwrap_or(method);
    name.starts_with("get") || name.starts_with("read") || name.starts_with("tail")
}

/// An idle connection with something to read was closed by the other side.
fn is_stale(stream: &Stream) -> bool {
    let mut fds = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
    !matches!(poll(&mut fds, PollTimeout::ZERO), Ok(0))
}

type Response = (u16, String, Vec<u8>, bool);

fn read_response(stream: &mut Stream) -> io::Result<Response> {
    let bad = |e: HttpError| io::Error::new(io::ErrorKind::InvalidData, e);
    let mut buf = Vec::new();
    let mut block = vec![0; 64 * 1024];
    let (head, used) = loop {
        if let Some(found) = parse_head(&buf).map_err(bad)? {
            if !(100..200).contains(&found.0.status) {
                break found;
            }
            buf.drain(..found.1);
            continue;
        }
        buf.extend_from_slice(read_some(stream, &mut block)?);
    };
    let mut body = Body::new(head.framing);
    let mut content = body.feed(buf.get(used..).unwrap_or_default()).map_err(bad)?.concat();
    while !body.is_done() {
        match read_some(stream, &mut block) {
            Ok(more) => content.extend(body.feed(more).map_err(bad)?.concat()),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof && body.ends_at_close() => break,
            Err(e) => return Err(e),
        }
        if content.len() > xml::MAX_RESPONSE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is too large"));
        }
    }
    Ok((head.status, head.reason, content, head.close))
}

/// Reads what is there, waiting for the first byte; the end of the connection is an error.
fn read_some<'a>(stream: &mut Stream, block: &'a mut [u8]) -> io::Result<&'a [u8]> {
    loop {
        match stream.read(block) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => return Ok(block.get(..n).unwrap_or_default()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// A reason for people.
fn why(e: &io::Error) -> String {
    match e.kind() {
        io::ErrorKind::UnexpectedEof => "supervisord closed it without an answer".to_owned(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("no answer within {} seconds", QUERY_TIMEOUT.as_secs())
        }
        _ => e.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::ctl::target::Origin;

    fn target(port: u16) -> Target {
        Target {
            url: format!("http://127.0.0.1:{port}"),
            origin: Origin::Option,
            username: Some("bob".into()),
            password: Some("pw".into()),
        }
    }

    /// Answers each request on the first connection with the next text; gives what it was sent.
    fn serve(answers: Vec<String>) -> (u16, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let handle = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut seen = Vec::new();
            for answer in answers {
                let mut text = String::new();
                let mut block = [0; 4096];
                while !text.ends_with("</methodCall>\n") && !text.ends_with("</methodCall>") {
                    let n = stream.read(&mut block).unwrap();
                    assert!(n > 0, "closed after {text}");
                    text.push_str(std::str::from_utf8(&block[..n]).unwrap());
                }
                seen.push(text);
                stream.write_all(answer.as_bytes()).unwrap();
            }
            seen
        });
        (port, handle)
    }

    fn ok(text: &str) -> String {
        let body = xml::encode_response(&Value::from(text));
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn calls_share_a_connection_and_carry_credentials() {
        let body = xml::encode_response(&Value::from("two"));
        let chunked = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        );
        let (port, server) = serve(vec![ok("one"), chunked]);
        let (target, mut client) = (target(port), Client::default());
        assert_eq!(client.call(&target, "a.getX", &[]).unwrap(), Value::from("one"));
        assert_eq!(client.call(&target, "a.b", &[]).unwrap(), Value::from("two"));
        let seen = server.join().unwrap();
        assert!(seen[0].contains("Authorization: Basic Ym9iOnB3\r\n"), "{}", seen[0]);
        assert!(seen[1].starts_with("POST /RPC2 HTTP/1.1\r\n"));
    }

    #[test]
    fn other_statuses_are_errors_with_the_url() {
        let (port, server) =
            serve(vec!["HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".to_owned()]);
        let error = Client::default().call(&target(port), "a.b", &[]).unwrap_err();
        assert!(matches!(&error, CtlError::Http { status: 401, .. }), "{error}");
        assert!(error.to_string().contains(&format!("http://127.0.0.1:{port} (given with -s)")));
        server.join().unwrap();
    }

    #[test]
    fn an_answer_cut_short_is_an_error() {
        let (port, server) =
            serve(vec!["HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n<?xml".to_owned()]);
        let error = Client::default().call(&target(port), "a.b", &[]).unwrap_err();
        assert!(matches!(error, CtlError::Broken { .. }), "{error}");
        server.join().unwrap();
    }

    #[test]
    fn nobody_listening_is_told_as_refused() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let error = connect(&target(port)).unwrap_err();
        assert_eq!(error.down(), Some(crate::ctl::error::Down::Refused));
    }

    #[test]
    fn only_lookups_are_timed() {
        assert!(is_query("supervisor.getAllProcessInfo"));
        assert!(is_query("supervisor.readLog"));
        assert!(!is_query("supervisor.startProcess"));
        assert!(!is_query("supervisor.reloadConfig"));
    }
}
