//! From a request to its answer.
//!
//! Runs on connection threads, any number at once. Reads are answered from [`Published`], log files
//! are read here, and what changes something goes to the coordinator's inbox, whose answer is
//! waited for: with `wait=true` as long as it takes a process to start or stop. Owns nothing but
//! the lock that keeps re-reads of the configuration in order.

use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::bounded;

use super::args::Args;
use super::faults::{
    BAD_NAME, FAILED, INCORRECT_PARAMETERS, NO_FILE, NOT_IN_WHITELIST, SHUTDOWN_STATE,
    UNKNOWN_METHOD, fault,
};
use super::info::{self, Now};
use super::logs;
use super::methods::{Call, Namespaces};
use super::multicall::multicall;
use super::value::{Fault, Value};
use super::xml::{self, XmlError};
use crate::activity::Activity;
use crate::config::model::{Config, Level};
use crate::coordinator::inbox::{Channel, Msg, Op};
use crate::coordinator::mailbox::Mailbox;
use crate::coordinator::published::{GroupView, Mood, ProcSlot, Published};
use crate::http::NotXmlRpc;
use crate::monitor::Monitor;
use crate::sys::clock::Mono;

/// Version of the interface, as clients of the reference check it.
const API_VERSION: &str = "3.0";

/// How long the coordinator may take to give a sign of life. Its turns are short.
const PULSE: Duration = Duration::from_secs(3);

/// Reads the configuration anew; the error is what CANT_REREAD says.
pub type Load = Box<dyn Fn() -> Result<Config, String> + Send + Sync>;

/// The XML-RPC service. Shared by all connections; each call may block its thread.
pub struct Service {
    pub(super) published: Arc<Published>,
    pub(super) inbox: Mailbox,
    /// Clients that follow events.
    pub(super) streams: Arc<AtomicUsize>,
    pub(super) load: Load,
    pub(super) activity: Activity,
    pub(super) monitor: Monitor,
    namespaces: Namespaces,
    /// Held from reading the file until the result is adopted, so that of two re-reads at once the
    /// later one wins.
    pub(super) reread: Mutex<()>,
}

/// What a name in a call stands for.
pub(super) enum Named {
    /// `GROUP:*` or `GROUP:`
    Group(Arc<GroupView>),
    /// `NAME` or `GROUP:NAME`
    Process(Arc<ProcSlot>),
}

impl Service {
    /// A service with the namespaces that the current configuration opens. As with the HTTP
    /// servers, a change of those takes a restart, that is, a new service.
    pub fn new(
        published: Arc<Published>,
        inbox: Mailbox,
        load: Load,
        activity: Activity,
    ) -> Service {
        let namespaces = Namespaces::new(&published.config().rpc_interfaces);
        let (streams, reread) = (Arc::default(), Mutex::new(()));
        let monitor = Monitor::default();
        Service { published, inbox, streams, load, activity, monitor, namespaces, reread }
    }

    /// Answers a request document with a response document, which may hold a fault.
    ///
    /// # Errors
    /// The body is no request: why, in the words of the reference's log line.
    pub fn xmlrpc(&self, body: &[u8]) -> Result<Vec<u8>, NotXmlRpc> {
        let (method, params) = xml::decode_call(body).map_err(|error| match error {
            XmlError::NoMethod => NotXmlRpc("no method name".to_owned()),
            _ => NotXmlRpc("unmarshallable".to_owned()),
        })?;
        let shown = method.escape_debug();
        self.trace(|| format!("XML-RPC method called: {shown}()"));
        let begun = Mono::now();
        let result = self.answer(&method, &params);
        self.monitor.rpc.add(Mono::now().since(begun), result.is_err());
        let answer = match result {
            Ok(document) => {
                self.trace(|| format!("XML-RPC method {shown}() returned successfully"));
                document
            }
            Err(f) => {
                self.trace(|| {
                    format!("XML-RPC method {shown}() returned fault: [{}] {}", f.code, f.text)
                });
                xml::encode_fault(&f)
            }
        };
        Ok(answer.into_bytes())
    }

    /// Makes one call. Checks in upstream's order: the method, the number of parameters, whether
    /// supervisord is shutting down, and then what the method checks.
    ///
    /// # Errors
    /// The fault to answer with.
    pub fn call(&self, method: &str, params: &[Value]) -> Result<Value, Fault> {
        self.run(self.find(method, params)?, Args(params))
    }

    /// Makes one call; the result as a document.
    fn answer(&self, method: &str, params: &[Value]) -> Result<String, Fault> {
        match self.find(method, params)? {
            // The one answer that grows with the number of processes and is asked for all the time.
            Call::AllProcessInfo if !self.is_going() => {
                Ok(info::all_processes_document(&self.published.structure(), Now::get()))
            }
            call => self.run(call, Args(params)).map(|value| xml::encode_response(&value)),
        }
    }

