//! The server as a whole, over real sockets.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::page::{PageRequest, PageResponse};
use super::reserve::{OwnThread, own_thread};
use super::server::serve_with;
use super::*;
use crate::config::model::{self, Address};
use crate::rpc::xml;

/// Long enough for anything that is expected to happen.
const LONG: Duration = Duration::from_secs(20);

struct Dir(PathBuf);
impl Dir {
    fn new() -> Dir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("svd-http-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }
    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}
impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A backend whose methods do what tests need.
struct Fake {
    log_file: PathBuf,
    lines: Mutex<Vec<(Level, String)>>,
    /// `block` says here that it has begun...
    begun: Sender<()>,
    /// ...and waits for this.
    release: Receiver<()>,
}

impl Backend for Fake {
    fn xmlrpc(&self, body: &[u8]) -> Result<Vec<u8>, NotXmlRpc> {
        let (method, params) =
            xml::decode_call(body).map_err(|_| NotXmlRpc("unmarshallable".into()))?;
        match method.as_str() {
            "big" => return Ok(vec![b'x'; 8 << 20]),
            "panic" => panic!("a panic that the test asked for"),
            "block" => {
                self.begun.send(()).unwrap();
                let _ = self.release.recv_timeout(LONG);
            }
            _ => {}
        }
        Ok(format!("{method} {}", params.len()).into_bytes())
    }
    fn main_log(&self) -> Option<PathBuf> {
        None
    }
    fn process_log(&self, namespec: &str, channel: Channel) -> LogLookup {
        match (namespec, channel) {
            ("cat" | "täst", Channel::Stdout) => LogLookup::File(self.log_file.clone()),
            ("cat", Channel::Stderr) => LogLookup::NoLog,
            _ => LogLookup::NoProcess,
        }
    }
    fn log(&self, level: Level, text: &str) {
        self.lines.lock().unwrap().push((level, text.to_owned()));
    }
    fn page(&self, request: &PageRequest<'_>) -> Option<PageResponse> {
        (request.path == "/").then(|| PageResponse {
            status: 200,
            headers: Vec::new(),
            body: b"<p>page".to_vec(),
            content_type: "text/html",
        })
    }
}

/// A running server on a TCP port and a Unix socket.
struct Site {
    dir: Dir,
    server: Option<Server>,
    backend: Arc<Fake>,
    tcp: SocketAddr,
    begun: Receiver<()>,
    release: Sender<()>,
}

fn inet(port: u16) -> model::Server {
    model::Server {
        section: "inet_http_server".into(),
        address: Address::Inet { host: "127.0.0.1".into(), port },
        username: None,
        password: None,
        web: crate::config::model::WebAccess::default(),
    }
}
fn unix(path: &Path, mode: u32) -> model::Server {
    model::Server {
        section: "unix_http_server".into(),
        address: Address::Unix { path: path.into(), mode, owner: None },
        username: None,
        password: None,
        web: crate::config::model::WebAccess::default(),
    }
}

impl Site {
    fn new(limits: Limits) -> Site {
        Site::with(limits, None)
    }
    fn with(limits: Limits, password: Option<&str>) -> Site {
        Site::made(limits, password, own_thread)
    }
    /// No connection gets a thread of its own.
    fn without_threads(limits: Limits) -> Site {
        Site::made(limits, None, |_| Err(std::io::Error::from_raw_os_error(libc::EAGAIN)))
    }
    fn made(limits: Limits, password: Option<&str>, make: OwnThread) -> Site {
        let dir = Dir::new();
        let mut servers = [inet(0), unix(&dir.join("s.sock"), 0o700)];
        for s in &mut servers {
            s.username = password.map(|_| "user".into());
            s.password = password.map(str::to_owned);
        }
        let (begun_tx, begun) = unbounded();
        let (release, release_rx) = unbounded();
        let backend = Arc::new(Fake {
            log_file: dir.join("cat.log"),
            lines: Mutex::default(),
            begun: begun_tx,
            release: release_rx,
        });
        let bound = bind(&servers).unwrap();
        let tcp = bound[0].address().unwrap();
        let server = serve_with(make, None, bound, backend.clone(), limits).unwrap();
        Site { dir, server: Some(server), backend, tcp, begun, release }
    }
    fn connect(&self) -> Client<TcpStream> {
        let s = TcpStream::connect(self.tcp).unwrap();
        s.set_read_timeout(Some(LONG)).unwrap();
        s.set_write_timeout(Some(LONG)).unwrap();
        Client(s)
    }
    fn connect_unix(&self) -> Client<UnixStream> {
        let s = UnixStream::connect(self.dir.join("s.sock")).unwrap();
        s.set_read_timeout(Some(LONG)).unwrap();
        Client(s)
    }
    fn ask(&self, request: &str) -> Answer {
        let mut c = self.connect();
        c.send(request);
        c.answer()
    }
    fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let end = Instant::now() + LONG;
        while !condition() {
            assert!(Instant::now() < end, "{what}");
            std::thread::yield_now();
        }
    }
    fn connections(&self) -> usize {
        self.server.as_ref().unwrap().connections()
    }
    fn logged(&self, level: Level, part: &str) -> bool {
        self.backend.lines.lock().unwrap().iter().any(|(l, t)| *l == level && t.contains(part))
    }
    fn shutdown(&mut self) {
        self.server.take().unwrap().shutdown();
    }
}
impl Drop for Site {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown();
        }
    }
}

