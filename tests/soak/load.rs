//! What happens to the daemon: hands that do one kind of thing each, side by side, until a round is over.
//! Each leaves its programs as it found them, or on the way there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::client::{Client, Failure, Param, Site, body};
use crate::env::{TestEnv, Value, wait_for};
use crate::ledger::Random;
use crate::scene;

/// `user:password`, of which the salted hash is in the configuration, and a wrong one.
const RIGHT: &str = "Authorization: Basic dXNlcjpwYXNzd29yZA==\r\n";
const WRONG: &str = "Authorization: Basic dXNlcjp3cm9uZw==\r\n";
pub const SALTED: &str =
    "{PBKDF2-SHA256}200000$c2FsdHNhbHQ=$RNunWLsDKIGANMZ6AY9l2pOaKzEIGBaqIWL12HD/fuY=";

/// Faults that calls may meet, since others change things at the same time; no other may come.
const FAULTS: [i32; 12] = [SHUTDOWN_STATE, 10, 20, 21, 30, 40, 50, 60, 70, 90, 91, 92];

/// What is said while the daemon ends or starts over.
const SHUTDOWN_STATE: i32 = 6;

/// What all share.
pub struct Stage {
    pub env: TestEnv,
    pub port: u16,
    /// From the order to start over until all is quiet again: connections are cut then.
    pub restarting: AtomicBool,
    /// How often what was done.
    pub done: Mutex<BTreeMap<&'static str, u64>>,
    /// How often which fault came.
    pub faults: Mutex<BTreeMap<i32, u64>>,
    /// Held by whoever needs the activity log to stay as it is.
    pub log: Mutex<()>,
    /// Held by whoever spoils the configuration, or needs it to be good.
    pub files: Mutex<()>,
    /// Lines of the activity log that must not be there.
    pub evidence: Mutex<BTreeSet<String>>,
}

impl Stage {
    pub fn operations(&self) -> u64 {
        self.done.lock().unwrap().values().sum()
    }

    pub fn is_restarting(&self) -> bool {
        self.restarting.load(Ordering::SeqCst)
    }

    /// Looks through the activity log, which is short, for what must not be there.
    pub fn search(&self) {
        for name in ["sd.log", "sd.log.1", "sd.log.2", "sd.log.3"] {
            let text = self.env.read(name);
            let bad = text.lines().filter(|line| {
                // It is told of every control socket without a password, as in the reference.
                (line.contains(" CRIT ") && !line.contains("without any HTTP authentication"))
                    || ["stumbled", "panicked", "bytes were lost"].iter().any(|w| line.contains(w))
            });
            self.evidence.lock().unwrap().extend(bad.map(str::to_owned));
        }
    }
}

/// One of those who do something.
pub struct Hand<'a> {
    pub stage: &'a Stage,
    client: Client,
    random: Random,
    until: Instant,
}