    fn find(&self, method: &str, params: &[Value]) -> Result<Call, Fault> {
        let found = self.namespaces.find(method).ok_or_else(|| fault(UNKNOWN_METHOD, None))?;
        if !found.takes(params.len()) {
            return Err(fault(INCORRECT_PARAMETERS, None));
        }
        if self.namespaces.forbids(method) && !self.is_down() {
            return Err(fault(NOT_IN_WHITELIST, method.split('.').nth(1)));
        }
        Ok(found.call)
    }

    fn run(&self, call: Call, args: Args) -> Result<Value, Fault> {
        match call {
            Call::ListMethods => {
                Ok(Value::Array(self.namespaces.list().into_iter().map(Value::from).collect()))
            }
            Call::MethodHelp => self.describe(args).map(|m| m.help_text().into()),
            Call::MethodSignature => self.describe(args).map(|m| Value::Array(m.signature())),
            Call::Multicall => multicall(self, args.0.first()),
            Call::SendRemoteComm => {
                self.ask(Op::RemoteComm { kind: args.scalar(0)?, data: args.scalar(1)? })
            }
            _ if call.is_twiddler() && !self.is_down() => self.twiddle(call, args),
            _ if self.is_going() => Err(fault(SHUTDOWN_STATE, None)),
            _ => self.run_while_up(call, args),
        }
    }

    /// Methods that a supervisord which shuts down or restarts refuses.
    fn run_while_up(&self, call: Call, args: Args) -> Result<Value, Fault> {
        match call {
            Call::ApiVersion => Ok(API_VERSION.into()),
            Call::SupervisorVersion => Ok(env!("CARGO_PKG_VERSION").into()),
            Call::Identification => Ok(self.published.config().daemon.identifier.clone().into()),
            Call::GetState => Ok(self.state()),
            Call::GetPid => Ok(i64::from(std::process::id()).into()),
            Call::ProcessInfo => self.process(args).map(|slot| info::process(&slot, Now::get())),
            Call::AllProcessInfo => {
                Ok(info::all_processes(&self.published.structure(), Now::get()))
            }
            Call::AllConfigInfo => {
                Ok(info::all_configs(&self.published.config(), &self.published.structure()))
            }
            Call::ReadLog => self.read_log(args),
            Call::ReadStdout => self.read_process_log(args, Channel::Stdout),
            Call::ReadStderr => self.read_process_log(args, Channel::Stderr),
            Call::TailStdout => self.tail_process_log(args, Channel::Stdout),
            Call::TailStderr => self.tail_process_log(args, Channel::Stderr),
            Call::StartProcess => self.start(&args.text(0)?, args.truth(1, true)),
            Call::StartGroup => self.start_all(self.members(args)?, args.truth(1, true)),
            Call::StartAll => self.start_all(self.everyone(), args.truth(0, true)),
            Call::StopProcess => self.stop(&args.text(0)?, args.truth(1, true)),
            Call::StopGroup => self.stop_all(self.members(args)?, args.truth(1, true)),
            Call::StopAll => self.stop_all(self.everyone(), args.truth(0, true)),
            Call::SignalProcess => self.signal(&args.text(0)?, &args.signal(1)?),
            Call::SignalGroup => self.signal_all(self.members(args)?, &args.signal(1)?),
            Call::SignalAll => self.signal_all(self.everyone(), &args.signal(0)?),
            Call::SendStdin => self.send_stdin(args),
            Call::ReloadConfig => self.reload_config(),
            Call::AddGroup => self.add_group(&args.group(0)?),
            Call::RemoveGroup => self.remove_group(&args.group(0)?),
            Call::Shutdown => self.ask(Op::Shutdown),
            Call::Restart => self.ask(Op::Restart),
            Call::ClearLog => self.clear_log(),
            Call::ClearProcessLogs => self.clear_process_logs(args),
            Call::ClearAllProcessLogs => self.clear_all_process_logs(),
            Call::ListMethods
            | Call::MethodHelp
            | Call::MethodSignature
            | Call::Multicall
            | Call::SendRemoteComm
            | Call::TwiddlerVersion
            | Call::TwiddlerGroups
            | Call::TwiddlerLog
            | Call::TwiddlerAddProgram
            | Call::TwiddlerRemoveProcess => Err(fault(UNKNOWN_METHOD, None)),
        }
    }

    /// Sends a call to the coordinator and waits for its answer.
    pub(super) fn ask(&self, op: Op) -> Result<Value, Fault> {
        let (reply, answer) = bounded(1);
        // The coordinator ends only at the end of the daemon.
        self.inbox.send(Msg::Call { op, reply }).map_err(|_| fault(SHUTDOWN_STATE, None))?;
        answer.recv().unwrap_or_else(|_| {
            Err(match self.is_going() {
                true => fault(SHUTDOWN_STATE, None),
                false => fault(FAILED, Some("the call was dropped")),
            })
        })
    }

