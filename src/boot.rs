//! The start, in order: options, configuration, user, limits, activity log, AUTO logs, groups'
//! sockets, control servers, daemonizing, pid file, THEN threads. And the end, in reverse.
//!
//! A restart (SIGHUP, `supervisor.restart`) is another life in the same process, with the file read
//! anew; what belongs to the process as a whole (options, limits, signals) is done once.

use std::io::Write;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};

use crate::activity::Activity;
use crate::autolog;
use crate::cli::{self, Parsed};
use crate::compare;
use crate::config::model::{Address, Config, Group, GroupKind, Level, Note, Overrides, Server};
use crate::config::{hints, load, notes};
use crate::coordinator::inbox::Msg;
use crate::coordinator::mailbox::{Mailbox, mailbox};
use crate::coordinator::outside::System;
use crate::coordinator::published::{AutoLogs, Published};
use crate::coordinator::{Coordinator, Ending, Loader, Parts};
use crate::guarded::{self, How};
use crate::http::{self, Limits};
use crate::pump::{self, MainLog, PumpConfig, PumpMsg};
use crate::rehearsal;
use crate::rpc::backend::RpcBackend;
use crate::rpc::dispatch::Service;
use crate::runner::orphans::{self, Family};
use crate::runner::plan::Surroundings;
use crate::runner::{Links, descriptors, fcgi};
use crate::sys::notify::{self, Given, Manager};
use crate::sys::places::Places;
use crate::sys::{creds, daemon, fds, limits, memory, signals};

/// Pause between two tries to begin anew after a restart.
const LIFE_AGAIN: Duration = Duration::from_secs(1);

/// Exit code of a start that failed, as in the reference.
const USAGE: i32 = 2;

/// Said when there is no background to go to.
const AS_PID1: &str = "supervisord is process 1 and stays in the foreground, as with -n: its end would end all others";

/// A start that failed: what stands after `Error: `.
struct Refused(String);

impl<E: std::error::Error> From<E> for Refused {
    fn from(e: E) -> Refused {
        Refused(e.to_string())
    }
}

/// Runs supervisord with this command line and gives its exit code.
pub fn main(args: Vec<std::ffi::OsString>) -> i32 {
    let mut args = args.into_iter();
    let program = args.next().map(|a| a.to_string_lossy().into_owned()).unwrap_or_default();
    let wanted = match cli::parse(&program, args) {
        Parsed::Run(wanted) => *wanted,
        Parsed::Version => return say(cli::version_text().trim_end()),
        Parsed::Help(text) => return say(text.trim_end()),
        Parsed::Usage(text) => {
            let _ = std::io::stderr().write_all(text.as_bytes());
            return USAGE;
        }
    };
    if wanted.differences {
        return differences(&program, &wanted.overrides);
    }
    if wanted.check {
        return check_only(&program, &wanted.overrides);
    }
    match run(wanted.overrides, wanted.warnings) {
        Ok(()) => 0,
        Err(Refused(text)) => refuse(&program, &text),
    }
}

fn say(text: &str) -> i32 {
    let written = writeln!(std::io::stdout(), "{text}");
    i32::from(written.is_err())
}

fn refuse(program: &str, text: &str) -> i32 {
    // stderr is all there is to say it on; if that fails the exit code remains.
    let _ = std::io::stderr().write_all(cli::usage_text(program, text).as_bytes());
    USAGE
}

/// `--check`: says what is wrong, and what is accepted but looks like a slip.
fn check_only(program: &str, overrides: &Overrides) -> i32 {
    let (config, hints) = match (load::load(overrides), hints::hints(overrides)) {
        (Ok(config), Ok(hints)) => (config, hints),
        (Err(e), _) | (_, Err(e)) => return refuse(program, &e.to_string()),
    };
    let notes = config.notes.iter().filter(|n| n.level >= Level::Warn).map(|n| &n.text);
    for text in notes.chain(&hints) {
        let _ = writeln!(std::io::stderr(), "warning: {text}");
    }
    let counted =
        |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
    let processes: usize = config.groups.iter().map(|g| g.programs.len()).sum();
    say(&format!(
        "{}: no errors, {} with {}",
        config.file.display(),
        counted(config.groups.len(), "group", "groups"),
        counted(processes, "process", "processes")
    ))
}