/// A kind of load.
pub type Load = fn(&mut Hand<'_>);

/// All of them; each runs in a thread of its own.
pub const LOADS: [Load; 8] =
    [start_and_stop, crash, talk, read, browse, stop_hard, change, control];

impl<'a> Hand<'a> {
    pub fn new(stage: &'a Stage, seed: u64, until: Instant) -> Hand<'a> {
        let client = Client::new(Site::Unix(stage.env.socket()), "");
        Hand { stage, client, random: Random::new(seed), until }
    }

    fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.random.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.random.below(all.len())]
    }

    fn count(&self, what: &'static str) {
        *self.stage.done.lock().unwrap().entry(what).or_default() += 1;
    }

    /// A failure that only a restart excuses.
    fn excuse(&self, what: &str, e: &io::Error) {
        assert!(self.stage.is_restarting(), "{what}: {e}");
    }

    fn fault(&self, what: &str, code: i32) {
        assert!(FAULTS.contains(&code), "{what}: fault {code}");
        if code == SHUTDOWN_STATE {
            // Nobody asks thousands of times whether a restart is over.
            std::thread::park_timeout(Duration::from_millis(20));
        }
        *self.stage.faults.lock().unwrap().entry(code).or_default() += 1;
    }

    /// `supervisor.METHOD`; none where it failed.
    pub fn call(&mut self, method: &'static str, params: &[Param<'_>]) -> Option<String> {
        self.count(method);
        let name =
            if method.contains('.') { method.into() } else { format!("supervisor.{method}") };
        match self.client.call(&name, params) {
            Ok(answer) => return Some(answer),
            Err(Failure::Fault(code)) => self.fault(method, code),
            Err(Failure::Wire(e)) => self.excuse(method, &e),
        }
        None
    }

    /// The same by a client that is not ours, for results that are looked into.
    fn ask(&self, method: &'static str, params: Vec<Value>) -> Option<Value> {
        self.count(method);
        let name =
            if method.contains('.') { method.into() } else { format!("supervisor.{method}") };
        match self.stage.env.call(&name, params) {
            Ok(value) => return Some(value),
            Err((0, text)) => self.excuse(method, &io::Error::other(text)),
            Err((code, _)) => self.fault(method, code),
        }
        None
    }

    /// Starts a program until it is up.
    fn bring_up(&mut self, name: &str) {
        wait_for(&format!("{name} to be up"), || {
            let answer = self.call("getProcessInfo", &[name.into()]);
            if answer.is_some_and(|a| a.contains("RUNNING")) {
                return Some(());
            }
            self.call("startProcess", &[name.into(), true.into()]);
            None
        });
    }

    /// What a supervisorctl does, to its end. No answer is judged, as others change things.
    fn ctl(&self, what: &'static str, args: &[&str]) {
        self.count(what);
        let output = self.stage.env.ctl(args);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!text.contains("panicked"), "supervisorctl {args:?}: {text}");
    }

    /// Sends something on a connection of its own, reads until a text has come, and leaves. The
    /// connection closes with unread bytes in it.
    fn cut(&self, what: &'static str, site: &Site, request: &str, until: &str) {
        self.count(what);
        let result = site.connect().and_then(|mut wire| {
            wire.write_all(request.as_bytes())?;
            let mut wire = BufReader::new(wire);
            let mut seen = String::new();
            while !seen.contains(until) {
                if wire.read_line(&mut seen)? == 0 {
                    return Err(io::Error::other(format!("no {until:?} in {seen:?}")));
                }
            }
            Ok(())
        });
        if let Err(e) = result {
            self.excuse(what, &e);
        }
    }
}

/// Starts, stops and signals of programs that obey.
fn start_and_stop(hand: &mut Hand<'_>) {
    while hand.goes_on() {
        let name = hand.pick(&["work:work_0", "work:work_1", "work:work_2"]);
        let wait = Param::Bool(hand.one_in(2));
        let end = hand.pick(&["KILL", "TERM"]);
        match hand.random.below(12) {
            0 => drop(hand.call("startProcess", &[name.into(), wait])),
            1 => drop(hand.call("stopProcess", &[name.into(), wait])),
            2 | 3 => {
                hand.call("stopProcess", &[name.into(), true.into()]);
                hand.call("startProcess", &[name.into(), wait]);
            }
            4 => drop(hand.call("stopProcessGroup", &["work".into(), wait])),
            5 => drop(hand.call("startProcessGroup", &["work".into(), wait])),
            6 | 7 => {
                let signal = hand.pick(&["HUP", "USR1", "10", "0", "CONT"]);
                hand.call("signalProcess", &[name.into(), signal.into()]);
            }
            8 => drop(hand.call("signalProcess", &[name.into(), end.into()])),
            9 => drop(hand.call("signalProcessGroup", &["work".into(), "USR2".into()])),
            10 => drop(hand.call("signalAllProcesses", &["CONT".into()])),
            _ => hand.client.hang_up(),
        }
    }
    for name in ["work:work_0", "work:work_1", "work:work_2"] {
        hand.bring_up(name);
    }
}

