//! `[supervisord]`, and the command line's options over it.
//!
//! Any thread; looks folders and users up.

use super::error::{ConfigError, Problem};
use super::expand::{Names, Scope, expand};
use super::ini::Section;
use super::keys::supervisord as opt;
use super::load::Mode;
use super::model::{Daemon, Overrides, User};
use super::paths;
use super::section::{Fields, Source};
use super::values::{self, ValueError};

/// Reads the section and applies the overrides. All values of the section are checked, also those
/// that an override replaces.
pub fn daemon(
    source: &Source<'_>,
    section: &Section,
    over: &Overrides,
    mode: Mode,
) -> Result<Daemon, ConfigError> {
    let env = source.env;
    let fields = source.with_here(section);
    let folder = |text: &str| values::folder(text, env);
    let beside = |text: &str| values::file_in_folder(text, env);
    let identifier = fields.need(&opt::IDENTIFIER, own)?;
    let mut daemon = Daemon {
        nodaemon: fields.need(&opt::NODAEMON, values::boolean)? || over.nodaemon,
        silent: fields.need(&opt::SILENT, values::boolean)? || over.silent,
        user: user(&fields, over, mode)?,
        directory: fields.maybe(&opt::DIRECTORY, folder)?.map(Into::into),
        umask: fields.need(&opt::UMASK, values::octal)?,
        logfile: fields.need(&opt::LOGFILE, beside)?.into(),
        logfile_maxbytes: fields.need(&opt::LOGFILE_MAXBYTES, values::byte_size)?,
        logfile_backups: fields.need(&opt::LOGFILE_BACKUPS, values::count)?,
        loglevel: fields.need(&opt::LOGLEVEL, values::level)?,
        pidfile: fields.need(&opt::PIDFILE, beside)?.into(),
        identifier: over.identifier.clone().unwrap_or(identifier),
        childlogdir: childlogdir(&fields)?.into(),
        minfds: fields.need(&opt::MINFDS, values::limit)?,
        minprocs: fields.need(&opt::MINPROCS, values::limit)?,
        nocleanup: fields.need(&opt::NOCLEANUP, values::boolean)? || over.nocleanup,
        strip_ansi: fields.need(&opt::STRIP_ANSI, values::boolean)? || over.strip_ansi,
        environment: environment(&fields)?,
    };
    let logfile = fields.need(&opt::LOGFILE, beside)?;
    let pidfile = fields.need(&opt::PIDFILE, beside)?;
    override_numbers(&mut daemon, over)?;
    override_files(&mut daemon, source, over, mode, (logfile, pidfile))?;
    Ok(daemon)
}

fn own(text: &str) -> Result<String, ValueError> {
    Ok(text.to_owned())
}

/// The folder of AUTO logs; the default is expanded like a value, as in the reference.
fn childlogdir(fields: &Fields<'_>) -> Result<String, ConfigError> {
    let env = fields.source.env;
    let dir = match fields.text(&opt::CHILDLOGDIR)? {
        Some(dir) => dir,
        None => fields.expand(&opt::CHILDLOGDIR, &paths::tempdir(env))?,
    };
    values::folder(&dir, env).map_err(|e| fields.fault(&opt::CHILDLOGDIR, e))
}

/// `environment=` is expanded twice there, the second time with the host's name: a percent sign
/// for programs takes four.
fn environment(fields: &Fields<'_>) -> Result<Vec<(String, String)>, ConfigError> {
    let once = fields.text(&opt::ENVIRONMENT).map_err(of_two)?.unwrap_or_default();
    let mut names: Names = fields.names.clone();
    names.set("host_node_name", fields.source.env.host.clone());
    let twice = expand(&once, Scope(&[&names, fields.source.base]))
        .map_err(|e| fields.fault(&opt::ENVIRONMENT, e.of_two()))?;
    values::pairs(&twice).map_err(|e| fields.fault(&opt::ENVIRONMENT, e))
}

/// An error about a value that is expanded twice.
fn of_two(error: ConfigError) -> ConfigError {
    match error {
        ConfigError::Value { section, key, entry, problem: Problem::Expand(e) } => {
            ConfigError::Value { section, key, entry, problem: Problem::Expand(e.of_two()) }
        }
        other => other,
    }
}

/// The user to become. On a re-read nobody becomes anybody, and the reference does not look.
fn user(fields: &Fields<'_>, over: &Overrides, mode: Mode) -> Result<Option<User>, ConfigError> {
    let written = fields.text(&opt::USER)?;
    let found = match (&over.user, &written) {
        (Some(name), _) => typed("-u", name, values::user).map(Some),
        (None, Some(name)) => values::user(name).map(Some).map_err(|e| fields.fault(&opt::USER, e)),
        (None, None) => Ok(None),
    };
    match mode {
        Mode::Start => found,
        Mode::Reread => Ok(found.unwrap_or(None)),
    }
}

fn typed<T>(
    option: &'static str,
    value: &str,
    convert: impl FnOnce(&str) -> Result<T, ValueError>,
) -> Result<T, ConfigError> {
    convert(value).map_err(|problem| ConfigError::Option {
        option,
        value: value.to_owned(),
        problem,
    })
}

/// Sets a field from an option of the command line, if that was given.
fn set<T>(
    field: &mut T,
    option: &'static str,
    value: &Option<String>,
    convert: impl FnOnce(&str) -> Result<T, ValueError>,
) -> Result<(), ConfigError> {
    if let Some(value) = value {
        *field = typed(option, value, convert)?;
    }
    Ok(())
}

fn override_numbers(daemon: &mut Daemon, over: &Overrides) -> Result<(), ConfigError> {
    set(&mut daemon.umask, "-m", &over.umask, values::octal)?;
    set(&mut daemon.logfile_maxbytes, "-y", &over.logfile_maxbytes, values::byte_size)?;
    set(&mut daemon.logfile_backups, "-z", &over.logfile_backups, values::count)?;
    set(&mut daemon.loglevel, "-e", &over.loglevel, values::level)?;
    set(&mut daemon.minfds, "-a", &over.minfds, values::limit)?;
    set(&mut daemon.minprocs, "--minprocs", &over.minprocs, values::limit)
}

/// Files and folders of the command line were checked when it was read: a re-read does not check
/// again. An empty name of a file is as if not given.
fn override_files(
    daemon: &mut Daemon,
    source: &Source<'_>,
    over: &Overrides,
    mode: Mode,
    (mut logfile, mut pidfile): (String, String),
) -> Result<(), ConfigError> {
    let env = source.env;
    let folder = |text: &str| match mode {
        Mode::Start => values::folder(text, env),
        Mode::Reread => Ok(paths::expanduser(text, env)),
    };
    let beside = |text: &str| match mode {
        Mode::Start => values::file_in_folder(text, env),
        Mode::Reread => Ok(paths::expanduser(text, env)),
    };
    let given = |value: &Option<String>| value.clone().filter(|v| !v.is_empty());
    set(&mut logfile, "-l", &given(&over.logfile), beside)?;
    set(&mut pidfile, "-j", &given(&over.pidfile), beside)?;
    set(&mut daemon.childlogdir, "-q", &over.childlogdir, |t| folder(t).map(Into::into))?;
    set(&mut daemon.directory, "-d", &over.directory, |t| folder(t).map(|d| Some(d.into())))?;
    daemon.pidfile = paths::normalize(&pidfile, env).into();
    // The bare word is no file.
    daemon.logfile = match logfile.as_str() {
        "syslog" => logfile.into(),
        _ => paths::normalize(&logfile, env).into(),
    };
    Ok(())
}