/// `--differences`: 0 when there are none, 1 when there are, 2 when the configuration cannot be read.
fn differences(program: &str, overrides: &Overrides) -> i32 {
    let found = match compare::differences(overrides) {
        Ok(found) => found,
        Err(e) => return refuse(program, &e.to_string()),
    };
    for difference in &found {
        if say(&difference.to_string()) != 0 {
            return USAGE;
        }
    }
    if found.is_empty() {
        return say(
            "nothing: with this configuration only that differs which differs for all, see the README",
        );
    }
    i32::from(!found.is_empty())
}

fn run(mut overrides: Overrides, mut warnings: Vec<String>) -> Result<(), Refused> {
    memory::share_one_heap();
    limits::no_core();
    fds::keep_stdio()?;
    // Before anything is opened that could get one of their numbers.
    let given = notify::given_sockets();
    let places = Places::reserve()?.map(Arc::new);
    signals::ignore_write_signals()?;
    daemon::close_inherited_on_exec()?;
    signals::unblock()?;
    if overrides.configuration.is_none() && nix::unistd::getuid().is_root() {
        let _ = writeln!(std::io::stderr(), "{}", notes::SEARCHED_AS_ROOT);
    }
    let mut config = load::load(&overrides)?;
    if daemon::is_pid1() && !config.daemon.nodaemon {
        // With the end of process 1 a container ends, with all that runs in it.
        (config.daemon.nodaemon, overrides.nodaemon) = (true, true);
        warnings.push(AS_PID1.to_owned());
    }
    let mut config = Arc::new(config);
    // Where the file was found counts for later readings too, whatever the folder then is.
    let overrides =
        Overrides { configuration: Some(config.file.to_string_lossy().into_owned()), ..overrides };
    let loader: Loader = Arc::new(move || load::reread(&overrides).map_err(|e| e.to_string()));
    let manager = Manager::from_env();
    let inbox = mailbox();
    let given = Arc::new(given);
    let family = OnceLock::new();
    let process = Process { inbox, loader, warnings, family, manager, given, places };
    let mut onset = Onset { first: true, first_id: 0, trouble: None, kept: Vec::new() };
    // What was in force before the last restart.
    let mut before: Option<Arc<Config>> = None;
    loop {
        match process.life(config.clone(), onset) {
            Ok(Outcome { ending: Ending::Shutdown, .. }) => return Ok(()),
            Ok(Outcome { ending: Ending::Restart(next), next_id, kept }) => {
                before = Some(std::mem::replace(&mut config, next));
                onset = Onset { first: false, first_id: next_id, trouble: None, kept };
            }
            Err((Refused(text), first_id)) => match before.clone() {
                // A file that reads well may still name a port that is taken. The daemon goes on with
                // what it had rather than leave everything stopped.
                Some(old) if !Arc::ptr_eq(&old, &config) => {
                    let text = format!(
                        "the new configuration cannot be put in force, going on with the one \
                         before: {text}"
                    );
                    let trouble = Some(Note { level: Level::Error, text });
                    onset = Onset { first: false, first_id, trouble, kept: Vec::new() };
                    config = old;
                }
                // Nor does it fit what there is, such as no thread or no place on the disk. Everything
                // is stopped already, so that the end would help nobody.
                Some(old) => {
                    if process.ended_within(LIFE_AGAIN) {
                        return Ok(());
                    }
                    let text = format!("restart failed, tried again: {text}");
                    let trouble = Some(Note { level: Level::Critical, text });
                    onset = Onset { first: false, first_id, trouble, kept: Vec::new() };
                    config = old;
                }
                None => return Err(Refused(text)),
            },
        }
    }
}

/// With what a life begins.
struct Onset {
    /// The process's first life.
    first: bool,
    /// First process id to give.
    first_id: u64,
    /// What went wrong before it, for the activity log.
    trouble: Option<Note>,
    /// Listeners of the life before that stay as they are.
    kept: Vec<http::Bound>,
}

