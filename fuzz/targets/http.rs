//! The HTTP server: heads, bodies, whole connections, the pages and their forms, passwords; and what
//! supervisorctl reads of answers.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use supervisord::config::model::{Address, Level, Server, WebAccess};
use supervisord::coordinator::inbox::Channel;
use supervisord::coordinator::published::Published;
use supervisord::ctl::http as answer;
use supervisord::ctl::transport::authorization;
use supervisord::http::fuzzing::{
    self as door, Body, chunked, dechunk, end_of_head, framing, parse_head,
};
use supervisord::http::page::{self, Control, PageRequest, PageResponse, Via};
use supervisord::http::{Backend, LogLookup, NotXmlRpc, Request, Version};
use supervisord::rpc::value::{Fault, Value};

use super::{config, cuts};

/// Most bytes of a body that the targets allow.
const MOST: usize = 1024 * 1024;

/// A head is found wherever it is cut, is refused or taken apart without a doubt, and its body ends
/// at one place only.
pub fn http_head(data: &[u8]) {
    let blank = data.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let data = &data[blank..];
    let end = end_of_head(data, 0);
    for pieces in cuts(data) {
        let (mut seen, mut found) = (0, None);
        for piece in pieces {
            let now = seen + piece.len();
            found = end_of_head(&data[..now], seen);
            if found.is_some() {
                break;
            }
            seen = now;
        }
        assert_eq!(found, end);
    }
    let Some(end) = end else { return };
    match parse_head(&data[..end]) {
        Err(status) => assert!(matches!(status, 400 | 431 | 505), "{status}"),
        Ok(request) => {
            check_request(&request);
            check_body(&data[end..], framing(&request));
        }
    }
}

fn check_request(request: &Request) {
    let values = |name: &str| {
        let same = |n: &String| n.eq_ignore_ascii_case(name);
        request.headers.iter().filter(|(n, _)| same(n)).map(|(_, v)| v.as_str()).collect::<Vec<_>>()
    };
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
    match framing(request) {
        Body::None => assert!(lengths.is_empty() && codings.is_empty()),
        Body::Length(n) => {
            assert!(lengths.len() == 1 && codings.is_empty());
            assert!(lengths[0].bytes().all(|b| b.is_ascii_digit()) && !lengths[0].is_empty());
            assert_eq!(lengths[0].parse().unwrap_or(u64::MAX), n);
        }
        Body::Chunked => {
            assert!(lengths.is_empty() && codings.len() == 1);
            assert!(codings[0].eq_ignore_ascii_case("chunked"));
            assert_eq!(request.version, Version::Http11);
        }
    }
    assert!(values("host").len() <= 1);
    let mut again = format!("{} {} {}\r\n", request.method, request.target, request.version.text());
    for (name, value) in &request.headers {
        assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b':'));
        assert!(!value.contains(['\r', '\n', '\0']));
        again.push_str(&format!("{name}: {value}\r\n"));
    }
    again.push_str("\r\n");
    assert_eq!(parse_head(again.as_bytes()).as_ref(), Ok(request), "written again: {again:?}");
}

fn check_body(rest: &[u8], framing: Body) {
    if framing != Body::Chunked {
        return;
    }
    let whole = dechunk([rest].into_iter(), MOST);
    for pieces in cuts(rest) {
        assert_eq!(dechunk(pieces.into_iter(), MOST), whole);
    }
    let Ok((body, taken, done)) = whole else { return };
    assert!(body.len() <= taken && taken <= rest.len());
    assert!(done || taken == rest.len());
    for pieces in cuts(&body) {
        let coded = chunked(pieces.into_iter());
        let back = dechunk([coded.as_slice()].into_iter(), MOST);
        assert_eq!(back, Ok((body.clone(), coded.len(), true)));
    }
    // the client has a reader of its own, which may be more lenient but sees the same bytes
    let mut client = answer::Body::new(answer::Framing::Chunked);
    if done {
        let pieces = client.feed(&rest[..taken]).expect("what the server takes, the client takes");
        assert!(client.is_done());
        assert_eq!(pieces.concat(), body);
    }
}

/// A daemon that remembers what reached it.
struct Heard {
    bodies: Mutex<Vec<Vec<u8>>>,
}

impl Backend for Heard {
    fn xmlrpc(&self, body: &[u8]) -> Result<Vec<u8>, NotXmlRpc> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner).push(body.to_vec());
        if body.is_empty() { Err(NotXmlRpc("unmarshallable".into())) } else { Ok(b"ok".to_vec()) }
    }
    fn main_log(&self) -> Option<PathBuf> {
        None
    }
    fn process_log(&self, _: &str, _: Channel) -> LogLookup {
        LogLookup::NoLog
    }
    fn log(&self, _: Level, text: &str) {
        assert!(!text.contains('\n'), "a client makes no lines of its own in the log: {text:?}");
    }
    fn page(&self, request: &PageRequest<'_>) -> Option<PageResponse> {
        (request.method != "HEAD").then(|| page::respond(request, &Nobody)).flatten()
    }
}

