//! The one table of options: every option of every section, with its type, its default and what it
//! does. The sample configuration is made from it; so can be man pages and `--check`'s hints.
//!
//! Pure data, used from any thread. The order of the rows is the order in the sample; the defaults
//! are those of Supervisor 4.3.0. What the options *mean* is decided in [`super::model`] and by
//! the loader; a test there holds the two together.

/// Kinds of sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// `[unix_http_server]`
    UnixHttpServer,
    /// `[inet_http_server]`
    InetHttpServer,
    /// `[supervisord]`
    Supervisord,
    /// `[rpcinterface:x]`
    RpcInterface,
    /// `[supervisorctl]`
    Supervisorctl,
    /// `[program:x]`
    Program,
    /// `[fcgi-program:x]`
    FcgiProgram,
    /// `[eventlistener:x]`
    EventListener,
    /// `[group:x]`
    Group,
    /// `[include]`
    Include,
}

/// How the sample configuration shows an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Not at all.
    No,
    /// As a setting with this value.
    Set(&'static str),
    /// Commented out, with this value.
    Off(&'static str),
}

/// One option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionRow {
    /// The kinds of sections that have it.
    pub sections: &'static [Section],
    /// Name, left of the `=`.
    pub name: &'static str,
    /// What kind of value it takes, in a word or two.
    pub kind: &'static str,
    /// What holds when it is not given: a value, or in words where there is none to write down.
    pub default: Fallback,
    /// How the sample shows it.
    pub shown: Shown,
    /// What it does, one sentence.
    pub about: &'static str,
    /// Whether Supervisor 4.3.0 has it too.
    pub in_reference: bool,
}

