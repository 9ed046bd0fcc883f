//! A client of the control servers that keeps its connection, on either kind of socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// No answer takes so long, on a busy machine either.
const PATIENCE: Duration = Duration::from_secs(60);

pub trait Wire: Read + Write + Send {
    fn be_patient(&self) -> io::Result<()>;
}
impl Wire for TcpStream {
    fn be_patient(&self) -> io::Result<()> {
        self.set_read_timeout(Some(PATIENCE))?;
        self.set_write_timeout(Some(PATIENCE))
    }
}
impl Wire for UnixStream {
    fn be_patient(&self) -> io::Result<()> {
        self.set_read_timeout(Some(PATIENCE))?;
        self.set_write_timeout(Some(PATIENCE))
    }
}

/// Where to connect to.
#[derive(Clone)]
pub enum Site {
    Unix(PathBuf),
    Tcp(u16),
}

impl Site {
    pub fn connect(&self) -> io::Result<Box<dyn Wire>> {
        let wire: Box<dyn Wire> = match self {
            Site::Unix(path) => Box::new(UnixStream::connect(path)?),
            Site::Tcp(port) => Box::new(TcpStream::connect(("127.0.0.1", *port))?),
        };
        wire.be_patient()?;
        Ok(wire)
    }
}

/// Why there is no result.
#[derive(Debug)]
pub enum Failure {
    Fault(i32),
    Wire(io::Error),
}
impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Failure {
        Failure::Wire(e)
    }
}

/// A parameter of a call.
#[derive(Clone, Copy)]
pub enum Param<'a> {
    Text(&'a str),
    Bool(bool),
    Int(i32),
}
impl<'a> From<&'a str> for Param<'a> {
    fn from(text: &'a str) -> Param<'a> {
        Param::Text(text)
    }
}
impl From<bool> for Param<'_> {
    fn from(value: bool) -> Self {
        Param::Bool(value)
    }
}
impl From<i32> for Param<'_> {
    fn from(value: i32) -> Self {
        Param::Int(value)
    }
}
impl Param<'_> {
    fn xml(self) -> String {
        match self {
            Param::Text(text) => {
                let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                format!("<param><value><string>{text}</string></value></param>")
            }
            Param::Bool(b) => {
                format!("<param><value><boolean>{}</boolean></value></param>", i32::from(b))
            }
            Param::Int(n) => format!("<param><value><int>{n}</int></value></param>"),
        }
    }
}

/// The body of a call; `method` with its namespace.
pub fn body(method: &str, params: &[Param<'_>]) -> String {
    let params: String = params.iter().map(|p| p.xml()).collect();
    format!("<methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>")
}

/// One client.
pub struct Client {
    site: Site,
    /// Header lines of every request.
    headers: String,
    wire: Option<BufReader<Box<dyn Wire>>>,
}

impl Client {
    pub fn new(site: Site, headers: &str) -> Client {
        Client { site, headers: headers.to_owned(), wire: None }
    }

    /// The next request gets a new connection.
    pub fn hang_up(&mut self) {
        self.wire = None;
    }

    /// Status and body of the answer.
    pub fn request(&mut self, line: &str, body: &str) -> io::Result<(u16, Vec<u8>)> {
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => BufReader::new(self.site.connect()?),
        };
        let n = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\n{}Content-Length: {n}\r\n\r\n{body}",
            self.headers
        );
        wire.get_mut().write_all(request.as_bytes())?;
        let (mut status, mut length, mut stays) = (0, 0, true);
        loop {
            let mut line = String::new();
            if wire.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                status = rest.get(..3).and_then(|s| s.parse().ok()).unwrap_or(0);
            } else if let Some(n) = line.strip_prefix("Content-Length: ") {
                length = n.trim().parse().unwrap_or(0);
            } else if line.starts_with("Connection: close") {
                stays = false;
            } else if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        wire.read_exact(&mut body)?;
        self.wire = Some(wire).filter(|_| stays);
        Ok((status, body))
    }

    pub fn get(&mut self, path: &str) -> io::Result<(u16, Vec<u8>)> {
        self.request(&format!("GET {path}"), "")
    }

    /// The document with the result.
    pub fn call(&mut self, method: &str, params: &[Param<'_>]) -> Result<String, Failure> {
        let (status, answer) = self.request("POST /RPC2", &body(method, params))?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        if status != 200 {
            return Err(io::Error::other(format!("status {status}: {answer}")).into());
        }
        if !answer.contains("<fault>") {
            return Ok(answer);
        }
        let code = answer.split_once("<int>").and_then(|(_, rest)| rest.split_once("</int>"));
        Err(Failure::Fault(code.and_then(|(code, _)| code.parse().ok()).unwrap_or(0)))
    }
}