/// The requests of a connection are those that are written there, and the answers are whole.
pub fn http_connection(data: &[u8]) {
    let backend = Arc::new(Heard { bodies: Mutex::default() });
    let output = door::serve(data, &server(None), Arc::<Heard>::clone(&backend));
    let output = output.expect("sockets are to be had");
    let bodies = backend.bodies.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(posted(data).starts_with(&bodies), "{bodies:?}");
    let mut rest = output.as_slice();
    while !rest.is_empty() {
        let head = answer::parse_head(rest).expect("our answers are HTTP");
        let Some((head, used)) = head else { break };
        let length = match head.framing {
            answer::Framing::Length(n) => usize::try_from(n).unwrap_or(usize::MAX),
            _ if head.status == 100 => 0,
            other => panic!("{other:?} for {}", head.status),
        };
        match rest.get(used..).and_then(|body| body.get(length..)) {
            Some(after) => rest = after,
            // the last answer to HEAD may do without
            None if rest.len() == used && data.windows(5).any(|w| w == b"HEAD ") => rest = &[],
            None => break,
        }
    }
    // a client that reads nothing loses what its socket has no room for
    assert!(rest.is_empty() || output.len() > 32 * 1024, "{:?}", String::from_utf8_lossy(rest));
}

/// The bodies of the XML-RPC requests in a stream, if all that comes there is served.
fn posted(mut data: &[u8]) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    loop {
        let blank = data.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        data = &data[blank..];
        let Some(end) = end_of_head(data, 0) else { return bodies };
        let Ok(request) = parse_head(&data[..end]) else { return bodies };
        data = &data[end..];
        let body = match framing(&request) {
            Body::None => Vec::new(),
            Body::Length(n) => match usize::try_from(n).ok().and_then(|n| data.get(..n)) {
                Some(body) => {
                    data = &data[body.len()..];
                    body.to_vec()
                }
                None => return bodies,
            },
            Body::Chunked => match dechunk([data].into_iter(), MOST) {
                Ok((body, taken, true)) => {
                    data = &data[taken..];
                    body
                }
                _ => return bodies,
            },
        };
        // one without a length is told so and changes nothing
        let asks = request.method == "POST" && request.path.starts_with("/RPC2");
        if asks && framing(&request) != Body::None {
            bodies.push(body);
        }
    }
}

/// A daemon without programs, where a change is remembered.
struct Nobody;

impl Control for Nobody {
    fn call(&self, _: &str, _: &[Value]) -> Result<Value, Fault> {
        Err(Fault { code: 30, text: "FAILED: <nobody> \"is\" there".into() })
    }
    fn published(&self) -> &Published {
        config::published()
    }
}

/// Counts the calls that are made.
struct Counting(Mutex<Vec<String>>);

impl Control for Counting {
    fn call(&self, method: &str, _: &[Value]) -> Result<Value, Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(method.to_owned());
        Nobody.call(method, &[])
    }
    fn published(&self) -> &Published {
        config::published()
    }
}

/// A page is made for any request; nothing that a client sends becomes markup or a header, and a
/// request that may not change anything does not.
pub fn web_page(data: &[u8]) {
    let Some(end) = end_of_head(data, 0) else { return };
    let Ok(request) = parse_head(&data[..end]) else { return };
    let body = &data[end..];
    for (has_password, get_actions) in [(false, false), (true, false), (false, true)] {
        let via =
            Via::Tcp { bound: "bound.example", has_password, get_actions, allowed_hosts: &[] };
        let seen = PageRequest { via, ..seen(&request, body) };
        let control = Counting(Mutex::default());
        let answer = page::respond(&seen, &control);
        let calls = control.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let changes = calls.iter().any(|c| !c.contains(".read") && !c.contains(".tail"));
        let from_here = |o: &str| o.contains("://");
        if changes {
            assert!(get_actions || seen.method == "POST", "{calls:?}");
            assert!(seen.origin.is_none_or(from_here), "{calls:?}");
        }
        let Some(answer) = answer else { continue };
        for (name, value) in &answer.headers {
            assert!(!value.contains(['\r', '\n', '\0']), "{name}: {value:?}");
        }
        if !calls.is_empty() || !answer.content_type.starts_with("text/html") {
            continue;
        }
        check_markup(&answer);
    }
}

