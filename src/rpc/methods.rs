//! The one table of all methods: names, parameters, result types, help.
//!
//! Pure data. `system.listMethods`, `system.methodSignature` and `system.methodHelp` answer from it,
//! and [`super::dispatch`] checks calls against it. Names, types and the number of parameters are
//! those of Supervisor 4.3.0; methods of our own would get a namespace of their own.

use super::faults::{SIGNATURE_UNSUPPORTED, fault};
use super::value::{Fault, Value};
use crate::config::model::RpcInterface;
use crate::config::{MAIN_INTERFACE, TWIDDLER_INTERFACE, values};

/// What a method does; several names may share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the table below says what each does
pub enum Call {
    ApiVersion,
    SupervisorVersion,
    Identification,
    GetState,
    GetPid,
    ReadLog,
    ClearLog,
    Shutdown,
    Restart,
    ReloadConfig,
    AddGroup,
    RemoveGroup,
    StartProcess,
    StartGroup,
    StartAll,
    StopProcess,
    StopGroup,
    StopAll,
    SignalProcess,
    SignalGroup,
    SignalAll,
    AllConfigInfo,
    ProcessInfo,
    AllProcessInfo,
    ReadStdout,
    ReadStderr,
    TailStdout,
    TailStderr,
    ClearProcessLogs,
    ClearAllProcessLogs,
    SendStdin,
    SendRemoteComm,
    ListMethods,
    MethodHelp,
    MethodSignature,
    Multicall,
    TwiddlerVersion,
    TwiddlerGroups,
    TwiddlerLog,
    TwiddlerAddProgram,
    TwiddlerRemoveProcess,
}

impl Call {
    /// Whether it is one of twiddler's.
    pub fn is_twiddler(self) -> bool {
        use Call::{
            TwiddlerAddProgram, TwiddlerGroups, TwiddlerLog, TwiddlerRemoveProcess, TwiddlerVersion,
        };
        matches!(
            self,
            TwiddlerVersion
                | TwiddlerGroups
                | TwiddlerLog
                | TwiddlerAddProgram
                | TwiddlerRemoveProcess
        )
    }
}

/// One method.
#[derive(Debug)]
pub struct Method {
    /// Name without its namespace.
    pub name: &'static str,
    /// What it does.
    pub call: Call,
    /// Its parameters in order; optional ones come last.
    pub params: &'static [Param],
    /// XML-RPC type of its result.
    pub returns: &'static str,
    /// What it does, for people.
    pub help: &'static str,
}

/// One parameter.
#[derive(Debug)]
pub struct Param {
    /// Name, for the help only: XML-RPC has positions.
    pub name: &'static str,
    /// XML-RPC type.
    pub kind: &'static str,
    /// What it means.
    pub help: &'static str,
    /// It may be left out.
    pub optional: bool,
}

impl Method {
    /// Whether so many parameters are allowed.
    pub fn takes(&self, count: usize) -> bool {
        let least = self.params.iter().filter(|p| !p.optional).count();
        (least..=self.params.len()).contains(&count)
    }
    /// Result type and parameter types, as `system.methodSignature` gives them.
    pub fn signature(&self) -> Vec<Value> {
        let types = std::iter::once(self.returns).chain(self.params.iter().map(|p| p.kind));
        types.map(Value::from).collect()
    }
    /// The text of `system.methodHelp`: prose, then a tag line for each parameter and the result,
    /// since some clients show those apart.
    pub fn help_text(&self) -> String {
        let mut text = format!("{}\n\n", self.help);
        for p in self.params {
            text.push_str(&format!("@param {} {}: {}\n", p.kind, p.name, p.help));
        }
        text.push_str(&format!("@return {}\n", self.returns));
        text
    }
}

const fn required(name: &'static str, kind: &'static str, help: &'static str) -> Param {
    Param { name, kind, help, optional: false }
}

const PROCESS: Param = required("name", "string", "the process: NAME or GROUP:NAME");
const PROCESSES: Param =
    required("name", "string", "the process: NAME or GROUP:NAME; GROUP:* for all of a group");