/// With what it ends.
struct Outcome {
    ending: Ending,
    next_id: u64,
    kept: Vec<http::Bound>,
}

/// What stays over restarts.
struct Process {
    inbox: (Mailbox, Receiver<Msg>),
    loader: Loader,
    /// What the start has to say in the activity log.
    warnings: Vec<String>,
    /// Set, once it has been looked, where strangers are to be reaped. The thread that does it lives
    /// as long as the process, so the runners of every life must be known to the same one.
    family: OnceLock<Option<Arc<Family>>>,
    /// The way to the service manager.
    manager: Manager,
    /// Listening sockets that it opened for us.
    given: Arc<Vec<Given>>,
    /// Descriptor numbers by way of which children get their streams.
    places: Option<Arc<Places>>,
}

/// What is open before there are threads.
struct Ready {
    groups: Vec<Opened>,
    servers: Vec<http::Bound>,
}

/// A group with what had to be opened for it.
struct Opened {
    group: Arc<Group>,
    logs: Vec<AutoLogs>,
}

impl Process {
    /// One life, from a configuration to its ending. One that did not come to be gives the next free
    /// process id with the reason.
    fn life(&self, config: Arc<Config>, onset: Onset) -> Result<Outcome, (Refused, u64)> {
        let first_id = onset.first_id;
        self.try_life(config, onset).map_err(|refused| (refused, first_id))
    }

    fn try_life(&self, config: Arc<Config>, onset: Onset) -> Result<Outcome, Refused> {
        let Onset { first, first_id, trouble, kept } = onset;
        let (pump, activity) = match self.begin(&config, first, trouble) {
            Ok(begun) => begun,
            Err(refused) => {
                // Their files must not be left behind.
                http::discard(kept);
                return Err(refused);
            }
        };
        match self.prepare(&config, first, kept, &activity) {
            Ok(ready) => self.live(config.clone(), first, first_id, ready, activity, pump),
            Err(refused) => {
                if !first {
                    // In the background nobody reads stderr any more.
                    activity.log(Level::Critical, &format!("restart failed: {}", refused.0));
                }
                // What led here must not be lost with the queue.
                pump.write_out();
                Err(refused)
            }
        }
    }

    /// User, limits and activity log, with what is to be said first.
    fn begin(
        &self,
        config: &Config,
        first: bool,
        trouble: Option<Note>,
    ) -> Result<(pump::Idle, Activity), Refused> {
        let d = &config.daemon;
        let mut notes: Vec<Note> = config.notes.clone();
        notes.extend(trouble);
        notes.extend(creds::apply_user(d.user.as_ref())?);
        if first {
            notes.extend(limits::raise(d.minfds, d.minprocs)?);
            notes.extend(
                self.warnings.iter().map(|text| Note { level: Level::Warn, text: text.clone() }),
            );
        }
        let needed = descriptors::needed(config);
        if let Some(limit) = limits::too_few_descriptors(needed) {
            let text = format!(
                "{needed} open files are needed when all programs run, and the limit is {limit}: raise \
                 minfds in [supervisord]"
            );
            notes.push(Note { level: Level::Warn, text });
        }
        // As in the reference: the gravest first, otherwise as they came up.
        notes.sort_by_key(|note| std::cmp::Reverse(note.level));

        let pump = pump::open(PumpConfig {
            main_log: MainLog {
                path: Some(d.logfile.clone()),
                maxbytes: d.logfile_maxbytes,
                backups: d.logfile_backups,
                stdout: d.nodaemon && !d.silent,
                level: d.loglevel,
            },
            syslog: pump::SYSLOG.into(),
            inbox: self.inbox.0.clone(),
        })
        .map_err(|e| Refused(format!("cannot open {}: {e}", d.logfile.display())))?;
        let handle = pump.handle();
        let activity = Activity::new(handle.clone(), d.loglevel);
        for note in &notes {
            activity.log(note.level, &note.text);
        }
        Ok((pump, activity))
    }

