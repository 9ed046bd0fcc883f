//! `[supervisorctl]`: what the client reads of the same file.
//!
//! Any thread; reads one file, includes nothing.

use std::path::PathBuf;

use super::env::Env;
use super::error::ConfigError;
use super::ini::Ini;
use super::keys::{ctlplugin, supervisorctl as opt};
use super::load::{environment_names, find_file, read_main};
use super::paths;
use super::section::Source;
use super::servers::{after_colon, extras};

/// What the client needs to know. Options of its command line go over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CtlConfig {
    /// The file read, absolute; none was named or found: all defaults.
    pub file: Option<PathBuf>,
    /// `http://host:port` or `unix:///file`; default `http://localhost:9001`.
    pub serverurl: String,
    /// User name for the server.
    pub username: Option<String>,
    /// Password for the server.
    pub password: Option<String>,
    /// Prompt of the shell; default `supervisor`.
    pub prompt: String,
    /// File that keeps the lines typed.
    pub history_file: Option<PathBuf>,
    /// `[ctlplugin:x]` sections as `x (module:function)`: Python plug-ins, which cannot be loaded.
    pub plugins: Vec<String>,
}

impl Default for CtlConfig {
    fn default() -> CtlConfig {
        CtlConfig {
            file: None,
            serverurl: opt::SERVERURL.default.unwrap_or_default().to_owned(),
            username: None,
            password: None,
            prompt: opt::PROMPT.default.unwrap_or_default().to_owned(),
            history_file: None,
            plugins: Vec::new(),
        }
    }
}

/// Reads the client's part of the configuration: of the named file, or of the first on the search
/// path; where there is none, all is default.
///
/// # Errors
/// The file is missing, unreadable or not INI text, or has no `[supervisorctl]`. See [`exit_code`].
pub fn load_ctl(path: Option<&str>) -> Result<CtlConfig, ConfigError> {
    load_ctl_with(path, &Env::current())
}

/// [`load_ctl`] in given surroundings.
///
/// # Errors
/// As there.
pub fn load_ctl_with(path: Option<&str>, env: &Env) -> Result<CtlConfig, ConfigError> {
    let found = match path {
        Some(path) => Some(path.to_owned()),
        None => find_file(env),
    };
    let Some(file) = found else { return Ok(CtlConfig::default()) };
    let mut ini = Ini::default();
    read_main(&mut ini, &file, env)?;
    let absolute = paths::abspath(&file, env);
    let base = environment_names(env);
    let source = Source { ini: &ini, env, base: &base, here: paths::dirname(&absolute) };
    let section = ini
        .section("supervisorctl")
        .ok_or(ConfigError::NoSection { file, section: "supervisorctl" })?;
    // %(here)s is known to these two, and to no other.
    let here = source.with_here(section);
    let fields = source.bare(section);
    let history_file = here.text(&opt::HISTORY_FILE)?.filter(|name| !name.is_empty());
    Ok(CtlConfig {
        serverurl: serverurl(here.text(&opt::SERVERURL)?.unwrap_or_default(), env),
        username: fields.text(&opt::USERNAME)?,
        password: fields.text(&opt::PASSWORD)?,
        prompt: fields.text(&opt::PROMPT)?.unwrap_or_default(),
        history_file: history_file.map(|name| paths::normalize(&name, env).into()),
        plugins: plugins(&source)?,
        file: Some(absolute.clone().into()),
    })
}

fn serverurl(url: String, env: &Env) -> String {
    match url.strip_prefix("unix://") {
        Some(path) => format!("unix://{}", paths::normalize(path, env)),
        None => url,
    }
}

fn plugins(source: &Source<'_>) -> Result<Vec<String>, ConfigError> {
    source
        .prefixed("ctlplugin:")
        .map(|section| {
            let fields = source.bare(section);
            let factory = fields
                .text(&ctlplugin::FACTORY)?
                .ok_or_else(|| fields.missing(&ctlplugin::FACTORY))?;
            extras(&fields, &ctlplugin::FACTORY)?;
            Ok(format!("{} ({factory})", after_colon(&section.name)))
        })
        .collect()
}

/// The client's exit code for an error: 2, but 1 for text that is no INI text, which the reference
/// does not expect there.
pub fn exit_code(error: &ConfigError) -> i32 {
    match error {
        ConfigError::Syntax(_) => 1,
        _ => 2,
    }
}

#[cfg(test)]
#[path = "ctl_tests.rs"]
mod tests;