#[derive(Debug)]
struct Answer {
    status: String,
    head: String,
    body: String,
}
impl Answer {
    fn has(&self, header: &str) -> bool {
        self.head.to_ascii_lowercase().split("\r\n").any(|l| l == header.to_ascii_lowercase())
    }
}

struct Client<S>(S);
impl<S: Read + Write> Client<S> {
    fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }
    fn byte(&mut self) -> Option<u8> {
        let mut b = [0];
        match self.0.read(&mut b) {
            Ok(0) => None,
            Ok(_) => Some(b[0]),
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(e) => panic!("{e}"),
        }
    }
    fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.byte().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&head))));
        }
        String::from_utf8(head).unwrap()
    }
    fn exactly(&mut self, n: usize) -> String {
        let mut body = vec![0; n];
        self.0.read_exact(&mut body).unwrap();
        String::from_utf8(body).unwrap()
    }
    fn answer(&mut self) -> Answer {
        let head = self.head();
        let length = head.to_ascii_lowercase();
        let length = length.split("content-length: ").nth(1).and_then(|l| l.split('\r').next());
        let body = self.exactly(length.map_or(0, |l| l.parse().unwrap()));
        let status = head.split("\r\n").next().unwrap().to_owned();
        Answer { status, head, body }
    }
    fn status(&mut self) -> String {
        self.answer().status
    }
    /// Whether the server has closed, which it must have announced or do soon.
    fn ends(&mut self) -> bool {
        self.byte().is_none()
    }
    fn chunk(&mut self) -> String {
        let mut size = Vec::new();
        while !size.ends_with(b"\r\n") {
            size.push(self.byte().unwrap());
        }
        let size = String::from_utf8(size).unwrap();
        let n = usize::from_str_radix(size.trim(), 16).unwrap();
        let data = self.exactly(n + 2);
        data.strip_suffix("\r\n").unwrap().to_owned()
    }
    fn chunks_until(&mut self, end: &str) -> String {
        let mut all = String::new();
        while !all.ends_with(end) {
            all.push_str(&self.chunk());
        }
        all
    }
}