const GROUP: Param = required("name", "string", "the group");
const SIGNAL: Param = required("signal", "string", "a signal's name (HUP, SIGHUP) or number");
const OFFSET: Param = required(
    "offset",
    "int",
    "first byte to read; negative: so many bytes at the end, and length must be 0",
);
const LENGTH: Param = required("length", "int", "how many bytes to read; 0: all there are");
const TAIL_OFFSET: Param = required("offset", "int", "byte to start at");
const TAIL_LENGTH: Param = required("length", "int", "how many bytes to give at most");
const WAIT: Param = Param {
    name: "wait",
    kind: "boolean",
    help: "whether to answer only when it is done; default true",
    optional: true,
};

const READ_HELP: &str = "Read a part of the standard output log of a process. Positions are in \
bytes; what is not UTF-8 comes as U+FFFD. Of a very long log only the first 56 MiB of the part \
asked for are given (the last ones when the offset is negative).";
const READ_STDERR_HELP: &str = "Read a part of the standard error log of a process, by the same \
rules as readProcessStdoutLog.";
const TAIL_HELP: &str = "Give the end of the standard output log of a process as [text, offset, \
overflow]: the last bytes, up to length, the size of the log, and whether the log has grown beyond \
offset + length, so that something may have been missed. Pass the offset on to the next call. A \
log that is not there is empty.";
const TAIL_STDERR_HELP: &str = "Give the end of the standard error log of a process, by the same \
rules as tailProcessStdoutLog.";
const CLEAR_HELP: &str = "Empty the logs of a process and open them anew. Files of a process \
that does not run are left as they are.";
const API_HELP: &str = "Tell the version of this interface.";
const MAIN_LOG_HELP: &str = "Read a part of the activity log of supervisord, by the same rules as \
readProcessStdoutLog.";

macro_rules! methods {
    ($($name:literal $call:ident($($param:expr),*) -> $returns:literal: $help:expr;)*) => {
        &[$(Method {
            name: $name,
            call: Call::$call,
            params: &[$($param),*],
            returns: $returns,
            help: $help,
        }),*]
    };
}