/// What holds when an option is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// As if this had been written.
    Value(&'static str),
    /// Something that cannot be written as a value.
    Words(&'static str),
    /// It has to be given.
    Required,
}

use Fallback::{Required, Value, Words};
use Section::{
    EventListener, FcgiProgram, Group, Include, InetHttpServer, Program, RpcInterface,
    Supervisorctl, Supervisord, UnixHttpServer,
};
use Shown::{No, Off, Set};

const UNIX: &[Section] = &[UnixHttpServer];
const INET: &[Section] = &[InetHttpServer];
const HTTP: &[Section] = &[UnixHttpServer, InetHttpServer];
const MAIN: &[Section] = &[Supervisord];
const CTL: &[Section] = &[Supervisorctl];
/// The three kinds of sections that describe processes.
const PROC: &[Section] = &[Program, FcgiProgram, EventListener];
/// Those of them that may write what they like to stdout.
const PLAIN: &[Section] = &[Program, FcgiProgram];
const FCGI: &[Section] = &[FcgiProgram];
const LISTENER: &[Section] = &[EventListener];
const GROUP: &[Section] = &[Group];

const BOOL: &str = "boolean";
const INT: &str = "whole number";
const SECS: &str = "seconds";
const SIZE: &str = "size";
const TEXT: &str = "text";
const FILE: &str = "file";
const FOLDER: &str = "folder";
const MODE: &str = "octal number";
const OWNER: &str = "user[:group]";
const LOG: &str = "file, AUTO or NONE";
const PAIRS: &str = "KEY=value list";

const fn row(
    sections: &'static [Section],
    name: &'static str,
    kind: &'static str,
    default: Fallback,
    shown: Shown,
    about: &'static str,
) -> OptionRow {
    OptionRow { sections, name, kind, default, shown, about, in_reference: true }
}

/// An option that only we have; it is not in the sample, whose settings are the reference's.
const fn ours(
    sections: &'static [Section],
    name: &'static str,
    kind: &'static str,
    default: Fallback,
    about: &'static str,
) -> OptionRow {
    OptionRow { sections, name, kind, default, shown: No, about, in_reference: false }
}

/// All options. Options that several kinds of sections share stand once.
#[rustfmt::skip]
pub const OPTIONS: &[OptionRow] = &[
    row(UNIX, "file", FILE, Required, Set("/tmp/supervisor.sock"), "where the control socket is made"),
    row(UNIX, "chmod", MODE, Value("0700"), Off("0700"), "permissions of the socket file"),
    row(UNIX, "chown", OWNER, Words("whoever runs supervisord"), Off("nobody:nogroup"), "whom the socket file belongs to"),
    row(INET, "port", "[host]:port", Required, Off("127.0.0.1:9001"), "address to listen on, * as the host means every interface"),
    ours(INET, "get_actions", BOOL, Value("false"), "true lets links of the web page start and stop programs"),
    ours(INET, "allowed_hosts", "list of names", Words("the names of this machine"), "further names that browsers may use for this server, * for any"),
    ours(HTTP, "open_paths", "list of paths", Words("none"), "status for machines that needs no password: /metrics, /status.json, /usage.json, /healthz, /readyz"),
    row(HTTP, "username", TEXT, Words("anyone may connect"), Off("user"), "name a client has to log in with"),
    row(HTTP, "password", "text or {SCHEME}hash", Words("anyone may connect"), Off("123"), "password that belongs to the name"),

    row(MAIN, "logfile", FILE, Value("supervisord.log"), Set("/tmp/supervisord.log"), "where supervisord writes down what it does"),
    row(MAIN, "logfile_maxbytes", SIZE, Value("50MB"), Set("50MB"), "size at which that file is rotated, 0 for never"),
    row(MAIN, "logfile_backups", INT, Value("10"), Set("10"), "how many rotated files are kept"),
    row(MAIN, "loglevel", "level", Value("info"), Set("info"), "least level logged, from critical down to debug, trace and blather"),
    row(MAIN, "pidfile", FILE, Value("supervisord.pid"), Set("/tmp/supervisord.pid"), "file that holds the process id of supervisord"),
    row(MAIN, "nodaemon", BOOL, Value("false"), Set("false"), "true keeps supervisord in the foreground"),
    row(MAIN, "silent", BOOL, Value("false"), Set("false"), "true keeps the log off stdout when in the foreground"),
    row(MAIN, "minfds", INT, Value("1024"), Set("1024"), "open files that must be allowed for a start"),
    row(MAIN, "minprocs", INT, Value("200"), Set("200"), "processes that must be allowed for a start"),
    row(MAIN, "umask", MODE, Value("022"), Off("022"), "umask taken on when going to the background"),
    row(MAIN, "user", "user", Words("stay who we are"), Off("supervisord"), "account to change to, once started as root"),
    row(MAIN, "identifier", TEXT, Value("supervisor"), Off("supervisor"), "name by which clients can tell this instance from others"),
    row(MAIN, "directory", FOLDER, Words("stay in the current folder"), Off("/tmp"), "folder to change to when going to the background"),
    row(MAIN, "nocleanup", BOOL, Value("false"), Off("true"), "true leaves AUTO logs of earlier runs in place at start"),
    row(MAIN, "childlogdir", FOLDER, Words("the folder for temporary files"), Off("/tmp"), "folder for logs that are set to AUTO"),
    row(MAIN, "environment", PAIRS, Words("nothing is added"), Off("KEY=\"value\""), "variables every child gets on top of the inherited ones"),
    row(MAIN, "strip_ansi", BOOL, Value("false"), Off("false"), "true takes colour and cursor codes out of child logs"),

    row(&[RpcInterface], "supervisor.rpcinterface_factory", TEXT, Required, Set("supervisor.rpcinterface:make_main_rpcinterface"), "what serves this namespace"),

    row(CTL, "serverurl", "URL", Value("http://localhost:9001"), Set("unix:///tmp/supervisor.sock"), "where supervisorctl finds supervisord"),
    // The sample shows the other kind of address as well: see `ALSO_SHOWN`.
    row(CTL, "username", TEXT, Words("no log-in"), Off("chris"), "name to log in with, as in the server's section"),
    row(CTL, "password", TEXT, Words("no log-in"), Off("123"), "password to log in with, as in the server's section"),
    row(CTL, "prompt", TEXT, Value("supervisor"), Off("mysupervisor"), "what the interactive prompt says"),
    row(CTL, "history_file", FILE, Words("nothing is kept"), Off("~/.sc_history"), "file that keeps typed lines from one session to the next"),

    row(PLAIN, "command", "command line", Required, Off("/bin/cat"), "what to run, looked up in PATH unless it has a slash"),
    row(LISTENER, "command", "command line", Required, Off("/bin/eventlistener"), "what to run, a program that speaks the listener protocol"),
    row(FCGI, "socket", "unix:// or tcp:// URL", Required, No, "listening socket that all processes of this program share as their stdin"),
    row(FCGI, "socket_backlog", INT, Words("the limit of the system"), No, "connections that may wait to be accepted"),
    row(FCGI, "socket_owner", OWNER, Words("the user of the program"), No, "whom the file of a Unix socket belongs to"),
    row(FCGI, "socket_mode", MODE, Value("0700"), No, "permissions of the file of a Unix socket"),
    row(PROC, "process_name", TEXT, Value("%(program_name)s"), Off("%(program_name)s"), "name of a process, takes %(process_num)d when there are several"),
    row(PROC, "numprocs", INT, Value("1"), Off("1"), "how many processes to run from this section"),
    row(PROC, "numprocs_start", INT, Value("0"), No, "number of the first of them"),
    row(LISTENER, "events", "list of event types", Required, Off("EVENT"), "which events are delivered, EVENT being all"),
    row(LISTENER, "buffer_size", INT, Value("10"), Off("10"), "events kept while no listener is ready, then the oldest goes"),
    OptionRow { in_reference: false, ..row(LISTENER, "len_in_bytes", BOOL, Value("false"), No, "true makes len in headers count bytes, not characters") },
    row(LISTENER, "result_handler", TEXT, Value("supervisor.dispatchers:default_handler"), No, "what judges the listener's answers, only the default can be used"),
    row(PROC, "directory", FOLDER, Words("that of supervisord"), Off("/tmp"), "working folder of the process"),
    row(PROC, "umask", MODE, Words("that of supervisord"), Off("022"), "umask of the process"),
    row(PLAIN, "priority", INT, Value("999"), Off("999"), "lower numbers are started earlier and stopped later"),
    row(LISTENER, "priority", INT, Value("-1"), Off("-1"), "lower numbers are started earlier and stopped later"),
    row(PROC, "autostart", BOOL, Value("true"), Off("true"), "start it together with supervisord"),
    row(PROC, "startsecs", SECS, Value("1"), Off("1"), "a start has succeeded once the process is this old, in seconds"),
    row(PROC, "startretries", INT, Value("3"), Off("3"), "how often a failed start is repeated before FATAL"),
    row(PROC, "autorestart", "true, false or unexpected", Value("unexpected"), Off("unexpected"), "start it again when it ends: true, false or unexpected (exit codes)"),
    row(PROC, "exitcodes", "list of numbers", Value("0"), Off("0"), "exit codes that count as expected"),
    row(PROC, "stopsignal", "signal", Value("TERM"), Off("QUIT"), "signal that asks the process to end"),
    row(PROC, "stopwaitsecs", SECS, Value("10"), Off("10"), "seconds it is given to end before it gets SIGKILL"),
    row(PROC, "stopasgroup", BOOL, Value("false"), Off("false"), "true sends the stop signal to its whole process group"),
    row(PROC, "killasgroup", BOOL, Words("as stopasgroup"), Off("false"), "true sends SIGKILL to its whole process group"),
    row(PROC, "user", "user", Words("that of supervisord"), Off("chrism"), "account to run it as, for which supervisord has to be root"),
    row(PLAIN, "redirect_stderr", BOOL, Value("false"), Off("true"), "true writes stderr into the log of stdout"),
    row(LISTENER, "redirect_stderr", BOOL, Value("false"), Off("false"), "cannot be true here, as stdout carries the protocol"),
    row(PROC, "stdout_logfile", LOG, Value("AUTO"), Off("/a/path"), "log of its stdout"),
    row(PROC, "stdout_logfile_maxbytes", SIZE, Value("50MB"), Off("1MB"), "size at which the log of stdout is rotated, 0 for never"),
    row(PROC, "stdout_logfile_backups", INT, Value("10"), Off("10"), "how many rotated logs of stdout are kept"),
    row(PLAIN, "stdout_capture_maxbytes", SIZE, Value("0"), Off("1MB"), "bytes kept of a tagged block on stdout, 0 for none"),
    row(LISTENER, "stdout_capture_maxbytes", SIZE, Value("0"), No, "of no use here, as stdout carries the protocol"),
    row(PROC, "stdout_events_enabled", BOOL, Value("false"), Off("false"), "true makes an event of whatever is written to stdout"),
    row(PROC, "stdout_syslog", BOOL, Value("false"), Off("false"), "true copies stdout to syslog"),
    row(PROC, "stderr_logfile", LOG, Value("AUTO"), Off("/a/path"), "log of its stderr"),
    row(PROC, "stderr_logfile_maxbytes", SIZE, Value("50MB"), Off("1MB"), "size at which the log of stderr is rotated, 0 for never"),
    row(PROC, "stderr_logfile_backups", INT, Value("10"), Off("10"), "how many rotated logs of stderr are kept"),
    row(PLAIN, "stderr_capture_maxbytes", SIZE, Value("0"), Off("1MB"), "bytes kept of a tagged block on stderr, 0 for none"),
    row(LISTENER, "stderr_capture_maxbytes", SIZE, Value("0"), No, "bytes kept of a tagged block on stderr, 0 for none"),
    row(PROC, "stderr_events_enabled", BOOL, Value("false"), Off("false"), "true makes an event of whatever is written to stderr"),
    row(PROC, "stderr_syslog", BOOL, Value("false"), Off("false"), "true copies stderr to syslog"),
    row(PROC, "environment", PAIRS, Words("nothing is added"), Off("A=\"1\",B=\"2\""), "variables the process gets on top of the inherited ones"),
    row(PROC, "serverurl", "URL", Value("AUTO"), Off("AUTO"), "what SUPERVISOR_SERVER_URL says, AUTO being a server of ours"),

    row(GROUP, "programs", "list of names", Required, Off("progname1,progname2"), "the programs that belong to it"),
    row(GROUP, "priority", INT, Value("999"), Off("999"), "lower numbers are started earlier and stopped later"),

    row(&[Include], "files", "list of patterns", Required, Off("relative/directory/*.ini"), "files read after this one"),
];

/// Settings the sample shows a second time, right after the row of that name, with another value.
pub const ALSO_SHOWN: &[(Section, &str, &str, &str)] = &[(
    Supervisorctl,
    "serverurl",
    "http://127.0.0.1:9001",
    "the same for a server that listens on TCP",
)];

impl Section {
    /// All kinds, in the order of the sample.
    pub const ALL: [Section; 10] = [
        UnixHttpServer,
        InetHttpServer,
        Supervisord,
        RpcInterface,
        Supervisorctl,
        Program,
        FcgiProgram,
        EventListener,
        Group,
        Include,
    ];

    /// The section name, up to and with the colon where a name of its own follows.
    pub fn prefix(self) -> &'static str {
        match self {
            UnixHttpServer => "unix_http_server",
            InetHttpServer => "inet_http_server",
            Supervisord => "supervisord",
            RpcInterface => "rpcinterface:",
            Supervisorctl => "supervisorctl",
            Program => "program:",
            FcgiProgram => "fcgi-program:",
            EventListener => "eventlistener:",
            Group => "group:",
            Include => "include",
        }
    }

    /// Its options, in order.
    pub fn options(self) -> impl Iterator<Item = &'static OptionRow> {
        OPTIONS.iter().filter(move |o| o.sections.contains(&self))
    }

    /// One of its options.
    pub fn option(self, name: &str) -> Option<&'static OptionRow> {
        self.options().find(|o| o.name == name)
    }

    /// The kind of a section from the text between its brackets. A server's section may carry a
    /// name of its own after a colon; Supervisor goes by the prefix alone there.
    pub fn of(header: &str) -> Option<Section> {
        Section::ALL.into_iter().find(|s| match s {
            UnixHttpServer | InetHttpServer | RpcInterface | Program | FcgiProgram
            | EventListener | Group => header.starts_with(s.prefix()),
            Supervisord | Supervisorctl | Include => header == s.prefix(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_section_names_an_option_twice() {
        for s in Section::ALL {
            let mut seen = HashSet::new();
            for o in s.options() {
                assert!(seen.insert(o.name), "{s:?} has {} twice", o.name);
            }
            assert!(!seen.is_empty(), "{s:?} has no options");
        }
    }

    #[test]
    fn every_option_is_explained_in_one_line() {
        for o in OPTIONS {
            assert!(!o.about.is_empty() && !o.about.contains('\n'), "{}", o.name);
            assert!(!o.about.ends_with('.') && !o.about.contains(';'), "{}", o.name);
            assert!(!o.kind.is_empty() && !o.sections.is_empty(), "{}", o.name);
        }
    }

    #[test]
    fn a_required_option_shows_an_example() {
        for o in OPTIONS.iter().filter(|o| o.default == Required && o.sections != FCGI) {
            assert_ne!(o.shown, No, "{}", o.name);
        }
    }

    #[test]
    fn sections_are_recognised_by_their_header() {
        assert_eq!(Section::of("program:web"), Some(Program));
        assert_eq!(Section::of("fcgi-program:web"), Some(FcgiProgram));
        assert_eq!(Section::of("unix_http_server:second"), Some(UnixHttpServer));
        assert_eq!(Section::of("supervisord"), Some(Supervisord));
        assert_eq!(Section::of("supervisorctl2"), None);
        assert_eq!(Section::of("program"), None);
    }

    #[test]
    fn options_differ_by_section_where_they_should() {
        assert_eq!(EventListener.option("priority").unwrap().default, Value("-1"));
        assert_eq!(Program.option("priority").unwrap().default, Value("999"));
        assert!(Program.option("events").is_none());
        assert!(FcgiProgram.option("socket").is_some());
    }
}