fn call(method: &str) -> String {
    xml::encode_call(method, &[])
}
fn post(method: &str) -> String {
    let body = call(method);
    format!("POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
fn quick() -> Limits {
    Limits { linger: Duration::from_millis(300), ..Limits::default() }
}

#[test]
fn many_calls_share_a_connection() {
    let site = Site::new(quick());
    let mut c = site.connect();
    for _ in 0..3 {
        c.send(&post("m"));
        let a = c.answer();
        assert_eq!((a.status.as_str(), a.body.as_str()), ("HTTP/1.1 200 OK", "m 0"));
        assert!(a.has("Content-Type: text/xml"), "{a:?}");
        assert!(!a.head.to_lowercase().contains("connection"), "{a:?}");
    }
    c.send(&post("a").repeat(3));
    c.send("\r\nGET /RPC2 HTTP/1.1\r\n\r\n");
    let got: Vec<String> = (0..4).map(|_| c.status()).collect();
    assert_eq!(got[2..], ["HTTP/1.1 200 OK", "HTTP/1.1 400 Bad Request"]);
    for piece in post("slow").as_bytes().chunks(5) {
        c.0.write_all(piece).unwrap();
    }
    assert_eq!(c.answer().body, "slow 0");
    let mut u = site.connect_unix();
    u.send(&post("unix"));
    assert_eq!(u.answer().body, "unix 0");
}

#[test]
fn versions_decide_about_closing() {
    let site = Site::new(quick());
    let body = call("m");
    let n = body.len();
    for (version, header, closes, says) in [
        ("1.0", "", true, None),
        ("1.0", "Connection: Keep-Alive\r\n", false, Some("Connection: Keep-Alive")),
        ("1.1", "", false, None),
        ("1.1", "Connection: close\r\n", true, None),
    ] {
        let mut c = site.connect();
        c.send(&format!("POST /RPC2 HTTP/{version}\r\n{header}Content-Length: {n}\r\n\r\n{body}"));
        let a = c.answer();
        assert_eq!(a.status, format!("HTTP/{version} 200 OK"));
        assert_eq!(says.is_some(), a.head.contains("Connection"), "{a:?}");
        assert!(says.is_none_or(|s| a.has(s)), "{a:?}");
        if closes {
            assert!(c.ends());
        } else {
            c.send(&post("again"));
            assert_eq!(c.answer().body, "again 0");
        }
    }
}

#[test]
fn bodies_come_in_any_framing() {
    let site = Site::new(quick());
    let body = call("m");
    let n = body.len();
    let chunked = format!("{n:x};x=y\r\n{body}\r\n0\r\nT: x\r\n\r\n");
    for text in [
        format!("POST /RPC2 HTTP/1.1\r\nContent-Length:{n}\r\n\r\n{body}"),
        format!("POST /RPC2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"),
        format!("POST /RPC2/more?x HTTP/1.1\r\ncontent-length:{n}\r\n\r\n{body}"),
        format!("POST http://h/%52PC2 HTTP/1.1\r\nContent-Length: {n}\r\n\r\n{body}"),
    ] {
        let mut c = site.connect();
        c.send(&text);
        assert_eq!(c.answer().body, "m 0", "{text}");
        c.send(&post("next"));
        assert_eq!(c.answer().body, "next 0", "{text}");
    }
    let mut c = site.connect();
    c.send("POST /RPC2 HTTP/1.1\r\n\r\n");
    assert_eq!(c.status(), "HTTP/1.1 411 Length Required");
    c.send("POST /RPC2 HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(c.status(), "HTTP/1.1 400 Bad Request");
    c.send(&post("alive"));
    assert_eq!(c.answer().body, "alive 0");
    assert!(site.logged(Level::Error, "XML-RPC request data '' is invalid: unmarshallable"));
}

#[test]
fn clients_that_expect_100_get_it() {
    let site = Site::new(quick());
    let body = call("m");
    for (framing, body) in [
        (format!("Content-Length: {}", body.len()), body.clone()),
        ("Transfer-Encoding: chunked".into(), format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())),
    ] {
        let mut c = site.connect();
        c.send(&format!("POST /RPC2 HTTP/1.1\r\nExpect: 100-continue\r\n{framing}\r\n\r\n"));
        assert_eq!(c.head(), "HTTP/1.1 100 Continue\r\n\r\n");
        c.send(&body);
        assert_eq!(c.answer().body, "m 0");
    }
    let a =
        site.ask("POST /RPC2 HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n");
    assert_eq!(a.status, "HTTP/1.1 413 Request Entity Too Large");
}

#[test]
fn what_is_too_large_or_ambiguous_is_refused_and_closed() {
    let site = Site::new(quick());
    for (text, status) in [
        ("POST /RPC2 HTTP/1.1\r\nContent-Length: 35184372088832\r\n\r\n", "413"),
        ("POST /RPC2 HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n", "413"),
        ("POST /RPC2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", "413"),
        ("POST /RPC2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx", "400"),
        ("POST /RPC2 HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
        ("POST /RPC2 HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "400"),
        ("POST /RPC2 HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", "400"),
        ("junk\r\n\r\n", "400"),
        ("GET / HTTP/3.0\r\n\r\n", "505"),
        (&format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(20_000)), "431"),
        (&format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(65)), "431"),
        (&"x".repeat(20_000), "431"),
    ] {
        let mut c = site.connect();
        c.send(text);
        let a = c.answer();
        assert_eq!(a.status.split(' ').nth(1), Some(status), "{text:.80}");
        assert!(a.has("Connection: close"));
        assert!(c.ends());
    }
    assert_eq!(site.ask(&post("alive")).body, "alive 0");
}

#[test]
fn slow_clients_are_let_go() {
    let short = Duration::from_millis(100);
    let site = Site::new(Limits { head: short, body: short, first: short, idle: short, ..quick() });
    let mut silent = site.connect();
    assert!(silent.ends());
    let mut head = site.connect();
    head.send("GET / HTTP/1.1\r\n");
    assert_eq!(head.status(), "HTTP/1.1 408 Request Time-out");
    assert!(head.ends());
    let mut body = site.connect();
    body.send("POST /RPC2 HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
    assert_eq!(body.status(), "HTTP/1.1 408 Request Time-out");
    assert!(body.ends());
    let mut kept = site.connect();
    kept.send(&post("m"));
    assert_eq!(kept.answer().body, "m 0");
    assert!(kept.ends(), "idle");
    site.until("all have left", || site.connections() == 0);
}

#[test]
fn a_client_that_reads_nothing_is_let_go() {
    let site = Site::new(Limits { stall: Duration::from_millis(100), ..quick() });
    let mut c = site.connect();
    c.send(&post("big"));
    site.until("the thread has given up", || site.connections() == 0);
    drop(c);
}

#[test]
fn a_large_answer_arrives_whole() {
    let site = Site::new(quick());
    let a = site.ask(&post("big"));
    assert_eq!(a.body.len(), 8 << 20);
}

#[test]
fn wrong_credentials_get_401_and_nothing_else() {
    let site = Site::with(quick(), Some("{SHA}5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8"));
    let body = call("m");
    let n = body.len();
    for authorization in ["", "Authorization: Basic !!!\r\n", "Authorization: Basic YWJj\r\n"] {
        let mut c = site.connect();
        c.send(&format!("POST /RPC2 HTTP/1.1\r\n{authorization}Content-Length: {n}\r\n\r\n"));
        let a = c.answer();
        assert_eq!(a.status, "HTTP/1.1 401 Unauthorized");
        assert!(a.has("WWW-Authenticate: Basic realm=\"default\""));
        assert!(a.has("Connection: close"));
        // the body that the client did not hold back is no request
        c.send(&format!("{body}{}", post("more")));
        assert!(c.ends());
    }
    for path in ["/", "/RPC2", "/logtail/cat", "/mainlogtail", "/none"] {
        let a = site.ask(&format!("GET {path} HTTP/1.1\r\n\r\n"));
        assert_eq!(a.status, "HTTP/1.1 401 Unauthorized", "{path}");
    }
    let good = "Authorization: Basic dXNlcjpwYXNzd29yZA==\r\n"; // user:password
    let a = site.ask(&format!("POST /RPC2 HTTP/1.1\r\n{good}Content-Length: {n}\r\n\r\n{body}"));
    assert_eq!(a.body, "m 0");
}

#[test]
fn the_end_of_a_refusal_comes_at_once() {
    // a client that reads to the end would otherwise notice only after this time
    let site = Site::with(Limits { linger: LONG * 10, ..quick() }, Some("x"));
    for request in ["GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"] {
        let mut c = site.connect();
        c.send(request);
        assert!(c.status().contains(" 401 "));
        assert!(c.ends());
    }
}

#[test]
fn pages_come_from_the_backend_and_the_rest_is_not_found() {
    let site = Site::new(quick());
    assert_eq!(site.ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").body, "<p>page");
    for (method, path, status) in [
        ("GET", "/nothing", "404"),
        ("GET", "//logtail/cat", "404"),
        ("POST", "/nothing", "400"),
        ("DELETE", "/nothing", "400"),
        ("PUT", "/RPC2", "400"),
        ("OPTIONS", "*", "400"),
        ("get", "/nothing", "400"),
    ] {
        let a = site.ask(&format!("{method} {path} HTTP/1.1\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(a.status.split(' ').nth(1), Some(status), "{method} {path}");
        assert!(a.has("Content-Type: text/html") && a.body.contains("Error response"));
    }
    assert!(site.logged(Level::Trace, "\"GET /nothing HTTP/1.1\" 404 2"));
    let mut u = site.connect_unix();
    u.send("GET /x HTTP/1.0\r\n\r\n");
    assert!(u.status().ends_with("404 Not Found") && u.ends());
    assert!(site.logged(Level::Trace, "localhost:0 - - ["));
}

#[test]
fn head_gets_no_body_or_no_further_answer() {
    let site = Site::new(quick());
    let mut c = site.connect();
    c.send("HEAD / HTTP/1.1\r\n\r\n");
    assert!(c.head().contains("\r\nContent-Length: 7\r\n"));
    c.send("HEAD /RPC2 HTTP/1.1\r\n\r\n");
    assert_eq!(c.answer().body.len(), 136);
    c.send(&post("m"));
    assert!(c.ends());
}

#[test]
fn browsers_are_kept_out_by_name() {
    let site = Site::new(quick());
    let evil = "Host: evil.example\r\n";
    assert!(site.ask(&format!("GET / HTTP/1.1\r\n{evil}\r\n")).status.contains("403 Forbidden"));
    assert!(site.logged(Level::Warn, "evil.example"));
    let body = call("m");
    let n = body.len();
    let rpc = |headers: &str| {
        site.ask(&format!("POST /RPC2 HTTP/1.1\r\n{headers}Content-Length: {n}\r\n\r\n{body}"))
            .status
    };
    assert!(rpc(evil).contains("200"));
    assert!(rpc(&format!("{evil}Origin: http://evil.example\r\n")).contains("403"));
    let mut u = site.connect_unix();
    u.send(&format!("GET / HTTP/1.1\r\n{evil}\r\n"));
    assert!(u.status().contains("200"));
}

#[test]
fn a_panic_costs_one_request() {
    let site = Site::new(quick());
    let mut c = site.connect();
    c.send(&post("panic"));
    assert_eq!(c.status(), "HTTP/1.1 500 Internal Server Error");
    c.send(&post("m"));
    assert_eq!(c.answer().body, "m 0");
    assert!(site.logged(Level::Error, "met a panic"));
}

#[test]
fn beyond_the_cap_the_idle_make_room_and_the_busy_do_not() {
    let site = Site::new(Limits { connections: 2, ..quick() });
    let mut first = site.connect();
    first.send(&post("m"));
    assert_eq!(first.answer().body, "m 0");
    let mut second = site.connect();
    second.send(&post("block"));
    site.begun.recv_timeout(LONG).unwrap();
    let idle = || site.server.as_ref().unwrap().idle_connections();
    site.until("the first is idle again", || site.connections() == 2 && idle() == 1);
    let mut third = site.connect();
    third.send(&post("block"));
    site.begun.recv_timeout(LONG).unwrap();
    assert!(first.ends());
    let mut fourth = site.connect();
    assert_eq!(fourth.status(), "HTTP/1.1 503 Service Unavailable");
    assert!(fourth.ends());
    let mut u = site.connect_unix();
    u.send(&post("m"));
    assert_eq!(u.answer().body, "m 0", "each listener has its own cap");
    site.release.send(()).unwrap();
    site.release.send(()).unwrap();
    assert_eq!(second.answer().body, "block 0");
    assert_eq!(third.answer().body, "block 0");
}

#[test]
fn beyond_the_cap_who_follows_a_quiet_log_or_reads_nothing_makes_room() {
    let site = Site::new(Limits { connections: 2, ..quick() });
    let idle = || site.server.as_ref().unwrap().idle_connections();
    // With nothing in it there is one wait for news, and none before.
    append(&site.dir.join("cat.log"), "");
    let mut follower = site.connect();
    follower.send("GET /logtail/cat HTTP/1.1\r\n\r\n");
    assert!(follower.head().starts_with("HTTP/1.1 200"));
    site.until("news is waited for", || idle() == 1);
    let mut deaf = site.connect();
    deaf.send(&post("big"));
    site.until("the client is waited for", || idle() == 2);
    let mut third = site.connect();
    third.send(&post("m"));
    assert_eq!(third.answer().body, "m 0");
    assert!(follower.ends());
    site.until("the third has its answer and is idle", || idle() == 2);
    let mut fourth = site.connect();
    fourth.send(&post("m"));
    assert_eq!(fourth.answer().body, "m 0");
}

#[test]
fn beyond_the_cap_who_sends_half_a_body_makes_room() {
    let site = Site::new(Limits { connections: 2, ..quick() });
    let idle = || site.server.as_ref().unwrap().idle_connections();
    let mut halves = Vec::new();
    for n in 1..=2 {
        let mut c = site.connect();
        c.send("POST /RPC2 HTTP/1.1\r\nContent-Length: 50\r\nExpect: 100-continue\r\n\r\n");
        assert!(c.head().starts_with("HTTP/1.1 100"));
        site.until("the body is waited for", || idle() == n);
        halves.push(c);
    }
    assert_eq!(site.ask(&post("m")).body, "m 0");
    assert!(halves[0].ends());
}

#[test]
fn without_threads_all_listeners_are_served_one_request_at_a_time() {
    let site = Site::without_threads(quick());
    for _ in 0..3 {
        let mut c = site.connect();
        c.send(&post("m"));
        let a = c.answer();
        assert_eq!((a.status.as_str(), a.body.as_str()), ("HTTP/1.1 200 OK", "m 0"));
        assert!(a.has("Connection: close") && c.ends(), "{a:?}");
    }
    let mut u = site.connect_unix();
    u.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let a = u.answer();
    assert!(a.has("Connection: close") && a.body == "<p>page" && u.ends(), "{a:?}");
    for section in ["inet", "unix"] {
        let text = format!("there is no thread for each connection of [{section}_http_server]");
        let lines = site.backend.lines.lock().unwrap();
        assert_eq!(lines.iter().filter(|l| l.1.contains(&text)).count(), 1, "said once");
    }
    // neither a panic nor what is no request costs the others the reserve
    assert!(site.ask(&post("panic")).status.contains("500"));
    assert!(site.ask("junk\r\n\r\n").status.contains("400"));
    assert_eq!(site.ask(&post("big")).body.len(), 8 << 20);
    assert_eq!(site.ask(&post("alive")).body, "alive 0");
}

#[test]
fn without_threads_nothing_is_followed() {
    let site = Site::without_threads(quick());
    append(&site.backend.log_file, "line\n");
    let mut c = site.connect();
    c.send("GET /logtail/cat HTTP/1.1\r\n\r\n");
    assert_eq!(c.status(), "HTTP/1.1 503 Service Unavailable");
    assert!(c.ends());
    assert!(site.ask("GET /logtail/nope HTTP/1.1\r\n\r\n").status.contains("404"));
}

#[test]
fn without_threads_who_sends_nothing_or_half_or_takes_nothing_is_soon_let_go() {
    let haste = Duration::from_millis(100);
    // all other times are longer than the test waits
    let long = LONG * 10;
    let limits =
        Limits { first: long, head: long, body: long, stall: long, linger: long, haste, ..quick() };
    let site = Site::without_threads(limits);
    let mut silent: Vec<_> = (0..5).map(|_| site.connect()).collect();
    let mut head = site.connect();
    head.send("GET / HTTP/1.1\r\n");
    let mut body = site.connect();
    body.send("POST /RPC2 HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
    let mut deaf = site.connect();
    deaf.send(&post("big"));
    assert_eq!(site.ask(&post("m")).body, "m 0");
    assert!(silent.iter_mut().all(Client::ends));
    for slow in [&mut head, &mut body] {
        assert_eq!(slow.status(), "HTTP/1.1 408 Request Time-out");
        assert!(slow.ends());
    }
    site.until("all have left", || site.connections() == 0);
}

#[test]
fn without_threads_some_wait_for_a_call_that_does_and_the_rest_is_told() {
    let mut site = Site::without_threads(Limits { waiting: 2, haste: LONG, ..quick() });
    let mut blocked = site.connect();
    blocked.send(&post("block"));
    site.begun.recv_timeout(LONG).unwrap();
    let mut waiting: Vec<_> = (0..2).map(|_| site.connect()).collect();
    waiting.iter_mut().for_each(|w| w.send(&post("m")));
    site.until("they have their seats", || site.connections() == 3);
    let mut late = site.connect();
    assert_eq!(late.status(), "HTTP/1.1 503 Service Unavailable");
    assert!(late.ends());
    site.until("it is said", || site.logged(Level::Warn, "cannot accept all connections"));
    site.release.send(()).unwrap();
    assert_eq!(blocked.answer().body, "block 0");
    let served = waiting.iter_mut().map(|w| w.answer().body).filter(|b| b == "m 0").count();
    assert_eq!(served, 2);
    site.shutdown();
}

#[test]
fn the_end_does_not_wait_for_the_reserve_longer_than_for_others() {
    let short = Duration::from_millis(50);
    let mut site = Site::without_threads(Limits { drain: short, haste: LONG, ..quick() });
    let mut busy = site.connect();
    busy.send(&post("block"));
    site.begun.recv_timeout(LONG).unwrap();
    let mut waiting = site.connect();
    site.until("it waits", || site.connections() == 2);
    site.shutdown();
    site.release.send(()).unwrap();
    assert_eq!(busy.answer().body, "block 0");
    assert!(waiting.ends(), "not served by a server that is no more");
}

#[test]
fn shutdown_finishes_what_runs_and_ends_what_waits() {
    let mut site = Site::new(quick());
    let mut idle = site.connect();
    idle.send(&post("m"));
    idle.answer();
    let mut busy = site.connect();
    busy.send(&post("block"));
    site.begun.recv_timeout(LONG).unwrap();
    let release = site.release.clone();
    let ender = std::thread::spawn(move || {
        assert!(idle.ends(), "the server is stopping");
        release.send(()).unwrap();
        let a = busy.answer();
        assert_eq!(a.body, "block 0");
        assert!(a.has("Connection: close"));
        assert!(busy.ends());
    });
    site.shutdown();
    ender.join().unwrap();
    assert!(!site.dir.join("s.sock").exists());
    assert!(TcpStream::connect(site.tcp).is_err());
}

#[test]
fn shutdown_does_not_wait_for_ever() {
    let mut site = Site::new(Limits { drain: Duration::from_millis(50), ..quick() });
    let mut busy = site.connect();
    busy.send(&post("block"));
    site.begun.recv_timeout(LONG).unwrap();
    site.shutdown();
    site.release.send(()).unwrap();
    assert_eq!(busy.answer().body, "block 0");
}

#[test]
fn unix_sockets_have_mode_and_owner() {
    let dir = Dir::new();
    let me = fs::metadata(&dir.0).unwrap();
    for mode in [0o700, 0o722, 0o644, 0o777] {
        let path = dir.join("s.sock");
        let mut server = unix(&path, mode);
        if let Address::Unix { owner, .. } = &mut server.address {
            *owner = Some((me.uid(), me.gid()));
        }
        let bound = bind(&[server]).unwrap();
        let meta = fs::symlink_metadata(&path).unwrap();
        assert_eq!(meta.permissions().mode() & 0o7777, mode);
        assert_eq!((meta.uid(), meta.gid()), (me.uid(), me.gid()));
        discard(bound);
        assert!(!path.exists());
    }
}

#[test]
fn a_stale_socket_is_taken_over_a_live_one_is_not() {
    let dir = Dir::new();
    let path = dir.join("s.sock");
    drop(UnixListener::bind(&path).unwrap());
    let first = bind(&[unix(&path, 0o700)]).unwrap();
    let text = bind(&[unix(&path, 0o700)]).unwrap_err().to_string();
    assert!(text.starts_with("Another program is already listening on a port"), "{text}");
    assert!(text.ends_with("before starting supervisord."), "{text}");
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
    discard(first);
    // a server that is too busy to accept is alive all the same
    let busy = UnixListener::bind(&path).unwrap();
    assert!(matches!(bind(&[unix(&path, 0o700)]), Err(StartError::InUse)));
    drop(busy);
}

#[test]
fn what_is_no_socket_stays() {
    let dir = Dir::new();
    let path = dir.join("s.sock");
    fs::write(&path, "a file").unwrap();
    let text = bind(&[unix(&path, 0o700)]).unwrap_err().to_string();
    assert!(text.contains("s.sock is not a socket") && text.contains("unix_http_server"), "{text}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("elsewhere", &path).unwrap();
    assert!(matches!(bind(&[unix(&path, 0o700)]), Err(StartError::NotASocket { .. })));
}

#[test]
fn refusals_have_the_texts_of_the_reference() {
    let dir = Dir::new();
    let text = |server| bind(&[server]).unwrap_err().to_string();
    let head = "Cannot open an HTTP server: socket.error reported";
    assert_eq!(text(unix(&dir.join("no/s.sock"), 0o700)), format!("{head} errno.ENOENT (2)"));
    fs::write(dir.join("file"), "").unwrap();
    let below = dir.join("file/s.sock");
    assert_eq!(
        text(unix(&below, 0o700)),
        format!(
            "{head} errno.ENOTDIR (20) for {} of [unix_http_server]: Not a directory",
            below.display()
        )
    );
    let long = dir.join(&"x".repeat(120));
    assert_eq!(text(unix(&long, 0o700)), format!("{head} AF_UNIX path too long"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(text(inet(taken.local_addr().unwrap().port())), StartError::InUse.to_string());
    let mut nowhere = inet(0);
    nowhere.address = Address::Inet { host: "not a host".into(), port: 1 };
    assert!(text(nowhere).contains("host \"not a host\" in [inet_http_server] has no address"));
}

#[test]
fn a_failed_bind_leaves_nothing_behind() {
    let dir = Dir::new();
    let good = dir.join("good.sock");
    assert!(bind(&[unix(&good, 0o700), unix(&dir.join("no/s.sock"), 0o700)]).is_err());
    assert!(!good.exists());
}

#[test]
fn a_socket_file_whose_folder_was_removed_comes_back_with_the_folder() {
    let mut site = Site::new(quick());
    let path = site.dir.join("s.sock");
    fs::remove_dir_all(&site.dir.0).unwrap();
    site.until("it cannot come back", || site.logged(Level::Error, "cannot be made again"));
    fs::create_dir(&site.dir.0).unwrap();
    site.until("the file is back", || path.exists());
    // the new folder is watched too
    fs::remove_file(&path).unwrap();
    site.until("the file is back once more", || path.exists());
    site.until("it serves", || UnixStream::connect(&path).is_ok());
    site.shutdown();
    assert!(!path.exists());
}

#[test]
fn a_socket_file_that_was_removed_comes_back() {
    let mut site = Site::new(quick());
    let path = site.dir.join("s.sock");
    fs::remove_file(&path).unwrap();
    site.until("the file is back", || path.exists());
    site.until("and is said so", || site.logged(Level::Warn, "was removed and is back"));
    let mut u = site.connect_unix();
    u.send(&post("m"));
    assert_eq!(u.answer().body, "m 0");
    drop(u);
    site.shutdown();
    assert!(!path.exists());
}

#[test]
fn the_socket_file_of_another_is_left_alone() {
    let mut site = Site::new(quick());
    let path = site.dir.join("s.sock");
    let theirs = site.dir.join("other.sock");
    let _other = UnixListener::bind(&theirs).unwrap();
    fs::rename(&theirs, &path).unwrap();
    site.until("it is noticed", || site.logged(Level::Warn, "has been replaced by another"));
    site.shutdown();
    assert!(path.exists());
}

fn append(path: &Path, text: &str) {
    let mut f = File::options().append(true).create(true).open(path).unwrap();
    f.write_all(text.as_bytes()).unwrap();
}

#[test]
fn logs_are_followed_from_their_last_1024_bytes() {
    let site = Site::new(quick());
    let log = site.backend.log_file.clone();
    append(&log, &"0123456789".repeat(200));
    let mut c = site.connect();
    c.send("GET /logtail/cat HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = c.head();
    for want in [
        "HTTP/1.1 200 OK\r\n",
        "\r\nContent-Type: text/plain;charset=utf-8\r\n",
        "\r\nTransfer-Encoding: chunked\r\n",
        "\r\nX-Accel-Buffering: no\r\n",
        "\r\nLast-Modified: ",
    ] {
        assert!(head.contains(want), "{want} in {head}");
    }
    assert!(!head.contains("Content-Length"));
    assert_eq!(c.chunks_until("9").len(), 1024);
    for n in 0..5 {
        append(&log, &format!("line {n}\n"));
        assert_eq!(c.chunk(), format!("line {n}\n"));
    }
}

#[test]
fn rotation_loses_nothing_and_truncation_is_told() {
    let site = Site::new(quick());
    let log = site.backend.log_file.clone();
    append(&log, "one\n");
    let mut c = site.connect();
    c.send("GET /logtail/t%C3%A4st/stdout HTTP/1.1\r\n\r\n");
    c.head();
    assert_eq!(c.chunks_until("one\n"), "one\n");
    append(&log, "two\n");
    fs::rename(&log, log.with_extension("1")).unwrap();
    append(&log.with_extension("1"), "late\n");
    assert_eq!(c.chunks_until("late\n"), "two\nlate\n");
    append(&log, "three\n");
    assert_eq!(c.chunks_until("three\n"), "three\n");
    append(&log, "four\n");
    assert_eq!(c.chunks_until("four\n"), "four\n");
    File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
    assert_eq!(c.chunks_until("==> File truncated <==\n"), "==> File truncated <==\n");
    append(&log, "five\n");
    assert_eq!(c.chunks_until("five\n"), "five\n");
}

#[test]
fn a_stream_ends_with_the_client_or_the_server() {
    let mut site = Site::new(quick());
    append(&site.backend.log_file, "x\n");
    let mut c = site.connect();
    c.send("GET /logtail/cat HTTP/1.1\r\n\r\n");
    c.head();
    c.chunk();
    c.0.shutdown(Shutdown::Both).unwrap();
    site.until("the thread has left", || site.connections() == 0);
    let mut old = site.connect();
    old.send("GET /logtailx/cat HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let head = old.head();
    assert!(!head.contains("chunked") && !head.contains("Content-Length"), "{head}");
    assert_eq!(old.exactly(2), "x\n");
    let mut new = site.connect();
    new.send("GET /logtail/cat HTTP/1.1\r\n\r\n");
    new.head();
    assert_eq!(new.chunk(), "x\n");
    site.shutdown();
    assert!(old.ends());
    assert_eq!(new.chunk(), "");
    assert!(new.ends());
}

#[test]
fn logs_that_are_not_there_are_404() {
    let site = Site::new(quick());
    for (text, status) in [
        ("GET /logtail/nope", "404"),
        ("GET /logtail/cat", "404"),
        ("GET /logtail/cat/stderr", "404"),
        ("GET /logtail/cat/other", "404"),
        ("GET /logtail/cat/stdout/x", "404"),
        ("GET /logtail", "404"),
        ("GET /logtail/", "404"),
        ("GET /mainlogtail", "404"),
        ("POST /logtail/cat", "400"),
        ("HEAD /logtail/cat", "400"),
    ] {
        let a = site.ask(&format!("{text} HTTP/1.1\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(a.status.split(' ').nth(1), Some(status), "{text}");
    }
    nix::unistd::mkfifo(&site.backend.log_file, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(site.ask("GET /logtail/cat HTTP/1.1\r\n\r\n").status.contains("404"), "a pipe");
}
