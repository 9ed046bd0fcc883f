//! One place that owns a folder, a daemon and the ways to talk to it, so that a test is a few lines.
//!
//! Each [`TestEnv`] has its own folder and socket; nothing is shared, so all tests run in parallel. A
//! daemon that a test leaves behind is stopped when the value is dropped. Waiting is always
//! for a condition, with a deadline that fails the test.
#![allow(dead_code)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub use xmlrpc::Value;
use xmlrpc::{Request, Transport};

/// How long a condition may take before the test fails. Far above what any needs, since the
/// machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder with a configuration, and at most one daemon.
pub struct TestEnv {
    dir: PathBuf,
    daemon: Option<Child>,
}

/// Calls `condition` until it gives something.
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < end, "timed out waiting for {what}");
        // Not a synchronisation: only how often the condition is looked at.
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

impl TestEnv {
    /// A fresh folder.
    pub fn new() -> TestEnv {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("svtest-{}-{n}", std::process::id()));
        std::fs::create_dir_all(dir.join("logs")).unwrap();
        TestEnv { dir: dir.canonicalize().unwrap(), daemon: None }
    }

    /// A fresh folder with a running daemon that has these sections besides the usual ones.
    pub fn started(sections: &str) -> TestEnv {
        let mut env = TestEnv::new();
        env.configure(sections);
        env.start(&[]);
        env
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn socket(&self) -> PathBuf {
        self.path("s.sock")
    }

    /// Writes a file; `@DIR@` stands for the folder.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text.replace("@DIR@", self.dir.to_str().unwrap())).unwrap();
        path
    }

    /// The text of a file, empty when it is not there.
    pub fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.path(name)).unwrap_or_default()).into_owned()
    }

    /// Writes supervisord.conf: a daemon with a Unix socket, and these sections.
    pub fn configure(&self, sections: &str) {
        self.configure_with("", sections);
    }

    /// The same with more options of `[supervisord]`.
    pub fn configure_with(&self, options: &str, sections: &str) {
        self.write(
            "supervisord.conf",
            &format!(
                "[supervisord]\nnodaemon=true\nsilent=true\nlogfile=@DIR@/sd.log\n\
                 pidfile=@DIR@/sd.pid\nchildlogdir=@DIR@/logs\n{options}\n\
                 [unix_http_server]\nfile=@DIR@/s.sock\n\
                 [rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = \
                 supervisor.rpcinterface:make_main_rpcinterface\n\
                 [supervisorctl]\nserverurl=unix://@DIR@/s.sock\n{sections}\n"
            ),
        );
    }

    /// supervisord with arguments, not started yet.
    pub fn supervisord(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_supervisord"));
        command.current_dir(&self.dir).stdin(Stdio::null());
        command.arg("-c").arg(self.path("supervisord.conf")).args(args);
        command
    }

    /// Starts the daemon and waits until it answers.
    pub fn start(&mut self, args: &[&str]) {
        let mut command = self.supervisord(args);
        let out = std::fs::File::create(self.path("sd.out")).unwrap();
        let err = std::fs::File::create(self.path("sd.err")).unwrap();
        self.daemon = Some(command.stdout(out).stderr(err).spawn().unwrap());
        self.wait_up();
    }

    /// Waits until the daemon answers.
    pub fn wait_up(&mut self) {
        wait_for("supervisord to answer", || {
            if let Some(status) = self.daemon.as_mut().and_then(|d| d.try_wait().unwrap()) {
                panic!("supervisord ended with {status}: {}", self.read("sd.err"));
            }
            self.call("supervisor.getState", vec![]).ok().map(|_| ())
        });
    }

    pub fn pid(&self) -> i32 {
        self.daemon.as_ref().map_or(0, |d| d.id() as i32)
    }

    /// Sends a signal to the daemon.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Waits for the daemon to end and gives its exit code.
    pub fn wait_exit(&mut self) -> Option<i32> {
        let mut daemon = self.daemon.take().unwrap();
        wait_for("supervisord to end", || daemon.try_wait().unwrap()).code()
    }

    /// SIGTERM, and its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        self.wait_exit()
    }

    /// Runs supervisorctl.
    pub fn ctl(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_supervisorctl"))
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .arg("-c")
            .arg(self.path("supervisord.conf"))
            .args(args)
            .output()
            .unwrap()
    }

    /// What supervisorctl prints on stdout.
    pub fn ctl_text(&self, args: &[&str]) -> String {
        String::from_utf8_lossy(&self.ctl(args).stdout).into_owned()
    }

    /// An XML-RPC call by a client that is not ours; a fault is `Err((code, text))`.
    pub fn call(&self, method: &str, params: Vec<Value>) -> Result<Value, (i32, String)> {
        let mut request = Request::new(method);
        for param in params {
            request = request.arg(param);
        }
        request.call(OverSocket(self.socket())).map_err(|e| match e.fault() {
            Some(f) => (f.fault_code, f.fault_string.clone()),
            None => (0, e.to_string()),
        })
    }

    /// `supervisor.METHOD` with text parameters.
    pub fn sup(&self, method: &str, params: &[&str]) -> Result<Value, (i32, String)> {
        let params = params.iter().map(|p| Value::from(*p)).collect();
        self.call(&format!("supervisor.{method}"), params)
    }

    /// getProcessInfo.
    pub fn info(&self, name: &str) -> Value {
        self.sup("getProcessInfo", &[name]).unwrap()
    }

    /// `statename` of a process, or the fault's text.
    pub fn state(&self, name: &str) -> String {
        match self.sup("getProcessInfo", &[name]) {
            Ok(info) => info["statename"].as_str().unwrap().to_owned(),
            Err((_, text)) => text,
        }
    }

    pub fn pid_of(&self, name: &str) -> i32 {
        self.info(name)["pid"].as_i32().unwrap()
    }

    pub fn wait_state(&self, name: &str, state: &str) {
        wait_for(&format!("{name} to be {state}"), || (self.state(name) == state).then_some(()));
    }

    /// Waits until a file holds a text.
    pub fn wait_text(&self, file: &str, text: &str) {
        wait_for(&format!("{text:?} in {file}"), || self.read(file).contains(text).then_some(()));
    }

    /// Waits until the activity log holds a text so many times.
    pub fn wait_log(&self, text: &str, times: usize) {
        wait_for(&format!("{text:?} in the activity log"), || {
            (self.read("sd.log").matches(text).count() >= times).then_some(())
        });
    }

    /// The activity log without time stamps.
    pub fn log_lines(&self) -> Vec<String> {
        self.read("sd.log")
            .lines()
            .map(|l| l.splitn(3, ' ').nth(2).unwrap_or(l).to_owned())
            .collect()
    }

    /// Sends bytes to the control socket and reads what comes until the end.
    pub fn raw(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            // SIGTERM stops the programs too; only a daemon that does not obey is killed.
            let pid = nix::unistd::Pid::from_raw(daemon.id() as i32);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
            let end = Instant::now() + PATIENCE;
            while Instant::now() < end && matches!(daemon.try_wait(), Ok(None)) {
                std::thread::park_timeout(Duration::from_millis(5));
            }
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// HTTP/1.0 over the Unix socket, for the independent XML-RPC client.
struct OverSocket(PathBuf);

impl Transport for OverSocket {
    type Stream = std::io::Cursor<Vec<u8>>;

    fn transmit(
        self,
        request: &Request<'_>,
    ) -> Result<Self::Stream, Box<dyn std::error::Error + Send + Sync>> {
        let mut body = Vec::new();
        request.write_as_xml(&mut body)?;
        let mut stream = UnixStream::connect(self.0)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "POST /RPC2 HTTP/1.0\r\nHost: localhost\r\nContent-Type: text/xml\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )?;
        stream.write_all(&body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let split = answer
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .ok_or("no end of the HTTP head")?;
        if !answer.starts_with(b"HTTP/1.") || answer.get(9..12) != Some(b"200") {
            return Err(String::from_utf8_lossy(&answer[..split]).into_owned().into());
        }
        Ok(std::io::Cursor::new(answer.split_off(split + 4)))
    }
}