/// Methods of the standard namespace, by name.
pub static SUPERVISOR: &[Method] = methods! {
    "addProcessGroup" AddGroup(GROUP) -> "boolean":
        "Make a group of the configuration read last active, and start its autostart members.";
    "clearAllProcessLogs" ClearAllProcessLogs() -> "array":
        "Empty the logs of all processes. Give a status struct for each.";
    "clearLog" ClearLog() -> "boolean":
        "Remove the activity log's file and begin a new one.";
    "clearProcessLog" ClearProcessLogs(PROCESS) -> "boolean": CLEAR_HELP;
    "clearProcessLogs" ClearProcessLogs(PROCESS) -> "boolean": CLEAR_HELP;
    "getAPIVersion" ApiVersion() -> "string": API_HELP;
    "getAllConfigInfo" AllConfigInfo() -> "array":
        "Tell the settings of every process of the configuration read last, active or not.";
    "getAllProcessInfo" AllProcessInfo() -> "array":
        "Give what getProcessInfo gives, for all active processes, by group and name.";
    "getIdentification" Identification() -> "string":
        "Tell the identifier that supervisord was given, to tell several apart.";
    "getPID" GetPid() -> "int": "Tell the process id of supervisord.";
    "getProcessInfo" ProcessInfo(PROCESS) -> "struct":
        "Tell the state of a process, when it started and stopped, its pid, its log files, and \
         the description that status shows.";
    "getState" GetState() -> "struct":
        "Tell whether supervisord runs, restarts or shuts down, as {statecode, statename}.";
    "getSupervisorVersion" SupervisorVersion() -> "string":
        "Tell the version of supervisord.";
    "getVersion" ApiVersion() -> "string": API_HELP;
    "readLog" ReadLog(OFFSET, LENGTH) -> "string": MAIN_LOG_HELP;
    "readMainLog" ReadLog(OFFSET, LENGTH) -> "string": MAIN_LOG_HELP;
    "readProcessLog" ReadStdout(PROCESS, OFFSET, LENGTH) -> "string": READ_HELP;
    "readProcessStderrLog" ReadStderr(PROCESS, OFFSET, LENGTH) -> "string": READ_STDERR_HELP;
    "readProcessStdoutLog" ReadStdout(PROCESS, OFFSET, LENGTH) -> "string": READ_HELP;
    "reloadConfig" ReloadConfig() -> "array":
        "Read the configuration anew and tell the names of groups that are now [[added, changed, \
         removed]]. Nothing that runs is touched: that takes addProcessGroup and \
         removeProcessGroup.";
    "removeProcessGroup" RemoveGroup(GROUP) -> "boolean":
        "Take a group whose processes have all stopped out of the active ones.";
    "restart" Restart() -> "boolean":
        "Stop all processes and start again with the configuration read anew.";
    "sendProcessStdin" SendStdin(
        PROCESS,
        required("chars", "string", "what to write, as UTF-8")
    ) -> "boolean": "Write to the standard input of a running process.";
    "sendRemoteCommEvent" SendRemoteComm(
        required("type", "string", "the event's type, of the sender's choice"),
        required("data", "string", "the event's body")
    ) -> "boolean": "Send an event to listeners that subscribe to REMOTE_COMMUNICATION.";
    "shutdown" Shutdown() -> "boolean": "Stop all processes and end supervisord.";
    "signalAllProcesses" SignalAll(SIGNAL) -> "array":
        "Send a signal to all running processes. Give a status struct for each.";
    "signalProcess" SignalProcess(PROCESSES, SIGNAL) -> "boolean":
        "Send a signal to a running process.";
    "signalProcessGroup" SignalGroup(GROUP, SIGNAL) -> "array":
        "Send a signal to the running processes of a group. Give a status struct for each.";
    "startAllProcesses" StartAll(WAIT) -> "array":
        "Start all processes that do not run. Give a status struct for each.";
    "startProcess" StartProcess(PROCESSES, WAIT) -> "boolean":
        "Start a process. With wait the answer comes when it is up or has failed.";
    "startProcessGroup" StartGroup(GROUP, WAIT) -> "array":
        "Start the processes of a group that do not run. Give a status struct for each.";
    "stopAllProcesses" StopAll(WAIT) -> "array":
        "Stop all processes that run. Give a status struct for each.";
    "stopProcess" StopProcess(PROCESSES, WAIT) -> "boolean":
        "Stop a process. With wait the answer comes when it has ended.";
    "stopProcessGroup" StopGroup(GROUP, WAIT) -> "array":
        "Stop the processes of a group that run. Give a status struct for each.";
    "tailProcessLog" TailStdout(PROCESS, TAIL_OFFSET, TAIL_LENGTH) -> "array": TAIL_HELP;
    "tailProcessStderrLog" TailStderr(PROCESS, TAIL_OFFSET, TAIL_LENGTH) -> "array":
        TAIL_STDERR_HELP;
    "tailProcessStdoutLog" TailStdout(PROCESS, TAIL_OFFSET, TAIL_LENGTH) -> "array": TAIL_HELP;
};

/// Methods of the `system` namespace, by name.
pub static SYSTEM: &[Method] = methods! {
    "listMethods" ListMethods() -> "array": "List the names of all methods.";
    "methodHelp" MethodHelp(required("name", "string", "the method, with its namespace"))
        -> "string": "Tell what a method does.";
    "methodSignature" MethodSignature(required("name", "string", "the method, with its namespace"))
        -> "array": "Tell the types of a method: its result, then each parameter.";
    "multicall" Multicall(required("calls", "array", "structs {methodName, params}"))
        -> "array": "Make several calls one after the other. Give the bare result of each, or a \
                     struct {faultCode, faultString} where one failed.";
};