/// Programs that crash and come back, and programs that cannot be started.
fn crash(hand: &mut Hand<'_>) {
    while hand.goes_on() {
        let name = hand.pick(&["crash:crash_0", "crash:crash_1", "crash:crash_2"]);
        let how = hand.pick(&["die 9\n", "die 15\n", "exit 3\n", "exit 0\n", "leave 4\n"]);
        let broken = hand.pick(&scene::NEVER_UP);
        let wait = Param::Bool(hand.one_in(2));
        match hand.random.below(6) {
            0..=2 => drop(hand.call("sendProcessStdin", &[name.into(), how.into()])),
            3 => drop(hand.call("startProcess", &[broken.into(), wait])),
            4 => drop(hand.call("stopProcess", &[broken.into(), wait])),
            _ if hand.one_in(200) => {
                hand.call("sendProcessStdin", &["slow:slow_0".into(), "die 9\n".into()]);
            }
            _ => drop(hand.call("getProcessInfo", &[name.into()])),
        }
    }
}

/// Programs that write, events, and all that is done to logs.
fn talk(hand: &mut Hand<'_>) {
    while hand.goes_on() {
        let n = hand.random.below(3);
        let name = format!("work:work_{n}");
        let lines = 1 + hand.random.below(40);
        match hand.random.below(16) {
            0..=3 => drop(hand.call(
                "sendProcessStdin",
                &[name.as_str().into(), format!("say {lines}\n").as_str().into()],
            )),
            4 => drop(hand.call(
                "sendProcessStdin",
                &[name.as_str().into(), format!("err {lines}\n").as_str().into()],
            )),
            5 | 6 => {
                let order = format!("say 2\ntell {lines}\nerr 2\n");
                hand.call("sendProcessStdin", &["press:press_0".into(), order.as_str().into()]);
            }
            7 => drop(hand.call("sendProcessStdin", &["auto".into(), "say 1\nerr 1\n".into()])),
            8 | 9 => {
                let text = "x".repeat(if hand.one_in(20) { 100_000 } else { lines });
                hand.call("sendRemoteCommEvent", &["news".into(), text.as_str().into()]);
            }
            10 => drop(hand.call("clearProcessLogs", &[name.as_str().into()])),
            11 if hand.one_in(4) => drop(hand.call("clearAllProcessLogs", &[])),
            12 if hand.one_in(8) => {
                if let Ok(_ours) = hand.stage.log.try_lock() {
                    hand.stage.search();
                    hand.call("clearLog", &[]);
                }
            }
            13 => {
                // As logrotate's copytruncate does it.
                hand.count("copytruncate");
                let file = hand.stage.env.path(&format!("logs/work_{n}.out"));
                if let Ok(file) = std::fs::File::options().write(true).open(file) {
                    file.set_len(0).unwrap();
                }
            }
            14 if hand.one_in(4) => {
                hand.count("SIGUSR2");
                let file = hand.stage.env.path(&format!("logs/work_{n}.out"));
                let moved = hand.stage.env.path("moved");
                let _ = std::fs::rename(file, &moved);
                hand.stage.env.signal(Signal::SIGUSR2);
                let _ = std::fs::remove_file(moved);
            }
            _ => {
                let order = "{\"twiddler\": \"says something\"}";
                hand.call("twiddler.log", &[order.into()]);
            }
        }
    }
}

/// Clients that only look, by calls.
fn read(hand: &mut Hand<'_>) {
    while hand.goes_on() {
        let name =
            hand.pick(&["work:work_0", "work:work_1", "press:press_0", "auto", "many:many_3"]);
        let (name, zero, some) = (Param::Text(name), Param::Int(0), Param::Int(2000));
        match hand.random.below(17) {
            0 => drop(hand.call("getAllProcessInfo", &[])),
            1 => drop(hand.call("getAllConfigInfo", &[])),
            2 => drop(hand.call("getProcessInfo", &[name])),
            3 => drop(hand.call("readProcessStdoutLog", &[name, zero, some])),
            4 => drop(hand.call("readProcessStderrLog", &[name, zero, zero])),
            5 => drop(hand.call("tailProcessStdoutLog", &[name, zero, some])),
            6 => drop(hand.call("tailProcessStderrLog", &[name, zero, some])),
            7 => drop(hand.call("readLog", &[(-2000).into(), zero])),
            8 => drop(hand.call("getState", &[])),
            9 => drop(hand.call("system.listMethods", &[])),
            10 => drop(hand.call("system.methodHelp", &["supervisor.getState".into()])),
            11 => {
                hand.count("system.multicall");
                let one = "<value><struct><member><name>methodName</name><value>supervisor.getPID\
                           </value></member></struct></value>";
                let all = format!(
                    "<methodCall><methodName>system.multicall</methodName><params><param><value>\
                     <array><data>{}</data></array></value></param></params></methodCall>",
                    one.repeat(5)
                );
                match hand.client.request("POST /RPC2", &all) {
                    Ok((status, _)) => assert_eq!(status, 200, "multicall"),
                    Err(e) => hand.excuse("multicall", &e),
                }
            }
            12 => drop(hand.call("twiddler.getGroupNames", &[])),
            13 => drop(hand.call("getIdentification", &[])),
            14 => {
                hand.count("a document that is no call");
                match hand.client.request("POST /RPC2", "<methodCall><nonsense") {
                    Ok((status, _)) => assert_eq!(status, 400, "nonsense"),
                    Err(e) => hand.excuse("nonsense", &e),
                }
            }
            15 => {
                hand.count("a large call");
                let text = "y".repeat(200_000);
                hand.call("sendRemoteCommEvent", &["large".into(), text.as_str().into()]);
            }
            _ => hand.client.hang_up(),
        }
    }
}

