//! One place that owns a folder, a daemon and the ways to talk to it, so that a test is a few lines.
//!
//! Each [`TestEnv`] has its own folder and socket; nothing is shared, so all tests run in parallel. A
//! daemon that a test leaves behind is stopped when the value is dropped. Waiting is always
//! for a condition, with a deadline that fails the test.
#![allow(dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeMap;
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
    /// A daemon in the background, which is not our child.
    background: Option<i32>,
}

/// A shell program that notes the signals it gets: `/bin/sh @DIR@/recorder.sh FILE TERM HUP...` adds
/// each signal's name to FILE and ends with status 0; after a name with a minus (`-TERM`) it goes on.
/// `FILE.ready` holds its pid once it listens. It ends at the end of its stdin too, so that nothing
/// is left behind. Signals that are not named have their default effect.
const RECORDER: &str = r#"
file=$1; shift
for s in "$@"; do
    case $s in
        -*) trap "echo ${s#-} >> $file; again=yes" "${s#-}" ;;
        *) trap "echo $s >> $file; exit 0" "$s" ;;
    esac
done
echo $$ > "$file.tmp"; mv "$file.tmp" "$file.ready"
# Some shells end an interrupted read as if the input had ended.
while read -r line || [ -n "$again" ]; do again=; done
"#;

/// An event listener: `/bin/sh @DIR@/listener.sh FILE` adds a line `header|payload` for each event.
/// With a second argument it dies at the first event whose header holds that word, once: before it
/// answers, and only if the file `FILE.died` is not there yet.
const LISTENER: &str = r#"
while :; do
    echo READY
    IFS= read -r header || exit 0
    payload=$(head -c "${header##*len:}")
    case "$header" in
        *"${2:-no such word}"*) [ -e "$1.died" ] || { : > "$1.died"; exit 1; } ;;
    esac
    printf '%s|%s\n' "$header" "$payload" >> "$1"
    printf 'RESULT 2\nOK'
done
"#;

/// Tests that need root call this first, and return when it says no.
pub fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skipped("needs root");
    }
    root
}

/// Says on the terminal, around the test harness's capture, that a test is skipped and why.
pub fn skipped(why: &str) {
    let test = std::thread::current().name().unwrap_or("test").to_owned();
    let _ = writeln!(std::io::stderr(), "{test}: skipped, {why}");
}

/// A TCP port that was free a moment ago, from below those that the system gives to clients: one of
/// these could become the near end of any connection before it is used here.
pub fn free_port() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test programs that run side by side begin at different places.
    let begin = std::process::id().wrapping_mul(61) % u32::from(COUNT);
    (0..COUNT)
        .find_map(|_| {
            let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
            let port = FIRST + u16::try_from((begin + step) % u32::from(COUNT)).unwrap();
            std::net::TcpListener::bind(("127.0.0.1", port)).is_ok().then_some(port)
        })
        .expect("a free port")
}

/// A file of /proc/PID as text; empty when the process is gone.
pub fn proc_text(pid: i32, file: &str) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A line of /proc/PID/status.
pub fn proc_status(pid: i32, key: &str) -> String {
    proc_text(pid, "status")
        .lines()
        .find_map(|l| l.strip_prefix(key)?.strip_prefix(':'))
        .unwrap_or_else(|| panic!("no {key} of {pid}"))
        .trim()
        .to_owned()
}

/// Fields of /proc/PID/stat from the state on: 0 state, 1 ppid, 2 pgrp, 3 session, 4 tty.
pub fn proc_stat(pid: i32) -> Vec<String> {
    let text = proc_text(pid, "stat");
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_whitespace().map(str::to_owned).collect()
}