/// Methods of the `twiddler` namespace, by name; see [`super::twiddler`]. Types are those that the
/// package supervisor_twiddler declares, also where they are not what it gives.
pub static TWIDDLER: &[Method] = methods! {
    "addProgramToGroup" TwiddlerAddProgram(
        TWIDDLED_GROUP,
        required("program_name", "string", "the name of the program"),
        required("program_options", "struct", "its options, as in a [program:x] section")
    ) -> "boolean":
        "Adds a program to an active group, as one process or as many as its numprocs says. They \
         are not in the file: a restart forgets them.";
    "getAPIVersion" TwiddlerVersion() -> "int": API_HELP;
    "getGroupNames" TwiddlerGroups() -> "array": "Lists the names of the active groups.";
    "log" TwiddlerLog(
        required("message", "string", "what to write"),
        Param {
            name: "level",
            kind: "string|int",
            help: "a level such as WARN, or its number; default INFO",
            optional: true,
        }
    ) -> "boolean": "Writes a line to the activity log.";
    "removeProcessFromGroup" TwiddlerRemoveProcess(
        TWIDDLED_GROUP,
        required("process_name", "string", "the process, without its group")
    ) -> "boolean": "Takes a process that does not run out of its group.";
};

const TWIDDLED_GROUP: Param = required("group_name", "string", "an active group");

/// What serves a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Interface {
    Standard,
    /// With the methods that may be called; all when there are none.
    Twiddler {
        whitelist: Vec<String>,
    },
}

/// Which namespaces a configuration opens: `system`, and each `[rpcinterface:x]` with a factory that is
/// built in. As upstream, without such a section there is no `supervisor.*` at all.
#[derive(Debug, Clone)]
pub struct Namespaces(Vec<(String, Interface)>);

impl Namespaces {
    /// From the sections of a configuration.
    pub fn new(interfaces: &[RpcInterface]) -> Namespaces {
        let mut spaces: Vec<(String, Interface)> =
            interfaces.iter().filter_map(|i| Some((i.name.clone(), Interface::of(i)?))).collect();
        spaces.retain(|(name, _)| name != "system");
        spaces.sort_by(|a, b| a.0.cmp(&b.0));
        spaces.dedup_by(|a, b| a.0 == b.0);
        Namespaces(spaces)
    }
    /// The method of that full name. Upstream: exactly one dot, no name that begins with `_`.
    pub fn find(&self, name: &str) -> Option<&'static Method> {
        let (space, short) = name.split_once('.')?;
        let table = match space {
            "system" => SYSTEM,
            _ => self.interface(space)?.methods(),
        };
        table.binary_search_by(|m| m.name.cmp(short)).ok().and_then(|i| table.get(i))
    }
    /// Whether the method of that full name is there but must not be called, as upstream's twiddler
    /// has it for what its `whitelist=` leaves out.
    pub fn forbids(&self, name: &str) -> bool {
        let Some((space, short)) = name.split_once('.') else { return false };
        match self.interface(space) {
            Some(Interface::Twiddler { whitelist }) => {
                !whitelist.is_empty() && whitelist.iter().all(|allowed| allowed != short)
            }
            Some(Interface::Standard) | None => false,
        }
    }
    /// All full names, sorted.
    pub fn list(&self) -> Vec<String> {
        let tables = self.0.iter().map(|(n, i)| (n.as_str(), i.methods()));
        let mut names: Vec<String> = tables
            .chain([("system", SYSTEM)])
            .flat_map(|(space, table)| table.iter().map(move |m| format!("{space}.{}", m.name)))
            .collect();
        names.sort();
        names
    }
    /// [`Namespaces::find`] for the introspection methods, where an unknown name, or what is no
    /// name at all, is `SIGNATURE_UNSUPPORTED`.
    ///
    /// # Errors
    /// That fault.
    pub fn describe(&self, name: Option<&str>) -> Result<&'static Method, Fault> {
        name.and_then(|n| self.find(n)).ok_or_else(|| fault(SIGNATURE_UNSUPPORTED, None))
    }

    fn interface(&self, space: &str) -> Option<&Interface> {
        self.0.iter().find(|(name, _)| name == space).map(|(_, interface)| interface)
    }
}

impl Interface {
    fn of(section: &RpcInterface) -> Option<Interface> {
        match section.factory.as_str() {
            MAIN_INTERFACE => Some(Interface::Standard),
            TWIDDLER_INTERFACE => {
                let list = section.options.iter().find(|(key, _)| key == "whitelist");
                let whitelist = list.map_or_else(Vec::new, |(_, value)| values::list(value));
                Some(Interface::Twiddler { whitelist })
            }
            _ => None,
        }
    }