    /// Asks the coordinator for a sign of life; none when it does not come in time.
    pub(super) fn pulse(&self) -> Option<Value> {
        let (reply, answer) = bounded(1);
        self.inbox.send(Msg::Call { op: Op::Pulse, reply }).ok()?;
        answer.recv_timeout(PULSE).ok()?.ok()
    }

    /// What `NAME`, `GROUP:NAME`, `GROUP:*` or `GROUP:` stands for.
    ///
    /// # Errors
    /// BAD_NAME with the name as it was written.
    pub(super) fn named(&self, name: &str) -> Result<Named, Fault> {
        let (group, process) = match name.split_once(':') {
            Some((group, "" | "*")) => (group, None),
            Some((group, process)) => (group, Some(process)),
            None => (name, Some(name)),
        };
        let structure = self.published.structure();
        let found = structure.group(group).and_then(|view| match process {
            Some(process) => view.process(process).cloned().map(Named::Process),
            None => Some(Named::Group(Arc::clone(view))),
        });
        found.ok_or_else(|| fault(BAD_NAME, Some(name)))
    }

    /// The one process that the first parameter names.
    pub(super) fn process(&self, args: Args) -> Result<Arc<ProcSlot>, Fault> {
        let name = args.text(0)?;
        match self.named(&name)? {
            Named::Process(slot) => Ok(slot),
            Named::Group(_) => Err(fault(BAD_NAME, Some(&name))),
        }
    }

    /// The members of the group that the first parameter names.
    fn members(&self, args: Args) -> Result<Vec<Arc<ProcSlot>>, Fault> {
        let name = args.group(0)?;
        let structure = self.published.structure();
        let group = structure.group(&name).ok_or_else(|| fault(BAD_NAME, Some(&name)))?;
        Ok(group.processes.clone())
    }

    /// All processes, in order of priority.
    pub(super) fn everyone(&self) -> Vec<Arc<ProcSlot>> {
        let structure = self.published.structure();
        structure.groups.iter().flat_map(|g| g.processes.iter().cloned()).collect()
    }

    fn is_going(&self) -> bool {
        matches!(self.published.mood(), Mood::Restarting | Mood::Shutdown)
    }

    /// A shutdown, but no restart, is under way.
    fn is_down(&self) -> bool {
        self.published.mood() == Mood::Shutdown
    }

    fn describe(&self, args: Args) -> Result<&'static super::methods::Method, Fault> {
        self.namespaces.describe(args.text(0).ok().as_deref())
    }

    fn state(&self) -> Value {
        let mood = self.published.mood();
        Value::Struct(vec![
            ("statecode".to_owned(), (mood as i32).into()),
            ("statename".to_owned(), mood.name().into()),
        ])
    }

    fn read_log(&self, args: Args) -> Result<Value, Fault> {
        let file = &self.published.config().daemon.logfile;
        if !logs::exists(file) {
            return Err(fault(NO_FILE, Some(&file.to_string_lossy())));
        }
        self.shown(file, logs::read(file, args.int(0)?, args.int(1)?))
    }

    fn read_process_log(&self, args: Args, channel: Channel) -> Result<Value, Fault> {
        let slot = self.process(args)?;
        let file = slot.logfile(channel).ok_or_else(|| fault(NO_FILE, None))?;
        if !logs::exists(file) {
            return Err(fault(NO_FILE, Some(&file.to_string_lossy())));
        }
        self.shown(file, logs::read(file, args.int(1)?, args.int(2)?))
    }

    /// A log for a client; the administrator hears when there is no memory for it.
    fn shown(&self, file: &Path, read: Result<String, Fault>) -> Result<Value, Fault> {
        if read.as_ref().is_err_and(|f| f.text.ends_with(logs::NO_MEMORY)) {
            let text = format!("{} is not shown to a client: {}", file.display(), logs::NO_MEMORY);
            self.activity.warn(&text);
        }
        read.map(Value::from)
    }

    fn tail_process_log(&self, args: Args, channel: Channel) -> Result<Value, Fault> {
        let slot = self.process(args)?;
        match slot.logfile(channel).filter(|file| logs::exists(file)) {
            Some(file) => Ok(logs::tail(file, args.int(1)?, args.int(2)?)),
            None => Ok(Value::Array(vec!["".into(), Value::Int(0), false.into()])),
        }
    }

    fn trace(&self, text: impl FnOnce() -> String) {
        if self.activity.enabled(Level::Trace) {
            self.activity.log(Level::Trace, &text());
        }
    }
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