/// A file that cannot be read.
const BAD: &str = "[program:bad]\nstartsecs=soon\n";

const PAGES: [&str; 10] = [
    "/",
    "/?filter=work",
    "/process.html?processname=work:work_0",
    "/tail.html?processname=press:press_0&limit=2000",
    "/stylesheets/supervisor.css",
    "/metrics",
    "/usage.json?since=0",
    "/status.json",
    "/healthz",
    "/no-such-page",
];

/// Browsers, scrapers, followers, and clients that leave in the middle.
fn browse(hand: &mut Hand<'_>) {
    let (unix, tcp) = (Site::Unix(hand.stage.env.socket()), Site::Tcp(hand.stage.port));
    let mut clients = [Client::new(unix.clone(), ""), Client::new(tcp.clone(), RIGHT)];
    while hand.goes_on() {
        let which = hand.random.below(2);
        let site = [&unix, &tcp][which];
        let head = format!("HTTP/1.1\r\nHost: localhost\r\n{RIGHT}");
        match hand.random.below(18) {
            0..=9 => {
                let page = hand.pick(&PAGES);
                hand.count("a page");
                match clients[which].get(page) {
                    Ok((status, _)) => assert!(
                        matches!(status, 200 | 404) || hand.stage.is_restarting(),
                        "{page}: {status}"
                    ),
                    Err(e) => hand.excuse(page, &e),
                }
            }
            10 => {
                hand.count("a button");
                let action = hand.pick(&["restart", "stop", "start", "clearlog"]);
                let path = format!("/index.html?processname=clicked&action={action}");
                if let Err(e) = clients[0].get(&path) {
                    hand.excuse(&path, &e);
                }
            }
            11 => {
                let log =
                    hand.pick(&["/logtail/work:work_0", "/logtail/auto/stderr", "/mainlogtail"]);
                hand.cut(
                    "a log that is followed, cut",
                    site,
                    &format!("GET {log} {head}\r\n"),
                    "\r\n",
                );
            }
            12 => {
                let request = format!("GET /events?types=EVENT {head}\r\n");
                hand.cut("a stream of events, cut", site, &request, ": EVENT\n");
            }
            13 => {
                let request = hand.pick(&["GE", "GET / HTTP/1.1\r\nHost: loc", ""]);
                hand.cut("half a head", site, request, "");
            }
            14 => {
                let request = format!("POST /RPC2 {head}Content-Length: 5000\r\n\r\n<methodCall>");
                hand.cut("half a body", site, &request, "");
            }
            15 => {
                // Answers that nobody reads.
                let call = body("supervisor.getAllProcessInfo", &[]);
                let one = format!("POST /RPC2 {head}Content-Length: {}\r\n\r\n{call}", call.len());
                hand.cut("requests sent ahead", site, &one.repeat(5), "");
            }
            16 if hand.one_in(10) => {
                let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{WRONG}\r\n");
                hand.cut("a wrong password", &tcp, &request, "401");
            }
            16 => {
                let request = "GET / HTTP/1.1\r\nno header\r\n\r\n";
                hand.cut("a bad head", site, request, "HTTP/1.");
            }
            _ => clients[which].hang_up(),
        }
    }
    hand.bring_up("clicked");
}