    fn methods(&self) -> &'static [Method] {
        match self {
            Interface::Standard => SUPERVISOR,
            Interface::Twiddler { .. } => TWIDDLER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespaces(names: &[&str]) -> Namespaces {
        let section = |n: &&str| RpcInterface {
            name: (*n).to_owned(),
            factory: MAIN_INTERFACE.to_owned(),
            options: Vec::new(),
        };
        Namespaces::new(&names.iter().map(section).collect::<Vec<_>>())
    }

    #[test]
    fn tables_are_sorted_as_lookup_needs() {
        assert!(SUPERVISOR.is_sorted_by(|a, b| a.name < b.name));
        assert!(SYSTEM.is_sorted_by(|a, b| a.name < b.name));
        assert!(TWIDDLER.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn optional_parameters_come_last() {
        for m in SUPERVISOR.iter().chain(SYSTEM).chain(TWIDDLER) {
            assert!(m.params.is_sorted_by_key(|p| p.optional), "{}", m.name);
        }
    }

    #[test]
    fn the_list_is_upstreams_in_its_order() {
        let list = namespaces(&["supervisor"]).list();
        assert_eq!(list.len(), 41);
        assert_eq!(list[5], "supervisor.getAPIVersion");
        assert_eq!(list[6], "supervisor.getAllConfigInfo");
        assert_eq!(list[40], "system.multicall");
    }

    #[test]
    fn only_names_of_the_table_are_found() {
        let spaces = namespaces(&["supervisor"]);
        assert!(spaces.find("supervisor.getState").is_some());
        for name in [
            "supervisor.nope",
            "nope",
            "supervisor.getState.x",
            "supervisor._update",
            "system._listMethods",
            "SUPERVISOR.getState",
            "supervisor.",
            ".getState",
            "supervisor.__init__",
            "",
            ".",
            "system.getState",
        ] {
            assert!(spaces.find(name).is_none(), "{name}");
        }
    }

    #[test]
    fn the_namespace_is_that_of_the_section() {
        let spaces = namespaces(&["other"]);
        assert!(spaces.find("other.getState").is_some());
        assert!(spaces.find("supervisor.getState").is_none());
        assert!(spaces.list().contains(&"other.getPID".to_owned()));
        let none = namespaces(&[]);
        assert_eq!(none.list().len(), 4);
    }

    #[test]
    fn twiddler_is_there_where_it_is_configured() {
        let section = |options| RpcInterface {
            name: "twiddler".to_owned(),
            factory: TWIDDLER_INTERFACE.to_owned(),
            options,
        };
        let all = Namespaces::new(&[section(Vec::new())]);
        assert_eq!(all.list().len(), 9);
        assert!(all.find("twiddler.log").is_some() && all.find("twiddler.getState").is_none());
        assert!(!all.forbids("twiddler.log"));
        let list = ("whitelist".to_owned(), "getAPIVersion, getGroupNames".to_owned());
        let some = Namespaces::new(&[section(vec![list])]);
        assert!(some.find("twiddler.log").is_some() && some.forbids("twiddler.log"));
        assert!(!some.forbids("twiddler.getGroupNames") && !some.forbids("system.listMethods"));
    }

    #[test]
    fn every_method_has_help_and_a_signature() {
        for m in SUPERVISOR.iter().chain(SYSTEM).chain(TWIDDLER) {
            assert!(m.help.ends_with('.'), "{}", m.name);
            assert_eq!(m.signature().len(), m.params.len() + 1);
            assert!(m.help_text().ends_with(&format!("@return {}\n", m.returns)));
        }
    }

    #[test]
    fn counts_include_optional_parameters() {
        let spaces = namespaces(&["supervisor"]);
        let start = spaces.find("supervisor.startProcess").unwrap();
        assert_eq!([0, 1, 2, 3].map(|n| start.takes(n)), [false, true, true, false]);
    }
}