/// The environment a process was started with.
pub fn proc_environ(pid: i32) -> BTreeMap<String, String> {
    proc_text(pid, "environ")
        .split('\0')
        .filter_map(|e| e.split_once('='))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

/// Where a link of /proc/PID leads, such as `cwd` or `fd/1`.
pub fn proc_link(pid: i32, name: &str) -> String {
    let link = std::fs::read_link(format!("/proc/{pid}/{name}")).unwrap_or_default();
    link.to_string_lossy().into_owned()
}

/// The numbers of a process's open descriptors.
pub fn proc_fds(pid: i32) -> Vec<i32> {
    let mut fds: Vec<i32> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .map(|e| e.unwrap().file_name().to_str().unwrap().parse().unwrap())
        .collect();
    fds.sort_unstable();
    fds
}

/// Seconds of processor time that a process has used, all its threads together.
pub fn cpu_seconds(pid: i32) -> f64 {
    // utime and stime in hundredths of a second, which is what USER_HZ is on every Linux.
    let stat = proc_stat(pid);
    let field = |n: usize| stat.get(n).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (field(11) + field(12)) / 100.0
}

/// Asserts that the daemon has hardly anything to do: trouble is waited out, not turned around in.
pub fn assert_calm(env: &TestEnv, when: &str) {
    const INTERVAL: Duration = Duration::from_millis(1500);
    let before = cpu_seconds(env.pid());
    std::thread::sleep(INTERVAL);
    let used = cpu_seconds(env.pid()) - before;
    assert!(used < 0.1, "{used:.2} s of processor time in {INTERVAL:?} {when}");
}

/// Whether a process is there and no zombie.
pub fn alive(pid: i32) -> bool {
    proc_stat(pid).first().is_some_and(|state| state != "Z" && state != "X")
}

/// Waits until a process is gone, or a zombie that waits for its parent.
pub fn wait_gone(pid: i32) {
    wait_for(&format!("process {pid} to be gone"), || (!alive(pid)).then_some(()));
}

/// Sends a signal by number, real-time ones too.
pub fn kill(pid: i32, signal: i32) {
    // nix has no real-time signals; the shell's kill has.
    let status = Command::new("/bin/sh")
        .args(["-c", "kill -$1 $2", "sh", &signal.to_string(), &pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success(), "kill -{signal} {pid}");
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
        let env = TestEnv { dir: dir.canonicalize().unwrap(), daemon: None, background: None };
        env.write("recorder.sh", RECORDER);
        env.write("listener.sh", LISTENER);
        env
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
        self.start_as(self.supervisord(args));
    }

    /// Starts a command that becomes the daemon, such as a shell that prepares something first,
    /// and waits until it answers.
    pub fn start_as(&mut self, mut command: Command) {
        let out = std::fs::File::create(self.path("sd.out")).unwrap();
        let err = std::fs::File::create(self.path("sd.err")).unwrap();
        self.daemon = Some(command.stdout(out).stderr(err).spawn().unwrap());
        self.wait_up();
    }

    /// Takes over a daemon that was started otherwise.
    pub fn adopt(&mut self, daemon: Child) {
        self.daemon = Some(daemon);
    }

    /// Starts the daemon by a shell script in which `"$@"` stands for the daemon's command line,
    /// and waits until it answers.
    pub fn start_by_shell(&mut self, script: &str) {
        let mut command = Command::new("/bin/sh");
        command.current_dir(&self.dir).stdin(Stdio::null());
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_supervisord"), "-c"]);
        command.arg(self.path("supervisord.conf"));
        self.start_as(command);
    }

    /// Starts the daemon where `@DIR@/small` is a file system of its own, made with these options of
    /// tmpfs, such as `size=128k`; `args` are more of its arguments. Nobody else sees it and it ends with the daemon. Gives the path
    /// that leads there from outside; none, and a line that says so, where that is not possible.
    pub fn start_with_disk(&mut self, options: &str, args: &str) -> Option<PathBuf> {
        if !is_root() {
            return None;
        }
        std::fs::create_dir_all(self.path("small")).unwrap();
        let mount = format!("mount -t tmpfs -o {options} none '{}/small'", self.dir.display());
        let tried = Command::new("unshare").args(["-m", "/bin/sh", "-c", &mount]).output();
        if !tried.is_ok_and(|o| o.status.success()) {
            skipped("no mount namespace to be had here");
            return None;
        }
        let script = self.write("mount.sh", &format!("{mount} || exit 1\nexec \"$@\"\n"));
        let script = script.display();
        self.start_by_shell(&format!("exec unshare -m /bin/sh '{script}' \"$@\" {args}"));
        let inside = format!("/proc/{}/root{}/small", self.pid(), self.dir.display());
        Some(PathBuf::from(inside))
    }

    /// Starts a daemon that goes to the background; gives the exit code of its parent and the
    /// daemon's pid.
    pub fn start_in_background(&mut self, args: &[&str]) -> (Option<i32>, i32) {
        let out = std::fs::File::create(self.path("sd.out")).unwrap();
        let err = std::fs::File::create(self.path("sd.err")).unwrap();
        let code =
            self.supervisord(args).stdout(out).stderr(err).spawn().unwrap().wait().unwrap().code();
        // Not waited for: the socket is there when the parent ends, and who connects is served.
        let answer = self.call("supervisor.getPID", vec![]);
        let pid = answer.unwrap_or_else(|e| panic!("{e:?}: {}", self.read("sd.err")));
        let pid = pid.as_i32().unwrap();
        self.background = Some(pid);
        (code, pid)
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
        let daemon = self.daemon.as_mut().unwrap();
        let status = wait_for("supervisord to end", || daemon.try_wait().unwrap());
        self.daemon = None;
        status.code()
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

    /// The pid of a process. Waits for it: what a program does can be seen before the daemon has
    /// noted that it lives, and a daemon that starts over answers nothing for a moment.
    pub fn pid_of(&self, name: &str) -> i32 {
        wait_for(&format!("{name} to have a pid"), || {
            match self.sup("getProcessInfo", &[name]) {
                Ok(info) => info["pid"].as_i32().filter(|pid| *pid != 0),
                // SHUTDOWN_STATE, or no answer
                Err((6 | 0, _)) => None,
                Err(fault) => panic!("{name}: {fault:?}"),
            }
        })
    }

    /// A member of getProcessInfo as text.
    pub fn text_of(&self, name: &str, member: &str) -> String {
        self.info(name)[member].as_str().unwrap().to_owned()
    }

    /// A member of getProcessInfo as a number.
    pub fn number_of(&self, name: &str, member: &str) -> i32 {
        self.info(name)[member].as_i32().unwrap()
    }

    /// Waits until a process has another pid than this one, and gives that.
    pub fn wait_new_pid(&self, name: &str, old: i32) -> i32 {
        wait_for(&format!("a new {name}"), || Some(self.pid_of(name)).filter(|pid| *pid != old))
    }

    /// Waits until a file is there.
    pub fn wait_file(&self, file: &str) {
        wait_for(&format!("{file} to appear"), || self.path(file).exists().then_some(()));
    }

    /// Names in a folder of the environment, sorted.
    pub fn list(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.path(folder))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
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

    /// Returns when all that happened so far is in the activity log: the answer to a call that could
    /// have changed something comes after the lines before it. (Signal 0 changes nothing.)
    pub fn settle(&self) {
        if self.socket().exists() {
            // A daemon that is ending or starting over refuses; its lines are waited for otherwise.
            let _ = self.sup("signalAllProcesses", &["0"]);
        }
    }

    /// The activity log without time stamps, up to now.
    pub fn log_lines(&self) -> Vec<String> {
        self.settle();
        self.read("sd.log")
            .lines()
            .map(|l| l.splitn(3, ' ').nth(2).unwrap_or(l).to_owned())
            .collect()
    }

    /// Lines of the activity log that hold a text, without time stamps.
    pub fn log_with(&self, text: &str) -> Vec<String> {
        self.log_lines().into_iter().filter(|l| l.contains(text)).collect()
    }

    /// Position of the first line of the activity log that holds a text.
    pub fn log_at(&self, text: &str) -> usize {
        self.log_lines()
            .iter()
            .position(|l| l.contains(text))
            .unwrap_or_else(|| panic!("no {text:?} in the log:\n{}", self.read("sd.log")))
    }

    /// Seconds of the day of the activity log's lines that hold a text.
    pub fn log_times(&self, text: &str) -> Vec<f64> {
        self.settle();
        let log = self.read("sd.log");
        let stamp = |line: &str| {
            let time = line.split(' ').nth(1)?.replace(',', ".");
            time.split(':').try_fold(0.0, |sum, part| Some(sum * 60.0 + part.parse::<f64>().ok()?))
        };
        log.lines().filter(|l| l.contains(text)).map(|l| stamp(l).unwrap()).collect()
    }

    /// Sends bytes to the control socket and reads what comes until the end.
    pub fn raw(&self, request: &[u8]) -> Vec<u8> {
        raw_at(&self.socket(), request)
    }
}

/// Sends bytes to a Unix socket and reads what comes until the end.
pub fn raw_at(socket: &Path, request: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
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
        if let Some(pid) = self.background.take() {
            let pid = nix::unistd::Pid::from_raw(pid);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
            let end = Instant::now() + PATIENCE;
            while Instant::now() < end && alive(pid.as_raw()) {
                std::thread::park_timeout(Duration::from_millis(5));
            }
        }
        if !std::thread::panicking() {
            // Processes that are ending may still make files.
            for _ in 0..100 {
                match std::fs::remove_dir_all(&self.dir) {
                    Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                        std::thread::park_timeout(Duration::from_millis(5));
                    }
                    _ => break,
                }
            }
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
        let split =
            answer.windows(4).position(|w| w == b"\r\n\r\n").ok_or("no end of the HTTP head")?;
        if !answer.starts_with(b"HTTP/1.") || answer.get(9..12) != Some(b"200") {
            return Err(String::from_utf8_lossy(&answer[..split]).into_owned().into());
        }
        Ok(std::io::Cursor::new(answer.split_off(split + 4)))
    }
}