/// Stops that take SIGKILL, groups that outlive their leader, sockets that come and go.
fn stop_hard(hand: &mut Hand<'_>) {
    while hand.goes_on() {
        let name =
            hand.pick(&["stubborn", "family", "family", "clan", "gate:gate_0", "gate:gate_1"]);
        let wait = hand.one_in(2);
        match hand.random.below(4) {
            0 => drop(hand.call("stopProcess", &[name.into(), wait.into()])),
            1 => drop(hand.call("signalProcess", &["family".into(), "KILL".into()])),
            2 => drop(hand.call("stopProcessGroup", &["gate".into(), wait.into()])),
            _ => {}
        }
        hand.call("startProcess", &[name.into(), wait.into()]);
    }
    for name in ["stubborn", "family", "clan", "gate:gate_0", "gate:gate_1"] {
        hand.bring_up(name);
    }
}

/// A file that changes, and groups and programs that come and go.
fn change(hand: &mut Hand<'_>) {
    while hand.goes_on() {
        scene::reshape(&hand.stage.env, hand.random.below(scene::SHAPES));
        match hand.random.below(6) {
            0..=2 => drop(update(hand)),
            3 => hand.ctl("supervisorctl update", &["update"]),
            4 => {
                let Ok(_ours) = hand.stage.files.try_lock() else { continue };
                let bad = hand.stage.env.write("conf.d/bad.conf", BAD);
                hand.call("reloadConfig", &[]);
                std::fs::remove_file(bad).unwrap();
            }
            _ => {
                hand.call("stopProcessGroup", &["duo".into(), true.into()]);
                hand.call("removeProcessGroup", &["duo".into()]);
                hand.call("addProcessGroup", &["duo".into()]);
            }
        }
        let options = [("command", "/bin/cat"), ("startsecs", "0"), ("stdout_logfile", "NONE")];
        let options = options
            .iter()
            .chain(&[("stderr_logfile", "NONE")])
            .map(|(k, v)| ((*k).to_owned(), (*v).into()));
        let guest = vec!["dynamic".into(), "extra".into(), Value::Struct(options.collect())];
        hand.ask("twiddler.addProgramToGroup", guest);
        hand.call("stopProcess", &["dynamic:extra".into(), true.into()]);
        hand.call("twiddler.removeProcessFromGroup", &["dynamic".into(), "extra".into()]);
    }
    calm_down(hand);
}

/// What `supervisorctl update` does. Gives whether there was nothing to do.
fn update(hand: &mut Hand<'_>) -> bool {
    let Some(answer) = hand.ask("reloadConfig", vec![]) else { return false };
    let names = |n: usize| -> Vec<String> {
        let lists = answer.as_array().and_then(|a| a.first()?.as_array());
        let list = lists.and_then(|l| l.get(n)?.as_array()).unwrap_or_default();
        list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    };
    let [added, changed, removed] = [0, 1, 2].map(names);
    for group in removed.iter().chain(&changed) {
        hand.call("stopProcessGroup", &[group.as_str().into(), true.into()]);
        hand.call("removeProcessGroup", &[group.as_str().into()]);
    }
    for group in changed.iter().chain(&added) {
        hand.call("addProcessGroup", &[group.as_str().into()]);
    }
    added.is_empty() && changed.is_empty() && removed.is_empty()
}

/// Back to the first shape of the file, and nothing of the guests left.
pub fn calm_down(hand: &mut Hand<'_>) {
    scene::reshape(&hand.stage.env, 0);
    wait_for("the first shape of the file to be in force", || update(hand).then_some(()));
    hand.call("stopProcess", &["dynamic:extra".into(), true.into()]);
    hand.call("twiddler.removeProcessFromGroup", &["dynamic".into(), "extra".into()]);
}

/// Tries once to start what cannot be started: a program has a thread from its first start on, and since
/// a restart there may have been none.
pub fn try_all(hand: &mut Hand<'_>) {
    for name in scene::NEVER_UP {
        hand.call("startProcess", &[name.into(), true.into()]);
    }
}

