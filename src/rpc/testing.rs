//! A bench for tests of this room: settings made by hand, and a coordinator that only answers.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, unbounded};

use super::dispatch::Service;
use super::value::{Fault, Value};
use crate::activity::Activity;
use crate::config::MAIN_INTERFACE;
use crate::config::model::{
    Autorestart, Config, Daemon, Group, GroupKind, Level, LogTarget, Output, Program, RpcInterface,
    Setup,
};
use crate::coordinator::inbox::{Msg, Op, ProcId, Target};
use crate::coordinator::mailbox::mailbox;
use crate::coordinator::published::{AutoLogs, GroupView, ProcSlot, Published, Structure};
use crate::pump::{PumpHandle, PumpMsg};
use crate::sys::fds::EventFd;

/// A folder of its own for one test, gone with this value.
pub struct Scratch(PathBuf);

pub fn scratch(name: &str) -> Scratch {
    let dir = std::env::temp_dir().join(format!("supervisord-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    Scratch(dir)
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl std::ops::Deref for Scratch {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.0
    }
}

pub fn daemon() -> Daemon {
    Daemon {
        nodaemon: true,
        silent: false,
        user: None,
        directory: None,
        umask: 0o22,
        logfile: "/nonexistent/supervisord.log".into(),
        logfile_maxbytes: 0,
        logfile_backups: 0,
        loglevel: Level::Trace,
        pidfile: "/nonexistent/supervisord.pid".into(),
        identifier: "supervisor".to_owned(),
        childlogdir: "/nonexistent".into(),
        minfds: 1024,
        minprocs: 200,
        nocleanup: false,
        strip_ansi: false,
        environment: Vec::new(),
    }
}

pub fn program(name: &str) -> Program {
    let output = Output {
        target: LogTarget::None,
        maxbytes: 52_428_800,
        backups: 10,
        capture_maxbytes: 0,
        events_enabled: false,
        syslog: false,
    };
    Program {
        name: name.to_owned(),
        priority: 999,
        autostart: true,
        autorestart: Autorestart::Unexpected,
        startsecs: 1,
        startretries: 3,
        stopsignal: 15,
        stopwaitsecs: 10,
        stopasgroup: false,
        killasgroup: false,
        exitcodes: vec![0],
        setup: Arc::new(Setup {
            command: "/bin/sh".to_owned(),
            directory: None,
            umask: None,
            stdout: output.clone(),
            stderr: output,
            redirect_stderr: false,
            user: None,
            environment: Vec::new(),
            serverurl: None,
        }),
    }
}

pub fn group(name: &str, programs: Vec<Arc<Program>>) -> Group {
    Group { name: name.to_owned(), priority: 999, kind: GroupKind::Programs, programs }
}

pub fn config(groups: Vec<Group>) -> Config {
    Config {
        file: "/nonexistent/supervisord.conf".into(),
        daemon: daemon(),
        servers: Vec::new(),
        groups: groups.into_iter().map(Arc::new).collect(),
        rpc_interfaces: vec![RpcInterface {
            name: "supervisor".to_owned(),
            factory: MAIN_INTERFACE.to_owned(),
            options: Vec::new(),
        }],
        notes: Vec::new(),
    }
}

/// All groups of a configuration active, with invented names for AUTO logs.
pub fn publish(config: Config) -> Arc<Published> {
    let config = Arc::new(config);
    let published = Published::new(Arc::clone(&config));
    let mut structure = Structure::default();
    let mut next = 0;
    for group in &config.groups {
        let slot = |program: &Arc<Program>| {
            next += 1;
            let auto = |output: &Output, channel: &str| {
                (output.target == LogTarget::Auto)
                    .then(|| format!("/auto/{}-{channel}.log", program.name).into())
            };
            let auto = AutoLogs {
                stdout: auto(&program.stdout, "stdout"),
                stderr: auto(&program.stderr, "stderr"),
            };
            Arc::new(ProcSlot::new(ProcId(next), group.name.clone(), Arc::clone(program), auto))
        };
        let processes = group.programs.iter().map(slot).collect();
        structure.by_name.insert(group.name.clone(), structure.groups.len());
        structure.groups.push(Arc::new(GroupView { config: Arc::clone(group), processes }));
    }
    published.set_structure(Arc::new(structure));
    Arc::new(published)
}

pub fn published(groups: Vec<Group>) -> Arc<Published> {
    publish(config(groups))
}

/// A service with a thread in the coordinator's place, which notes what it is asked and answers as
/// told. The thread ends with the service.
pub struct Bench {
    pub service: Arc<Service>,
    pub published: Arc<Published>,
    /// What the coordinator was asked, in words.
    pub asked: Arc<Mutex<Vec<String>>>,
    pump: Receiver<PumpMsg>,
}

type Answer = Box<dyn FnMut(Op) -> Option<Result<Value, Fault>> + Send>;

impl Bench {
    /// Every call to the coordinator succeeds.
    pub fn new(groups: Vec<Group>) -> Bench {
        Bench::with(config(groups), Box::new(|_| Some(Ok(true.into()))), Err("no file".to_owned()))
    }
    /// With these answers (none: the call is dropped) and this result of reading anew.
    pub fn with(config: Config, mut answer: Answer, load: Result<Config, String>) -> Bench {
        let published = publish(config);
        let (inbox, calls) = mailbox();
        let (pump_sender, pump) = unbounded();
        let wake = Arc::new(EventFd::new().unwrap());
        let activity = Activity::new(PumpHandle::new(pump_sender, wake), Level::Trace);
        let load = Box::new(move || load.clone());
        let service = Arc::new(Service::new(Arc::clone(&published), inbox, load, activity));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&asked);
        std::thread::spawn(move || {
            for msg in calls {
                let Msg::Call { op, reply } = msg else { continue };
                notes.lock().unwrap().push(words(&op));
                if let Some(result) = answer(op) {
                    let _ = reply.send(result);
                }
            }
        });
        Bench { service, published, asked, pump }
    }
    pub fn call(&self, method: &str, params: &[Value]) -> Result<Value, Fault> {
        self.service.call(&format!("supervisor.{method}"), params)
    }
    /// The text of the fault that a call gives.
    pub fn fault(&self, method: &str, params: &[Value]) -> String {
        match self.call(method, params) {
            Ok(value) => panic!("{method} gave {value:?}"),
            Err(fault) => fault.text,
        }
    }
    pub fn last_asked(&self) -> String {
        self.asked.lock().unwrap().last().cloned().unwrap_or_default()
    }
    /// Lines of the activity log so far, without their time stamps.
    pub fn log(&self) -> Vec<String> {
        let text = |msg| match msg {
            PumpMsg::Line(line) => {
                Some(String::from_utf8(line).unwrap()[24..].trim_end().to_owned())
            }
            _ => None,
        };
        self.pump.try_iter().filter_map(text).collect()
    }
}

fn words(op: &Op) -> String {
    let list = |targets: &[Target]| {
        let item = |t: &Target| match &t.precheck {
            Some(f) => format!("{}={}({})", t.id.0, t.name, f.text),
            None => format!("{}={}", t.id.0, t.name),
        };
        targets.iter().map(item).collect::<Vec<_>>().join(",")
    };
    match op {
        Op::Start { targets, wait, shape } => format!("start {} {wait} {shape:?}", list(targets)),
        Op::Stop { targets, wait, shape } => format!("stop {} {wait} {shape:?}", list(targets)),
        Op::Signal { targets, signal, shape } => {
            format!("signal {} {signal} {shape:?}", list(targets))
        }
        Op::SendStdin { id, name, data } => format!("stdin {}={name} {data:?}", id.0),
        Op::RemoteComm { kind, data } => format!("remote {kind:?} {data:?}"),
        Op::Adopt(config) => format!("adopt {}", config.groups.len()),
        Op::AddGroup { group, logs } => format!("add {} {}", group.name, logs.len()),
        Op::RemoveGroup(name) => format!("remove {name}"),
        Op::AddPrograms { group, programs, logs } => {
            let names: Vec<&str> = programs.iter().map(|p| p.name.as_str()).collect();
            format!("add {} {} to {group}", names.join(","), logs.len())
        }
        Op::RemoveProcess { group, process } => format!("remove {process} from {group}"),
        Op::Subscribe(_) => "subscribe".to_owned(),
        Op::Pulse => "pulse".to_owned(),
        Op::Shutdown => "shutdown".to_owned(),
        Op::Restart => "restart".to_owned(),
        Op::ClearLog => "clear log".to_owned(),
        Op::ClearProcessLogs { targets, shape } => format!("clear {} {shape:?}", list(targets)),
    }
}
