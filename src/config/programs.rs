//! The processes of one section: a program expanded for each of its process numbers.
//!
//! Any thread; looks users and folders up.
//!
//! Which names an option may use differs: those read once per section know where they stand and
//! who they are; those read per process (command, folder, log files and their sizes, environment)
//! know its number as well, and the variables of the program's own `environment=`.

use std::sync::Arc;

use super::error::{ConfigError, Problem};
use super::ini::Section;
use super::keys::{Opt, program as opt};
use super::model::{Level, LogTarget, Note, Output, Program, Setup};
use super::pytext::strip;
use super::section::{Fields, Source};
use super::servers::after_colon;
use super::values::{self, LogName};

/// Processes one section may have; far above what a machine can run, and there to keep a slip of
/// the finger from taking all memory.
const MOST_PROCESSES: i64 = 100_000;

/// All processes of a section, sorted by name, `[supervisord]`'s variables merged in.
pub fn processes(
    source: &Source<'_>,
    section: &Section,
    group_name: &str,
    shared: &[(String, String)],
    notes: &mut Vec<Note>,
) -> Result<Vec<Program>, ConfigError> {
    let mut fields = source.with_here(section);
    let program_name =
        values::name(after_colon(&section.name)).map_err(|e| fields.wrong(e.to_string()))?;
    fields.names.set("program_name", program_name);
    fields.names.set("host_node_name", source.env.host.clone());
    fields.names.set("group_name", group_name);
    let template = template(&fields)?;
    let process_name = values::name(fields.raw(&opt::PROCESS_NAME).unwrap_or_default())
        .map_err(|e| fields.fault(&opt::PROCESS_NAME, e))?;
    let numbers = numbers(&fields, &process_name)?;
    fields.names.set_int("numprocs", numbers.end - numbers.start);
    let mut found: Vec<Program> = Vec::new();
    for number in numbers {
        let mut program = process(&mut fields, &template, &process_name, number, shared, notes)?;
        if let Some(before) = found.last().filter(|before| before.setup == program.setup) {
            program.setup = before.setup.clone();
        }
        found.push(program);
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The process numbers of a section.
fn numbers(fields: &Fields<'_>, process_name: &str) -> Result<std::ops::Range<i64>, ConfigError> {
    let count = fields.need(&opt::NUMPROCS, values::whole)?;
    let start = fields.need(&opt::NUMPROCS_START, values::whole)?;
    let text = |text: &str| Problem::Text(text.to_owned());
    if count > 1 && !process_name.contains("%(process_num)") {
        let why = "more than one process needs %(process_num) in process_name=, such as \
                   %(program_name)s_%(process_num)02d";
        return Err(fields.fault(&opt::NUMPROCS, text(why)));
    }
    if count > MOST_PROCESSES {
        return Err(fields.fault(&opt::NUMPROCS, text("more processes than 100000")));
    }
    match start.checked_add(count) {
        Some(end) => Ok(start..end),
        None => Err(fields.fault(&opt::NUMPROCS_START, text("out of range"))),
    }
}

/// What all processes of a section have in common.
fn template(fields: &Fields<'_>) -> Result<Program, ConfigError> {
    let stopasgroup = fields.need(&opt::STOPASGROUP, values::boolean)?;
    let killasgroup = fields.maybe(&opt::KILLASGROUP, values::boolean)?.unwrap_or(stopasgroup);
    if stopasgroup && !killasgroup {
        let why = "stopasgroup=true does not go with killasgroup=false";
        return Err(fields.fault(&opt::KILLASGROUP, Problem::Text(why.to_owned())));
    }
    let serverurl = fields.text(&opt::SERVERURL)?;
    let auto = |url: &String| strip(url).to_uppercase() == "AUTO";
    // The order of reading is the order in which mistakes are told.
    let umask = fields.maybe(&opt::UMASK, values::octal)?;
    let mut program = Program {
        name: String::new(),
        priority: fields.need(&opt::PRIORITY, values::whole)?,
        autostart: fields.need(&opt::AUTOSTART, values::boolean)?,
        autorestart: fields.need(&opt::AUTORESTART, values::restart)?,
        startsecs: fields.need(&opt::STARTSECS, values::seconds)?,
        startretries: fields.need(&opt::STARTRETRIES, values::whole)?,
        setup: Arc::new(Setup {
            command: String::new(),
            directory: None,
            umask,
            stdout: fixed(fields, &STDOUT)?,
            stderr: fixed(fields, &STDERR)?,
            redirect_stderr: fields.need(&opt::REDIRECT_STDERR, values::boolean)?,
            user: None,
            environment: Vec::new(),
            serverurl: serverurl.filter(|url| !auto(url)),
        }),
        stopsignal: fields.need(&opt::STOPSIGNAL, values::signal)?,
        stopwaitsecs: fields.need(&opt::STOPWAITSECS, values::seconds)?,
        stopasgroup,
        killasgroup,
        exitcodes: fields.need(&opt::EXITCODES, values::exit_codes)?,
    };
    program.user = fields.maybe(&opt::USER, values::user)?;
    Ok(program)
}

/// The process of one number.
fn process(
    fields: &mut Fields<'_>,
    template: &Program,
    process_name: &str,
    number: i64,
    shared: &[(String, String)],
    notes: &mut Vec<Note>,
) -> Result<Program, ConfigError> {
    // Variables of the process before stay known, as there, unless they hid one of supervisord's.
    let base = fields.source.base;
    fields.names.retain(|name| !base.has(name));
    fields.names.set_int("process_num", number);
    let own =
        fields.expand(&opt::ENVIRONMENT, fields.raw(&opt::ENVIRONMENT).unwrap_or_default())?;
    let own = values::pairs(&own).map_err(|e| fields.fault(&opt::ENVIRONMENT, e))?;
    for (name, value) in &own {
        fields.names.set_env(name, value.clone());
    }
    let mut setup = Setup::clone(&template.setup);
    setup.directory = fields.text(&opt::DIRECTORY)?.map(Into::into);
    output(fields, &STDOUT, &mut setup.stdout, notes)?;
    let named = output(fields, &STDERR, &mut setup.stderr, notes)?;
    if setup.redirect_stderr {
        if named {
            notes.push(Note {
                level: Level::Warn,
                text: format!(
                    "For [{}], redirect_stderr=true but stderr_logfile has also been set to a \
                     filename, the filename has been ignored",
                    fields.section.name
                ),
            });
        }
        setup.stderr.target = LogTarget::None;
    }
    setup.command = fields.text(&opt::COMMAND)?.ok_or_else(|| fields.missing(&opt::COMMAND))?;
    let mut name = fields.expand(&opt::PROCESS_NAME, process_name)?;
    // It stays for long, and expansion makes room for more.
    name.shrink_to_fit();
    setup.environment = merged(shared, own);
    Ok(Program { name, setup: Arc::new(setup), ..template.clone() })
}

/// The shared variables, those of the program over them.
fn merged(shared: &[(String, String)], own: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut all = shared.to_vec();
    for (name, value) in own {
        match all.iter_mut().find(|(n, _)| *n == name) {
            Some(old) => old.1 = value,
            None => all.push((name, value)),
        }
    }
    all
}

/// The options of one output stream.
struct Stream {
    logfile: Opt,
    maxbytes: Opt,
    backups: Opt,
    capture: Opt,
    events: Opt,
    syslog: Opt,
}

const STDOUT: Stream = Stream {
    logfile: opt::STDOUT_LOGFILE,
    maxbytes: opt::STDOUT_LOGFILE_MAXBYTES,
    backups: opt::STDOUT_LOGFILE_BACKUPS,
    capture: opt::STDOUT_CAPTURE_MAXBYTES,
    events: opt::STDOUT_EVENTS_ENABLED,
    syslog: opt::STDOUT_SYSLOG,
};

const STDERR: Stream = Stream {
    logfile: opt::STDERR_LOGFILE,
    maxbytes: opt::STDERR_LOGFILE_MAXBYTES,
    backups: opt::STDERR_LOGFILE_BACKUPS,
    capture: opt::STDERR_CAPTURE_MAXBYTES,
    events: opt::STDERR_EVENTS_ENABLED,
    syslog: opt::STDERR_SYSLOG,
};

/// What of a stream is read once per section.
fn fixed(fields: &Fields<'_>, stream: &Stream) -> Result<Output, ConfigError> {
    Ok(Output {
        target: LogTarget::Auto,
        maxbytes: 0,
        backups: 0,
        capture_maxbytes: fields.need(&stream.capture, values::byte_size)?,
        events_enabled: fields.need(&stream.events, values::boolean)?,
        syslog: false,
    })
}

/// What of a stream is read per process. Says whether its log is a named file.
fn output(
    fields: &Fields<'_>,
    stream: &Stream,
    out: &mut Output,
    notes: &mut Vec<Note>,
) -> Result<bool, ConfigError> {
    let section = &fields.section.name;
    let (key, syslog_key) = (stream.logfile.key, stream.syslog.key);
    // Expanded twice, as there: a percent sign in the name takes four.
    let once = fields.text(&stream.logfile)?.unwrap_or_default();
    let text = fields.expand(&stream.logfile, &once)?;
    let name =
        values::log_name(&text, fields.source.env).map_err(|e| fields.fault(&stream.logfile, e))?;
    out.backups = fields.need(&stream.backups, values::count)?;
    out.maxbytes = fields.need(&stream.maxbytes, values::byte_size)?;
    out.syslog = fields.need(&stream.syslog, values::boolean)?;
    let mut warn = |text: String| notes.push(Note { level: Level::Warn, text });
    out.target = match name {
        LogName::Syslog => {
            warn(format!(
                "For [{section}], {key}=syslog but this is deprecated and will be removed.  Use \
                 {syslog_key}=true to enable syslog instead."
            ));
            out.syslog = true;
            LogTarget::None
        }
        LogName::Target(target) => target,
    };
    if out.target == LogTarget::Auto && out.maxbytes == 0 {
        warn(format!(
            "For [{section}], AUTO logging used for {key} without rollover, set maxbytes > 0 to \
             avoid filling up filesystem unintentionally"
        ));
    }
    Ok(matches!(out.target, LogTarget::File(_)) || text.is_empty())
}