/// supervisorctl as people and scripts use it.
fn control(hand: &mut Hand<'_>) {
    while hand.goes_on() {
        match hand.random.below(10) {
            0 => hand.ctl("supervisorctl status", &["status"]),
            1 => hand.ctl("supervisorctl status --json", &["status", "--json", "work*"]),
            2 => hand.ctl("supervisorctl tail", &["tail", "work:work_1"]),
            3 => hand.ctl("supervisorctl pid", &["pid", "all"]),
            4 => hand.ctl("supervisorctl avail", &["avail"]),
            5 => hand.ctl("supervisorctl signal", &["signal", "HUP", "work:*"]),
            6 => hand.ctl("supervisorctl maintail", &["maintail"]),
            7 => hand.ctl("supervisorctl restart", &["restart", "press:"]),
            8 => follow(hand, "supervisorctl tail -f", &["tail", "-f", "press:press_0"]),
            _ => follow(hand, "supervisorctl events", &["events", "REMOTE_COMMUNICATION"]),
        }
    }
    hand.bring_up("press:press_0");
}

/// A supervisorctl that follows something, until something has come; then it is interrupted, or killed.
fn follow(hand: &mut Hand<'_>, what: &'static str, args: &[&str]) {
    hand.count(what);
    let mut child = Command::new(env!("CARGO_BIN_EXE_supervisorctl"))
        .arg("-c")
        .arg(hand.stage.env.path("supervisord.conf"))
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = child.stdout.take().unwrap();
    let flags = nix::fcntl::OFlag::O_NONBLOCK;
    nix::fcntl::fcntl(&output, nix::fcntl::FcntlArg::F_SETFL(flags)).unwrap();
    wait_for(&format!("{what} to say something"), || {
        if hand.stage.is_restarting() {
            return Some(());
        }
        hand.call("sendRemoteCommEvent", &["wake".into(), "up".into()]);
        hand.call("sendProcessStdin", &["press:press_0".into(), "say 1\n".into()]);
        match output.read(&mut [0; 512]) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => None,
            _ => Some(()),
        }
    });
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    let signal = hand.pick(&[Signal::SIGINT, Signal::SIGKILL]);
    nix::sys::signal::kill(pid, signal).unwrap();
    // It may be writing more than a pipe takes.
    drop(output);
    child.wait().unwrap();
}

/// Ways to make the daemon start over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    Signal,
    Call,
    /// By a signal, with a file that cannot be read.
    Refused,
    Control,
}

impl Restart {
    pub const ALL: [Restart; 4] =
        [Restart::Signal, Restart::Call, Restart::Refused, Restart::Control];
}

/// The daemon starts over, or is asked to and refuses. Returns when that is done.
pub fn start_over(hand: &mut Hand<'_>, how: Restart) {
    let env = &hand.stage.env;
    let _good = hand.stage.files.lock().unwrap();
    let before = env.pid_of("anchor");
    if how == Restart::Refused {
        hand.count("SIGHUP, refused");
        let _log = hand.stage.log.lock().unwrap();
        let bad = env.write("conf.d/bad.conf", BAD);
        let refusals = || {
            let log = env.read("sd.log") + &env.read("sd.log.1");
            log.matches("restart refused").count()
        };
        let old = refusals();
        env.signal(Signal::SIGHUP);
        wait_for("a refusal", || (refusals() != old).then_some(()));
        std::fs::remove_file(bad).unwrap();
        return;
    }
    hand.stage.restarting.store(true, Ordering::SeqCst);
    match how {
        Restart::Call => drop(hand.call("restart", &[])),
        Restart::Control => hand.ctl("supervisorctl reload", &["reload"]),
        Restart::Signal | Restart::Refused => {
            hand.count("SIGHUP");
            env.signal(Signal::SIGHUP);
        }
    }
    wait_for("the next life of the daemon", || {
        let info = env.sup("getProcessInfo", &["anchor"]).ok()?;
        let pid = info["pid"].as_i32()?;
        (pid != 0 && pid != before && info["statename"].as_str() == Some("RUNNING")).then_some(())
    });
}
