//! What a configuration says, typed once. After loading nobody looks options up by name.
//!
//! Defaults named here are those of Supervisor 4.3.0. Durations are whole seconds, sizes bytes.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A whole configuration: what one reading of the files gave.
#[derive(Debug, Clone)]
pub struct Config {
    /// The main file, absolute.
    pub file: PathBuf,
    /// `[supervisord]` with the command line's overrides applied.
    pub daemon: Daemon,
    /// `[unix_http_server]` and `[inet_http_server]` sections, in the order they are opened.
    pub servers: Vec<Server>,
    /// Process groups, sorted by priority, then name.
    pub groups: Vec<Arc<Group>>,
    /// `[rpcinterface:x]` sections.
    pub rpc_interfaces: Vec<RpcInterface>,
    /// What the reading has to say in the activity log, in order.
    pub notes: Vec<Note>,
}

/// A line for the activity log that came up while reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How grave.
    pub level: Level,
    /// The text, without level and time.
    pub text: String,
}

/// Levels of the activity log, in rising gravity, named as in `loglevel=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// `BLAT`
    Blather,
    /// `TRAC`
    Trace,
    /// `DEBG`
    Debug,
    /// `INFO`
    Info,
    /// `WARN`
    Warn,
    /// `ERRO`
    Error,
    /// `CRIT`
    Critical,
}

impl Level {
    /// The four letters that stand in a log line.
    pub fn tag(self) -> &'static str {
        match self {
            Level::Blather => "BLAT",
            Level::Trace => "TRAC",
            Level::Debug => "DEBG",
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERRO",
            Level::Critical => "CRIT",
        }
    }
}

/// `[supervisord]`.
#[derive(Debug, Clone)]
pub struct Daemon {
    /// Stay in the foreground.
    pub nodaemon: bool,
    /// In the foreground: no copy of the activity log on stdout.
    pub silent: bool,
    /// Whom to become after start, `user=`.
    pub user: Option<User>,
    /// Folder to change to when daemonizing.
    pub directory: Option<PathBuf>,
    /// umask set when daemonizing; default 022.
    pub umask: u32,
    /// Activity log; default `supervisord.log` in the current folder. May be a device like
    /// `/dev/stdout`.
    pub logfile: PathBuf,
    /// Rotate above so many bytes; 0: never. Default 50 MB.
    pub logfile_maxbytes: i64,
    /// Rotated files kept; default 10.
    pub logfile_backups: u32,
    /// Least level written; default info.
    pub loglevel: Level,
    /// Default `supervisord.pid` in the current folder.
    pub pidfile: PathBuf,
    /// Default `supervisor`.
    pub identifier: String,
    /// Where AUTO logs go; default the temporary folder.
    pub childlogdir: PathBuf,
    /// Least RLIMIT_NOFILE; default 1024.
    pub minfds: u64,
    /// Least RLIMIT_NPROC; default 200.
    pub minprocs: u64,
    /// Keep old AUTO logs at start.
    pub nocleanup: bool,
    /// Take ANSI escape sequences out of child logs.
    pub strip_ansi: bool,
    /// Added to the environment of every child (already part of each [`Program::environment`]).
    pub environment: Vec<(String, String)>,
}

/// A resolved user.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct User {
    /// Login name, for the supplementary groups.
    pub name: String,
    /// Numeric id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
}

/// One control server. Its password is not shown by `{:?}`.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// Section it comes from, such as `unix_http_server`.
    pub section: String,
    /// Where it listens.
    pub address: Address,
    /// User name, when a password is asked for.
    pub username: Option<String>,
    /// Password, plain, or hashed as `{SHA}` or `{PBKDF2-SHA256}` say.
    pub password: Option<String>,
    /// What browsers may do.
    pub web: WebAccess,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("section", &self.section)
            .field("address", &self.address)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "(not shown)"))
            .field("web", &self.web)
            .finish()
    }
}

/// What browsers and monitoring may do. Keys of our own, off by default; those for browsers matter on
/// TCP only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebAccess {
    /// `get_actions=`: links of the status page act at once, not after a form.
    pub get_actions: bool,
    /// `allowed_hosts=`: further names of the server, each with a port or without; `*` for any.
    pub allowed_hosts: Vec<String>,
    /// `open_paths=`: paths of status for machines that need no password and no known host.
    pub open_paths: Vec<String>,
}

/// Where a control server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket.
    Unix {
        /// Its file.
        path: PathBuf,
        /// Mode; default 0700.
        mode: u32,
        /// Owner, when `chown=` is given: user id and group id.
        owner: Option<(u32, u32)>,
    },
    /// A TCP socket.
    Inet {
        /// Host as written, in lower case; empty: all interfaces.
        host: String,
        /// Port.
        port: u16,
    },
}

/// `[rpcinterface:x]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcInterface {
    /// The part of the section name after the colon: the method namespace.
    pub name: String,
    /// `supervisor.rpcinterface_factory`.
    pub factory: String,
    /// All other options.
    pub options: Vec<(String, String)>,
}

/// A process group: `[group:x]`, or what a lone program, FastCGI program or listener becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Groups start in rising and stop in falling priority; default 999.
    pub priority: i64,
    /// What kind of group.
    pub kind: GroupKind,
    /// Member processes: in the order in which they appear in the file.
    pub programs: Vec<Arc<Program>>,
}

/// Kinds of groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupKind {
    /// Ordinary programs.
    Programs,
    /// `[fcgi-program:x]`: members share a listening socket.
    FastCgi(FcgiSocket),
    /// `[eventlistener:x]`.
    Listeners(ListenerPool),
}