    /// Waits, when there is no coordinator to listen; true when a signal asks for the end meanwhile.
    fn ended_within(&self, pause: Duration) -> bool {
        let end = Instant::now() + pause;
        loop {
            match self.inbox.1.recv_deadline(end) {
                Ok(Msg::Signal(libc::SIGTERM | libc::SIGINT | libc::SIGQUIT)) => return true,
                // What clients asked the life before for: dropped, which tells them.
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }

    /// What can still be refused: servers, AUTO logs, sockets, the way to the background. The servers
    /// first: where another daemon lives with the same file, its AUTO logs and FastCGI sockets must
    /// still be there when this start has been refused.
    fn prepare(
        &self,
        config: &Config,
        first: bool,
        kept: Vec<http::Bound>,
        activity: &Activity,
    ) -> Result<Ready, Refused> {
        let servers = http::bind_given(&config.servers, &self.given, kept)?;
        self.name_strangers(config, activity);
        match self.open(config, first, activity) {
            Ok(groups) => Ok(Ready { groups, servers }),
            Err(refused) => {
                http::discard(servers);
                Err(refused)
            }
        }
    }

    /// What comes once the servers are ours.
    fn open(
        &self,
        config: &Config,
        first: bool,
        activity: &Activity,
    ) -> Result<Vec<Opened>, Refused> {
        let d = &config.daemon;
        for note in autolog::clean(d) {
            activity.log(note.level, &note.text);
        }
        let groups = open_groups(config, activity)?;
        self.greet(config, activity);
        if first && !d.nodaemon {
            for note in daemon::daemonize(d.directory.as_deref(), d.umask)? {
                activity.log(note.level, &note.text);
            }
        }
        Ok(groups)
    }

    /// From the first thread to the last.
    fn live(
        &self,
        config: Arc<Config>,
        first: bool,
        first_id: u64,
        ready: Ready,
        activity: Activity,
        pump: pump::Idle,
    ) -> Result<Outcome, Refused> {
        let d = &config.daemon;
        let pid_file = PidFile::write(&config, &activity);
        let handle = pump.handle();
        let pump = pump.start()?;
        let wanted = || orphans::expected().then(|| Arc::new(Family::default()));
        let family = self.family.get_or_init(wanted).clone();
        if first {
            self.watch_signals(family.clone())?;
        }
        let published = Arc::new(Published::new(config.clone()));
        let (opening, opened) = bounded(0);
        let mut coordinator = Coordinator::new(Parts {
            inbox: self.inbox.clone(),
            published: published.clone(),
            activity: activity.clone(),
            pump: handle.clone(),
            credits: handle.credits(),
            outside: Box::new(System::new(
                Links { inbox: self.inbox.0.clone(), pump: handle.clone() },
                family,
                self.places.clone(),
            )),
            surroundings: Arc::new(Surroundings::new(server_url(&config.servers), d.strip_ansi)),
            loader: self.rehearsed(config.clone()),
            manager: self.manager.clone(),
            first_id,
            opening,
        });
        for group in ready.groups {
            coordinator.add_group(group.group, group.logs);
        }
        let loader = self.loader.clone();
        let service =
            Service::new(published, self.inbox.0.clone(), Box::new(move || loader()), activity);
        let backend = Arc::new(RpcBackend(Arc::new(service)));
        let served = http::serve_after(Some(opened), ready.servers, backend, Limits::default());
        let server = match served {
            Ok(server) => server,
            Err(e) => {
                // The next try makes a pump of its own.
                handle.send(PumpMsg::Quit);
                let _ = pump.join();
                return Err(e.into());
            }
        };
        let (ending, next_id) = coordinator.run();
        let kept = match &ending {
            Ending::Shutdown => server.shutdown_but(&[]),
            Ending::Restart(next) => server.shutdown_but(&next.servers),
        };
        drop(pid_file);
        handle.send(PumpMsg::Quit);
        // A pump that panicked has said so; there is nothing left to wait for then.
        let _ = pump.join();
        Ok(Outcome { ending, next_id, kept })
    }

    /// The reading for a restart: what could only fail once everything has been stopped is tried
    /// before.
    fn rehearsed(&self, now: Arc<Config>) -> Loader {
        let (loader, given) = (self.loader.clone(), self.given.clone());
        Arc::new(move || {
            let next = loader()?;
            rehearsal::rehearse(&next, &now, &given)?;
            Ok(next)
        })
    }

    /// The lines about the control servers.
    fn greet(&self, config: &Config, activity: &Activity) {
        for server in &config.servers {
            for interface in &config.rpc_interfaces {
                activity.info(&format!("RPC interface '{}' initialized", interface.name));
            }
            if server.username.is_none() {
                activity.log(
                    Level::Critical,
                    &format!(
                        "Server '{}' running without any HTTP authentication checking",
                        server.section
                    ),
                );
            }
        }
    }

    /// Sockets from the service manager that no section asks for.
    fn name_strangers(&self, config: &Config, activity: &Activity) {
        for socket in http::strangers(&config.servers, &self.given) {
            activity.warn(&format!(
                "socket {} from the service manager belongs to no section and is not served: give \
                 it the section's name by FileDescriptorName=, or its address",
                socket.shown()
            ));
        }
    }

    fn watch_signals(&self, family: Option<Arc<Family>>) -> Result<(), Refused> {
        let inbox = self.inbox.0.clone();
        let mut wanted =
            vec![libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGHUP, libc::SIGUSR2];
        if family.is_some() {
            wanted.push(libc::SIGCHLD);
        }
        signals::start(&wanted, move |signal| {
            if let (libc::SIGCHLD, Some(family)) = (signal, &family) {
                family.reap_strangers(|pid, status| {
                    let _ = inbox.send(Msg::Stranger { pid, status });
                });
                return true;
            }
            inbox.send(Msg::Signal(signal)).is_ok()
        })?;
        Ok(())
    }
}

fn open_groups(config: &Config, activity: &Activity) -> Result<Vec<Opened>, Refused> {
    let mut opened = Vec::with_capacity(config.groups.len());
    for group in &config.groups {
        let logs = autolog::create(group, &config.daemon)?;
        if let GroupKind::FastCgi(socket) = &group.kind {
            fcgi::probe(socket, activity).map_err(Refused)?;
        }
        opened.push(Opened { group: group.clone(), logs });
    }
    Ok(opened)
}

/// SUPERVISOR_SERVER_URL of children: the first Unix socket, else the first TCP port.
fn server_url(servers: &[Server]) -> Option<String> {
    let unix = servers.iter().find_map(|s| match &s.address {
        Address::Unix { path, .. } => Some(format!("unix://{}", path.display())),
        Address::Inet { .. } => None,
    });
    unix.or_else(|| {
        servers.iter().find_map(|s| match &s.address {
            Address::Inet { host, port } => {
                let host = if host.is_empty() { "localhost" } else { host };
                Some(format!("http://{host}:{port}"))
            }
            Address::Unix { .. } => None,
        })
    })
}

/// The pid file; removed when dropped, if it was written.
struct PidFile(Option<std::path::PathBuf>);

impl PidFile {
    fn write(config: &Config, activity: &Activity) -> PidFile {
        let path = &config.daemon.pidfile;
        let pid = std::process::id();
        match write_guarded(path, format!("{pid}\n").as_bytes()) {
            Ok(()) => {
                activity.info(&format!("supervisord started with pid {pid}"));
                PidFile(Some(path.clone()))
            }
            // A daemon without pid file is better than none, says the reference.
            Err(e) => {
                let why = e.get_ref().map(|why| format!(": {why}")).unwrap_or_default();
                let text = format!("could not write pidfile {}{why}", path.display());
                activity.log(Level::Critical, &text);
                PidFile(None)
            }
        }
    }
}

/// Writes a file that others can read but not write, even with umask 0: who can write the pid file
/// chooses whom start scripts kill.
fn write_guarded(path: &std::path::Path, data: &[u8]) -> std::io::Result<()> {
    guarded::open(path, How::Replace { mode: 0o644 })?.write_all(data)
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // It may have been removed by hand; nothing depends on it any more.
            let _ = std::fs::remove_file(path);
        }
    }
}
