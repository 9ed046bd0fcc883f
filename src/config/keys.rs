//! The one table of all options: name, default and a sentence each.
//!
//! Pure data. The loader takes names and defaults from here; `about` is what error texts and
//! manuals say.

/// One option of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opt {
    /// Name, in lower case.
    pub key: &'static str,
    /// Default as it would be written; none: the option is missing, which means something.
    pub default: Option<&'static str>,
    /// What it is for, to go on a sentence.
    pub about: &'static str,
}

macro_rules! options {
    ($($(#[$doc:meta])* $list:ident { $($id:ident $key:literal $(= $default:literal)?, $about:literal;)* })*) => {
        $($(#[$doc])* pub mod $list {
            use super::Opt;
            $(#[doc = $about] pub const $id: Opt = Opt {
                key: $key,
                default: options!(@ $($default)?),
                about: $about,
            };)*
            /// All of them.
            pub const ALL: &[Opt] = &[$($id),*];
        })*
    };
    (@) => { None };
    (@ $default:literal) => { Some($default) };
}

options! {
    /// `[supervisord]`. The table of the command line has the same names.
    supervisord {
        LOGFILE "logfile" = "supervisord.log", "the file of the activity log, or syslog";
        LOGFILE_MAXBYTES "logfile_maxbytes" = "50MB", "the size at which the activity log is rotated, 0 for never";
        LOGFILE_BACKUPS "logfile_backups" = "10", "how many rotated activity logs are kept";
        LOGLEVEL "loglevel" = "info", "the least level written to the activity log";
        PIDFILE "pidfile" = "supervisord.pid", "the file that holds the process id";
        UMASK "umask" = "022", "the umask of the daemon";
        NODAEMON "nodaemon" = "false", "whether to stay in the foreground";
        SILENT "silent" = "false", "whether to keep the log off stdout in the foreground";
        MINFDS "minfds" = "1024", "the least number of file descriptors to start with";
        MINPROCS "minprocs" = "200", "the least number of processes to start with";
        NOCLEANUP "nocleanup" = "false", "whether old AUTO logs stay at start";
        CHILDLOGDIR "childlogdir", "the folder of AUTO logs, the one for temporary files if not given";
        USER "user", "the user to become after start";
        DIRECTORY "directory", "the folder to change to when daemonizing";
        STRIP_ANSI "strip_ansi" = "false", "whether escape sequences are taken out of program logs";
        ENVIRONMENT "environment" = "", "variables for every program";
        IDENTIFIER "identifier" = "supervisor", "the name of this supervisor";
    }
    /// `[unix_http_server]`.
    unix_http_server {
        FILE "file", "the socket's file";
        CHMOD "chmod" = "0700", "the permissions of the socket";
        CHOWN "chown", "the owner of the socket, user or user:group";
        USERNAME "username", "the user name to ask for";
        PASSWORD "password", "the password to ask for, plain, or hashed by supervisorctl hash_password, or {SHA} and its SHA-1 sum";
        OPEN_PATHS "open_paths" = "", "paths such as /metrics and /healthz that need no password, with commas between";
    }
    /// `[inet_http_server]`.
    inet_http_server {
        PORT "port", "the port to listen on, or host:port, or *:port";
        USERNAME "username", "the user name to ask for";
        PASSWORD "password", "the password to ask for, plain, or hashed by supervisorctl hash_password, or {SHA} and its SHA-1 sum";
        GET_ACTIONS "get_actions" = "false", "whether links of the web page may start and stop programs";
        ALLOWED_HOSTS "allowed_hosts" = "", "further names that browsers may use for this server, with commas between";
        OPEN_PATHS "open_paths" = "", "paths such as /metrics and /healthz that need no password, with commas between";
    }
    /// `[supervisorctl]`.
    supervisorctl {
        SERVERURL "serverurl" = "http://localhost:9001", "the server to talk to, http://host:port or unix://file";
        USERNAME "username", "the user name for the server";
        PASSWORD "password", "the password for the server";
        PROMPT "prompt" = "supervisor", "the prompt of the shell";
        HISTORY_FILE "history_file", "the file that keeps the lines typed";
    }
    /// `[ctlplugin:x]`.
    ctlplugin {
        FACTORY "supervisor.ctl_factory", "the Python function that makes the plug-in";
    }
    /// `[include]`.
    include {
        FILES "files", "patterns of files to read, with blanks between";
    }
    /// `[rpcinterface:x]`.
    rpcinterface {
        FACTORY "supervisor.rpcinterface_factory", "the Python function that makes the interface";
    }
    /// `[group:x]`.
    group {
        PROGRAMS "programs", "the programs of the group, with commas between";
        PRIORITY "priority" = "999", "the place in the order of starts and stops";
    }
    /// `[program:x]`, and every other kind of section that runs something.
    program {
        COMMAND "command", "the command line to run";
        PROCESS_NAME "process_name" = "%(program_name)s", "the name of each process";
        NUMPROCS "numprocs" = "1", "how many processes to run";
        NUMPROCS_START "numprocs_start" = "0", "the number of the first process";
        DIRECTORY "directory", "the folder to run in";
        UMASK "umask", "the umask to run with";
        PRIORITY "priority" = "999", "the place in the order of starts and stops";
        AUTOSTART "autostart" = "true", "whether to start with supervisord";
        AUTORESTART "autorestart" = "unexpected", "when to start again after an exit";
        STARTSECS "startsecs" = "1", "the seconds to stay up to count as running";
        STARTRETRIES "startretries" = "3", "the failed starts after which to give up";
        EXITCODES "exitcodes" = "0", "the expected exit codes";
        STOPSIGNAL "stopsignal" = "TERM", "the signal that asks to stop";
        STOPWAITSECS "stopwaitsecs" = "10", "the seconds between the stop signal and SIGKILL";
        STOPASGROUP "stopasgroup" = "false", "whether the stop signal goes to the process group";
        KILLASGROUP "killasgroup", "whether SIGKILL goes to the process group, as stopasgroup if not given";
        USER "user", "the user to run as";
        REDIRECT_STDERR "redirect_stderr" = "false", "whether stderr goes where stdout goes";
        STDOUT_LOGFILE "stdout_logfile" = "AUTO", "the log of stdout: a file, AUTO or NONE";
        STDOUT_LOGFILE_MAXBYTES "stdout_logfile_maxbytes" = "50MB", "the size at which the log of stdout is rotated, 0 for never";
        STDOUT_LOGFILE_BACKUPS "stdout_logfile_backups" = "10", "how many rotated logs of stdout are kept";
        STDOUT_CAPTURE_MAXBYTES "stdout_capture_maxbytes" = "0", "the bytes kept of a tagged message on stdout, 0 for none";
        STDOUT_EVENTS_ENABLED "stdout_events_enabled" = "false", "whether stdout makes PROCESS_LOG events";
        STDOUT_SYSLOG "stdout_syslog" = "false", "whether stdout goes to syslog, too";
        STDERR_LOGFILE "stderr_logfile" = "AUTO", "the log of stderr: a file, AUTO or NONE";
        STDERR_LOGFILE_MAXBYTES "stderr_logfile_maxbytes" = "50MB", "the size at which the log of stderr is rotated, 0 for never";
        STDERR_LOGFILE_BACKUPS "stderr_logfile_backups" = "10", "how many rotated logs of stderr are kept";
        STDERR_CAPTURE_MAXBYTES "stderr_capture_maxbytes" = "0", "the bytes kept of a tagged message on stderr, 0 for none";
        STDERR_EVENTS_ENABLED "stderr_events_enabled" = "false", "whether stderr makes PROCESS_LOG events";
        STDERR_SYSLOG "stderr_syslog" = "false", "whether stderr goes to syslog, too";
        ENVIRONMENT "environment" = "", "variables for the program";
        SERVERURL "serverurl", "the URL given to the program to reach supervisord, AUTO if not given";
    }
    /// `[fcgi-program:x]`, besides those of a program.
    fcgi {
        SOCKET "socket", "the socket the processes share, tcp://host:port or unix:///file";
        SOCKET_BACKLOG "socket_backlog", "how many connections may wait";
        SOCKET_OWNER "socket_owner", "the owner of a Unix socket, user or user:group";
        SOCKET_MODE "socket_mode", "the permissions of a Unix socket";
    }
    /// `[eventlistener:x]`, besides those of a program.
    eventlistener {
        EVENTS "events", "the types of events to send, with commas between";
        BUFFER_SIZE "buffer_size" = "10", "how many events wait while no listener is ready";
        LEN_IN_BYTES "len_in_bytes" = "false", "whether len in headers counts bytes, not characters";
        RESULT_HANDLER "result_handler" = "supervisor.dispatchers:default_handler", "the Python function that judges answers";
        PRIORITY "priority" = "-1", "the place of the pool in the order of starts and stops";
    }
}

/// The options a section may have; none for a section nobody reads, or one that takes any.
pub fn known(section: &str) -> Option<Vec<Opt>> {
    let of = |lists: &[&[Opt]]| Some(lists.concat());
    match section.split_once(':').map_or(section, |(kind, _)| kind) {
        "supervisord" => of(&[supervisord::ALL]),
        "unix_http_server" => of(&[unix_http_server::ALL]),
        "inet_http_server" => of(&[inet_http_server::ALL]),
        "supervisorctl" => of(&[supervisorctl::ALL]),
        "include" => of(&[include::ALL]),
        "group" => of(&[group::ALL]),
        "program" => of(&[program::ALL]),
        "fcgi-program" => of(&[fcgi::ALL, program::ALL]),
        "eventlistener" => of(&[eventlistener::ALL, program::ALL]),
        _ => None,
    }
}

#[cfg(test)]
mod agreement {
    //! The loader's names and defaults, and what the sample and the manuals say, must be the same.
    use super::super::options::{Fallback, OPTIONS, OptionRow, Section};
    use super::*;

    fn lists() -> Vec<(Section, &'static [&'static [Opt]])> {
        vec![
            (Section::UnixHttpServer, &[unix_http_server::ALL]),
            (Section::InetHttpServer, &[inet_http_server::ALL]),
            (Section::Supervisord, &[supervisord::ALL]),
            (Section::Supervisorctl, &[supervisorctl::ALL]),
            (Section::Include, &[include::ALL]),
            (Section::RpcInterface, &[rpcinterface::ALL]),
            (Section::Group, &[group::ALL]),
            (Section::Program, &[program::ALL]),
            (Section::FcgiProgram, &[fcgi::ALL, program::ALL]),
            (Section::EventListener, &[eventlistener::ALL, program::ALL]),
        ]
    }

    fn rows(section: Section) -> impl Iterator<Item = &'static OptionRow> {
        OPTIONS.iter().filter(move |row| row.sections.contains(&section))
    }

    #[test]
    fn every_option_of_the_manual_is_read_and_has_that_default() {
        for (section, opts) in lists() {
            for row in rows(section) {
                let Some(opt) = opts.iter().flat_map(|l| l.iter()).find(|o| o.key == row.name)
                else {
                    panic!("{section:?} {}: not read by the loader", row.name)
                };
                if let (Fallback::Value(said), Some(used)) = (row.default, opt.default) {
                    assert_eq!(said, used, "{section:?} {}", row.name);
                }
                if row.default == Fallback::Required {
                    assert_eq!(opt.default, None, "{section:?} {}", row.name);
                }
            }
        }
    }

    #[test]
    fn every_option_that_is_read_is_in_the_manual() {
        for (section, opts) in lists() {
            for opt in opts.iter().flat_map(|l| l.iter()) {
                let known = rows(section).any(|row| row.name == opt.key);
                // Options of programs that listeners have not are only in the shared list.
                assert!(known || section == Section::EventListener, "{section:?} {}", opt.key);
            }
        }
    }
}
