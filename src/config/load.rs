//! From files to a [`Config`]: which file, what it includes, section by section, and the command
//! line over all.
//!
//! Any thread, any number of times: reads files, the environment and the user database, changes
//! nothing. The caller prints an error as `Error: ` and its text, then a line that names `-h`, and
//! exits with 2.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::daemon::daemon;
use super::env::Env;
use super::error::ConfigError;
use super::expand::{Names, Scope, expand};
use super::groups::groups;
use super::ini::Ini;
use super::keys::include;
use super::model::{Config, Level, Note, Overrides};
use super::paths;
use super::pytext::is_space;
use super::section::Source;
use super::servers::{rpc_interfaces, servers};
use super::wildcard;

pub use super::ctl::{CtlConfig, load_ctl};

/// What the reading is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A start, or a restart by SIGHUP: everything is checked.
    Start,
    /// A re-read while running: what acts only at a start (the user to become, folders named on
    /// the command line) is not looked up again.
    Reread,
}

/// Reads the configuration for a start.
///
/// # Errors
/// Everything the reference refuses, see [`ConfigError`].
pub fn load(overrides: &Overrides) -> Result<Config, ConfigError> {
    load_with(overrides, &Env::current(), Mode::Start)
}

/// Reads the configuration again. `overrides.configuration` should be the absolute file of the
/// running one: the daemon may have changed its folder since.
///
/// # Errors
/// As [`load`]; nothing is half applied.
pub fn reread(overrides: &Overrides) -> Result<Config, ConfigError> {
    load_with(overrides, &Env::current(), Mode::Reread)
}

/// Reads a configuration in given surroundings.
///
/// # Errors
/// As [`load`].
pub fn load_with(overrides: &Overrides, env: &Env, mode: Mode) -> Result<Config, ConfigError> {
    let text = read_all(overrides.configuration.as_deref(), env)?;
    let mut base = environment_names(env);
    let source = Source { ini: &text.ini, env, base: &base, here: &text.here };
    let section = text.ini.section("supervisord").ok_or_else(|| ConfigError::NoSection {
        file: text.file.clone(),
        section: "supervisord",
    })?;
    let daemon = daemon(&source, section, overrides, mode)?;
    for (name, value) in &daemon.environment {
        base.set_env(name, value.clone());
    }
    let source = Source { ini: &text.ini, env, base: &base, here: &text.here };
    let rpc_interfaces = rpc_interfaces(&source)?;
    let mut notes = text.warnings;
    let found = groups(&source, &daemon.environment, &mut notes)?;
    // As in `groups`: a plain collect would keep the memory of what it is made from.
    let mut groups = Vec::with_capacity(found.len());
    groups.extend(found.into_iter().map(Arc::new));
    let servers = servers(&source)?;
    notes.extend(text.infos);
    Ok(Config {
        file: paths::abspath(&text.file, env).into(),
        daemon,
        servers,
        groups,
        rpc_interfaces,
        notes,
    })
}

/// The places searched when no file is named: beside the program's folder, in the current one, in
/// `/etc`.
pub fn search_path(env: &Env) -> Vec<String> {
    let beside = paths::dirname(paths::dirname(&env.program));
    let join = |rest: &str| match beside {
        "" => rest.to_owned(),
        dir if dir.ends_with('/') => format!("{dir}{rest}"),
        dir => format!("{dir}/{rest}"),
    };
    vec![
        join("etc/supervisord.conf"),
        join("supervisord.conf"),
        "supervisord.conf".to_owned(),
        "etc/supervisord.conf".to_owned(),
        "/etc/supervisord.conf".to_owned(),
        "/etc/supervisor/supervisord.conf".to_owned(),
    ]
}

/// The first file of the search path that exists.
pub fn find_file(env: &Env) -> Option<String> {
    search_path(env).into_iter().find(|path| paths::located(path, env).exists())
}

/// `ENV_X` for every variable of the environment.
pub(super) fn environment_names(env: &Env) -> Names {
    let mut names = Names::default();
    for (name, value) in &env.vars {
        names.set_env(name, value.clone());
    }
    names
}

/// All files, read but not understood.
struct Text {
    ini: Ini,
    /// The main file as named.
    file: String,
    /// Its folder.
    here: String,
    warnings: Vec<Note>,
    infos: Vec<Note>,
}