/// The socket of a FastCGI group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FcgiSocket {
    /// `socket=` as in the file after expansion, such as `unix:///tmp/x.sock` or `tcp://host:port`.
    pub url: String,
    /// Address.
    pub address: FcgiAddress,
    /// `socket_backlog=`; none: SOMAXCONN of the system.
    pub backlog: Option<i32>,
}

/// Address of a FastCGI socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FcgiAddress {
    /// TCP.
    Inet {
        /// Host.
        host: String,
        /// Port.
        port: u16,
    },
    /// Unix socket.
    Unix {
        /// File.
        path: PathBuf,
        /// `socket_mode=`; default 0700.
        mode: u32,
        /// `socket_owner=`: user id and group id.
        owner: Option<(u32, u32)>,
    },
}

/// What makes a group an event listener pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerPool {
    /// Events kept while no listener is ready; default 10.
    pub buffer_size: usize,
    /// Names from `events=`, checked against the known types, in order.
    pub events: Vec<String>,
    /// `result_handler=`; only the standard handler can be used.
    pub result_handler: String,
    /// `len_in_bytes=`, a key of ours: `len` in headers counts bytes instead of characters.
    pub len_in_bytes: bool,
}

/// Default of `result_handler=`.
pub const DEFAULT_RESULT_HANDLER: &str = "supervisor.dispatchers:default_handler";

/// One process: a program expanded for one `process_num`. The options that say when it runs; those
/// that say what is run are read and changed as if they were here, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Process name after expansion.
    pub name: String,
    /// Start in rising, stop in falling order; default 999.
    pub priority: i64,
    /// Start with supervisord; default true.
    pub autostart: bool,
    /// When to start again after an exit from RUNNING.
    pub autorestart: Autorestart,
    /// Seconds to stay up to count as RUNNING; default 1.
    pub startsecs: i64,
    /// Starts tried before FATAL; default 3.
    pub startretries: i64,
    /// Signal number that asks the process to stop; default SIGTERM.
    pub stopsignal: i32,
    /// Seconds between the stop signal and SIGKILL; default 10.
    pub stopwaitsecs: i64,
    /// Send the stop signal to the process group.
    pub stopasgroup: bool,
    /// Send SIGKILL to the process group.
    pub killasgroup: bool,
    /// Expected exit codes; default 0.
    pub exitcodes: Vec<i32>,
    /// What is run.
    pub setup: Arc<Setup>,
}

/// What a child of a program is made from. Large, and for most programs the same for all their
/// processes, which then share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// Command line after expansion, unsplit.
    pub command: String,
    /// `directory=`.
    pub directory: Option<PathBuf>,
    /// `umask=`.
    pub umask: Option<u32>,
    /// Standard output.
    pub stdout: Output,
    /// Standard error.
    pub stderr: Output,
    /// stderr goes where stdout goes.
    pub redirect_stderr: bool,
    /// Whom to run as.
    pub user: Option<User>,
    /// Environment additions, `[supervisord]`'s and the program's own, in order, unique by name.
    pub environment: Vec<(String, String)>,
    /// `serverurl=` for SUPERVISOR_SERVER_URL; none: worked out from the servers.
    pub serverurl: Option<String>,
}

impl Deref for Program {
    type Target = Setup;

    fn deref(&self) -> &Setup {
        &self.setup
    }
}

impl DerefMut for Program {
    /// A process that is changed has a setup of its own from then on.
    fn deref_mut(&mut self) -> &mut Setup {
        Arc::make_mut(&mut self.setup)
    }
}

/// `autorestart=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Autorestart {
    /// false
    Never,
    /// unexpected (the default)
    Unexpected,
    /// true
    Always,
}

/// Where one output stream of a process goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Log file.
    pub target: LogTarget,
    /// Rotate above so many bytes; 0 or less: never. Default 50 MB.
    pub maxbytes: i64,
    /// Rotated files kept; default 10.
    pub backups: u32,
    /// Bytes kept of a PROCESS_COMMUNICATION block; 0: no capture mode.
    pub capture_maxbytes: i64,
    /// Emit PROCESS_LOG events.
    pub events_enabled: bool,
    /// Also write to syslog.
    pub syslog: bool,
}

/// A log file option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// `NONE`: thrown away.
    None,
    /// `AUTO`: a file of our making in `childlogdir`.
    Auto,
    /// A file.
    File(PathBuf),
}

/// supervisord's command line, unchecked: raw texts that [`super::load`] types by the same rules as
/// the file, and which win over it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `-c`
    pub configuration: Option<String>,
    /// `-n`
    pub nodaemon: bool,
    /// `-s`
    pub silent: bool,
    /// `-u`
    pub user: Option<String>,
    /// `-m`
    pub umask: Option<String>,
    /// `-d`
    pub directory: Option<String>,
    /// `-l`
    pub logfile: Option<String>,
    /// `-y`
    pub logfile_maxbytes: Option<String>,
    /// `-z`
    pub logfile_backups: Option<String>,
    /// `-e`
    pub loglevel: Option<String>,
    /// `-j`
    pub pidfile: Option<String>,
    /// `-i`
    pub identifier: Option<String>,
    /// `-q`
    pub childlogdir: Option<String>,
    /// `-k`
    pub nocleanup: bool,
    /// `-a`
    pub minfds: Option<String>,
    /// `--minprocs`
    pub minprocs: Option<String>,
    /// `-t`
    pub strip_ansi: bool,
}

impl Config {
    /// Folder of the main file, what `%(here)s` stands for there.
    pub fn here(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("/"))
    }
}