/// Markup is balanced when no client's text is taken for some: each tag that opens is closed before
/// the next one, outside of comments and scripts.
fn check_markup(answer: &PageResponse) {
    let text = String::from_utf8_lossy(&answer.body);
    let mut inside = false;
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '<' if !quoted => {
                assert!(!inside, "{text}");
                inside = true;
            }
            '>' if !quoted => inside = false,
            '"' if inside => quoted = !quoted,
            _ => {}
        }
    }
    assert!(!inside && !quoted, "{text}");
}

fn seen<'a>(request: &'a Request, body: &'a [u8]) -> PageRequest<'a> {
    PageRequest {
        method: &request.method,
        path: &request.path,
        query: &request.query,
        body,
        host: request.header("host"),
        origin: request.header("origin"),
        referer: request.header("referer"),
        via: Via::Unix,
    }
}

fn sent<'a>(query: &'a str, body: &'a [u8]) -> PageRequest<'a> {
    PageRequest {
        method: "POST",
        path: "/",
        query,
        body,
        host: None,
        origin: None,
        referer: None,
        via: Via::Unix,
    }
}

/// Forms are read, and what is encoded comes back as it was. First line: a query; rest: a form.
pub fn url_form(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (query, body) = text.split_once('\n').unwrap_or((&text, ""));
    door::form(&sent(query, body.as_bytes()));
    if text.is_empty() {
        return;
    }
    let coded: String = text.bytes().map(|b| format!("%{b:02X}")).collect();
    let plain: String = text
        .bytes()
        .map(|b| match b {
            b' ' => "+".to_owned(),
            b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
            b => format!("%{b:02x}"),
        })
        .collect();
    let want = Some(text.clone().into_owned());
    for coded in [coded, plain] {
        let all = format!("processname={coded}&action={coded}&message={coded}&limit={coded}");
        let again = [want.clone(), want.clone(), want.clone(), want.clone()];
        assert_eq!(door::form(&sent(&all, b"")), again);
        assert_eq!(door::form(&sent("", all.as_bytes())), again);
    }
}

fn server(credentials: Option<(&str, &str)>) -> Server {
    Server {
        section: "inet_http_server".into(),
        address: Address::Inet { host: "bound.example".into(), port: 9001 },
        username: credentials.map(|(name, _)| name.to_owned()),
        password: credentials.map(|(_, password)| password.to_owned()),
        web: WebAccess::default(),
    }
}

/// Whoever has the password gets in, with any other header nobody does. First line: a user name;
/// second: a password; rest: a header.
pub fn basic_auth(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or("");
    let (user, password, header) = (line(), line(), line());
    let right = authorization(user, password);
    let right = right.trim().strip_prefix("Authorization: ").unwrap_or("");
    let server = server(Some((user, password)));
    if user.is_empty() {
        assert!(door::is_admitted(&server, header), "no user name, no check");
        return;
    }
    if !user.contains(':') && !password.starts_with("{SHA}") {
        assert!(door::is_admitted(&server, right));
        assert!(door::is_admitted(&server, right.trim_end_matches('=')));
        assert!(door::is_admitted(&server, &right.replace("Basic ", " bAsIc  ")));
    }
    for wrong in [format!("{password}x"), format!("x{password}"), password.to_uppercase() + ":"] {
        let header = authorization(user, &wrong);
        let header = header.trim().strip_prefix("Authorization: ").unwrap_or("");
        assert!(!door::is_admitted(&server, header));
    }
    if door::is_admitted(&server, header) {
        let packed = |h: &str| {
            let rest = h.trim().split_once(' ').map_or("", |(_, rest)| rest.trim());
            rest.trim_end_matches('=').to_owned()
        };
        assert!(password.starts_with("{SHA}") || packed(header) == packed(right), "{header:?}");
    }
}

/// supervisorctl reads the same of an answer, whatever pieces it comes in.
pub fn http_answer(data: &[u8]) {
    let whole = answer::parse_head(data);
    for pieces in cuts(data) {
        let mut length = 0;
        for piece in pieces {
            length += piece.len();
            match (answer::parse_head(&data[..length]), &whole) {
                (Ok(None), _) => {}
                (got @ Ok(Some(_)), _) => assert_eq!(&got, &whole),
                (Err(_), whole) => assert!(whole.is_err()),
            }
        }
    }
    let Ok(Some((head, used))) = whole else { return };
    let rest = data.get(used..).expect("a head is no longer than what was read");
    let read = |pieces: Vec<&[u8]>| {
        let mut body = answer::Body::new(head.framing);
        let mut out = Vec::new();
        for piece in pieces {
            out.extend(body.feed(piece).map_err(|_| ())?.concat());
        }
        Ok::<_, ()>((out, body.is_done(), body.ends_at_close()))
    };
    let want = read(vec![rest]);
    for pieces in cuts(rest) {
        assert_eq!(read(pieces), want);
    }
}