fn read_all(named: Option<&str>, env: &Env) -> Result<Text, ConfigError> {
    let file = match named {
        Some(file) => file.to_owned(),
        None => find_file(env).ok_or_else(|| ConfigError::NoFile { searched: search_path(env) })?,
    };
    let here = paths::abspath(paths::dirname(&file), env);
    let mut ini = Ini::default();
    read_main(&mut ini, &file, env)?;
    let mut text = Text { ini, file, here, warnings: Vec::new(), infos: Vec::new() };
    read_included(&mut text, env)?;
    Ok(text)
}

/// Reads the main file, which must be there.
pub(super) fn read_main(ini: &mut Ini, file: &str, env: &Env) -> Result<(), ConfigError> {
    let path = paths::located(file, env);
    if file.is_empty() || !path.exists() {
        return Err(ConfigError::Missing { file: file.to_owned() });
    }
    let bytes = fs::read(&path)
        .map_err(|e| ConfigError::Unreadable { file: file.to_owned(), why: e.to_string() })?;
    read_bytes(ini, file, bytes)
}

fn read_bytes(ini: &mut Ini, file: &str, bytes: Vec<u8>) -> Result<(), ConfigError> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(ini.read(&text, file)?),
        Err(e) => {
            let good = e.utf8_error().valid_up_to();
            let before = e.as_bytes().iter().take(good);
            let line = 1 + before.filter(|b| **b == b'\n').count();
            Err(ConfigError::Encoding { file: file.to_owned(), line })
        }
    }
}

/// Reads what `[include]` of the main file names, in the order of the patterns, sorted within
/// each. What cannot be opened, such as a folder, is passed over; an `[include]` in there is too.
fn read_included(text: &mut Text, env: &Env) -> Result<(), ConfigError> {
    if text.ini.section("include").is_none() {
        return Ok(());
    }
    text.ini.replace_here(&text.here);
    let base = paths::dirname(&paths::abspath(&text.file, env)).to_owned();
    for pattern in patterns(text, env)? {
        let pattern = match pattern.starts_with('/') {
            true => pattern,
            false => format!("{}/{pattern}", base.trim_end_matches('/')),
        };
        let files = wildcard::matching(&pattern);
        if files.is_empty() {
            let text_of = format!("No file matches via include \"{pattern}\"");
            text.warnings.push(Note { level: Level::Warn, text: text_of });
        }
        for file in files {
            let name = file.to_string_lossy().into_owned();
            let text_of = format!("Included extra file \"{name}\" during parsing");
            text.infos.push(Note { level: Level::Info, text: text_of });
            match fs::read(Path::new(&file)) {
                Ok(bytes) => read_bytes(&mut text.ini, &name, bytes)?,
                Err(e) if e.kind() == ErrorKind::IsADirectory => {}
                // The reference says nothing, and whole files of programs are not there.
                Err(e) => {
                    let text_of = format!("cannot read included file \"{name}\", left out: {e}");
                    text.warnings.push(Note { level: Level::Warn, text: text_of });
                }
            }
            text.ini.replace_here(&paths::abspath(paths::dirname(&name), env));
        }
    }
    Ok(())
}

/// The patterns of `files=`, expanded.
fn patterns(text: &Text, env: &Env) -> Result<Vec<String>, ConfigError> {
    let base = environment_names(env);
    let source = Source { ini: &text.ini, env, base: &base, here: &text.here };
    let Some(section) = text.ini.section("include") else { return Ok(Vec::new()) };
    let mut fields = source.with_here(section);
    fields.names.set("host_node_name", env.host.clone());
    let raw = fields.raw(&include::FILES).ok_or_else(|| fields.missing(&include::FILES))?;
    let files = expand(raw, Scope(&[&fields.names, &base]))
        .map_err(|e| fields.fault(&include::FILES, e))?;
    Ok(files.split(is_space).filter(|p| !p.is_empty()).map(str::to_owned).collect())
}

/// The files as text with places, not understood. For tools that look at a configuration.
///
/// # Errors
/// Those of reading the files.
pub fn raw(overrides: &Overrides) -> Result<Ini, ConfigError> {
    Ok(read_all(overrides.configuration.as_deref(), &Env::current())?.ini)
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
